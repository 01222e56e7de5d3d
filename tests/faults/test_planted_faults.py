"""``clbench reproduce ci`` on one seed finds planted faults and names the method, and passes an unchanged tree.

Under portable arithmetic it compares bits; under native arithmetic, with kernels that the reference was not computed
with, it begins every stage at the reference's networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from faults.conftest import Checkout

EVERY = {"from-scratch", "finetune", "ewc", "blip", "lwf", "replay"}
"""All with several stages; joint training has one, which the certificate judges by its wide tolerance alone."""
FAULTS = {
    "EWC, strength + 10 %": ("baselines/ewc.yaml", "strength: 0.03,", "strength: 0.033,", {"ewc"}),
    "LwF, strength + 5 %": ("baselines/lwf.yaml", "strength: 0.6,", "strength: 0.63,", {"lwf"}),
    "BLIP, 4.4 bits for 4.5": ("baselines/blip.yaml", "target_bits: 4.5,", "target_bits: 4.4,", {"blip"}),
    "learning rate + 1 %": ("benchmark/mini-organs.yaml", "lr: 0.2,", "lr: 0.202,", EVERY),
    "weight decay off": ("benchmark/mini-organs.yaml", "warmup: 20}", "warmup: 20, weight_decay: 0}", EVERY),
    "one augmentation left out": (
        "src/clbench/nnunet/parts.py", "        _fix_blur(transforms)\n        return",
        "        _fix_blur(transforms)\n        transforms.transforms = [one for one in transforms.transforms if "
        "type(getattr(one, 'transform', None)).__name__ != 'GaussianNoiseTransform']\n        return", EVERY,
    ),
    "evaluation without mirroring": (
        "src/clbench/job/predict.py", "MIRROR_AXES if mirror else ()", "()",
        {"finetune", "ewc", "blip", "lwf", "replay"},
    ),
}  # fmt: skip
KERNELS = {
    "AVX-512 or the best there is": {},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "no SIMD": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
NATIVE = {"CLBENCH_ARITHMETIC": "native", **KERNELS["AVX2"]}


def drifted(printed: str) -> set[str]:
    """The baselines whose numbers drifted."""
    return set(re.findall(r"^(\S+) .* drifted ", printed, re.MULTILINE))


def test_an_unchanged_tree_comes_out_to_the_bit(checkout: Callable[..., Checkout]) -> None:
    done = checkout("portable").reproduce()
    assert done.code == 0, done.out
    assert "compared to the bit (same versions, same arithmetic)" in done.out


@pytest.mark.parametrize("kernels", KERNELS)
def test_an_unchanged_tree_passes_with_other_kernels(checkout: Callable[..., Checkout], kernels: str) -> None:
    done = checkout(kernels, CLBENCH_ARITHMETIC="native", **KERNELS[kernels]).reproduce()
    assert done.code == 0, done.out
    assert not drifted(done.out)


@pytest.mark.parametrize("variables", [{}, NATIVE], ids=["portable", "native"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_the_method_named(
    checkout: Callable[..., Checkout], fault: str, variables: dict[str, str]
) -> None:
    file, old, new, methods = FAULTS[fault]
    tree = checkout("AVX2" if variables else "portable", **variables)
    tree.change(file, old, new)
    done = tree.reproduce()
    assert done.code == 1, done.out
    found = drifted(done.out)
    assert found == methods if len(methods) == 1 else found >= methods, done.out
