"""Downloads from a real server that knows ranges and breaks off, and archives as they were published."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import public_trees as trees
from clbench.data.fetch import download, fetch
from clbench.data.prepare import prepare
from clbench.data.sources import download as downloading
from clbench.data.telling import Silence
from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.errors import MissingEnvironment


@dataclass
class Shelf:
    """What the server offers, how it misbehaves, and what it was asked for.

    Attributes:
        files: bytes by path.
        breaks: after how many bytes of an answer each of the next connections is cut off.
        ranges: whether it knows ranges.
        asked: path and range of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, shelf: Shelf, *words: object) -> None:
        self.shelf = shelf
        super().__init__(*words)

    def do_GET(self) -> None:
        """Answer with a file, from where it is asked for, and break off where that is planned."""
        content, wanted = self.shelf.files.get(self.path), self.headers.get("Range")
        self.shelf.asked.append((self.path, wanted))
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.shelf.ranges else 0
        if content is None or start >= len(content):
            self.send_response(404 if content is None else 416)
            self.send_header("Content-Range", f"bytes */{len(content or b'')}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if wanted and self.shelf.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = self.shelf.breaks.pop(0) if self.shelf.breaks else len(content)
        self.wfile.write(content[start : start + stop])
        self.close_connection = start + stop < len(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A server on this machine."""
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, shelf))
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield shelf
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)


BYTES = bytes(range(256)) * 20_000
MD5 = hashlib.md5(BYTES).hexdigest()


def _download(shelf: Shelf, folder: Path, md5: str = MD5) -> Path:
    download(f"{shelf.address}/a.tar", folder / "a.tar", md5, Silence())
    return folder / "a.tar"


def test_a_download_that_breaks_off_goes_on_where_it_was(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"], shelf.breaks = BYTES, [2_000_000, 1_500_000]
    assert _download(shelf, tmp_path).read_bytes() == BYTES
    ranges = [wanted for _, wanted in shelf.asked]
    assert ranges[0] is None
    first, second = (int(wanted[6:-1]) for wanted in ranges[1:] if wanted)
    assert 0 <= 2_000_000 - first < downloading.CHUNK
    assert 0 <= 1_500_000 - (second - first) < downloading.CHUNK
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_later_command_goes_on_with_what_an_earlier_one_got(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"], shelf.breaks = BYTES, [3_000_000, *[0] * 5]
    with pytest.raises(MissingEnvironment, match=r"2\.9 MB are kept in .*the same command goes on from there"):
        _download(shelf, tmp_path)
    assert not (tmp_path / "a.tar").exists()
    shelf.breaks, shelf.asked = [], []
    assert _download(shelf, tmp_path).read_bytes() == BYTES
    assert shelf.asked == [("/a.tar", f"bytes={3_000_000 // downloading.CHUNK * downloading.CHUNK}-")]


def test_a_server_without_ranges_is_asked_for_the_whole_again(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"], shelf.breaks, shelf.ranges = BYTES, [2_000_000], False
    assert _download(shelf, tmp_path).read_bytes() == BYTES


def test_what_was_got_whole_before_an_interruption_is_not_got_again(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"] = BYTES
    (tmp_path / ".a.tar.part").write_bytes(BYTES)
    assert _download(shelf, tmp_path).read_bytes() == BYTES


def test_leftovers_that_are_longer_than_the_file_are_thrown_away(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"] = BYTES
    (tmp_path / ".a.tar.part").write_bytes(BYTES + b"more")
    assert _download(shelf, tmp_path).read_bytes() == BYTES


def test_a_wrong_checksum_is_said_and_nothing_is_left_behind(tmp_path: Path, shelf: Shelf) -> None:
    shelf.files["/a.tar"] = BYTES
    with pytest.raises(MissingEnvironment, match="does not have the published MD5 0123") as caught:
        _download(shelf, tmp_path, "0123456789abcdef0123456789abcdef")
    assert MD5 in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_there_is_said_at_once(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(MissingEnvironment, match=r"404.*0\.0 MB are kept"):
        _download(shelf, tmp_path)
    assert len(shelf.asked) == 1


def test_what_can_not_fit_is_not_begun(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.files["/a.tar"] = BYTES
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(MissingEnvironment, match=r"5\.1 MB are still to be written there and 1\.0 MB are free"):
        _download(shelf, tmp_path)


def _published(folder: Path, shelf: Shelf) -> TaskCard:
    """A Decathlon task on the server, and its card."""
    made = trees.msd(folder, "Task09_Spleen", tar=True)
    shelf.files["/Task09_Spleen.tar"] = made.folder.read_bytes()
    card = trees.shipped_card(made)
    known = {"url": f"{shelf.address}/Task09_Spleen.tar", "md5": hashlib.md5(made.folder.read_bytes()).hexdigest()}
    return card.model_copy(update={"source": card.source.model_copy(update=known)})


def test_a_decathlon_task_is_fetched_once_and_prepared(tmp_path: Path, shelf: Shelf) -> None:
    card, places = _published(tmp_path / "server", shelf), DataPlaces(tmp_path / "data")
    shelf.breaks = [10_000]
    fetch(card, places, Silence())
    assert len(prepare(card, places, processes=1).cases) == 5
    fetch(card, places, Silence())
    assert len(shelf.asked) == 2
    unpacked = places.datasets / "Task09_Spleen"
    assert not [path for path in unpacked.rglob("*") if path.name.startswith(".")]
    assert not (unpacked / "imagesTs").exists()


def test_what_was_compared_while_it_was_fetched_is_not_read_again_to_be_checked(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clbench.data.sources import archive

    card, places = _published(tmp_path / "server", shelf), DataPlaces(tmp_path / "data")
    monkeypatch.setattr(archive, "_md5", None)
    fetch(card, places, Silence())
    assert len(prepare(card, places, processes=1).cases) == 5


@pytest.mark.parametrize("edition", ["kits21", "kits23"])
def test_images_of_kits_are_fetched_beside_the_labels_of_its_repository(
    tmp_path: Path, shelf: Shelf, edition: str
) -> None:
    made = trees.kits(tmp_path / "whole", edition, cases=3)
    shelf.files = {
        f"/master_{case.name[5:]}.nii.gz": (case / "imaging.nii.gz").read_bytes() for case in made.folder.iterdir()
    }
    card = trees.shipped_card(made)
    address = {"images": f"{shelf.address}/master_{{case:05d}}.nii.gz"}
    card = card.model_copy(update={"source": card.source.model_copy(update=address)})
    places = DataPlaces(tmp_path / "data")
    with pytest.raises(MissingEnvironment, match=f"git clone --depth 1 https://github.com/neheller/{edition} "):
        fetch(card, places, Silence())
    trees.kits(tmp_path / "data/datasets", edition, cases=3, images=False)
    shelf.breaks = [1000]
    fetch(card, places, Silence())
    assert [case.id for case in prepare(card, places, processes=1).cases] == sorted(made.labels)


def _tar(path: Path, *members: tuple[str, bytes | str]) -> tuple[Path, str]:
    """A tar of files, or of links where the content is a text."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path, hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", b"x"),
        ("Task03_Liver/../../outside", b"x"),
        ("Task03_Liver/link", "/etc/passwd"),
        ("Task03_Liver/imagesTs/../../../outside", b"x"),
    ],
)
def test_a_tar_that_leads_out_of_its_folder_is_refused_before_anything_is_unpacked(
    tmp_path: Path, member: tuple[str, bytes | str]
) -> None:
    places = DataPlaces(tmp_path / "data")
    places.downloads.mkdir(parents=True)
    inside = ("Task03_Liver/dataset.json", b"{}")
    tar, md5 = _tar(places.downloads / "Task03_Liver.tar", inside, member)
    with pytest.raises(MissingEnvironment, match="refused, nothing of it is used") as caught:
        prepare(_liver(md5), places, processes=1)
    assert str(tar) in str(caught.value)
    assert not list(tmp_path.rglob("outside"))
    assert not list(places.datasets.rglob("dataset.json"))


