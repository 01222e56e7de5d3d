"""Cards of a user's own datasets: what they may leave out, and what is said when it can't be known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.definitions.reading import read_task
from clbench.definitions.resolve import resolve
from clbench.errors import DefinitionError, MissingEnvironment

from .conftest import Suite

SHORT = "name: mine\nversion: 1\ntitle: My dataset\nsource: {kind: nnunet, dataset: 12}\n"
DESCRIPTION = {
    "channel_names": {"0": "T1", "1": "FLAIR"},
    "labels": {"background": 0, "enhancing tumour": 3, "oedema": 2, "core": 1},
    "numTraining": 40,
    "file_ending": ".nrrd",
}


@pytest.fixture
def places(tmp_path: Path) -> DataPlaces:
    """A place with one described dataset and none of its images."""
    folder = tmp_path / "raw/Dataset012_Brain"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(DESCRIPTION))
    return DataPlaces(tmp_path / "data", (tmp_path / "raw",))


def _card(tmp_path: Path, text: str, places: DataPlaces) -> TaskCard:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return read_task(file, places).value


def test_four_lines_make_a_task_of_an_nnunet_dataset(tmp_path: Path, places: DataPlaces) -> None:
    card = _card(tmp_path, SHORT, places)
    assert card.modality == ("T1", "FLAIR")
    assert card.original_labels == {"core": 1, "oedema": 2, "enhancing tumour": 3}
    assert card.labels == {"core": (1,), "oedema": (2,), "enhancing-tumour": (3,)}
    assert card.cases == 40


def test_all_merges_the_foreground_into_one_label(tmp_path: Path, places: DataPlaces) -> None:
    assert _card(tmp_path, f"{SHORT}labels: all\n", places).labels == {"foreground": (1, 2, 3)}


def test_what_a_card_writes_goes_before_what_its_dataset_says(tmp_path: Path, places: DataPlaces) -> None:
    card = _card(tmp_path, f"{SHORT}cases: 38\nlabels: {{tumour: [1, 3]}}\n", places)
    assert (card.cases, card.labels) == (38, {"tumour": (1, 3)})


def test_labels_are_checked_against_what_the_dataset_says(tmp_path: Path, places: DataPlaces) -> None:
    with pytest.raises(DefinitionError, match=r"labels\.tumour\[0\]: 7 is not among original_labels"):
        _card(tmp_path, f"{SHORT}labels: {{tumour: [7]}}\n", places)


def test_a_card_that_leaves_nothing_out_needs_no_dataset(tmp_path: Path) -> None:
    text = f"{SHORT}modality: MR\noriginal_labels: {{core: 1}}\ncases: 9\n"
    card = _card(tmp_path, text, DataPlaces(tmp_path))
    assert (card.modality, card.labels) == (("MR",), {"core": (1,)})


def test_a_dataset_that_is_not_there_is_named_with_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingEnvironment) as caught:
        _card(tmp_path, SHORT, DataPlaces(tmp_path / "data", (tmp_path / "raw",)))
    said = str(caught.value)
    for word in (
        "mine.yaml: modality, original_labels, cases left out",
        "'12'",
        f"{tmp_path}/raw",
        f"{tmp_path}/data",
    ):
        assert word in said
    monkeypatch.delenv("nnUNet_raw", raising=False)
    with pytest.raises(MissingEnvironment, match="nnUNet_raw, which is not set"):
        _card(tmp_path, SHORT, DataPlaces.default(tmp_path / "data"))


@pytest.mark.parametrize("labels", [{"background": 0, "whole": [1, 2], "core": 2}, {"background": 0, "ignore": 3}])
def test_regions_and_ignored_labels_must_be_spelled_out(tmp_path: Path, places: DataPlaces, labels: dict) -> None:
    (places.raw[0] / "Dataset012_Brain/dataset.json").write_text(json.dumps(DESCRIPTION | {"labels": labels}))
    with pytest.raises(MissingEnvironment, match="write `original_labels` and `labels` in the task's card"):
        _card(tmp_path, SHORT, places)
    card = _card(tmp_path, f"{SHORT}original_labels: {{oedema: 1, core: 2}}\n", places)
    assert card.labels == {"oedema": (1,), "core": (2,)}


def test_a_datalist_says_what_it_knows_and_the_card_the_rest(tmp_path: Path) -> None:
    listed = {
        "training": [{"image": "a"}] * 4,
        "validation": [{"image": "b"}],
        "labels": {"0": "background", "1": "cyst"},
    }
    (tmp_path / "list.json").write_text(json.dumps(listed))
    text = SHORT.replace("{kind: nnunet, dataset: 12}", "{kind: datalist, path: list.json}")
    with pytest.raises(DefinitionError, match="modality: is missing"):
        _card(tmp_path, text, DataPlaces(tmp_path))
    card = _card(tmp_path, f"{text}modality: CT\n", DataPlaces(tmp_path))
    assert (card.cases, card.original_labels) == (5, {"cyst": 1})


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("labels: {organ: [1], lesion: [2, 3]}\n", "labels: seperate\n", "labels", "must be separate, all, or names"),
        ("original_labels: {organ: 1, tumour: 2,", "original_labels: {or gan: 1, or-gan: 2,", "labels", "one name"),
        ("modality: CT", "modality: 3", "modality", "valid tuple"),
    ],
)
def test_mistakes_in_the_new_spellings_are_refused_at_their_line(
    suite: Suite, old: str, new: str, field: str, words: str
) -> None:
    suite.edit("tasks/beta.yaml", old, new)
    if "or gan" in new:
        suite.edit("tasks/beta.yaml", "labels: {organ: [1], lesion: [2, 3]}\n", "labels: separate\n")
    problem = next(problem for problem in suite.problems() if problem.field == field)
    assert words in problem.message


def test_tasks_of_one_benchmark_have_as_many_channels(suite: Suite) -> None:
    suite.edit("tasks/gamma.yaml", "modality: CT", "modality: [CT, PET]")
    problem = suite.problem()
    assert (problem.field, problem.message) == (
        "protocols.transfer.targets[0]",
        "gamma has 2 channels where alpha has 1; they must agree",
    )


def test_a_benchmark_completes_its_own_tasks_from_their_datasets(suite: Suite, tmp_path: Path) -> None:
    for name in ("alpha", "beta", "gamma"):
        folder = tmp_path / f"data/Dataset0{len(name)}0_{name}"
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text(json.dumps(DESCRIPTION))
        source = f"source: {{kind: nnunet, dataset: {folder.name}}}\n"
        suite.write(f"tasks/{name}.yaml", f"name: {name}\nversion: 1\ntitle: T\n{source}")
    catalogue = type(suite.catalogue)((suite.root,), DataPlaces(tmp_path / "data"))
    resolved = resolve("bench", catalogue)
    assert {card.cases for card in resolved.tasks.values()} == {40}
    assert type(resolved).model_validate(resolved.model_dump(mode="json")) == resolved
