"""The warm server's life: started with a run, ended with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clbench.execute.lifetime import PATIENCE, bound_to_me, environment

PREFIX, SOCKET = "clbench-", "warm"


@contextmanager
def warm_server(module: str, log: Path) -> Iterator[str | None]:
    """Run the warm server until the block ends; gives its socket's path, None if there can be no socket.

    The socket listens before this returns, so that clients queue while the server imports.
    """
    _sweep()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    try:
        listener = _listen(os.path.join(folder, SOCKET))
        if listener is None:
            yield None
            return
        with listener:
            server = _start_server(module, listener, log)
        try:
            yield os.path.join(folder, SOCKET)
        finally:
            _stop_server(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Delete what runs that were killed left in the temporary folder."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{SOCKET}"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(1)
            try:
                caller.connect(str(path))
            except ConnectionRefusedError:
                shutil.rmtree(path.parent)


def _listen(path: str) -> socket.socket | None:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(f"{path}.new")
        os.chmod(f"{path}.new", 0o600)
        listener.listen(socket.SOMAXCONN)
        os.rename(f"{path}.new", path)  # so that one to which nobody listens is a dead run's
    except OSError:  # the temporary folder's name is too long for a socket: jobs then start cold
        listener.close()
        return None
    return listener


def _start_server(module: str, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "clbench.execute.server", module, str(listener.fileno())]
    with open(log, "ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, pass_fds=[listener.fileno()],
            env=environment(), process_group=0, preexec_fn=bound_to_me(),
        )  # fmt: skip


def _stop_server(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.terminate()  # it may still be importing
    with suppress(subprocess.TimeoutExpired):
        server.wait(PATIENCE)
    server.kill()
    server.wait()
