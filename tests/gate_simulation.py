"""How often the gate calls unchanged and fallen runs drifted, in simulation: ``python tests/gate_simulation.py``.

What is simulated are the differences of three end points under each seed, normal with the standard deviations that
were measured between an Intel Xeon and an AMD EPYC (mini-organs, five seeds). What decides is the product's own
``decide``. How the three end points vary together was not measured, so it is done for several correlations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from clbench.results.chance import Chance
from clbench.results.gate import EndPoint, decide
from clbench.results.looks import LOOKS

SCRATCH, JOINT, SUITE = 0, 1, 2
SD = (0.0060, 0.0063, 0.029)
"""Of the difference under one seed: ACC from scratch, of joint training, mean over six methods."""
SINGLE = {"EWC, BLIP": 0.036, "replay": 0.063, "LwF": 0.133}
"""Of single methods' ACC."""
CORRELATIONS = (-0.4, 0.0, 0.5, 0.9)
SPREAD_SEEDS = 20

NONE, BOUNDS, ALL, SMALL, METHODS = (
    (0.0, 0.0, 0.0), (0.05, 0.05, 0.0), (0.05, 0.05, 0.05), (0.02, 0.02, 0.02), (0.0, 0.0, 0.05)
)  # fmt: skip
"""Falls of the three end points."""


class Rate(NamedTuple):
    """How many of so many trials."""

    found: int
    trials: int

    def __str__(self) -> str:
        low, high = stats.binomtest(self.found, self.trials).proportion_ci(0.99, method="exact")
        return f"{self.found / self.trials:.4f} [{low:.4f}, {high:.4f}]"

    def at_most(self, chance: float) -> bool:
        """Whether a true chance of at most this gives so many with probability .001 or more."""
        return bool(self.found <= stats.binom.ppf(0.999, self.trials, chance))

    def at_least(self, chance: float) -> bool:
        """Whether a true chance of at least this gives so few with probability .001 or more."""
        return bool(self.found >= stats.binom.ppf(0.001, self.trials, chance))


def rate(
    seeds: int, fall: Sequence[float], spread: bool = False, correlation: float = 0.0, noise: float = 1.0,
    trials: int = 10_000,
) -> Rate:  # fmt: skip
    """How often any end point drifts in one comparison.

    Args:
        seeds: common seeds of run and reference.
        fall: of each end point's true mean.
        spread: whether the reference has a paired spread of ``SPREAD_SEEDS`` seeds.
        correlation: between the end points' differences.
        noise: factor of the measured standard deviations.
        trials: how many comparisons.
    """
    random = np.random.default_rng(16)
    covariance = noise**2 * np.outer(SD, SD) * (correlation + (1 - correlation) * np.eye(3))
    drifted = 0
    for _ in range(trials):
        apart, known = _comparison(random, covariance, seeds, spread)
        drifted += "drifted" in verdicts(apart - np.array(fall), known)
    return Rate(drifted, trials)


