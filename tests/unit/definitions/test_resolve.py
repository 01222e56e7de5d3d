from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Benchmark, Resolved
from clbench.definitions.resolve import check, resolve

from .conftest import Suite, make_suite

SHIPPED = ("mini-organs", "ci", "strength-search", "seven-organs")


def test_a_resolved_definition_holds_everything_that_is_named(suite: Suite) -> None:
    resolved = suite.resolve()
    assert list(resolved.tasks) == ["alpha", "beta", "gamma"]
    assert [(variant.name, variant.version) for variant in resolved.baselines] == [("plain", 3), ("pull", 3)]
    assert resolved.baselines[1].method_file == suite.root / "methods/pull.py"
    assert resolved.files.benchmark == (suite.root / "benchmark/bench.yaml",)
    assert resolved.files.tasks["gamma"] == suite.root / "tasks/gamma.yaml"
    assert resolved.files.baselines["pull"] == suite.root / "baselines/pull.yaml"


def test_settings_that_a_card_leaves_out_are_the_methods_defaults(suite: Suite) -> None:
    suite.edit("baselines/pull.yaml", "method: pull", "method: pull\nsettings: {strength: 2}")
    settings = suite.resolve().baselines[1].settings
    assert settings == {"strength": 2.0, "steps": 4, "where": "all", "cap": None, "strict": False}
    assert type(settings["strength"]) is float


def test_what_a_definition_leaves_out_is_nnunets_own(suite: Suite) -> None:
    benchmark = suite.resolve().benchmark
    optimizer = benchmark.optimizer
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay, optimizer.warmup) == (
        0.01,
        0.99,
        3e-5,
        0,
    )
    assert (benchmark.budget.epoch, benchmark.budget.batch, benchmark.backbone.mirror) == ("cases", 2, True)
    assert benchmark.protocols.joint is not None
    assert benchmark.protocols.joint.budgets == ("full", "equal")


def test_a_task_that_is_not_run_is_not_read(suite: Suite) -> None:
    suite.write("tasks/gamma.yaml", "broken: [")
    suite.benchmark(
        "  transfer: {targets: [gamma], from: [plain, joint], epochs: [5, 25], fractions: [0.5, 1.0]}\n", ""
    )
    assert list(suite.resolve().tasks) == ["alpha", "beta"]


def test_an_epoch_may_be_a_number_of_iterations(suite: Suite) -> None:
    suite.benchmark("{epochs: 25}", "{epochs: 25, epoch: {iterations: 250}}")
    assert suite.resolve().benchmark.budget.model_dump()["epoch"] == {"iterations": 250}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_definitions_are_right(name: str) -> None:
    resolved = resolve(name, Catalogue.open())
    assert resolved.benchmark.name == name
    assert set(resolved.benchmark.sequence) <= set(resolved.tasks)


@pytest.mark.parametrize("folder", ["tasks", "baselines", "benchmark"])
def test_every_shipped_file_is_right_and_begins_with_the_command_that_uses_it(folder: str) -> None:
    catalogue = Catalogue.open()
    files = sorted((catalogue.roots[-1] / folder).glob("*.yaml"))
    verb = "run" if folder == "benchmark" else "show"
    assert files
    for file in files:
        assert check(file, catalogue) == []
        assert file.read_text(encoding="utf-8").startswith(f"# clbench {verb} {file.stem}\n")


def test_the_strength_search_never_validates_on_a_case_that_mini_organs_validates_on() -> None:
    catalogue = Catalogue.open()
    search, reported = (resolve(name, catalogue) for name in ("strength-search", "mini-organs"))
    for name in reported.benchmark.sequence:
        train, val = search.benchmark.sample.pools(search.tasks[name].cases)
        _, kept = reported.benchmark.sample.pools(reported.tasks[name].cases)
        assert not (set(train) | set(val)) & set(kept)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_definition_survives_json(name: str) -> None:
    resolved = resolve(name, Catalogue.open())
    text = json.dumps(resolved.model_dump(mode="json"))
    assert Resolved.model_validate(json.loads(text)) == resolved
    assert json.dumps(Resolved.model_validate(json.loads(text)).model_dump(mode="json")) == text


NUMBERS = st.floats(min_value=1e-9, max_value=1e9)


