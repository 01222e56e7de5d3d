"""What the user is told of the arithmetic of a run."""

from __future__ import annotations

from collections.abc import Iterator

import click

from clbench import ARITHMETIC
from clbench.arithmetic import NATIVE, PORTABLE, VARIABLE
from clbench.known_answer import planned_arithmetic

PORTABLE_MEANS = "the same bits on every x86-64 processor with AVX2 and FMA"
NATIVE_MEANS = "other processors give other last bits, and after training other numbers"


def arithmetic_words() -> Iterator[str]:
    """The arithmetic of jobs on this machine, why, and what that means for the numbers."""
    name, reason = planned_arithmetic(prove=True)
    if name == PORTABLE:
        yield f"{name}: {PORTABLE_MEANS}; the known answer comes out"
    else:
        yield f"{name} ({reason}): {NATIVE_MEANS}"
    if ARITHMETIC.replaced:
        yield f"replaced for this: {', '.join(ARITHMETIC.replaced)} ({VARIABLE}={NATIVE} keeps them)"


def say_arithmetic() -> None:
    """Prove the arithmetic before a run is planned, and tell of one that is not simply portable."""
    first, *others = arithmetic_words()
    for line in ([] if first.startswith(PORTABLE) else [first]) + others:
        click.echo(f"arithmetic: {line}", err=True)
