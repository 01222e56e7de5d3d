"""How the cases of an embedded task are made from the real anatomy in ``tasks/anatomy/``."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, Strict, model_validator

from clbench.definitions.base import Count, Flag, Float, Natural, Positive, Record, Text

Organ = Literal[
    "spleen",
    "kidney",
    "gallbladder",
    "liver",
    "stomach",
    "pancreas",
    "lung",
    "bowel",
    "colon",
    "bladder",
    "aorta",
    "vena_cava",
    "portal_vein",
    "iliac_vessels",
    "bone",
    "muscle",
    "tumour",
]
"""What the anatomy outlines; ``tumour`` is the real one of the lung scenes."""

Pair = TypeVar("Pair", tuple[int, int], tuple[float, float])


def _ascending(pair: Pair) -> Pair:
    if pair[0] > pair[1]:
        raise ValueError(f"[{pair[0]}, {pair[1]}] goes down; write the smaller number first")
    return pair


def _something(count: tuple[int, int]) -> tuple[int, int]:
    if count[1] == 0:
        raise ValueError("[0, 0] never draws a lesion; write a second number from 1")
    return count


Ascending = AfterValidator(_ascending)
NotNegative = Annotated[float, Strict(), Field(ge=0)]
"""A number from 0."""


class Lesion(Record):
    """Ellipsoids with a bumpy surface and a texture, drawn into an organ."""

    organ: Organ
    """Where a lesion starts."""
    grows: Literal["inside", "through"] = "inside"
    """``inside``: cut off at the organ's surface. ``through``: starts at the wall, spares other organs."""
    count: Annotated[tuple[Natural, Natural], Ascending, AfterValidator(_something)] = (1, 1)
    """Fewest and most of them in a case."""
    radius_mm: Annotated[tuple[Positive, Positive], Ascending]
    """Smallest and largest half axis."""
    hu: Annotated[tuple[Float, Float], Ascending]
    """Lowest and highest mean intensity of a lesion."""
    texture_hu: NotNegative = 6.0
    """Standard deviation from voxel to voxel inside a lesion."""


class Scanner(Record):
    """What the task's scanner does to the intensities, in the order of the fields."""

    blur_mm: NotNegative = 3.0
    """Standard deviation of the blur, per axis, at most one voxel."""
    shading_hu: NotNegative = 0.0
    """How far the intensities are off at the edge of the image, in a direction drawn for each case."""
    slope: Positive = 1.0
    """HU scale, wrong when not 1."""
    offset_hu: Float = 0.0
    """HU offset, wrong when not 0."""
    noise_hu: NotNegative = 10.0
    """Standard deviation of the noise."""


class Variation(Record):
    """How much the cases of a task differ from each other; the defaults suit every embedded task."""

    rotation_degrees: tuple[NotNegative, NotNegative, NotNegative] = (6.0, 6.0, 10.0)
    """Largest rotation round x (right), y (front) and z (head), either way."""
    scale: Annotated[tuple[Positive, Positive], Ascending] = (0.85, 1.18)
    """Smallest and largest size of the body."""
    warp_mm: NotNegative = 7.0
    """Standard deviation of the smooth displacement at its 5 x 5 x 4 control points."""
    jitter_mm: NotNegative = 18.0
    """How far the image's centre may be from the focus, along each axis, either way."""
    mirror: Flag = False
    """Whether every second case or so has left and right swapped."""
    organ_hu: NotNegative = 11.0
    """Standard deviation of each organ's own shift in HU."""
    phase_hu: NotNegative = 35.0
    """Contrast medium brightens all vessels and the kidneys by one draw of |N(0, phase_hu)|."""


class AnatomySource(Record):
    """Cases deformed from one real CT: no download, the same bytes on every machine."""

    kind: Literal["anatomy"]
    """Says that the cases come from the embedded anatomy."""
    scene: Literal["abdomen", "lung1", "lung2"]
    """Which CT."""
    focus: Organ
    """The organ that the images are centred on."""
    organs: dict[Text, Organ]
    """Original label's name → the organ that it marks."""
    lesions: dict[Text, Lesion] = Field(default_factory=dict)
    """Original label's name → the lesions drawn and marked with it, over the organs, in this order."""
    spacing: tuple[Positive, Positive, Positive]
    """Voxel size along x (right), y (front), z (head) in mm."""
    shape: tuple[Count, Count, Count] = (40, 40, 28)
    """Voxels along x, y, z."""
    scanner: Scanner = Scanner()
    """What the task's scanner does to the intensities."""
    variation: Variation = Variation()
    """How much the cases differ."""

    @model_validator(mode="after")
    def _something_is_marked(self) -> Self:
        if not self.marked:
            raise ValueError("organs, lesions: both are empty, so no voxel is labelled; name an organ")
        if twice := sorted(set(self.organs) & set(self.lesions)):
            raise ValueError(f"lesions: {', '.join(twice)} already named under organs; keep one of the two")
        return self

    @model_validator(mode="after")
    def _blur_fits(self) -> Self:
        blur, voxel = self.scanner.blur_mm, min(self.spacing)
        if blur > voxel:
            raise ValueError(f"scanner.blur_mm: {blur} exceeds the voxel size; write {voxel} or less")
        return self

    @model_validator(mode="after")
    def _organs_are_in_the_scene(self) -> Self:
        used = {self.focus, *self.organs.values(), *(lesion.organ for lesion in self.lesions.values())}
        if absent := sorted(organ for organ in used if (organ == "tumour") == (self.scene == "abdomen")):
            shown = "every organ but tumour" if self.scene == "abdomen" else "the outline of a tumour alone"
            raise ValueError(f"scene: {self.scene} has {shown}, not {', '.join(absent)}")
        return self

    @property
    def marked(self) -> tuple[str, ...]:
        """Names of the original labels that cases contain; a card's ``original_labels`` must number each."""
        return (*self.organs, *self.lesions)
