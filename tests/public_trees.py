"""Small datasets in the layouts in which public ones are published, with what is odd about them.

Images and labels are the embedded anatomy's, so that they are real CTs with labels in the source's own numbers.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt

from clbench.data.generate import Case, generate_case
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import AnatomySource, TaskCard

SHAPE = (24, 22, 16)
JUNK = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
MSD = {
    "Task03_Liver": ("mini-liver", "liver_{}", {"0": "background", "1": "liver", "2": "cancer"}),
    "Task06_Lung": ("mini-lung", "lung_{:03d}", {"0": "background", "1": "cancer"}),
    "Task07_Pancreas": ("mini-pancreas", "pancreas_{:03d}", {"0": "background", "1": "pancreas", "2": "cancer"}),
    "Task08_HepaticVessel": (
        "mini-hepaticvessel", "hepaticvessel_{:03d}", {"0": "background", "1": "Vessel", "2": "Tumour"},
    ),
    "Task09_Spleen": ("mini-spleen", "spleen_{}", {"0": "background", "1": "spleen"}),
    "Task10_Colon": ("mini-colon", "colon_{:03d}", {"0": "background", "1": "colon cancer primaries"}),
}  # fmt: skip
"""Folder → the embedded task that fills it, how its cases are called, its labels as its dataset.json has them."""
AXES = np.array([[0, 0, -1, 40.0], [0, -1, 0, 30.0], [-1, 0, 0, -900.0], [0, 0, 0, 1]])
"""Orientation of KiTS: axes towards the feet, the back and the left."""


@dataclass
class Made:
    """A dataset that was made.

    Attributes:
        folder: where it begins; the tar, if it is one.
        images: values by case, one array per channel, in the axes of the files.
        labels: values by case.
        affines: by case.
    """

    folder: Path
    images: dict[str, list[npt.NDArray[np.int16]]] = field(default_factory=dict)
    labels: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    affines: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def keep(self, id: str, channels: list, label: npt.NDArray, affine: npt.NDArray) -> None:
        """Remember a case."""
        self.images[id], self.labels[id], self.affines[id] = channels, label, affine


@cache
def anatomy_case(name: str, index: int, shape: tuple[int, int, int] = SHAPE) -> Case:
    """A small case of an embedded task."""
    card = Catalogue.open().task(name)
    assert isinstance(card.source, AnatomySource)
    spacing = tuple(size * 1.6 for size in card.source.spacing)
    source = card.source.model_copy(update={"shape": shape, "spacing": spacing})
    return generate_case(card.model_copy(update={"source": source}), index)


def save(path: Path, values: npt.NDArray, affine: npt.NDArray) -> None:
    """Write a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def msd(root: Path, folder: str = "Task03_Liver", cases: int = 5, unlabelled: int = 1, tar: bool = False) -> Made:
    """A Decathlon task: inverted labels, ``./`` paths, AppleDouble files, padding and spelling as published.

    Args:
        root: the folder that gets the task's folder, or its tar.
        folder: the task.
        cases: labelled cases, whose numbers have gaps.
        unlabelled: cases in imagesTs; 0 leaves that folder out.
        tar: whether the folder is packed into a tar and removed.
    """
    anatomy, pattern, labels = MSD[folder]
    made = Made(root / folder)
    ids = [pattern.format(2 * number) for number in range(cases)]
    for index, id in enumerate(ids):
        case = anatomy_case(anatomy, index)
        affine = np.diag([*case.spacing, 1.0])
        affine[:3, 3] = (-10.0 * index, 5.0, -100.0)
        made.keep(id, [case.image], case.label, affine)
        save(made.folder / "imagesTr" / f"{id}.nii.gz", case.image, affine)
        save(made.folder / "labelsTr" / f"{id}.nii.gz", case.label, affine)
    tests = [pattern.format(2 * number + 1) for number in range(unlabelled)]
    for id in tests:
        save(made.folder / "imagesTs" / f"{id}.nii.gz", anatomy_case(anatomy, 50).image, np.eye(4))
    for junk in ("._dataset.json", f"imagesTr/._{ids[0]}.nii.gz", f"labelsTr/._{ids[0]}.nii.gz"):
        (made.folder / junk).write_bytes(JUNK)
    _describe_msd(made.folder, labels, ids, tests)
    return _packed(made) if tar else made


