"""Where the plans that nnU-Net makes of several datasets differ, and what each dataset loses by a shared one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clbench.nnunet.planning import DERIVED, CaseFingerprint

Numbers = tuple[float, ...]
STATISTICS = ("percentile_00_5", "percentile_99_5", "mean", "std")


@dataclass(frozen=True)
class Grid:
    """A plan's one configuration; what has axes is in the order in which images are read, not the plan's own.

    Attributes:
        axes: the plan's axis order.
        spacing: mm.
        median_image: voxels of the median training image at that spacing.
        patch: voxels.
        strides: of every stage.
        kernels: of every stage.
        features: of every stage.
        schemes: normalisation of every channel.
        intensities: of every channel, foreground statistics that CT normalisation uses.
        derived: whether nnU-Net plans no such configuration and it was derived by its rules.
    """

    axes: tuple[int, ...]
    spacing: Numbers
    median_image: Numbers
    patch: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    features: tuple[int, ...]
    schemes: tuple[str, ...]
    intensities: tuple[dict[str, float], ...]
    derived: bool


ASPECTS: dict[str, Callable[[Grid], object]] = {
    "spacing": lambda grid: grid.spacing,
    "median image": lambda grid: grid.median_image,
    "patch": lambda grid: grid.patch,
    "features": lambda grid: grid.features,
    "strides": lambda grid: grid.strides,
    "kernels": lambda grid: grid.kernels,
    "axis order": lambda grid: grid.axes,
    "normalisation": lambda grid: (grid.schemes, grid.intensities),
}
"""What plans are compared in."""


def grid_of(plans: Mapping[str, Any]) -> Grid:
    """What a plan with one configuration says."""
    (configuration,) = plans["configurations"].values()
    arch, back = configuration["architecture"]["arch_kwargs"], plans["transpose_backward"]
    channels = plans["foreground_intensity_properties_per_channel"].values()
    return Grid(
        axes=tuple(plans["transpose_forward"]),
        spacing=_read_order(configuration["spacing"], back),
        median_image=_read_order(configuration["median_image_size_in_voxels"], back),
        patch=_read_order(configuration["patch_size"], back),
        strides=tuple(_read_order(stage, back) for stage in arch["strides"]),
        kernels=tuple(_read_order(stage, back) for stage in arch["kernel_sizes"]),
        features=tuple(arch["features_per_stage"]),
        schemes=tuple(configuration["normalization_schemes"]),
        intensities=tuple({name: channel[name] for name in STATISTICS} for channel in channels),
        derived=bool(plans.get(DERIVED)),
    )


def _read_order(values: Sequence[Any], backward: Sequence[int]) -> tuple[Any, ...]:
    return tuple(values[axis] for axis in backward)


def differing(grids: Iterable[Grid]) -> tuple[str, ...]:
    """The aspects in which not all plans are equal."""
    grids = list(grids)
    return tuple(name for name, of in ASPECTS.items() if any(of(grid) != of(grids[0]) for grid in grids))


@dataclass(frozen=True)
class Loss:
    """What a dataset loses, or gains, by the shared plan in place of its own.

    Attributes:
        voxels: voxels of its images on the shared grid for each one on its own; below 1 resolution is lost, above 1
            images are inflated.
        coarser: the same along each axis, as shared spacing over own.
        median_image: voxels of its median image on the shared grid.
        covered: share of its median image that a patch covers on the shared grid.
        covered_by_own: the same by its own plan.
        anisotropy: coarsest over finest axis of the shared grid.
        own_anisotropy: the same of its own.
        clipped: of every channel, share of its foreground voxels that the shared clipping range cuts off; by its
            own it is one in a hundred. None where the shared plan does not clip.
        mean: of every channel, its foreground's mean after the shared normalisation; about 0 by its own.
        sd: of every channel, its foreground's standard deviation after it; about 1 by its own.
    """

    voxels: float
    coarser: Numbers
    median_image: tuple[int, ...]
    covered: float
    covered_by_own: float
    anisotropy: float
    own_anisotropy: float
    clipped: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    sd: tuple[float | None, ...]


def loss_of(cases: Sequence[CaseFingerprint], own: Grid, shared: Grid) -> Loss:
    """What the dataset with these training cases loses."""
    image = _median_image(cases, shared.spacing)
    channels = [_normalised(cases, number, shared) for number in range(len(shared.schemes))]
    return Loss(
        voxels=float(np.prod(own.spacing) / np.prod(shared.spacing)),
        coarser=tuple(there / here for here, there in zip(own.spacing, shared.spacing, strict=True)),
        median_image=image,
        covered=_covered(shared.patch, image),
        covered_by_own=_covered(own.patch, own.median_image),
        anisotropy=max(shared.spacing) / min(shared.spacing),
        own_anisotropy=max(own.spacing) / min(own.spacing),
        clipped=tuple(channel[0] for channel in channels),
        mean=tuple(channel[1] for channel in channels),
        sd=tuple(channel[2] for channel in channels),
    )


def _median_image(cases: Sequence[CaseFingerprint], spacing: Numbers) -> tuple[int, ...]:
    """Voxels of the median image once all are resampled, each rounded as nnU-Net rounds it."""
    sizes = [np.round(np.array(case.shape) * case.spacing / spacing) for case in cases]
    return tuple(int(side) for side in np.median(sizes, 0))


def _covered(patch: Sequence[float], image: Sequence[float]) -> float:
    return float(np.prod([min(side, whole) / whole for side, whole in zip(patch, image, strict=True)]))


def _normalised(
    cases: Sequence[CaseFingerprint], channel: int, shared: Grid
) -> tuple[float | None, float | None, float | None]:
    """Share of foreground voxels clipped, and mean and standard deviation after ``CTNormalization``."""
    if shared.schemes[channel] != "CTNormalization":
        return None, None, None
    values = np.concatenate([case.intensities[channel] for case in cases]).astype(float)
    low, high, mean, std = (shared.intensities[channel][name] for name in STATISTICS)
    scaled = (values.clip(low, high) - mean) / max(std, 1e-8)
    return float(np.mean((values < low) | (values > high))), float(scaled.mean()), float(scaled.std())
