"""nnU-Net's network, loss, augmentation and schedule for one plan, as ``nnUNetTrainer`` itself makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager, determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from clbench.network.strided import make_portable


class _TrainerParts(nnUNetTrainer):  # type: ignore[misc]
    """``nnUNetTrainer`` without its constructor, which would bind it to one dataset and write folders."""

    def __init__(self, configuration: ConfigurationManager, labels: LabelManager, device: torch.device) -> None:
        self.configuration_manager = configuration
        self.label_manager = labels
        self.device = device
        self.enable_deep_supervision = True
        self.is_ddp = False

    def print_to_log_file(self, *words: object, **options: object) -> None:
        """Say nothing: clbench keeps its own log."""


@dataclass(frozen=True)
class NnunetParts:
    """Everything that a stage takes from nnU-Net.

    Attributes:
        plans: the shared plan, with exactly one configuration.
        dataset_json: description of one task's raw dataset.
        device: where the stage trains.
    """

    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def plans_manager(self) -> PlansManager:
        """nnU-Net's view of the plan."""
        return PlansManager(self.plans)

    @cached_property
    def configuration_name(self) -> str:
        """The plan's one configuration, ``3d_fullres`` or ``3d_lowres``."""
        (name,) = self.plans["configurations"]
        return str(name)

    @cached_property
    def configuration(self) -> ConfigurationManager:
        """nnU-Net's view of the configuration."""
        return self.plans_manager.get_configuration(self.configuration_name)

    @cached_property
    def labels(self) -> LabelManager:
        """nnU-Net's view of the task's labels."""
        return self.plans_manager.get_label_manager(self.dataset_json)

    @cached_property
    def _trainer(self) -> _TrainerParts:
        return _TrainerParts(self.configuration, self.labels, self.device)

    def network(self) -> nn.Module:
        """A freshly initialised network (He), with deep supervision and this task's segmentation layers.

        On a CPU its wide strided convolutions are ``StridedConv3d``, under the same names and with the same weights.
        """
        channels = determine_num_input_channels(self.plans_manager, self.configuration, self.dataset_json)
        outputs = self.labels.num_segmentation_heads
        network: nn.Module = nnUNetTrainer.build_network_architecture(
            self.plans_manager, self.configuration, channels, outputs, True
        )
        if self.device.type == "cpu":
            make_portable(network)
        return network

    def loss(self, ignored: int | None = None) -> nn.Module:
        """Dice and cross-entropy under nnU-Net's deep-supervision weights.

        It says of itself, in ``averages_patches``, whether it is the mean of its patches' losses: batch Dice is
        not, nor is a mean over the voxels that count, where patches have differently many.

        Args:
            ignored: the label, one above the last class, of voxels that count for nothing; None if there is none.
        """
        trainer = self._trainer
        if ignored is not None:
            names = ("background", *(f"class{number}" for number in range(1, ignored)), "ignore")
            numbered = {name: number for number, name in enumerate(names)}
            labels = self.plans_manager.get_label_manager({**self.dataset_json, "labels": numbered})
            trainer = _TrainerParts(self.configuration, labels, self.device)
        built = trainer._build_loss()
        built.averages_patches = not self.configuration.batch_dice and trainer.label_manager.ignore_label is None
        loss: nn.Module = built
        return loss

    @property
    def compiles(self) -> bool:
        """Whether nnU-Net would compile the network here: on CUDA, unless ``nnUNet_compile`` says no."""
        return bool(self._trainer._do_i_compile())

    def augmentation(self, mirror: bool) -> tuple[BasicTransform, tuple[int, ...]]:
        """nnU-Net's training transforms and the patch size it loads before it rotates and scales.

        ``GaussianBlurTransform(benchmark=True)`` times two algorithms and keeps the faster, so that a busy
        machine trains other weights; the timing is switched off.
        """
        trainer = self._trainer
        rotation, dummy_2d, initial, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        transforms = nnUNetTrainer.get_training_transforms(
            self.configuration.patch_size,
            rotation,
            trainer._get_deep_supervision_scales(),
            axes if mirror else (),
            dummy_2d,
            use_mask_for_norm=self.configuration.use_mask_for_norm,
            foreground_labels=self.labels.foreground_labels,
        )
        _fix_blur(transforms)
        return transforms, tuple(int(i) for i in initial)

    def plain_transforms(self) -> BasicTransform:
        """nnU-Net's validation transforms: no augmentation, targets for every deep-supervision scale."""
        return nnUNetTrainer.get_validation_transforms(self._trainer._get_deep_supervision_scales())


def _fix_blur(transform: object) -> None:
    if isinstance(transform, GaussianBlurTransform):
        transform.benchmark = False
    for child in (*getattr(transform, "transforms", ()), getattr(transform, "transform", None)):
        if child is not None:
            _fix_blur(child)