def _comparison(
    random: np.random.Generator, covariance: np.ndarray, seeds: int, spread: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Run less reference (seeds, 3), and the spread's standard deviations (3,); the same reference is in both."""
    reference, other, run = random.multivariate_normal(np.zeros(3), covariance / 2, size=(3, SPREAD_SEEDS))
    known = (other - reference).std(axis=0, ddof=1) if spread else None
    return (run - reference)[:seeds], known


def verdicts(apart: np.ndarray, known: np.ndarray | None) -> list[str]:
    """Of the three end points, by their differences (seeds, 3) and what the reference knows of their chance."""
    chances = [None] * 3 if known is None else [Chance(float(sd), SPREAD_SEEDS - 1) for sd in known]
    points = [
        EndPoint(tuple(apart[:, place].tolist()), chance, sequential=place == SUITE and chance is None)
        for place, chance in enumerate(chances)
    ]
    return [decision.verdict for decision in decide(points)]


class Path(NamedTuple):
    """What became of runs that went on with more seeds until their answer."""

    drifted: Rate
    reproduced: Rate
    seeds: float
    """Mean number of seeds at the answer."""


def path(sd: float, fall: float, alpha: float = 0.01, trials: int = 4000) -> Path:
    """One number by itself, looked at until it has a verdict.

    Args:
        sd: of its difference under one seed.
        fall: of its true mean.
        alpha: error rate of all looks together.
        trials: how many runs.
    """
    random = np.random.default_rng(16)
    answers = [_answer(random.normal(-fall, sd, LOOKS[-1]).tolist(), alpha) for _ in range(trials)]
    counts = [Rate(sum(verdict == wanted for verdict, _ in answers), trials) for wanted in ("drifted", "reproduced")]
    return Path(*counts, float(np.mean([seeds for _, seeds in answers])))


def _answer(apart: list[float], alpha: float) -> tuple[str, int]:
    for seeds in LOOKS:
        [decision] = decide([EndPoint(tuple(apart[:seeds]), sequential=True)], alpha=alpha)
        if decision.verdict != "not judged":
            return decision.verdict, seeds
    return "not judged", LOOKS[-1]


def any_look(sd: float, alpha: float, trials: int = 20_000) -> Rate:
    """How often any look calls a number drifted that has not changed, if all looks are made whatever they say."""
    random = np.random.default_rng(16)

    def drifted(apart: list[float]) -> bool:
        looks = ([EndPoint(tuple(apart[:seeds]), sequential=True)] for seeds in LOOKS)
        return any(decide(points, alpha=alpha)[0].verdict == "drifted" for points in looks)

    return Rate(sum(drifted(random.normal(0, sd, LOOKS[-1]).tolist()) for _ in range(trials)), trials)


def all_looks(spread: bool, until: Callable[[list[str]], bool], trials: int = 4000) -> Rate:
    """How often an unchanged run is called drifted by any of the comparisons after 3, 5, 8, 12 and 20 seeds.

    Args:
        spread: whether the reference has one.
        until: whether these verdicts end it.
        trials: how many runs.
    """
    random, covariance, drifted = np.random.default_rng(16), np.diag(np.square(SD)), 0
    for _ in range(trials):
        apart, known = _comparison(random, covariance, LOOKS[-1], spread)
        for seeds in LOOKS:
            found = verdicts(apart[:seeds], known)
            drifted += "drifted" in found
            if "drifted" in found or until(found):
                break
    return Rate(drifted, trials)


def unlearnt(spread: bool, seeds: int, share: float, trials: int = 10_000) -> Rate:
    """How often an unchanged run is called drifted where a seed may fail to learn one of four tasks.

    Each side of each seed fails by itself with this chance; its ACC from scratch is then lower by .2.
    """
    random, drifted = np.random.default_rng(16), 0
    for _ in range(trials):
        sides = random.multivariate_normal(np.zeros(3), np.diag(np.square(SD)) / 2, size=(3, SPREAD_SEEDS))
        sides[:, :, SCRATCH] -= 0.2 * (random.random((3, SPREAD_SEEDS)) < share)
        reference, other, run = sides
        known = (other - reference).std(axis=0, ddof=1) if spread else None
        drifted += "drifted" in verdicts((run - reference)[:seeds], known)
    return Rate(drifted, trials)


def report() -> None:
    """Print every rate that the documentation states."""
    print("One comparison: called drifted (99 % interval of the simulation)")
    for spread, counts in ((False, (3, 5, 8, 12, 20)), (True, (3, 5, 10))):
        print(f"\n{'with a spread of 20 seeds' if spread else 'two runs alone'}")
        for seeds in counts:
            for name, fall in (("unchanged", NONE), ("both bounds fall .05", BOUNDS), ("all fall .02", SMALL),
                               ("only what is remembered falls .05", METHODS)):  # fmt: skip
                print(f"  {seeds:2} seeds  {name:34} {rate(seeds, fall, spread)}")
    print("\nTwo runs alone, by the correlation of the end points: unchanged; both bounds fall .05")
    for correlation in CORRELATIONS:
        found = [rate(3, fall, correlation=correlation) for fall in (NONE, BOUNDS)]
        print(f"  3 seeds  {correlation:4}  {found[0]}  {found[1]}")
    print("\nTwo runs alone, chance twice as large: unchanged; both bounds fall .05")
    for seeds in (3, 5):
        print(f"  {seeds} seeds  {rate(seeds, NONE, noise=2)}  {rate(seeds, BOUNDS, noise=2)}")
    print("\nOne number looked at after 3, 5, 8, 12, 20 seeds: drifted, reproduced, seeds at the answer")
    for name, sd in {"suite": SD[SUITE], **SINGLE}.items():
        for fall in (0.0, 0.05):
            for alpha in (0.01 / 3, 0.01):
                print(f"  {name:10} alpha {alpha:.4f} fall {fall:4}  {'  '.join(map(str, path(sd, fall, alpha)))}")
    print(f"  any of the looks, alpha .0033: {any_look(SD[SUITE], 0.01 / 3)}, .01: {any_look(SD[SUITE], 0.01)}")
    print("\nUnchanged, compared again after each look: until all is reproduced; all five times")
    for spread in (False, True):
        ends = (lambda found: set(found) == {"reproduced"}), (lambda found: False)
        print(f"  {'spread' if spread else 'alone '}  {'  '.join(str(all_looks(spread, end)) for end in ends)}")
    print("\nUnchanged, a seed fails to learn a task with a chance of .02, .05, .1")
    for spread in (False, True):
        for seeds in (3, 5):
            found = "  ".join(str(unlearnt(spread, seeds, share)) for share in (0.02, 0.05, 0.1))
            print(f"  {'spread' if spread else 'alone '}  {seeds} seeds  {found}")


if __name__ == "__main__":
    report()
