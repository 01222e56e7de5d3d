"""Random numbers that must not change from machine to machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.data.draws import Draws


def test_the_stream_is_the_recorded_one() -> None:
    draws = Draws("mini-liver", 0)
    assert [draws.integer(0, 999) for _ in range(4)] == [454, 784, 928, 402]
    assert draws.uniform(-1, 1).hex() == "0x1.333c89669eed4p-1"
    assert draws.normal(1).hex() == "0x1.7c8b329b5b45dp+0"


def test_normals_have_the_asked_deviation_and_mean_zero() -> None:
    values = Draws("moments", 0).normals(7, 100_000)
    assert values.std() == pytest.approx(7, rel=0.01)
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert np.mean(np.abs(values) < 7) == pytest.approx(0.6827, abs=0.02)


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(0, 99))
def test_integers_stay_within_both_ends(low: int, extent: int, index: int) -> None:
    draws = Draws("integers", index)
    assert all(low <= draws.integer(low, low + extent) <= low + extent for _ in range(20))


def test_integers_reach_both_ends() -> None:
    draws = Draws("integers", 0)
    assert {draws.integer(2, 4) for _ in range(100)} == {2, 3, 4}


def test_other_cases_and_other_tasks_have_other_streams() -> None:
    streams = {Draws(name, index).uniform(0, 1) for name in ("mini-liver", "mini-lung") for index in range(50)}
    assert len(streams) == 100
