"""A job that is asked to stop: at its next checkpoint, not before it and not later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
from clbench.job.progress import Progress
from clbench.job.stopping import Stopped, heed
from clbench.store import JobFolder
heed()
progress = Progress(JobFolder(Path(sys.argv[1])), 3)
progress.at("epoch 1/3", 1)
if sys.argv[2] == "ask":
    os.kill(os.getpid(), signal.SIGUSR1)
print("goes on", flush=True)
try:
    progress.at("epoch 2/3", 2)
except Stopped as error:
    sys.exit(f"{error.exit_code} {error}")
"""


def _run(folder: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, folder, what], capture_output=True, text=True)


def test_a_job_asked_to_stop_goes_on_to_its_next_checkpoint_and_ends_there(tmp_path: Path) -> None:
    done = _run(tmp_path, "ask")

    assert done.stdout == "goes on\n"
    assert done.stderr == "3 stopped at epoch 2/3, since its time is nearly up; the same command goes on from there\n"
    assert '"done": 2' in (tmp_path / "progress.json").read_text()


def test_a_job_that_nobody_asks_runs_to_its_end(tmp_path: Path) -> None:
    done = _run(tmp_path, "let")

    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")
