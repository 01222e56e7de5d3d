"""This terminal, lent to a container."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clbench.errors import MissingEnvironment

PIECE = 65536


def converse(container: Any) -> int:
    """Start a container that has a terminal and stay with it until it ends; gives its exit code.

    Raises:
        MissingEnvironment: this process has no terminal.
    """
    if not sys.stdin.isatty():
        raise MissingEnvironment("a shell needs a terminal; for a command use `clbench container run`")
    ends = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    with _raw(), _sized(container):
        _carry(getattr(ends, "_sock", ends))
    return int(container.wait()["StatusCode"])


def _carry(ends: socket.socket) -> None:
    """Bytes from the keyboard to the container and from it to the screen, until it closes."""
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    watched: list[Any] = [ends, keyboard]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if ends in ready:
            piece = ends.recv(PIECE)
            if not piece:
                return
            os.write(screen, piece)
        if keyboard in ready:
            typed = os.read(keyboard, PIECE)
            if typed:
                ends.sendall(typed)
            else:
                watched.remove(keyboard)


@contextmanager
def _raw() -> Iterator[None]:
    """Every key goes through, Ctrl-C too; afterwards the terminal is as it was."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextmanager
def _sized(container: Any) -> Iterator[None]:
    """The container's terminal is as large as this one, also when it is resized."""

    def fit(*_: object) -> None:
        size = os.get_terminal_size(sys.stdin.fileno())
        if size.lines and size.columns:
            container.resize(size.lines, size.columns)

    fit()
    before = signal.signal(signal.SIGWINCH, fit)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
