"""Signals are collected while something has to be stopped in order, and only those that would have ended it."""

from __future__ import annotations

import signal

from clbench.signals import collected_signals


def test_signals_are_noted_in_order_and_handled_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with collected_signals() as received:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_ignored_as_under_nohup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with collected_signals() as received:
            signal.raise_signal(signal.SIGHUP)
        assert received == []
    finally:
        signal.signal(signal.SIGHUP, before)
