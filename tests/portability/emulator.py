"""User-mode QEMU: Debian's package ``qemu-user``."""

from __future__ import annotations

import platform
import shutil
import subprocess

from clbench.arithmetic import NEEDED
from clbench.processor import processor
from machine import Unavailable, install

PROGRAM = "qemu-x86_64"
VENDORS = {"Haswell": "GenuineIntel", "Dhyana": "HygonGenuine", "EPYC": "AuthenticAMD"}
"""Models of processors with AVX2 and without AVX-512 → their vendor as CPUID tells it."""
INTEL, HYGON = ("Haswell",), ("Dhyana", "EPYC")
"""A model, and what stands in for one that this QEMU lacks."""


def emulating(models: tuple[str, ...]) -> tuple[str, ...]:
    """The command that carries out the words behind it on the first of the models that there is, its last word.

    Args:
        models: their names as ``qemu-x86_64 -cpu help`` lists them.

    Raises:
        Unavailable: no QEMU, none of the models, or nothing to compare an emulated processor with.
    """
    _require_portable()
    if shutil.which(PROGRAM) is None:
        install({PROGRAM: "qemu-user"})
    known = _known()
    for model in models:
        if model in known:
            return (PROGRAM, "-cpu", model)
    raise Unavailable(f"{PROGRAM} knows none of the models {', '.join(models)}")


def _known() -> frozenset[str]:
    listed = subprocess.run([PROGRAM, "-cpu", "help"], stdout=subprocess.PIPE, text=True)  # it ends with 1
    return frozenset(line.split()[1] for line in listed.stdout.splitlines() if line.startswith("x86 "))


def _require_portable() -> None:
    """See that this machine has portable arithmetic itself."""
    if platform.machine() != "x86_64":
        raise Unavailable(f"this Python is {platform.machine()}, and it is to run on an emulated x86-64")
    if lacking := sorted(NEEDED - processor().flags):
        raise Unavailable(f"this processor lacks {', '.join(lacking)}, and so has no portable arithmetic")
