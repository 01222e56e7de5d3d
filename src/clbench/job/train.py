"""A stage's training: put the parts together, train epoch by epoch, keep what the next stage needs."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clbench.data.splits import training_cases
from clbench.errors import CorruptArtifact
from clbench.job.prepare import Prepared
from clbench.job.progress import Progress
from clbench.methods.base import Context, Method
from clbench.network.batch import Batch, Key
from clbench.network.heads import HEAD_PREFIX, MultiHeadNetwork, Weights
from clbench.nnunet import checkpoint
from clbench.nnunet.loader import CaseLibrary, plain_loader, training_loader
from clbench.nnunet.parts import NnunetParts
from clbench.plan import Job, StageSpec
from clbench.store import JobFolder, Json, write_atomic
from clbench.training.deck import Deck
from clbench.training.randomness import seed_all
from clbench.training.stage import Schedule, Stage

INITIALISE, BEGIN, TRAIN, DECK, METHOD = range(5)
"""What a stage draws random numbers for: each has a stream of its own, so that none disturbs another."""


@dataclass(frozen=True)
class Trainee:
    """What a stage's training is made of.

    Attributes:
        job: its row in the plan.
        spec: what the row says.
        folder: where its artifacts go.
        parent: the previous stage's folder, if there is one.
        prepared: the benchmark's data.
        device: where it trains.
    """

    job: Job
    spec: StageSpec
    folder: JobFolder
    parent: JobFolder | None
    prepared: Prepared
    device: torch.device

    def parts(self, task: str) -> NnunetParts:
        """nnU-Net's parts for a task."""
        return NnunetParts(self.prepared.plans, self.prepared.tasks[task].dataset_json, self.device)

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels last is faster on CPU; on CUDA as nnU-Net does."""
        return torch.contiguous_format if self.device.type == "cuda" else torch.channels_last_3d

    def stream(self, purpose: int) -> list[int]:
        """The seed of one of the stage's random streams."""
        return [self.spec.seed, self.spec.stage, purpose]


def train(trainee: Trainee, progress: Progress) -> Json:
    """Train a stage from its last finished epoch on, and seal what it leaves.

    Returns:
        The ``trained`` document: cost, evidence, loss per epoch, and the files it vouches for.
    """
    stage, method, library = assemble(trainee)
    resume = trainee.folder.path / "resume.pth"
    _take_up(stage, resume)
    files: list[str] = []
    while stage.epoch < stage.schedule.epochs:
        stage.train_epoch()
        print(f"epoch {stage.epoch}/{stage.schedule.epochs}: loss {stage.losses[-1]:.4f}", flush=True)
        if stage.epoch in trainee.spec.snapshots:
            _write_model(trainee, stage, snapshot_name(stage.epoch))
        _save_resume(resume, stage.state())
        progress.at(f"epoch {stage.epoch}/{stage.schedule.epochs}", stage.epoch)
    for name in (*map(snapshot_name, trainee.spec.snapshots), "checkpoint_final"):
        files += [f"model/fold_0/{name}.pth"]
    files += _write_memory(trainee, method)
    files += _write_model(trainee, stage, "checkpoint_final")
    trained = trainee.folder.finish("trained", _account(trainee, stage, method, library), sorted(set(files)))
    resume.unlink(missing_ok=True)
    return trained


def snapshot_name(epoch: int) -> str:
    """The file name, without ending, of the model kept after an epoch."""
    return f"checkpoint_epoch{epoch:04d}"


def assemble(trainee: Trainee) -> tuple[Stage, Method, CaseLibrary]:
    """Network, data and method of a stage, told of the previous one and ready for the first step."""
    spec, parts = trainee.spec, trainee.parts(trainee.spec.tasks[0])
    network = _network(trainee)
    schedule = Schedule(
        spec.epochs, spec.iterations, spec.batch, spec.lr, spec.momentum, spec.weight_decay, spec.warmup
    )
    tasks = trainee.prepared.tasks
    cases = {task: tasks[task].train for task in spec.earlier}
    own = {task: training_cases(tasks[task].train, spec.fraction, spec.seed) for task in spec.tasks}
    library = CaseLibrary({task: tasks[task].preprocessed for task in (*spec.earlier, *spec.tasks)})
    method = load_method(Path(trainee.job.method_file), spec.settings)
    start = time.perf_counter()
    _begin(trainee, method, network, library, {**cases, **own})
    begun = time.perf_counter() - start
    loader = training_loader(library, parts, spec.mirror)
    if parts.compiles:
        network.compile_trunk()
    seed_all(trainee.stream(TRAIN))

    def load(keys: tuple[Key, ...]) -> Batch:
        return loader.load(keys).to(trainee.device, trainee.memory_format)

    deck = Deck(own, trainee.stream(DECK))
    stage = Stage(network, parts.loss(), schedule, method, deck, load, trainee.device)
    stage.seconds = begun
    return stage, method, library