def _liver(md5: str, cases: int = 5) -> TaskCard:
    from clbench.definitions.catalogue import Catalogue

    card = Catalogue.open().task("msd-liver")
    source = card.source.model_copy(update={"md5": md5})
    return card.model_copy(update={"source": source, "cases": cases})


def test_a_tar_of_other_bytes_is_refused(tmp_path: Path) -> None:
    made = trees.msd(tmp_path, tar=True)
    with pytest.raises(MissingEnvironment, match=r"Task03_Liver\.tar: has MD5 .* was published"):
        prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1)


def test_a_truncated_tar_is_refused_and_its_successor_goes_on(tmp_path: Path) -> None:
    made = trees.msd(tmp_path, tar=True)
    whole = made.folder.read_bytes()
    made.folder.write_bytes(whole[: len(whole) // 2])
    half = hashlib.md5(made.folder.read_bytes()).hexdigest()
    with pytest.raises(MissingEnvironment, match="is no whole tar file"):
        prepare(_liver(half), DataPlaces(tmp_path), processes=1)
    made.folder.write_bytes(whole)
    assert len(prepare(_liver(hashlib.md5(whole).hexdigest()), DataPlaces(tmp_path), processes=1).cases) == 5


def test_unpacking_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clbench.data.sources import archive

    made = trees.msd(tmp_path, tar=True)
    card = _liver(hashlib.md5(made.folder.read_bytes()).hexdigest())
    real, extracted = archive._extract, []

    def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, begun: Path) -> None:
        if len(extracted) == 4:
            raise KeyboardInterrupt
        extracted.append(member.name)
        real(tar, member, begun)

    monkeypatch.setattr(archive, "_extract", extract)
    with pytest.raises(KeyboardInterrupt):
        prepare(card, DataPlaces(tmp_path), processes=1)
    first, extracted[:] = set(extracted), []
    monkeypatch.setattr(archive, "_extract", lambda *words: extracted.append(words[1].name) or real(*words))
    assert len(prepare(card, DataPlaces(tmp_path), processes=1).cases) == 5
    assert not first & set(extracted)
    assert len(first | set(extracted)) == 11


def test_what_is_unpacked_goes_before_the_tar(tmp_path: Path) -> None:
    made = trees.msd(tmp_path, tar=True)
    card = _liver(hashlib.md5(made.folder.read_bytes()).hexdigest())
    first = prepare(card, DataPlaces(tmp_path), processes=1)
    made.folder.write_bytes(b"damaged later")
    shutil.rmtree(tmp_path / "prepared")
    assert prepare(card, DataPlaces(tmp_path), processes=1) == first
