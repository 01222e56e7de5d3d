"""Public datasets brought here, by the addresses in their tasks' cards."""

from __future__ import annotations

from pathlib import Path

from clbench.data.memory import Memory
from clbench.data.sources import kits, msd
from clbench.data.sources.archive import keep_md5
from clbench.data.sources.download import ResumingDownloader
from clbench.data.telling import Telling
from clbench.definitions.cards import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import KitsSource, MsdSource
from clbench.disk import make_folder
from clbench.errors import MissingEnvironment


def fetch(card: TaskCard, places: DataPlaces, telling: Telling) -> None:
    """Download a task's dataset, or go on with it, unless it is there.

    Raises:
        MissingEnvironment: the server refuses, the disk is full, what came is not what was published, or part of
            the dataset must be got by hand; the message says how.
    """
    match card.source:
        case MsdSource():
            _fetch_msd(card.source, places, telling)
        case KitsSource():
            _fetch_kits(card.name, card.source, places, telling)
        case _:
            telling.say(f"{card.name}: nothing to fetch, {origin(card)}")


def origin(card: TaskCard) -> str:
    """Where a task's cases come from, in words."""
    match card.source:
        case MsdSource():
            return card.source.url
        case KitsSource():
            return card.source.homepage
        case source if source.kind == "anatomy":
            return "its cases are generated from the embedded anatomy"
        case source:
            return f"it is your own ({getattr(source, 'dataset', None) or getattr(source, 'path', '')})"


def _fetch_msd(source: MsdSource, places: DataPlaces, telling: Telling) -> None:
    there = msd.locate(source, places)
    if there is not None:
        telling.say(f"{source.folder}: is there, {there}")
        return
    target = places.downloads / f"{source.folder}.tar"
    download(source.url, target, source.md5, telling)
    keep_md5(target, source.md5, Memory(places.examined))


def download(url: str, target: Path, md5: str | None, telling: Telling) -> None:
    """Download a file through pooch, which compares it with its checksum and then gives it its name.

    Raises:
        MissingEnvironment: it can't be had whole, or has another checksum.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    make_folder(target.parent)
    with telling.bar(target.name if md5 else f"{target.parent.name}/{target.name}", "bytes") as advance:
        downloader = ResumingDownloader(target.with_name(f".{target.name}.part"), advance)
        known = f"md5:{md5}" if md5 else None
        try:
            pooch.retrieve(url, known, fname=target.name, path=target.parent, downloader=downloader)
        except ValueError as error:
            raise MissingEnvironment(
                f"{url}: what came does not have the published MD5 {md5} and was removed ({error}). Try again; if it "
                "stays so, the file was changed by who publishes it"
            ) from error


def _fetch_kits(task: str, source: KitsSource, places: DataPlaces, telling: Telling) -> None:
    """Download the images beside the labels, which only their repository has."""
    folder = kits.locate(source, places)
    if folder is None:
        raise MissingEnvironment(
            f"task {task}: the labels are in a Git repository; get it first, then this command brings the images:\n"
            f"  git clone --depth 1 {source.homepage} {places.datasets / source.kind}"
        )
    cases = [case for case in kits.case_folders(folder) if not (case / kits.IMAGE).is_file()]
    telling.say(f"{task}: {len(cases)} images to fetch; their labels are in {folder}")
    for case in cases:
        number = int(case.name.removeprefix("case_"))
        download(source.images.format(case=number), case / kits.IMAGE, None, telling)
