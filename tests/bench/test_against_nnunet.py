"""Wall time of what a user pays for, beside nnU-Net's own command line on the same plan, cases and iterations.

``make bench-nnunet`` runs it. Each side is the command that a user types, process start included; neither is told
how many threads or processes to take, clbench takes one thread and nnU-Net all cores.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from bench.cpu_time import children_cpu
from bench.nnunet_side import CONFIGURATION, NnunetSide
from clbench.data.raw import write_case
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.reading import read_task
from clbench.job.assembly import assemble
from clbench.job.export import export
from clbench.job.prepared import Prepared, PreparedTask
from clbench.job.stage import trainee_of
from clbench.plan import Job, Plan
from clbench.run import Places
from clbench.store import Store

SAME = """
name: same
version: 1
title: As many iterations as one of nnU-Net's epochs
extends: mini-organs
sequence: [mini-spleen, mini-lung, mini-liver, mini-kidney]
budget: {epochs: 1, epoch: {iterations: 250}, batch: 2}
protocols:
  continual: {baselines: [finetune]}
"""


class Ours:
    """The benchmark ``same``, planned and carried out by single jobs."""

    def __init__(self, root: Path) -> None:
        """Plan it in a folder of its own."""
        (root / "suite" / "benchmark").mkdir(parents=True)
        (root / "suite" / "benchmark" / "same.yaml").write_text(SAME)
        self.plan: Plan = Places((root / "suite",), root / "store").plan("same")
        self.store = Store(Path(self.plan.store))
        self.file = root / "plan.json"
        self.file.write_text(self.plan.model_dump_json())

    def do(self, job: Job) -> None:
        """Carry out a job as the engine does, in a process of its own."""
        command = [sys.executable, "-m", "clbench", "job", str(self.file), job.id]
        environment = {**os.environ, "CLBENCH_THREADS": "2", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, self.store.job(job.id).log.read_text()[-2000:]

    @property
    def prepared(self) -> dict[str, PreparedTask]:
        """The tasks by name."""
        return Prepared(self.store.job(self.plan.jobs[0].id)).tasks

    @property
    def stages(self) -> list[Job]:
        """From the first to the last."""
        return [self.plan.job(use.job) for use in sorted(self.plan.uses, key=lambda use: use.stage)]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Ours:
    """Data prepared, nothing trained."""
    made = Ours(tmp_path_factory.mktemp("ours"))
    made.do(made.plan.jobs[0])
    return made


@pytest.fixture(scope="module")
def raw_for_nnunet(ours: Ours, tmp_path_factory: pytest.TempPathFactory) -> NnunetSide:
    """The raw cases of all tasks, for nnU-Net."""
    plans = Prepared(ours.store.job(ours.plan.jobs[0].id)).plans
    tasks = tuple(ours.prepared[task] for task in ("mini-spleen", "mini-lung", "mini-liver", "mini-kidney"))
    side = NnunetSide(tmp_path_factory.mktemp("theirs"), tasks, plans)
    side.lay_out()
    return side


@pytest.fixture(scope="module")
def theirs(raw_for_nnunet: NnunetSide) -> NnunetSide:
    """The first task preprocessed by nnU-Net with our plan and split as ours."""
    raw_for_nnunet.clean("preprocessed")
    raw_for_nnunet.plan_and_preprocess()
    raw_for_nnunet.use_our_plan()
    return raw_for_nnunet


def timed(benchmark: Any, work: Callable[[], None], again: Callable[[], None], rounds: int = 3) -> None:
    """Wall time of some rounds, with ``again`` before each; the CPU time of all is noted beside it."""
    before = children_cpu()
    benchmark.pedantic(work, setup=again, rounds=rounds)
    benchmark.extra_info["cpu_seconds"] = (children_cpu() - before) / rounds


def forget(ours: Ours, job: Job, *documents: str) -> None:
    """Have a job do again what these documents say is done."""
    for name in documents:
        (ours.store.job(job.id).path / f"{name}.json").unlink(missing_ok=True)


@pytest.mark.benchmark(group="a preparation: four tasks, sixteen cases each, two processes")
def test_preparation_of_clbench_generating_the_cases_too(
    tmp_path_factory: pytest.TempPathFactory, benchmark: Any
) -> None:
    fresh = [Ours(tmp_path_factory.mktemp("fresh")) for _ in range(3)]

    def prepare_next() -> None:
        made = fresh.pop()
        made.do(made.plan.jobs[0])

    timed(benchmark, prepare_next, lambda: None)


@pytest.mark.benchmark(group="a preparation: four tasks, sixteen cases each, two processes")
def test_preparation_of_nnunet(raw_for_nnunet: NnunetSide, benchmark: Any) -> None:
    side = raw_for_nnunet
    timed(benchmark, side.plan_and_preprocess, lambda: side.clean("preprocessed"))


@pytest.mark.benchmark(group="a stage: 250 iterations, checkpoint, evaluation of its four cases")
def test_stage_of_clbench(ours: Ours, benchmark: Any) -> None:
    first = ours.stages[0]
    timed(benchmark, lambda: ours.do(first), lambda: forget(ours, first, "trained", "result"))


@pytest.mark.benchmark(group="a stage: 250 iterations, checkpoint, evaluation of its four cases")
def test_stage_of_nnunet(theirs: NnunetSide, benchmark: Any) -> None:
    timed(benchmark, theirs.train, lambda: theirs.clean("results"))


@pytest.fixture(scope="module")
def last(ours: Ours) -> Job:
    """The last stage, trained and evaluated."""
    for job in ours.stages:
        ours.do(job)
    return ours.stages[-1]


@pytest.fixture(scope="module")
def model_folders(ours: Ours, last: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each task the last stage's trunk with its head, as nnU-Net keeps models, beside images and references."""
    root, folders = tmp_path_factory.mktemp("models"), {}
    for task, prepared in ours.prepared.items():
        if task not in last.evaluate:
            continue
        folders[task] = root / task
        export(ours.plan, last, ours.store, root / task / "model", task)
        for kind in ("images", "references"):
            (root / task / kind).mkdir()
        for case in prepared.val:
            image = f"{case}_0000.nii"
            (root / task / "images" / image).symlink_to(prepared.raw / "imagesTr" / image)
            raw = nibabel.load(prepared.raw / "labelsTr" / f"{case}.nii")
            merged = (np.asarray(raw.dataobj) > 0).astype(np.uint8)  # one class in each of these tasks
            nibabel.save(nibabel.Nifti1Image(merged, raw.affine), root / task / "references" / f"{case}.nii")
    return folders


