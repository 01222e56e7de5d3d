"""`clbench new`: what it writes is valid, says what the dataset says, and never replaces anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import public_trees as trees
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import NnunetSource, Resolved
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import resolve

DATA = Path(".clbench/data")


@pytest.fixture
def folder(call: Any, tmp_path: Path) -> Path:
    """A working folder with four datasets of nnU-Net, one of them of version 1."""
    trees.nnunet(tmp_path / DATA, "Dataset101_MyLiver", cases=5)
    trees.nnunet(tmp_path / DATA, "Dataset102_Spleen", cases=5, anatomy="mini-spleen")
    trees.nnunet(tmp_path / DATA / "old", "Task103_Kidney", cases=5, anatomy="mini-kidney")
    trees.nnunet(tmp_path / "elsewhere", "Dataset104_Two", cases=5, channels=2)
    return tmp_path


def _resolved(folder: Path, name: str) -> Resolved:
    return resolve(name, Catalogue.open((folder / "my-suite",), DataPlaces((folder / DATA).absolute())))


def test_a_benchmark_over_datasets_is_valid_and_trains_as_nnunet_does(call: Any, folder: Path) -> None:
    code, out, err = call("new", "benchmark", "first", "--from", "101,Dataset102_Spleen", "--target", "103")
    assert (code, err) == (0, "")
    assert "clbench run first --suite my-suite" in out

    found = _resolved(folder, "first")

    assert found.benchmark.sequence == ("my-liver", "spleen")
    assert (found.benchmark.budget.epochs, found.benchmark.budget.epoch.iterations) == (1000, 250)
    assert (found.benchmark.backbone.plans, found.benchmark.sample.split) == ("shared", "last-fifth")
    assert [one.name for one in found.baselines] == ["finetune", "ewc", "lwf", "replay"]
    transfer = found.benchmark.protocols.transfer
    assert transfer is not None
    assert (transfer.targets, transfer.backbones) == (("kidney",), ("finetune", "ewc", "lwf", "replay"))
    assert call("validate", "--suite", "my-suite")[0] == 0


def test_a_card_says_what_the_dataset_says(call: Any, folder: Path) -> None:
    assert call("new", "task", "lesions", "--from", "103")[0] == 0
    card = Catalogue.open((folder / "my-suite",)).task("lesions")
    assert (card.modality, card.cases, card.original_labels) == (("CT",), 5, {"kidney": 1, "tumour": 2, "cyst": 3})
    assert card.labels == {"kidney": (1,), "tumour": (2,), "cyst": (3,)}
    assert isinstance(card.source, NnunetSource)
    assert (card.source.kind, card.source.dataset) == ("nnunet-v1", "Task103_Kidney")


def test_one_dataset_and_a_target_are_nnunets_pretraining(call: Any, folder: Path) -> None:
    assert call("new", "benchmark", "start", "--from", "101", "--target", "102")[0] == 0
    found = _resolved(folder, "start")
    assert (found.benchmark.backbone.plans, found.benchmark.sample.fold) == ("target", "all")
    assert [one.name for one in found.baselines] == ["pretrained"]


def test_tasks_and_cards_that_are_there_are_used_as_they_are(call: Any, folder: Path) -> None:
    assert call("new", "benchmark", "first", "--from", "101,msd-spleen")[0] == 0
    card = folder / "my-suite/tasks/my-liver.yaml"
    card.write_text(card.read_text().replace("title: ", "title: Mine and "))
    code, out, _ = call("new", "benchmark", "second", "--from", f"{DATA}/Dataset101_MyLiver", "--from", "mini-lung")
    assert (code, out.splitlines()[:2]) == (0, ["wrote my-suite/benchmark/second.yaml", "next:"])
    assert "Mine and" in card.read_text()
    assert _resolved(folder, "first").benchmark.sequence == ("my-liver", "msd-spleen")
    assert _resolved(folder, "second").benchmark.sequence == ("my-liver", "mini-lung")


def test_a_name_that_another_dataset_has_gets_the_number(call: Any, folder: Path) -> None:
    trees.nnunet(folder / DATA, "Dataset105_MSDSpleen", cases=5, anatomy="mini-spleen")
    (folder / DATA / "Dataset105_MSDSpleen").rename(folder / DATA / "Dataset105_msd_spleen")
    assert call("new", "benchmark", "first", "--from", "101,105")[0] == 0
    assert _resolved(folder, "first").benchmark.sequence == ("my-liver", "msd-spleen-105")


@pytest.mark.parametrize(
    ("words", "said", "expected"),
    [
        (("benchmark", "x", "--from", "101"), "one dataset can't be forgotten", 2),
        (("benchmark", "x", "--from", "101,177"), "there is no nnU-Net dataset '177'", 4),
        (("benchmark", "x", "--from", "101,elsewhere/Dataset104_Two"), "two has 2 channels where my-liver has 1", 2),
        (("benchmark", "x", "--from", "101,101"), "sequence[1]: 'my-liver' is listed twice", 2),
        (("benchmark", "mini-organs", "--from", "101,102"), "benchmark/mini-organs.yaml: is there already", 2),
        (("benchmark", "../x", "--from", "101,102"), "'../x' is no name", 2),
        (("task", "mini-liver", "--from", "101"), "tasks/mini-liver.yaml: is there already", 2),
        (("baseline", "ewc", "--method", "si"), "baselines/ewc.yaml: is there already", 2),
        (("baseline", "x", "--method", "ewv"), "there is no method 'ewv'; did you mean 'ewc'?", 2),
        (("method", "1st"), "'1st' can't name a method", 2),
        (("method", "lwf"), "baselines/lwf.yaml: is there already", 2),
    ],
)  # fmt: skip
def test_what_can_not_be_written_is_said_and_nothing_is(
    call: Any, folder: Path, words: tuple[str, ...], said: str, expected: int
) -> None:
    code, out, err = call("new", *words)
    assert (code, out) == (expected, "")
    assert said in err
    assert not list(folder.glob("my-suite/*/*"))


def test_regions_are_refused_with_what_to_write(call: Any, folder: Path) -> None:
    file = folder / DATA / "Dataset101_MyLiver/dataset.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"labels": {"background": 0, "whole": [1, 2], "tumour": 2}}))
    code, _, err = call("new", "benchmark", "x", "--from", "101,102")
    assert code == 4
    assert "Dataset101_MyLiver/dataset.json: has regions" in err


def test_nothing_is_overwritten(call: Any, folder: Path) -> None:
    assert call("new", "benchmark", "first", "--from", "101,102")[0] == 0
    before = {file: file.read_bytes() for file in folder.glob("my-suite/*/*")}
    for words in (("benchmark", "first", "--from", "101,102"), ("task", "spleen", "--from", "101")):
        code, _, err = call("new", *words)
        assert code == 2
        assert "is there already" in err
    assert {file: file.read_bytes() for file in folder.glob("my-suite/*/*")} == before


@pytest.mark.parametrize("source", Catalogue.open().names("baseline"))
def test_every_shipped_baseline_can_be_copied_with_its_comments_and_settings(
    call: Any, tmp_path: Path, source: str
) -> None:
    assert call("new", "baseline", "mine", "--method", source, "--suite", "suite")[0] == 0
    catalogue = Catalogue.open((tmp_path / "suite",))
    mine, theirs = catalogue.baseline("mine"), catalogue.baseline(source)
    same = theirs.model_dump() | {"name": "mine", "version": 1}
    assert mine.model_dump() == same
    text, shipped = (catalogue.file("baseline", name).read_text() for name in ("mine", source))
    assert {line for line in shipped.splitlines()[1:] if "#" in line} <= set(text.splitlines())
    assert "# clbench show mine\n" in text


def test_a_method_of_ones_own_without_a_card_is_used_at_its_defaults(call: Any, tmp_path: Path) -> None:
    assert call("new", "method", "my-idea", "--suite", "suite")[0] == 0
    (tmp_path / "suite/baselines/my-idea.yaml").unlink()
    assert call("new", "baseline", "again", "--method", "my_idea", "--suite", "suite")[0] == 0
    assert Catalogue.open((tmp_path / "suite",)).baseline("again").settings == {}
    assert "#   strength: 0.01, float" in (tmp_path / "suite/baselines/again.yaml").read_text()
