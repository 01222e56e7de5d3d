"""A training step gives the same bits whatever the caches and the vendor of an x86-64 processor with AVX2.

Other processors are this one, told of other caches and another vendor at run time: see ``cache_stub.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clbench.arithmetic import SETTINGS, why_native
from clbench.execute.client import ONE_THREAD
from clbench.processor import processor
from machine import clean_environment
from portability.cache_stub import CACHES

LAYERS = ["48->96 @20", "64->128 @16", "128->256 @12", "256->320 @8", "320->320 @8"]
WORKLOADS = ["embedded", "wide", "wide, residual", *LAYERS]
PLAIN = ["wide, plain", *(f"{layer}, plain" for layer in LAYERS)]
SIZES = [f"{l1}/{l2} KB" for l1, l2 in CACHES]
VENDORS = ["Intel", "another vendor"]


pytestmark = pytest.mark.skipif(bool(why_native("", processor())), reason=why_native("", processor()) or "portable")


def hashes(asked: dict[str, list[str]], environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What ``hashes.py`` prints; skips the test where this build of torch can't be told of another processor."""
    script = Path(__file__).with_name("hashes.py")
    found = json.loads(subprocess.check_output([sys.executable, script, json.dumps(asked)], env=environment))
    for name, each in found.items():
        if "missing" in each:
            pytest.skip(f"torch can't be told of {name}: {each['missing']}")
    return found


@pytest.fixture(scope="module")
def portable() -> dict[str, str]:
    """The environment of portable arithmetic."""
    return {**clean_environment(), **SETTINGS, **ONE_THREAD}


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
