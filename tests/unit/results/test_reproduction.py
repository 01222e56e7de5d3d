"""Holding a run against a reference: bits where bits can be asked for, seeds and cases where they can't."""

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
from clbench.report.reproduction import junit, markdown, text
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise
from clbench.results.reproduction import Measured, Reproduction, not_exact, reproduction, samples

TASKS = ("liver", "spleen")
CASES = [f"case{number:02d}" for number in range(40)]
HERE = {"libraries": {"torch": "2.13.0"}, "machine": {"processor": "a", "instructions": "avx2", "accelerators": []}}
THERE = {**HERE, "machine": {**HERE["machine"], "processor": "b"}}


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


def test_without_a_seed_in_common_seeds_and_cases_decide() -> None:
    found = reproduction(measured((6, 7, 8, 9)), measured((1, 2, 3, 4, 5)), 0.05)
    assert (found.mode, found.why) == ("statistical", "no seed in common")
    assert "missing" not in verdicts(found).values()


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
        (THERE, "another processor"),
        ({**HERE, "libraries": {"torch": "2.14.0"}}, "other versions of torch"),
        ({**HERE, "machine": {**HERE["machine"], "accelerators": ["H100"]}}, "an accelerator"),
        ({**HERE, "machine": {**HERE["machine"], "instructions": "avx512f"}}, "another processor"),
    ],
)
def test_bits_are_not_asked_for_where_they_can_not_be_equal(other: dict[str, object], why: str) -> None:
    assert not_exact(HERE, HERE) == ""
    assert why in not_exact(other, HERE)


def test_elsewhere_one_seed_gives_no_verdict() -> None:
    found = reproduction(measured((1,), provenance=THERE), measured((1, 2, 3, 4, 5)), 0.02)
    assert found.mode == "statistical"
    assert set(verdicts(found).values()) == {"inconclusive"}
    assert found.verdict == "inconclusive"


def test_elsewhere_seeds_and_cases_tell_what_came_out_again_and_what_fell() -> None:
    reference = measured((1, 2, 3, 4, 5))
    same = reproduction(measured((1, 2, 3, 4, 5), provenance=THERE), reference, 0.02)
    assert set(verdicts(same).values()) == {"reproduced"}
    fallen = reproduction(measured((1, 2, 3, 4, 5), fall=0.05, provenance=THERE), reference, 0.02)
    assert verdicts(fallen) == {
        "liver at the end": "drifted", "spleen at the end": "drifted", "liver after its stage": "reproduced",
        "spleen after its stage": "drifted", "ACC": "drifted", "LA": "drifted", "BWT": "drifted",
    }  # fmt: skip
    change = next(one for one in fallen.findings if one.number == "BWT")
    assert change.difference == pytest.approx(-0.05)


def test_bwt_is_taken_from_the_earlier_tasks_alone() -> None:
    reference = measured((1, 2, 3))
    better = tuple(
        replace(row, value=(row.value or 0) + 0.1) if row.task == "spleen" else row for row in reference.rows
    )
    found = reproduction(Measured(reference.summary, better), reference, 0.02, "statistical")
    change = next(one for one in found.findings if one.number == "BWT")
    assert change.difference == 0


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


def test_of_transfer_the_end_of_every_curve_is_judged_each_share_of_the_cases_alone() -> None:
    reference = transferred((1, 2, 3), 0.0)
    found = reproduction(transferred((1, 2, 3), 0.05), reference, 0.02, "statistical")
    assert {finding.baseline for finding in found.findings} == {"transfer from finetune"}
    assert verdicts(found) == {
        "vessel at the end, 10% of the cases": "drifted", "vessel at the end": "reproduced",
    }  # fmt: skip
    fallen = next(one for one in found.findings if one.verdict == "drifted")
    assert fallen.difference == pytest.approx(-0.05)


def test_a_seed_whose_curve_stops_early_has_no_end() -> None:
    whole, early = transferred((1, 2), 0.0), transferred((3,), 0.0, end=15)
    info = replace(whole.summary.benchmark, seeds=(1, 2, 3))
    both = Measured(whole.summary.model_copy(update={"benchmark": info}), (*whole.rows, *early.rows))
    assert set(samples(both)["transfer from finetune", "vessel at the end"]) == {1, 2}


def test_different_versions_of_a_benchmark_are_never_compared() -> None:
    with pytest.raises(ClbenchError, match=r"toy version 2, the reference of toy version 1"):
        reproduction(measured((1,), version=2), measured((1,)), 0.02)


def test_junit_fails_what_drifted_and_skips_what_is_open() -> None:
    fallen = reproduction(measured((1, 2, 3, 4, 5), fall=0.05, provenance=THERE), measured((1, 2, 3, 4, 5)), 0.02)
    suite = ElementTree.fromstring(junit(fallen))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "6", "0")
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert "ACC" in failed
    assert "liver after its stage" not in failed
    open_ = reproduction(measured((1,), provenance=THERE), measured((1, 2, 3)), 0.02)
    assert ElementTree.fromstring(junit(open_)).get("skipped") == "7"


def test_the_terminal_shows_what_is_not_simply_reproduced_and_markdown_shows_all() -> None:
    fallen = reproduction(measured((1, 2, 3, 4, 5), fall=0.05, provenance=THERE), measured((1, 2, 3, 4, 5)), 0.02)
    assert "liver after its stage" not in text(fallen)
    assert "6 drifted, 1 reproduced" in text(fallen)
    first, _, everything = markdown(fallen).partition("<details>")
    assert "liver after its stage" not in first
    assert "| ACC " in first
    assert "liver after its stage" in everything


def test_it_is_said_how_many_numbers_chance_alone_may_call_drifted() -> None:
    found = reproduction(measured((1, 2, 3), provenance=THERE), measured((1, 2, 3)), 0.02)
    few, many = (replace_findings(found, times) for times in (1, 20))
    assert "by chance" not in text(few), "one in twenty of seven numbers is none"
    assert "of 140 numbers, each judged by itself, about 7 may drift by chance" in text(many)
    assert "by chance" not in text(reproduction(measured((1,)), measured((1,)), 0.02)), "bits have no chance"


def replace_findings(found: Reproduction, times: int) -> Reproduction:
    """As if there had been so many more baselines."""
    return found.model_copy(update={"findings": found.findings * times})
