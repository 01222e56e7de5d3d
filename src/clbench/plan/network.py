"""Parameters and work of nnU-Net's plain U-Net, counted from its plan; torch is not needed for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

Triple = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A ``PlainConvUNet`` as a plan describes it, on one patch.

    Attributes:
        patch: voxels per axis.
        features: channels per stage, the finest first.
        strides: of each stage's first convolution, per axis.
        kernels: of each stage's convolutions, per axis.
        convolutions: per stage of the encoder.
        decoding: convolutions per stage of the decoder, the coarsest first.
        classes: outputs, background included.
    """

    patch: Triple
    features: Triple
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    convolutions: Triple
    decoding: Triple
    classes: int = 2

    @classmethod
    def planned(cls, configuration: dict[str, Any]) -> Self:
        """From one configuration of nnU-Net's plans."""
        arch = configuration["architecture"]["arch_kwargs"]
        return cls(
            tuple(configuration["patch_size"]), tuple(arch["features_per_stage"]), _triples(arch["strides"]),
            _triples(arch["kernel_sizes"]), tuple(arch["n_conv_per_stage"]), tuple(arch["n_conv_per_stage_decoder"]),
        )  # fmt: skip

    @classmethod
    def nominal(cls, patch: Sequence[int] | None = None, features: Sequence[int] | None = None) -> Self:
        """nnU-Net's usual one, 128 voxels a side and six stages, but for what is given."""
        features = tuple(features or (32, 64, 128, 256, 320, 320))
        stages = len(features)
        return cls(
            tuple(patch or (128, 128, 128)), features, ((1, 1, 1), *[(2, 2, 2)] * (stages - 1)),
            ((3, 3, 3),) * stages, (2,) * stages, (2,) * (stages - 1),
        )  # fmt: skip

    @property
    def parameters(self) -> int:
        """Weights and biases, a head for ``classes`` at every scale included."""
        norms = sum(2 * outputs for kind, _, outputs, _, _ in self._layers() if kind == "convolution")
        return norms + sum(
            (inputs * kernel + 1) * outputs for _, inputs, outputs, kernel, _ in self._layers()
        )

    @property
    def forward_flop(self) -> float:
        """Multiplications and additions of the convolutions in a forward pass of one patch."""
        work = (inputs * outputs * kernel * voxels for _, inputs, outputs, kernel, voxels in self._layers())
        return 2.0 * sum(work)

    @property
    def voxels(self) -> int:
        """Of a patch."""
        return math.prod(self.patch)

    def _layers(self) -> Iterator[tuple[str, int, int, int, float]]:
        """Kind, channels in and out, kernel volume, and how often the kernel is applied."""
        sizes = self._sizes()
        inputs = 1
        for stage, outputs in enumerate(self.features):
            for _ in range(self.convolutions[stage]):
                yield "convolution", inputs, outputs, math.prod(self.kernels[stage]), sizes[stage]
                inputs = outputs
        for step, stage in enumerate(reversed(range(len(self.features) - 1))):
            fine, coarse = self.features[stage], self.features[stage + 1]
            yield "transposed", coarse, fine, math.prod(self.strides[stage + 1]), sizes[stage + 1]
            for number in range(self.decoding[step]):
                doubled = fine * (1 + (number == 0))
                yield "convolution", doubled, fine, math.prod(self.kernels[stage]), sizes[stage]
            yield "head", fine, self.classes, 1, sizes[stage]

    def _sizes(self) -> list[int]:
        """Voxels of each stage's output."""
        sizes, patch = [], self.patch
        for stride in self.strides:
            patch = tuple(math.ceil(size / step) for size, step in zip(patch, stride, strict=True))
            sizes.append(math.prod(patch))
        return sizes


def _triples(rows: Sequence[Sequence[int]]) -> tuple[Triple, ...]:
    return tuple(tuple(row) for row in rows)
