"""What the user is told of the arithmetic of a run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from clbench import ARITHMETIC
from clbench.arithmetic import NATIVE, PORTABLE, VARIABLE
from clbench.known_answer import planned_arithmetic

PORTABLE_MEANS = "the same bits on every x86-64 processor with AVX2 and FMA"
NATIVE_MEANS = "other processors give other last bits, and after training other numbers"


def arithmetic_words(store: Path) -> Iterator[str]:
    """The arithmetic of jobs on this machine, why, and what that means for the numbers.

    Args:
        store: where the known answer is kept.
    """
    name, reason = planned_arithmetic(store)
    if name == PORTABLE:
        yield f"{name}: {PORTABLE_MEANS}; the known answer comes out"
    else:
        yield f"{name} ({reason}): {NATIVE_MEANS}"
    if ARITHMETIC.replaced:
        yield f"replaced for this: {', '.join(ARITHMETIC.replaced)} ({VARIABLE}={NATIVE} keeps them)"


@cache
def say_arithmetic(store: Path) -> None:
    """Tell once of arithmetic that is not simply portable."""
    first, *others = arithmetic_words(store)
    for line in ([] if first.startswith(PORTABLE) else [first]) + others:
        click.echo(f"arithmetic: {line}", err=True)
