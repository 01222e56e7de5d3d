"""Online evaluation: what a stage does to all tasks so far while it goes on, every few epochs.

It draws no random numbers and chooses nothing, so the training is the same to the bit with and without it.
"""

from __future__ import annotations

import json
from functools import cached_property

import numpy as np
import torch

from clbench.evaluation.metrics import dice
from clbench.job.predict import case_logits
from clbench.job.trainee import Trainee
from clbench.network.losses import own_labels
from clbench.nnunet.loader import CaseLibrary
from clbench.nnunet.parts import NnunetParts
from clbench.store import Json, write_atomic
from clbench.training.stage import Stage

KEPT = "monitor.json"


class Monitor:
    """Looks at a stage every few epochs; with ``monitor`` 0 it does nothing.

    Attributes:
        records: ``{epoch, task, case, label, metric, value}`` so far; the Dice is of the preprocessed grid.
    """

    def __init__(self, trainee: Trainee, stage: Stage) -> None:
        """Go on where the stage does: what was measured after the epoch that it resumes from is dropped."""
        self.trainee, self.stage = trainee, stage
        self.file = trainee.folder.path / KEPT
        before = json.loads(self.file.read_bytes()) if trainee.spec.monitor and self.file.exists() else []
        self.records: list[Json] = [record for record in before if record["epoch"] <= stage.epoch]

    def look(self) -> None:
        """Measure the epoch that has just ended; the last one has an evaluation of its own."""
        every, epoch = self.trainee.spec.monitor, self.stage.epoch
        if not every or epoch % every or epoch == self.stage.schedule.epochs:
            return
        self.stage.network.eval()
        for task in self.trainee.spec.so_far:
            for case in self.trainee.prepared.tasks[task].val:
                self.records += [{"epoch": epoch, **record} for record in self._measured(task, case)]
        write_atomic(self.file, json.dumps(self.records).encode())

    @cached_property
    def _library(self) -> CaseLibrary:
        tasks = self.trainee.prepared.tasks
        return CaseLibrary({task: tasks[task].preprocessed for task in self.trainee.spec.so_far})

    @cached_property
    def _parts(self) -> dict[str, NnunetParts]:
        return {task: self.trainee.predicting(task) for task in self.trainee.spec.so_far}

    @torch.inference_mode()
    def _measured(self, task: str, case: str) -> list[Json]:
        """The Dice of each label of a case, with the task's own head and without mirroring."""
        prepared, network = self.trainee.prepared.tasks[task], self.stage.network
        data, seg, _, _ = self._library.load_case((task, case))
        logits = case_logits(network, self._parts[task], task, np.asarray(data[:]), mirror=False)
        predicted = own_labels(logits.argmax(0).cpu(), network.channels(task)).numpy()
        real = np.asarray(seg[:])[0]
        place = {"task": task, "case": case, "metric": "dice"}
        return [
            {**place, "label": label, "value": dice(predicted == number, real == number)}
            for number, label in enumerate(prepared.labels, start=1)
        ]
