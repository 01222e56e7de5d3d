"""The metric passport: every published variant of a metric, computed from the same matrix, side by side.

Papers report numbers of one name by several formulas. One published matrix has been given a BWT of -13.8,
-16.5 and -24.4. So each variant stands here with its formula, its source and what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from clbench.results.continual import (
    average_accuracy,
    backward_transfer,
    difference,
    forgetting,
    gap_closed,
    intransigence,
    learning_accuracy,
    plasticity,
)
from clbench.results.matrix import Matrix, Vector, diagonal, full_mean


@dataclass(frozen=True)
class Finished:
    """What a finished sequence of T stages scored, and what it may be held against; None where that is unknown."""

    matrix: Matrix
    """R, stages by tasks, tasks in the order of learning; None is a hole, above the diagonal too."""
    finetune: Matrix | None = None
    """R of sequential fine-tuning."""
    scratch: Vector | None = None
    """a_j, each task trained alone."""
    cumulative: Vector | None = None
    """a*_j, each task right after its stage in cumulative training."""
    joint: Vector | None = None
    """J_j, each task after joint training."""
    untrained: Vector | None = None
    """b_j, each task by a freshly initialised network."""
    cases: tuple[int, ...] | None = None
    """How many cases each task was measured on."""

    @property
    def stages(self) -> int:
        """T."""
        return len(self.matrix)


@dataclass(frozen=True)
class Variant:
    """One formula, as one source computes it."""

    family: Literal["accuracy", "BWT", "forgetting", "FWT", "normalised"]
    """What it is called in papers."""
    name: str
    """Which of the variants it is."""
    formula: str
    """Exactly what is computed."""
    better: Literal["↑", "↓"]
    """Whether higher or lower is better."""
    source: str
    """Paper or code that computes it so."""
    compute: Callable[[Finished], float | None]
    """Its value; None where something that it needs is missing."""


def values(finished: Finished) -> tuple[tuple[Variant, float | None], ...]:
    """Every variant with its value, in the passport's order."""
    return tuple((variant, variant.compute(finished)) for variant in PASSPORT)


def backward_differences(r: Finished) -> Vector:
    """R[T][j] - R[j][j] of every task but the last."""
    own = diagonal(r.matrix)
    return tuple(difference(end, first) for end, first in zip(r.matrix[-1][:-1], own[:-1], strict=True))


def lower_mean(matrix: Matrix) -> float | None:
    """Mean over all i >= j."""
    return full_mean([value for i, line in enumerate(matrix) for value in line[: i + 1]])


def backward_all_stages(r: Finished) -> float | None:
    """Mean of R[i][j] - R[j][j] over all i > j."""
    own = diagonal(r.matrix)
    return full_mean([difference(r.matrix[i][j], own[j]) for i in range(r.stages) for j in range(i)])


def backward_relative(r: Finished) -> float | None:
    """Mean of (R[T][j] - R[j][j]) / R[j][j] over j < T; None where a task scored 0."""
    return full_mean(_divided(backward_differences(r), diagonal(r.matrix)[:-1]))


def backward_by_case(r: Finished) -> float | None:
    """The mean over all cases of the earlier tasks, so that a task counts by its number of cases."""
    differences = backward_differences(r)
    if r.cases is None or None in differences or not differences:
        return None
    pairs = zip(differences, r.cases[:-1], strict=True)
    return sum((d or 0.0) * n for d, n in pairs) / sum(r.cases[:-1])


def forgetting_with_end(r: Finished) -> float | None:
    """The best stage is looked for among all, the last one included, and a task not yet learnt counts 0."""
    matrix = [[0.0 if j > i else value for j, value in enumerate(line)] for i, line in enumerate(r.matrix)]
    columns = [[line[j] for line in matrix] for j in range(r.stages - 1)]
    return full_mean([difference(_highest(column), column[-1]) for column in columns])


def forward_zero_shot(r: Finished) -> float | None:
    """mean_{j>1} (R[j-1][j] - b_j)."""
    if r.untrained is None:
        return None
    return full_mean([difference(r.matrix[j - 1][j], r.untrained[j]) for j in range(1, r.stages)])


