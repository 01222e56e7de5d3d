"""Preparation, fine-tuning and EWC, a few minutes: an emulated Hygon gives the bits of this processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.arithmetic import NATIVE, SETTINGS, VARIABLE
from portability.comparing import assert_alive, assert_emulation_gives_the_same_bits
from portability.digests import differences
from portability.runs import Run, start


@pytest.fixture(scope="module", autouse=True)
def begun(short_emulated: Run) -> None:
    """The emulation goes on beside the native runs."""


def test_methods_act_and_networks_predict(short_native: Run) -> None:
    assert_alive(short_native)


def test_without_mkls_variable_the_bits_are_others(short_native: Run, tmp_path: Path) -> None:
    """The comparison can fail: MKL then computes with this processor's own instructions, whoever made it."""
    others = {name: value for name, value in SETTINGS.items() if name != "MKL_CBWR"} | {VARIABLE: NATIVE}
    changed = start(tmp_path / "changed", short_native.benchmarks, more=others)

    assert differences(short_native.digests, changed.digests)


def test_an_emulated_processor_gives_the_same_bits(
    short_native: Run, short_emulated: Run, measured: dict[str, str]
) -> None:
    measured["compared"] = assert_emulation_gives_the_same_bits(short_native, short_emulated)
