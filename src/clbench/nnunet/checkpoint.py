"""Checkpoints that the unmodified ``nnUNetPredictor`` and ``nnUNetv2_predict`` open."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch

from clbench.nnunet.parts import NnunetParts
from clbench.readers import chosen_reader
from clbench.store import digest, write_atomic

Weights = dict[str, torch.Tensor]
MIRROR_AXES = (0, 1, 2)
PLAN = "plan_sha256"
"""Key of the digest of the plan that a checkpoint's network was made by; nnU-Net ignores it."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values by rename, so that a reader never sees half of them."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read what ``save`` wrote, onto the CPU, without running any code from the file."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def write_model(
    folder: Path,
    name: str,
    parts: NnunetParts,
    weights: Weights,
    optimizer: dict[str, Any],
    scaler: dict[str, Any],
    epoch: int,
    mirror: bool,
    extra: dict[str, Any],
) -> list[str]:
    """Write an nnU-Net model folder with one checkpoint.

    Args:
        folder: gets ``plans.json``, ``dataset.json`` and ``fold_0/<name>.pth``.
        name: ``checkpoint_final``, or another name for a snapshot.
        parts: the plan and the task the network's own segmentation layers belong to.
        weights: the network's full state dict under nnU-Net's keys.
        optimizer: the optimiser's state dict.
        scaler: the gradient scaler's; empty where there was none at work.
        epoch: epochs trained.
        mirror: whether inference may mirror.
        extra: more keys, which nnU-Net ignores.

    Returns:
        The files written, relative to ``folder``.
    """
    plans = parts.plans | {"image_reader_writer": chosen_reader(parts.dataset_json)}  # tasks may differ in it
    checkpoint = {
        "network_weights": weights,
        "optimizer_state": optimizer,
        "grad_scaler_state": scaler or None,
        "logging": {},
        "_best_ema": None,
        "current_epoch": epoch,
        "init_args": {
            "plans": plans,
            "configuration": parts.configuration_name,
            "fold": 0,
            "dataset_json": parts.dataset_json,
            "device": parts.device,
        },
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": MIRROR_AXES if mirror else None,
        PLAN: digest(parts.plans),
        **extra,
    }
    save(folder / "fold_0" / f"{name}.pth", checkpoint)
    write_atomic(folder / "plans.json", json.dumps(plans, indent=1).encode())
    write_atomic(folder / "dataset.json", json.dumps(parts.dataset_json, indent=1).encode())
    return [f"fold_0/{name}.pth", "plans.json", "dataset.json"]
