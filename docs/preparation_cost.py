"""What preparation costs: `preparation_cost.py memory` and `preparation_cost.py speed [CASES] [PROCESSES]`.

``memory`` prepares and evaluates one case of 512 x 512 x 400 voxels whose plan asks for resampling and prints the
peak of each process. ``speed`` prepares CASES cases of 512 x 512 x 100 with clbench and with nnU-Net's own
``nnUNetv2_plan_and_preprocess``, both with PROCESSES processes, and prints CPU and wall time of both.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np

from clbench.data.dataset import RawCase, RawDataset
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import MsdSource, Resolved, TaskCard
from clbench.definitions.resolve import resolve
from clbench.job.prepare import prepare
from clbench.plan import Plan
from clbench.plan.expand import make_plan
from clbench.store import Store

BENCHMARK = """
name: large
version: 1
title: Large cases
scenario: task-incremental
sequence: [mini-spleen]
backbone: {{configuration: 3d_fullres{backbone}}}
budget: {{epochs: 1, epoch: {{iterations: 1}}}}
protocols: {{from-scratch: {{}}}}
seeds: [0]
"""
SOURCE = MsdSource(kind="msd", folder="Dataset001_Large", url="-", md5="0" * 32, licence="-")


def write_case(folder: Path, name: str, shape: tuple[int, int, int], spacing: tuple[float, ...]) -> RawCase:
    """A body of noise with an organ and one tumour in it, stored as hospitals do: int16, compressed."""
    x, y, z = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    rng = np.random.default_rng(len(name) + int(name[-3:]))
    image = rng.integers(-40, 40, shape, dtype=np.int16)
    body = (x[:, None, None] ** 2 + y[None, :, None] ** 2) < 0.8
    image[~np.broadcast_to(body, shape)] -= 1000
    label = np.zeros(shape, dtype=np.uint8)
    for number, (centre, radius) in enumerate((((0.2, 0.1, 0.0), 0.3), ((0.25, 0.1, 0.05), 0.06)), start=1):
        squares = [(axis - c) ** 2 for axis, c in zip((x, y, z), centre, strict=True)]
        inside = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] < radius**2
        image[inside], label[inside] = image[inside] + 60 * number, number
    case = RawCase(name, (folder / "imagesTr" / f"{name}_0000.nii.gz",), folder / "labelsTr" / f"{name}.nii.gz")
    for file, array in ((case.images[0], image), (case.label, label)):
        file.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), file)
    return case


def write_dataset(folder: Path, slices: list[int]) -> RawDataset:
    """A case for each number of slices; every other one has thicker ones than the plan, so that it is resampled."""
    written = [
        write_case(folder, f"case_{i:03d}", (512, 512, number), (0.8, 0.8, 2.5 + i % 2))
        for i, number in enumerate(slices)
    ]
    labels = {"background": 0, "organ": 1, "tumour": 2}
    description = {
        "channel_names": {"0": "CT"}, "labels": labels, "numTraining": len(slices), "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "NibabelIO",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(description))
    return RawDataset(folder, tuple(written), "m")


def plan_of(dataset: RawDataset, root: Path, backbone: str = "") -> Plan:
    """A benchmark of this one dataset, of which the tumour is learnt."""
    (root / "suite" / "benchmark").mkdir(parents=True)
    (root / "suite" / "benchmark" / "large.yaml").write_text(BENCHMARK.format(backbone=backbone))
    resolved: Resolved = resolve("large", Catalogue.open((root / "suite",)))
    card: TaskCard = resolved.tasks["mini-spleen"]
    labels = {"labels": {"tumour": (2,)}, "original_labels": {"organ": 1, "tumour": 2}}
    changes = {**labels, "source": SOURCE, "cases": None}
    resolved.tasks["mini-spleen"] = card.model_copy(update=changes)
    return make_plan(resolved, root / "store", {"mini-spleen": dataset})


def prepare_here(plan: Plan, processes: int) -> None:
    """Carry the preparation out."""
    folder = Store(Path(plan.store)).job(plan.jobs[0].id)
    folder.path.mkdir(parents=True, exist_ok=True)
    prepare(plan.jobs[0], folder, processes)


def memory(root: Path) -> None:
    """Peak of the process that prepares a full-size case, and of one that evaluates it."""
    plan = plan_of(write_dataset(root / "Dataset001_Large", [100, 400]), root, ", spacing: [3.4, 0.82, 0.82]")
    command = [sys.executable, __file__, "evaluate-only", str(root), plan.jobs[0].id]
    prepare_here(plan, 1)
    print(f"preparing one case of 512 x 512 x 400: {_peak(resource.RUSAGE_CHILDREN):.1f} GB")
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 2**20


def evaluate(root: Path, job: str) -> None:
    """Predict and measure the reported case with a network of one convolution: its own memory is not the point."""
    import torch

    from clbench.evaluation.metrics import measure_case
    from clbench.evaluation.sliding_window import predict_logits
    from clbench.job.prepared import Prepared
    from clbench.nnunet.loader import CaseLibrary
    from clbench.nnunet.parts import NnunetParts
    from clbench.nnunet.prediction import to_native

    torch.set_num_threads(1)
    prepared = Prepared(Store(root / "store").job(job))
    task = prepared.tasks["mini-spleen"]
    parts = NnunetParts(prepared.plans, task.dataset_json)
    data, _, _, properties = CaseLibrary({"t": task.preprocessed}).load_case(("t", task.val[0]))
    network = torch.nn.Conv3d(1, 2, 1)
    image = torch.from_numpy(np.asarray(data[:]))
    logits = predict_logits(network, image, parts.configuration.patch_size, 2, (), 4)
    labels = to_native(logits, parts, properties)
    measure_case(labels, task.reference_label(task.val[0]), task.labels, 1.0)
    print(f"evaluating it: {_peak(resource.RUSAGE_SELF):.1f} GB")


def speed(root: Path, cases: int, processes: int) -> None:
    """CPU and wall time of clbench and of nnU-Net for the same cases."""
    dataset = write_dataset(root / "raw" / "Dataset001_Large", [100] * cases)
    plan = plan_of(dataset, root)
    folders = {f"nnUNet_{name}": str(root / name) for name in ("raw", "preprocessed", "results")}
    numbers = ["-npfp", str(processes), "-np", str(processes)]
    words = [Path(sys.executable).with_name("nnUNetv2_plan_and_preprocess"), "-d", "1", "-c", "3d_fullres", *numbers]
    environment = {**os.environ, **folders, "OMP_NUM_THREADS": "1", "nnUNet_n_proc_DA": "1"}
    for name, work in (
        ("nnU-Net", lambda: subprocess.run(words, check=True, env=environment, capture_output=True)),
        ("clbench", lambda: prepare_here(plan, processes)),
    ):
        cpu, wall = _cpu(), time.perf_counter()
        work()
        print(f"{name}: {_cpu() - cpu:.0f} s CPU, {time.perf_counter() - wall:.0f} s wall", flush=True)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    if sys.argv[1] == "evaluate-only":
        evaluate(Path(sys.argv[2]), sys.argv[3])
    else:
        with tempfile.TemporaryDirectory() as scratch:
            if sys.argv[1] == "memory":
                memory(Path(scratch))
            else:
                speed(Path(scratch), *(int(word) for word in (*sys.argv[2:], *("20", "2")[len(sys.argv) - 2 :])))
