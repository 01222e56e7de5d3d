"""A GPU for a job: as long as the job's process lives, nobody else who asks here gets it.

The locks are ``flock``'s, so the system frees them with the process that holds them, however it ends. A job takes
its own, after its fork: nobody stands between it and the lock who could end before it does.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from clbench.errors import MissingEnvironment

VARIABLE = "CLBENCH_LEASE"
"""What a job may lease, in its environment; a job without it takes whatever torch sees."""
LEASES = Path("/tmp") / f"clbench-gpus-{os.geteuid()}"
"""Where the locks of a user lie on a machine; no variable moves them, so that all runs meet there."""
GLANCE = 0.2
"""Seconds between two tries."""


@dataclass(frozen=True)
class Offer:
    """The GPUs that a job may have one of."""

    folder: str
    """Where the locks lie."""
    gpus: tuple[str, ...]
    """As ``CUDA_VISIBLE_DEVICES`` names them."""
    sharing: int = 1
    """How many jobs of those that share as well may be on one."""

    def to_text(self) -> str:
        """For a job's environment."""
        return json.dumps(asdict(self))

    def take(self) -> str:
        """Wait until a GPU is free and keep it until this process, and all it forks, are gone.

        Returns:
            The GPU. Of several the one with the fewest jobs on it.
        """
        said = False
        while (gpu := self._try()) is None:
            if not said:
                print(f"a job waits: other runs lease all of {', '.join(self.gpus)}", flush=True)
            said = True
            time.sleep(GLANCE)
        return gpu

    def _try(self) -> str | None:
        for place in range(self.sharing):
            for gpu in self.gpus:
                if self._alone(gpu) if self.sharing == 1 else self._shared(gpu, place):
                    return gpu
        return None

    def _alone(self, gpu: str) -> bool:
        return self._lock(gpu, fcntl.LOCK_EX) is not None

    def _shared(self, gpu: str, place: int) -> bool:
        """One of the places on a GPU, unless somebody has the GPU for himself."""
        seat = self._lock(f"{gpu}.{place}", fcntl.LOCK_EX)
        if seat is None:
            return False
        if self._lock(gpu, fcntl.LOCK_SH) is None:
            os.close(seat)
            return False
        return True

    def _lock(self, name: str, how: int) -> int | None:
        """Lock a file without waiting; its descriptor, which is never closed, or None if somebody else has it."""
        path = os.path.join(self.folder, name.replace("/", "_"))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            os.utime(descriptor)  # or whoever tidies /tmp up takes it for old
            return descriptor
        os.close(descriptor)
        return None


def take_gpu() -> None:
    """Lease a GPU if this job's environment offers any, and let this process see no other."""
    if text := os.environ.get(VARIABLE):
        os.environ["CUDA_VISIBLE_DEVICES"] = Offer(**json.loads(text)).take()


def lease_folder(folder: Path = LEASES) -> Path:
    """The folder of the locks, made if it is not there.

    Raises:
        MissingEnvironment: something else, or somebody else's folder, is in its place.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        raise MissingEnvironment(f"{folder}, where GPUs are leased, is not a folder of yours; have it removed")
    return folder
