"""The runs that are compared; each is carried out once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import Unavailable
from portability.emulator import HYGON, INTEL, emulating
from portability.runs import Run, start

SHORT = ("micro-short",)
LONG = ("micro", "micro-classes")
MEASURED: dict[str, str] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was compared and what it cost."""
    for name, value in MEASURED.items():
        terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def measured() -> dict[str, str]:
    """What is printed at the end."""
    return MEASURED


@pytest.fixture(scope="session")
def short_emulated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The short benchmark on an emulated Hygon; it is not waited for."""
    return _emulated(tmp_path_factory.mktemp("short"), SHORT, HYGON)


@pytest.fixture(scope="session")
def short_native(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The short benchmark on this processor, as every job is computed."""
    return start(tmp_path_factory.mktemp("native") / "short", SHORT)


@pytest.fixture(scope="session")
def long_native(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All methods on this processor."""
    return start(tmp_path_factory.mktemp("native") / "long", LONG)


@pytest.fixture(scope="module", params=[INTEL, HYGON], ids=lambda models: models[0])
def long_emulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All methods on an emulated processor."""
    return _emulated(tmp_path_factory.mktemp("long"), LONG, request.param)


def _emulated(parent: Path, benchmarks: tuple[str, ...], models: tuple[str, ...]) -> Run:
    """A run on the first of some models that there is, in a folder of the model's name."""
    try:
        under = emulating(models)
    except Unavailable as why:
        pytest.skip(f"no emulated {' or '.join(models)}: {why}")
    return start(parent / under[-1], benchmarks, under)
