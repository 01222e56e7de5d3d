"""Bundles: the same run gives the same bytes, every kind of damage is named, and nothing in one is taken on trust."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.bundle import archive, bundle_of, read_bundle
from clbench.collect import benchmark_info
from clbench.errors import ClbenchError
from clbench.provenance import environment
from clbench.report.write import write_report
from clbench.results import Row, summarise, write_rows
from clbench.run import Places
from own_suite import write_own_suite

Call = Callable[..., tuple[int, str, str]]
Files = dict[str, bytes]
DATASET = """
name: my-spleen
version: 1
title: A dataset that is not here
modality: CT
original_labels: {spleen: 1}
labels: {spleen: [1]}
cases: 40
source: {kind: nnunet, dataset: 777}
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with one of each kind."""
    return write_own_suite(tmp_path_factory.mktemp("mine"))


@pytest.fixture(scope="module")
def run(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose numbers are made up."""
    folder = tmp_path_factory.mktemp("run")
    plan = Places((suite,), folder / "store").plan("own")
    assert plan.resolved is not None
    rows = [
        Row("own", 3, "continual", use.baseline, use.seed, use.order, use.stage, use.trained_on, 1.0, 1, task,
            "case", "organ", "dice", 0.5)
        for use in plan.uses for task in plan.resolved.benchmark.sequence
    ]  # fmt: skip
    (folder / "plan.json").write_text(plan.model_dump_json())
    write_rows(folder / "rows.csv", rows)
    origin = {"command": "clbench run own", **environment()}
    write_report(folder, summarise(benchmark_info(plan.resolved), rows, [], {}), origin)
    return folder


@pytest.fixture(scope="module")
def packed(run: Path) -> bytes:
    """Its bundle."""
    return bundle_of(run)


@pytest.fixture
def files(packed: bytes, tmp_path: Path) -> Files:
    """What is in the bundle, to be changed."""
    (tmp_path / "whole.tar.gz").write_bytes(packed)
    return archive.unpack(tmp_path / "whole.tar.gz")


