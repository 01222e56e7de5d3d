"""All checks on one method, in every scenario that it is defined for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clbench.conformance.checks import CHECKS, ONCE, Check
from clbench.conformance.laboratory import Laboratory
from clbench.conformance.subject import Subject
from clbench.conformance.tiny import LENGTH
from clbench.conformance.verdict import NotReached, Verdict, fails
from clbench.definitions.models import Scenario, Variant
from clbench.errors import ClbenchError

REDUCED = 3
"""Tasks that are learnt in the scenarios after a method's first."""


@dataclass(frozen=True)
class Checked:
    """A check's verdict.

    Attributes:
        scenario: where it was held.
        check: its name, in words.
        verdict: what it concluded.
    """

    scenario: Scenario
    check: str
    verdict: Verdict


def examine(
    laboratory: Laboratory, variant: Variant, scenarios: tuple[Scenario, ...], whole: bool = True
) -> Iterator[Checked]:
    """Hold a method to its promises, check by check.

    Args:
        laboratory: where it is trained.
        variant: the method and its settings.
        scenarios: of those that it is defined for.
        whole: whether the first of them is held with all six tasks and all checks; the others are with three, and
            without what does not depend on the scenario.
    """
    for number, scenario in enumerate(scenarios):
        subject = Subject(laboratory, variant, scenario, LENGTH if whole and number == 0 else REDUCED)
        for check in CHECKS:
            if subject.whole or check not in ONCE:
                yield Checked(scenario, name_of(check), held(check, subject))


def name_of(check: Check) -> str:
    """A check's name, in words."""
    return check.__name__.replace("_", " ")


def held(check: Check, subject: Subject) -> Verdict:
    """A check's own, or that the method failed under it: a method may raise anything."""
    try:
        verdict = check(subject)
    except NotReached as reason:
        return Verdict("not reached", str(reason))
    except Exception as error:
        return fails(_named(error, subject.variant))
    return verdict if verdict.sound else fails(f"method {subject.variant.method}: {verdict.words}")


def _named(error: Exception, variant: Variant) -> str:
    """An error with the method's name, and where in its file it came from."""
    method, file = f"method {variant.method}", str(variant.method_file)
    if isinstance(error, ClbenchError):
        return str(error) if method in str(error) else f"{method}: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f", {frames[-1].name} ({Path(file).name}:{frames[-1].lineno})" if frames else ""
    return f"{method}{place}: {type(error).__name__}: {error}"
