"""What to lower when the memory of the machine or of its accelerator does not hold a stage."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from clbench.errors import ClbenchError
from clbench.job.trainee import Trainee
from clbench.methods.base import Context, Method
from clbench.network.heads import MultiHeadNetwork
from clbench.training.stage import Stage


class OutOfMemory(ClbenchError):
    """The memory is too small; the message says what fills it and what to lower."""

    exit_code = 3


@contextmanager
def naming_memory(trainee: Trainee, doing: str, stage: Stage | None = None) -> Iterator[None]:
    """Answer a lack of memory with what fills it.

    Args:
        trainee: what is trained or evaluated.
        doing: ``beginning``, ``training`` or ``evaluating``.
        stage: its training, if that has begun.

    Raises:
        OutOfMemory: in place of the error that says so, whose message, often with the bytes asked, is part of it.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        raise OutOfMemory(_explain(trainee, doing, stage, str(error) or "no memory")) from error


@contextmanager
def naming_case(task: str, case: str) -> Iterator[None]:
    """Say which case an error is about; a lack of memory is answered by ``naming_memory``.

    Raises:
        ClbenchError: in place of whatever a library raises.
    """
    try:
        yield
    except ClbenchError:
        raise
    except Exception as error:
        if _lacks_memory(error):
            raise
        traceback.print_exc()
        words = f"can't be evaluated: {type(error).__name__}: {error}"
        raise ClbenchError(f"task {task}, case {case}: {words}") from error


def _lacks_memory(error: Exception) -> bool:
    """Whether it is memory that lacks; torch says so of a processor's in words only."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _explain(trainee: Trainee, doing: str, stage: Stage | None, said: str) -> str:
    spec, configuration = trainee.spec, trainee.parts(trainee.spec.tasks[0]).configuration
    patch = " x ".join(map(str, configuration.patch_size))
    features = ", ".join(map(str, configuration.network_arch_init_kwargs["features_per_stage"]))
    held = {} if stage is None else own_bytes(stage.method, stage.network)
    extra = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in held.items())
    sentences = [
        f"out of memory {doing} stage {spec.stage} with {spec.method}: patch {patch}, batch {spec.batch}, features "
        f"{features}",
        f"the method holds besides: {extra}" if extra else "",
        f"the error says: {said.split('. If reserved')[0].strip()}",
        "lower backbone.patch, budget.batch or backbone.features, in this order of what costs least, or take a "
        "larger device; see that no other program uses this one",
    ]
    return "; ".join(sentence for sentence in sentences if sentence)


def own_bytes(method: Method, network: MultiHeadNetwork) -> dict[str, int]:
    """Bytes of the tensors that each attribute of a method holds; the stage's network is not the method's.

    A copy of the network as teacher, importance, anchors, bases, a stored gradient: whatever it keeps.
    """
    seen = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    sizes: dict[str, int] = {}
    for name, value in vars(method).items():
        for tensor in _tensors(value):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                sizes[name] = sizes.get(name, 0) + storage.nbytes()
    return sizes


def _tensors(value: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """Tensors in modules, collections and plain objects, some levels deep."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from (*value.parameters(), *value.buffers())
    elif depth and not isinstance(value, Context | type):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        for one in (*inner, *getattr(value, "__dict__", {}).values()):
            yield from _tensors(one, depth - 1)
