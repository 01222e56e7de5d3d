"""Time of a training step beside a bare PyTorch loop with the same network, batch and loss.

``make bench`` runs both in one session, on one thread; docs/performance.md says what came out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from clbench.job.assembly import assemble
from clbench.job.prepare import prepare
from clbench.job.stage import trainee_of
from clbench.run import Places
from clbench.store import Store
from clbench.training.stage import Stage

WIDE = """
name: wide
version: 1
title: One stage at 32 voxels a side
extends: mini-organs
sequence: [mini-liver, mini-spleen]
backbone: {{configuration: 3d_fullres, spacing: [6, 6, 6], patch: {patch}, features: {features}, mirror: true}}
sample: {{train: 8, val: 1, seed: 0}}
protocols:
  from-scratch: {{}}
"""
SETTINGS = {"8-16-32 at 32": ([32] * 3, [8, 16, 32]), "16-32-64 at 32": ([32] * 3, [16, 32, 64]),
            "embedded": ([24] * 3, [8, 16, 32, 32])}  # fmt: skip


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage at its first step, in a process with one thread."""
    patch, features = SETTINGS[request.param]
    suite = tmp_path_factory.mktemp("suite")
    (suite / "benchmark").mkdir()
    (suite / "benchmark" / "wide.yaml").write_text(WIDE.format(patch=patch, features=features))
    plan = Places((suite,), suite / "store").plan("wide")
    store = Store(Path(plan.store))
    prepare(plan.jobs[0], store.job(plan.jobs[0].id), threads=2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield assemble(trainee_of(plan.jobs[1], store))[0]
    torch.set_num_threads(threads)


def bare_loop(stage: Stage) -> Callable[[], None]:
    """Forward, nnU-Net's loss, backward and SGD on one fixed batch, as a tutorial writes it."""
    batch = next(stage.supply.batches(iter([(0, stage.deck.draw(2))])))
    optimizer = torch.optim.SGD(stage.parameters, 1e-3, 0.9, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        output = stage.network(batch.data, batch.tasks)
        ((_, logits),) = output.logits.items()
        loss = stage.loss(logits, list(batch.target))
        loss.backward()
        optimizer.step()

    return step


@pytest.mark.benchmark(group="training step")
def test_bare_pytorch(stage: Stage, benchmark) -> None:
    step = bare_loop(stage)
    benchmark.pedantic(step, rounds=60, warmup_rounds=5)


@pytest.mark.benchmark(group="training step")
def test_clbench_with_augmentation(stage: Stage, benchmark) -> None:
    benchmark.pedantic(lambda: stage._iteration(0), rounds=60, warmup_rounds=5)
