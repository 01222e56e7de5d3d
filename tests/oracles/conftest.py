"""One thread, as a job has, and a stage's context without a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from clbench.methods.base import Context


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tensors here are small; threads that wait for each other take twenty times as long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stage() -> Callable[..., Context]:
    """Makes the context of a stage that trains these parameters; evidence is taken at its last step alone."""

    def make(trunk: dict[str, torch.nn.Parameter], **given: Any) -> Context:
        fields: dict[str, Any] = {
            "network": None, "task": "b", "earlier": ("a",), "cases": {"a": ("case",)}, "patches": None,
            "batches": None, "task_loss": None, "memory": None,
            "iterations": 10, "epoch_iterations": given.get("iterations", 10), "batch": 2, "lr": 0.1, "momentum": 0.0,
            "rng": np.random.default_rng(0),
        }  # fmt: skip
        return Context(trunk=trunk, **{**fields, **given})

    return make


@pytest.fixture
def joined() -> Callable[..., Any]:
    """Makes a small nnU-Net network with joined heads, random ones, of so many classes per task."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    from clbench.network.heads import MultiHeadNetwork

    def unet(channels: int) -> PlainConvUNet:
        return PlainConvUNet(
            1, 3, (4, 6, 8), torch.nn.Conv3d, 3, (1, 2, 2), 1, channels, 1, conv_bias=True,
            norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=torch.nn.LeakyReLU,
            deep_supervision=True,
        )  # fmt: skip

    def make(**classes: int) -> Any:
        torch.manual_seed(0)
        network = MultiHeadNetwork(unet(2), "joined")
        for task, count in classes.items():
            channels = count if network.heads else count + 1
            weights = {f"{i}.weight": torch.randn(channels, (6, 4)[i], 1, 1, 1) for i in range(2)}
            weights |= {f"{i}.bias": torch.randn(channels) for i in range(2)}
            network.add_head(task, weights, frozen=False)
        return network

    make.unet = unet  # type: ignore[attr-defined]
    return make


@pytest.fixture
def nnunet_loss() -> Callable[..., torch.nn.Module]:
    """Makes nnU-Net's loss over two scales."""
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    def make(ignored: int | None = None, dice: float = 1.0) -> torch.nn.Module:
        options = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
        loss = DC_and_CE_loss(
            options, {}, weight_dice=dice, ignore_label=ignored, dice_class=MemoryEfficientSoftDiceLoss
        )
        return DeepSupervisionWrapper(loss, [2 / 3, 1 / 3])

    return make