def forward_upper(r: Finished) -> float | None:
    """Mean over all i < j."""
    return full_mean([value for i, line in enumerate(r.matrix) for value in line[i + 1 :]])


def forward_against_sequential(r: Finished) -> Vector:
    """R[j][j] - R_FT[j][j] of every task but the first; the first alone has no entry."""
    return _against_sequential(r, diagonal(r.matrix)) if r.stages > 1 else ()


def forward_relative(r: Finished) -> float | None:
    """The same, divided by R_FT[j][j]."""
    return full_mean(_divided(forward_against_sequential(r), _sequential(r)[1:]))


def forward_from_end(r: Finished) -> float | None:
    """mean_{j>1} (R[T][j] - R_FT[j][j]) / R_FT[j][j], which mixes forgetting in."""
    return full_mean(_divided(_against_sequential(r, r.matrix[-1]), _sequential(r)[1:]))


def share_of_joint(r: Finished) -> float | None:
    """mean_j R[T][j] / J_j."""
    return None if r.joint is None else full_mean(_divided(r.matrix[-1], r.joint))


def share_of_joint_all_stages(r: Finished) -> float | None:
    """mean_i mean_{j<=i} R[i][j] / J_j."""
    joint = r.joint
    if joint is None:
        return None
    return full_mean([full_mean(_divided(line[: i + 1], joint[: i + 1])) for i, line in enumerate(r.matrix)])


def _scratch(r: Finished) -> Vector:
    return r.scratch or (None,) * r.stages


def _cumulative(r: Finished) -> Vector:
    return r.cumulative or (None,) * r.stages


def _sequential(r: Finished) -> Vector:
    return diagonal(r.finetune) if r.finetune else (None,) * r.stages


def _against_sequential(r: Finished, scores: Sequence[float | None]) -> Vector:
    pairs = zip(scores[1:], _sequential(r)[1:], strict=True)
    return tuple(difference(*pair) for pair in pairs)


def _gap(r: Finished) -> float | None:
    sequential = average_accuracy(r.finetune) if r.finetune else None
    return gap_closed(average_accuracy(r.matrix), sequential, full_mean(r.joint) if r.joint else None)


def _of_all(value: float | None, r: Finished) -> float | None:
    """A mean over T - 1 tasks divided by T instead."""
    return None if value is None else value * (r.stages - 1) / r.stages


def _kept(value: float | None) -> float | None:
    return None if value is None else 1 - abs(min(value, 0.0))


def _gained(value: float | None) -> float | None:
    return None if value is None else max(value, 0.0)


