"""Starts the engine, Snakemake, as a subprocess; it is never imported here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from clbench.execute.backends import Backend, Needs
from clbench.execute.estimate import chains
from clbench.execute.lifetime import PATIENCE, bound_to_me, environment, kill_group, stop_group
from clbench.plan import Job
from clbench.store import Store, write_atomic

SNAKEFILE = Path(__file__).with_name("Snakefile")


@dataclass(frozen=True)
class EngineFolder:
    """The engine's own folder in the store: one per run folder, emptied before each use."""

    path: Path

    @classmethod
    def of(cls, store: Store, run_folder: Path) -> EngineFolder:
        """The folder that belongs to a run folder."""
        name = hashlib.sha256(str(run_folder.resolve()).encode()).hexdigest()[:16]
        return cls((store.root / "engine" / name).resolve())

    @property
    def pending(self) -> Path:
        """What the engine has to do; Snakemake reads it as its configuration."""
        return self.path / "pending.json"

    @property
    def events(self) -> Path:
        """What the engine started and what failed, one JSON line each."""
        return self.path / "events.jsonl"

    @property
    def temporary(self) -> Path:
        """The engine's temporary files."""
        return self.path / "tmp"

    def ticket(self, job: str) -> Path:
        """The file that Snakemake makes when a job's process has ended well."""
        return self.path / "tickets" / job

    @property
    def name(self) -> str:
        """The run's short name: the same for all attempts at it."""
        return self.path.name

    def prepare(self, jobs: Mapping[str, Job], command: Sequence[str], needs: Mapping[str, Needs]) -> None:
        """Empty the folder and write the pending list."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        write_atomic(self.pending, json.dumps(self._list(jobs, command, needs), indent=1).encode())

    def _list(self, jobs: Mapping[str, Job], command: Sequence[str], needs: Mapping[str, Needs]) -> dict[str, object]:
        """The Snakefile's ``config``; a job's priority is the longest chain that begins with it, in 0.1 s."""
        urgency = chains(jobs, {id: job.seconds for id, job in jobs.items()})
        rows = {
            id: {
                "parents": [parent for parent in job.parents if parent in jobs],
                "priority": 1 + round(10 * urgency[id]),
                **asdict(needs[id]),
            }
            for id, job in jobs.items()
        }
        return {"command": list(command), "events": str(self.events), "jobs": rows}


@contextmanager
def engine(
    folder: EngineFolder, backend: Backend, log: Path, warm: str | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Snakemake over a prepared folder until the block ends; then nothing of it is left running."""
    backend.sweep(folder.name)
    command = _snakemake(folder, backend.flags(folder.name, log.parent))
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=_environment(folder, warm), process_group=0, preexec_fn=bound_to_me(),
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            stop_group(process, PATIENCE)
        kill_group(process.pid)
        backend.sweep(folder.name)


def _environment(folder: EngineFolder, warm: str | None) -> dict[str, str]:
    """Snakemake wants a cache in the home folder, and in a container there may be none: it gets another one.

    Its temporary files lie there too, since it leaves them when it is killed. The Snakefile gives the jobs the user's
    settings back.
    """
    return {
        **environment(),
        "CLBENCH_WARM": warm or "",
        "CLBENCH_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", ""),
        "XDG_CACHE_HOME": str(folder.path / "cache"),
        "CLBENCH_TMPDIR": os.environ.get("TMPDIR", ""),
        "TMPDIR": str(folder.temporary),
    }


def _snakemake(folder: EngineFolder, flags: Sequence[str]) -> list[str]:
    """Snakemake's flags: it keeps no books (the store does), and says only what went wrong."""
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(folder.path),
        "--configfile", str(folder.pending), *flags,
        "--scheduler", "greedy", "--keep-going", "--rerun-triggers", "mtime", "--ignore-incomplete",
        "--nolock", "--drop-metadata", "--runtime-source-cache-path", str(folder.path / "sources"),
        "--workflow-profile", "none", "--profile", "none", "--nocolor",
        "--quiet", "rules", "progress", "reason", "host",
    ]  # fmt: skip
