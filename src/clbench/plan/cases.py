"""Which cases of every task a plan uses: from the card where it is embedded, else from the dataset itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clbench.data.dataset import RawDataset
from clbench.data.raw import case_id
from clbench.data.splits import Split, split_cases
from clbench.definitions import checks
from clbench.definitions.models import Resolved, TaskCard
from clbench.definitions.reading import Finding
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import dotted
from clbench.errors import DefinitionError, MissingEnvironment, Problem
from clbench.plan.records import CaseFiles, Cases, Dataset


@dataclass(frozen=True)
class KnownCases:
    """What is known of a task's cases.

    Attributes:
        train: how many are trained on.
        val: how many are reported.
        split: which; None where the data are not there and the card alone says how many.
    """

    train: int
    val: int
    split: Split | None

    @property
    def lists(self) -> Cases | None:
        """Which, as a preparation is told."""
        return None if self.split is None else Cases(train=self.split.train, val=self.split.val)

    def files_of(self, dataset: RawDataset) -> Dataset:
        """Where the cases that are used lie in the task's dataset."""
        assert self.split is not None, "a task whose dataset is there has a split"
        files = {
            case: CaseFiles(
                images=tuple(str(image.absolute()) for image in dataset.by_id[case].images),
                label=str(dataset.by_id[case].label.absolute()),
            )
            for case in (*self.split.train, *self.split.val)
        }
        return Dataset(folder=str(dataset.folder.absolute()), manifest=dataset.manifest, cases=files,
                       notes=dataset.notes, axes=dict(dataset.axes))  # fmt: skip


def known_cases(resolved: Resolved, datasets: Mapping[str, RawDataset]) -> dict[str, KnownCases]:
    """The cases of every task.

    Args:
        resolved: the definition.
        datasets: the raw data of the tasks that are not embedded, of those that are there.

    Raises:
        DefinitionError: a dataset has too few cases for the sample, or lacks one that the definition lists.
        MissingEnvironment: a dataset is not there and its card does not say how many cases it has, or they disagree;
            or a dataset has what can't be trained on.
    """
    ids = {name: _ids(card, datasets.get(name)) for name, card in resolved.tasks.items()}
    numbers = {name: _number(card, ids[name]) for name, card in resolved.tasks.items()}
    benchmark = resolved.benchmark
    for name, dataset in datasets.items():
        _require_usable(name, dataset)
    findings = [
        *checks.sample_findings(benchmark, numbers), *checks.batch_findings(benchmark, numbers),
        *checks.checkpoint_findings(benchmark, numbers), *_unknown_ids(resolved, ids),
    ]  # fmt: skip
    if findings:
        file = resolved.files.benchmark[0] if resolved.files.benchmark else None
        raise DefinitionError([Problem(file, None, dotted(path), words) for path, words in findings])
    return {name: _known(resolved, name, numbers[name], ids[name]) for name in resolved.tasks}


def _require_usable(task: str, dataset: RawDataset) -> None:
    """Refuse what nnU-Net's format allows and nothing here can honour."""
    if "ignore" in dataset.description.get("labels", {}):
        file = dataset.folder / "dataset.json"
        raise MissingEnvironment(
            f"task {task}: {file}: labels.ignore: cases that are labelled in part can't be "
            "used, since neither the methods nor the metrics leave voxels out; use a dataset without an ignore label"
        )


def _ids(card: TaskCard, dataset: RawDataset | None) -> tuple[str, ...] | None:
    """The task's case ids; None where its data are not there."""
    if card.source.kind == "anatomy":
        return tuple(case_id(card, index) for index in range(card.cases or 0))
    return None if dataset is None else tuple(case.id for case in dataset.cases)


def _number(card: TaskCard, ids: tuple[str, ...] | None) -> int:
    if ids is None and card.cases is None:
        raise MissingEnvironment(
            f"task {card.name}: its data are not there and its card does not say how many cases it has, so nothing "
            f"can be planned; get the data, or write cases: N into the card"
        )
    if ids is not None and card.cases is not None and len(ids) != card.cases:
        raise MissingEnvironment(
            f"task {card.name}: its dataset has {len(ids)} labelled cases where its card says {card.cases}; complete "
            f"the dataset, or write cases: {len(ids)} into a card of your own"
        )
    return len(ids) if ids is not None else card.cases or 0


def _unknown_ids(resolved: Resolved, ids: Mapping[str, tuple[str, ...] | None]) -> Iterator[Finding]:
    for name, have in ids.items():
        lists = resolved.benchmark.sample.listed(name)
        if lists is None or have is None:
            continue
        for key, wanted in (("train", lists.train), ("val", lists.val)):
            for case in sorted(set(wanted).difference(have)):
                yield ("sample", "ids", name, key), f"the task has no case {case!r}; {suggestion(case, set(have))}"


def _known(resolved: Resolved, name: str, number: int, ids: tuple[str, ...] | None) -> KnownCases:
    sample = resolved.benchmark.sample_of(name)
    split = None if ids is None else split_cases(name, ids, sample)
    return KnownCases(*sample.counts(name, number), split)
