"""Kept predictions: on the image's grid, sealed, and what the Dice was measured on."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from clbench.errors import CorruptArtifact
from clbench.evaluation.metrics import dice
from clbench.job.stage import run_stage
from clbench.nnunet.writing import write_label_map
from clbench.plan.kept import kept_path
from clbench.plan.records import Asked


def evaluated(run, **asked):
    """A stage whose evaluation alone is done anew with more asked of it; afterwards as it was."""
    job = run.jobs("finetune")[1]
    folder = run.store.job(job.id)
    folder.path.joinpath("result.json").unlink()
    return folder, run_stage(run.plan, job.model_copy(update={"asked": Asked(**asked)}), run.store)


@pytest.fixture
def kept(tiny_run):
    before = tiny_run.store.job(tiny_run.jobs("finetune")[1].id).read("result")
    yield evaluated(tiny_run, predictions=True)
    assert evaluated(tiny_run)[1]["measurements"] == before["measurements"]


def test_a_kept_label_map_lies_on_its_images_grid_and_has_the_dice_of_the_rows(kept, tiny_run):
    from clbench.job.prepared import Prepared

    folder, result = kept
    tasks = Prepared(tiny_run.store.job(tiny_run.plan.jobs[0].id)).tasks
    for task in ("mini-liver", "mini-spleen"):
        case = tasks[task].val[0]
        image = nibabel.load(tasks[task].raw / "imagesTr" / f"{case}_0000.nii")
        label = nibabel.load(kept_path(folder, task, case))
        assert label.shape == image.shape
        assert np.array_equal(label.affine, image.affine)
        predicted = np.asarray(label.dataobj).transpose(2, 1, 0) == 1
        (measured,) = [
            m["value"] for m in result["measurements"] if (m["task"], m["case"], m["metric"]) == (task, case, "dice")
        ]
        assert dice(predicted, tasks[task].reference_label(case) == 1) == measured


def test_kept_label_maps_are_sealed_with_the_result(kept):
    folder, result = kept
    names = [name for name in result["files"] if name.startswith("predictions/")]
    assert len(names) == 2
    (folder.path / names[0]).write_bytes(b"other")
    with pytest.raises(CorruptArtifact, match=r"nii\.gz"):
        folder.check("result")


def test_what_is_no_longer_asked_for_is_not_kept_and_trains_nothing(kept, tiny_run):
    folder, _ = kept
    trained = folder.check("trained")
    _, result = evaluated(tiny_run)
    assert not (folder.path / "predictions").exists()
    assert set(result["files"]) == set(trained["files"])
    assert folder.check("trained") == trained


@pytest.fixture
def surfaces(tiny_run):
    """A stage evaluated with surface metrics; the run is as it was afterwards."""
    asked = {"metrics": ("dice", "nsd", "hd95"), "tolerances": {"mini-liver": 2.0, "mini-spleen": 20.0}}
    stage = tiny_run.store.job(tiny_run.jobs("finetune")[1].id)
    before, trained = stage.check("result"), stage.check("trained")
    yield before, trained, *evaluated(tiny_run, **asked)
    evaluated(tiny_run)


def test_surface_metrics_come_beside_the_same_dice_without_training(surfaces):
    before, trained, folder, result = surfaces
    found = result["measurements"]
    assert {m["metric"] for m in found} == {"dice", "nsd", "hd95_mm", "predicted_ml", "reference_ml"}
    assert [m for m in found if m["metric"] not in ("nsd", "hd95_mm")] == before["measurements"]
    assert folder.check("trained") == trained


@pytest.mark.parametrize("reader", ["NibabelIO", "NibabelIOWithReorient", "SimpleITKIO"])
def test_a_label_map_is_written_where_its_own_reader_found_the_image(reader, tmp_path):
    """On an image whose axes point left, front and down, so that a reader that turns it has something to turn."""
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name

    affine = np.diag([-2.0, 3.0, -4.0, 1.0])
    affine[:3, 3] = 5, -6, 7
    values = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), tmp_path / "image.nii.gz")
    data, properties = recursive_find_reader_writer_by_name(reader)().read_images([str(tmp_path / "image.nii.gz")])
    write_label_map(tmp_path / "label.nii.gz", data[0].astype(np.uint8), properties)
    written = nibabel.load(tmp_path / "label.nii.gz")
    assert np.allclose(written.affine, affine)
    assert np.array_equal(np.asarray(written.dataobj), values)
