"""The same dataset, plan and cases laid out for nnU-Net's own command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.job.prepared import PreparedTask

ONE_EPOCH = Path(__file__).with_name("one_epoch.py")
CONFIGURATION = "3d_fullres"


@dataclass(frozen=True)
class NnunetSide:
    """nnU-Net's three folders with the raw cases of prepared tasks in them.

    Attributes:
        root: where they lie.
        tasks: the tasks, as clbench prepared them; the first one is trained.
        plans: the plan that clbench trains with.
    """

    root: Path
    tasks: tuple[PreparedTask, ...]
    plans: dict[str, Any]

    @property
    def task(self) -> PreparedTask:
        """The one that is trained."""
        return self.tasks[0]

    @property
    def dataset(self) -> str:
        """The dataset's folder name."""
        return self.task.raw.name

    @property
    def preprocessed(self) -> Path:
        """The dataset's folder under ``nnUNet_preprocessed``."""
        return self.root / "preprocessed" / self.dataset

    @property
    def environment(self) -> dict[str, str]:
        """What nnU-Net's programs are told; the number of threads and processes is theirs to choose."""
        own = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
        return {**own, **{f"nnUNet_{name}": str(self.root / name) for name in ("raw", "preprocessed", "results")}}

    def lay_out(self) -> None:
        """Link the raw cases of every task."""
        for task in self.tasks:
            raw = self.root / "raw" / task.raw.name
            for folder in ("imagesTr", "labelsTr"):
                (raw / folder).mkdir(parents=True)
                for file in (task.raw / folder).iterdir():
                    (raw / folder / file.name).symlink_to(file)
            description = json.loads((task.raw / "dataset.json").read_text())
            (raw / "dataset.json").write_text(json.dumps(description))

    def plan_and_preprocess(self) -> None:
        """All of nnU-Net's preparation: fingerprints, plans, cases."""
        numbers = [number_of(task.raw.name) for task in self.tasks]
        words = ("-c", CONFIGURATION, "-np", 2, "-npfp", 2)
        self.call("nnUNetv2_plan_and_preprocess", "-d", *numbers, *words)

    def use_our_plan(self) -> None:
        """Put clbench's plan and split in the place of nnU-Net's own, and preprocess with that plan."""
        (self.preprocessed / "nnUNetPlans.json").write_text(json.dumps(self.plans | {"dataset_name": self.dataset}))
        split = [{"train": list(self.task.train), "val": list(self.task.val)}]
        (self.preprocessed / "splits_final.json").write_text(json.dumps(split))
        self.call("nnUNetv2_preprocess", "-d", self.number, "-c", CONFIGURATION, "-np", "2")

    @property
    def number(self) -> str:
        """The trained dataset's number."""
        return number_of(self.dataset)

    def train(self) -> None:
        """One epoch of 250 iterations, nnU-Net's 50 validation batches, and the validation at its end."""
        self._carry_out(sys.executable, ONE_EPOCH, self.number, CONFIGURATION, 0, "-device", "cpu")

    def call(self, program: str, *words: object) -> None:
        """Carry out one of nnU-Net's programs."""
        self._carry_out(Path(sys.executable).with_name(program), *words)

    def _carry_out(self, *words: object) -> None:
        command = [*map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def clean(self, kind: str) -> None:
        """Forget what nnU-Net made: ``results`` or ``preprocessed``."""
        shutil.rmtree(self.root / kind, ignore_errors=True)


def number_of(dataset: str) -> str:
    """A dataset's number."""
    return dataset.removeprefix("Dataset").split("_")[0]
