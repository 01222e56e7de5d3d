"""Comparing a run with a reference: bits where bits can be asked for, paired seeds where they can't."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pytest

from clbench.errors import ClbenchError
from clbench.references import keep, read_measured
from clbench.report.reproduction import junit, markdown, outcome, text
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise
from clbench.results.arrays import JobArrays, Trace
from clbench.results.certificate import Certificate, KeptStage, Repeated
from clbench.results.endpoints import samples
from clbench.results.pairing import paired
from clbench.results.reproduction import Measured, Reproduction, not_exact, reproduction
from toy_runs import THERE as ELSEWHERE
from toy_runs import toy_run

TASKS = ("liver", "spleen")
CASES = [f"case{number:02d}" for number in range(40)]
HERE = {"libraries": {"torch": "2.13.0"}, "arithmetic": "x86-64-v3", "libc": "glibc 2.36"}
THERE = {**HERE, "arithmetic": "native: AuthenticAMD 25/17/1"}


def rows(seeds: Sequence[int], fall: float, version: int = 1) -> Iterator[Row]:
    """Fine-tuning on two tasks; in the end every Dice is lower by ``fall``; chance depends on seed and case alone."""
    for seed in seeds:
        chance = random.Random(seed)
        shift = chance.gauss(0, 0.01)
        for stage, task in ((1, "liver"), (2, "liver"), (2, "spleen")):
            for case in CASES:
                dice = 0.8 + shift + chance.gauss(0, 0.02) - (fall if stage == 2 else 0) - (0.2 if stage == 2 else 0)
                place = ("toy", version, "continual", "finetune", seed, 1, stage, TASKS[stage - 1], 1.0, 25, task)
                yield Row(*place, case, "organ", "dice", dice)


def measured(seeds: Sequence[int], fall: float = 0.0, version: int = 1, provenance: object = HERE) -> Measured:
    found = tuple(rows(seeds, fall, version))
    info = BenchmarkInfo(
        "toy", version, "A toy", TASKS, (), tuple(seeds), (BaselineInfo("finetune", "fine-tuning"),), (), (TASKS,)
    )
    summary = summarise(info, found, (), {}).model_copy(update={"provenance": provenance})
    return Measured(summary, found)


def verdicts(found: Reproduction) -> dict[str, str]:
    return {finding.number: finding.verdict for finding in found.findings}


def test_on_the_same_machine_equal_rows_are_reproduced_to_the_bit_with_one_seed() -> None:
    found = reproduction(measured((3,)), measured((1, 2, 3)), 0.02)
    assert found.mode == "exact"
    assert verdicts(found) == {"liver": "reproduced", "spleen": "reproduced"}


@pytest.mark.parametrize("mode", ["exact", "statistical"])
def test_an_unchanged_run_is_reproduced_ten_times_in_ten_however_its_rows_are_ordered_written_and_read(
    mode: Literal["exact", "statistical"], tmp_path: Path
) -> None:
    reference, chance = measured((1, 2, 3)), random.Random(0)
    keep(reference, tmp_path / "reference")
    kept = read_measured(tmp_path / "reference")
    for _ in range(10):
        shuffled = chance.sample(reference.rows, len(reference.rows))
        again = summarise(reference.summary.benchmark, shuffled, (), {}).model_copy(update={"provenance": HERE})
        keep(Measured(again, tuple(shuffled)), tmp_path / "run")
        found = reproduction(read_measured(tmp_path / "run"), kept, 0.02, mode)
        assert set(found.counts) == {"reproduced"}


def test_on_the_same_machine_one_other_bit_is_a_drift() -> None:
    run = measured((1,))
    last = replace(run.rows[-1], value=(run.rows[-1].value or 0) + 2**-40)
    found = reproduction(Measured(run.summary, (*run.rows[:-1], last)), measured((1, 2)), 0.02)
    assert verdicts(found) == {"liver": "reproduced", "spleen": "drifted"}
    assert found.verdict == "drifted"
    assert "1 of 40 measurements differ" in text(found)


def test_a_measurement_that_the_run_lacks_is_missing_and_no_zero() -> None:
    run = measured((1,))
    found = reproduction(Measured(run.summary, run.rows[:-1]), measured((1,)), 0.02)
    assert verdicts(found)["spleen"] == "missing"
    assert found.findings[-1].difference is None


def test_the_exact_mode_needs_a_seed_that_both_have() -> None:
    with pytest.raises(ClbenchError, match="no seed in common"):
        reproduction(measured((1,)), measured((2,)), 0.02, "exact")


def test_without_a_seed_in_common_nothing_is_judged() -> None:
    found = reproduction(measured((6, 7, 8, 9)), measured((1, 2, 3, 4, 5)), 0.05)
    assert (found.mode, found.why, found.seeds) == ("statistical", "no seed in common", ())
    assert (found.verdict, found.judged, found.description) == ("not judged", (), ())
    assert "no seeds in common; 3 are needed" in text(found)


def test_a_measurement_that_the_reference_lacks_is_no_equality() -> None:
    reference = measured((1,))
    fewer = Measured(reference.summary, reference.rows[:-1])
    found = reproduction(measured((1,)), fewer, 0.02)
    assert verdicts(found) == {"liver": "reproduced", "spleen": "drifted"}
    assert "1 measurements that the reference lacks" in text(found)


def test_the_json_of_a_comparison_says_what_came_of_it() -> None:
    found = json.loads(reproduction(measured((1,)), measured((1,)), 0.02).model_dump_json())
    assert (found["verdict"], found["counts"]) == ("reproduced", {"reproduced": 2})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (THERE, "other arithmetic"),
        ({**HERE, "libraries": {"torch": "2.14.0"}}, "other versions of torch"),
        ({**HERE, "arithmetic": "cuda (9 jobs), x86-64-v3 (1 jobs)"}, "an accelerator"),
        ({**HERE, "libc": "glibc 2.39"}, "another C library"),
        ({"libraries": HERE["libraries"]}, "the run does not say which arithmetic"),
    ],
)
def test_bits_are_not_asked_for_where_they_can_not_be_equal(other: dict[str, object], why: str) -> None:
    assert not_exact(HERE, HERE) == ""
    assert why in not_exact(other, HERE)


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_elsewhere_fewer_than_three_seeds_give_no_verdict_and_the_first_line_says_so(seeds: Sequence[int]) -> None:
    found = reproduction(measured(seeds, fall=0.5, provenance=THERE), measured((1, 2, 3, 4, 5)), 0.05)
    assert (found.mode, found.verdict, found.judged) == ("statistical", "not judged", ())
    assert found.not_judged == ("suite mean ACC",)
    assert text(found).splitlines()[0] == (
        "toy v1: not judged; judged: nothing; not judged: suite mean ACC, 5 numbers that are only described"
    )
    assert {one.seeds for one in found.description} == {len(seeds)}


REFERENCE = toy_run((0, 1, 2, 3, 4))
PAIRED = paired(REFERENCE, toy_run((0, 1, 2, 3, 4), "b"))
BOUNDS, SUITE = ("from-scratch ACC", "joint ACC"), "suite mean ACC"


def end_points(found: Reproduction) -> dict[str, str]:
    return {f"{one.baseline} {one.number}": one.verdict for one in found.findings}


@pytest.mark.parametrize("reference", [REFERENCE, PAIRED], ids=["alone", "with a spread"])
def test_elsewhere_an_unchanged_run_is_reproduced_and_all_but_the_primary_end_points_is_described(
    reference: Measured,
) -> None:
    found = reproduction(toy_run((0, 1, 2, 3, 4), "c"), reference, 0.05)
    assert (found.mode, found.verdict, found.not_judged) == ("statistical", "reproduced", ())
    assert found.judged == (*BOUNDS, SUITE)
    names = [(one.baseline, one.number) for one in found.description]
    assert len(set(names)) == len(names)
    assert not {("from-scratch", "ACC"), ("joint", "ACC")} & set(names)
    assert {("ewc", "ACC"), ("ewc", "BWT"), ("joint", "liver at the end")} <= set(names)


@pytest.mark.parametrize(
    ("falls", "drifted"),
    [
        ({"from-scratch": 0.2}, {"from-scratch ACC"}),
        ({"joint": 0.2}, {"joint ACC"}),
        ({"from-scratch": 0.2, "joint": 0.2}, set(BOUNDS)),
        ({"finetune": 0.3, "ewc": 0.3}, {SUITE}),
    ],
)
def test_the_end_point_that_fell_drifts_and_no_other(falls: dict[str, float], drifted: set[str]) -> None:
    found = reproduction(toy_run((0, 1, 2, 3, 4), "c", falls), PAIRED, 0.05)
    assert {name for name, verdict in end_points(found).items() if verdict == "drifted"} == drifted
    assert found.verdict == "drifted"


def test_the_fall_of_a_single_method_is_described_with_its_margin_and_is_no_verdict() -> None:
    methods = ("from-scratch", "joint", "finetune", "ewc", "lwf", "replay")
    reference, other = (toy_run((0, 1, 2, 3, 4), arithmetic, baselines=methods) for arithmetic in "ab")
    run = toy_run((0, 1, 2, 3, 4), "c", {"ewc": 0.04, "lwf": -0.04}, methods)  # the suite's mean can't see it
    found = reproduction(run, paired(reference, other), 0.05)
    assert (found.verdict, found.not_judged) == ("reproduced", ())
    fallen = {f"{one.baseline} {one.number}" for one in found.description if one.fallen}
    assert fallen >= {"ewc ACC"}
    assert {name.split()[0] for name in fallen} == {"ewc"}
    acc = next(one for one in found.description if (one.baseline, one.number) == ("ewc", "ACC"))
    assert acc.margin is not None
    assert acc.difference < -acc.margin
    shown = [line.split() for line in text(found).splitlines()]
    assert ["ewc", "ACC", "5", f"{acc.difference:+.4f}", f"{acc.margin:.3f}"] in [words[:5] for words in shown]
    assert acc.look


def test_without_a_spread_there_are_no_margins_and_it_is_said_how_to_get_them() -> None:
    found = reproduction(toy_run((0, 1, 2), "c"), REFERENCE, 0.05)
    assert {one.margin for one in found.description} == {None}
    assert "`clbench reference RUN --paired OTHER`" in text(found)
    assert "chance from these seeds" in text(found)
    known = reproduction(toy_run((0, 1, 2), "c"), PAIRED, 0.05)
    assert None not in {one.margin for one in known.description}
    assert "chance from the reference's spread of 5 seeds" in text(known)
    assert "--paired" not in text(known)


def test_with_the_spread_a_fall_is_seen_that_three_seeds_alone_can_not_show() -> None:
    """Alone, the suite's mean is looked at, and three seeds can't reject it."""
    run = toy_run((0, 1, 2), "c", {"finetune": 0.08, "ewc": 0.08})
    alone, known = (end_points(reproduction(run, reference, 0.05))[SUITE] for reference in (REFERENCE, PAIRED))
    assert (alone, known) == ("not judged", "drifted")


def test_the_suite_is_open_until_a_look_decides_and_the_first_line_says_so() -> None:
    found = reproduction(toy_run((0, 1, 2), "c", {"finetune": 0.08, "ewc": 0.08}), REFERENCE, 0.05)
    assert (found.verdict, found.judged, found.not_judged) == ("reproduced", BOUNDS, (SUITE,))
    first = text(found).splitlines()[0]
    assert first.startswith(f"toy v1: reproduced; judged: {', '.join(BOUNDS)}; not judged: {SUITE}, ")
    assert outcome(found) == f"reproduced; not judged: {SUITE}"
    assert "the next look is at 5" in text(found)


def test_a_seed_that_the_run_lacks_is_missing_and_no_smaller_number_of_seeds() -> None:
    run = toy_run((0, 1, 2, 3, 4), "c", lacking=[("joint", 3)])
    found = reproduction(run, REFERENCE, 0.05)
    assert found.verdict == "missing"
    holes = {name: one.reason for one in found.findings if (name := f"{one.baseline} {one.number}") and
             one.verdict == "missing"}  # fmt: skip
    assert holes == dict.fromkeys(("joint ACC", "joint kidney at the end"), "the run lacks it under seed 3")
    assert set(found.judged) == {"from-scratch ACC", SUITE, *holes}


def test_a_seed_that_the_reference_lacks_is_not_in_common() -> None:
    reference = toy_run((0, 1, 2, 3, 4), lacking=[("joint", 3), ("joint", 4), ("joint", 1)])
    found = reproduction(toy_run((0, 1, 2, 3, 4), "c"), reference, 0.05)
    assert end_points(found) == {
        "from-scratch ACC": "reproduced", "joint ACC": "not judged", SUITE: "reproduced"
    }  # fmt: skip
    assert "2 seeds in common; 3 are needed" in text(found)


def test_a_baseline_that_the_run_lacks_is_missing_and_so_is_the_mean_over_all() -> None:
    run = toy_run((0, 1, 2), "c", baselines=("from-scratch", "joint", "finetune"))
    found = reproduction(run, toy_run((0, 1, 2)), 0.05)
    assert found.verdict == "missing"
    assert end_points(found)[SUITE] == "missing"
    assert {one.baseline for one in found.findings if one.verdict == "missing"} == {"suite", "ewc"}


@pytest.mark.parametrize("gone", ["joint", "from-scratch"])
def test_a_reference_without_a_bound_is_judged_by_what_it_has(gone: str) -> None:
    left = [name for name in ("from-scratch", "joint", "finetune", "ewc") if name != gone]
    found = reproduction(toy_run((0, 1, 2), "c"), toy_run((0, 1, 2), baselines=left), 0.05)
    assert set(found.judged) == {*BOUNDS, SUITE} - {f"{gone} ACC"}


def test_a_seed_that_is_named_twice_counts_once() -> None:
    run = toy_run((0, 1), "c")
    again = run.summary.model_copy(update={"benchmark": replace(run.summary.benchmark, seeds=(0, 1, 0, 1, 1))})
    found = reproduction(Measured(again, (*run.rows, *run.rows)), REFERENCE, 0.05)
    assert (found.verdict, found.seeds) == ("not judged", (0, 1))


def test_equal_numbers_elsewhere_are_reproduced_although_they_show_no_chance() -> None:
    run = toy_run((0, 1, 2))
    elsewhere = run.summary.model_copy(update={"provenance": ELSEWHERE})
    for reference in (toy_run((0, 1, 2)), PAIRED):
        found = reproduction(Measured(elsewhere, run.rows), reference, 0.05, "statistical")
        assert (found.mode, found.verdict, found.not_judged) == ("statistical", "reproduced", ())

        assert {one.difference for one in found.description} == {0.0}


def test_bits_that_come_out_though_nobody_can_ask_for_them_are_reproduced() -> None:
    run = toy_run((0,))
    elsewhere = run.summary.model_copy(update={"provenance": ELSEWHERE})
    found = reproduction(Measured(elsewhere, run.rows), run, 0.05)
    assert (found.mode, found.verdict) == ("exact", "reproduced")
    assert found.why.startswith("equal in spite of other arithmetic")


def test_a_differing_array_is_drift_though_all_numbers_are_equal_and_is_named() -> None:
    run = toy_run((0,))
    kept = tuple(JobArrays(job=job, baseline="ewc", arrays={"w": "1", "b": "2"}) for job in ("stage 1", "stage 2"))
    other = (kept[0], kept[1].model_copy(update={"arrays": {"w": "1", "b": "9"}}))
    found = reproduction(replace(run, arrays=other), replace(run, arrays=kept), 0.05)
    assert (found.verdict, found.findings[0].baseline) == ("drifted", "ewc")
    assert found.findings[0].reason == "no number differs, but the first array that differs is b of stage 2"
    assert "the first array that differs is b of stage 2" in text(found).splitlines()[2]


def test_where_bits_can_not_be_compared_the_certificate_judges_one_seed() -> None:
    run = toy_run((0,), "c")
    elsewhere = run.summary.model_copy(update={"provenance": ELSEWHERE})
    way = {str(look): tuple(map(float, range(64))) for look in (1, 6, 12)}
    kept = KeptStage(job="ewc · stage 2", baseline="ewc", parent="01", trace=Trace(losses=(), moved=way))
    reference = replace(toy_run((0,)), certificate=Certificate(stages=(kept,), models=()))
    for apart, verdict in ((0.0, "reproduced"), (0.1, "drifted")):
        moved = {look: tuple(value * (1 + apart) for value in values) for look, values in way.items()}
        here = Repeated(arithmetic="native", traces={kept.job: Trace(losses=(), moved=moved)}, dice={})
        found = reproduction(Measured(elsewhere, run.rows, repeated=here), reference, 0.05)
        assert (found.mode, found.verdict, [one.verdict for one in found.certificate]) == (
            "statistical", verdict, [verdict])  # fmt: skip
        assert text(found).startswith(f"toy v1: {verdict}; judged: the certificate's 1 comparisons; not judged: ")
        assert f'failures="{int(apart > 0)}"' in junit(found)


def test_orders_of_a_seed_are_no_further_seeds() -> None:
    orders = (("liver", "spleen", "kidney"), ("kidney", "spleen", "liver"))
    run, reference = toy_run((0, 1), "c", orders=orders), toy_run((0, 1), orders=orders)
    assert reproduction(run, reference, 0.05).verdict == "not judged"
    run, reference = toy_run((0, 1, 2), "c", orders=orders), toy_run((0, 1, 2), orders=orders)
    found = reproduction(run, reference, 0.05)
    assert found.verdict == "reproduced"
    assert {one.seeds for one in found.description} == {3}


def test_no_end_point_at_all_is_no_verdict() -> None:
    reference = transferred((1, 2, 3), 0.0)
    found = reproduction(transferred((1, 2, 3), 0.05), reference, 0.05, "statistical")
    assert (found.verdict, found.judged) == ("not judged", ())
    suite = ElementTree.fromstring(junit(found))
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


def transferred(seeds: Sequence[int], fall: float, end: int = 20) -> Measured:
    """A held-out task learnt from finetune's backbone; with a tenth of the cases the end is lower by ``fall``."""
    found: list[Row] = []
    for seed in seeds:
        chance = random.Random(seed)
        for fraction, epoch, case in product((0.1, 1.0), (0, 10, end), CASES):
            dice = 0.5 + epoch / 100 + chance.gauss(0, 0.02) - (fall if (fraction, epoch) == (0.1, end) else 0)
            place = ("toy", 1, "transfer", "finetune", seed, 1, 1, "vessel", fraction, epoch, "vessel")
            found.append(Row(*place, case, "organ", "dice", dice))
    info = BenchmarkInfo("toy", 1, "A toy", TASKS, ("vessel",), tuple(seeds), (), (), (TASKS,), ("finetune",))
    return Measured(summarise(info, found, (), {}).model_copy(update={"provenance": HERE}), tuple(found))


