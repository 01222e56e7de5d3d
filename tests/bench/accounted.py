"""Does a job as ``clbench.job`` does, and writes down where its CPU time went.

The engine calls it in the place of ``clbench.job``; ``test_account.py`` reads what it leaves in ``account.json``.
"""

from __future__ import annotations

import json
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from bench.cpu_time import children_cpu

START = "start: fork, the plan read, the code compared with the plan's"
LOAD, AUGMENT, SETUP = "patches cut and batched", "augmentation", "network, cases and method put together"
FORWARD, LOSS, BACKWARD = "forward", "loss", "backward"
OPTIMISER, METHOD, LOOP = "clipping and optimiser", "method", "loop"
CHECKPOINT, MODEL = "checkpoint of each epoch", "model and memory written and sealed"
LOADED, PREDICTED = "evaluation: network loaded", "evaluation: prediction"
NATIVE, MEASURED, EVALUATED = "evaluation: way back to native space", "evaluation: metrics", "evaluation: the rest"
SEALED = "result sealed, checksums of its files"
PREPARED, REST = "preparation", "the rest"
HOOKS = ("begin_stage", "draw", "relabel", "loss", "after_backward", "after_step", "end_stage", "evidence")


class Account:
    """CPU seconds of this process by what it was doing; every moment counts once, to the innermost."""

    def __init__(self) -> None:
        """What the process took so far was its start."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.doing, self.since = [START], 0.0

    def turn(self) -> None:
        """Book what went by."""
        now = time.process_time()
        self.seconds[self.doing[-1]] += now - self.since
        self.since = now
        self.doing[0] = REST

    def of(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is the phase's."""

        @wraps(function)
        def accounted(*args: Any, **more: Any) -> Any:
            self.turn()
            self.doing.append(phase)
            try:
                return function(*args, **more)
            finally:
                self.turn()
                self.doing.pop()

        return accounted

    def watch(self, owner: Any, name: str, phase: str) -> None:
        """Account for a function wherever it is called through its owner."""
        setattr(owner, name, self.of(phase, getattr(owner, name)))


def preload() -> None:
    """Import what a job needs, and say in the engine's log what that took."""
    from clbench.job import preload

    preload()
    print(f"imported in {time.process_time()} s", flush=True)


def main(plan_path: str, job_id: str) -> int:
    """Do one job and leave its account beside its result."""
    from clbench import job
    from clbench.plan.sealed import plan_from
    from clbench.store import Store

    account = Account()
    watch_everything(account)
    code = job.main(plan_path, job_id)
    account.turn()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    account.seconds[PREPARED] += children_cpu()
    written = {"peak_mb": peak, "seconds": {phase: s for phase, s in account.seconds.items() if s}}
    store = Path(plan_from(Path(plan_path).read_bytes()).store)
    (Store(store).job(job_id).path / "account.json").write_text(json.dumps(written))
    return code


def watch_everything(account: Account) -> None:
    """Stand at every door between two phases; this process ends with its job, so nothing is put back."""
    import torch
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

    from clbench.job import assembly, evaluate, predict, prepare, stage, train
    from clbench.network.heads import MultiHeadNetwork
    from clbench.nnunet.loader import PatchLoader
    from clbench.store import JobFolder
    from clbench.training.stage import Stage

    doors = [
        (prepare, "prepare", PREPARED), (stage, "trainee_of", SETUP), (stage, "train", LOOP),
        (train, "assemble", SETUP), (PatchLoader, "load", LOAD), (ComposeTransforms, "apply", AUGMENT),
        (MultiHeadNetwork, "forward", FORWARD), (Stage, "task_loss", LOSS), (torch.Tensor, "backward", BACKWARD),
        (torch.nn.utils, "clip_grad_norm_", OPTIMISER), (torch.optim.SGD, "step", OPTIMISER),
        (torch.optim.SGD, "zero_grad", OPTIMISER), (train, "plain_state", CHECKPOINT),
        (train, "save_resume", CHECKPOINT), (train, "_write_model", MODEL), (train, "_write_memory", MODEL),
        (JobFolder, "finish", SEALED), (stage, "evaluate", EVALUATED), (evaluate, "load_network", LOADED),
        (evaluate, "predict_case", PREDICTED), (predict, "to_native", NATIVE), (evaluate, "measure_case", MEASURED),
    ]  # fmt: skip
    for owner, name, phase in doors:
        account.watch(owner, name, phase)
    assembly.load_method = with_hooks(account, assembly.load_method)


def with_hooks(account: Account, load: Callable[..., Any]) -> Callable[..., Any]:
    """Loads methods whose hooks are accounted for."""

    def loaded(*args: Any) -> Any:
        method = load(*args)
        for hook in HOOKS:
            account.watch(method, hook, METHOD)
        return method

    return loaded
