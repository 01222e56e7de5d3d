"""A definition that extends another and has less of something is a subset, whatever it is called; others are not."""

from __future__ import annotations

import pytest

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.resolve import resolve
from clbench.definitions.subset import Subset
from clbench.errors import MissingEnvironment

HEAD = "name: {name}\nversion: 1\ntitle: T\nextends: {parent}\n"
SHORT = "budget: {epochs: 5}\n"


@pytest.fixture(autouse=True)
def _curves_end_with_the_budget(suite: object) -> None:
    """So that the budget can be changed alone."""
    suite.benchmark("epochs: [5, 25], ", "")


def marked(suite: object, keys: str, name: str = "short", parent: str = "bench") -> Subset | None:
    suite.write(f"benchmark/{name}.yaml", HEAD.format(name=name, parent=parent) + keys)
    return resolve(name, suite.catalogue).subset_of


@pytest.mark.parametrize(
    ("keys", "smaller"),
    [
        (SHORT, "fewer epochs (5 of 25)"),
        ("sample: {train: 6, val: 4, seed: 0}\n", "fewer training cases"),
        ("sample: {train: 12, val: 2, seed: 0}\n", "fewer reported cases"),
        ("seeds: [0]\n", "fewer seeds (1 of 2)"),
        ("seeds: [7]\n", "fewer seeds (1 of 2)"),
    ],
)
def test_less_of_something_makes_a_subset_and_is_named(suite: object, keys: str, smaller: str) -> None:
    assert marked(suite, keys) == Subset(name="bench", version=1, smaller=(smaller,))


def test_fewer_tasks_make_a_subset_and_their_order_is_that_of_the_whole(suite: object) -> None:
    suite.benchmark("sequence: [alpha, beta]", "sequence: [alpha, delta, beta]")
    suite.write("tasks/delta.yaml", (suite.root / "tasks/beta.yaml").read_text().replace("beta", "delta"))
    found, turned = (marked(suite, f"sequence: {tasks}\n") for tasks in ("[alpha, beta]", "[beta, alpha]"))
    assert found == Subset(name="bench", version=1, smaller=("fewer tasks (2 of 3)",))
    assert turned is not None
    assert turned.changed == ("other orders",)


def test_everything_that_is_less_is_named(suite: object) -> None:
    protocols = "protocols:\n  from-scratch: {}\n  joint: {budgets: [full]}\n  continual: {baselines: [plain]}\n"
    found = marked(suite, SHORT + protocols)
    assert found is not None
    assert found.smaller == (
        "fewer epochs (5 of 25)", "no transfer", "fewer baselines (1 of 2)", "fewer joint budgets (1 of 2)"
    )  # fmt: skip
    assert found.words.startswith("a subset of bench v1: fewer epochs (5 of 25), no transfer")
    assert found.words.endswith("; not comparable with it")


@pytest.mark.parametrize(
    "keys",
    [
        "predictions: keep\n",
        "budget: {epochs: 30}\n",
        "sample: {train: 20, val: 4, seed: 0}\n",
        "seeds: [0, 1, 2]\n",
        "sequence: [beta, alpha]\n",
        "sequence: [alpha, delta]\n" + SHORT,
        "scenario: domain-incremental\n" + SHORT,
        "protocols:\n  cumulative: {}\n  continual: {baselines: [plain]}\n",
        "protocols:\n  continual: {baselines: [plain, pull: {strength: 0.5}]}\n",
    ],
)
def test_as_much_more_or_something_else_is_no_subset(suite: object, keys: str) -> None:
    file = suite.write("tasks/delta.yaml", (suite.root / "tasks/beta.yaml").read_text().replace("beta", "delta"))
    assert file.is_file()
    assert marked(suite, keys) is None


def test_one_baseline_more_does_not_hide_that_there_are_fewer_epochs(suite: object) -> None:
    found = marked(suite, SHORT + "protocols:\n  continual: {baselines: [plain, pull: {strength: 0.5}]}\n")
    assert found is not None
    assert found.smaller[0] == "fewer epochs (5 of 25)"


def test_another_network_and_other_cases_are_named_beside_what_is_less(suite: object) -> None:
    found = marked(suite, SHORT + "optimizer: {lr: 0.1}\nsample: {train: 12, val: 4, seed: 1}\n")
    assert found is not None
    assert found.changed == ("other optimizer", "other cases")


def test_a_subset_of_a_subset_is_one_of_the_whole(suite: object) -> None:
    marked(suite, SHORT)
    found = marked(suite, "seeds: [0]\n", "shorter", "short")
    assert found is not None
    assert (found.name, found.smaller) == ("bench", ("fewer epochs (5 of 25)", "fewer seeds (1 of 2)"))


def test_other_seeds_on_the_command_line_leave_the_mark(suite: object) -> None:
    from clbench.run import Places

    marked(suite, SHORT)
    plan = Places((suite.root,)).plan("short", (5, 6, 7))
    assert plan.resolved is not None
    assert plan.resolved.subset_of is not None


def test_a_subset_can_not_have_the_name_of_what_it_shrinks(suite: object) -> None:
    suite.write("other/bench.yaml", HEAD.format(name="bench", parent="../benchmark/bench.yaml") + SHORT)
    (problem,) = suite.problems(suite.root / "other/bench.yaml")
    assert problem.field == "extends"
    assert "has the same name; give one of them another" in problem.message


def test_of_what_is_shipped_only_ci_is_a_subset() -> None:
    catalogue, found = Catalogue.open(), {}
    for name in catalogue.names("benchmark"):
        try:
            found[name] = resolve(name, catalogue).subset_of
        except MissingEnvironment:
            continue
    assert [name for name, mark in found.items() if mark] == ["ci"]
    assert found["ci"].mark == "mini-organs v1"
    assert "fewer tasks (3 of 4)" in found["ci"].smaller
