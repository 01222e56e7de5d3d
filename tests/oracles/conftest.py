"""One thread, as a job has, and a stage's context without a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from clbench.methods.base import Context


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tensors here are small; threads that wait for each other take twenty times as long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stage() -> Callable[..., Context]:
    """Makes the context of a stage that trains these parameters; evidence is taken at its last step alone."""

    def make(trunk: dict[str, torch.nn.Parameter], **given: Any) -> Context:
        fields: dict[str, Any] = {
            "network": None, "task": "b", "earlier": ("a",), "cases": {"a": ("case",)}, "patches": None,
            "batches": None, "task_loss": None, "memory": None,
            "iterations": 10, "epoch_iterations": given.get("iterations", 10), "batch": 2, "lr": 0.1, "momentum": 0.0,
            "rng": np.random.default_rng(0),
        }  # fmt: skip
        return Context(trunk=trunk, **{**fields, **given})

    return make
