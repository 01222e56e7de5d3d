"""The rows of representation drift: similarities of layers, and places on a map; each names its job."""

from __future__ import annotations

from dataclasses import dataclass

from clbench.results.rows import StageRow


@dataclass(frozen=True, slots=True)
class NetworkRow(StageRow):
    """A row of a network that a continual or cumulative sequence trained."""

    job: str
    """Id of the job that trained it, by which the row is known to belong to a plan."""

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Baseline, seed, order and stage."""
        return self.baseline, self.seed, self.order, self.stage


@dataclass(frozen=True, slots=True)
class DriftRow(NetworkRow):
    """How alike a layer represents a task's voxels here and in the network right after the task's own stage."""

    task: str
    """Whose voxels they are."""
    own_stage: int
    """The task's own stage."""
    depth: int
    """The layer's place in the trunk, from 0."""
    layer: str
    """``encoder.N`` or ``decoder.N``, as nnU-Net counts them."""
    samples: int
    """How many voxels."""
    cka: float | None
    """Linear CKA; None where a layer gives the same for all voxels."""


@dataclass(frozen=True, slots=True)
class MapRow(NetworkRow):
    """Where t-SNE puts a voxel of a task."""

    layer: str
    """The layer whose features they are."""
    task: str
    """Whose voxel it is."""
    point: int
    """Number of the voxel within its task."""
    x: float
    """Its place on the map."""
    y: float
    """Its place on the map."""
