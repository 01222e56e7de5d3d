"""Portable arithmetic: the same bits on every x86-64 processor with AVX2 and FMA.

torch, oneDNN, MKL, OpenBLAS and numpy dispatch to kernels by the processor's vendor and instruction sets, and
different kernels round differently. Environment variables fix the dispatch. The libraries read them when they are
imported or first used, so ``clbench/__init__.py`` applies them before anything else is imported; child processes
inherit them.

Only the standard library is imported here.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping, MutableMapping
from dataclasses import dataclass

from clbench.processor import Processor, processor

PORTABLE, NATIVE, CUDA = "x86-64-v3", "native", "cuda"
VARIABLE = "CLBENCH_ARITHMETIC"
"""Environment variable: ``x86-64-v3``, the default, or ``native``."""
SETTINGS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
}
"""Dispatch of torch, oneDNN, MKL, OpenBLAS and numpy. MKL honours AVX2 on Intel only, hence COMPATIBLE."""
CONTRADICTING = (
    "NPY_DISABLE_CPU_FEATURES",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "MKL_ENABLE_INSTRUCTIONS",
)
"""Variables that would change the dispatch in spite of ``SETTINGS``."""
TUNABLES, CPU_TUNABLE = "GLIBC_TUNABLES", "glibc.cpu."
NEEDED = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe"})
"""The flags of x86-64-v3, as Linux spells them."""
NUMERIC = ("numpy", "torch")


@dataclass(frozen=True)
class Arithmetic:
    """The arithmetic of this process and of those it starts.

    Attributes:
        name: ``x86-64-v3``, or ``native:``, the type of the processor and the variables that limit its dispatch.
        reason: why it is native; empty if it is portable.
        replaced: variables that were set otherwise, as ``NAME=value``.
        late: numeric libraries that were imported before the variables were set; this process itself may compute
            natively then.
    """

    name: str
    reason: str = ""
    replaced: tuple[str, ...] = ()
    late: tuple[str, ...] = ()

    @property
    def portable(self) -> bool:
        """Whether other processors give the same bits."""
        return self.name == PORTABLE


def native(found: Processor, environment: Mapping[str, str]) -> str:
    """The name of a processor's own arithmetic, as far as the environment leaves it the choice of kernels."""
    limits = " ".join(f"{name}={environment[name]}" for name in SETTINGS if name in environment)
    return f"{NATIVE}: {found.type}" + (f" with {limits}" if limits else "")


def why_native(wanted: str, found: Processor) -> str:
    """Why portable arithmetic is not used; empty if it is.

    Args:
        wanted: the value of ``CLBENCH_ARITHMETIC``; empty for the default.
        found: the processor.
    """
    if wanted == NATIVE:
        return f"{VARIABLE}={NATIVE}"
    if lacking := sorted(NEEDED - found.flags):
        return f"this processor ({found.name}) is not {PORTABLE}: it lacks {', '.join(lacking)}"
    return ""


def problem(environment: MutableMapping[str, str]) -> str:
    """What is wrong with the value of ``CLBENCH_ARITHMETIC``; empty if nothing is."""
    wanted = environment.get(VARIABLE, PORTABLE)
    if wanted in ("", PORTABLE, NATIVE):
        return ""
    return f"{VARIABLE}={wanted}: the values are {PORTABLE}, the default, and {NATIVE}"


def apply(environment: MutableMapping[str, str], modules: Container[str]) -> Arithmetic:
    """Set the variables in ``environment`` where portable arithmetic is wanted and the processor has it.

    Args:
        environment: ``os.environ``.
        modules: ``sys.modules``.

    Returns:
        What was chosen.
    """
    found = processor()
    if reason := why_native(environment.get(VARIABLE, ""), found):
        return Arithmetic(native(found, environment), reason)
    changed = _changes(environment)
    replaced = tuple(f"{name}={environment[name]}" for name in changed if name in environment)
    late = tuple(name for name in NUMERIC if name in modules) if changed else ()
    for name, value in changed.items():
        if value is None:
            del environment[name]
        else:
            environment[name] = value
    if late:
        warnings.warn(_too_late(late), stacklevel=3)
    return Arithmetic(PORTABLE, "", replaced, late)


def _changes(environment: MutableMapping[str, str]) -> dict[str, str | None]:
    """What has to be set, or with None deleted."""
    wanted: dict[str, str | None] = {**SETTINGS, **dict.fromkeys(CONTRADICTING)}
    parts = environment.get(TUNABLES, "").split(":")
    kept = ":".join(part for part in parts if not part.startswith(CPU_TUNABLE))
    if kept != environment.get(TUNABLES, ""):
        wanted[TUNABLES] = kept or None
    return {name: value for name, value in wanted.items() if environment.get(name) != value}


def _too_late(modules: tuple[str, ...]) -> str:
    return (
        f"clbench was imported after {' and '.join(modules)}: what this process itself computes may have the "
        f"processor's own last bits; import clbench first. Jobs that it starts are not affected."
    )
