"""What the engine starts for one job: asks the warm server to do it, or does it itself if there is none.

Run by path with ``python -I -S`` and nothing but the standard library, since it is started once per job:
``client.py MODULE PLAN ID``. Ends with the job's exit code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "GOTO_NUM_THREADS": "1",
}
"""What keeps the numeric libraries to one thread."""
PASSED_ON = ("CLBENCH_THREADS", "CLBENCH_LEASE", "CLBENCH_TIME_LIMIT")
ENGINE = "CLBENCH_ENGINE"
"""Tells the engine's process id; who starts clients without an engine leaves it out."""
HINTS: dict[int, str] = {
    signal.SIGKILL: "; was memory short?",
    signal.SIGALRM: ": it took longer than --time-limit allows",
}
"""What a signal that ended a job may mean."""
DO_IT_HERE = """
import sys
from clbench.execute.lease import take_gpu
take_gpu()
from clbench.execute.lifetime import start_clock
start_clock()
from {module} import main
sys.exit(main(*sys.argv[1:]))
"""


def main(module: str, plan: str, job: str) -> int:
    """Have one job done and return its exit code; without a server this process becomes the job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    engine = int(os.environ.get(ENGINE) or os.getppid())
    connection = _connect(os.environ.get("CLBENCH_WARM"))
    if connection is not None:
        code = _ask(connection, plan, job)
        if code is not None:
            return code
    _become_the_job(module, plan, job, engine)
    return 1


def _connect(path: str | None) -> socket.socket | None:
    if not path:
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        return None
    return connection


def _ask(connection: socket.socket, plan: str, job: str) -> int | None:
    """The job's exit code; None if the server went away before it had started the job."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    request = {"plan": plan, "id": job, "environment": environment}
    reply = None
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        for line in connection.makefile("rb"):
            reply = json.loads(line)
    except OSError:
        pass  # the server is gone; what it said last tells how far it came
    return None if reply is None else _explain(job, reply.get("status"))


def _explain(job: str, status: int | None) -> int:
    if status is None:
        print(f"{job}: the server that ran the job ended before the job did", file=sys.stderr)
        return 1
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        print(f"{job}: the job's process was killed by signal {number}{HINTS.get(number, '')}", file=sys.stderr)
        return 128 + number
    return os.WEXITSTATUS(status)


def _become_the_job(module: str, plan: str, job: str, engine: int) -> None:
    """Replace this process by one that does the job, and dies with the engine (on Linux); if that is gone, end."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, as in lifetime.py
        if os.getppid() != engine:
            sys.exit(1)
    code = DO_IT_HERE.format(module=module)
    os.execve(sys.executable, [sys.executable, "-c", code, plan, job], {**os.environ, **ONE_THREAD})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