@settings(deadline=None, max_examples=50)
@given(
    epochs=st.integers(1, 10**6),
    lr=NUMBERS,
    seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=4, unique=True),
    fractions=st.lists(st.floats(min_value=1e-6, max_value=1), min_size=1, max_size=4, unique=True),
    strengths=st.lists(NUMBERS, min_size=1, max_size=4, unique=True),
    iterations=st.none() | st.integers(1, 1000),
)
def test_any_right_definition_resolves_to_what_it_says_and_survives_json(
    tmp_path_factory: pytest.TempPathFactory,
    epochs: int, lr: float, seeds: list[int], fractions: list[float], strengths: list[float],
    iterations: int | None,
) -> None:  # fmt: skip
    suite = make_suite(tmp_path_factory.mktemp("suite"))
    epoch = "cases" if iterations is None else {"iterations": iterations}
    suite.benchmark("{epochs: 25}", json.dumps({"epochs": epochs, "epoch": epoch}))
    suite.benchmark("epochs: [5, 25], fractions: [0.5, 1.0]", f"fractions: {fractions}")
    suite.benchmark("seeds: [0, 1]", f"seeds: {seeds}\noptimizer: {{lr: {lr!r}}}")
    suite.benchmark("[plain, pull]", json.dumps(["plain", {"pull": {"strength": strengths}}]))
    resolved = suite.resolve()
    benchmark = resolved.benchmark
    assert benchmark.protocols.transfer is not None
    assert (benchmark.budget.epochs, benchmark.optimizer.lr, list(benchmark.seeds)) == (epochs, lr, seeds)
    assert list(benchmark.protocols.transfer.fractions) == fractions
    assert [variant.settings["strength"] for variant in resolved.baselines[1:]] == strengths
    assert Resolved.model_validate(json.loads(json.dumps(resolved.model_dump(mode="json")))) == resolved


def test_an_extending_definition_overrides_whole_sections_and_inherits_the_rest(suite: Suite) -> None:
    file = suite.write(
        "benchmark/short.yaml",
        "name: short\nversion: 2\ntitle: Short\nextends: bench\nbudget: {epochs: 30}\n",
    )
    resolved = resolve("short", suite.catalogue)
    assert (resolved.benchmark.name, resolved.benchmark.version, resolved.benchmark.extends) == (
        "short",
        2,
        "bench",
    )
    assert (resolved.benchmark.budget.epochs, resolved.benchmark.sequence) == (30, ("alpha", "beta"))
    assert resolved.files.benchmark == (file, suite.root / "benchmark/bench.yaml")


def test_a_definition_may_extend_one_that_extends_and_one_at_a_path(suite: Suite) -> None:
    suite.write("benchmark/b.yaml", "name: b\nversion: 1\ntitle: B\nextends: bench\nseeds: [7]\n")
    suite.write("benchmark/c.yaml", "name: c\nversion: 1\ntitle: C\nextends: ./b.yaml\nbudget: {epochs: 40}\n")
    benchmark = resolve("c", suite.catalogue).benchmark
    assert (benchmark.seeds, benchmark.budget.epochs, benchmark.sample.train) == ((7,), 40, 12)


def test_name_version_and_title_are_never_inherited(suite: Suite) -> None:
    suite.write("benchmark/short.yaml", "extends: bench\n")
    assert [problem.field for problem in suite.problems("short")] == ["name", "version", "title"]


@pytest.mark.parametrize(
    ("cases", "last", "inner"), [(60, (48, 12), (38, 10)), (41, (32, 9), (25, 7)), (5, (4, 1), (3, 1))]
)
def test_pools_are_the_last_fifth_and_the_last_fifth_of_the_rest(
    suite: Suite, cases: int, last: tuple[int, int], inner: tuple[int, int]
) -> None:
    sample = suite.resolve().benchmark.sample
    train, val = sample.pools(cases)
    assert (train, val) == (range(last[0]), range(last[0], cases))
    assert (len(train), len(val)) == last
    inner_train, inner_val = sample.model_copy(update={"split": "inner-fifth"}).pools(cases)
    assert (inner_train, inner_val) == (range(inner[0]), range(inner[0], last[0]))


def test_a_sample_that_is_an_upper_bound_takes_what_is_there(suite: Suite) -> None:
    suite.benchmark("{train: 12, val: 4, seed: 0}", "{train: 50, val: 12, seed: 0, at_most: true}")
    sample = suite.resolve().benchmark.sample
    assert sample.counts("any", 300) == (50, 12)
    assert sample.counts("any", 41) == (32, 9)


def test_a_sample_that_says_nothing_takes_all(suite: Suite) -> None:
    suite.benchmark("sample: {train: 12, val: 4, seed: 0}\n", "")
    assert suite.resolve().benchmark.sample.counts("any", 60) == (48, 12)


def test_the_schema_for_editors_names_the_keys_as_they_are_written() -> None:
    schema = Benchmark.model_json_schema()
    protocols = {"from-scratch", "joint", "cumulative", "continual", "transfer"}
    assert protocols == set(schema["$defs"]["Protocols"]["properties"])
    assert {"targets", "from"} == set(schema["$defs"]["Transfer"]["required"])


def test_definitions_import_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = ("torch", "nnunetv2", "monai", "scipy", "pandas", "numpy")
    code = f"import sys, clbench.definitions.resolve; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listing_names_loads_no_schema(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; from clbench.definitions.catalogue import Catalogue\n"
    code += "Catalogue.open().names('benchmark'); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