def _describe_msd(folder: Path, labels: dict[str, str], ids: list[str], tests: list[str]) -> None:
    release = "relase" if folder.name == "Task07_Pancreas" else "release"
    training = [{"image": f"./imagesTr/{id}.nii.gz", "label": f"./labelsTr/{id}.nii.gz"} for id in reversed(ids)]
    content = {
        "name": folder.name.partition("_")[2].upper(), "description": "an imitation", "reference": "none",
        "licence": "CC-BY-SA 4.0", release: "1.0 04/05/2018", "tensorImageSize": "3D", "modality": {"0": "CT"},
        "labels": labels, "numTraining": len(ids), "numTest": len(tests), "training": training,
        "test": [f"./imagesTs/{id}.nii.gz" for id in tests],
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(content, indent=1))


def _packed(made: Made) -> Made:
    tar = made.folder.with_name(f"{made.folder.name}.tar")
    with tarfile.open(tar, "w") as archive:
        archive.add(made.folder, arcname=made.folder.name)
    shutil.rmtree(made.folder)
    made.folder = tar
    return made


def kits(root: Path, edition: str = "kits21", cases: int = 5, images: bool = True) -> Made:
    """KiTS as its repository has it, slices first.

    Args:
        root: the folder that the repository is cloned into.
        edition: ``kits21`` or ``kits23``.
        cases: how many; in KiTS23 the last is numbered 400.
        images: whether the images were downloaded beside the labels.
    """
    made = Made(root / edition / ("kits21/data" if edition == "kits21" else "dataset"))
    for index in range(cases):
        number = 400 if edition == "kits23" and index == cases - 1 else index
        case = anatomy_case("mini-kidney", index)
        image, label = (np.ascontiguousarray(values.T[::-1, ::-1, ::-1]) for values in (case.image, case.label))
        affine = AXES @ np.diag([*case.spacing[::-1], 1.0])
        id = f"case_{number:05d}"
        made.keep(id, [image], label, affine)
        _save_kits(made.folder / id, edition, image if images else None, label, affine)
    return made


def _save_kits(
    folder: Path, edition: str, image: npt.NDArray | None, label: npt.NDArray, affine: npt.NDArray
) -> None:
    if image is not None:
        save(folder / "imaging.nii.gz", image, affine)
    if edition == "kits23":
        save(folder / "segmentation.nii.gz", label, affine)
        return
    save(folder / "aggregated_MAJ_seg.nii.gz", label, affine)
    for other in ("AND", "OR"):
        save(folder / f"aggregated_{other}_seg.nii.gz", np.zeros_like(label), affine)


def nnunet(
    raw: Path, name: str = "Dataset123_Mine", cases: int = 5, ending: str = ".nii.gz", channels: int = 1,
    anatomy: str = "mini-liver",
) -> Made:  # fmt: skip
    """An nnU-Net v2 raw dataset, or for a name such as ``Task123_Mine`` one of version 1."""
    made = Made(raw / name)
    card = Catalogue.open().task(anatomy)
    for index in range(cases):
        case, id = anatomy_case(anatomy, index), f"patient {index}.{index}" if index == 3 else f"patient_{index:02d}"
        images = [(case.image + 100 * channel).astype(np.int16) for channel in range(channels)]
        affine = np.diag([-case.spacing[0], *case.spacing[1:], 1.0])
        made.keep(id, images, case.label, affine)
        for channel, image in enumerate(images):
            write(made.folder / "imagesTr" / f"{id}_{channel:04d}{ending}", image, affine)
        write(made.folder / "labelsTr" / f"{id}{ending}", case.label, affine)
    (made.folder / "dataset.json").write_text(json.dumps(_nnunet_json(card, made, ending, channels), indent=1))
    return made


