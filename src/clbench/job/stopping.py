"""A job whose time is nearly up: it stops where it has just written down how far it is."""

from __future__ import annotations

import signal

from clbench.errors import ClbenchError

ASKED = signal.SIGUSR1
"""What a scheduler sends some time before it kills a job."""


class Stopped(ClbenchError):
    """A job ended early because it was asked to."""

    exit_code = 3


def heed() -> None:
    """From now on let the signal wait until the job looks for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {ASKED})
    signal.signal(ASKED, signal.SIG_DFL)  # an ignored signal would not wait; those around the job ignore it


def stop_if_asked(doing: str) -> None:
    """End the job if the signal came.

    Raises:
        Stopped: it came.
    """
    if ASKED in signal.sigpending():
        raise Stopped(f"stopped at {doing}, since its time is nearly up; the same command goes on from there")
