"""A timed handful of steps of a planned network: what ``clbench plan`` asks where there is a CUDA device.

Run as ``python -m clbench.job.timing``, with a ``Network`` and a batch size as JSON on standard input.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from clbench.nnunet.plain import build
from clbench.plan.network import Network

WARM_UP, TIMED = 3, 5


def step_seconds(network: Network, batch: int, device: torch.device) -> float:
    """Seconds of one optimiser step: mixed precision on CUDA, not compiled, random images, no loading."""
    model = build(network).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.99, nesterov=True)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    images = torch.randn(batch, 1, *network.patch, device=device)
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            _settle(device)
            start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            loss = torch.stack([output.square().mean() for output in model(images)]).sum()
        torch.autograd.backward(scaler.scale(loss))
        scaler.step(optimizer)
        scaler.update()
    _settle(device)
    return (time.perf_counter() - start) / TIMED


def _settle(device: torch.device) -> None:
    """Wait for the device, whose work goes on behind the program's back."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Read a request; print ``{"seconds", "device"}``, or ``{"error"}`` where there is no usable device."""
    asked: dict[str, Any] = json.load(sys.stdin)
    if not torch.cuda.is_available():
        print(json.dumps({"error": f"torch {torch.__version__} sees no CUDA device"}))
        return
    torch.backends.cudnn.benchmark = True
    network = Network(**{name: _tuples(value) for name, value in asked["network"].items()})
    try:
        seconds = step_seconds(network, asked["batch"], torch.device("cuda"))
        print(json.dumps({"seconds": seconds, "device": torch.cuda.get_device_name()}))
    except torch.OutOfMemoryError as error:
        print(json.dumps({"error": str(error)}))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
