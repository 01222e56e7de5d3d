"""Batches of patches from the cases of several tasks, drawn and augmented by nnU-Net's own data loader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import blosc2
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.dataloading import data_loader
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from clbench.errors import ClbenchError, CorruptArtifact
from clbench.network.batch import Batch, Key
from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.properties import read_properties

CACHE_BYTES = 256 * 2**20
UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError)
"""What Blosc2, NumPy and pickle raise over a file that is missing, cut short or damaged."""


UNFORESEEN = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What cropping and augmentation raise at a case that nobody foresaw; a lack of memory is another thing."""


class _Cases(nnUNetDatasetBlosc2):  # type: ignore[misc]
    """nnU-Net's preprocessed cases of a folder, of which no file can run code as it is read."""

    def load_case(self, identifier: str) -> tuple[Any, Any, None, dict[str, Any]]:
        """As nnU-Net's, but for its unpickling."""
        path, options = f"{self.source_folder}/{identifier}", {"mode": "r", "dparams": {"nthreads": 1}}
        data, seg = (blosc2.open(f"{path}{end}.b2nd", **options, **self.mmap_kwargs) for end in ("", "_seg"))
        return data, seg, None, read_properties(Path(f"{path}.pkl"))


class CaseLibrary:
    """Preprocessed cases of several tasks by ``(task, case)``; small ones stay in memory once read."""

    def __init__(self, folders: Mapping[str, Path], workers: int = 0) -> None:
        """Open nothing yet.

        Args:
            folders: of preprocessed cases, by task.
            workers: processes that will each have a copy of this library, and share the memory for its cases.
        """
        self._folders = dict(folders)
        self._datasets = {task: _Cases(str(folder), []) for task, folder in folders.items()}
        self._cache: dict[Key, tuple[Any, Any, None, dict[str, Any]]] = {}
        self._room = CACHE_BYTES // max(1, workers)
        self.identifiers: list[Key] = []

    def load_case(self, key: Key) -> tuple[Any, Any, None, dict[str, Any]]:
        """Image ``(C, X, Y, Z)``, label ``(1, X, Y, Z)``, nothing, and nnU-Net's properties of a case.

        Raises:
            CorruptArtifact: the case can't be read.
        """
        if key in self._cache:
            return self._cache[key]
        try:
            return self._read(key)
        except UNREADABLE as error:
            task, case = key
            file = self._folders[task] / f"{case}.b2nd"
            reason = f"case {case} of {task} can't be read ({error}); if it is whole, memory was short"
            raise CorruptArtifact(file, reason) from error

    def _read(self, key: Key) -> tuple[Any, Any, None, dict[str, Any]]:
        task, case = key
        data, seg, _, properties = self._datasets[task].load_case(case)
        size = data.nbytes + seg.nbytes
        if size > self._room:
            return data, seg, None, properties
        self._room -= size
        self._cache[key] = (data[:], seg[:], None, properties)
        return self._cache[key]

    def bytes_of(self, key: Key) -> int:
        """Bytes of a case, uncompressed."""
        data, seg, _, _ = self.load_case(key)
        return int(data.nbytes + seg.nbytes)


class PatchLoader(nnUNetDataLoader):  # type: ignore[misc]
    """nnU-Net's loader, told which cases to load instead of drawing them itself."""

    def __init__(
        self,
        library: CaseLibrary,
        parts: NnunetParts,
        transforms: BasicTransform,
        initial_patch: Sequence[int] | None = None,
    ) -> None:
        patch = parts.configuration.patch_size
        super().__init__(
            library,
            1,
            patch if initial_patch is None else initial_patch,
            patch,
            parts.labels,
            oversample_foreground_percent=0.33,
            transforms=transforms,
        )
        self._keys: tuple[Key, ...] = ()

    def get_indices(self) -> tuple[Key, ...]:
        """The cases of the batch that is being loaded."""
        return self._keys

    def load(self, keys: Sequence[Key]) -> Batch:
        """Load one patch of each case, in this order."""
        self._keys, self.batch_size = tuple(keys), len(keys)
        try:
            with _one_thread_already():
                batch = self.generate_train_batch()
        except UNFORESEEN as error:
            cases = " and ".join(f"case {case} of {task}" for task, case in dict.fromkeys(keys))
            raise ClbenchError(f"{cases}: no patch can be cut: {type(error).__name__}: {error}") from error
        target = batch["target"]
        return Batch(batch["data"], tuple(target) if isinstance(target, list) else (target,), self._keys)


@contextmanager
def _one_thread_already() -> Iterator[None]:
    """Spare nnU-Net's search for thread pools to limit, which costs 4 ms a batch: a job has one thread anyway."""
    before = data_loader.threadpool_limits
    data_loader.threadpool_limits = lambda **_: nullcontext()
    try:
        yield
    finally:
        data_loader.threadpool_limits = before


def training_loader(library: CaseLibrary, parts: NnunetParts, mirror: bool) -> PatchLoader:
    """A loader with nnU-Net's training augmentation."""
    transforms, initial_patch = parts.augmentation(mirror)
    return PatchLoader(library, parts, transforms, initial_patch)


def plain_loader(library: CaseLibrary, parts: NnunetParts) -> PatchLoader:
    """A loader without augmentation, as importance estimates take it."""
    return PatchLoader(library, parts, parts.plain_transforms())


def workers_on(device: torch.device) -> int:
    """Processes that load for a training: on CUDA as many as nnU-Net takes, on the CPU none.

    On a CPU jobs side by side use the cores; ``nnUNet_n_proc_DA``, which many users of nnU-Net have set for good,
    would change the order in which augmentation draws, and thereby the results.
    """
    return int(get_allowed_n_proc_DA()) if device.type == "cuda" else 0
