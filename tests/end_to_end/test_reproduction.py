"""A reference is kept, the unchanged tree reproduces it to the bit, and planted regressions are found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import clbench
from command_line import Program

pytestmark = pytest.mark.slow


@pytest.fixture
def reference(undisturbed: Any, tmp_path: Path) -> Path:
    """What the undisturbed run measured, kept."""
    said = undisturbed.program_in(tmp_path)("reference", undisturbed.folder, "--out", tmp_path / "reference")
    assert said.code == 0, said.err
    assert "seeds (0,)" in said.out
    return tmp_path / "reference"


def test_an_unchanged_run_reproduces_its_reference_to_the_bit(undisturbed: Any, reference: Path) -> None:
    said = undisturbed.program_in(reference.parent)("compare", undisturbed.folder, reference)
    assert said.code == 0, said.err
    assert said.out.splitlines()[0].endswith("; not judged: nothing")
    assert "to the bit" in said.out
    assert "drifted" not in said.out


def test_a_changed_strength_is_found_where_it_is_and_nowhere_else(
    undisturbed: Any, reference: Path, tmp_path: Path, small_suite: Path
) -> None:
    suite = Path(shutil.copytree(small_suite, tmp_path / "suite"))
    card = Path(clbench.__file__).parents[2] / "baselines" / "ewc.yaml"
    (suite / "baselines").mkdir()
    (suite / "baselines" / "ewc.yaml").write_text(card.read_text().replace("strength: 0.03", "strength: 3.0"))
    store = shutil.copytree(undisturbed.store, tmp_path / "store")
    program = undisturbed.program_in(tmp_path)
    assert program("run", "small", "--suite", suite, "--store", store, "--out", tmp_path / "run").code == 0
    said = program("compare", tmp_path / "run", reference, "--junit", tmp_path / "junit.xml")
    assert said.code == 1
    suite_of_tests = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failed = {case.get("classname") for case in suite_of_tests if case.find("failure") is not None}
    assert failed == {"ewc"}


@pytest.fixture
def guarded(reference: Path, small_suite: Path, tmp_path: Path) -> Path:
    """The suite, with the reference of its benchmark."""
    suite = Path(shutil.copytree(small_suite, tmp_path / "guarded"))
    shutil.copytree(reference, suite / "reports" / "reference" / "small")
    return suite


def test_a_broken_augmentation_is_found_by_reproduce(undisturbed: Any, guarded: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(Path(clbench.__file__).parent, source / "clbench")
    for folder in ("tasks", "baselines", "benchmark"):
        shutil.copytree(Path(clbench.__file__).parents[2] / folder, source / "clbench" / "shipped" / folder)
    parts = source / "clbench" / "nnunet" / "parts.py"
    whole = "axes if mirror else ()"
    assert whole in parts.read_text()
    parts.write_text(parts.read_text().replace(whole, "axes"))  # mirrors although the definition says not to
    program = Program(tmp_path, source)
    said = program("reproduce", "small", "--suite", guarded, "--store", tmp_path / "store", "--markdown", "found.md")
    assert said.code == 1, said.err
    assert "small  drifted" in said.out
    first = (tmp_path / "found.md").read_text().partition("<details>")[0]
    assert {f"| {name}" in first for name in ("from-scratch", "finetune", "ewc", "replay")} == {True}


def test_under_other_arithmetic_one_seed_names_the_changed_method(
    guarded: Path, tmp_path: Path
) -> None:
    card = Path(clbench.__file__).parents[2] / "baselines" / "ewc.yaml"
    (guarded / "baselines").mkdir()
    (guarded / "baselines" / "ewc.yaml").write_text(card.read_text().replace("strength: 0.03", "strength: 3.0"))
    kernels = {"CLBENCH_ARITHMETIC": "native", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    program = Program(tmp_path, variables=kernels)
    words = ("reproduce", "small", "--suite", guarded, "--store", tmp_path / "native", "--junit", "found.xml")
    said = program(*words)
    assert said.code == 1, said.out + said.err
    assert said.err.startswith("arithmetic: native: ")
    assert "small v1: drifted; judged: the certificate's " in said.out
    cases = list(ElementTree.parse(tmp_path / "found.xml").getroot().iter("testcase"))
    judged = {case.get("classname") for case in cases if len(case) == 0}
    failed = {case.get("classname") for case in cases if case.find("failure") is not None}
    assert (failed, judged) == ({"ewc"}, {"from-scratch", "finetune", "ewc", "replay"})
    compared = program("compare", "reports/small", guarded / "reports" / "reference" / "small")
    assert (compared.code, compared.out in said.out) == (1, True), "compare reads what reproduce computed"


def test_reproduce_holds_a_suites_benchmark_against_the_suites_reference_or_the_one_that_is_named(
    undisturbed: Any, guarded: Path, reference: Path, small_suite: Path, tmp_path: Path
) -> None:
    program, store = undisturbed.program_in(tmp_path), shutil.copytree(undisturbed.store, tmp_path / "store")
    for words in (("--suite", guarded), ("--suite", small_suite, "--reference", reference)):
        said = program("reproduce", "small", *words, "--store", store, "--strict")
        assert said.code == 0, said.out + said.err
        assert said.out.splitlines()[-1] == "small  reproduced"
    other = program("reproduce", "small", "--suite", guarded, "--store", store, "--reference", tmp_path)
    assert other.code == 4
    assert "no summary.json in it" in other.out
    assert program("reproduce", "small", "ci", "--suite", guarded, "--reference", reference).code == 2


def test_reproduce_runs_and_says_what_it_can_not_judge(undisturbed: Any, small_suite: Path, tmp_path: Path) -> None:
    store = shutil.copytree(undisturbed.store, tmp_path / "store")
    program = undisturbed.program_in(tmp_path)
    words = ("reproduce", "small", "seven-organs", "--suite", small_suite, "--store", store)
    said = program(*words)
    assert said.code == 0, said.err
    assert "small         run, and no reference to hold it against" in said.out
    assert "seven-organs  not run: " in said.out
    said = program(*words, "--strict", "--markdown", "all.md", "--junit", "all.xml")
    assert said.code == 1
    page = (tmp_path / "all.md").read_text()
    assert "## small: not judged\n\nrun, and no reference" in page
    assert "## seven-organs: not judged\n\nnot run: " in page
    suites = ElementTree.parse(tmp_path / "all.xml").getroot().iter("testsuite")
    assert {(suite.get("name"), suite.get("skipped")) for suite in suites} == {("small", "1"), ("seven-organs", "1")}


def test_a_folder_that_is_no_run_and_a_bad_list_of_seeds_are_refused(undisturbed: Any, tmp_path: Path) -> None:
    program = undisturbed.program_in(tmp_path)
    said = program("compare", tmp_path, undisturbed.folder)
    assert (said.code, "no summary.json in it" in said.err) == (4, True)
    said = program("run", "ci", "--seeds", "0,x")
    assert (said.code, "no list of whole numbers" in said.err) == (2, True)
