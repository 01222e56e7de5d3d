"""One thread, as a job has, and a stage's context without a stage."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clbench.methods.base import Context, Method
from clbench.network.batch import Batch, Key
from clbench.network.heads import Layout, MultiHeadNetwork
from clbench.network.losses import stage_loss
from clbench.training.deck import Deck
from clbench.training.stage import Schedule, Stage
from clbench.training.supply import Supply


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


class SmallUNet(nn.Module):
    """A trunk of nnU-Net's kind with two scales: strided, transposed and plain convolutions, norm layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.InstanceNorm3d(3, affine=True), nn.LeakyReLU())
        self.coarse = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3), 2, (0, 1, 1)), nn.LeakyReLU())
        self.up = nn.ConvTranspose3d(4, 3, 2, 2)
        self.last = nn.Sequential(nn.Conv3d(6, 4, 3, padding=1), nn.LeakyReLU())
        self.decoder = nn.Module()
        self.decoder.seg_layers = nn.ModuleList([nn.Conv3d(4, 3, 1), nn.Conv3d(4, 3, 1)])

    def forward(self, data: torch.Tensor) -> list[torch.Tensor]:
        fine = self.fine(data)
        coarse = self.coarse(fine)
        last = self.last(torch.cat([fine, self.up(coarse)], 1))
        return [self.decoder.seg_layers[1](last), self.decoder.seg_layers[0](coarse)]


class CrossEntropy(nn.Module):
    """Summed over the scales."""

    def forward(self, logits: Sequence[torch.Tensor], target: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([F.cross_entropy(z, t[:, 0].long()) for z, t in zip(logits, target, strict=True)]).sum()


@dataclass(frozen=True)
class Trial:
    """A stage on a small network, ready for a method.

    Attributes:
        network: trunk and heads of the tasks so far.
        context: what a method is given.
        load: makes batches of random patches; the same ones of a case, but for noise from NumPy's global generator.
    """

    network: MultiHeadNetwork
    context: Context
    load: Callable[[Sequence[Key]], Batch]

    def begin(self, method: Method, **options: float) -> Stage:
        """Tell a method of the stage, and give its training: SGD with momentum and weight decay."""
        np.random.seed(2)
        method.begin_stage(self.context)
        rates = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, **options}
        schedule = Schedule(2, 3, self.context.batch, warmup=0, **rates)
        deck = Deck({self.context.task: self.context.cases[self.context.task]}, [0])
        np.random.seed(1)
        return Stage(self.network, CrossEntropy(), schedule, method, deck, Supply(self.load), torch.device("cpu"))

    def trained(self, method: Method) -> dict[str, torch.Tensor]:
        """The network's weights after two epochs of three steps."""
        stage = self.begin(method)
        for _ in range(stage.schedule.epochs):
            stage.train_epoch()
        return {name: value.clone() for name, value in self.network.state_dict().items()}


@pytest.fixture
def trial(stage: Callable[..., Context]) -> Callable[..., Trial]:
    """Makes a stage of task ``c`` after ``a`` and ``b``, four cases each; always with the same weights and data."""

    def make(layout: Layout = "own", dtype: torch.dtype = torch.float32, **given: Any) -> Trial:
        torch.manual_seed(0)
        tasks = ("a", "b", "c")
        network = MultiHeadNetwork(SmallUNet(), layout)
        for task in tasks if layout != "shared" else tasks[:1]:
            narrow = layout == "joined" and task != "a"
            weights = {k: v[1:] if narrow else v for k, v in network.first_head.items()}
            shaken = {k: v + 0.1 * torch.randn(v.shape) for k, v in weights.items()}
            network.add_head(task, shaken, frozen=layout == "own" and task != "c")
        network.to(dtype)

        def load(keys: Sequence[Key]) -> Batch:
            rngs = [np.random.default_rng(zlib.crc32("/".join(key).encode())) for key in keys]
            data = np.stack([rng.normal(size=(1, 8, 8, 8)) for rng in rngs])
            fine = torch.tensor(np.stack([rng.integers(0, 3, (1, 8, 8, 8)) for rng in rngs]))
            noise = 0.1 * np.random.normal(size=data.shape)
            batch = Batch(torch.tensor(data + noise, dtype=dtype), (fine, fine[..., ::2, ::2, ::2]), tuple(keys))
            shift = {task: 2 * i if layout == "joined" else 0 for i, task in enumerate(tasks)}
            return batch.in_classes(shift)

        fields: dict[str, Any] = {
            "network": network, "task": "c", "earlier": ("a", "b"), "batches": load, "patches": load,
            "cases": {task: tuple(f"{task}{i}" for i in range(4)) for task in tasks}, "iterations": 6,
            "epoch_iterations": 3, "lr": 0.05, "momentum": 0.9,
            "task_loss": lambda batch, output: stage_loss(CrossEntropy(), network, output, batch, False),
        }  # fmt: skip
        return Trial(network, stage(network.shared_parameters(("a", "b")), **{**fields, **given}), load)

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
