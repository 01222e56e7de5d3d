"""The comparison itself: one flipped bit of a stored array is found, and its place is named."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import blosc2
import numpy as np
import pytest
import torch

from clbench.store import read_sealed, write_sealed
from portability.digests import differences
from portability.runs import Run


def tensor(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    weights = content["network_weights"]
    weights[min(weights)].view(torch.int32).view(-1)[0] ^= 1
    torch.save(content, file)


def momentum(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    content["optimizer_state"]["state"][0]["momentum_buffer"].view(torch.int32).view(-1)[0] ^= 1
    torch.save(content, file)


def array(file: Path) -> None:
    values = blosc2.open(str(file), mode="r")[:]
    values.view(np.int32).flat[0] ^= 1
    file.unlink()
    blosc2.asarray(values, urlpath=str(file))


def reference(file: Path) -> None:
    with np.load(file) as archive:
        label = archive["label"]
    label.flat[0] ^= 1
    buffer = io.BytesIO()
    np.savez(buffer, label=label)
    file.write_bytes(buffer.getvalue())


def image(file: Path) -> None:
    file.write_bytes(_flipped(file.read_bytes()))


def prediction(file: Path) -> None:
    file.write_bytes(gzip.compress(_flipped(gzip.decompress(file.read_bytes()))))


def loss(file: Path) -> None:
    content = read_sealed(file)
    content["losses"][0] = float(np.nextafter(content["losses"][0], 1e9))
    write_sealed(file, content)


def plan(file: Path) -> None:
    content = json.loads(file.read_text())
    content["plans_name"] += "!"
    file.write_text(json.dumps(content))


def _flipped(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "pattern", "place"),
    [
        (tensor, "stage2-*-ewc-*/model/fold_0/checkpoint_final.pth", "/network_weights/"),
        (momentum, "stage2-*-ewc-*/model/fold_0/checkpoint_final.pth", "/optimizer_state/state/0/momentum_buffer"),
        (array, "prepare-*/preprocessed/*/cases/liver_0??.b2nd", "/"),
        (reference, "prepare-*/preprocessed/*/reference/liver_*.npz", "/label"),
        (image, "prepare-*/raw/*/imagesTr/liver_*.nii", "/"),
        (prediction, "stage2-*-ewc-*/predictions/*/liver_*.nii.gz", "/"),
        (loss, "stage2-*-ewc-*/result.json", "/losses/0"),
        (plan, "prepare-*/plans.json", "/plans_name"),
    ],
    ids=["weight", "momentum", "preprocessed", "reference", "raw", "prediction", "loss", "plan"],
)
def test_one_changed_bit_is_found_and_its_place_is_named(
    change: Callable[[Path], None], pattern: str, place: str, short_native: Run, tmp_path: Path
) -> None:
    expected = short_native.digests
    store = Path(shutil.copytree(short_native.folder / "store", tmp_path / "store"))
    file = sorted(store.glob(f"jobs/{pattern}"))[0]

    change(file)

    found = differences(expected, short_native.digests_in(store))
    assert all(f"{file.name}: {place}" in one for one in found)
    assert 1 <= len(found) <= 4, "nnU-Net's state dict names a tensor of the encoder up to four times"


def test_a_missing_file_is_a_difference(short_native: Run, tmp_path: Path) -> None:
    expected = short_native.digests
    store = Path(shutil.copytree(short_native.folder / "store", tmp_path / "store"))
    next(store.glob("jobs/stage2-*-ewc-*/memory.pth")).unlink()

    assert {"memory.pth"} == {place.split(": ")[1] for place in differences(expected, short_native.digests_in(store))}


def test_a_file_of_an_unknown_kind_is_refused_rather_than_left_out(short_native: Run, tmp_path: Path) -> None:
    assert short_native.output
    store = Path(shutil.copytree(short_native.folder / "store", tmp_path / "store"))
    (next(store.glob("jobs/stage2-*-ewc-*/model")) / "more.h5").touch()

    with pytest.raises(ValueError, match=r"more\.h5: no reader"):
        short_native.digests_in(store)