def test_of_transfer_the_end_of_every_curve_is_described_each_share_of_the_cases_alone() -> None:
    reference = transferred((1, 2, 3), 0.0)
    found = reproduction(transferred((1, 2, 3), 0.05), reference, 0.05, "statistical")
    assert {one.baseline for one in found.description} == {"transfer from finetune"}
    apart = {one.number: one.difference for one in found.description}
    assert apart == pytest.approx({"vessel at the end, 10% of the cases": -0.05, "vessel at the end": 0.0})


def test_a_seed_whose_curve_stops_early_has_no_end() -> None:
    whole, early = transferred((1, 2), 0.0), transferred((3,), 0.0, end=15)
    info = replace(whole.summary.benchmark, seeds=(1, 2, 3))
    both = Measured(whole.summary.model_copy(update={"benchmark": info}), (*whole.rows, *early.rows))
    assert set(samples(info, both.rows)["transfer from finetune", "vessel at the end"]) == {1, 2}


def test_different_versions_of_a_benchmark_are_never_compared() -> None:
    with pytest.raises(ClbenchError, match=r"toy version 2, the reference of toy version 1"):
        reproduction(measured((1,), version=2), measured((1,)), 0.02)


def suite_of(found: Reproduction) -> tuple[ElementTree.Element, dict[str, set[str]]]:
    """The test suite, and the names of its tests by what became of them."""
    suite = ElementTree.fromstring(junit(found))
    named = {case: f"{case.get('classname')} {case.get('name')}" for case in suite.iter("testcase")}
    return suite, {
        tag: {name for case, name in named.items() if case.find(tag) is not None}
        for tag in ("failure", "skipped", "error")
    }


