"""What is worth knowing of a dataset that can be used: it changes numbers, and nothing else would say it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from clbench.data.problems import shortened
from clbench.store import Json

FAR = 5.0
"""How many times a voxel may be longer or shorter than the dataset's median one before it is said."""
NAMED = 5
"""Cases that a note names."""
TURNING = (
    'nothing turns them: "overwrite_image_reader_writer": "NibabelIOWithReorient" in dataset.json does, and '
    "SimpleITKIOWithReorient for files that are no NIfTI"
)


def axes_of(facts: Mapping[str, Sequence[Json]]) -> dict[str, int]:
    """How many cases have which axes as they are read, the most frequent ones first."""
    return dict(Counter(found[0]["axes"] for found in facts.values()).most_common())


def dataset_notes(facts: Mapping[str, Sequence[Json]]) -> list[str]:
    """What is odd about a dataset's cases, in sentences.

    Args:
        facts: by case, about each image and then about the label; of cases in which nothing is wrong.
    """
    return [*_axes(facts), *_lost(facts), *_far(facts), *_of_files(facts)]


def axes_between(axes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Tasks whose images are read with other axes than the others'.

    Args:
        axes: by task, ``axes_of``.
    """
    if len({code for codes in axes.values() for code in codes}) < 2:
        return []
    tasks = "; ".join(f"{task} {_counted(codes)}" for task, codes in axes.items())
    return [f"axes (x, y, z) differ between cases, and one network learns from all: {tasks}; {TURNING}"]


def _counted(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} ({count} cases)" for code, count in codes.items())


def _axes(facts: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    codes = axes_of(facts)
    if len(codes) > 1:
        yield f"axes (x, y, z) differ between cases: {_counted(codes)}; {TURNING}"


def _lost(facts: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    lost = {case: found[-1]["lost"] for case, found in facts.items() if found[-1].get("lost")}
    if lost:
        yield (
            "foreground outside the box of the image's non-zero voxels, which nnU-Net crops to, is lost in training: "
            f"{sum(lost.values())} voxels in {_cases(list(lost), facts)}"
        )


def _far(facts: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    """Cases with a voxel far off the others' in length."""
    sizes = {case: found[0]["spacing"] for case, found in facts.items()}
    middle = [median(size[axis] for size in sizes.values()) for axis in range(3)] if sizes else []
    for case, size in sizes.items():
        if any(max(a / b, b / a) > FAR for a, b in zip(size, middle, strict=True)):
            own, usual = (" × ".join(f"{one:g}" for one in triple) for triple in (size, middle))
            yield f"case {case} has voxels of {own} mm where the dataset's median is {usual} mm"


def _of_files(facts: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    """What readers differ in, each kind once with its first case."""
    cases: dict[str, dict[str, str]] = defaultdict(dict)
    for case, found in facts.items():
        for place, one in enumerate(found):
            what = "label" if place == len(found) - 1 else "image"
            for kind, text in one.get("notes", {}).items():
                cases[f"{what} {kind}"].setdefault(case, text)
    for key, texts in cases.items():
        case, text = next(iter(texts.items()))
        whose = f" (in {case})" if len(texts) > 1 else ""
        yield f"{key.split()[0]} of {_cases(list(texts), facts)}: {text}{whose}"


def _cases(cases: list[str], facts: Mapping[str, Sequence[Json]]) -> str:
    if len(cases) == 1:
        return f"case {cases[0]}"
    return f"{len(cases)} of {len(facts)} cases ({shortened(cases, NAMED)})"
