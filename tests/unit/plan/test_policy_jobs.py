"""A preparation's identity: the policy and a file's content, not the file's place."""

from __future__ import annotations

import json

import pytest

from clbench.run import Places
from plans_document import DOCUMENT, with_network


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
        (tmp_path / folder / "benchmark" / "plans.json").write_text(json.dumps(DOCUMENT))
    one, other = (prepared_by("{file: plans.json}", folder) for folder in ("a", "b"))
    assert one == other
    (tmp_path / "a/benchmark/plans.json").write_text(json.dumps(with_network([8, 8, 16])))
    assert prepared_by("{file: plans.json}", "a") != one