def test_junit_has_a_test_for_each_end_point_and_the_described_numbers_once_in_its_output() -> None:
    found = reproduction(toy_run((0, 1, 2, 3, 4), "c", {"joint": 0.2}), PAIRED, 0.05)
    suite, names = suite_of(found)
    counts = {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")}
    assert counts == {"tests": "3", "failures": "1", "skipped": "0", "errors": "0"}
    assert names["failure"] == {"joint ACC"}
    output = suite.findtext("system-out") or ""
    lines = [line for line in output.splitlines() if line.startswith(("finetune", "ewc", "joint", "from-scratch"))]
    assert len(lines) == len(found.description)
    first = [line for line in lines if "  liver at the end" in line]
    assert len(first) == 4, "every baseline's"
    assert "the same as finetune liver after its stage, ewc liver after its stage" in first[0]
    assert "  liver after its stage" not in output


def test_junit_skips_what_is_open_and_errs_where_nothing_is_judged() -> None:
    open_ = reproduction(toy_run((0, 1, 2), "c", {"finetune": 0.08, "ewc": 0.08}), REFERENCE, 0.05)
    assert suite_of(open_)[1] == {"failure": set(), "skipped": {SUITE}, "error": set()}
    nothing = reproduction(toy_run((0,), "c"), REFERENCE, 0.05)
    suite, names = suite_of(nothing)
    assert names == {"failure": set(), "skipped": set(), "error": {*BOUNDS, SUITE}}
    assert suite.get("errors") == "3"


def test_junit_of_bits_has_a_test_for_each_result_and_no_description() -> None:
    suite, names = suite_of(reproduction(measured((1,)), measured((1,)), 0.05))
    assert (suite.get("tests"), suite.find("system-out")) == ("2", None)
    assert not any(names.values())


def test_the_terminal_shows_what_stands_out_and_markdown_shows_all() -> None:
    found = reproduction(toy_run((0, 1, 2, 3, 4), "c", {"joint": 0.2}), PAIRED, 0.05)
    assert "spleen after its stage" not in text(found)
    assert "1 drifted" in text(found)
    first, _, everything = markdown(found).partition("<details>")
    assert first.startswith("## toy: drifted\n\ntoy v1: drifted; judged: from-scratch ACC, joint ACC, suite mean ACC")
    assert "spleen after its stage" not in first
    assert "| joint " in first
    assert everything.count("spleen after its stage") == 2, "finetune's and EWC's"


@pytest.mark.parametrize("words", ["by chance", "inconclusive"])
def test_no_page_says_how_many_numbers_may_drift(words: str) -> None:
    found = reproduction(toy_run((0, 1, 2), "c"), REFERENCE, 0.05)
    assert words not in text(found) + markdown(found) + junit(found)
