"""Linear centred kernel alignment: how alike two layers represent the same voxels."""

from __future__ import annotations

import numpy as np


def linear_cka(first: np.ndarray, second: np.ndarray) -> float | None:
    """Linear CKA of all samples at once, ``‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)`` with centred features and Frobenius norms.

    1 for features that are equal up to rotation and scale, 0 for those that have nothing linear in common.
    Kornblith et al. 2019, Similarity of Neural Network Representations Revisited, equation 4 (arXiv 1905.00414).

    Args:
        first: ``(samples, features)``.
        second: the same samples, ``(samples, features)``; the features may be others and of another number.

    Returns:
        In [0, 1]; None where one of them is the same for all samples, so that it represents nothing.
    """
    x, y = _centred(first), _centred(second)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / scale) if scale > 0 else None


def _centred(features: np.ndarray) -> np.ndarray:
    exact = features.astype(np.float64)
    centred: np.ndarray = exact - exact.mean(axis=0)
    return centred
