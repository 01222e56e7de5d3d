"""A known answer: fixed operations whose bits show whether this process has portable arithmetic.

Some milliseconds of what training, evaluation and the methods compute. The SHA-256 of the results is a constant of
the libraries' versions. A variable that was set too late, or a processor that rounds otherwise, gives another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from clbench import ARITHMETIC
from clbench.arithmetic import CUDA, NATIVE, PORTABLE, VARIABLE, native
from clbench.errors import CorruptArtifact, MissingEnvironment
from clbench.processor import processor
from clbench.store import digest, read_sealed, write_sealed

if TYPE_CHECKING:
    import numpy as np
    import torch

ANSWERS = {
    ("2.13.0", "2.4.6"): "4f7133feff33f35033908d4f70c4ca7d4ed71d2a4795f78ef7ab243e31c09ce7",
}
"""By the versions of torch and numpy."""


@cache
def arithmetic_here() -> str:
    """The arithmetic of this process, proved by the known answer; imports torch."""
    return ARITHMETIC.name if not ARITHMETIC.portable or answer() == recorded() else native(processor(), os.environ)


def require_arithmetic(planned: str) -> None:
    """Refuse to store what this process computes under a plan that promises other bits.

    Args:
        planned: the arithmetic that the plan names; with CUDA, and for native arithmetic, nothing is promised.

    Raises:
        MissingEnvironment: the plan is portable and this process is not, or the reverse.
    """
    if planned in ("", CUDA) or (arithmetic_here() == PORTABLE) == (planned == PORTABLE):
        return
    if planned != PORTABLE:
        raise MissingEnvironment(
            f"the run was planned with native arithmetic ({planned}), and this job's process computes {PORTABLE}; "
            f"set {VARIABLE}={NATIVE} where the job runs, too"
        )
    late = f"; {' and '.join(ARITHMETIC.late)} had been imported before clbench" if ARITHMETIC.late else ""
    why = ARITHMETIC.reason or f"{processor().name} does not compute the known answer{late}"
    raise MissingEnvironment(
        f"the run was planned with portable arithmetic ({PORTABLE}), and this job's process has another: {why}; "
        f"run it on a node with AVX2 and FMA, or plan with {VARIABLE}={NATIVE}"
    )


def planned_arithmetic(prove: bool = False) -> tuple[str, str]:
    """The arithmetic that jobs on this machine will have, and why it is native.

    The answer is computed in a process of its own, once for each type of processor and set of versions, and kept in
    the user's cache folder.

    Args:
        prove: compute the answer if it was not computed before; without, the processor's flags are believed then.

    Returns:
        Name and reason; the reason is empty for portable arithmetic.
    """
    if not ARITHMETIC.portable:
        return ARITHMETIC.name, ARITHMETIC.reason
    reason = _contradiction(prove)
    return (native(processor(), os.environ), reason) if reason else (ARITHMETIC.name, "")


def _contradiction(prove: bool) -> str:
    expected = recorded()
    if expected is None:
        return f"no known answer is recorded for {' and '.join(map(' '.join, _versions().items()))}"
    if (_computed() if prove else _kept() or expected) != expected:
        return f"this processor ({processor().name}) does not compute the known answer"
    return ""


def recorded() -> str | None:
    """What the installed versions must compute; None if nobody recorded it."""
    versions = _versions()
    return ANSWERS.get((versions["torch"].partition("+")[0], versions["numpy"]))


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "numpy")}


def _computed() -> str:
    """The answer of a fresh process on this machine, unless it was computed before."""
    found = _kept()
    if found is None:
        found = asked_of_a_process()
        with suppress(OSError):  # without a cache it is computed for each run
            write_sealed(_file(), {"answer": found, "versions": _versions(), "processor": processor().type})
    return found


def _kept() -> str | None:
    try:
        return str(read_sealed(_file())["answer"])
    except (OSError, CorruptArtifact):
        return None


def _file() -> Path:
    """Where the answer of this type of processor and these versions to the recorded question is kept."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    key = digest([recorded(), _versions(), processor().type, sorted(processor().flags)])
    return caches / "clbench" / "arithmetic" / f"{key[:16]}.json"


def asked_of_a_process() -> str:
    """The answer of a fresh process.

    Raises:
        MissingEnvironment: the process failed; the message has the last line that it printed.
    """
    done = subprocess.run([sys.executable, "-P", "-m", "clbench.known_answer"], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise MissingEnvironment(f"the known answer can't be computed (exit code {done.returncode}): {said}")
    return str(json.loads(done.stdout))


@cache
def answer() -> str:
    """SHA-256 of the fixed operations' results in this process."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = hashlib.sha256()
    for array in _results():
        found.update(array.tobytes())
    torch.set_num_threads(threads)
    return found.hexdigest()


def _results() -> Iterator[np.ndarray]:
    """A strided convolution with its gradients, a batch of one, products, elementary functions, a decomposition.

    Not ``torch.sqrt``: MKL begins it with an approximation whose bits are each vendor's own, whatever is set.
    """
    yield from _convolution()
    yield from _algebra()


def _convolution() -> Iterator[np.ndarray]:
    import torch
    from torch.nn import functional

    layout = torch.channels_last_3d
    images = _numbers(2, 8, 12, 12, 12).to(memory_format=layout).requires_grad_()
    weights = _numbers(16, 8, 3, 3, 3).to(memory_format=layout).requires_grad_()
    head = _numbers(2, 16, 1, 1, 1).requires_grad_()
    output = functional.conv3d(functional.conv3d(images, weights, stride=2, padding=1), head)
    loss = functional.cross_entropy(output, torch.zeros(2, 6, 6, 6, dtype=torch.long))
    gradients = torch.autograd.grad(loss, (images, weights, head))
    yield from (value.detach().contiguous().numpy() for value in (output, loss, *gradients))
    with torch.no_grad():
        yield functional.conv3d(images[:1], weights, padding=1).contiguous().numpy()


def _algebra() -> Iterator[np.ndarray]:
    import numpy as np
    import torch

    square = _numbers(64, 64)
    positive = square.abs() + 0.1
    yield from (one.numpy() for one in (square @ square, positive.exp(), positive.rsqrt(), positive.log()))
    yield from (part.numpy() for part in torch.linalg.svd(square))
    values = positive.numpy()
    yield from (values @ values.T, np.sqrt(values))
    yield from (np.power(one, one.dtype.type(0.9)) for one in (values, values.astype(np.float64)))


def _numbers(*shape: int) -> torch.Tensor:
    """Fixed numbers between -1 and 1 that look random, exact in float32: squares modulo a prime."""
    import torch

    count = torch.arange(1, torch.Size(shape).numel() + 1, dtype=torch.int64)
    return ((count * count % 8191 - 4095).to(torch.float32) / 4096).reshape(shape)


if __name__ == "__main__":
    print(json.dumps(answer()))
