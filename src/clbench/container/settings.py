"""How a container is run, and what the engine is told of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.errors import MissingEnvironment

IMAGE, DIGEST = "CLBENCH_IMAGE", "CLBENCH_IMAGE_DIGEST"
"""Environment variables that tell a run which image it is in."""
UNPRIVILEGED = 1000
"""The user that the image names, used where root calls."""


@dataclass(frozen=True)
class Settings:
    """How a container is run.

    Attributes:
        image: its name or id.
        results: the folder that gets the runs; made if it is not there.
        data: the folder with datasets, or None.
        write_data: whether datasets may be written, which fetching and preparing them does.
        gpus: ``none``, ``all``, a number of GPUs, or ids such as ``device=0,1``.
        shm: size of /dev/shm, such as ``8g``; loading workers pass their batches there.
        user: ``uid:gid``; None for the caller, or the image's own user where root calls.
        network: ``none``, or a network's name.
        memory: upper limit such as ``32g``, or None.
        cpus: how many cores' time it gets, or None.
    """

    image: str
    results: Path
    data: Path | None = None
    write_data: bool = False
    gpus: str = "none"
    shm: str = "8g"
    user: str | None = None
    network: str = "none"
    memory: str | None = None
    cpus: float | None = None


def options(settings: Settings, image: Any) -> dict[str, Any]:
    """What the engine is told: nothing is writable but /results and /tmp, no privileges, no network unless asked."""
    from docker.types import Mount

    user = settings.user or _caller()
    mounts = [Mount("/results", str(_results(settings.results, user)), type="bind")]
    if settings.data is not None:
        mounts.append(Mount("/data", str(_data(settings.data)), type="bind", read_only=not settings.write_data))
    told = {IMAGE: image.id, DIGEST: ", ".join(image.attrs.get("RepoDigests") or [])}
    return {
        "environment": told, "mounts": mounts, "user": user, "read_only": True,
        "tmpfs": {"/tmp": "exec,mode=1777"}, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"],
        "network_mode": settings.network, "shm_size": settings.shm,
        "mem_limit": settings.memory, "nano_cpus": round(settings.cpus * 1e9) if settings.cpus else None,
        "device_requests": _gpus(settings.gpus),
    }  # fmt: skip


def _caller() -> str:
    uid, gid = os.getuid(), os.getgid()
    return f"{uid}:{gid}" if uid else f"{UNPRIVILEGED}:{UNPRIVILEGED}"


def _gpus(asked: str) -> list[Any]:
    from docker.types import DeviceRequest

    gpu = [["gpu"]]
    if asked == "none":
        return []
    if asked.startswith("device="):
        return [DeviceRequest(device_ids=asked.removeprefix("device=").split(","), capabilities=gpu)]
    if asked == "all" or asked.isdigit():
        return [DeviceRequest(count=-1 if asked == "all" else int(asked), capabilities=gpu)]
    raise MissingEnvironment(f"--gpus {asked}: say none, all, a number, or ids such as device=0,1")


def _data(folder: Path) -> Path:
    if not folder.is_dir():
        raise MissingEnvironment(f"{folder}: there is no such data folder; make it, or leave --data out")
    return folder.absolute()


def _results(folder: Path, user: str) -> Path:
    """The results' folder, which the container's user must be able to write.

    Raises:
        MissingEnvironment: they can't, or it can't be made.
    """
    uid, gid = (int(part) if part.isdigit() else -1 for part in f"{user}:{user}".split(":")[:2])
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            if os.getuid() == 0:
                os.chown(folder, uid, gid)
        found = folder.stat()
    except OSError as error:
        raise MissingEnvironment(f"{folder}: {error.strerror}; name another folder with --results") from None
    bit = 0o200 if found.st_uid == uid else 0o020 if found.st_gid == gid else 0o002
    if uid > 0 and not found.st_mode & bit:
        raise MissingEnvironment(
            f"{folder}: belongs to user {found.st_uid}, and the container's user {user} may not write there; "
            f"`sudo chown -R {user} {folder}`, or name its owner with --user {found.st_uid}:{found.st_gid}"
        )
    return folder.absolute()
