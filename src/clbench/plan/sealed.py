"""A plan as a file that carries its own checksum, so that no changed bit of it trains something else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from clbench.errors import MissingEnvironment
from clbench.plan.records import Plan

_SEAL = re.compile(rb'\A\{\s*"sha256": "([0-9a-f]*)"')


class DamagedPlan(ValueError):
    """One of a plan's bytes is not as it was written."""


def plan_bytes(plan: Plan) -> bytes:
    """The plan as JSON, with the SHA-256 of its own bytes (``sha256`` empty) as its first key."""
    blank = plan.model_copy(update={"sha256": ""}).model_dump_json(indent=1).encode()
    seal = hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(b'"sha256": ""', b'"sha256": "' + seal + b'"', 1)


def plan_from(data: bytes) -> Plan:
    """The plan in a file's bytes.

    Raises:
        DamagedPlan: its checksum does not fit.
        ValueError: there is none of this version.
    """
    plan, found = Plan.model_validate_json(data), _SEAL.match(data)
    if plan.sha256:
        blank = data[: found.start(1)] + data[found.end(1) :] if found else b""
        if hashlib.sha256(blank).hexdigest() != plan.sha256:
            raise DamagedPlan("its content does not have the checksum it was sealed with")
    return plan


def read_plan_file(path: Path) -> Plan:
    """A plan from its file.

    Raises:
        MissingEnvironment: there is no such file, or no plan of this version in it.
    """
    try:
        return plan_from(path.read_bytes())
    except OSError as error:
        raise MissingEnvironment(f"{path}: {error.strerror}; `clbench run` writes it into its folder") from None
    except DamagedPlan as error:
        raise MissingEnvironment(f"{path}: {error}; `clbench run` writes it anew") from None
    except ValueError:
        raise other_version(path) from None


def other_version(path: Path) -> MissingEnvironment:
    """What is said of a file in which no plan can be found."""
    return MissingEnvironment(f"{path} is no plan of this version of clbench; `clbench run` writes it anew")
