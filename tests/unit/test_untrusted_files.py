"""What a stranger's files can't do: run code, fill memory or disk, lead out of their folder, hang a reader."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blosc2
import nibabel
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clbench import readers
from clbench.data import imaging
from clbench.data.sources import archive
from clbench.data.telling import Silence
from clbench.definitions.json_source import read_json
from clbench.definitions.places import DataPlaces
from clbench.definitions.signatures import read_signature
from clbench.definitions.sources import KitsSource, MsdSource
from clbench.definitions.yaml_source import DEPTH, SIZE, VALUES, read_document
from clbench.errors import ClbenchError, CorruptArtifact, DefinitionError, MissingEnvironment
from clbench.nnunet.loader import CaseLibrary
from clbench.nnunet.pretrained import read_trunk
from clbench.results import rows, tidy


class Trace:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Open the file for writing."""
        return open, (str(self.file), "w")


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file that is there once code from another file has run."""
    return tmp_path / "trace"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
def test_a_checkpoint_runs_no_code(tmp_path: Path, trace: Path, zipped: bool) -> None:
    content = {"network_weights": {"encoder.a": torch.zeros(1)}, "logging": Trace(trace)}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)

    with pytest.raises(ClbenchError, match=r"x\.pth holds a .*open, which can't be read without running code"):
        read_trunk(tmp_path / "x.pth")

    assert not trace.exists()


def test_the_pickled_properties_of_a_preprocessed_case_run_no_code(tmp_path: Path, trace: Path) -> None:
    case = np.zeros((1, 2, 2, 2))
    for ending in ("", "_seg"):
        blosc2.asarray(case, urlpath=str(tmp_path / f"x{ending}.b2nd"), mode="w")
    properties = {"spacing": np.ones(3), "class_locations": {1: np.zeros((1, 4), int)}, "number": np.float64(1)}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(properties))
    assert CaseLibrary({"t": tmp_path}).load_case(("t", "x"))[3].keys() == properties.keys()
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({**properties, "nibabel_stuff": Trace(trace)}))

    with pytest.raises(CorruptArtifact, match=r"case x of t can't be read \(it names .*open, which could run code"):
        CaseLibrary({"t": tmp_path}).load_case(("t", "x"))

    assert not trace.exists()


def test_a_preprocessed_array_that_is_a_program_is_refused(tmp_path: Path) -> None:
    operand = blosc2.asarray(np.ones(8), urlpath=str(tmp_path / "operand.b2nd"), mode="w")
    (operand + 1).save(str(tmp_path / "x.b2nd"))

    with pytest.raises(CorruptArtifact, match="case x of t can't be read"):
        CaseLibrary({"t": tmp_path}).load_case(("t", "x"))


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"network_weights": {"encoder.a": torch.zeros(10**6)}}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(tmp_path / "x.pth", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "x.pth").stat().st_size < 10**5

    with pytest.raises(ClbenchError, match=r"unpacks to 40\d+ bytes, more than it is"):
        read_trunk(tmp_path / "x.pth")


def _unpack(tmp_path: Path, tar: bytes) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(tar)
    md5 = hashlib.md5(tar, usedforsecurity=False).hexdigest()
    source = MsdSource(kind="msd", folder="x", url="https://x", md5=md5, licence="x")
    archive.unpacked(source, file, DataPlaces(tmp_path / "data"), Silence())


def _tar(*members: tarfile.TarInfo) -> bytes:
    return b"".join(member.tobuf() for member in members) + bytes(1024)


def _member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_archive_that_claims_twenty_times_its_size_is_refused_before_a_byte_of_it_is_unpacked(
    tmp_path: Path, packed: bool
) -> None:
    tar = _tar(_member("x/imagesTr/a.nii.gz", archive.ALWAYS + 1))

    with pytest.raises(MissingEnvironment, match="it unpacks to more than 1073741824 bytes, the most"):
        _unpack(tmp_path, gzip.compress(tar) if packed else tar)

    assert not [file for file in (tmp_path / "data").rglob("*") if file.is_file() and "examined" not in file.parts]


def test_an_archive_of_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.MOST_FILES == 200_000
    monkeypatch.setattr(archive, "MOST_FILES", 3)

    with pytest.raises(MissingEnvironment, match="it unpacks to more than 3 files"):
        _unpack(tmp_path, _tar(*(_member(f"x/{number}") for number in range(4))))


@pytest.mark.parametrize("kind", archive.EXTENDED)
def test_an_archives_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(MissingEnvironment, match="a header of 1048577 bytes; 1048576 are the most that is read"):
        _unpack(tmp_path, _tar(_member("x", archive.HEADER + 1, kind)))


def test_a_compressed_image_unpacks_up_to_the_limit_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readers.MOST == 8 * 2**30
    image = nibabel.Nifti1Image(np.zeros((9, 9, 9), np.uint8), np.eye(4)).to_bytes()
    file = tmp_path / "x.nii.gz"
    file.write_bytes(gzip.compress(image))
    monkeypatch.setattr(readers, "MOST", len(image))
    assert imaging.examine_label(file)["values"] == {"0": 729}
    monkeypatch.setattr(readers, "MOST", len(image) - 1)

    assert "GiB, the most that is read" in imaging.examine_label(file)["error"]


def test_an_image_whose_header_claims_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    image = bytearray(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes())
    image[40:56] = np.array([3, *[30_000] * 3, *[1] * 4], "<i2").tobytes()
    (tmp_path / "x.nii").write_bytes(image)

    assert f"Expected {30_000**3 + 352} bytes by its header" in imaging.examine_image(tmp_path / "x.nii")["error"]


def test_a_compressed_table_of_rows_unpacks_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tidy.MOST == 2**30
    monkeypatch.setattr(tidy, "MOST", 10)
    rows.write_rows(tmp_path / "rows.csv.gz", ())

    with pytest.raises(ClbenchError, match=r"rows\.csv\.gz: damaged \(it unpacks to more than"):
        rows.read_rows(tmp_path / "rows.csv.gz")


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{key}: &{key} [{','.join([f'*{before}'] * 10)}]\n" for before, key in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: " + "[" * (DEPTH + 1), f":1: is nested deeper than {DEPTH} lists and mappings", id="deep"),
        pytest.param(
            "a: " + "[" * 10**6, ":1: is nested deeper than 50 lists and mappings", id="deeper"
        ),
        pytest.param(LAUGHS, f"has more than {VALUES:,} values, with those that aliases repeat", id="aliases"),
        pytest.param("a: " + "x" * SIZE, ": is larger than 1 MiB", id="large"),
        pytest.param(
            "a: !!python/object/apply:os.getcwd []", "os.getcwd is not allowed; write", id="a call"
        ),
    ],
)
def test_a_definition_that_is_no_definition_is_refused_whatever_it_would_cost_to_read(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)

    try:
        problems = read_document(file).problems
    except DefinitionError as error:
        problems = error.problems

    assert said in str(problems[0])


@pytest.mark.parametrize(
    "text", ["x = " + "-" * 200_000 + "1", "x = " + "+".join(["1"] * 20_000), "x = " + "(" * 3000, "#" * (SIZE + 1)]
)
def test_a_methods_source_that_python_can_not_parse_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.py").write_text(f"class A(Method):\n  {text}")

    with pytest.raises(DefinitionError, match=r"x\.py"):
        read_signature(tmp_path / "x.py")


def test_json_that_is_nested_without_end_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 10**6)

    with pytest.raises(ValueError, match=r"x\.json: can't be read as JSON"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("images", ["x{case:>999999999}", "x{case.__class__}", "x{other}{case}", "x", "x{}"])
def test_an_address_of_images_holds_a_cases_number_and_nothing_else_to_fill_in(images: str) -> None:
    with pytest.raises(ValidationError, match="images"):
        KitsSource(kind="kits21", homepage="x", images=images, licence="x")
