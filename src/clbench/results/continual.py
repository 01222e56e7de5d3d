"""Metrics of continual learning, on plain numbers.

R is the stage-by-task matrix: ``R[i][j]`` is task j's score after stage i, T stages, T tasks. Only entries
on and below the diagonal are used: before its stage a task has no trained head. An entry that a metric needs
and that is a hole (None) makes the metric None, never a mean over fewer tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clbench.results.matrix import Matrix, Vector, diagonal, full_mean


def average_accuracy(matrix: Matrix) -> float | None:
    """ACC = 1/T sum_j R[T][j], the mean over all tasks after the last stage. Higher is better.

    Source: Lopez-Paz and Ranzato 2017 (GEM).
    """
    return full_mean(matrix[-1]) if matrix else None


def learning_accuracy(matrix: Matrix) -> float | None:
    """LA = 1/T sum_j R[j][j], the mean over all tasks of each right after it was learnt. Higher is better.

    Source: Riemer et al. 2019 (MER).
    """
    return full_mean(diagonal(matrix))


def backward_transfer(matrix: Matrix) -> float | None:
    """BWT = 1/(T-1) sum_{j<T} (R[T][j] - R[j][j]). Negative is forgetting; higher is better.

    Source: Lopez-Paz and Ranzato 2017 (GEM), as in the paper over T-1 tasks; their code divides by T.
    None for a single task.
    """
    if not matrix:
        return None
    return full_mean(_differences(matrix[-1][:-1], diagonal(matrix)[:-1]))


def forgetting(matrix: Matrix) -> float | None:
    """F = 1/(T-1) sum_{j<T} (max_{j<=l<T} R[l][j] - R[T][j]). Lower is better; negative is a gain.

    Source: Chaudhry et al. 2018 (RWalk); stages before the task was learnt are left out of the maximum.
    None for a single task.
    """
    if not matrix:
        return None
    return full_mean([_forgotten(matrix, task) for task in range(len(matrix) - 1)])


def plasticity(matrix: Matrix, scratch: Vector) -> float | None:
    """mean_{j>1} (R[j][j] - a_j), what the past adds to learning a new task. Higher is better.

    Args:
        matrix: R.
        scratch: a_j, the score of task j trained from scratch with the same budget.

    Source: forward transfer in the reading of Diaz-Rodriguez et al. 2018 and of Lifelong nnU-Net, against
    from-scratch training; the zero-shot reading of GEM is undefined where heads are re-initialised.
    """
    return full_mean(_differences(diagonal(matrix)[1:], scratch[1:]))


def intransigence(matrix: Matrix, cumulative: Vector) -> float | None:
    """I = mean_{k>1} (a*_k - R[k][k]), what a new task lacks for want of the earlier cases. Lower is better.

    Args:
        matrix: R.
        cumulative: a*_k, the score of task k right after its stage in training on the cases of tasks 1 to k.

    Source: Chaudhry et al. 2018 (RWalk), I_k; the first task, which nothing comes before, is left out of the mean.
    """
    return full_mean(_differences(cumulative[1:], diagonal(matrix)[1:]))


def gap_closed(accuracy: float | None, finetune: float | None, joint: float | None) -> float | None:
    """(ACC - ACC_finetune) / (ACC_joint - ACC_finetune): 0 is fine-tuning, 1 is joint training.

    Higher is better. None where joint training is not above fine-tuning: there is no gap to close.
    """
    if accuracy is None or finetune is None or joint is None or joint <= finetune:
        return None
    return (accuracy - finetune) / (joint - finetune)


def transfer_gain(curve: Mapping[int, float | None], scratch: Mapping[int, float | None]) -> dict[int, float | None]:
    """gain(e) = Dice(e) - Dice_scratch(e) at every epoch e of the curve. Higher is better.

    Args:
        curve: epochs trained on the held-out task → its Dice, starting from a backbone.
        scratch: the same for training from scratch; an epoch that it lacks gives None.
    """
    return {epoch: difference(value, scratch.get(epoch)) for epoch, value in curve.items()}


def difference(left: float | None, right: float | None) -> float | None:
    """Left less right; None where one of them is a hole."""
    return None if left is None or right is None else left - right


def _forgotten(matrix: Matrix, task: int) -> float | None:
    earlier = [row[task] for row in matrix[task:-1]]
    known = [value for value in earlier if value is not None]
    return difference(max(known), matrix[-1][task]) if len(known) == len(earlier) else None


def _differences(left: Sequence[float | None], right: Sequence[float | None]) -> Vector:
    return tuple(difference(*pair) for pair in zip(left, right, strict=True))
