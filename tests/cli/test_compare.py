"""compare and reference --paired by the command line: exit codes, and what the first line says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clbench.cli.reproduce import _exit_code, _judged
from clbench.report.write import write_report
from clbench.results import write_rows
from toy_runs import toy_run

Call = Callable[..., tuple[int, str, str]]
Run = Callable[..., Path]
SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write the folder of a run, all but its plan."""

    def make(
        name: str, arithmetic: str, seeds: Sequence[int] = SEEDS, falls: Mapping[str, float] | None = None
    ) -> Path:
        found = toy_run(seeds, arithmetic, falls)
        write_report(tmp_path / name, found.summary, found.summary.provenance)
        write_rows(tmp_path / name / "rows.csv", found.rows)
        return tmp_path / name

    return make


@pytest.fixture
def reference(call: Call, run: Run) -> Path:
    """A reference with a spread."""
    code, out, err = call("reference", run("made", "a"), "--paired", run("other", "b"), "--out", "kept")
    assert (code, err.partition(":")[0]) == (0, "without a certificate for machines with other arithmetic")
    assert out.startswith("kept: ")
    assert "seeds (0, 1, 2, 3, 4), spread of " in out
    return Path("kept")


@pytest.mark.parametrize(
    ("seeds", "falls", "code", "verdict"),
    [
        (SEEDS, {}, 0, "reproduced"),
        ((0, 1, 2), {}, 0, "reproduced"),
        ((0, 1, 2), {"joint": 0.2}, 1, "drifted"),
        ((0, 1), {"joint": 0.2}, 1, "not judged"),
        ((7, 8, 9), {}, 1, "not judged"),
    ],
)
def test_the_exit_code_is_that_of_the_primary_end_points(
    call: Call, run: Run, reference: Path, seeds: Sequence[int], falls: Mapping[str, float], code: int, verdict: str
) -> None:
    found, out, _ = call("compare", run("run", "c", seeds, falls), reference)
    assert found == code
    assert out.startswith(f"toy v1: {verdict}; judged: ")


def test_a_single_methods_fall_is_described_and_has_no_exit_code(call: Call, run: Run, reference: Path) -> None:
    folder = run("run", "c", SEEDS, {"ewc": 0.1, "finetune": -0.1})
    code, out, _ = call("compare", folder, reference, "--json")
    said = json.loads(out)
    assert (code, said["verdict"], said["not_judged"]) == (0, "reproduced", [])
    assert {one["baseline"] for one in said["description"] if one["fallen"]} == {"ewc"}
    assert said["spread_seeds"] == 5


def test_the_margin_is_the_fall_that_reproduced_excludes(call: Call, run: Run, reference: Path) -> None:
    folder = run("run", "c", (0, 1, 2))
    assert call("compare", folder, reference)[1].startswith("toy v1: reproduced; ")
    code, out, _ = call("compare", folder, reference, "--margin", "0.0001")
    assert (code, out.partition(";")[0]) == (1, "toy v1: not judged")
    assert "3 seeds neither show a fall nor exclude one by 0.0001" in out


def test_the_files_for_ci_say_the_same(call: Call, run: Run, reference: Path) -> None:
    words = ("--markdown", "found.md", "--junit", "found.xml")
    code, out, _ = call("compare", run("run", "c", SEEDS, {"joint": 0.2}), reference, *words)
    assert code == 1
    assert out.splitlines()[0] in Path("found.md").read_text()
    suite = ElementTree.parse("found.xml").getroot()
    failed = [case.get("classname") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert (suite.get("tests"), failed) == ("3", ["joint"])


@pytest.mark.parametrize(
    ("seeds", "falls", "code", "strict"),
    [(SEEDS, {}, 0, 0), ((0, 1, 2), {"finetune": 0.08, "ewc": 0.08}, 0, 1), ((0,), {}, 1, 1)],
    ids=["judged", "in part", "not at all"],
)
def test_reproduce_fails_what_was_judged_in_part_under_strict_and_what_was_not_always(
    run: Run, seeds: Sequence[int], falls: Mapping[str, float], code: int, strict: int
) -> None:
    attempt = _judged("toy", run("run", "c", seeds, falls), toy_run(SEEDS), 0.05)
    assert [_exit_code([attempt], asked) for asked in (False, True)] == [code, strict]


def test_a_reference_that_is_made_anew_keeps_nothing_of_the_one_before(call: Call, run: Run, reference: Path) -> None:
    assert (reference / "spread.json").exists()
    (reference / "certificate").mkdir()
    (reference / "certificate" / "certificate.json").write_text("of an earlier run")
    assert call("reference", run("made", "a"), "--out", reference)[0] == 0
    assert not (reference / "spread.json").exists()
    assert not (reference / "certificate").exists()
    code, out, _ = call("compare", run("run", "c"), reference)
    assert (code, "chance from these seeds" in out) == (0, True)
