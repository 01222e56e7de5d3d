"""The image: what is in it, who it runs as, what of it is built again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from container.private_engine import REPOSITORY

LEFT_OUT = (".git", ".venv", ".clbench", "gallery")
pytestmark = pytest.mark.container
SHUT = ("--network", "none", "--read-only", "--tmpfs", "/tmp:exec", "--user", "4321:4321")


def test_without_a_command_it_prints_the_help(engine: Any, measured: dict[str, str]) -> None:
    start = time.monotonic()
    said = engine.docker("run", "--rm", "clbench").stdout
    measured["docker run to the end of the help"] = f"{time.monotonic() - start:.2f} s"

    assert said.startswith("Usage: clbench [OPTIONS] COMMAND")


def test_it_runs_as_no_root_and_carries_its_revision(engine: Any, revision: str) -> None:
    found = engine.inspect()["Config"]

    assert found["User"] == "1000:1000"
    assert found["Labels"]["org.opencontainers.image.revision"] == revision
    assert f"CLBENCH_REVISION={revision}" in found["Env"]
    assert set(found["Volumes"]) == {"/data", "/results"}
    assert engine.inside("id -u") == "1000\n"
    assert engine.inside("find / -xdev -uid 1000", "--user", "0") == "", "its user owns none of its files"


def test_a_build_for_the_cpu_is_no_larger_than_2_5_gb(engine: Any, measured: dict[str, str]) -> None:
    size = engine.inspect()["Size"]
    measured["image"] = f"{size / 1e9:.2f} GB"

    assert size <= 2.5e9


def test_all_packages_fit_together(engine: Any) -> None:
    assert engine.inside("pip check", *SHUT).strip() == "No broken requirements found."


def test_nothing_is_writable_by_all_but_what_is_declared(engine: Any) -> None:
    found = engine.inside("find / -xdev ! -type l -perm -0002", "--user", "0").split()

    assert sorted(found) == ["/results", "/tmp", "/var/tmp"]


def test_it_carries_no_history_no_cache_and_no_list_of_packages(engine: Any) -> None:
    ours = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "CITATION.cff"}
    assert set(engine.inside("ls -A /opt/clbench").split()) - {"reports"} == ours | {
        "src", "benchmark", "tasks", "baselines"
    }  # fmt: skip
    places = "/tmp /data /results /var/lib/apt/lists /var/cache/apt /var/log"
    left = f"find {places} -type f ! -name lock; find / -xdev ( -name .git -o -name .cache -o -name .docker )"
    assert engine.inside(left.replace("(", r"\(").replace(")", r"\)"), "--user", "0") == ""


def test_any_user_finds_a_compiler_and_pythons_headers_on_a_read_only_file_system(engine: Any) -> None:
    script = """cd /tmp && echo '#include <Python.h>' > a.c
        gcc -shared -fPIC -I$(python -c 'import sysconfig; print(sysconfig.get_path("include"))') a.c -o a.so
        python -c 'import ctypes; ctypes.CDLL("/tmp/a.so"); print("loaded")'"""

    assert engine.inside(script, *SHUT) == "loaded\n"


def test_a_change_of_code_builds_only_the_layers_behind_the_dependencies(
    engine: Any, make_image: Any, measured: dict[str, str]
) -> None:
    tree = Path(shutil.copytree(REPOSITORY, engine.folder / "tree", ignore=shutil.ignore_patterns(*LEFT_OUT)))
    with open(tree / "src/clbench/__init__.py", "a") as code:
        code.write("CHANGED = True\n")
    start = time.monotonic()
    make_image(engine, tree, "clbench:changed")
    measured["second build, after a change of code"] = f"{time.monotonic() - start:.0f} s"

    layers = [engine.inspect(name)["RootFS"]["Layers"] for name in ("clbench", "clbench:changed")]
    assert layers[0][:-3] == layers[1][:-3], "all but code, its installation and the working folder"
    assert layers[0][-3] != layers[1][-3]
    assert engine.docker("run", "--rm", "--entrypoint", "python", "clbench:changed", "-c",
                         "import clbench; print(clbench.CHANGED)").stdout == "True\n"  # fmt: skip
