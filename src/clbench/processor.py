"""The processor this runs on, as the system describes it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
X86 = ("vendor_id", "cpu family", "model", "stepping")
ARM = ("CPU implementer", "CPU variant", "CPU part", "CPU revision")


@dataclass(frozen=True)
class Processor:
    """What tells one type of processor from another.

    Attributes:
        name: its trade name; virtual machines give one name to many types.
        type: vendor and the numbers of family, model and stepping.
        flags: its instruction-set extensions; empty where the system does not list them.
    """

    name: str
    type: str
    flags: frozenset[str]


def processor() -> Processor:
    """The first processor of this machine."""
    if not sys.platform.startswith("linux"):
        name = platform.processor() or platform.machine()
        return Processor(name, f"{platform.machine()} {name}".strip(), frozenset())
    return read_processor(CPUINFO)


def read_processor(cpuinfo: Path) -> Processor:
    """The first processor that a file in the format of ``/proc/cpuinfo`` describes."""
    found = dict(_fields(cpuinfo))
    vendor, *numbers = [found[key] for key in (X86 if "vendor_id" in found else ARM) if key in found] or ["unknown"]
    flags = found.get("flags", found.get("Features", ""))
    name = found.get("model name") or platform.machine()
    return Processor(name, f"{vendor} {'/'.join(numbers)}".strip(), frozenset(flags.split()))


def _fields(cpuinfo: Path) -> Iterator[tuple[str, str]]:
    """Name and value of each line, up to the end of the first processor's block."""
    with open(cpuinfo, encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, value = line.partition(":")
            if not colon:
                return
            yield name.strip(), value.strip()