def _network(trainee: Trainee) -> MultiHeadNetwork:
    """A fresh network with a head per task of the stage; of a later stage, the previous trunk and heads."""
    spec = trainee.spec
    seed_all(trainee.stream(INITIALISE))
    network = MultiHeadNetwork(trainee.parts(spec.tasks[0]).network(), spec.tasks[0])
    for task in spec.tasks[1:]:
        weights = trainee.parts(task).network().state_dict()
        head = {k.removeprefix(HEAD_PREFIX): v for k, v in weights.items() if k.startswith(HEAD_PREFIX)}
        network.add_head(task, head, frozen=False)
    if trainee.parent is not None:
        previous = load_model(trainee.parent, "checkpoint_final")
        network.load_trunk(previous["network_weights"])
        for task in spec.earlier:
            network.add_head(task, previous["clbench"]["heads"][task], frozen=True)
    return network.place(trainee.device, trainee.memory_format)


def load_model(folder: JobFolder, name: str) -> dict[str, Any]:
    """A finished stage's checkpoint, checked against the checksums in its ``trained`` document.

    Raises:
        CorruptArtifact: it is missing or damaged.
    """
    if folder.check("trained") is None:
        raise CorruptArtifact(folder.path / "trained.json", "is missing")
    return checkpoint.load(folder.path / "model" / "fold_0" / f"{name}.pth")


def load_method(file: Path, settings: dict[str, Any]) -> Method:
    """Make a method from its source file: the class in it that is a ``Method`` and that no other
    class there derives from."""
    spec = importlib.util.spec_from_file_location(f"clbench.methods.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    ]  # fmt: skip
    (chosen,) = (one for one in own if not any(issubclass(other, one) for other in own if other is not one))
    method: Method = chosen(**settings)
    return method


def _begin(
    trainee: Trainee,
    method: Method,
    network: MultiHeadNetwork,
    library: CaseLibrary,
    cases: dict[str, tuple[str, ...]],
) -> None:
    """Let the method look at the previous stage; its random numbers are its own."""
    spec = trainee.spec
    seed_all(trainee.stream(BEGIN))
    patches = plain_loader(library, trainee.parts(spec.tasks[0]))

    def load(keys: Sequence[Key]) -> Batch:
        return patches.load(keys).to(trainee.device, trainee.memory_format)

    context = Context(
        network=network, trunk=network.trunk_parameters(), earlier=spec.earlier, cases=cases, patches=load,
        memory=_read_memory(trainee), iterations=spec.epochs * spec.iterations, epoch_iterations=spec.iterations,
        batch=spec.batch, lr=spec.lr, momentum=spec.momentum, rng=np.random.default_rng(trainee.stream(METHOD)),
    )  # fmt: skip
    method.begin_stage(context)


def _read_memory(trainee: Trainee) -> dict[str, Any] | None:
    """What the method remembered at the end of the previous stage, if that stage was its own."""
    if trainee.parent is None or not (trainee.parent.path / "memory.pth").exists():
        return None
    return checkpoint.load(trainee.parent.path / "memory.pth")


def _write_memory(trainee: Trainee, method: Method) -> list[str]:
    memory = method.end_stage()
    if not memory:
        return []
    checkpoint.save(trainee.folder.path / "memory.pth", memory)
    return ["memory.pth"]


def _write_model(trainee: Trainee, stage: Stage, name: str) -> list[str]:
    network, task = stage.network, trainee.spec.tasks[0]
    heads: dict[str, Weights] = {
        known: {k: v.cpu().contiguous() for k, v in network.head_weights(known).items()} for known in network.heads
    }
    written = checkpoint.write_model(
        trainee.folder.path / "model", name, trainee.parts(task),
        {k: v.cpu().contiguous() for k, v in network.nnunet_weights(task).items()},
        stage.optimizer.state_dict(), stage.epoch, trainee.spec.mirror,
        {"clbench": {"heads": heads, "stage": trainee.spec.stage}},
    )  # fmt: skip
    return [f"model/{file}" for file in written]


def _account(trainee: Trainee, stage: Stage, method: Method, library: CaseLibrary) -> Json:
    """What the training cost, and what proves that the method ran."""
    kept = method.kept_cases()
    memory = trainee.folder.path / "memory.pth"
    remembered = (memory.stat().st_size if memory.exists() else 0) + sum(map(library.bytes_of, kept))
    effect = method.effect()
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
            "numbers": ({} if effect is None else {"effect": effect}) | method.evidence(),
        },
        "losses": stage.losses,
    }


def _save_resume(path: Path, state: dict[str, Any]) -> None:
    """Write the state with its own checksum behind it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    write_atomic(path, data + hashlib.sha256(data).digest())


def _take_up(stage: Stage, path: Path) -> None:
    """Go on from a killed attempt; a damaged file is put away and training begins anew."""
    if not path.exists():
        return
    raw = path.read_bytes()
    data, seal = raw[:-32], raw[-32:]
    if hashlib.sha256(data).digest() != seal:
        print(f"{path} is damaged; training begins anew", flush=True)
        path.unlink()
        return
    stage.load_state(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    print(f"resuming after epoch {stage.epoch}", flush=True)
