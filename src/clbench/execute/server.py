"""A process that has imported the heavy modules once, and forks a child for each job.

Importing torch and nnU-Net takes seconds, a fork milliseconds. The server has one thread and one loop; it
ends, together with its children, when its standard input closes: when the process that started it is gone.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NoReturn

from clbench.execute.lease import take_gpu
from clbench.execute.lifetime import die_with_parent, kill_group, start_clock

Json = dict[str, Any]


class Server:
    """Serves requests ``{"plan", "id", "environment"}``, one JSON line per connection.

    It answers ``{"started": PID}`` and later ``{"status": WAIT_STATUS}``, one line each, then closes. If
    the client hangs up earlier, its job is killed.
    """

    def __init__(self, listener: socket.socket, module: ModuleType) -> None:
        """Prepare to accept on ``listener`` and to call ``module.main(plan, id)`` in children."""
        self.listener = listener
        self.module = module
        self.children: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.serving = True
        self.bell, self.clapper = socket.socketpair()

    def serve(self) -> None:
        """Serve until standard input closes or SIGTERM comes; then kill the children and return."""
        self._listen()
        while self.serving:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj is self.bell:
                    self.bell.recv(4096)
                    self._reap()
                elif key.fd == 0:
                    self.serving = bool(os.read(0, 1))
                elif isinstance(key.fileobj, socket.socket) and key.fileobj.fileno() >= 0:
                    self._hear(key.fileobj)  # unless it was closed a moment ago, its job having ended
        self._end()

    def _listen(self) -> None:
        for end in (self.bell, self.clapper):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wakeup descriptor rings the bell
        signal.signal(signal.SIGTERM, self._stop_serving)
        signal.set_wakeup_fd(self.clapper.fileno(), warn_on_full_buffer=False)
        for source in (self.listener, self.bell, 0):
            self.selector.register(source, selectors.EVENT_READ)

    def _stop_serving(self, *_: object) -> None:
        self.serving = False

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        self.selector.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: socket.socket) -> None:
        """A client sent its request, or hung up."""
        message = _receive(connection)
        if message:
            self._start(connection, json.loads(message))
        else:
            self._hang_up(connection)

    def _start(self, connection: socket.socket, request: Json) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        server = os.getpid()
        child = os.fork()
        if child == 0:
            _do(self._leave_to_parent, server, self.module, request)
        _lead_a_group(child)
        self.children[child] = connection
        _send(connection, {"started": child})

    def _leave_to_parent(self) -> None:
        """In a child: let go of everything that is the server's, so that its end is noticed."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self.clapper.close()
        self.selector.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def _reap(self) -> None:
        for child in list(self.children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                connection = self.children.pop(child)
                kill_group(child)  # what the job itself started and left behind
                _send(connection, {"status": status})
                self._close(connection)

    def _hang_up(self, connection: socket.socket) -> None:
        for child, client in list(self.children.items()):
            if client is connection:
                kill_group(child)
                os.waitpid(child, 0)
                del self.children[child]
        self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self.selector.unregister(connection)
        connection.close()

    def _end(self) -> None:
        for child in self.children:
            kill_group(child)
        for child in self.children:
            os.waitpid(child, 0)


def _receive(connection: socket.socket) -> bytes:
    """One line; empty if the other side hung up."""
    message = b""
    while not message.endswith(b"\n"):
        try:
            part = connection.recv(65536)
        except OSError:
            part = b""
        if not part:
            return b""
        message += part
    return message


def _send(connection: socket.socket, reply: Json) -> None:
    with suppress(OSError):  # the client is gone; the loop hears of it next
        connection.sendall(json.dumps(reply).encode() + b"\n")


def _lead_a_group(child: int) -> None:
    """Both sides of the fork do this, so that it is done whoever comes first."""
    with suppress(OSError):  # the child has done it, or has ended
        os.setpgid(child, child)


def _do(leave_to_parent: Callable[[], None], server: int, module: ModuleType, request: Json) -> NoReturn:
    """The child: do the job and end with its exit code, whatever happens."""
    code = 1
    try:
        leave_to_parent()
        _lead_a_group(0)
        die_with_parent(server)
        os.environ.update(request["environment"])
        take_gpu()
        start_clock()
        code = int(module.main(request["plan"], request["id"]) or 0)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process to one core, so that libraries (blosc2, numexpr) start no threads as they load.

    A fork takes only the forking thread along.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def main(module_name: str, listener_fd: str) -> None:
    """Import ``module_name``, let it ``preload()``, and serve on an inherited listening socket."""
    with _one_core():
        module = importlib.import_module(module_name)
        module.preload()
    Server(socket.socket(fileno=int(listener_fd)), module).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
