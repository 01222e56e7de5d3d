"""A checkpoint from elsewhere, which a stage starts from."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clbench.nnunet.fitting import check_fit
from clbench.nnunet.pretrained import read_trunk

NETWORK = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Linear(2, 2))


def seeds() -> Iterable[bytes]:
    """One that fits, in torch's two formats."""
    content = {"network_weights": NETWORK.state_dict(), "logging": {"dice": [np.float64(0.5)]}, "current_epoch": 1}
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        yield buffer.getvalue()


def read(data: bytes, folder: Path) -> None:
    """As a run does before anything is trained."""
    file = folder / "x.pth"
    file.write_bytes(data)
    check_fit(NETWORK, read_trunk(file), str(file))
