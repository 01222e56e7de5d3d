"""Cases read whole: what is in them, remembered as long as their files do not change, and what is wrong with them."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import product
from multiprocessing.connection import wait
from pathlib import Path

from clbench.data.dataset import RawCase
from clbench.data.memory import Memory
from clbench.data.problems import CaseProblem, shortened
from clbench.data.telling import Advance
from clbench.errors import MissingEnvironment
from clbench.readers import Unreadable, read_volume, voxel_size_file
from clbench.store import Json

CORNER = 0.1
"""How far apart the corners of an image and its label may lie, in voxels: headers are stored in single precision."""


def files_of(case: RawCase) -> list[Path]:
    """All files of a case that are read, the label last of those that hold voxels."""
    return [*case.images, case.label]


def watched_files(case: RawCase) -> list[Path]:
    """All files that determine what is read of a case: its own, and those with the voxel sizes of TIFF files."""
    sizes = [voxel_size_file(path, path == case.label) for path in files_of(case)]
    return [*files_of(case), *sorted({path for path in sizes if path and path.is_file()})]


def examine_case(case: RawCase) -> list[Json]:
    """The facts about each image of a case, in order, then about its label, as the run's reader reads them."""
    from clbench.data.imaging import default_reader, facts_of, unreadable
    from clbench.data.lost import Box, foreground_outside, nonzero_box

    facts: list[Json] = []
    boxes: list[Box | None] = []
    for path in files_of(case):
        label = path is case.label
        try:
            volume = read_volume(case.reader or default_reader(path), path, label)
            facts.append(facts_of(volume, path, label))
            if label and len(facts) > len(boxes) == len(case.images):
                facts[-1]["lost"] = foreground_outside(volume.values, boxes)
            elif not label:
                boxes.append(nonzero_box(volume.values))
        except (Unreadable, MemoryError) as error:
            facts.append(unreadable(error))
    return facts


def examine(
    cases: Sequence[RawCase], memory: Memory, processes: int, advance: Advance, afresh: bool = False
) -> dict[str, list[Json]]:
    """Look into cases, several at once; what is known of unchanged files is not read again.

    Args:
        cases: the cases.
        memory: what is known.
        processes: how many cases are read at once.
        advance: told how many cases are done, and of how many.
        afresh: whether to read all files, whatever is known.

    Returns:
        The facts by case.

    Raises:
        MissingEnvironment: a process that read a case was killed.
    """
    known = {} if afresh else {case.id: facts for case in cases if (facts := _recalled(case, memory))}
    left = [case for case in cases if case.id not in known]
    advance(len(known), len(cases))
    for case, facts in _examined(left, processes):
        known[case.id] = facts
        if not any("error" in each for each in facts):
            memory.keep(watched_files(case), facts, _what(case))
        advance(len(known), len(cases))
    return known


def _recalled(case: RawCase, memory: Memory) -> list[Json] | None:
    found: list[Json] | None = memory.recall(watched_files(case), _what(case))
    return found


def _what(case: RawCase) -> str:
    """What is remembered: readers may see the same file differently."""
    return f"case read by {case.reader or 'default'}"


def _examined(cases: Sequence[RawCase], processes: int) -> Iterator[tuple[RawCase, list[Json]]]:
    """The cases as they are read, in any order.

    Raises:
        MissingEnvironment: a process that read one was killed.
    """
    workers = min(processes, len(cases))
    if workers < 2:
        yield from ((case, examine_case(case)) for case in cases)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        running: dict[Future[list[Json]], RawCase] = {pool.submit(examine_case, case): case for case in cases}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise MissingEnvironment(
            f"a process that read a case was killed, most likely for want of memory ({workers} worked side by side); "
            "use fewer --processes: `clbench data prepare TASK --processes 1` goes on from here"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this worker end when the process that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int = parent.sentinel) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def case_problems(case: RawCase, facts: Sequence[Json], scheme: Iterable[int]) -> Iterator[CaseProblem]:
    """What is wrong with a case that was looked into.

    Args:
        case: the case.
        facts: about each image, then about the label.
        scheme: the foreground numbers that its label may hold.
    """
    files = files_of(case)
    for file, found in zip(files, facts, strict=True):
        if message := _file_message(found):
            yield CaseProblem(case.id, file, message)
    if any(_file_message(found) for found in facts):
        return
    for file, found in zip(files[1:], facts[1:], strict=True):
        if message := _grid_message(facts[0], found):
            yield CaseProblem(case.id, file, message)
    for file, found in zip(files[:-1], facts[:-1], strict=True):
        if message := _value_message(found):
            yield CaseProblem(case.id, file, message)
    if message := _label_message(facts[-1], set(scheme)):
        yield CaseProblem(case.id, case.label, message)


def _file_message(found: Json) -> str | None:
    if "error" in found:
        return str(found["error"])
    if found.get("empty"):
        return "has no voxels"
    if len(found["shape"]) != 3:
        advice = "; write each channel as a file of its own" if len(found["shape"]) > 3 else ""
        return f"must have 3 dimensions, not {len(found['shape'])} ({_by(found['shape'])}){advice}"
    return None


def _grid_message(image: Json, other: Json) -> str | None:
    """Why a channel or label does not lie on the image's grid."""
    if image["shape"] != other["shape"]:
        return f"has {_by(other['shape'])} voxels where the image has {_by(image['shape'])}"
    if len(image["spacing"]) != len(other["spacing"]) or not _close(image["spacing"], other["spacing"]):
        return f"has voxels of {_by(other['spacing'])} mm where the image has {_by(image['spacing'])} mm"
    apart = _farthest_corner(image, other) / min(image["spacing"])
    if apart > CORNER:
        axes = f"axes {other['orientation']} and {image['orientation']}"
        return f"lies elsewhere than the image: corners are up to {apart:.1f} voxels apart (affines differ; {axes})"
    return None


def _close(sizes: Sequence[float], others: Sequence[float]) -> bool:
    """Whether voxel sizes are equal within nnU-Net's own tolerance, and the rounding to which they are noted."""
    return all(abs(a - b) <= 2e-6 + 1e-5 * abs(a) for a, b in zip(sizes, others, strict=True))


def _farthest_corner(image: Json, other: Json) -> float:
    """The largest distance between corresponding corners of two grids of one shape, in mm."""
    corners = [(*corner, 1) for corner in product(*((0, size - 1) for size in image["shape"]))]
    return max(math.dist(_world(image, corner), _world(other, corner)) for corner in corners)


def _world(grid: Json, voxel: Sequence[float]) -> list[float]:
    """Where a voxel lies, in mm."""
    return [sum(a * v for a, v in zip(row, voxel, strict=True)) for row in grid["affine"][:3]]


def _value_message(image: Json) -> str | None:
    if not image["finite"]:
        return "has values that are not numbers or not finite; replace them, for instance with that of air"
    low, high = image["range"]
    return f"is empty: every voxel is {low:g}" if low == high else None


def _label_message(label: Json, scheme: set[int]) -> str | None:
    if not label["integers"]:
        return f"must hold whole numbers, not {label['example']}; was it resampled with interpolation?"
    odd = {int(value): count for value, count in label["values"].items() if int(value) not in scheme | {0}}
    if not odd:
        return None
    found = shortened(f"{value} ({count} voxels)" for value, count in sorted(odd.items()))
    return f"has {found}; the label scheme has 0 (background), {shortened(sorted(scheme))}"


def _by(sizes: Iterable[float]) -> str:
    return " × ".join(f"{size:g}" for size in sizes)
