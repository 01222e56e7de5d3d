"""Runs clbench in a container: asks the engine, follows the log, stops it in order, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clbench.container.settings import Settings, options
from clbench.errors import MissingEnvironment
from clbench.signals import collected_signals

PATIENCE = 15.0
"""Seconds from a signal to the kill; clbench itself gives its engine five."""
GLANCE = 0.1


def connect() -> Any:
    """The engine's client.

    Raises:
        MissingEnvironment: no engine answers, or this user may not ask it.
    """
    import docker

    try:
        return docker.from_env()
    except docker.errors.DockerException as error:
        raise MissingEnvironment(_no_engine(error)) from None


def _no_engine(error: BaseException) -> str:
    place = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if "PermissionError" in str(error):
        return (
            f"{place}: no permission to ask the container engine; join the group `docker` and log in again "
            "(sudo usermod -aG docker $USER), or use a rootless engine and name its socket with DOCKER_HOST"
        )
    return (
        f"{place}: no container engine answers; install and start Docker (sudo systemctl start docker), "
        f"or name another socket with DOCKER_HOST. It said: {error}"
    )


@contextmanager
def _engine_stays() -> Iterator[None]:
    """Name an engine that goes away in the middle."""
    import requests

    try:
        yield
    except requests.exceptions.ConnectionError as error:
        raise MissingEnvironment(
            f"the container engine went away ({error}); start it, and the same command goes on from here"
        ) from None


def build(client: Any, source: Path, tag: str, arguments: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Build the image of a checkout; gives its id.

    Args:
        client: the engine's client.
        source: the folder with the Dockerfile.
        tag: the image's name.
        arguments: the Dockerfile's ARGs.
        say: gets the build's output as it comes.

    Raises:
        MissingEnvironment: there is no Dockerfile, or a step of it failed.
    """
    import docker

    if not (source / "Dockerfile").is_file():
        raise MissingEnvironment(f"{source}: no Dockerfile in it; name a checkout of clbench with --source")
    try:
        with _engine_stays():
            for line in client.api.build(
                path=str(source), tag=tag, buildargs=dict(arguments), rm=True, forcerm=True, decode=True
            ):
                _build_line(line, say)
    except docker.errors.APIError as error:
        raise MissingEnvironment(f"{source / 'Dockerfile'}: {error.explanation}") from None
    return str(_image(client, tag).id)


def _build_line(line: Mapping[str, Any], say: Callable[[str], None]) -> None:
    if "error" in line:
        raise MissingEnvironment(f"the image was not built: {line['error'].strip()}; the reason stands above")
    say(line.get("stream", ""))


def _image(client: Any, name: str) -> Any:
    """An image that is there; some engines answer 500 where it is missing."""
    import docker

    try:
        return client.images.get(name)
    except docker.errors.APIError as error:
        if isinstance(error, docker.errors.ImageNotFound) or "no such image" in str(error).lower():
            raise MissingEnvironment(
                f"there is no image {name!r}; make it with `clbench container build` or `make image`, "
                f"or fetch it with `docker pull {name}`"
            ) from None
        raise MissingEnvironment(f"image {name!r}: {error.explanation}") from None


@contextmanager
def created(client: Any, settings: Settings, words: Iterable[str], **special: Any) -> Iterator[Any]:
    """A container that is not started yet; whatever becomes of it, it is gone afterwards.

    Args:
        client: the engine's client.
        settings: how it is run.
        words: clbench's arguments.
        special: what the engine is told besides.

    Raises:
        MissingEnvironment: the image or a folder is missing, or the engine refuses.
    """
    import docker

    image = _image(client, settings.image)
    container = None
    try:
        with _engine_stays():
            container = client.containers.create(image.id, list(words), **options(settings, image), **special)
            yield container
    except docker.errors.DockerException as error:
        raise MissingEnvironment(_refusal(settings, getattr(error, "explanation", None) or str(error))) from None
    finally:
        if container is not None:
            with suppress(Exception):  # an engine that is gone can't be asked; what came before is what counts
                container.remove(force=True, v=True)


def _refusal(settings: Settings, said: str) -> str:
    if "could not select device driver" in said or "nvidia" in said.lower():
        return (
            f"the engine can't give a container GPUs (--gpus {settings.gpus}): install the NVIDIA Container Toolkit "
            "(nvidia-ctk runtime configure --runtime=docker, then restart Docker), or leave --gpus out to run on the "
            f"CPU. It said: {said.strip()}"
        )
    return f"the engine refused to run {settings.image}: {said.strip()}"


def run(client: Any, settings: Settings, words: Iterable[str], say: Callable[[bytes], None]) -> int:
    """Run clbench in a container and pass on what it prints; gives its exit code.

    Ctrl-C, SIGTERM and SIGHUP are passed on to it, so that it stops in order and the same command resumes it.

    Args:
        client: the engine's client.
        settings: how it is run.
        words: clbench's arguments, such as ``["run", "ci"]``.
        say: gets the output as it comes.

    Raises:
        MissingEnvironment: it can't be run; the message says what to do.
    """
    with collected_signals() as received, created(client, settings, words) as container:
        container.start()
        reader = threading.Thread(target=_read, args=(container, say), daemon=True)
        reader.start()
        _follow(container, reader, received)
        return int(container.wait()["StatusCode"])


def _read(container: Any, say: Callable[[bytes], None]) -> None:
    with suppress(Exception):  # where the engine goes away, the wait that follows says so
        for piece in container.logs(stream=True, follow=True):
            say(piece)


def _follow(container: Any, reader: threading.Thread, received: list[int]) -> None:
    """Wait for the end of the log; signals are passed on, and one that does not help in time ends in a kill."""
    passed, end = 0, float("inf")
    while reader.is_alive():
        reader.join(GLANCE)
        for number in received[passed:]:
            _send(container, number)
            end = min(end, time.monotonic() + PATIENCE)
        passed = len(received)
        if time.monotonic() > end:
            _send(container, signal.SIGKILL)
            end = float("inf")


def _send(container: Any, number: int) -> None:
    import docker

    with suppress(docker.errors.APIError):  # it has ended by itself
        container.kill(signal.Signals(number).name)
