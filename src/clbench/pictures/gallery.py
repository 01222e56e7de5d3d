"""Which cases show forgetting, and the strips and volumes that are made of them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.errors import ClbenchError, CorruptArtifact, MissingEnvironment
from clbench.plan import Plan, Use
from clbench.plan.kept import kept_path
from clbench.results.matrix import case_dice, mean
from clbench.results.records import STAGED
from clbench.results.rows import Row
from clbench.store import Json, Store, write_atomic

if TYPE_CHECKING:
    from clbench.report.figures.strips import Strip

NONE_KEPT = (
    "this run kept no predictions; write `predictions: keep` in its definition and run it again: its stages are "
    "evaluated anew and not trained"
)


@dataclass(frozen=True)
class Chosen:
    """A case to show, and why."""

    task: str
    case: str
    why: str = ""


@dataclass(frozen=True)
class Gallery:
    """What pictures are drawn from: one seed and one order of a run.

    Attributes:
        plan: the run's.
        store: where its predictions are.
        rows: its measurements.
        seed: of the trainings that are shown.
        order: the order of the tasks that is shown, from 1.
    """

    plan: Plan
    store: Store
    rows: Sequence[Row]
    seed: int
    order: int = 1

    @property
    def tasks(self) -> tuple[str, ...]:
        """In the order in which they are learnt."""
        assert self.plan.resolved is not None
        return self.plan.resolved.benchmark.all_orders[self.order - 1]

    @property
    def uses(self) -> list[Use]:
        """The stages that are shown."""
        return [
            use for use in self.plan.uses
            if use.protocol in STAGED and (use.seed, use.order) == (self.seed, self.order)
        ]  # fmt: skip

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baselines that learn stage by stage."""
        return tuple(dict.fromkeys(use.baseline for use in self.uses))

    def require_predictions(self) -> None:
        """Refuse a run that keeps none.

        Raises:
            MissingEnvironment: it was not asked to.
        """
        if not self.plan.keeps_predictions:
            raise MissingEnvironment(NONE_KEPT)

    def typical(self, task: str) -> list[Chosen]:
        """The case that ends best, the one in the middle and the one that ends worst, over all baselines."""
        ordered = self._by_final_dice(task)
        places = {"best": len(ordered) - 1, "median": len(ordered) // 2, "worst": 0}
        chosen: dict[str, list[str]] = {}
        for why, place in places.items() if ordered else ():
            chosen.setdefault(ordered[place], []).append(why)
        return [Chosen(task, case, " and ".join(why)) for case, why in chosen.items()]

    def require_case(self, case: str, task: str | None) -> Chosen:
        """The case that someone asks for.

        Raises:
            ClbenchError: no such case is reported, or several tasks have one of that name.
        """
        owners = sorted({row.task for row in self.rows if row.case == case and task in (None, row.task)})
        owners = [owner for owner in owners if owner in self.tasks]
        if len(owners) != 1:
            known = sorted({f"{row.task}/{row.case}" for row in self.rows if row.task in self.tasks})
            which = f"{', '.join(owners)} have a case" if owners else "no task has a reported case"
            raise ClbenchError(f"{which} {case!r}; there are {', '.join(known)}")
        return Chosen(owners[0], case)

    def strip(self, chosen: Chosen, baselines: Collection[str] = ()) -> Strip:
        """Draw a case: a line a baseline, a column a stage from the task's own on.

        Args:
            chosen: the case.
            baselines: those that are shown; all if none is named.

        Raises:
            MissingEnvironment: the raw image is not there.
        """
        from clbench.pictures.strip import strip_of

        return strip_of(self, chosen, [name for name in self.baselines if not baselines or name in baselines])

    def prediction(self, baseline: str, stage: int, chosen: Chosen) -> Path | None:
        """The kept label map of a case after a stage; None where there is none, or it is damaged."""
        job = next((use.job for use in self.uses if (use.baseline, use.stage) == (baseline, stage)), None)
        if job is None:
            return None
        folder = self.store.job(job)
        file = kept_path(folder, chosen.task, chosen.case)
        return file if str(file.relative_to(folder.path)) in self.sealed(job) and file.is_file() else None

    def sealed(self, job: str) -> Json:
        """The files that a job's present result vouches for; none where it is missing, damaged or outdated."""
        try:
            result = self.store.job(job).read("result")
        except CorruptArtifact:
            return {}
        current = result is not None and result.get("evaluation", "") == self.plan.job(job).evaluation
        return dict(result["files"]) if result is not None and current else {}

    def dice(self, baseline: str, stage: int, chosen: Chosen) -> float | None:
        """A case's Dice after a stage, the mean over its labels."""
        return case_dice(self._rows(baseline, stage, chosen.task)).get(chosen.case)

    def write_volumes(self, folder: Path, chosen: Chosen, baselines: Collection[str] = ()) -> list[Path]:
        """Copy image, reference and predictions of a case as NIfTI.

        Returns:
            The files.
        """
        from clbench.pictures.volumes import volumes_of

        volumes = volumes_of(self.plan, self.store, chosen.task, chosen.case)
        target = folder / chosen.task / chosen.case
        files = {"image": volumes.image, "reference": volumes.reference()}
        target.mkdir(parents=True, exist_ok=True)
        for name, image in files.items():
            image.to_filename(target / f"{name}.nii.gz")
        written = [target / f"{name}.nii.gz" for name in files]
        for baseline in [name for name in self.baselines if not baselines or name in baselines]:
            for stage in range(self.tasks.index(chosen.task) + 1, len(self.tasks) + 1):
                if file := self.prediction(baseline, stage, chosen):
                    written.append(target / f"{baseline}-stage{stage}.nii.gz")
                    shutil.copyfile(file, written[-1])
        return written

    def _by_final_dice(self, task: str) -> list[str]:
        """Reported cases from the worst mean final Dice over all continual baselines to the best."""
        continual = dict.fromkeys(use.baseline for use in self.uses if use.protocol == "continual")
        found = [case_dice(self._rows(name, len(self.tasks), task)) for name in continual or self.baselines]
        means = {case: mean(one.get(case) for one in found) for one in found for case in one}
        return sorted(means, key=lambda case: (means[case] or 0.0, case))

    def _rows(self, baseline: str, stage: int, task: str) -> list[Row]:
        """Measured with the stage's last model."""
        place = (self.seed, self.order, baseline, stage, task)
        rows = [
            row for row in self.rows
            if row.protocol in STAGED and (row.seed, row.order, row.baseline, row.stage, row.task) == place
        ]  # fmt: skip
        last = max((row.epoch for row in rows), default=0)
        return [row for row in rows if row.epoch == last]


def write_strip(folder: Path, strip: Strip) -> list[Path]:
    """Write a strip as PNG and SVG.

    Returns:
        The files.
    """
    files = {folder / f"{strip.slug}.{form}": strip.file(form) for form in ("png", "svg")}
    for path, content in files.items():
        write_atomic(path, content)
    return list(files)
