"""A training step gives the same bits whatever the caches and the vendor of an x86-64 processor with AVX2.

Other processors are this one, told of other caches and another vendor at run time: see ``cache_stub.py``.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from machine import clean_environment
from portability.cache_stub import CACHES

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell", "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}  # fmt: skip
LAYERS = ["48->96 @20", "64->128 @16", "128->256 @12", "256->320 @8", "320->320 @8"]
WORKLOADS = ["embedded", "wide", "wide, residual", *LAYERS]
PLAIN = ["wide, plain", *(f"{layer}, plain" for layer in LAYERS)]
SIZES = [f"{l1}/{l2} KB" for l1, l2 in CACHES]
VENDORS = ["Intel", "another vendor"]


def has_avx2() -> bool:
    """Whether this is a Linux on x86-64 with AVX2 and FMA."""
    information = Path("/proc/cpuinfo")
    known = platform.machine() == "x86_64" and information.exists()
    return known and {"avx2", "fma"} <= set(information.read_text().split())


pytestmark = pytest.mark.skipif(not has_avx2(), reason="portable arithmetic needs Linux on x86-64 with AVX2 and FMA")


def hashes(asked: dict[str, list[str]], environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What ``hashes.py`` prints; skips the test where this build of torch can't be told of another processor."""
    script = Path(__file__).with_name("hashes.py")
    found = json.loads(subprocess.check_output([sys.executable, script, json.dumps(asked)], env=environment))
    for processor, each in found.items():
        if "missing" in each:
            pytest.skip(f"torch can't be told of {processor}: {each['missing']}")
    return found


@pytest.fixture(scope="module")
def portable() -> dict[str, str]:
    """The environment of portable arithmetic."""
    return clean_environment() | PORTABLE


@pytest.fixture(scope="module")
def by_caches(portable: dict[str, str]) -> dict[str, dict[str, str]]:
    """All workloads on this processor and on eight with other caches, plain ones on two of them."""
    here = {"this one": WORKLOADS}
    return hashes(here | {size: WORKLOADS + PLAIN * (size in SIZES[:4]) for size in SIZES}, portable)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_size_of_cache_changes_a_bit(by_caches, workload):
    assert len(by_caches) == 9
    assert {each[workload] for each in by_caches.values()} == {by_caches["this one"][workload]}


@pytest.mark.parametrize("workload", PLAIN)
def test_without_the_composed_gradient_the_same_sizes_do_change_bits(by_caches, workload):
    assert len({each[workload] for each in by_caches.values() if workload in each}) > 1


def test_no_vendor_changes_a_bit_where_mkl_left_alone_computes_otherwise(portable):
    left_alone = {name: value for name, value in portable.items() if name != "MKL_CBWR"}
    found = hashes({vendor: ["embedded"] for vendor in VENDORS}, left_alone)
    if found["Intel"] == found["another vendor"]:
        pytest.skip("on this processor MKL has the same code for all vendors")
    found = hashes({processor: ["embedded"] for processor in ("this one", *VENDORS)}, portable)
    assert len({each["embedded"] for each in found.values()}) == 1
