"""Whether the data that tasks need are there, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

from clbench.data.anatomy import anatomy_file, checked_bytes
from clbench.definitions.cards import TaskCard
from clbench.errors import MissingEnvironment


def require(cards: Iterable[TaskCard]) -> None:
    """Check that every task's cases can be had.

    Raises:
        MissingEnvironment: the embedded anatomy is damaged, or tasks need data that clbench can't prepare;
            all of them are named.
    """
    cards = list(cards)
    lacking = [f"  {card.name}: {card.title} ({card.source.licence}), {_place(card)}" for card in cards
               if card.source.kind != "anatomy"]  # fmt: skip
    if lacking:
        raise MissingEnvironment(
            "this version can plan these tasks but not prepare their data:\n" + "\n".join(lacking)
            + "\nrun a benchmark of embedded tasks instead, such as mini-organs"
        )  # fmt: skip
    if cards:
        checked_bytes(anatomy_file())


def _place(card: TaskCard) -> str:
    return card.source.url if card.source.kind == "msd" else getattr(card.source, "homepage", "")
