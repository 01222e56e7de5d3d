"""Workers that load ahead of the training: in order, under seeds of the iterations, and not without their trainer."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clbench.conformance.finding import find_variant
from clbench.conformance.subject import Killed
from clbench.definitions.catalogue import Catalogue
from clbench.errors import CorruptArtifact
from clbench.job.assembly import assemble
from clbench.job.trainee import AUGMENT
from clbench.network.batch import Batch
from clbench.network.randomness import seed_all, set_random_state
from clbench.nnunet.loader import CaseLibrary, workers_on
from clbench.training.supply import LoadingFailed, Workers, ahead

ORDERS = [(i, (("liver", f"case{i}"), ("spleen", f"case{i}"))) for i in range(12)]


def second_stage(laboratory, baseline: str, workers: int, scenario: str = "task-incremental"):
    """The second stage of a baseline in an empty folder, to be trained with so many workers."""
    trained = laboratory.chain(scenario, find_variant(baseline, Catalogue.open()), 2)[1]
    return replace(laboratory.afresh(trained), workers=workers)


def trained_with(laboratory, baseline: str, workers: int):
    """What comes of a training: losses, evidence, weights."""
    trainee = second_stage(laboratory, baseline, workers)
    document = laboratory.train(trainee)
    weights = torch.load(trainee.folder.path / "model/fold_0/checkpoint_final.pth", weights_only=True)
    return document["losses"], document["evidence"], weights["network_weights"]


def assert_same(a, b) -> None:
    assert a[:2] == b[:2]
    assert all(torch.equal(value, b[2][name]) for name, value in a[2].items())


@pytest.mark.parametrize("baseline", ["finetune", "replay", "der", "lwf", "a-gem"])
def test_a_training_is_the_same_with_one_worker_and_with_three(laboratory, baseline):
    assert_same(trained_with(laboratory, baseline, 1), trained_with(laboratory, baseline, 3))


@pytest.mark.parametrize("baseline", ["finetune", "replay", "der", "a-gem"])
def test_a_training_with_workers_that_is_killed_and_resumed_equals_one_that_was_not(laboratory, baseline):
    expected = trained_with(laboratory, baseline, 2)
    killed = Killed.of(second_stage(laboratory, baseline, 2))
    resumed = killed.resumed(laboratory)
    assert "resuming after epoch 1" in resumed.trainee.folder.log.read_text()
    assert_same(expected, (resumed.document["losses"], resumed.evidence, resumed.model["network_weights"]))


def test_a_resume_goes_on_with_another_number_of_workers(laboratory):
    killed = Killed.of(second_stage(laboratory, "replay", 3))
    resumed = replace(killed, trainee=replace(killed.trainee, workers=1)).resumed(laboratory)
    expected = trained_with(laboratory, "replay", 2)
    assert_same(expected, (resumed.document["losses"], resumed.evidence, resumed.model["network_weights"]))


def test_a_workers_batch_is_the_loaders_own_under_the_seed_of_its_iteration(laboratory):
    trainee = second_stage(laboratory, "finetune", 2)
    stage, _, _ = assemble(trainee)
    alone, _, _ = assemble(replace(trainee, workers=0))
    orders = [(i, stage.deck.draw(2)) for i in range(5)]
    for (iteration, keys), made in zip(orders, stage.supply.batches(iter(orders)), strict=True):
        seed_all([*trainee.stream(AUGMENT), iteration])
        (expected,) = alone.supply.batches(iter([(iteration, keys)]))
        assert made.keys == keys
        assert torch.equal(made.data, expected.data)
        assert all(torch.equal(a, b) for a, b in zip(made.target, expected.target, strict=True))


def slow_for_even(keys) -> Batch:
    number = int(keys[0][1].removeprefix("case"))
    time.sleep(0.05 * (number % 2 == 0))
    return Batch(torch.full((2, 1, 2, 2, 2), float(number)), (torch.rand(2, 1, 2, 2, 2),), keys)


def made_by(load, number: int = 3) -> Iterator[Batch]:
    return Workers(load, lambda batch: batch, number, [0], pin=False).batches(iter(ORDERS))


def test_batches_come_in_order_though_some_take_longer_and_leave_the_training_process_generators_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert [batch.keys for batch in made_by(slow_for_even)] == [keys for _, keys in ORDERS]
    assert torch.equal(torch.get_rng_state(), before)


def test_orders_are_taken_ahead_as_far_as_nnunet_queues_and_no_further():
    taken = []
    orders = (taken.append(order) or order for order in ((i, (("liver", f"case{i}"),)) for i in range(100)))
    batches = Workers(slow_for_even, lambda batch: batch, 2, [0], pin=False).batches(orders)
    next(batches)
    assert len(taken) == 2 * ahead(2) + 1
    assert [(n, n * ahead(n)) for n in (1, 2, 12)] == [(1, 7), (2, 8), (12, 24)]


def test_only_cuda_gets_workers_whatever_nnunets_variable_says(monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    assert workers_on(torch.device("cpu")) == 0
    assert workers_on(torch.device("cuda")) == 1


def test_a_case_that_can_not_be_read_is_named_with_and_without_workers(laboratory, tmp_path):
    trainee = second_stage(laboratory, "finetune", 2)
    folders = {task: prepared.preprocessed for task, prepared in trainee.prepared.tasks.items()}
    folders["spleen"] = Path(shutil.copytree(folders["spleen"], tmp_path / "spleen"))
    case = trainee.prepared.tasks["spleen"].train[0]
    file = folders["spleen"] / f"{case}.b2nd"
    file.write_bytes(file.read_bytes()[:100])
    library = CaseLibrary(folders)
    with pytest.raises(CorruptArtifact, match=rf"{file}: case {case} of spleen can't be read"):
        library.load_case(("spleen", case))

    def load(keys) -> Batch:
        library.load_case(keys[1])
        return slow_for_even(keys)

    orders = [(0, (("liver", "case0"), ("spleen", case)))]
    workers = Workers(load, lambda batch: batch, 2, [0], pin=False)
    with pytest.raises(LoadingFailed, match=rf"loading case case0 of liver, case {case} of spleen: .*{file}"):
        next(workers.batches(iter(orders)))


def test_a_worker_that_dies_is_named_with_the_cases_that_it_was_at():
    def die_at_7(keys) -> Batch:
        if keys[0][1] == "case7":
            os.kill(os.getpid(), signal.SIGKILL)
        return slow_for_even(keys)

    workers = Workers(die_at_7, lambda batch: batch, 3, [0], pin=False)
    died = "a loading worker died at case case7 of liver, case case7 of spleen: DataLoader worker"
    with pytest.raises(LoadingFailed, match=died), workers.watched():
        list(workers.batches(iter(ORDERS)))


@pytest.mark.parametrize("broken", [EOFError, ConnectionResetError])
def test_a_death_that_is_first_seen_as_a_broken_pipe_is_a_death_all_the_same(broken):
    workers = Workers(slow_for_even, lambda batch: batch, 1, [0], pin=False)

    def told(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    before = signal.signal(signal.SIGALRM, told)  # as torch's handler raises, a moment after the pipe ended
    signal.setitimer(signal.ITIMER_REAL, 1.2)  # as late as on a busy machine
    try:
        with pytest.raises(LoadingFailed, match="a loading worker died"), workers.watched():
            raise broken
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("broken", [ConnectionResetError(), RuntimeError("received 0 items of ancdata")], ids=repr)
def test_a_death_whose_signal_is_lost_is_found_all_the_same(broken):
    workers = Workers(slow_for_even, lambda batch: batch, 1, [0], pin=False)
    dying = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    dying.start()
    workers._at[0] = dying.pid
    dying.kill()
    with pytest.raises(LoadingFailed, match="a loading worker died"), workers.watched():
        raise broken


def test_a_broken_file_is_no_death():
    workers = Workers(slow_for_even, lambda batch: batch, 1, [0], pin=False)
    with pytest.raises(FileNotFoundError), workers.watched():
        raise FileNotFoundError("no such case")


def test_an_error_of_the_training_itself_is_not_taken_for_a_workers_death():
    workers = Workers(slow_for_even, lambda batch: batch, 1, [0], pin=False)
    with pytest.raises(RuntimeError, match=re.escape("size of tensor a (3)")), workers.watched():
        torch.zeros(3) + torch.zeros(2)


TRAINER = """
import time, os, torch
from clbench.network.batch import Batch
from clbench.training.supply import Workers

def load(keys):
    os.write(1, b"%d\\n" % os.getpid())
    return Batch(torch.zeros(1), (), keys)

batches = Workers(load, lambda batch: batch, 2, [0], pin=False).batches((i, ()) for i in range(10**6))
next(batches)
time.sleep(600)
"""


def test_workers_do_not_outlive_a_trainer_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", TRAINER], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        pids = {int(trainer.stdout.readline()) for _ in range(8)}
        trainer.kill()
        trainer.stdout.read()  # comes to its end when no worker holds the pipe any more
    assert len(pids) == 2


def test_the_gradient_scalers_state_is_part_of_a_resume(laboratory):
    stage, _, _ = assemble(second_stage(laboratory, "finetune", 0))
    stage.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    stage.train_epoch()
    state = deepcopy(stage.state())  # as a file would hold it
    again, _, _ = assemble(second_stage(laboratory, "finetune", 0))
    again.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    again.load_state(state)
    assert stage.scaler.get_scale() == again.scaler.get_scale() == 16.0
    stage.train_epoch()
    set_random_state(state["random"])
    again.train_epoch()
    assert stage.losses == again.losses
