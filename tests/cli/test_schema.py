"""clbench schema: what files may hold, as JSON Schema; held against every shipped file and a real summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import clbench
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(clbench.__file__).parents[2]
FOLDERS = {"benchmark": "benchmark", "task": "tasks", "baseline": "baselines"}


def schema(call: Call, kind: str) -> Any:
    code, out, err = call("schema", kind)
    assert (code, err) == (0, "")
    found = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_shipped_file_is_what_its_schema_says(call: Call, kind: str) -> None:
    validator = schema(call, kind)
    files = sorted((ROOT / FOLDERS[kind]).glob("*.yaml"))
    assert files
    for file in files:
        problems = list(validator.iter_errors(yaml.safe_load(file.read_text("utf-8"))))
        assert problems == [], file


@pytest.mark.parametrize("kind", FOLDERS)
def test_an_unknown_key_and_a_missing_one_are_no_longer_what_the_schema_says(call: Call, kind: str) -> None:
    validator = schema(call, kind)
    file = next(iter(sorted((ROOT / FOLDERS[kind]).glob("mini-organs.yaml"))), None)
    file = file or min((ROOT / FOLDERS[kind]).glob("*.yaml"))
    written = yaml.safe_load(file.read_text("utf-8"))
    assert not validator.is_valid({**written, "sead": 1})
    assert not validator.is_valid({key: value for key, value in written.items() if key != "version"})


def test_a_card_of_ones_own_dataset_may_leave_out_what_the_dataset_says_and_another_may_not(call: Call) -> None:
    validator = schema(call, "task")
    card = {"name": "own", "version": 1, "title": "Own", "source": {"kind": "nnunet", "dataset": 123}}
    assert validator.is_valid(card)
    other = {"kind": "kits21", "homepage": "a", "images": "b", "licence": "c"}
    assert not validator.is_valid({**card, "source": other})


def test_a_definition_that_extends_another_may_leave_the_rest_to_it(call: Call) -> None:
    validator = schema(call, "benchmark")
    short = {"name": "a", "version": 1, "title": "A"}
    assert validator.is_valid({**short, "extends": "mini-organs"})
    assert not validator.is_valid(short)


def test_a_backbone_of_two_stages_is_not_what_the_schema_says(call: Call) -> None:
    validator = schema(call, "benchmark")
    for features, allowed in (([8, 16, 16], True), ([8, 16], False)):
        backbone = {"configuration": "3d_fullres", "features": features}
        extended = {"name": "a", "version": 1, "title": "A", "extends": "mini-organs", "backbone": backbone}
        assert validator.is_valid(extended) is allowed


def test_every_field_of_a_summary_is_described_and_a_summary_is_what_its_schema_says(call: Call) -> None:
    validator = schema(call, "summary")
    place = ("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 1, "liver")
    info = BenchmarkInfo(
        "toy", 1, "A toy", ("liver",), (), (0,), (BaselineInfo("finetune", "fine-tuning"),), (), (("liver",),)
    )
    summary = summarise(info, [Row(*place, case, "organ", "dice", 0.5) for case in "ab"], [], {})
    validator.validate(json.loads(summary.model_dump_json()))
    parts = {"Summary": validator.schema, **validator.schema["$defs"]}
    bare = [f"{name}.{key}" for name, part in parts.items()
            for key, entry in part.get("properties", {}).items() if "description" not in entry]  # fmt: skip
    assert bare == []


def test_a_kind_that_has_no_schema_is_refused(call: Call) -> None:
    code, _, err = call("schema", "method")
    assert code == 2
    assert "'summary', 'benchmark', 'task', 'baseline'" in err
