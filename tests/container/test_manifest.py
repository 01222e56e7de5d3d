"""The Kubernetes manifest of docs/clusters.md, held against Kubernetes' schemas; no cluster is there."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from clbench.cli import group
from container.private_engine import REPOSITORY

OLDEST, NEWEST = "1.27", "1.37"


@pytest.fixture(scope="module")
def manifest() -> Any:
    """The page's one manifest."""
    page = (REPOSITORY / "docs/clusters.md").read_text()
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    (found,) = [block for block in blocks if block.startswith("apiVersion")]
    return yaml.safe_load(found)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_takes_the_manifest_without_a_field_that_it_does_not_know(manifest: Any, version: str) -> None:
    assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_a_manifest_with_a_misspelt_field_is_not_taken(manifest: Any) -> None:
    wrong = deepcopy(manifest)
    wrong["spec"]["template"]["spec"]["containers"][0]["resource"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="resource"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_its_pod_keeps_what_it_makes_on_a_volume_and_has_the_image_s_user(manifest: Any) -> None:
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    kept = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    claims = {volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}

    assert {kept["/data"], kept["/results"]} <= claims
    assert {volume["name"] for volume in pod["volumes"]} == set(kept.values())
    assert pod["securityContext"]["runAsUser"] == 1000


def test_its_arguments_are_a_command_of_ours(manifest: Any) -> None:
    name, benchmark = manifest["spec"]["template"]["spec"]["containers"][0]["args"]

    command = group.get_command(click.Context(group), name)

    assert command is not None
    assert command.make_context(name, [benchmark]).params["benchmark"] == benchmark
