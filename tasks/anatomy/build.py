"""Build ``anatomy.npz`` and ``anatomy.sha256`` from two public source distributions.

Only needed to change the file; nobody who uses clbench runs this. From the repository's root, in the
environment that ``make setup`` makes (numpy, nibabel and SimpleITK come with nnU-Net)::

    pip download --no-deps --no-binary :all: totalsegmentator==2.18.0
    pip install "setuptools<70" wheel versioneer cython   # only because pip runs the second one's setup.py
    pip download --no-deps --no-binary :all: --no-build-isolation pyradiomics==3.0.1
    python tasks/anatomy/build.py totalsegmentator-2.18.0.tar.gz pyradiomics-3.0.1.tar.gz

The two archives may as well be saved from the "Download files" pages of the two projects on PyPI: their
checksums are below. ``--check`` builds in memory and compares the arrays with the committed file. They are
the same everywhere (integers only, no interpolation); so are the bytes of the file, given the same zlib.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import SimpleITK

Arrays = dict[str, npt.NDArray[np.generic]]

HERE = Path(__file__).parent
ABDOMEN_SHA256 = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
CHEST_SHA256 = "47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5"
ABDOMEN_FOLDER = "totalsegmentator-2.18.0/tests/reference_files/"
CHEST_FOLDER = "pyradiomics-3.0.1/data/"
LOWEST_HU, HIGHEST_HU = -1024, 1500
BLOCK = 4  # chest voxels averaged along each side in the slice plane

# Organ → the structures of the source that it merges. Its number in the file is its place here, from 1.
ORGANS: dict[str, tuple[int, ...]] = {
    "spleen": (1,),
    "kidney": (2, 3),
    "gallbladder": (4,),
    "liver": (5,),
    "stomach": (6,),
    "pancreas": (7,),
    "lung": tuple(range(10, 15)),
    "bowel": (18, 19),
    "colon": (20,),
    "bladder": (21,),
    "aorta": (52,),
    "vena_cava": (63,),
    "portal_vein": (64,),
    "iliac_vessels": tuple(range(65, 69)),
    "bone": (*range(25, 51), *range(75, 79), *range(92, 118)),
    "muscle": tuple(range(80, 90)),
    "tumour": (),  # the outlined lung tumours
}


@dataclass(frozen=True)
class Window:
    """What is kept of a chest CT: slices, and pixel columns and rows (multiples of BLOCK), ends excluded."""

    z: slice
    y: slice
    x: slice


CHESTS = {
    "lung1": Window(slice(8, 48), slice(160, 512), slice(40, 392)),
    "lung2": Window(slice(0, 44), slice(160, 512), slice(160, 512)),
}


def unpack(archive: Path, sha256: str, members: list[str], folder: Path) -> None:
    """Check an archive's checksum and extract some of its files; end the program if it is another one."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{archive}: sha256 {found}, expected {sha256}")
    with tarfile.open(archive) as tar:
        for member in members:
            tar.extract(member, folder, filter="data")


