"""Portable arithmetic: what is set, on which processors, and what a process says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clbench import arithmetic, known_answer
from clbench.arithmetic import NATIVE, PORTABLE, SETTINGS, VARIABLE, Arithmetic, apply, problem, why_native
from clbench.errors import MissingEnvironment
from clbench.known_answer import planned_arithmetic, require_arithmetic
from clbench.processor import Processor, processor, read_processor
from machine import clean_environment

V3 = frozenset(["avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe", "sse4_2"])
XEON = Processor("Intel(R) Xeon(R) Processor", "GenuineIntel 6/106/6", V3 | {"avx512f"})
OLD = Processor("Intel(R) Core(TM) i7-3770", "GenuineIntel 6/58/9", V3 - {"avx2", "fma"})
X86_INFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu avx2 fma

processor\t: 1
vendor_id\t: somebody else
"""
ARM_INFO = """processor\t: 0
Features\t: fp asimd sve
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""
needs_portable = pytest.mark.skipif(
    bool(why_native("", processor())), reason="this processor lacks AVX2 or FMA: there is no portable arithmetic here"
)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """Makes this machine's processor another one."""
    return lambda found: monkeypatch.setattr(arithmetic, "processor", lambda: found)


@pytest.mark.parametrize(
    ("content", "type", "flag"),
    [(X86_INFO, "AuthenticAMD 25/17/1", "avx2"), (ARM_INFO, "0x41 0x1/0xd40/1", "sve"), ("", "unknown", None)],
)
def test_a_processor_is_told_by_its_numbers(tmp_path: Path, content: str, type: str, flag: str | None) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    found = read_processor(tmp_path / "cpuinfo")
    assert found.type == type
    assert flag is None or flag in found.flags


def test_two_processors_of_one_trade_name_have_different_native_arithmetic() -> None:
    one, other = XEON, Processor(XEON.name, "GenuineIntel 6/143/8", XEON.flags)
    assert arithmetic.native(one, {}) != arithmetic.native(other, {})


def test_native_arithmetic_with_limited_kernels_is_another_arithmetic() -> None:
    """Or results with other bits would share one store's folder."""
    limits = [{}, {"MKL_CBWR": "AVX2"}, {"MKL_CBWR": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}, SETTINGS]
    assert len({arithmetic.native(XEON, environment) for environment in limits}) == len(limits)
    assert arithmetic.native(XEON, {"HOME": "/"}) == "native: GenuineIntel 6/106/6"


def test_an_empty_environment_gets_all_settings(on) -> None:
    on(XEON)
    environment: dict[str, str] = {}
    assert apply(environment, ()) == Arithmetic(PORTABLE)
    assert environment == SETTINGS


def test_settings_to_the_contrary_are_replaced_and_named(on) -> None:
    on(XEON)
    environment = {
        "MKL_CBWR": "AVX2", "NPY_DISABLE_CPU_FEATURES": "AVX2", "DNNL_MAX_CPU_ISA": "SSE41",
        "GLIBC_TUNABLES": "glibc.malloc.check=1:glibc.cpu.hwcaps=-AVX2",
    }  # fmt: skip
    found = apply(environment, ())
    assert environment == {**SETTINGS, "GLIBC_TUNABLES": "glibc.malloc.check=1"}
    assert {one.partition("=")[0] for one in found.replaced} == {
        "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES", "DNNL_MAX_CPU_ISA", "GLIBC_TUNABLES"}  # fmt: skip


def test_what_is_set_already_is_neither_replaced_nor_too_late(on, recwarn: pytest.WarningsRecorder) -> None:
    on(XEON)
    assert apply(dict(SETTINGS), ("numpy", "torch")) == Arithmetic(PORTABLE)
    assert not recwarn.list


@pytest.mark.parametrize(("wanted", "found", "words"), [
    (NATIVE, XEON, "CLBENCH_ARITHMETIC=native"), ("", OLD, "lacks avx2, fma"),
    ("", Processor("Neoverse", "0x41 0x1/0xd40/1", frozenset({"asimd"})), "lacks"),
])  # fmt: skip
def test_native_arithmetic_sets_nothing_and_says_why(on, wanted: str, found: Processor, words: str) -> None:
    on(found)
    environment = {VARIABLE: wanted}
    before = dict(environment)
    chosen = apply(environment, ())
    assert environment == before
    assert chosen.name == f"native: {found.type}"
    assert words in chosen.reason


