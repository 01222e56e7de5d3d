"""A stage's training: epoch by epoch, resumed where it was killed, and what the next stage needs of it."""

from __future__ import annotations

import io
import resource
from pathlib import Path
from typing import Any, cast

import torch

from clbench.errors import CorruptArtifact
from clbench.job.arrays import array_digests
from clbench.job.assembly import assemble
from clbench.job.memory import naming_memory
from clbench.job.method import naming, require_finite, require_plain
from clbench.job.monitor import Monitor
from clbench.job.progress import Progress
from clbench.job.selection import Selection
from clbench.job.trainee import Trainee
from clbench.methods.base import Method
from clbench.network.heads import copied
from clbench.network.own import OwnWeights
from clbench.nnunet import checkpoint
from clbench.nnunet.loader import CaseLibrary
from clbench.store import Json, read_checked, write_checked
from clbench.training.stage import Stage


def train(trainee: Trainee, progress: Progress) -> Json:
    """Train a stage from its last finished epoch on, and seal what it leaves.

    Returns:
        The ``trained`` document: cost, evidence, loss per epoch, and the files it vouches for.
    """
    with naming_memory(trainee, "beginning"):
        stage, method, library = assemble(trainee)
    with naming_memory(trainee, "training", stage):
        return _train(trainee, progress, stage, method, library)


def _train(trainee: Trainee, progress: Progress, stage: Stage, method: Method, library: CaseLibrary) -> Json:
    resume = trainee.folder.path / "resume.pth"
    selection = Selection(trainee, stage)
    _take_up(trainee, stage, selection, resume)
    monitor = Monitor(trainee, stage)
    files: list[str] = []
    while stage.epoch < stage.schedule.epochs:
        stage.train_epoch()
        print(f"epoch {stage.epoch}/{stage.schedule.epochs}: loss {stage.losses[-1]:.4f}", flush=True)
        if stage.epoch in trainee.spec.snapshots:
            _write_model(trainee, stage, snapshot_name(stage.epoch))
        selection.look()
        monitor.look()
        save_resume(resume, plain_state(trainee, stage, selection))
        progress.at(f"epoch {stage.epoch}/{stage.schedule.epochs}", stage.epoch)
    selection.choose()
    for name in (*map(snapshot_name, trainee.spec.snapshots), "checkpoint_final"):
        files += [f"model/fold_0/{name}.pth"]
    memory = _end(trainee, method)
    files += _write_memory(trainee, memory)
    files += _write_model(trainee, stage, "checkpoint_final")
    account = _account(trainee, stage, method, library)
    made = {**stage.network.state_dict(), "memory": memory}
    account |= {"trace": stage.trace.record(), "arrays": array_digests(made)}
    account |= {"monitor": monitor.records} if trainee.spec.monitor else {}
    trained = trainee.folder.finish("trained", account, sorted(set(files)))
    resume.unlink(missing_ok=True)
    return trained


def snapshot_name(epoch: int) -> str:
    """The file name, without ending, of the model kept after an epoch."""
    return f"checkpoint_epoch{epoch:04d}"


def _end(trainee: Trainee, method: Method) -> dict[str, Any]:
    """What the method remembers of the stage."""
    with naming(trainee.spec.method, "end_stage"):
        memory = method.end_stage()
        require_plain(memory)
    return memory


def _write_memory(trainee: Trainee, memory: dict[str, Any]) -> list[str]:
    if not memory:
        return []
    checkpoint.save(trainee.folder.path / "memory.pth", memory)
    return ["memory.pth"]


def _write_model(trainee: Trainee, stage: Stage, name: str) -> list[str]:
    network, task = stage.network, trainee.spec.tasks[0]
    kept = {
        "heads": {known: copied(network.head_weights(known)) for known in network.heads},
        "own": {known: cast(OwnWeights, own).content() for known, own in network.own.items()},
        "shared": copied(network.shared_of(task)), "stage": trainee.spec.stage,
    }  # fmt: skip
    written = checkpoint.write_model(
        trainee.folder.path / "model", name, trainee.predicting(task), network.nnunet_weights(task),
        stage.optimizer.state_dict(), stage.scaler.state_dict(), stage.epoch, trainee.spec.mirror,
        {"clbench": kept},
    )  # fmt: skip
    return [f"model/{file}" for file in written]


def _account(trainee: Trainee, stage: Stage, method: Method, library: CaseLibrary) -> Json:
    """What the training cost, and what proves that the method ran."""
    kept = method.kept_cases()
    memory = trainee.folder.path / "memory.pth"
    remembered = (memory.stat().st_size if memory.exists() else 0) + sum(map(library.bytes_of, kept))
    with naming(trainee.spec.method, "evidence"):
        effect = method.effect()
        numbers = ({} if effect is None else {"effect": effect}) | method.evidence()
        require_finite(numbers)
    return {
        "cost": {
            "train_seconds": stage.seconds,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "parameters": sum(p.numel() for p in stage.network.trunk.parameters()),
            "iterations": stage.schedule.epochs * stage.schedule.iterations,
            "kept_cases": len(kept),
            "remembered_mb": remembered / 1e6,
        },
        "evidence": {
            "expected": effect is not None,
            "inert": effect is not None and effect == 0,
            "numbers": numbers,
        },
        "losses": stage.losses,
        "arithmetic": trainee.arithmetic,
    }


def plain_state(trainee: Trainee, stage: Stage, selection: Selection) -> dict[str, Any]:
    """Everything that an exact resume needs; what the method gives to it must be plain."""
    with naming(trainee.spec.method, "state"):
        state = stage.state()
        require_plain(state["method"])
    return {**state, "selection": selection.state()}


def save_resume(path: Path, state: dict[str, Any]) -> None:
    """Write the state with its own checksum behind it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_checked(path, buffer.getvalue())


def _take_up(trainee: Trainee, stage: Stage, selection: Selection, path: Path) -> None:
    """Go on from a killed attempt; a damaged file is put away and training begins anew."""
    try:
        data = read_checked(path)
    except FileNotFoundError:
        return
    except CorruptArtifact:
        print(f"{path} is damaged; training begins anew", flush=True)
        path.unlink()
        return
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    stage.load_state(state, naming(trainee.spec.method, "load_state"))
    selection.load_state(state["selection"])
    print(f"resuming after epoch {stage.epoch}", flush=True)
