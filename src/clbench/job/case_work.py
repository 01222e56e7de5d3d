"""What is done to one case in a process of its own: generate, look at it, preprocess it.

What is done is kept by rename, and a preprocessed case has a seal of its own, so that a preparation that was
killed, or that one bad case ended, goes on with what is left.
"""

from __future__ import annotations

import io
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clbench.data.examine import watched_files
from clbench.data.raw import write_case
from clbench.disk import last_straw, writing_to
from clbench.errors import CorruptArtifact, MissingEnvironment
from clbench.job.cases import CaseWork, TaskWork
from clbench.job.fingerprints import kept_or_made
from clbench.job.prepared import preprocessed_in, reference_in
from clbench.known_answer import arithmetic_here
from clbench.nnunet.planning import CaseFingerprint, fingerprint_case
from clbench.nnunet.preprocessing import ENDINGS, preprocess_case, require_resamplable
from clbench.nnunet.reading import UnusableCase, read_case
from clbench.store import (
    Json,
    check_files,
    describe_files,
    digest,
    file_digest,
    read_sealed,
    write_atomic,
    write_sealed,
)


class UnusableTaskCase(MissingEnvironment):
    """One case can't be used; the others can."""


@dataclass(frozen=True)
class Seen:
    """A training case: its task, the labels that occur in it, and what nnU-Net wants to know before it plans.

    Attributes:
        task: the task's name.
        labels: network numbers that occur.
        fingerprint: what nnU-Net plans from.
    """

    task: str
    labels: frozenset[int]
    fingerprint: CaseFingerprint


def look(task: TaskWork, case: CaseWork, folder: Path, kept: Path) -> Seen | None:
    """Generate a case that is not there; of a training case, also say what is in it.

    Args:
        task: the task.
        case: the case.
        folder: the job's folder.
        kept: where fingerprints are kept under what they were made of.

    Raises:
        UnusableTaskCase: its files can't be used.
        MissingEnvironment: the disk is full.
    """
    with _about(task, case, folder):
        if case.index is not None and not _is_there(case):
            write_case(task.raw, task.card, case.index)
        if not case.training:
            return None
        packed = kept_or_made(kept, _content(task, case), lambda: _packed(*_fingerprint(task, case)))
        return _unpacked(task, packed)


def _content(task: TaskWork, case: CaseWork) -> Json:
    """What a fingerprint depends on, but for the code: the files' bytes, their reader, labels, draw, arithmetic."""
    return {
        "files": [file_digest(file) for file in watched_files(case.files)],
        "reader": [task.description.get("overwrite_image_reader_writer"), task.description["file_ending"]],
        "labels": [list(task.card.labels.items()), list(task.card.original_labels.items())],
        "draw": [task.intensities_from, task.samples],
        "arithmetic": arithmetic_here(),
    }


def _is_there(case: CaseWork) -> bool:
    return all(file.exists() for file in (*case.files.images, case.files.label))


def _fingerprint(task: TaskWork, case: CaseWork) -> tuple[CaseFingerprint, list[int]]:
    raw = read_case(_names(case), str(case.files.label), task.description, task.scheme)
    numbers = task.scheme.in_network_numbers(np.array([[[raw.present]]]))
    if task.intensities_from == "labels":
        raw.label = task.scheme.in_network_numbers(raw.label)
    return fingerprint_case(raw, task.samples), sorted(set(numbers.ravel().tolist()))


def _names(case: CaseWork) -> list[str]:
    return [str(image) for image in case.files.images]


