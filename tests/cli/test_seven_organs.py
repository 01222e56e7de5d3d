"""The definitions of the seven organs are the original protocol, and docs/seven-organs.md says what they cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import MsdSource, Resolved
from clbench.definitions.resolve import resolve

PAGE = (Path(__file__).parents[2] / "docs" / "seven-organs.md").read_text()
NAMES = ("seven-organs", "seven-organs-original", "seven-organs-full")
LEARNT = {
    "msd-liver": (3, {"tumour": (2,)}), "msd-lung": (6, {"tumour": (1,)}), "msd-pancreas": (7, {"pancreas": (1, 2)}),
    "msd-spleen": (9, {"spleen": (1,)}), "msd-colon": (10, {"tumour": (1,)}), "kits21": (None, {"tumour": (2,)}),
    "msd-hepaticvessel": (8, {"vessel": (1,), "tumour": (2,)}),
}  # fmt: skip


def _resolved(name: str) -> Resolved:
    return resolve(name, Catalogue.open())


@pytest.mark.parametrize("name", NAMES)
def test_tasks_order_and_labels_are_the_originals(name: str) -> None:
    found = _resolved(name)
    transfer = found.benchmark.protocols.transfer
    assert transfer is not None
    assert (*found.benchmark.sequence, *transfer.targets) == tuple(LEARNT)
    for task, (number, labels) in LEARNT.items():
        card = found.tasks[task]
        assert card.labels == labels
        assert not isinstance(card.source, MsdSource) or card.source.folder.startswith(f"Task{number:02d}_")
    assert found.benchmark.backbone.configuration == "3d_lowres"
    assert found.benchmark.backbone.intensities_from == "original"
    assert (found.benchmark.new_head, found.benchmark.evaluate_with) == ("reinit", "own")


@pytest.mark.parametrize(("name", "checkpoint"), [(NAMES[0], "final"), (NAMES[1], "best-as-original")])
def test_cases_and_epochs_are_the_originals(name: str, checkpoint: str) -> None:
    found = _resolved(name)
    budget, sample = found.benchmark.budget, found.benchmark.sample
    assert (budget.epochs, budget.epoch, budget.batch, budget.checkpoint) == (500, "cases", 2, checkpoint)
    counts = {task: sample.counts(task, card.cases or 0) for task, card in found.tasks.items()}
    assert counts == {task: (32, 9) if task == "msd-spleen" else (50, 12) for task in LEARNT}


def test_the_full_benchmark_draws_nothing_and_trains_as_long_as_nnunet() -> None:
    found = _resolved("seven-organs-full")
    assert found.benchmark.budget.model_dump()["epoch"] == {"iterations": 250}
    assert found.benchmark.budget.epochs == 1000
    sample = found.benchmark.sample
    assert all(sum(sample.counts(task, card.cases or 0)) == card.cases for task, card in found.tasks.items())


def test_ewc_and_blip_are_run_as_published_and_as_ours() -> None:
    settings = {one.name: one.settings for one in _resolved("seven-organs").baselines}
    assert {settings[name]["strength"] for name in ("peer-fork-each", "peer-fork-single")} == {1e7}
    assert settings["peer-blip-fork"]["prior"] == 1e-18
    assert {"finetune", "ewc", "blip", "peer-fork-readme"} <= set(settings)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_plan_says(call: Any, name: str) -> None:
    code, out, _ = call("plan", name)
    assert code == 0
    (hours, models), = re.findall(rf"^\| `{name}` \| (about .*? h) \| (.*? GB) \|$", PAGE, re.MULTILINE)
    assert f"\n{hours} of one GPU" in out
    assert f"models and memories {models};" in out
    if name == NAMES[0]:
        said = re.search(r"^clbench plan seven-organs\n```\n```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
        assert said
        assert all(line in out.splitlines() for line in said[1].splitlines())


def test_the_page_says_of_each_dataset_what_run_says(call: Any, tmp_path: Path) -> None:
    code, out, err = call("run", "seven-organs")
    assert (code, out, list(tmp_path.iterdir())) == (4, "", [])
    for task in LEARNT:
        (said,) = [line for line in err.splitlines() if line.startswith(f"  {task}: ")]
        size, licence = re.search(r"\(about ([\d.]+ GB), (.*?)\), https://", said).groups()  # type: ignore[union-attr]
        (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{task}` |")]
        assert line.endswith(f"{size} | {licence} |")