@pytest.mark.benchmark(group="an evaluation: four tasks, four cases each, after the last stage")
def test_evaluation_of_clbench(ours: Ours, last: Job, benchmark: Any) -> None:
    timed(benchmark, lambda: ours.do(last), lambda: forget(ours, last, "result"))


@pytest.mark.benchmark(group="an evaluation: four tasks, four cases each, after the last stage")
def test_evaluation_of_nnunet_which_gives_the_same_dice(
    ours: Ours, last: Job, theirs: NnunetSide, model_folders: dict[str, Path], benchmark: Any
) -> None:
    def evaluate_all() -> None:
        for folder in model_folders.values():
            model, out = folder / "model", folder / "predicted"
            theirs.call(
                "nnUNetv2_predict_from_modelfolder", "-i", folder / "images", "-o", out, "-m", model, "-f", 0,
                "--disable_tta", "-device", "cpu",
            )  # fmt: skip
            files = ("-djfile", model / "dataset.json", "-pfile", model / "plans.json")
            theirs.call("nnUNetv2_evaluate_folder", folder / "references", out, *files)

    timed(benchmark, evaluate_all, lambda: None)
    assert dice_of_nnunet(model_folders) == pytest.approx(dice_of_clbench(ours, last), abs=1e-9)


def dice_of_nnunet(folders: dict[str, Path]) -> dict[tuple[str, str], float]:
    """Dice by task and case, from nnU-Net's own summaries; its NaN is two empty masks."""
    found = {}
    for task, folder in folders.items():
        for entry in json.loads((folder / "predicted" / "summary.json").read_text())["metric_per_case"]:
            found[task, Path(entry["prediction_file"]).name.removesuffix(".nii")] = entry["metrics"]["1"]["Dice"]
    return found


def dice_of_clbench(ours: Ours, job: Job) -> dict[tuple[str, str], float]:
    """Dice by task and case, from the job's result."""
    result = ours.store.job(job.id).read("result")
    assert result is not None
    return {(m["task"], m["case"]): m["value"] for m in result["measurements"] if m["metric"] == "dice"}


@pytest.mark.benchmark(group="generation: 112 cases, two processes")
def test_generation(tmp_path_factory: pytest.TempPathFactory, benchmark: Any) -> None:
    catalogue, organs = Catalogue.open(), ("liver", "lung", "spleen", "kidney", "pancreas", "hepaticvessel", "colon")
    cards = [read_task(catalogue.file("task", f"mini-{organ}")).value for organ in organs]
    work = [(card, index) for card in cards for index in range(1, 17)]

    def generate() -> None:
        folder = tmp_path_factory.mktemp("raw")
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(write_case, [folder / card.name for card, _ in work], *zip(*work, strict=True)))

    timed(benchmark, generate, lambda: None)
    benchmark.extra_info["cases"] = len(work)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As a job has it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.benchmark(group="a training step, augmentation included, one thread")
def test_step_of_clbench(ours: Ours, one_thread: None, benchmark: Any) -> None:
    stage = assemble(trainee_of(ours.stages[0], ours.store))[0]
    benchmark.pedantic(lambda: stage._iteration(0), rounds=60, warmup_rounds=5)


@pytest.mark.benchmark(group="a training step, augmentation included, one thread")
def test_step_of_nnunettrainer(
    theirs: NnunetSide, one_thread: None, benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")  # load and augment in this process, so that it is all timed
    for name, folder in theirs.environment.items():
        if name.startswith("nnUNet_"):
            monkeypatch.setenv(name, folder)
    module = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")

    plans = json.loads((theirs.preprocessed / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    description = json.loads((theirs.preprocessed / "dataset.json").read_text())
    trainer = module.nnUNetTrainer(plans, CONFIGURATION, 0, description, torch.device("cpu"))
    trainer.on_train_start()
    benchmark.pedantic(
        lambda: trainer.train_step(next(trainer.dataloader_train)), rounds=60, warmup_rounds=5
    )