def _negative(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def _highest(column: Sequence[float | None]) -> float | None:
    known = [value for value in column if value is not None]
    return max(known) if len(known) == len(column) else None


def _divided(above: Sequence[float | None], below: Sequence[float | None]) -> Vector:
    pairs = zip(above, below, strict=True)
    return tuple(None if a is None or not b else a / b for a, b in pairs)


_GEM = "Lopez-Paz & Ranzato 2017, arXiv 1706.08840"
_DIAZ = "Díaz-Rodríguez et al. 2018, arXiv 1810.13166"
_RWALK = "Chaudhry et al. 2018, arXiv 1801.10112"
_KEMKER = "after Kemker et al. 2018, arXiv 1708.02072"
_LIFELONG = "MECLabTUDA/Lifelong-nnUNet"

PASSPORT: tuple[Variant, ...] = (
    Variant("accuracy", "ACC", "1/T Σ_j R[T][j]", "↑", _GEM, lambda r: average_accuracy(r.matrix)),
    Variant("accuracy", "A, all stages", "2/(T(T+1)) Σ_{i≥j} R[i][j]", "↑", _DIAZ, lambda r: lower_mean(r.matrix)),
    Variant("accuracy", "LA", "1/T Σ_j R[j][j]", "↑", "Riemer et al. 2019, arXiv 1810.11910",
            lambda r: learning_accuracy(r.matrix)),
    Variant("BWT", "GEM, paper", "1/(T−1) Σ_{j<T} (R[T][j] − R[j][j])", "↑", _GEM,
            lambda r: backward_transfer(r.matrix)),
    Variant("BWT", "GEM, code", "1/T Σ_{j<T} (R[T][j] − R[j][j])", "↑", "facebookresearch/GradientEpisodicMemory",
            lambda r: _of_all(backward_transfer(r.matrix), r)),
    Variant("BWT", "all stages", "2/(T(T−1)) Σ_{i>j} (R[i][j] − R[j][j])", "↑", _DIAZ, backward_all_stages),
    Variant("BWT", "relative", "1/(T−1) Σ_{j<T} (R[T][j] − R[j][j]) / R[j][j]", "↑",
            f"{_LIFELONG}, dev-task_agnostic_cl", backward_relative),
    Variant("BWT", "by case", "Σ_{j<T} n_j (R[T][j] − R[j][j]) / Σ_{j<T} n_j", "↑", f"{_LIFELONG}, cl_vae",
            backward_by_case),
    Variant("BWT", "BWT+", "max(BWT over all stages, 0)", "↑", _DIAZ, lambda r: _gained(backward_all_stages(r))),
    Variant("BWT", "remembering", "1 − |min(BWT over all stages, 0)|", "↑", _DIAZ,
            lambda r: _kept(backward_all_stages(r))),
    Variant("forgetting", "from the best", "1/(T−1) Σ_{j<T} (max_{j≤l<T} R[l][j] − R[T][j])", "↓", _RWALK,
            lambda r: forgetting(r.matrix)),
    Variant("forgetting", "best of all stages", "1/(T−1) Σ_{j<T} (max_{l≤T} R[l][j] − R[T][j]), R[l<j][j] = 0", "↓",
            "aimagelab/mammoth", forgetting_with_end),
    Variant("forgetting", "from the first", "1/(T−1) Σ_{j<T} (R[j][j] − R[T][j])", "↓", "ContinualAI/avalanche",
            lambda r: _negative(backward_transfer(r.matrix))),
    Variant("FWT", "zero-shot", "1/(T−1) Σ_{j>1} (R[j−1][j] − b_j)", "↑", _GEM, forward_zero_shot),
    Variant("FWT", "zero-shot, code", "1/T Σ_{j>1} (R[j−1][j] − b_j)", "↑", "facebookresearch/GradientEpisodicMemory",
            lambda r: _of_all(forward_zero_shot(r), r)),
    Variant("FWT", "upper triangle", "2/(T(T−1)) Σ_{i<j} R[i][j]", "↑", _DIAZ, forward_upper),
    Variant("FWT", "against sequential", "1/(T−1) Σ_{j>1} (R[j][j] − R_FT[j][j])", "↑", f"{_LIFELONG}, cl_vae",
            lambda r: full_mean(forward_against_sequential(r))),
    Variant("FWT", "against sequential, relative", "1/(T−1) Σ_{j>1} (R[j][j] − R_FT[j][j]) / R_FT[j][j]", "↑",
            f"{_LIFELONG}, dev-feature_replay", forward_relative),
    Variant("FWT", "from the end, relative", "1/(T−1) Σ_{j>1} (R[T][j] − R_FT[j][j]) / R_FT[j][j]", "↑",
            f"{_LIFELONG}, dev-task_agnostic_cl", forward_from_end),
    Variant("FWT", "plasticity", "1/(T−1) Σ_{j>1} (R[j][j] − a_j)", "↑", "against training alone",
            lambda r: plasticity(r.matrix, _scratch(r))),
    Variant("FWT", "intransigence", "1/(T−1) Σ_{k>1} (a*_k − R[k][k])", "↓", _RWALK,
            lambda r: intransigence(r.matrix, _cumulative(r))),
    Variant("normalised", "share of joint", "1/T Σ_j R[T][j] / J_j", "↑", _KEMKER,
            share_of_joint),
    Variant("normalised", "Ω_all", "1/T Σ_i mean_{j≤i} R[i][j] / J_j", "↑", _KEMKER,
            share_of_joint_all_stages),
    Variant("normalised", "gap closed", "(ACC − ACC_FT) / (mean J − ACC_FT)", "↑", "0 is fine-tuning, 1 is joint",
            _gap),
)  # fmt: skip
"""Every variant, by family."""