@pytest.fixture
def reproduced(call: Call, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Write a bundle of these files, or of these bytes, and call ``reproduce --from``."""

    def called(content: Files | bytes, *words: str) -> tuple[int, str, str]:
        files = content if isinstance(content, bytes) else archive.pack({
            name: data for name, data in content.items() if name != archive.MANIFEST
        })  # fmt: skip
        (tmp_path / "b.tar.gz").write_bytes(files)
        return call("reproduce", "--from", "b.tar.gz", *words)

    return called


def test_a_bundle_holds_the_definition_whole_with_what_was_written_and_no_path_of_this_machine(
    files: Files, suite: Path, run: Path
) -> None:
    assert set(files) == {
        "MANIFEST", "bundle.json", "plan.json", "rows.csv", "summary.json", "constraints.txt",
        "benchmark/own.yaml", "tasks/my-spleen.yaml", "tasks/mini-liver.yaml", "baselines/finetune.yaml",
        "baselines/mine.yaml", "methods/mine.py", "written/benchmark/own.yaml", "written/benchmark/ci.yaml",
        "written/benchmark/mini-organs.yaml",
    }  # fmt: skip
    assert files["rows.csv"] == (run / "rows.csv").read_bytes()
    assert files["written/benchmark/own.yaml"] == (suite / "benchmark" / "own.yaml").read_bytes()
    assert "extends" not in json.loads(files["benchmark/own.yaml"])
    assert f"torch=={environment()['libraries']['torch']}\n".encode() in files["constraints.txt"]
    for place in (str(suite), str(run), str(Path(__file__).parents[2])):
        assert [name for name, content in files.items() if place.encode() in content] == []


def test_the_same_run_gives_the_same_bytes_wherever_and_whenever(run: Path, packed: bytes, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))

    assert bundle_of(copy) == packed


def test_an_unpacked_bundle_is_a_suite_and_its_manifest_is_what_sha256sum_checks(
    files: Files, call: Call, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unpacked" / name).write_bytes(content)

    assert call("validate", "--suite", "unpacked")[0] == 0
    assert os.system("cd unpacked && sha256sum --check --strict --quiet MANIFEST") == 0


def test_python_in_a_bundle_is_named_and_not_run_unless_it_is_trusted(
    reproduced: Any, files: Files, tmp_path: Path
) -> None:
    code, _, err = reproduced(files)

    assert code == 2
    (file,) = tmp_path.glob(".clbench/bundles/*/methods/mine.py")
    assert f"{file}: Python of a suite, which would be run with your rights" in err
    assert "--trust" in err
    assert file.read_text() == files["methods/mine.py"].decode(), "it can be read first"


def test_a_task_whose_data_are_not_here_is_named_before_anything_runs(reproduced: Any, files: Files) -> None:
    code, out, err = reproduced(files | {"tasks/my-spleen.yaml": DATASET.encode()}, "--trust")

    assert code == 4
    assert "the datasets of these tasks are not here" in err
    assert "my-spleen: A dataset that is not here" in err
    assert "jobs" not in out


def test_other_data_than_the_bundles_are_refused_by_name(reproduced: Any, files: Files) -> None:
    header = json.loads(files["bundle.json"])

    code, _, err = reproduced(files | {"bundle.json": json.dumps(header | {"anatomy": "0" * 64}).encode()}, "--trust")
    assert (code, "not those of the bundle: the embedded anatomy" in err) == (4, True), err

    other = header | {"datasets": {"my-spleen": "0" * 64}}
    code, _, err = reproduced(files | {"bundle.json": json.dumps(other).encode()}, "--trust")
    assert (code, "not those of the bundle: my-spleen" in err) == (4, True), err


def test_a_network_that_is_started_from_is_asked_for_by_name_and_checksum(reproduced: Any, files: Files) -> None:
    header = json.loads(files["bundle.json"]) | {"checkpoints": {"suprem": "ab" * 32}}

    code, _, err = reproduced(files | {"bundle.json": json.dumps(header).encode()}, "--trust")

    assert code == 4
    assert f"checkpoints/suprem.pth: sha256 {'ab' * 32}" in err


def test_a_setting_that_this_clbench_does_not_have_is_named_where_it_is_written(
    reproduced: Any, files: Files
) -> None:
    card = files["baselines/finetune.yaml"] + b"\nsettings: {speed: 3}\n"

    code, _, err = reproduced(files | {"baselines/finetune.yaml": card}, "--trust")

    assert code == 2
    assert "baselines/finetune.yaml" in err
    assert "settings.speed" in err


def test_what_a_bundle_lacks_is_not_taken_from_the_installed_catalogue(reproduced: Any, files: Files) -> None:
    del files["tasks/mini-liver.yaml"]

    code, _, err = reproduced(files, "--trust")

    assert code == 2
    assert "there is no task 'mini-liver'" in err


def test_a_bundle_names_its_own_benchmark_and_seeds(reproduced: Any, files: Files) -> None:
    assert reproduced(files, "ci")[0] == 2
    assert reproduced(files, "--seeds", "1")[0] == 2


def _raw(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue())


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("../evil.py"), _member("/etc/cron.d/evil"), _member("methods/../../evil.py"), _member("weights.pth"),
        _member("methods/sub/evil.py"), _member("tasks/.hidden.yaml"), _member("tasks/a.yaml\n"),
        _member("tasks/a.yaml", tarfile.SYMTYPE, "/etc/passwd"), _member("rows.csv", tarfile.LNKTYPE, "/etc/hosts"),
        _member("plan.json", tarfile.CHRTYPE), _member("rows.csv", tarfile.FIFOTYPE),
        _member("tasks", tarfile.DIRTYPE),
    ],
)  # fmt: skip
def test_a_member_that_no_bundle_has_is_named_and_nothing_is_written(
    member: tarfile.TarInfo, reproduced: Any, tmp_path: Path
) -> None:
    code, _, err = reproduced(_raw(member))

    assert code == 4
    assert f"has a member {member.name!r}, which no bundle has" in err
    assert [file.name for file in tmp_path.iterdir()] == ["b.tar.gz"]


def test_a_member_that_comes_twice_is_refused(reproduced: Any) -> None:
    code, _, err = reproduced(_raw(_member("MANIFEST"), _member("MANIFEST")))

    assert (code, "has a member 'MANIFEST'" in err) == (4, True)


def test_what_unpacks_to_more_than_any_bundle_is_refused_before_it_fills_the_memory(
    reproduced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LIMIT", 2**20)

    code, _, err = reproduced(gzip.compress(bytes(2**21)))

    assert (code, "it unpacks to more than 0.000976562 GiB" in err) == (4, True)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda packed: b"", "is no whole tar archive (empty file)"),
        (lambda packed: b"PK\x03\x04 is another kind of archive", "is no bundle, as `clbench bundle RUN`"),
        (lambda packed: gzip.compress(b"text"), "is no whole tar archive"),
        (lambda packed: packed[: len(packed) // 2], "truncated or changed"),
        (lambda packed: packed[:-1], "truncated or changed"),
        (lambda packed: packed[:900] + bytes([packed[900] ^ 1]) + packed[901:], "truncated or changed"),
        (lambda packed: _raw(_member("rows.csv")), "it has no MANIFEST"),
    ],
)
def test_damage_to_the_file_is_told_from_what_never_was_a_bundle(
    damage: Callable[[bytes], bytes], said: str, packed: bytes, reproduced: Any
) -> None:
    code, _, err = reproduced(damage(packed))

    assert code == 4
    assert said in err


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("bundle.json", b'"format": 1', b'"format": 2'),
        ("bundle.json", b'"format"', b'"fromat"'),
        ("bundle.json", b'"version": 3', b'"version": 4'),
        ("summary.json", b'"reference_ml"', b'"reference_mm"'),
        ("plan.json", b'"kind":"prepare"', b'"kind":"other"'),
        ("rows.csv", b"0.5", b"a half"),
    ],
)
def test_content_of_another_version_is_named_by_member_and_field(
    name: str, change: bytes, said: bytes, files: Files, reproduced: Any
) -> None:
    changed = files[name].replace(change, said).replace(change.replace(b":", b": "), said)
    assert changed != files[name]

    code, _, err = reproduced(files | {name: changed}, "--trust")

    words = {
        '"format": 2': "is a bundle of format 2, written by clbench 0.1.0; this clbench reads format 1",
        '"fromat"': "bundle.json does not say which version of bundle it is",
        '"version": 4': "says that it is of own v4, but has no definition or no numbers of that",
        '"reference_mm"': "its summary.json is not of this version of clbench (reference_ml: Field required)",
        '"kind":"other"': "its plan.json is not of this version of clbench (jobs.0.kind",
        "a half": "rows.csv:2: value: 'a half' is no finite number",
    }
    assert code == 4
    assert words[said.decode()] in err


def test_a_file_that_is_not_what_the_manifest_lists_or_is_missing_is_named(files: Files, reproduced: Any) -> None:
    manifest = files[archive.MANIFEST]
    changed = archive.pack({name: data for name, data in files.items() if name != archive.MANIFEST})
    tar = gzip.decompress(changed).replace(b",0.5\n", b",0.6\n", 1)
    code, _, err = reproduced(gzip.compress(tar))
    assert (code, "rows.csv is not what MANIFEST lists (sha256 differs)" in err) == (4, True), err

    tar = gzip.decompress(changed).replace(manifest, manifest.replace(b"tasks/mini-liver", b"tasks/mini-river"), 1)
    code, _, err = reproduced(gzip.compress(tar))
    assert (code, "lacks tasks/mini-river.yaml" in err) == (4, True), err

    code, _, err = reproduced({name: data for name, data in files.items() if name != "summary.json"})
    assert (code, "lacks summary.json" in err) == (4, True), err


def test_a_bundle_that_is_not_there_or_is_a_folder_is_named(call: Call, tmp_path: Path) -> None:
    for name in ("none.tar.gz", "."):
        code, _, err = call("reproduce", "--from", name)
        assert code == 4
        assert "--from needs a file that `clbench bundle` wrote" in err


def _equal_or_refused(file: Path, files: Files) -> bool:
    try:
        return read_bundle(file).files == files
    except ClbenchError as error:
        return str(file) in str(error)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_are_an_error_in_words_or_change_nothing(
    data: st.DataObject, packed: bytes, files: Files, tmp_path: Path
) -> None:
    damaged, file = bytearray(packed), tmp_path / "damaged.tar.gz"
    for place in data.draw(st.lists(st.integers(0, len(packed) - 1), min_size=1, max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(damaged)

    assert _equal_or_refused(file, files)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_below_the_compression_are_an_error_in_words_or_change_nothing(
    data: st.DataObject, packed: bytes, files: Files, tmp_path: Path
) -> None:
    """So that headers, checksums and contents are reached, which gzip's own checksum guards above."""
    tar, file = bytearray(gzip.decompress(packed)), tmp_path / "damaged.tar.gz"
    for place in data.draw(st.lists(st.integers(0, len(tar) - 1), min_size=1, max_size=4)):
        tar[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(gzip.compress(bytes(tar), compresslevel=1))

    assert _equal_or_refused(file, files)


def test_a_manifest_that_says_the_same_in_other_bytes_is_refused_too(
    packed: bytes, files: Files, tmp_path: Path
) -> None:
    file = tmp_path / "damaged.tar.gz"
    listed = files["MANIFEST"]
    file.write_bytes(gzip.compress(gzip.decompress(packed).replace(listed, listed.replace(b"\n", b"\x0b", 1))))

    with pytest.raises(ClbenchError, match="MANIFEST is not as it was written"):
        read_bundle(file)


def test_a_run_that_is_not_finished_is_not_bundled(run: Path, call: Call, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    summary = json.loads((copy / "summary.json").read_text())
    hole = {"protocol": "continual", "baseline": "mine", "seed": 0, "order": 1, "stage": 2, "reason": "not run yet"}
    (copy / "summary.json").write_text(json.dumps(summary | {"missing": [hole]}))

    code, _, err = call("bundle", "copy")

    assert (code, "1 results are missing; finish it first" in err) == (4, True)


@pytest.mark.parametrize(
    ("name", "old", "new", "exit_code", "said"),
    [
        ("methods/mine.py", "strength: float = 1.0", "strength: float = 3.0", 2, "changed after it was run"),
        ("baselines/mine.yaml", "strength: 2.0", "strength: 9.0", 2, "changed after it was run"),
        ("tasks/my-spleen.yaml", "cases: ", "cases: 1", 2, "changed after it was run"),
        ("methods/mine.py", "", "", 4, "methods/mine.py: No such file or directory"),
    ],
)
def test_a_definition_that_changed_after_the_run_is_not_passed_off_as_what_was_run(
    name: str, old: str, new: str, exit_code: int, said: str, run: Path, suite: Path, program: Any
) -> None:
    file, before = suite / name, (suite / name).read_text()
    file.write_text(before.replace(old, new)) if old else file.unlink()
    try:
        ended = program("bundle", run)
    finally:
        file.write_text(before)

    assert (ended.code, said in ended.err) == (exit_code, True), ended.err