def _nnunet_json(card: TaskCard, made: Made, ending: str, channels: int) -> dict:
    names = {str(channel): ("CT", "T1", "T2")[channel] for channel in range(channels)}
    if made.folder.name.startswith("Dataset"):
        labels = {"background": 0} | card.original_labels
        return {"channel_names": names, "labels": labels, "numTraining": len(made.labels), "file_ending": ending}
    training = [{"image": f"./imagesTr/{id}.nii.gz", "label": f"./labelsTr/{id}.nii.gz"} for id in made.labels]
    labels = {"0": "background"} | {str(number): name for name, number in card.original_labels.items()}
    return {
        "name": "Mine", "description": "", "tensorImageSize": "3D", "reference": "", "licence": "", "release": "0.0",
        "modality": names, "labels": labels, "numTraining": len(training), "numTest": 0, "training": training,
        "test": [],
    }  # fmt: skip


def write(path: Path, values: npt.NDArray, affine: npt.NDArray) -> None:
    """Write an image in the format of its ending, through the library that is usual for it."""
    if path.name.endswith((".nii", ".nii.gz")):
        save(path, values, affine)
    elif path.suffix == ".tif":
        import tifffile

        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, values.T)
        beside = path.name.removesuffix(".tif").removesuffix("_0000")
        spacing = [float(size) for size in np.abs(np.diag(affine))[2::-1]]
        path.with_name(f"{beside}.json").write_text(json.dumps({"spacing": spacing}))
    else:
        _write_itk(path, values, affine)


def _write_itk(path: Path, values: npt.NDArray, affine: npt.NDArray) -> None:
    import SimpleITK

    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    flipped = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(flipped[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((flipped[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(flipped[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path))


def datalist(root: Path, cases: int = 5, described: bool = True) -> Made:
    """A folder with a MONAI-style ``dataset.json``: a training and a validation list, one case under its own id."""
    made = Made(root)
    card = Catalogue.open().task("mini-liver")
    entries = []
    for index in range(cases):
        case, id = anatomy_case("mini-liver", index), f"scan{index}"
        affine = np.diag([*case.spacing, 1.0])
        made.keep(id, [case.image], case.label, affine)
        folder = f"site{index % 2}/{id}"
        save(root / folder / f"{id if index else 'ct'}.nii.gz", case.image, affine)
        save(root / folder / "seg.nii.gz", case.label, affine)
        entry = {"image": f"{folder}/{id if index else 'ct'}.nii.gz", "label": f"{folder}/seg.nii.gz"}
        entries.append({**entry, "id": id} if index == 0 else entry)
    content: dict = {"training": entries[:-1], "validation": entries[-1:], "test": [{"image": "nowhere.nii.gz"}]}
    if described:
        labels = {"0": "background"} | {str(number): name for name, number in card.original_labels.items()}
        content |= {"modality": {"0": "CT"}, "labels": labels}
    (root / "datalist.json").write_text(json.dumps(content, indent=1))
    return made


def own_card(source: dict, name: str = "mine", **more: object) -> TaskCard:
    """A card for a user's own dataset with the labels of ``mini-liver``, everything written out."""
    content = {
        "name": name, "version": 1, "title": "My dataset", "modality": "CT", "labels": "separate",
        "original_labels": {"liver": 1, "tumour": 2}, "cases": 5, "source": source,
    }  # fmt: skip
    return TaskCard.model_validate(content | more)


def shipped_card(made: Made, **more: object) -> TaskCard:
    """The shipped card of a dataset that was made, with the number of cases that were."""
    shipped = {"Task03_Liver": "msd-liver", "Task06_Lung": "msd-lung", "Task07_Pancreas": "msd-pancreas",
               "Task08_HepaticVessel": "msd-hepaticvessel", "Task09_Spleen": "msd-spleen",
               "Task10_Colon": "msd-colon"}  # fmt: skip
    kits_or_msd = {"data": "kits21", "dataset": "kits23"} | shipped
    name = kits_or_msd[made.folder.name.removesuffix(".tar")]
    return Catalogue.open().task(name).model_copy(update={"cases": len(made.labels), **more})
