"""Our batched sliding window is nnU-Net's predictor, and an exported stage is predicted by nnU-Net itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clbench.evaluation.sliding_window import predict_logits
from clbench.job.evaluate import load_network
from clbench.job.export import export
from clbench.job.predict import predict_case
from clbench.job.stage import trainee_of
from clbench.nnunet.loader import CaseLibrary
from clbench.nnunet.reading import reader_of


def finetuned(run):
    return trainee_of(run.jobs("finetune")[-1], run.store)


def stock_predictor(folder: Path, mirror: bool):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), perform_everything_on_device=False,
                                allow_tqdm=False)  # fmt: skip
    predictor.initialize_from_trained_model_folder(str(folder), (0,), "checkpoint_final.pth")
    return predictor


def both_logits(run, mirror: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Ours and nnUNetPredictor's logits of an image that is larger than the patch on two axes, smaller on one."""
    trainee = finetuned(run)
    network, parts = load_network(trainee, "checkpoint_final"), trainee.parts("mini-kidney")
    network = network.to(memory_format=torch.contiguous_format)
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 21, 30, 14)).astype(np.float32))
    theirs = stock_predictor(trainee.folder.path / "model", mirror).predict_sliding_window_return_logits(image)

    def forward(tiles):
        with torch.inference_mode():
            return network.logits("mini-kidney", network.features(tiles)[:1])[0]

    axes = (0, 1, 2) if mirror else ()
    return predict_logits(forward, image, parts.configuration.patch_size, 2, axes, together=4), theirs


@pytest.mark.parametrize("mirror", [False, True])
def test_logits_equal_nnunetpredictors_within_1e_4_when_both_sum_in_float32(tiny_run, monkeypatch, mirror):
    """nnU-Net sums tiles in ``torch.half``; so do we, and rounding would hide what is compared."""
    monkeypatch.setattr(torch, "half", torch.float32)
    ours, theirs = both_logits(tiny_run, mirror)
    assert ours.shape == theirs.shape == (2, 21, 30, 14)
    assert float((ours - theirs).abs().max()) <= 1e-4


def test_logits_as_shipped_differ_from_nnunetpredictors_by_no_more_than_float16_rounding(tiny_run):
    ours, theirs = (logits.float() for logits in both_logits(tiny_run, mirror=False))
    assert float((ours - theirs).abs().mean()) <= 1e-4
    assert float((ours - theirs).abs().max()) <= 2 * 2.0**-11 * float(theirs.abs().max())


def test_exported_stage_is_predicted_by_unmodified_nnunetv2_with_the_same_masks_as_ours(tiny_run, tmp_path):
    trainee = finetuned(tiny_run)
    task = trainee.prepared.tasks["mini-liver"]  # an earlier task's head on the last trunk
    model = tmp_path / "model"
    assert export(tiny_run.plan, trainee.job, tiny_run.store, model, "mini-liver") == "mini-liver"
    shutil.copytree(task.raw / "imagesTr", tmp_path / "in", ignore=lambda _, names: [
        n for n in names if not n.startswith(task.val[0])])  # fmt: skip
    predict_with_nnunet(tmp_path / "in", tmp_path / "out", model)
    file = str(tmp_path / "out" / f"{task.val[0]}.nii")
    theirs = reader_of(task.dataset_json).read_seg(file)[0][0]
    network = load_network(trainee, "checkpoint_final")
    data, _, _, properties = CaseLibrary({"mini-liver": task.preprocessed}).load_case(("mini-liver", task.val[0]))
    parts = trainee.parts("mini-liver")
    ours = predict_case(network, parts, "mini-liver", data, properties, trainee.spec.mirror)
    assert ours.shape == theirs.shape
    assert ours.any()
    np.testing.assert_array_equal(ours, theirs)


def predict_with_nnunet(images: Path, output: Path, model: Path) -> None:
    command = Path(sys.executable).with_name("nnUNetv2_predict_from_modelfolder")
    folders = {name: str(output) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    words = [command, "-i", images, "-o", output, "-m", model, "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1"]
    done = subprocess.run([str(w) for w in words], env={**os.environ, **folders, "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_another_tasks_head_gives_another_mask(tiny_run):
    trainee = finetuned(tiny_run)
    network = load_network(trainee, "checkpoint_final")
    features = network.features(torch.randn(1, 1, 16, 16, 16))
    liver, kidney = (network.logits(task, features[:1])[0] for task in ("mini-liver", "mini-kidney"))
    assert not torch.equal(liver, kidney)
