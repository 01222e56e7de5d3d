"""What ``clbench container`` says where there is no engine, and what a run notes of its image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clbench.container import DIGEST, IMAGE, settings
from clbench.errors import MissingEnvironment
from clbench.provenance import container as noted


@pytest.mark.parametrize("words", [["run", "list"], ["build"], ["shell"]])
def test_without_an_engine_every_command_says_how_to_get_one(call: Any, monkeypatch: Any, words: list[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")

    code, _, err = call("container", *words)

    assert code == 4
    assert "unix:///no/such.sock: no container engine answers; install and start Docker" in err


def test_provenance_notes_image_and_digest_in_a_container_and_nothing_elsewhere(monkeypatch: Any) -> None:
    monkeypatch.delenv(IMAGE, raising=False)
    assert noted() == {}

    monkeypatch.setenv(IMAGE, "sha256:abc")
    monkeypatch.setenv(DIGEST, "registry/clbench@sha256:def")
    assert noted() == {"container": {"image": "sha256:abc", "digest": "registry/clbench@sha256:def"}}

    monkeypatch.setenv(DIGEST, "")
    assert noted()["container"]["digest"].startswith("none")


@pytest.mark.parametrize(
    ("asked", "count", "ids"), [("all", -1, None), ("2", 2, None), ("device=0,3", 0, ["0", "3"])]
)
def test_gpus_are_asked_for_by_number_or_name(asked: str, count: int, ids: list[str] | None) -> None:
    (request,) = settings._gpus(asked)

    assert (request.count or 0, request.device_ids or None) == (count, ids)
    assert request.capabilities == [["gpu"]]


def test_a_results_folder_that_its_user_may_not_write_is_refused_before_anything_starts(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(MissingEnvironment, match="the container's user 4321:4321 may not write there; `sudo chown"):
        settings._results(tmp_path, "4321:4321")
    tmp_path.chmod(0o777)
    assert settings._results(tmp_path, "4321:4321") == tmp_path
