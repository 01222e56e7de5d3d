"""A definition with all that it names, or everything that is wrong with any of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clbench.definitions import checks, transfer_checks
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.checkpoints import NoCheckpointError, checkpoint_file
from clbench.definitions.layers import extended, layered
from clbench.definitions.models import (
    RESERVED_BASELINES,
    Backbone,
    Benchmark,
    Budget,
    Files,
    PlansFrom,
    Protocols,
    Resolved,
    Start,
    TaskCard,
    Variant,
)
from clbench.definitions.plan_choice import FILE, plans_findings
from clbench.definitions.reading import (
    Finding,
    Read,
    ReadBaseline,
    located,
    read_baseline,
    read_task,
    setting_findings,
)
from clbench.definitions.shrunk import subset_of
from clbench.definitions.signatures import read_signature
from clbench.definitions.split_files import with_lists
from clbench.definitions.subset import Subset
from clbench.definitions.validation import Checked, checked
from clbench.definitions.variants import entry_parts, expanded
from clbench.definitions.yaml_source import Document, KeyPath
from clbench.errors import DefinitionError, Problem

_NEUTRAL: dict[str, Any] = {
    "name": "", "version": 1, "title": "", "scenario": "task-incremental", "sequence": (), "seeds": (),
    "backbone": Backbone(configuration="3d_fullres"), "budget": Budget(epochs=sys.maxsize),
    "protocols": Protocols(),
}  # fmt: skip
"""Stands in for required sections that are missing or wrong, so that the others can still be checked."""


def resolve(argument: str | Path, catalogue: Catalogue) -> Resolved:
    """Read a definition and everything that it names.

    Args:
        argument: a benchmark's name, or the path of a YAML file.
        catalogue: where the names are looked up.

    Raises:
        DefinitionError: anything is wrong with the definition, what it extends, its tasks, its baselines or
            their methods; all of it at once.
    """
    document, files = layered(catalogue.benchmark_file(argument), catalogue)
    return _Resolution(catalogue, checked(Benchmark, document)).result(files)


def check(file: Path, catalogue: Catalogue) -> list[Problem]:
    """Everything that is wrong with a task, baseline, method or benchmark; the folder says which it is."""
    try:
        if file.suffix == ".py":
            read_signature(file)
        elif file.absolute().parent.name == "tasks":
            read_task(file, catalogue.data)
        elif file.absolute().parent.name == "baselines":
            read_baseline(file, catalogue)
        else:
            resolve(file, catalogue)
    except DefinitionError as error:
        return error.problems
    return []


class _Resolution:
    """Gathers what a definition names, and the problems on the way."""

    def __init__(self, catalogue: Catalogue, definition: Checked[Benchmark]) -> None:
        self.catalogue = catalogue
        self.definition = definition
        self.document: Document = definition.document
        self.benchmark = definition.value or Benchmark.model_construct(**(_NEUTRAL | definition.usable))
        self.problems = list(definition.problems)
        self.tasks: dict[str, Read[TaskCard] | None] = {}
        self.baselines: dict[str, ReadBaseline | None] = {}
        self.variants: list[Variant] = []
        self.checkpoints: dict[str, Path] = {}

    def result(self, files: tuple[Path, ...]) -> Resolved:
        """Everything, or all problems."""
        self._read_splits()
        self._read_tasks()
        self._read_baselines()
        self._find_checkpoints()
        self.problems += located(self.document, self._findings())
        if self.problems:
            raise DefinitionError(_in_order(self.problems))
        return Resolved(
            benchmark=self.benchmark,
            tasks=self._cards(),
            baselines=tuple(self.variants),
            files=Files(
                benchmark=files,
                tasks={name: read.document.file for name, read in self.tasks.items() if read},
                baselines={name: read.document.file for name, read in self.baselines.items() if read},
                plans=self._plans_file(),
                checkpoints=self.checkpoints,
            ),
            subset_of=self._subset_of(files),
        )

    def _subset_of(self, files: tuple[Path, ...]) -> Subset | None:
        return subset_of(self.benchmark, extended(files, self.catalogue), checks.stated_cases(self._cards()))

    def _read_splits(self) -> None:
        """Put the lists that stand in files in the files' places."""
        if self.definition.sound("sample"):
            sample, problems = with_lists(self.benchmark.sample, self.document)
            self.benchmark = self.benchmark.model_copy(update={"sample": sample})
            self.problems += problems

    def _cards(self) -> dict[str, TaskCard]:
        return {name: read.value for name, read in self.tasks.items() if read}

    def _read_tasks(self) -> None:
        transfer = self.benchmark.protocols.transfer
        named: list[tuple[KeyPath, tuple[str, ...]]] = [(("sequence",), self.benchmark.sequence)]
        named += [(checks.TARGETS, transfer.targets)] if transfer else []
        for path, names in named:
            for index, name in enumerate(names):
                if name not in self.tasks:
                    self.tasks[name] = self._read_task((*path, index), name)

    def _read_task(self, path: KeyPath, name: str) -> Read[TaskCard] | None:
        file = self.catalogue.find("task", name)
        if file is None:
            self._refuse(path, self.catalogue.unknown("task", name))
            return None
        try:
            return read_task(file, self.catalogue.data)
        except DefinitionError as error:
            self.problems += error.problems
            return None

    def _read_baselines(self) -> None:
        continual = self.benchmark.protocols.continual
        for index, entry in enumerate(continual.baselines if continual else ()):
            name, written = entry_parts(entry)
            path: KeyPath = (*checks.BASELINES, index)
            if name not in self.baselines:
                self.baselines[name] = self._read_baseline(path, name)
            baseline = self.baselines[name]
            if baseline:
                self._add_variants((*path, name), path, baseline, written)

    def _read_baseline(self, path: KeyPath, name: str) -> ReadBaseline | None:
        file = self.catalogue.find("baseline", name)
        if file is None or name in RESERVED_BASELINES:
            reserved = f"{name!r} is a protocol of its own; write it under protocols, not here"
            self._refuse(path, reserved if name in RESERVED_BASELINES else self.catalogue.unknown("baseline", name))
            return None
        try:
            return read_baseline(file, self.catalogue)
        except DefinitionError as error:
            self.problems += error.problems
            return None

    def _add_variants(self, settings_path: KeyPath, path: KeyPath, baseline: ReadBaseline, written: Any) -> None:
        """Expand an entry, unless a setting is wrong or a variant of that name is there already."""
        findings = list(setting_findings(baseline.signature, written, settings_path))
        self.problems += located(self.document, findings)
        for variant in () if findings else expanded(baseline, written):
            if any(variant.name == other.name for other in self.variants):
                self._refuse(path, f"{variant.name!r} is listed twice; leave it out once")
                continue
            self.variants.append(variant)
            message = checks.scenario_message(variant, self.benchmark.scenario)
            if message and self.definition.sound("scenario"):
                self._refuse(path, f"{variant.name!r}: {message}")

    def _find_checkpoints(self) -> None:
        """The files that a transfer starts from; a relative path begins where it is written."""
        transfer = self.benchmark.protocols.transfer
        for index, start in enumerate(transfer.from_ if transfer else ()):
            if isinstance(start, Start):
                path: KeyPath = (*transfer_checks.FROM, index, "checkpoint")
                folder = self.document.place(path)[0].parent
                try:
                    self.checkpoints[start.name] = checkpoint_file(folder / Path(start.checkpoint).expanduser())
                except NoCheckpointError as error:
                    self._refuse(path, str(error))

    def _findings(self) -> Iterator[Finding]:
        """The checks between sections; one whose section is wrong in itself is left out."""
        benchmark, sound = self.benchmark, self.definition.sound
        empty = list(self._empty_protocols())
        yield from empty
        yield from checks.repetitions(benchmark)
        yield from checks.name_findings(benchmark)
        yield from transfer_checks.transfer_findings(benchmark)
        if sound("orders") and sound("sequence"):
            yield from checks.order_findings(benchmark)
        if sound("heads") and sound("scenario"):
            yield from checks.head_findings(benchmark)
        if sound("heads") and sound("scenario") and sound("sequence"):
            yield from checks.label_findings(benchmark, self._cards())
        yield from checks.channel_findings(benchmark, self._cards())
        if sound("protocols") and sound("sequence") and not empty:
            yield from checks.protocol_findings(benchmark)
        if sound("protocols", "continual") and sound("protocols", "joint") and not empty:
            yield from transfer_checks.backbone_findings(benchmark, self._backbones())
        if sound("sample") and sound("protocols"):
            yield from transfer_checks.fold_findings(benchmark)
        if sound("backbone"):
            yield from checks.patch_findings(benchmark)
        if sound("backbone") and sound("sequence") and sound("protocols", "transfer") and not empty:
            yield from plans_findings(benchmark, self._plans_file(), self._channels())
        if sound("sample"):
            yield from checks.seed_findings(benchmark)
            yield from checks.listed_findings(benchmark, self.tasks)
            yield from checks.sample_findings(benchmark, checks.stated_cases(self._cards()))
        if sound("sample") and sound("budget"):
            yield from checks.batch_findings(benchmark, checks.stated_cases(self._cards()))
            yield from checks.checkpoint_findings(benchmark, checks.stated_cases(self._cards()))

    def _backbones(self) -> list[str]:
        """The variants, and the baselines whose own problems keep them from becoming variants."""
        broken = [name for name, baseline in self.baselines.items() if baseline is None]
        return [*broken, *(variant.name for variant in self.variants)]

    def _plans_file(self) -> Path | None:
        """The plans file that the backbone names, seen from the definition that wrote it."""
        plans = self.benchmark.backbone.plans
        if not isinstance(plans, PlansFrom) or plans.file is None:
            return None
        return (self.document.place(FILE)[0].parent / Path(plans.file).expanduser()).resolve()

    def _channels(self) -> int | None:
        """How many channels the tasks' images have, of the first one that is known; others are held to that."""
        return next((len(card.modality) for card in self._cards().values()), None)

    def _empty_protocols(self) -> Iterator[Finding]:
        protocols = self.document.data.get("protocols")
        for name, value in protocols.items() if isinstance(protocols, dict) else ():
            if value is None:
                yield ("protocols", name), "is empty; write {} to run it as it is, or leave the line out"

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.problem(path, message))


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, by file and line."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (str(problem.file), problem.line or 0))
