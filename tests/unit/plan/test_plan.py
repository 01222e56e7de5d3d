"""Equal work is one job, whoever asks for it; what changes nothing changes no id."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clbench.identity import sources_digest
from clbench.run import Places


def planned(tmp_path: Path, text: str, name: str = "b") -> object:
    """The plan of a definition that extends mini-organs."""
    (tmp_path / "benchmark").mkdir(exist_ok=True)
    head = f"name: {name}\nversion: 1\ntitle: t\nextends: mini-organs\n"
    (tmp_path / "benchmark" / f"{name}.yaml").write_text(head + text)
    return Places((tmp_path,), tmp_path / "store").plan(name)


CHAIN = "protocols: {{from-scratch: {{}}, continual: {{baselines: [finetune, {{ewc: {{strength: {}}}}}]}}}}\n"


def ids(plan: object) -> set[str]:
    return {job.id for job in plan.jobs}


def test_stage_one_of_every_sequence_is_the_from_scratch_training_of_its_task(tmp_path):
    plan = planned(tmp_path, CHAIN.format(0.1))
    first = {use.job for use in plan.uses if use.stage == 1 and use.trained_on == "mini-liver"}
    assert len(first) == 1
    assert len(plan.jobs) == 1 + 4 + 3 + 3


def test_parents_come_before_their_children(tmp_path):
    seen: set[str] = set()
    for job in planned(tmp_path, CHAIN.format(0.1)).jobs:
        assert set(job.parents) <= seen
        seen.add(job.id)


def test_a_changed_strength_changes_only_that_baselines_later_stages(tmp_path):
    weak, strong = (planned(tmp_path, CHAIN.format(strength)) for strength in (0.1, 0.2))
    changed = ids(weak) - ids(strong)
    assert {re.match(r"stage\d", name)[0] for name in changed} == {"stage2", "stage3", "stage4"}
    assert all("-ewc-" in name for name in changed)


@pytest.mark.parametrize(
    "change", ["seeds: [1]", "optimizer: {lr: 0.1}", "budget: {epochs: 24}", "sample: {train: 11, val: 4, seed: 0}"]
)
def test_what_changes_training_changes_every_stage(tmp_path, change):
    before, after = planned(tmp_path, CHAIN.format(0.1)), planned(tmp_path, CHAIN.format(0.1) + change)
    common = ids(before) & ids(after)
    assert all(name.startswith("prepare") for name in common)


def test_a_new_title_or_another_name_of_the_benchmark_changes_no_job(tmp_path):
    assert ids(planned(tmp_path, CHAIN.format(0.1), "b")) == ids(planned(tmp_path, CHAIN.format(0.1), "c"))


def test_every_job_of_a_longer_plan_that_a_shorter_one_has_is_the_same_job(tmp_path):
    short = planned(tmp_path, "protocols: {continual: {baselines: [finetune]}}\n")
    long = planned(tmp_path, CHAIN.format(0.1))
    assert ids(short) < ids(long)


def test_transfer_uses_the_first_part_of_one_drawing_for_every_fraction(tmp_path):
    from clbench.data.splits import training_cases

    cases = tuple(f"c{i:02d}" for i in range(12))
    quarter, half = training_cases(cases, 0.25, 3), training_cases(cases, 0.5, 3)
    assert (len(quarter), len(half)) == (3, 6)
    assert set(quarter) < set(half)
    assert training_cases(cases, 1.0, 3) == cases


def test_comments_and_docstrings_change_no_digest_and_code_does(tmp_path):
    texts = {
        "a": '"""One."""\n\ndef f(x):\n    """Doc."""\n    return x + 1\n',
        "b": '"""Two, longer."""\n# why\n\n\ndef f(x):\n    return x + 1  # because\n',
        "c": "def f(x):\n    return x + 2\n",
    }
    digests = {}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        file = tmp_path / name / "m.py"
        file.write_text(text)
        digests[name] = sources_digest(file)
    assert digests["a"] == digests["b"] != digests["c"]


def test_a_method_that_watches_the_first_stage_has_its_own(tmp_path):
    (tmp_path / "methods").mkdir()
    (tmp_path / "baselines").mkdir()
    (tmp_path / "methods" / "watcher.py").write_text(
        "from clbench.methods.base import Method\n\n\nclass Watcher(Method):\n"
        '    """Watches."""\n\n    watches_first_stage = True\n'
    )
    (tmp_path / "baselines" / "watcher.yaml").write_text(
        "name: watcher\nversion: 1\ntitle: w\nmethod: watcher\nsource: none\n"
    )
    plan = planned(tmp_path, "protocols: {from-scratch: {}, continual: {baselines: [finetune, watcher]}}\n")
    first = {use.job for use in plan.uses if use.stage == 1 and use.trained_on == "mini-liver"}
    assert len(first) == 2


def test_a_job_refuses_to_run_code_that_changed_since_its_plan(tmp_path):
    from clbench.errors import ClbenchError
    from clbench.job import _do
    from clbench.store import Store

    plan = planned(tmp_path, CHAIN.format(0.1))
    job = plan.jobs[0].model_copy(update={"code": "another"})
    with pytest.raises(ClbenchError, match="changed since this run was planned"):
        _do(plan, job, Store(tmp_path / "store"))
