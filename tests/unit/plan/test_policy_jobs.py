"""A preparation's identity: the policy and a file's content, not the file's place."""

from __future__ import annotations

import json

import pytest

from clbench.run import Places

PLAN = {
    "configurations": {"3d_fullres": {"patch_size": [8, 8, 8]}}, "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2], "foreground_intensity_properties_per_channel": {"0": {}},
}  # fmt: skip


@pytest.fixture
def prepared_by(tmp_path):
    """The id of the preparation under a choice of plans."""

    def made(plans, folder="suite"):
        root = tmp_path / folder
        (root / "benchmark").mkdir(parents=True, exist_ok=True)
        (root / "benchmark" / "small.yaml").write_text(
            "name: small\nversion: 1\ntitle: Small\nextends: mini-organs\n"
            f"backbone: {{configuration: 3d_fullres, plans: {plans}}}\n"
        )
        return Places((root,), tmp_path / "store").plan("small").jobs[0].id

    return made


def test_policies_are_prepared_apart_and_equal_choices_together(prepared_by):
    ids = {plans: prepared_by(plans) for plans in ("shared", "target", "first", "median", "{target: mini-liver}")}
    assert ids["first"] == ids["{target: mini-liver}"]
    assert len(set(ids.values())) == 4


def test_a_files_content_makes_the_identity_and_its_place_does_not(prepared_by, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder / "benchmark").mkdir(parents=True)
        (tmp_path / folder / "benchmark" / "plans.json").write_text(json.dumps(PLAN))
    one, other = (prepared_by("{file: plans.json}", folder) for folder in ("a", "b"))
    assert one == other
    changed = {**PLAN, "configurations": {"3d_fullres": {"patch_size": [8, 8, 16]}}}
    (tmp_path / "a/benchmark/plans.json").write_text(json.dumps(changed))
    assert prepared_by("{file: plans.json}", "a") != one
