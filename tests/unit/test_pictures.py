"""Pictures of a real run: which cases, where they lie, and what is said where they can't be drawn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from clbench.collect import collect
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.job.stage import run_stage
from clbench.pictures.gallery import Chosen, Gallery, write_strip
from clbench.pictures.page import page_pictures
from clbench.plan.records import Asked
from clbench.results.rows import Row
from clbench.store import Store


@pytest.fixture(scope="module")
def gallery(tiny_run, tmp_path_factory):
    """The tiny run in a store of its own, its fine-tuning evaluated anew with predictions kept."""
    root = tmp_path_factory.mktemp("kept")
    shutil.copytree(tiny_run.store.root, root, dirs_exist_ok=True)
    shown = {job.id for job in tiny_run.jobs("finetune")}
    keep = {"asked": Asked(predictions=True)}
    jobs = tuple(job.model_copy(update=keep) if job.id in shown else job for job in tiny_run.plan.jobs)
    plan, store = tiny_run.plan.model_copy(update={"jobs": jobs, "store": str(root)}), Store(root)
    for job in jobs:
        if job.id in shown:
            run_stage(plan, job, store)
    return Gallery(plan, store, collect(plan, store).rows, 0)


@pytest.fixture
def liver(gallery):
    return gallery.typical("mini-liver")[0]


def test_a_strip_has_a_line_a_baseline_and_a_column_a_stage_from_the_tasks_own_on(gallery, liver):
    strip = gallery.strip(liver)
    assert [name for name, _ in strip.lines] == ["finetune", "head-only"]
    assert strip.stages == ("after 1 mini-liver", "after 2 mini-spleen", "after 3 mini-kidney")
    assert len(gallery.strip(gallery.typical("mini-spleen")[0]).stages) == 2


def test_the_dice_below_a_picture_is_that_of_the_rows(gallery, liver):
    (_, views), _ = gallery.strip(liver).lines
    for stage, view in enumerate(views, start=1):
        (value,) = [
            row.value for row in gallery.rows
            if (row.protocol, row.baseline, row.stage, row.task, row.metric)
            == ("continual", "finetune", stage, "mini-liver", "dice")
        ]  # fmt: skip
        assert view.dice == value


def test_a_prediction_that_was_not_kept_is_missing_and_not_empty(gallery, liver):
    lines = dict(gallery.strip(liver).lines)
    assert all(view.labels is not None for view in lines["finetune"])
    assert [view.labels is None for view in lines["head-only"]] == [False, True, True]  # its first stage is shared


def test_image_reference_and_predictions_lie_on_one_grid(gallery, liver, tmp_path):
    files = gallery.write_volumes(tmp_path, liver, ["finetune"])
    assert [file.name for file in files] == [
        "image.nii.gz", "reference.nii.gz", *(f"finetune-stage{stage}.nii.gz" for stage in (1, 2, 3))
    ]  # fmt: skip
    volumes = [nibabel.load(file) for file in files]
    assert {volume.shape for volume in volumes} == {volumes[0].shape}
    assert all(np.array_equal(volume.affine, volumes[0].affine) for volume in volumes)

    from clbench.pictures.volumes import volumes_of

    raw = volumes_of(gallery.plan, gallery.store, liver.task, liver.case).image_file
    label = raw.parents[1] / "labelsTr" / f"{liver.case}.nii"
    collected = gallery.plan.resolved.tasks["mini-liver"].labels["liver"]
    organ = np.isin(np.asarray(nibabel.load(label).dataobj), collected)
    assert np.array_equal(np.asarray(volumes[0].dataobj), np.asarray(nibabel.load(raw).dataobj))
    assert np.array_equal(np.asarray(volumes[1].dataobj) == 1, organ)


def test_the_reference_in_a_strip_is_the_prepared_one_seen_from_the_feet(gallery, liver):
    from clbench.pictures.volumes import array, volumes_of

    volumes = volumes_of(gallery.plan, gallery.store, liver.task, liver.case)
    whole = array(volumes.reference())
    shown = gallery.strip(liver).reference[::-1]
    found = [
        np.array_equal(whole[x : x + shown.shape[0], y : y + shown.shape[1], z], shown)
        for x, y, z in np.ndindex(
            whole.shape[0] - shown.shape[0] + 1, whole.shape[1] - shown.shape[1] + 1, whole.shape[2]
        )
    ]
    assert any(found)


def test_best_median_and_worst_are_by_the_mean_final_dice_of_all_continual_baselines(gallery):
    first = next(row for row in gallery.rows if row.protocol == "continual" and row.stage == 3)

    def measured(case: str, baseline: str, value: float, stage: int = 3) -> Row:
        place = {"task": "mini-liver", "metric": "dice", "stage": stage}
        return replace(first, case=case, baseline=baseline, value=value, **place)

    values = {"a": (0.9, 0.1), "b": (0.4, 0.5), "c": (0.7, 0.6), "d": (0.0, 0.1), "e": (0.2, 0.3)}
    rows = [
        measured(case, baseline, value) for case, pair in values.items()
        for baseline, value in zip(("finetune", "head-only"), pair, strict=True)
    ]  # fmt: skip
    rows += [measured(case, "finetune", 1.0, stage=1) for case in values]
    chosen = replace(gallery, rows=rows).typical("mini-liver")
    assert chosen == [
        Chosen("mini-liver", "c", "best"), Chosen("mini-liver", "b", "median"), Chosen("mini-liver", "d", "worst")
    ]  # fmt: skip


def test_one_case_that_is_all_three_is_shown_once(gallery, liver):
    assert [liver] == gallery.typical("mini-liver")
    assert liver.why == "best and median and worst"


def test_a_page_shows_every_task_that_something_follows_and_notices_other_predictions(gallery):
    pictures = page_pictures(gallery)
    assert [picture.title.split(" · ")[0] for picture in pictures.drawn()] == ["mini-liver", "mini-spleen"]
    assert all(picture.png.startswith(b"\x89PNG") for picture in pictures.drawn())
    fewer = gallery.plan.model_copy(update={"uses": tuple(u for u in gallery.plan.uses if u.stage != 3)})
    assert page_pictures(replace(gallery, plan=fewer)).mark != pictures.mark


def test_an_image_that_is_gone_leaves_its_picture_out_of_the_page_and_is_named_to_who_asks(gallery, liver):
    from clbench.pictures.volumes import volumes_of

    file = volumes_of(gallery.plan, gallery.store, liver.task, liver.case).image_file
    hidden = file.rename(file.with_suffix(".hidden"))
    try:
        assert [one.title.split(" · ")[0] for one in page_pictures(gallery).drawn()] == ["mini-spleen"]
        with pytest.raises(MissingEnvironment, match=file.name):
            gallery.strip(liver)
    finally:
        hidden.rename(file)


def test_a_run_that_kept_nothing_says_how_to_keep_them_and_its_page_shows_none(tiny_run):
    plain = Gallery(tiny_run.plan, tiny_run.store, (), 0)
    with pytest.raises(MissingEnvironment, match="predictions: keep"):
        plain.require_predictions()
    assert page_pictures(plain).drawn() == ()


def test_a_case_that_no_task_has_is_refused_with_those_that_there_are(gallery, liver):
    assert gallery.require_case(liver.case, None) == Chosen("mini-liver", liver.case)
    with pytest.raises(ClbenchError, match=f"mini-liver/{liver.case}"):
        gallery.require_case("nobody", None)
    with pytest.raises(ClbenchError, match="no task has"):
        gallery.require_case(liver.case, "mini-spleen")


def test_a_strip_is_written_as_png_and_svg(gallery, liver, tmp_path: Path):
    files = write_strip(tmp_path, gallery.strip(liver, ["finetune"]))
    assert [file.suffix for file in files] == [".png", ".svg"]
    assert b"head-only" not in files[1].read_bytes()
