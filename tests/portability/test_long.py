"""Every kind of job and most methods: emulated processors of two other vendors give the bits of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.arithmetic import NATIVE, SETTINGS, VARIABLE
from clbench.processor import processor
from portability.comparing import assert_alive, assert_emulation_gives_the_same_bits, assert_same_bits
from portability.digests import differences
from portability.runs import Run, start


def test_methods_act_and_networks_predict(long_native: Run) -> None:
    assert_alive(long_native)


def test_an_emulated_processor_gives_the_same_bits(
    long_native: Run, long_emulated: Run, measured: dict[str, str]
) -> None:
    compared = assert_emulation_gives_the_same_bits(long_native, long_emulated)

    measured[f"compared on {long_emulated.folder.name}"] = f"{compared}\n{long_emulated.output}"


def test_the_variables_alone_make_native_arithmetic_portable(short_native: Run, tmp_path: Path) -> None:
    again = start(tmp_path / "again", short_native.benchmarks, more={**SETTINGS, VARIABLE: NATIVE})

    assert_same_bits(short_native, again)


@pytest.mark.parametrize("name", ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"])
def test_without_one_variable_the_bits_are_others(name: str, short_native: Run, tmp_path: Path) -> None:
    if "avx512f" not in processor().flags:
        pytest.skip(f"{name} makes no difference on a processor without AVX-512, such as this one")
    others = {key: value for key, value in SETTINGS.items() if key != name} | {VARIABLE: NATIVE}
    changed = start(tmp_path / "changed", short_native.benchmarks, more=others)

    differ = differences(short_native.digests, changed.digests)

    assert differ
