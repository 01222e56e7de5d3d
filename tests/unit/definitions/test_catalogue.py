from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clbench.definitions.catalogue import Catalogue, package_root, shipped_root
from clbench.errors import ClbenchError, DefinitionError

from .conftest import TASK, Suite


def test_a_suite_stands_in_front_of_what_is_shipped(suite: Suite) -> None:
    suite.write("tasks/mini-liver.yaml", TASK.format(name="mini-liver"))
    catalogue = Catalogue.open([suite.root])
    assert catalogue.file("task", "mini-liver") == suite.root / "tasks/mini-liver.yaml"
    assert catalogue.file("task", "mini-spleen") == shipped_root() / "tasks/mini-spleen.yaml"
    assert {"alpha", "mini-spleen"} <= set(catalogue.names("task"))


def test_of_two_suites_the_first_one_wins(suite: Suite, tmp_path: Path) -> None:
    other = Suite(tmp_path / "other")
    other.write("tasks/alpha.yaml", TASK.format(name="alpha").replace("A task", "Another"))
    assert Catalogue((other.root, suite.root)).task("alpha").title == "Another"
    assert Catalogue((suite.root, other.root)).task("alpha").title == "A task"


def test_names_are_sorted_and_listed_once(suite: Suite) -> None:
    assert Catalogue((suite.root, suite.root)).names("task") == ("alpha", "beta", "gamma")


def test_shared_parts_in_the_methods_folder_are_no_methods(suite: Suite) -> None:
    suite.write("methods/helper.py", "def help(): ...\n")
    names = suite.catalogue.names("method")
    assert {"plain", "pull"} <= set(names)
    assert not {"helper", "base", "__init__"} & set(names)


@pytest.mark.parametrize("kind", ["task", "baseline", "benchmark", "method"])
def test_an_unknown_name_is_answered_with_the_nearest(suite: Suite, kind: str) -> None:
    known = {"task": "alpha", "baseline": "pull", "benchmark": "bench", "method": "pull"}[kind]
    with pytest.raises(DefinitionError, match=f"there is no {kind} '{known}x'; did you mean '{known}'"):
        suite.catalogue.file(kind, f"{known}x")  # type: ignore[arg-type]


def test_a_name_near_to_nothing_is_answered_with_all_names(suite: Suite) -> None:
    with pytest.raises(DefinitionError, match="valid: alpha, beta, gamma"):
        suite.catalogue.task("zzz")


def test_a_name_never_leads_out_of_its_folder(suite: Suite) -> None:
    assert suite.catalogue.find("task", "../tasks/alpha") is None


def test_a_benchmark_may_be_a_path(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(suite.root / "benchmark")
    assert suite.catalogue.benchmark("bench.yaml").name == "bench"
    assert suite.catalogue.benchmark(suite.root / "benchmark/bench.yaml").name == "bench"


def test_a_path_that_is_not_there_is_refused(suite: Suite) -> None:
    with pytest.raises(DefinitionError, match=r"none\.yaml: there is no such file"):
        suite.catalogue.benchmark_file(suite.root / "none.yaml")


def test_a_suite_that_is_no_folder_or_has_none_of_the_four_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        Catalogue.open([tmp_path / "missing", tmp_path])
    assert [problem.file for problem in caught.value.problems] == [tmp_path / "missing", tmp_path]


def test_cards_come_as_models(suite: Suite) -> None:
    assert suite.catalogue.task("alpha").labels == {"organ": (1,), "lesion": (2, 3)}
    assert suite.catalogue.baseline("pull").version == 3
    assert suite.catalogue.method_file("pull") == suite.root / "methods/pull.py"


def test_an_installed_package_finds_what_it_carries(tmp_path: Path) -> None:
    shutil.copytree(package_root(), tmp_path / "clbench")
    for folder in ("tasks", "baselines", "benchmark"):
        shutil.copytree(shipped_root() / folder, tmp_path / "clbench/shipped" / folder)
    code = "from clbench.definitions.catalogue import Catalogue; print(Catalogue.open().benchmark_file('ci'))"
    done = run_python(code, tmp_path)
    assert done.stdout.strip() == str(tmp_path / "clbench/shipped/benchmark/ci.yaml")


def test_a_package_that_carries_nothing_says_so(tmp_path: Path) -> None:
    shutil.copytree(package_root(), tmp_path / "clbench")
    done = run_python("from clbench.definitions.catalogue import Catalogue; Catalogue.open()", tmp_path)
    assert "install clbench again" in done.stderr


def run_python(code: str, packages: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=packages,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_asking_for_something_unknown_ends_with_exit_code_two(suite: Suite) -> None:
    with pytest.raises(ClbenchError) as caught:
        suite.catalogue.method_file("nothing")
    assert caught.value.exit_code == 2
