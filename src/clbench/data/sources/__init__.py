"""How each kind of source lays its cases out, and how they are found on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.data.sources import datalist, kits, msd, nnunet
from clbench.data.sources.tree import Tree
from clbench.data.telling import Telling
from clbench.definitions.cards import TaskCard
from clbench.definitions.places import DataPlaces

__all__ = ["Tree", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """One kind of source.

    Attributes:
        locate: where the dataset lies on this machine, a folder or an archive; None if it is not there.
        tree: the cases in that folder; of a card's labels, channels and reader, what the source says itself.
        unpack: the folder, made of what ``locate`` found.
        complete: whether all that it takes lies where ``locate`` found it.
    """

    locate: Callable[[Any, DataPlaces], Path | None]
    tree: Callable[[Any, Path], Tree]
    unpack: Callable[[Any, Path, DataPlaces, Telling], Path] = lambda source, place, places, telling: place
    complete: Callable[[Any, Path], bool] = lambda source, place: True


LAYOUTS = {
    "msd": Layout(msd.locate, msd.tree, unpack=msd.unpack),
    "kits21": Layout(kits.locate, kits.tree, complete=kits.has_images),
    "kits23": Layout(kits.locate, kits.tree, complete=kits.has_images),
    "nnunet": Layout(nnunet.locate, nnunet.tree),
    "nnunet-v1": Layout(nnunet.locate, nnunet.tree),
    "datalist": Layout(datalist.locate, datalist.tree),
}
"""The kinds of source whose cases lie on disk."""


def layout_of(card: TaskCard) -> Layout:
    """The layout of a task's source, which is not the embedded anatomy."""
    return LAYOUTS[card.source.kind]
