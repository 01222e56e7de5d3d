"""Which cases a plan uses, where the dataset knows more than its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clbench.data.dataset import RawCase, RawDataset
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Resolved
from clbench.definitions.resolve import resolve
from clbench.errors import DefinitionError, MissingEnvironment
from clbench.plan.expand import make_plan

BENCHMARK = """
name: own
version: 1
title: One public task after an embedded one
scenario: task-incremental
sequence: [mini-liver, msd-spleen]
backbone: {configuration: 3d_fullres}
budget: {epochs: 1}
%s
protocols: {from-scratch: {}}
seeds: [0]
"""


def resolved(tmp_path: Path, sample: str = "", cases: int | None = None) -> Resolved:
    """The benchmark, with a card for the spleen that says how many cases there are, or does not."""
    (tmp_path / "benchmark").mkdir(exist_ok=True)
    (tmp_path / "benchmark" / "own.yaml").write_text(BENCHMARK % sample)
    found = resolve("own", Catalogue.open((tmp_path,)))
    found.tasks["msd-spleen"] = found.tasks["msd-spleen"].model_copy(update={"cases": cases})
    return found


def dataset(folder: Path, cases: int) -> RawDataset:
    """Names of files are all that a plan looks at."""
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": {"spleen": 1}}))
    ids = [f"spleen_{number}" for number in sorted(range(cases), key=str)]
    files = [RawCase(case, (folder / f"{case}_0000.nii.gz",), folder / f"{case}.nii.gz") for case in ids]
    return RawDataset(folder, tuple(files), "m")


def prepared(tmp_path: Path, sample: str = "", cases: int | None = None, have: int | None = 41):
    """The specification of the plan's preparation."""
    datasets = {} if have is None else {"msd-spleen": dataset(tmp_path / "Dataset009_Spleen", have)}
    return make_plan(resolved(tmp_path, sample, cases), tmp_path / "store", datasets).jobs[0].spec


def test_the_dataset_says_how_many_cases_there_are_where_the_card_does_not(tmp_path: Path) -> None:
    split = prepared(tmp_path)["splits"]["msd-spleen"]
    assert (len(split["train"]), len(split["val"])) == (32, 9)
    assert split["train"][:3] == ["spleen_0", "spleen_1", "spleen_10"]


def test_iterations_follow_the_datasets_number_of_cases(tmp_path: Path) -> None:
    datasets = {"msd-spleen": dataset(tmp_path / "Dataset009_Spleen", 41)}
    plan = make_plan(resolved(tmp_path), tmp_path / "store", datasets)
    assert {job.spec["tasks"][0]: job.spec["iterations"] for job in plan.jobs[1:]}["msd-spleen"] == 16


def test_without_data_the_card_is_enough_for_a_plan_and_no_case_is_named(tmp_path: Path) -> None:
    spec = prepared(tmp_path, cases=41, have=None)
    assert set(spec["splits"]) == {"mini-liver"}


def test_without_data_and_number_there_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(MissingEnvironment, match="task msd-spleen: its data are not there and its card does not say"):
        prepared(tmp_path, have=None)


def test_a_dataset_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingEnvironment, match="has 40 labelled cases where its card says 41"):
        prepared(tmp_path, cases=41, have=40)


def test_a_sample_that_the_dataset_cant_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"own\.yaml: sample\.train: 30 is too many: task msd-spleen has 24"):
        prepared(tmp_path, sample="sample: {train: 30, val: 4, seed: 0}", have=30)


def test_a_listed_case_that_the_dataset_lacks_is_refused_with_the_nearest(tmp_path: Path) -> None:
    ids = "sample: {ids: {msd-spleen: {train: [spleen_1, spleen_2], val: [spleen_99]}}}"
    with pytest.raises(DefinitionError, match=r"sample\.ids\.msd-spleen\.val: the task has no case 'spleen_99'"):
        prepared(tmp_path, sample=ids)


def test_the_listed_cases_are_those_that_are_prepared(tmp_path: Path) -> None:
    ids = "sample: {ids: {msd-spleen: {train: [spleen_7, spleen_2], val: [spleen_3]}}}"
    spec = prepared(tmp_path, sample=ids)
    assert spec["splits"]["msd-spleen"] == {"train": ["spleen_2", "spleen_7"], "val": ["spleen_3"]}
    assert set(spec["datasets"]["msd-spleen"]["cases"]) == {"spleen_2", "spleen_3", "spleen_7"}
