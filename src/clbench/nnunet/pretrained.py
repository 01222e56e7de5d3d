"""The trunk of a network that nnU-Net, or a program that writes its checkpoints, has trained elsewhere."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clbench.errors import ClbenchError
from clbench.network.heads import Weights
from clbench.nnunet.fitting import SEGMENTATION

WRAPPERS = ("_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put in front of a layer's name."""


def read_trunk(path: Path) -> Weights:
    """The weights of a checkpoint without its segmentation layers, on the CPU, under nnU-Net's names.

    No code from the file is run. nnU-Net logs numpy scalars, which are let in beside torch's own plain types.

    Args:
        path: a ``.pth`` file of nnU-Net v2.

    Raises:
        ClbenchError: it is no such checkpoint, needs code to be read, or has nothing but segmentation layers.
    """
    weights = _network_weights(path, _content(path))
    named = {_unwrapped(name): value for name, value in weights.items()}
    trunk = {name: value for name, value in named.items() if SEGMENTATION not in name}
    if not trunk:
        raise ClbenchError(f"{path} has segmentation layers alone, and these are left out: there is no trunk in it")
    return trunk


def _content(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            _require_no_larger_inside(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ClbenchError(f"{path} {_why(str(error))}") from error
    except Exception as error:  # torch raises anything at a foreign file
        raise ClbenchError(f"{path} can't be read as a checkpoint: {_first_line(error)}") from error


def _require_no_larger_inside(path: Path) -> None:
    """Refuse a zip file that unpacks to more than it is; torch compresses nothing.

    Raises:
        ValueError: it does.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        inside = sum(entry.file_size for entry in packed.infolist())
    if inside > path.stat().st_size:
        raise ValueError(f"it unpacks to {inside} bytes, more than it is, and torch compresses nothing")


def _why(message: str) -> str:
    """The words for a refusal of the reader that runs no code."""
    _, found, rest = message.partition("Unsupported global: GLOBAL ")
    if not found:
        return f"is no checkpoint of torch: {next(iter(message.splitlines()), 'it can not be unpickled')}"
    return (
        f"holds a {rest.split()[0]}, which can't be read without running code from the file; load it where you trust "
        "it and save its weights alone: torch.save({'network_weights': checkpoint['network_weights']}, PATH)"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _numpy_scalars() -> list[Any]:
    """What pickle makes numpy's numbers of, under their names of numpy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64, np.bool_)]
    names = [(scalar, f"{package}.multiarray.scalar") for package in ("numpy.core", "numpy._core")]
    return [np.dtype, *kinds, *names]


def _network_weights(path: Path, content: Any) -> Mapping[str, torch.Tensor]:
    if not isinstance(content, dict) or "network_weights" not in content:
        raise ClbenchError(f"{path} is no checkpoint of nnU-Net v2, which has network_weights; {_what(content)}")
    weights = content["network_weights"]
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ClbenchError(f"{path}: network_weights are not tensors by name")
    return weights


def _what(content: Any) -> str:
    if not isinstance(content, dict):
        return f"it holds a {type(content).__name__}"
    if "state_dict" in content:
        return "it has state_dict, as those of nnU-Net v1 and other programs, whose networks are others"
    keys = list(map(str, content))
    return f"it has {', '.join(keys[:4])}{' …' if len(keys) > 4 else ''}" if keys else "it is empty"


def _unwrapped(name: str) -> str:
    """A layer's name without the wrappers in front of it."""
    while name.startswith(WRAPPERS):
        name = name.partition(".")[2]
    return name
