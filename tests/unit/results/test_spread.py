"""A reference's paired spread: what it holds, how it is kept and read, and what can't be paired."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.references import CHECKSUMS, SPREAD, keep, read_measured
from clbench.results.endpoints import SUITE, differences, endpoints
from clbench.results.pairing import paired
from clbench.results.reproduction import Measured
from toy_runs import toy_run

SEEDS = (0, 1, 2, 3, 4)


def kept(folder: Path) -> Measured:
    keep(paired(toy_run(SEEDS), toy_run(SEEDS, "b")), folder)
    return read_measured(folder)


def test_it_is_the_standard_deviation_of_the_paired_difference_of_every_number_once(tmp_path: Path) -> None:
    spread = kept(tmp_path).spread
    assert spread is not None
    mine, theirs = (endpoints(one.summary.benchmark, one.rows) for one in (toy_run(SEEDS), toy_run(SEEDS, "b")))
    for name in mine:
        apart = [*differences(theirs[name], mine[name]).values()]
        chance = spread.chance([name])
        assert chance is not None
        assert chance == pytest.approx((statistics.stdev(apart), 4))
    names = [name for one in spread.numbers for name in one.names]
    assert sorted(names) == sorted(mine)
    assert len(spread.numbers) < len(names), "what baselines share is there once"


def test_the_covariance_of_the_primary_end_points_is_kept_and_fits_their_deviations(tmp_path: Path) -> None:
    spread = kept(tmp_path).spread
    assert spread is not None
    assert spread.primaries == (("from-scratch", "ACC"), ("joint", "ACC"), SUITE)
    covariance = np.array(spread.covariance)
    np.testing.assert_allclose(covariance, covariance.T)
    for place, name in enumerate(spread.primaries):
        chance = spread.chance([name])
        assert chance is not None
        assert covariance[place, place] == pytest.approx(chance.sd**2)
    mine, theirs = (endpoints(one.summary.benchmark, one.rows) for one in (toy_run(SEEDS), toy_run(SEEDS, "b")))
    apart = [[*differences(theirs[name], mine[name]).values()] for name in spread.primaries]
    for first, second in combinations(range(3), 2):
        assert covariance[first, second] == pytest.approx(statistics.covariance(apart[first], apart[second]))


def test_the_other_run_is_said_where_it_came_from(tmp_path: Path) -> None:
    spread = kept(tmp_path).spread
    assert spread is not None
    assert spread.provenance["arithmetic"] == "native: AuthenticAMD 25/17/1"
    assert spread.seeds == SEEDS


def test_a_number_that_never_differs_says_nothing_of_chance() -> None:
    run, other = toy_run(SEEDS), toy_run(SEEDS, "b")
    same = tuple(row for row in run.rows if row.baseline == "joint")
    other = replace(other, rows=tuple(row for row in other.rows if row.baseline != "joint") + same)
    spread = paired(run, other).spread
    assert spread is not None
    assert spread.chance([("joint", "ACC")]) is None
    assert spread.chance([("finetune", "ACC")]) is not None


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (toy_run(SEEDS), "the same numbers"),
        (toy_run((0, 1, 2), "b"), "other seeds: 0, 1, 2, 3, 4 and 0, 1, 2"),
    ],
)
def test_what_is_no_pair_is_refused(other: Measured, why: str) -> None:
    with pytest.raises(ClbenchError, match=why):
        paired(toy_run(SEEDS), other)


def test_two_seeds_are_too_few() -> None:
    with pytest.raises(ClbenchError, match="a spread needs 3 or more"):
        paired(toy_run((0, 1)), toy_run((0, 1), "b"))


def test_another_version_and_another_benchmark_are_no_pair() -> None:
    run = toy_run(SEEDS)
    for change in ({"version": 2}, {"name": "other"}):
        info = replace(run.summary.benchmark, **change)
        other = replace(run, summary=run.summary.model_copy(update={"benchmark": info}))
        with pytest.raises(ClbenchError, match="can't be paired with toy v1"):
            paired(run, other)


def test_a_reference_without_one_has_none_and_a_new_one_leaves_no_old_one_behind(tmp_path: Path) -> None:
    kept(tmp_path)
    assert SPREAD in json.loads((tmp_path / CHECKSUMS).read_text())["content"]["files"]
    keep(toy_run(SEEDS), tmp_path)
    assert not (tmp_path / SPREAD).exists()
    assert read_measured(tmp_path).spread is None


def test_a_changed_spread_is_found_by_its_checksum(tmp_path: Path) -> None:
    kept(tmp_path)
    file = tmp_path / SPREAD
    file.write_text(file.read_text().replace('"seeds": 5', '"seeds": 6', 1))
    with pytest.raises(MissingEnvironment, match=SPREAD):
        read_measured(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("version", 2, "is of toy v2 instead of toy v1"), ("numbers", [{"names": [], "sd": -1.0, "seeds": 5}], "sd")],
)
def test_a_spread_that_is_another_ones_or_none_is_refused_with_what_writes_it_anew(
    tmp_path: Path, field: str, value: object, said: str
) -> None:
    kept(tmp_path)
    (tmp_path / CHECKSUMS).unlink()
    content = json.loads((tmp_path / SPREAD).read_text())
    (tmp_path / SPREAD).write_text(json.dumps({**content, field: value}))
    with pytest.raises(MissingEnvironment, match=said) as refusal:
        read_measured(tmp_path)
    assert f"`clbench reference RUN --paired OTHER --out {tmp_path}` writes it anew" in str(refusal.value)
