"""The gate's error rates and power: by simulation with the measured spread, by published bounds, by independent code.

``python tests/gate_simulation.py`` prints all rates; ``pytest -s`` those that are tested here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clbench.results.chance import Chance, fall
from clbench.results.description import margin
from clbench.results.gate import ALPHA, MARGIN, EndPoint, decide, shared
from clbench.results.looks import LOOKS, levels, look_at, spent
from gate_simulation import ALL, BOUNDS, METHODS, NONE, SD, SMALL, SUITE, Rate, any_look, path, rate, unlearnt


def said(rate_found: Rate, words: str) -> Rate:
    print(f"{words}: {rate_found}")
    return rate_found


# looks


def test_the_looks_bounds_are_the_published_ones_of_five_equal_steps() -> None:
    """Lan and DeMets' O'Brien-Fleming type, one-sided .025."""
    bounds = [-stats.norm.ppf(level) for level in levels(0.025, (1, 2, 3, 4, 5))]
    assert bounds == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


@pytest.mark.parametrize("alpha", [0.01, 0.01 / 3])
def test_the_chance_of_crossing_up_to_each_look_is_what_may_be_spent_by_then(alpha: float) -> None:
    """By the multivariate normal integral of scipy, at the looks whose chance it resolves."""
    share = np.array(LOOKS) / LOOKS[-1]
    covariance = np.sqrt(np.minimum.outer(share, share) / np.maximum.outer(share, share))
    bounds = -stats.norm.ppf(levels(alpha))
    for count in (3, 4, 5):
        joint = stats.multivariate_normal(np.zeros(count), covariance[:count, :count], abseps=1e-8, releps=1e-8)
        stayed = joint.cdf(bounds[:count], rng=np.random.default_rng(0))
        assert 1 - stayed == pytest.approx(spent(alpha, share[count - 1]), rel=0.03, abs=2e-7)


def test_a_single_look_is_a_plain_test() -> None:
    assert levels(0.01, (20,)) == pytest.approx((0.01,))


@pytest.mark.parametrize(
    ("seeds", "look"), [(0, None), (2, None), (3, 0), (4, 0), (5, 1), (7, 1), (8, 2), (19, 3), (20, 4), (99, 4)]
)
def test_between_looks_the_largest_one_that_the_seeds_allow_counts(seeds: int, look: int | None) -> None:
    assert look_at(seeds) == look


# one decision


VALUES = st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=12).filter(lambda found: np.std(found) > 1e-6)


@given(VALUES)
def test_a_fall_without_a_spread_is_scipys_paired_t(values: list[float]) -> None:
    found = fall(values)
    theirs = stats.ttest_1samp(values, 0.0, alternative="less")
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-15)
    bound = stats.ttest_1samp(values, 0.0).confidence_interval(0.90)
    assert (found.bounds.low, found.bounds.high) == pytest.approx(tuple(bound), abs=1e-6)


@given(VALUES, st.floats(0.001, 0.1), st.integers(2, 40))
def test_a_fall_with_a_known_spread_has_its_degrees_of_freedom(values: list[float], sd: float, df: int) -> None:
    found = fall(values, Chance(sd, df))
    assert found.p == pytest.approx(stats.t(df).cdf(np.mean(values) * math.sqrt(len(values)) / sd), rel=1e-9)


def test_two_end_points_have_half_of_the_error_rate_each_and_three_a_third() -> None:
    point = EndPoint((0.0, 0.0, 0.1))
    assert shared([point] * 2) == pytest.approx([0.005] * 2)
    assert shared([point] * 3) == pytest.approx([0.01 / 3] * 3)


@pytest.mark.parametrize("seeds", [3, 4, 5, 8, 12, 20, 30])
def test_what_a_sequential_end_point_does_not_use_at_its_look_goes_to_the_others(seeds: int) -> None:
    differences = tuple(0.01 * seed for seed in range(seeds))
    first, second, last = shared([EndPoint(differences)] * 2 + [EndPoint(differences, sequential=True)])
    assert first + second + last == pytest.approx(ALPHA)
    assert last == levels(ALPHA / 3)[look_at(seeds) or 0]
    assert first >= ALPHA / 3


def test_nothing_is_judged_with_fewer_than_three_seeds_even_where_chance_is_known() -> None:
    for differences in ((), (-0.9,), (-0.9, -0.9)):
        [found] = decide([EndPoint(differences, Chance(0.001, 19))])
        assert (found.verdict, found.interval) == ("not judged", None)
        assert f"{len(differences) or 'no'} seed" in found.reason


def test_a_sequential_end_point_is_judged_by_the_seeds_of_its_look_alone() -> None:
    """Whoever could choose between four and five seeds after seeing them would have a look more."""
    five = (0.001, -0.002, 0.0, 0.002, -0.001)
    [at_five], [at_seven] = (decide([EndPoint(found, sequential=True)]) for found in (five, (*five, -0.9, -0.9)))
    assert at_five == at_seven
    assert at_five.interval is not None
    assert at_five.interval.seeds == 5
    [plain] = decide([EndPoint((*five, -0.9, -0.9))])
    assert plain.difference == pytest.approx(-1.8 / 7)


def test_an_open_end_point_says_what_would_decide_it() -> None:
    wide = (-0.2, 0.2, 0.1)
    assert decide([EndPoint(wide)])[0].reason.endswith("more seeds would")
    assert decide([EndPoint(wide, sequential=True)])[0].reason.endswith("the next look is at 5")
    last = tuple(np.tile([-0.3, 0.3], 10))
    assert decide([EndPoint(last, sequential=True)])[0].reason.endswith("that was the last look")


def test_differences_that_all_seeds_agree_on_are_no_chance() -> None:
    """Equal numbers come out again; a fall of the same size under every seed is a change, however small."""
    verdicts = {value: decide([EndPoint((value,) * 3)])[0].verdict for value in (0.0, -0.001, -0.2, 0.1)}
    assert verdicts == {0.0: "reproduced", -0.001: "drifted", -0.2: "drifted", 0.1: "reproduced"}
    assert decide([EndPoint((-0.001,) * 3, sequential=True)])[0].verdict == "drifted"
    rounded = tuple(-0.3 + 1e-17 * seed for seed in range(3))
    assert fall(rounded).chance.sd == 0.0


def test_a_rise_is_no_drift() -> None:
    assert decide([EndPoint((0.30, 0.31, 0.29))])[0].verdict == "reproduced"


def test_the_margin_is_what_reproduced_excludes() -> None:
    differences = (-0.010, 0.012, 0.001)
    low = fall(differences).bounds.low
    assert -MARGIN < low < -0.01
    assert decide([EndPoint(differences)], margin=-low + 1e-4)[0].verdict == "reproduced"
    assert decide([EndPoint(differences)], margin=-low - 1e-4)[0].verdict == "not judged"


@pytest.mark.parametrize("wrong", [0.0, -0.02, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        decide([EndPoint((0.0, 0.1, 0.2))], margin=wrong)


@pytest.mark.parametrize(
    ("sd", "expected"),
    [(0.0063, 0.012), (0.017, 0.033), (0.029, 0.058), (0.035, 0.068), (0.063, 0.12), (0.133, 0.26)],
)
def test_a_numbers_own_margin_is_the_fall_that_its_seeds_find_in_nine_of_ten(sd: float, expected: float) -> None:
    """The worked values are for five seeds. The sum of two quantiles approximates: the noncentral t says .89."""
    found = margin(Chance(sd, 19), 5)
    assert found == pytest.approx(expected, rel=0.05)
    limit = stats.t(19).ppf(1 - ALPHA / 3)
    assert stats.nct(19, found * math.sqrt(5) / sd).sf(limit) == pytest.approx(0.89, abs=0.001)


# error rates and power


@pytest.mark.parametrize(
    ("seeds", "spread", "correlation"),
    [(3, False, 0.0), (5, False, 0.0), (20, False, 0.0), (3, True, 0.0), (5, True, 0.0), (3, False, 0.9)],
)
def test_at_most_one_unchanged_run_in_a_hundred_is_called_drifted(
    seeds: int, spread: bool, correlation: float
) -> None:
    """Of all end points together; the bound leaves a true rate of .01 one failure in a thousand."""
    words = f"unchanged, {seeds} seeds, {'spread' if spread else 'alone'}, correlation {correlation}"
    assert said(rate(seeds, NONE, spread, correlation), words).at_most(ALPHA)


@pytest.mark.parametrize("seeds", [3, 5])
def test_with_noise_twice_as_large_it_is_still_one_in_a_hundred(seeds: int) -> None:
    assert said(rate(seeds, NONE, noise=2.0), f"unchanged, {seeds} seeds, twice the noise").at_most(ALPHA)


@pytest.mark.parametrize(
    ("seeds", "spread", "correlation", "fallen", "power"),
    [
        (3, False, 0.0, BOUNDS, 0.95),
        (3, False, 0.5, BOUNDS, 0.94),
        (3, False, 0.9, BOUNDS, 0.90),
        (5, False, 0.0, BOUNDS, 0.99),
        (3, True, 0.0, ALL, 0.99),
        (3, True, 0.0, SMALL, 0.99),
        (5, True, 0.0, ALL, 0.99),
        (5, True, 0.0, METHODS, 0.75),
        (10, True, 0.0, METHODS, 0.95),
        (20, False, 0.0, METHODS, 0.99),
    ],
)
def test_a_fall_is_found_as_often_as_stated(
    seeds: int, spread: bool, correlation: float, fallen: tuple[float, ...], power: float
) -> None:
    words = f"fall {fallen}, {seeds} seeds, {'spread' if spread else 'alone'}, correlation {correlation}"
    assert said(rate(seeds, fallen, spread, correlation, trials=2000), words).at_least(power)


def test_all_looks_together_use_up_no_more_than_their_error_rate() -> None:
    """Student's t at the levels of a normal walk is near enough, also if every look is made."""
    assert said(any_look(SD[SUITE], ALPHA, trials=8000), "any look, .01").at_most(ALPHA)


def test_the_suites_looks_find_a_fall_by_the_margin_and_pass_an_unchanged_run_early() -> None:
    unchanged, fallen = (path(SD[SUITE], by, ALPHA / 3, trials=2000) for by in (0.0, MARGIN))
    print(f"suite unchanged: {unchanged}; fallen: {fallen}")
    assert unchanged.drifted.at_most(ALPHA / 3)
    assert unchanged.reproduced.at_least(0.99)
    assert unchanged.seeds < 5
    assert fallen.drifted.at_least(0.87), "each look may pass it wrongly in one of twenty cases"
    assert fallen.drifted.found > 0.85 * fallen.drifted.trials


def test_a_seed_that_learnt_nothing_on_one_side_raises_no_alarm_without_a_spread() -> None:
    assert said(unlearnt(False, 5, 0.05), "unlearnt seeds, alone").at_most(ALPHA)
