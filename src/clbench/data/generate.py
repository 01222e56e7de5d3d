"""One case of an embedded task: deform the anatomy, draw the lesions, mark the labels, scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from clbench.data.anatomy import Anatomy, shipped_anatomy
from clbench.data.draws import Draws, Floats
from clbench.data.geometry import deformed, sample
from clbench.data.lesions import draw
from clbench.data.scanner import scan
from clbench.definitions.anatomy_source import AnatomySource
from clbench.errors import DefinitionError, Problem

# What contrast medium brightens, in the phase that the source (plain) does not show.
ENHANCING = ("kidney", "aorta", "vena_cava", "portal_vein", "iliac_vessels")


class AnatomyCard(Protocol):
    """What generation needs of a task card."""

    @property
    def name(self) -> str:
        """The task's name: other name, other cases."""

    @property
    def original_labels(self) -> Mapping[str, int]:
        """Number of each label in the generated cases."""

    @property
    def source(self) -> object:
        """An ``AnatomySource``; anything else is refused."""


@dataclass(frozen=True)
class Case:
    """One image with its labels. Axes: x to the patient's right, y to the front, z to the head."""

    image: npt.NDArray[np.int16]
    """HU."""
    label: npt.NDArray[np.uint8]
    """Numbers of the task's original labels, 0 elsewhere; as large as the image."""
    spacing: tuple[float, float, float]
    """Voxel size in mm."""


def generate_case(card: AnatomyCard, index: int) -> Case:
    """Make one case: the same bytes for the same card and index, on any machine.

    Raises:
        DefinitionError: the card's source is not the anatomy, or a label has no number.
        MissingEnvironment: the anatomy file is missing or changed.
    """
    source, anatomy = anatomy_source(card), shipped_anatomy()
    draws, scene = Draws(card.name, index), anatomy.scenes[source.scene]
    hu, organs = sample(scene, deformed(source, scene, anatomy.organs[source.focus], draws))
    hu += _shifts(source, anatomy, draws)[organs]
    label = _marked(source, card.original_labels, anatomy, organs, hu, draws)
    return Case(scan(hu, source.spacing, source.scanner, draws), label, source.spacing)


def anatomy_source(card: AnatomyCard) -> AnatomySource:
    """The card's recipe.

    Raises:
        DefinitionError: there is none, or it marks a label that ``original_labels`` does not number.
    """
    if not isinstance(card.source, AnatomySource):
        raise _refusal(card, "source", "must be of kind anatomy for cases to be generated")
    if missing := [name for name in card.source.marked if name not in card.original_labels]:
        message = f"has no number for {', '.join(missing)}, which the source marks"
        raise _refusal(card, "original_labels", message)
    return card.source


def _refusal(card: AnatomyCard, field: str, message: str) -> DefinitionError:
    return DefinitionError([Problem(None, None, f"{card.name}: {field}", message)])


def _shifts(source: AnatomySource, anatomy: Anatomy, draws: Draws) -> Floats:
    """What a case adds to the intensities of each organ, by organ number, in whole HU."""
    shifts = draws.normals(source.variation.organ_hu, len(anatomy.organs) + 1)
    shifts[0] = 0
    shifts[[anatomy.organs[name] for name in ENHANCING]] += abs(draws.normal(source.variation.phase_hu))
    return np.rint(shifts)


def _marked(
    source: AnatomySource,
    numbers: Mapping[str, int],
    anatomy: Anatomy,
    organs: npt.NDArray[np.uint8],
    hu: Floats,
    draws: Draws,
) -> npt.NDArray[np.uint8]:
    """Label the organs, then draw and label the lesions over them."""
    label = np.zeros(organs.shape, dtype=np.uint8)
    for name, organ in source.organs.items():
        label[organs == anatomy.organs[organ]] = numbers[name]
    for name, lesion in source.lesions.items():
        body = draw(lesion, anatomy.organs[lesion.organ], organs, hu, source.spacing, draws)
        label[body] = numbers[name]
    return label