def test_an_import_after_numpy_is_said(on) -> None:
    on(XEON)
    with pytest.warns(UserWarning, match=r"after numpy.*import clbench first"):
        assert apply({}, {"numpy": None}).late == ("numpy",)


def test_only_two_values_are_known() -> None:
    assert [problem({VARIABLE: value}) for value in (PORTABLE, NATIVE, "")] == ["", "", ""]
    assert "x86-64-v3" in problem({VARIABLE: "avx2"})


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), **variables}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)


def test_the_command_line_refuses_other_values() -> None:
    done = _run("-m", "clbench", "list", CLBENCH_ARITHMETIC="fast")
    assert done.returncode == 2
    assert done.stderr == "error: CLBENCH_ARITHMETIC=fast: the values are x86-64-v3, the default, and native\n"


@needs_portable
def test_the_known_answer_comes_out_whatever_was_set_before() -> None:
    contrary = {"MKL_CBWR": "SSE4_2", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    for variables in ({}, contrary):
        done = _run("-m", "clbench.known_answer", **variables)
        assert json.loads(done.stdout) == known_answer.recorded(), done.stderr


@needs_portable
@pytest.mark.parametrize("name", ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"])
def test_the_known_answer_sees_a_setting_that_did_not_arrive(name: str) -> None:
    other = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    done = _run("-m", "clbench.known_answer", **{**SETTINGS, name: other[name], VARIABLE: NATIVE})
    assert json.loads(done.stdout) != known_answer.recorded()


@needs_portable
def test_torch_imported_and_used_first_is_seen(tmp_path: Path) -> None:
    """Its libraries have chosen their kernels by then, on a processor with wider ones than AVX2."""
    script = (
        "import torch, numpy; torch.ones(64, 64) @ torch.ones(64, 64); torch.ones(9).exp()\n"
        "torch.nn.functional.conv3d(torch.ones(1, 8, 8, 8, 8), torch.ones(8, 8, 3, 3, 3))\n"
        "from clbench import ARITHMETIC, known_answer\n"
        "print(ARITHMETIC.late, known_answer.answer() == known_answer.recorded(), known_answer.arithmetic_here())\n"
    )
    done = _run("-c", script, ATEN_CPU_CAPABILITY="default")
    assert done.stdout.startswith("('numpy', 'torch') False native: "), done.stderr
    assert "import clbench first" in done.stderr


def test_versions_without_a_known_answer_are_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_answer, "ARITHMETIC", Arithmetic(PORTABLE))
    monkeypatch.setattr(known_answer, "version", lambda name: "99.0")
    name, reason = planned_arithmetic(prove=True)
    assert name.startswith("native: ")
    assert reason == "no known answer is recorded for torch 99.0 and numpy 99.0"


def test_a_wrong_answer_makes_runs_native_and_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(known_answer, "ARITHMETIC", Arithmetic(PORTABLE))
    monkeypatch.setattr(known_answer, "asked_of_a_process", lambda: asked.append(1) or "other bits")
    monkeypatch.setattr(known_answer, "recorded", lambda: "the bits")
    assert planned_arithmetic() == (PORTABLE, "")
    for _ in range(2):
        name, reason = planned_arithmetic(prove=True)
        assert name.startswith("native: ")
        assert "does not compute the known answer" in reason
    assert asked == [1]
    assert planned_arithmetic()[0].startswith("native: ")


def test_a_process_that_fails_is_no_answer_and_nothing_is_kept_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(known_answer, "ARITHMETIC", Arithmetic(PORTABLE))
    monkeypatch.setattr(known_answer, "recorded", lambda: "the bits")
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(MissingEnvironment, match=r"known answer can't be computed \(exit code 1\)"):
        planned_arithmetic(prove=True)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(("planned", "here", "words"), [
    (PORTABLE, "native: a 1", "planned with portable arithmetic"),
    ("native: a 1", PORTABLE, "planned with native arithmetic"),
])  # fmt: skip
def test_a_job_refuses_to_store_other_bits_than_were_planned(
    monkeypatch: pytest.MonkeyPatch, planned: str, here: str, words: str
) -> None:
    monkeypatch.setattr(known_answer, "arithmetic_here", lambda: here)
    with pytest.raises(MissingEnvironment, match=words):
        require_arithmetic(planned)
    for fitting in (here, "cuda", ""):
        require_arithmetic(fitting)


def test_the_tests_themselves_compute_portably() -> None:
    if not why_native(os.environ.get(VARIABLE, ""), processor()):
        assert {name: os.environ.get(name) for name in SETTINGS} == SETTINGS