def _packed(fingerprint: CaseFingerprint, labels: list[int]) -> bytes:
    arrays = {f"channel{i}": values for i, values in enumerate(fingerprint.intensities)}
    arrays |= {"labels": np.array(labels), "shape": np.array(fingerprint.shape)}
    arrays |= {"spacing": np.array(fingerprint.spacing), "relative_size": np.array(fingerprint.relative_size)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpacked(task: TaskWork, packed: bytes) -> Seen:
    with np.load(io.BytesIO(packed)) as file:
        channels = sum(name.startswith("channel") for name in file.files)
        fingerprint = CaseFingerprint(
            tuple(file["shape"].tolist()), tuple(file["spacing"].tolist()),
            tuple(file[f"channel{i}"] for i in range(channels)), float(file["relative_size"]),
        )  # fmt: skip
        return Seen(task.card.name, frozenset(file["labels"].tolist()), fingerprint)


def prepare_case(task: TaskWork, case: CaseWork, plans: Json, folder: Path) -> Json:
    """Preprocess a case, and of a reported one keep the reference label, unless that is done.

    Returns:
        Bytes and SHA-256 of its files in the job's folder, by their path relative to that.

    Raises:
        UnusableTaskCase: its files can't be used.
        MissingEnvironment: the disk is full.
    """
    with _about(task, case, folder):
        seal, wanted = folder / "seals" / task.dataset / f"{case.id}.json", digest(plans)
        done = _sealed(seal, wanted, folder)
        if done is None:
            files = _prepare(task, case, plans, folder)
            done = describe_files(folder, [str(file.relative_to(folder)) for file in files])
            write_sealed(seal, {"plans": wanted, "files": done})
        return done


def _sealed(seal: Path, plans: str, folder: Path) -> Json | None:
    """The files of a case that is done, whole, and done with these plans."""
    try:
        content = read_sealed(seal)
        check_files(folder, content["files"])
    except (FileNotFoundError, CorruptArtifact):
        return None
    return dict(content["files"]) if content["plans"] == plans else None


def _prepare(task: TaskWork, case: CaseWork, plans: Json, folder: Path) -> list[Path]:
    prepared = folder / "preprocessed" / task.dataset
    files = [] if case.index is None else [*case.files.images, case.files.label]
    raw = read_case(_names(case), str(case.files.label), task.description, task.scheme)
    require_resamplable(raw, plans)
    raw.label = task.scheme.in_network_numbers(raw.label)
    if not case.training:
        files.append(_write_reference(reference_in(prepared, case.id), raw.label[0]))
    work = [raw]
    del raw
    target, scratch = preprocessed_in(prepared), folder / "scratch" / task.dataset / case.id
    target.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
    preprocess_case(work, plans, task.network_description, scratch / case.id)
    for ending in ENDINGS:
        os.replace(scratch / f"{case.id}{ending}", target / f"{case.id}{ending}")
        files.append(target / f"{case.id}{ending}")
    scratch.rmdir()
    return files


def _write_reference(path: Path, label: np.ndarray) -> Path:
    """Keep a reference label: it is small, and evaluation then needs no raw data."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, label=label.astype(np.uint8 if label.max() < 256 else np.uint16))
    write_atomic(path, buffer.getvalue())
    return path


@contextmanager
def _about(task: TaskWork, case: CaseWork, folder: Path) -> Iterator[None]:
    """Say of what goes wrong which case it was, in errors that reach the parent process whole."""
    try:
        with writing_to(folder):
            yield
    except UnusableCase as error:
        raise UnusableTaskCase(f"task {task.card.name}, case {case.id}: {error}") from error
    except MissingEnvironment as error:
        raise MissingEnvironment(f"task {task.card.name}, case {case.id}: {error}") from error
    except MemoryError as error:
        words = "it does not fit into memory; prepare fewer cases side by side, as `--jobs` says"
        raise UnusableTaskCase(f"task {task.card.name}, case {case.id}: {words}") from error
    except Exception as error:  # libraries raise anything at data that nobody foresaw
        if isinstance(error, RuntimeError) and (why := last_straw(folder)):  # so says blosc2 of a full disk
            raise MissingEnvironment(f"task {task.card.name}, case {case.id}: {why}") from error
        traceback.print_exc()
        files = ", ".join(_names(case))
        words = f"can't be prepared: {type(error).__name__}: {error or 'no reason given'}"
        raise UnusableTaskCase(f"task {task.card.name}, case {case.id}: {files}: {words}") from error
