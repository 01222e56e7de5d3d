"""Whatever a file holds, its reader takes it or ends with an error of clbench's own, and writes nothing elsewhere.

``make fuzz`` asks the same of many more inputs, guided by coverage.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.errors import ClbenchError
from fuzz.mutate import mutated
from fuzz.readers import names, reader
from fuzz.sandbox import Sandbox

SLOW = {"benchmark", "splits", "nnunet_plans", "task_card"}
"""Readers of definitions, which look up every name that is written: a few ms for each input."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Where inputs are read."""
    made = Sandbox()
    yield made
    made.close()


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """An input that is right but for some bytes, its end, or the values in it."""
    data = draw(st.sampled_from(seeds))
    match draw(st.sampled_from(["bytes", "end", "document", "document", "foreign"])):
        case "end":
            return data[: draw(st.integers(0, len(data)))]
        case "document":
            return mutated(data, draw(st.integers(0, 2**32))) or data
        case "foreign":
            return draw(st.binary(max_size=600))
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 8))):
        changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


@pytest.mark.parametrize("name", names())
def test_a_reader_takes_every_input_or_refuses_it_in_its_own_words(sandbox: Sandbox, name: str) -> None:
    chosen = reader(name)
    seeds = list(chosen.seeds())

    @settings(max_examples=20 if name in SLOW else 100, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(damaged(seeds))
    def asked(data: bytes) -> None:
        complaint = sandbox.complaint(chosen, data)
        assert complaint is None or complaint.startswith("slow"), complaint

    asked()


@pytest.mark.parametrize("name", names())
def test_a_reader_is_fuzzed_from_an_input_that_it_takes(sandbox: Sandbox, name: str) -> None:
    chosen = reader(name)
    taken = [data for data in chosen.seeds() if _takes(sandbox, name, data)]
    assert taken


def _takes(sandbox: Sandbox, name: str, data: bytes) -> bool:
    assert sandbox.complaint(reader(name), b"") is None, "the folder is empty again"
    try:
        reader(name).read(data, sandbox.fresh())
    except ClbenchError:
        return False
    return True


def test_a_reader_that_writes_elsewhere_or_starts_a_program_is_found_out(sandbox: Sandbox, tmp_path) -> None:
    class Writes:
        @staticmethod
        def read(data: bytes, folder) -> None:
            (folder / "inside").write_bytes(data)
            (tmp_path / "outside").write_bytes(data)

    class Raises:
        @staticmethod
        def read(data: bytes, folder) -> None:
            raise KeyError(data)

    assert sandbox.complaint(Writes, b"x") == f"trespass: open {tmp_path / 'outside'}"
    assert sandbox.complaint(Raises, b"x").startswith("KeyError in test_readers.py:")
