"""A map of sampled features on which neighbours stay neighbours: t-SNE."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

POINTS = 50
"""At most so many voxels of each task."""
PERPLEXITY = 30.0


def embedded(features: Mapping[str, np.ndarray]) -> list[tuple[str, int, float, float]]:
    """t-SNE of all tasks' features together (van der Maaten and Hinton 2008), by scikit-learn.

    Args:
        features: by task, ``(n, F)``.

    Returns:
        Task, number of the point within it, and its place on the map.
    """
    from sklearn.manifold import TSNE

    thinned = {task: _thinned(values) for task, values in features.items()}
    whole = np.concatenate(list(thinned.values()))
    perplexity = min(PERPLEXITY, (len(whole) - 1) / 3)
    places = TSNE(init="pca", random_state=0, perplexity=perplexity, n_jobs=1).fit_transform(whole)
    names = [(task, number) for task, values in thinned.items() for number in range(len(values))]
    return [(*name, float(x), float(y)) for name, (x, y) in zip(names, places, strict=True)]


def _thinned(values: np.ndarray) -> np.ndarray:
    """Points spread evenly over the samples, which stand case by case and tile by tile."""
    picked: np.ndarray = values[np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))]
    return picked
