"""A plans file of nnU-Net that a backbone takes its plan from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.plan_choice import NEEDED
from clbench.definitions.resolve import resolve
from clbench.plan.expand import make_plan

BENCHMARK = """
extends: ci
name: x
version: 1
title: x
backbone: {configuration: 3d_fullres, plans: {file: plans.json}, mirror: false}
"""


def seeds() -> Iterable[bytes]:
    """What is asked of one, and its network."""
    network = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {"n_stages": 3, "features_per_stage": [4, 8, 8], "kernel_sizes": [[3, 3, 3]] * 3,
                        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "n_conv_per_stage": [2, 2, 2],
                        "n_conv_per_stage_decoder": [2, 2]},
    }  # fmt: skip
    configuration = {"patch_size": [16, 16, 16], "batch_size": 2, "spacing": [12, 12, 12], "architecture": network}
    yield json.dumps({**{key: [0, 1, 2] for key in NEEDED}, "configurations": {"3d_fullres": configuration}}).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench plan`` does."""
    (folder / "plans.json").write_bytes(data)
    (folder / "x.yaml").write_text(BENCHMARK)
    make_plan(resolve(folder / "x.yaml", Catalogue.open()), folder / "store", {})
