"""From what lies on disk to a dataset that nnU-Net reads, with a manifest of it; no image is copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from clbench.cores import available_cores
from clbench.data.dataset import RawCase, RawDataset
from clbench.data.examine import case_problems, examine, watched_files
from clbench.data.manifest import differences, make_manifest, manifest_bytes, read_manifest
from clbench.data.memory import Memory
from clbench.data.notes import axes_of, dataset_notes
from clbench.data.prepared import INDEX, MANIFEST, Index, described_by, read_index, sources_of, watch
from clbench.data.problems import BadData, CaseProblem, CaseTwice, shortened, shortened_list
from clbench.data.sources import Tree, layout_of
from clbench.data.telling import Silence, Telling
from clbench.data.view import description, lay_out, write_description
from clbench.definitions.cards import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.disk import make_folder, writing_to
from clbench.errors import MissingEnvironment
from clbench.readers import chosen_reader
from clbench.store import Json, write_atomic

SILENCE = Silence()


def prepare(
    card: TaskCard, places: DataPlaces, processes: int | None = None, telling: Telling = SILENCE
) -> RawDataset:
    """Prepare a task's dataset; what is done already is not done again.

    Args:
        card: a task whose cases lie on disk.
        places: where they lie, and where views and manifests are kept.
        processes: how many cases are read at once; None for one per core.
        telling: where progress is said.

    Raises:
        MissingEnvironment: the dataset is not there, or the disk is full.
        BadData: cases are wrong; the whole ones are laid out.
    """
    home = places.prepared(card.name)
    make_folder(home)
    with writing_to(home), FileLock(home / ".lock"):
        done = read_index(card, places)
        return done.dataset if done else _prepare(card, places, processes or available_cores(), telling)


def tree_of(card: TaskCard, places: DataPlaces, telling: Telling = SILENCE) -> Tree:
    """List a task's cases; an archive is unpacked first.

    Raises:
        MissingEnvironment: the dataset is not there.
    """
    layout = layout_of(card)
    place = layout.locate(card.source, places)
    if place is None:
        message = f"task {card.name}: its dataset is not there; `clbench data list` says where to get it"
        raise MissingEnvironment(message)
    tree = layout.tree(card.source, layout.unpack(card.source, place, places, telling))
    reader = reader_of(tree) if tree.ending else ""
    return replace(tree, cases=tuple(replace(case, reader=reader) for case in tree.cases))


def _prepare(card: TaskCard, places: DataPlaces, processes: int, telling: Telling) -> RawDataset:
    home, tree = places.prepared(card.name), tree_of(card, places, telling)
    with telling.bar(f"{card.name}: reading", "cases") as advance:
        facts = examine(tree.cases, Memory(places.examined), processes, advance)
    scheme = card.original_labels.values()
    wrong = [problem for case in tree.cases for problem in case_problems(case, facts[case.id], scheme)]
    broken = {problem.case for problem in wrong}
    whole = [case for case in tree.cases if case.id not in broken]
    folder, cases = _laid_out(home, tree, whole, telling)
    problems = [*card_problems(card, tree), *tree.problems, *wrong]
    if problems:
        raise BadData(card.name, problems, len(whole))
    if not tree.in_place:
        write_description(folder, description(card, tree, len(whole)))
    manifest = _manifest(card, tree, facts)
    write_atomic(home / MANIFEST, manifest_bytes(manifest))
    notes = dataset_notes(facts)
    dataset = RawDataset(folder, cases, manifest["digest"], tuple(notes), axes_of(facts))
    Index(dataset, described_by(card), watch(_watched(tree))).write(home / INDEX)
    telling.say(_summary(card, manifest, folder))
    for note in shortened_list(notes):
        telling.say(f"{card.name}: note: {note}")
    return dataset


def _watched(tree: Tree) -> list[Path]:
    """Everything whose change means that a dataset has to be looked at again."""
    sizes = {path for case in tree.cases for path in watched_files(case)}
    return sorted({*sources_of(tree.cases, tree.descriptions), *sizes})


def reader_of(tree: Tree) -> str:
    """The reader that a run will use for the cases, and so the one that they are checked with.

    Raises:
        MissingEnvironment: nnU-Net has none.
    """
    try:
        return chosen_reader({"overwrite_image_reader_writer": tree.reader, "file_ending": tree.ending})
    except ValueError as error:
        file = tree.descriptions[0] if tree.descriptions else tree.folder
        raise MissingEnvironment(f"{file}: {error}") from None


def _laid_out(home: Path, tree: Tree, whole: Sequence[RawCase], telling: Telling) -> tuple[Path, tuple[RawCase, ...]]:
    if tree.in_place:
        return tree.folder, tuple(whole)
    cases, ways = lay_out(home / tree.name, tree, whole)
    if ways["copies"]:
        telling.say(f"{home / tree.name}: the file system makes no links, so {ways['copies']} files were copied")
    return home / tree.name, cases


def card_problems(card: TaskCard, tree: Tree) -> Iterator[CaseProblem]:
    """Where a card and what the dataset says of itself do not agree."""
    file = tree.descriptions[0] if tree.descriptions else tree.folder
    found = len(tree.cases) + len({problem.case for problem in tree.problems if problem.case})
    whole = not any(isinstance(problem, CaseTwice) or not problem.case for problem in tree.problems)
    if card.cases is not None and found != card.cases and whole:
        yield CaseProblem("", tree.folder, f"has {found} labelled cases where the card says {card.cases}")
    numbers, said = sorted((tree.labels or card.original_labels).values()), sorted(card.original_labels.values())
    if numbers != said:
        yield CaseProblem("", file, f"has the labels [{shortened(numbers)}] where the card says [{shortened(said)}]")
    channels = {len(case.images) for case in tree.cases} | ({len(tree.channels)} if tree.channels else set())
    if channels - {len(card.modality)}:
        message = f"has {' and '.join(map(str, sorted(channels)))} channels; the card says {len(card.modality)}"
        yield CaseProblem("", file, message)


def _manifest(card: TaskCard, tree: Tree, facts: dict[str, list[Json]]) -> Json:
    source = card.source.model_dump(mode="json", exclude_none=True)
    return make_manifest(card.name, source, card.original_labels, card.modality, tree.reader, facts)


def _summary(card: TaskCard, manifest: Json, folder: Path) -> str:
    empty = manifest["without_foreground"]
    without = f", {empty} of them without foreground" if empty else ""
    return f"{card.name}: {manifest['number_of_cases']} cases{without}; {folder}"


def verify(
    card: TaskCard,
    places: DataPlaces,
    against: Path | None = None,
    processes: int | None = None,
    telling: Telling = SILENCE,
) -> list[str]:
    """Read every file again and compare with the task's manifest, or with a published one.

    Returns:
        What differs, case by case; empty if nothing does.

    Raises:
        MissingEnvironment: the dataset or the manifest is not there.
    """  # fmt: skip
    expected = read_manifest(against or places.prepared(card.name) / MANIFEST)
    tree = tree_of(card, places, telling)
    with telling.bar(f"{card.name}: reading again", "cases") as advance:
        memory = Memory(places.examined)
        facts = examine(tree.cases, memory, processes or available_cores(), advance, afresh=True)
    whole = {id: found for id, found in facts.items() if _is_whole(found)}
    broken = [f"case {id} can't be read" for id in facts if id not in whole]
    missing = {f"case {id} is missing here" for id in facts if id not in whole}
    found = differences(_manifest(card, tree, whole), expected)
    return [*map(str, tree.problems), *broken, *(text for text in found if text not in missing)]


def _is_whole(facts: Sequence[Json]) -> bool:
    return all("shape" in each for each in facts) and "values" in facts[-1]