def clipped(image: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """HU within the range that is kept."""
    return np.asarray(np.clip(image, LOWEST_HU, HIGHEST_HU), dtype=np.int64)


def scene(name: str, hu: npt.NDArray[np.int64], organs: npt.NDArray[np.uint8], spacing: list[float]) -> Arrays:
    """One scene's three arrays; axes are x to the patient's right, y to the front, z to the head."""
    return {
        f"{name}_hu": np.ascontiguousarray(hu, dtype="<i2"),
        f"{name}_organs": np.ascontiguousarray(organs),
        f"{name}_spacing": np.array(spacing, dtype="<f8"),
    }


def abdomen(folder: Path) -> Arrays:
    """The abdominal CT as it is, its 61 structures merged to the organs above."""
    image = nibabel.load(folder / "example_ct.nii.gz")
    structures = np.asanyarray(nibabel.load(folder / "example_seg_fast_force_split.nii.gz").dataobj)
    organ_of = np.zeros(256, dtype=np.uint8)
    for number, merged in enumerate(ORGANS.values(), start=1):
        organ_of[list(merged)] = number
    spacing = [round(float(step), 6) for step in image.header.get_zooms()]
    return scene("abdomen", clipped(np.asanyarray(image.dataobj)), organ_of[structures], spacing)


def block_sums(volume: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sum over squares of BLOCK x BLOCK pixels of every slice; axes z, y, x."""
    z, y, x = volume.shape
    return np.asarray(volume.reshape(z, y // BLOCK, BLOCK, x // BLOCK, BLOCK).sum(axis=(2, 4)), dtype=np.int64)


def chest(folder: Path, name: str) -> Arrays:
    """A chest CT, cropped round its tumour and averaged in the slice plane to about 2.5 mm."""
    image = SimpleITK.ReadImage(str(folder / f"{name}_image.nrrd"))
    outline = SimpleITK.ReadImage(str(folder / f"{name}_label.nrrd"))
    window = (CHESTS[name].z, CHESTS[name].y, CHESTS[name].x)
    half = BLOCK * BLOCK // 2
    hu = (block_sums(clipped(SimpleITK.GetArrayFromImage(image)[window])) + half) // (BLOCK * BLOCK)
    tumour = block_sums(SimpleITK.GetArrayFromImage(outline)[window].astype(np.int64)) >= half
    organs = (tumour * (1 + list(ORGANS).index("tumour"))).astype(np.uint8)
    x, y, z = image.GetSpacing()  # type: ignore[no-untyped-call]
    spacing = [round(x * BLOCK, 6), round(y * BLOCK, 6), round(z, 6)]
    # The source runs to the left and to the back.
    return scene(name, hu.T[::-1, ::-1], organs.T[::-1, ::-1], spacing)


def build(abdomen_archive: Path, chest_archive: Path) -> Arrays:
    """Everything that the file holds, by name."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = ["example_ct.nii.gz", "example_seg_fast_force_split.nii.gz"]
        unpack(abdomen_archive, ABDOMEN_SHA256, [ABDOMEN_FOLDER + name for name in names], folder)
        names = [f"{name}_{kind}.nrrd" for name in CHESTS for kind in ("image", "label")]
        unpack(chest_archive, CHEST_SHA256, [CHEST_FOLDER + name for name in names], folder)
        arrays: Arrays = {"organs": np.array(list(ORGANS), dtype="<U16")} | abdomen(folder / ABDOMEN_FOLDER)
        for name in CHESTS:
            arrays |= chest(folder / CHEST_FOLDER, name)
    return arrays


def packed(arrays: Arrays) -> bytes:
    """The arrays as an npz whose entries carry a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def check(arrays: Arrays) -> None:
    """End the program with an error when the committed file holds other arrays."""
    with np.load(HERE / "anatomy.npz") as committed:
        names = sorted({*arrays, *committed})
        known = [name for name in names if name in arrays and name in committed]
        same = {name for name in known if np.array_equal(arrays[name], committed[name])}
    wrong = [name for name in names if name not in same]
    if wrong:
        sys.exit(f"anatomy.npz differs in: {', '.join(wrong)}")
    print("anatomy.npz holds exactly these arrays")


def main() -> None:
    """Build the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("totalsegmentator", type=Path, help="totalsegmentator-2.18.0.tar.gz")
    parser.add_argument("pyradiomics", type=Path, help="pyradiomics-3.0.1.tar.gz")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the committed file")
    arguments = parser.parse_args()
    arrays = build(arguments.totalsegmentator, arguments.pyradiomics)
    if arguments.check:
        check(arrays)
        return
    data = packed(arrays)
    (HERE / "anatomy.npz").write_bytes(data)
    (HERE / "anatomy.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  anatomy.npz\n")
    print(f"anatomy.npz: {len(data)} bytes, {len(arrays)} arrays")


if __name__ == "__main__":
    main()
