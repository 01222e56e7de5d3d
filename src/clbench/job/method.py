"""A method from its source file, and what it must not hand out: it is named where it does."""

from __future__ import annotations

import importlib.util
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clbench.errors import ClbenchError
from clbench.methods.base import Method


class MethodFailed(ClbenchError):
    """A method's hook failed, or returned what can't be kept."""

    exit_code = 3


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


@contextmanager
def naming(method: str, hook: str) -> Iterator[None]:
    """Let an error in a method's hook say whose it is; where in its code is in the log.

    Raises:
        MethodFailed: the hook raised.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        traceback.print_exc()
        raise MethodFailed(f"method {method}, {hook}: {type(error).__name__}: {error}") from error


def require_plain(value: Any, where: str = "") -> None:
    """Refuse what can't be read back without running code.

    Raises:
        TypeError: there is something else than tensors, numbers, texts, lists and dicts; named by its place.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            require_plain(inner, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            require_plain(inner, f"{where}[{index}]")
    elif value is not None and not isinstance(value, torch.Tensor | bool | int | float | str):
        raise TypeError(f"returned {where or 'a value'} of type {type(value).__name__}; tensors, numbers, texts, "
                        "lists and dicts can be kept")


def require_finite(numbers: dict[str, Any]) -> None:
    """Refuse evidence that proves nothing.

    Raises:
        ValueError: a number is not finite; all of them are named.
    """
    wrong = [
        name for name, value in numbers.items()
        for one in (value if isinstance(value, list | tuple) else [value])
        if isinstance(one, float) and not math.isfinite(one)
    ]  # fmt: skip
    if wrong:
        raise ValueError(f"{', '.join(dict.fromkeys(wrong))}: not a finite number")
