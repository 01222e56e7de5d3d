"""What a preparation has to do: every case of every task, with its files and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clbench.data.dataset import RawCase, RawDataset
from clbench.data.raw import case_index, dataset_json, dataset_name, image_path, label_path
from clbench.definitions.models import TaskCard
from clbench.nnunet.labels import LabelScheme
from clbench.nnunet.planning import VOXELS_FOR_INTENSITIES
from clbench.plan import Dataset, PrepareSpec
from clbench.store import Json


@dataclass(frozen=True)
class TaskWork:
    """One task to prepare.

    Attributes:
        card: its card.
        dataset: name of its folders in the job's.
        raw: its raw dataset; of an embedded task it lies in the job's folder and is made there.
        description: the raw dataset's, with its source's labels.
        cases: what is prepared of it, the training cases first.
        intensities_from: whose voxels give the statistics of normalisation.
        samples: foreground intensities that are drawn from each training case.
    """

    card: TaskCard
    dataset: str
    raw: Path
    description: Json
    cases: tuple[CaseWork, ...]
    intensities_from: str
    samples: int

    @cached_property
    def scheme(self) -> LabelScheme:
        """Its labels, in the source's numbers and the network's."""
        return LabelScheme(self.card.labels, self.card.original_labels)

    @property
    def network_description(self) -> Json:
        """nnU-Net's ``dataset.json`` for what networks see of it."""
        of_source = ("dataset", "regions_class_order")
        kept = {key: value for key, value in self.description.items() if key not in of_source}
        labels = {"background": 0} | {name: number for number, name in enumerate(self.card.labels, start=1)}
        channels = {str(number): name for number, name in enumerate(self.card.modality)}
        said = {"name": self.card.name, "channel_names": channels, "labels": labels}
        return {**kept, **said, "numTraining": len(self.cases)}


@dataclass(frozen=True)
class CaseWork:
    """One case to prepare.

    Attributes:
        files: its raw files.
        training: whether it is trained on; otherwise it is reported.
        index: its number, if it is generated.
    """

    files: RawCase
    training: bool
    index: int | None = None

    @property
    def id(self) -> str:
        """Its name."""
        return self.files.id


def work_of(spec: PrepareSpec, path: Path) -> list[TaskWork]:
    """Everything that a preparation has to do.

    Args:
        spec: what to prepare.
        path: the job's folder.
    """
    return [_task(spec, name, number, path) for number, name in enumerate(spec.tasks, start=2)]


def _task(spec: PrepareSpec, name: str, number: int, path: Path) -> TaskWork:
    card, split, source = spec.tasks[name], spec.splits[name], spec.datasets.get(name)
    dataset = dataset_name(card, number)
    raw = Path(source.folder) if source else path / "raw" / dataset
    ids = ((case, case in set(split.train)) for case in (*split.train, *split.val))
    if source:
        cases = tuple(CaseWork(_found(case, source), training) for case, training in ids)
        description = RawDataset(raw, ()).description
    else:
        cases = tuple(_generated(raw, case, training) for case, training in ids)
        description = dataset_json(card, len(cases))
    samples = VOXELS_FOR_INTENSITIES // (len(split.train) * len(spec.tasks))
    return TaskWork(card, dataset, raw, description, cases, spec.backbone["intensities_from"], samples)


def _found(case: str, source: Dataset) -> RawCase:
    files = source.cases[case]
    return RawCase(case, tuple(map(Path, files.images)), Path(files.label))


def _generated(raw: Path, case: str, training: bool) -> CaseWork:
    files = RawCase(case, (image_path(raw, case),), label_path(raw, case))
    return CaseWork(files, training, case_index(case))
