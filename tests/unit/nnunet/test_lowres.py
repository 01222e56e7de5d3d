"""A 3d_lowres that nnU-Net does not plan is the one that it would have kept, one step milder than nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clbench.nnunet.lowres import derive_lowres
from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.planning import DERIVED, Backbone, plan_union, pool_fingerprints

from .planners import DESCRIPTION, SmallPlanner, case, example, stock_plans


def planned(shape, spacing, folder):
    """nnU-Net's own plans of four cases whose spacings differ a little, and the derived configuration."""
    jitter = np.random.default_rng(0)
    cases = [case(shape, [side * (1 + 0.1 * jitter.normal()) for side in spacing]) for _ in range(4)]
    plans, lowres = stock_plans(
        cases, folder, planner=SmallPlanner,
        use=lambda planner, plans: derive_lowres(planner, plans["configurations"]["3d_fullres"]),
    )  # fmt: skip
    return plans["configurations"], lowres


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((130, 130, 130), (1, 1, 1)), ((40, 160, 160), (5, 1, 1)), ((160, 160, 40), (1, 1, 5))],
    ids=["isotropic", "thick slices", "thick slices last"],
)
def test_where_nnunet_plans_one_the_derived_one_is_the_same_in_every_key(shape, spacing, tmp_path):
    configurations, lowres = planned(shape, spacing, tmp_path)
    assert lowres == configurations["3d_lowres"]
    assert list(lowres) == list(configurations["3d_lowres"])


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((100, 100, 100), (1, 1, 1)), ((40, 40, 28), (5, 5, 5))],
    ids=["one too large", "a patch covers all"],
)
def test_where_nnunet_plans_none_it_is_the_first_that_is_half_as_large_and_covered_by_a_quarter(
    shape, spacing, tmp_path
):
    configurations, lowres = planned(shape, spacing, tmp_path)
    assert "3d_lowres" not in configurations
    fine = configurations["3d_fullres"]
    ratio = np.prod(lowres["spacing"]) / np.prod(fine["spacing"])
    small = np.prod(fine["median_image_size_in_voxels"]) / ratio
    assert ratio >= 2
    assert ratio / 1.03**3 < 2  # one step before, it was not
    assert np.prod(lowres["patch_size"]) / small >= 0.25
    assert lowres["data_identifier"] == "clbenchPlans_3d_lowres"


def test_a_definition_that_asks_for_it_gets_one_marked_as_derived_and_its_network_trains(tmp_path):
    cases = [case((28, 40, 40), (5, 5, 5))] * 4
    backbone = Backbone("3d_lowres", None, None, None, 2)
    plans = plan_union(pool_fingerprints(cases), DESCRIPTION, example(tmp_path / "a"), backbone, tmp_path / "b")
    assert list(plans["configurations"]) == ["3d_lowres"]
    assert plans[DERIVED] is True
    assert plans["plans_name"] == "clbenchPlans"
    patch = plans["configurations"]["3d_lowres"]["patch_size"]
    assert NnunetParts(plans, DESCRIPTION).network()(torch.zeros(1, 1, *patch))[0].shape[2:] == tuple(patch)


def test_a_plan_of_nnunets_own_is_not_marked(tmp_path):
    cases = [case((28, 40, 40), (5, 5, 5))] * 4
    backbone = Backbone("3d_fullres", None, None, None, 2)
    plans = plan_union(pool_fingerprints(cases), DESCRIPTION, example(tmp_path / "a"), backbone, tmp_path / "b")
    assert DERIVED not in plans
