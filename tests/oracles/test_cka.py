"""Linear CKA against its definition by centred kernels, its invariances and a case done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from clbench.drift.cka import linear_cka

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)) @ RNG.normal(size=(5, 5))
Y = RNG.normal(size=(40, 3)) + X[:, :3]


def by_kernels(first: np.ndarray, second: np.ndarray) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with K = XXᵀ, L = YYᵀ and the centring matrix H."""
    n = len(first)
    h = np.eye(n) - np.full((n, n), 1 / n)
    k, m = h @ first @ first.T @ h, h @ second @ second.T @ h
    return float(np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m)))


def test_it_is_the_normalised_hilbert_schmidt_criterion_of_the_centred_kernels() -> None:
    assert linear_cka(X, Y) == pytest.approx(by_kernels(X, Y), rel=1e-12)
    assert 0 < by_kernels(X, Y) < 0.99


def test_a_layer_is_as_like_itself_as_can_be() -> None:
    assert linear_cka(X, X) == pytest.approx(1, abs=1e-12)


def test_a_rotation_a_scale_and_a_shift_change_nothing() -> None:
    turn, _ = np.linalg.qr(RNG.normal(size=(5, 5)))
    assert linear_cka(X @ turn * 7 + 3, Y) == pytest.approx(linear_cka(X, Y), rel=1e-12)


def test_stretching_one_feature_changes_it() -> None:
    assert linear_cka(X * [10, 1, 1, 1, 1], X) < 0.99


def test_three_samples_by_hand() -> None:
    # Centred x = (-1, 0, 1), y = (1, -2, 1): xᵀy = 0. With z = (-2, 1, 1): xᵀz = 3, so 9 / (2 · 6).
    x, y, z = (np.array(values, float)[:, None] for values in ((0, 1, 2), (2, -1, 2), (0, 3, 3)))
    assert linear_cka(x, y) == pytest.approx(0, abs=1e-15)
    assert linear_cka(x, z) == pytest.approx(0.75, rel=1e-15)
    # Two features against one: ‖(3, 0)‖² = 9 over ‖((6, −3), (−3, 6))‖ · 2 = √90 · 2.
    assert linear_cka(np.hstack([z, y]), x) == pytest.approx(9 / (2 * np.sqrt(90)), rel=1e-12)


def test_a_layer_that_is_the_same_everywhere_has_no_similarity() -> None:
    assert linear_cka(np.full((4, 2), 3.0), np.eye(4)) is None


def test_few_samples_of_many_features_look_alike_though_they_have_nothing_in_common() -> None:
    few, many = ([RNG.normal(size=(count, 200)) for _ in range(2)] for count in (50, 5000))
    assert linear_cka(*few) > 0.7
    assert linear_cka(*many) < 0.1
