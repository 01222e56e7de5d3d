"""Two cases, or two tasks, never share a file, on any file system."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import brought
from clbench.data.dataset import RawCase
from clbench.data.prepare import prepare
from clbench.data.problems import BadData
from clbench.data.sources.tree import gathered, meeting
from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.nnunet.preprocessing import ENDINGS


@pytest.mark.parametrize(
    "pair",
    [
        ("a", "a_seg"), ("A", "a"), ("pat", "PAT_SEG"), ("Größe", unicodedata.normalize("NFD", "Größe")),
        ("Straße", "STRASSE"),
    ],
)
def test_two_cases_that_meet_in_a_file_are_refused_by_prepare(tmp_path: Path, pair: tuple[str, str]) -> None:
    folder = brought.dataset(tmp_path, "Dataset101_Meet", names=(*pair, "b", "c"))
    source = {"kind": "nnunet", "dataset": str(folder)}
    card = TaskCard.model_validate(
        {"name": "mine", "version": 1, "title": "Mine", "source": source, "modality": "CT",
         "original_labels": {"organ": 1}, "labels": "separate"}
    )  # fmt: skip
    with pytest.raises(BadData) as caught:
        prepare(card, DataPlaces(tmp_path), processes=1)
    assert {problem.case for problem in caught.value.problems} == set(pair)
    assert all("rename one of the two" in problem.message for problem in caught.value.problems)


def files(id: str) -> set[str]:
    """What nnU-Net keeps of a case, as a file system that ignores case sees it."""
    return {f"{id}{ending}".casefold() for ending in ENDINGS}


@given(st.lists(st.text("aA_seg", min_size=1, max_size=6), min_size=2, max_size=6, unique=True))
def test_cases_are_refused_exactly_if_their_files_meet(ids: list[str]) -> None:
    told = {problem.case for problem in meeting(ids)}
    met = {one for a, b in itertools.combinations(ids, 2) if files(a) & files(b) for one in (a, b)}
    assert bool(told) == bool(met)
    assert told <= met
    kept = [id for id in ids if id not in told]
    assert all(not files(a) & files(b) for a, b in itertools.combinations(kept, 2))


def test_others_are_kept(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).write_bytes(b"")
    cases = [RawCase(id, (tmp_path / "x",), tmp_path / "y") for id in ("a", "b_seg", "a_segment", "seg", "_seg_a")]
    kept, problems = gathered((case, []) for case in cases)
    assert (len(kept), problems) == (5, [])
