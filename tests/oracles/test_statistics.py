"""Statistics that can be known: coverage and error rates by simulation, corrections and tests by independent code.

All simulations drive the functions that reports use, with fixed seeds.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from clbench.results.records import Replicate
from clbench.results.resampling import Cases, Resampling, Seeds
from clbench.results.statistics import holm, mean_ranks, places, signed_rank

DRAWS = 1000
NAMES = [f"case-{number:03d}" for number in range(100)]


def crossed(
    random: np.random.Generator, shape: tuple[int, ...], seed: float, case: float, interaction: float
) -> np.ndarray:
    """Values (…, seeds, cases) about zero with these standard deviations."""
    *many, seeds, cases = shape
    return (
        seed * random.standard_normal((*many, seeds, 1))
        + case * random.standard_normal((*many, 1, cases))
        + interaction * random.standard_normal(shape)
    )


def coverage(values: np.ndarray) -> float:
    """How often the 95 % interval of a mean over seeds and cases holds its true value, zero.

    Args:
        values: (trials, seeds, cases).
    """
    trials, seeds, cases = values.shape
    drawn = Cases("liver", NAMES[:cases], DRAWS).means(values)
    over, replicates = Seeds(range(seeds), DRAWS).over, [Replicate(seed, 1) for seed in range(seeds)]
    ends = [over(replicates, drawn[trial]).ends() for trial in range(trials)]
    return float(np.mean([low <= 0 <= high for low, high in ends]))


@pytest.mark.parametrize("cases", [4, 12, 100])
def test_with_one_seed_the_interval_over_cases_covers_the_mean_as_often_as_it_says(cases: int) -> None:
    values = np.random.default_rng(0).standard_normal((2000, 1, cases))
    assert 0.93 <= coverage(values) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_where_seeds_decide_the_interval_covers_the_mean_as_often_as_it_says(seeds: int) -> None:
    values = crossed(np.random.default_rng(1), (1500, seeds, 60), 0.03, 0.01, 0.01)
    assert 0.93 <= coverage(values) <= 0.97


@pytest.mark.parametrize(
    ("seeds", "cases", "deviations"),
    [
        (3, 60, (0.01, 0.03, 0.02)),
        (5, 60, (0.01, 0.03, 0.02)),
        (3, 16, (0.03, 0.03, 0.02)),
        (3, 12, (0.01, 0.03, 0.02)),
        (5, 12, (0.0, 0.03, 0.05)),
    ],
)
def test_with_every_source_of_chance_the_interval_errs_on_the_wide_side_only(
    seeds: int, cases: int, deviations: tuple[float, float, float]
) -> None:
    values = crossed(np.random.default_rng(2), (1000, seeds, cases), *deviations)
    assert coverage(values) >= 0.93


def test_skewed_cases_near_the_upper_end_are_covered_nearly_as_often() -> None:
    random = np.random.default_rng(3)
    values = random.beta(8, 1.5, (2000, 1, 60)) - 8 / 9.5
    assert 0.925 <= coverage(values) <= 0.97


def test_draws_over_seeds_are_students_t_about_their_mean() -> None:
    values = np.array([0.2, 0.5, 0.8])
    drawn = Seeds((0, 1, 2), 200_000).over(
        [Replicate(seed, 1) for seed in (0, 1, 2)], _certain(values, 200_000)
    )
    standard = (drawn.values[1:] - 0.5) / (values.std(ddof=1) / np.sqrt(3))
    for level in (0.9, 0.975, 0.995):
        assert np.mean(standard < stats.t(2).ppf(level)) == pytest.approx(level, abs=0.002)


def _certain(values: np.ndarray, draws: int) -> np.ndarray:
    """Replicates whose cases never vary."""
    return np.repeat(values[:, None], 1 + draws, axis=1)


def test_draws_over_cases_have_the_variance_of_students_t_about_their_mean() -> None:
    values = np.random.default_rng(4).standard_normal(40)
    drawn = Cases("liver", NAMES[:40], 200_000).means(values)
    assert drawn[0] == pytest.approx(values.mean())
    expected = values.var(ddof=1) / 40 * stats.t(39).var()
    assert drawn[1:].var() == pytest.approx(expected, rel=0.02)


def test_orders_of_one_seed_are_no_further_seeds() -> None:
    seeds = Seeds((0, 1), DRAWS)
    one = seeds.over([Replicate(0, 1), Replicate(1, 1)], _certain(np.array([0.4, 0.6]), DRAWS))
    replicates = [Replicate(seed, order) for seed, order in product((0, 1), (1, 2))]
    two = seeds.over(replicates, _certain(np.array([0.3, 0.5, 0.5, 0.7]), DRAWS))
    assert two.seeds == one.seeds == 2
    np.testing.assert_allclose(two.values, one.values)
    alone = seeds.over(replicates[:2], _certain(np.array([0.3, 0.5]), DRAWS))
    assert (alone.seeds, alone.ends()) == (1, (0.4, 0.4))


def test_a_seed_that_is_missing_leaves_the_interval_of_those_that_are_there() -> None:
    replicates = [Replicate(seed, 1) for seed in range(3)]
    holed = _certain(np.array([0.2, np.nan, 0.8]), 100_000)
    drawn = Seeds(range(3), 100_000).over(replicates, holed)
    standard = (drawn.values[1:] - 0.5) / (0.6 / np.sqrt(2) / np.sqrt(2))
    assert drawn.seeds == 2
    assert np.mean(standard < stats.t(1).ppf(0.975)) == pytest.approx(0.975, abs=0.002)


def test_an_undefined_case_is_left_out_of_the_mean_of_every_draw() -> None:
    cases = Cases("liver", NAMES[:4], DRAWS)
    drawn = cases.means(np.array([0.5, 0.5, np.nan, 0.5]))
    np.testing.assert_allclose(drawn, 0.5)
    assert np.isnan(cases.means(np.array([0.5, np.nan, np.nan, np.nan]))[1:]).all()
    assert np.isnan(cases.means(np.full(4, np.nan))).all()


def test_the_same_names_and_seeds_draw_the_same_and_others_do_not() -> None:
    values = np.random.default_rng(5).random(6)
    one, same = (Resampling({"liver": NAMES[:6]}, (0, 1), DRAWS) for _ in range(2))
    other = Resampling({"lung": NAMES[:6], "liver": NAMES[:6]}, (0, 1, 2), DRAWS)
    draw = [made.cases["liver"].means(values) for made in (one, same, other)]
    np.testing.assert_array_equal(draw[0], draw[1])
    np.testing.assert_array_equal(draw[0], draw[2])
    assert not np.array_equal(draw[0], other.cases["lung"].means(values))


@pytest.mark.parametrize(
    "p", [[0.2], [0.04, 0.01, 0.03], [0.5, 0.5, 0.001, 0.001], [0.0, 1.0], np.geomspace(1e-6, 1, 45).tolist()]
)
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_of_no_family_is_empty() -> None:
    assert holm([]) == ()


@pytest.mark.parametrize("count", [1, 2, 5, 12, 13, 50])
def test_signed_ranks_without_ties_are_scipys_exact_ones(count: int) -> None:
    random = np.random.default_rng(count)
    for shift in (0.0, 0.3, 2.0):
        values = random.standard_normal(count) + shift
        assert signed_rank(values).p == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


@settings(max_examples=20)
@given(st.lists(st.integers(-4, 4), max_size=10).filter(lambda values: sum(map(bool, values)) > 1))
def test_signed_ranks_with_ties_and_zeros_count_all_signs_as_scipy_does(values: list[int]) -> None:
    kept = [value for value in values if value]
    exact = stats.PermutationMethod(n_resamples=2**11)
    assert signed_rank(values).p == pytest.approx(stats.wilcoxon(kept, method=exact).pvalue)


@pytest.mark.parametrize("digits", [1, 8])
def test_signed_ranks_of_many_cases_are_scipys_normal_limit_also_with_ties(digits: int) -> None:
    values = np.round(np.random.default_rng(6).standard_normal(360) + 0.1, digits)
    assert signed_rank(values).p == pytest.approx(stats.wilcoxon(values, method="asymptotic").pvalue)


def test_without_a_difference_there_is_no_evidence_of_one() -> None:
    assert signed_rank([]) == signed_rank([0.0, 0.0]) == (1.0, 0.0)


def test_the_effect_is_one_where_every_case_is_better_and_the_worked_share_elsewhere() -> None:
    assert signed_rank([0.1, 0.2, 0.3]).effect == 1.0
    assert signed_rank([-0.1, -0.2]).effect == -1.0
    assert signed_rank([0.1, -0.2, 0.3, 0.4]).effect == pytest.approx((8 - 2) / 10)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=20))
def test_mean_ranks_are_scipys(values: list[float]) -> None:
    np.testing.assert_array_equal(mean_ranks(np.array(values)), stats.rankdata(values))


def test_those_who_share_a_first_place_share_the_draw() -> None:
    first, ranks = places(np.array([[0.9, 0.5, 0.5], [0.8, 0.7, 0.5], [0.8, 0.6, 0.1]]))
    assert first == pytest.approx([0.5, 0.5, 0.0])
    assert ranks.tolist() == [[1, 3, 1], [2, 1, 1], [2, 2, 3]]
