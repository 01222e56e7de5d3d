"""Whether the data that tasks need are there, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

from clbench.data.anatomy import anatomy_file, checked_bytes
from clbench.data.dataset import RawDataset
from clbench.data.prepared import read_index
from clbench.data.telling import ConsoleTelling, Telling
from clbench.definitions.cards import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import DatalistSource, KitsSource, MsdSource, NnunetSource
from clbench.errors import MissingEnvironment


def require(cards: Iterable[TaskCard], places: DataPlaces | None = None, telling: Telling | None = None) -> None:
    """Check that every task's cases can be had, then prepare what lies there unprepared.

    Args:
        cards: the tasks.
        places: where datasets are looked for; left out, where the environment says.
        telling: where preparation says how far it is; left out, standard error.

    Raises:
        MissingEnvironment: the embedded anatomy is damaged, or datasets are missing; all of them are named, with
            where to get them. Nothing was prepared then.
        BadData: cases of a dataset can't be used.
    """
    cards, places = list(cards), places or DataPlaces.default()
    if any(card.source.kind == "anatomy" for card in cards):
        checked_bytes(anatomy_file())
    if words := lacking_words(cards, places):
        raise MissingEnvironment(words)
    for card in cards:
        if card.source.kind != "anatomy" and read_index(card, places) is None:
            from clbench.data.prepare import prepare

            prepare(card, places, telling=telling or ConsoleTelling())


def lacking_words(cards: Iterable[TaskCard], places: DataPlaces) -> str:
    """Which datasets are not on this machine, and where to get each, its size and licence; empty if all are."""
    lacking = [card for card in cards if not is_there(card, places)]
    return _advice(lacking, places) if lacking else ""


def is_there(card: TaskCard, places: DataPlaces) -> bool:
    """Whether a task's dataset lies on this machine, prepared or not; nothing of it is read."""
    if card.source.kind == "anatomy" or read_index(card, places) is not None:
        return True
    from clbench.data.sources import layout_of

    layout = layout_of(card)
    place = layout.locate(card.source, places)
    return place is not None and layout.complete(card.source, place)


def prepared_datasets(cards: Iterable[TaskCard], places: DataPlaces | None = None) -> dict[str, RawDataset]:
    """The datasets of those tasks that are prepared and whose files did not change since, by the tasks' names."""
    places = places or DataPlaces.default()
    indices = {card.name: read_index(card, places) for card in cards if card.source.kind != "anatomy"}
    return {name: index.dataset for name, index in indices.items() if index}


def manifest_digest(card: TaskCard, places: DataPlaces | None = None) -> str | None:
    """What proves which bytes a task is made of; None if it is not prepared, or its files changed since.

    Costs a look at each file's size and time of change. For an embedded task it is empty: its card says it all.
    """
    if card.source.kind == "anatomy":
        return ""
    index = read_index(card, places or DataPlaces.default())
    return index.dataset.manifest if index else None


def _advice(lacking: list[TaskCard], places: DataPlaces) -> str:
    lines = "\n".join(f"  {card.name}: {card.title} ({_terms(card)}), {_place(card, places)}" for card in lacking)
    public = [card.name for card in lacking if isinstance(card.source, MsdSource | KitsSource)]
    fetch = f"`clbench data fetch {' '.join(public)}` downloads them; or p" if public else "P"
    return (
        f"the datasets of these tasks are not here:\n{lines}\n"
        f"{fetch}ut or link the unpacked folders anywhere below {places.root} (or name it with CLBENCH_DATA)\n"
        "or run a benchmark of embedded tasks instead, such as mini-organs"
    )


def _terms(card: TaskCard) -> str:
    size = getattr(card.source, "gigabytes", None)
    licence = getattr(card.source, "licence", None) or "your own"
    return f"about {size:g} GB, {licence}" if size else licence


def _place(card: TaskCard, places: DataPlaces) -> str:
    match card.source:
        case MsdSource():
            return card.source.url
        case KitsSource():
            return card.source.homepage
        case NnunetSource():
            return f"dataset {card.source.dataset}, looked for in {places.searched(card.source.dataset)}"
        case DatalistSource():
            return f"{places.path(card.source.path)} is missing"
    return ""
