"""One case of a finished run as arrays in one orientation: image, reference and kept predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clbench.data.raw import image_path
from clbench.errors import MissingEnvironment
from clbench.job.prepared import Prepared
from clbench.nnunet.properties import read_properties
from clbench.plan import Plan, PrepareSpec
from clbench.store import Store


@dataclass(frozen=True)
class CaseVolumes:
    """One case's volumes, axes to the right, the front and the head.

    Attributes:
        image_file: its first channel.
        prepared: the run's data.
        task: whose case it is.
        case: its name.
    """

    image_file: Path
    prepared: Prepared
    task: str
    case: str

    @cached_property
    def image(self) -> Any:
        """The image as nibabel has it, turned.

        Raises:
            MissingEnvironment: the file is not there, or is no NIfTI.
        """
        return _turned(load(self.image_file))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        return tuple(float(size) for size in self.image.header.get_zooms()[:3])  # type: ignore[return-value]

    def reference(self) -> Any:
        """The reference's label map on the image's grid, turned."""
        import nibabel

        label = self.prepared.tasks[self.task].reference_label(self.case).transpose(2, 1, 0)
        if self._reader_turned:
            return nibabel.Nifti1Image(label, self.image.affine)
        return _turned(nibabel.Nifti1Image(label, load(self.image_file).affine))

    @property
    def _reader_turned(self) -> bool:
        """Whether nnU-Net's reader had turned the case already."""
        file = self.prepared.tasks[self.task].preprocessed / f"{self.case}.pkl"
        return "reoriented_affine" in read_properties(file).get("nibabel_stuff", {})


def volumes_of(plan: Plan, store: Store, task: str, case: str) -> CaseVolumes:
    """Where a case's volumes are found."""
    job = plan.preparation
    prepared, spec = Prepared(store.job(job.id)), PrepareSpec.model_validate(job.spec)
    dataset = spec.datasets.get(task)
    file = Path(dataset.cases[case].images[0]) if dataset else image_path(prepared.tasks[task].raw, case)
    return CaseVolumes(file, prepared, task, case)


def load(file: Path) -> Any:
    """A NIfTI file.

    Raises:
        MissingEnvironment: it is not there, or is none.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        return nibabel.load(file)
    except FileNotFoundError:
        raise MissingEnvironment(f"{file}: is not there any more; pictures are drawn from the raw images") from None
    except ImageFileError:
        raise MissingEnvironment(f"{file}: is no NIfTI file; pictures are drawn of NIfTI images alone") from None


def array(image: Any) -> np.ndarray:
    """A volume's values ``(X, Y, Z)``."""
    return np.asarray(image.dataobj)


def _turned(image: Any) -> Any:
    import nibabel

    return nibabel.as_closest_canonical(image)


def label_map(file: Path) -> np.ndarray:
    """A kept prediction ``(X, Y, Z)``, turned as the image is."""
    return array(_turned(load(file)))
