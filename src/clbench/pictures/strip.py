"""One case of a run laid out as a strip: which slice, which part of it, and what stands in each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clbench.pictures.volumes import array, label_map, volumes_of
from clbench.report.figures.strips import Strip, View, around, best_slice, window_of
from clbench.report.table import slug_of

if TYPE_CHECKING:
    from clbench.pictures.gallery import Chosen, Gallery

NOTE = (
    "One axial slice; the line is the reference, the filled area the prediction with the task's own head after each "
    "stage. The Dice below is of the whole case."
)


def strip_of(gallery: Gallery, chosen: Chosen, baselines: Sequence[str]) -> Strip:
    """Lay out a case; the slice and its part are the same for all baselines and stages.

    Args:
        gallery: the run.
        chosen: the case.
        baselines: a line each.

    Raises:
        MissingEnvironment: the raw image is not there.
    """
    volumes = volumes_of(gallery.plan, gallery.store, chosen.task, chosen.case)
    own = gallery.tasks.index(chosen.task) + 1
    stages = range(own, len(gallery.tasks) + 1)
    files = {(name, stage): gallery.prediction(name, stage, chosen) for name in baselines for stage in stages}
    found = {place: label_map(file) for place, file in files.items() if file}
    image, reference = array(volumes.image), array(volumes.reference())
    level = best_slice(reference, list(found.values()))
    shown = around([reference[..., level], *(one[..., level] for one in found.values())], volumes.spacing[:2])
    cut = {place: _seen(one[..., level][shown]) for place, one in found.items()}
    plane = image[..., level] if image.ndim == 3 else image[..., level, 0]
    return Strip(
        title=f"{chosen.task} · {chosen.case}" + (f" · {chosen.why}" if chosen.why else ""),
        slug=slug_of(chosen.task, chosen.case),
        note=NOTE,
        image=_seen(plane[shown].astype(np.float32)),
        reference=_seen(reference[..., level][shown]),
        spacing=volumes.spacing[:2],
        window=window_of(image, _modality(gallery, chosen.task)),
        stages=tuple(f"after {stage} {gallery.tasks[stage - 1]}" for stage in stages),
        lines=tuple(
            (name, tuple(View(cut.get((name, stage)), gallery.dice(name, stage, chosen)) for stage in stages))
            for name in baselines
        ),
    )


def _seen(plane: np.ndarray) -> np.ndarray:
    """As radiologists look at it: from the feet, the patient's right on the left."""
    return plane[::-1]


def _modality(gallery: Gallery, task: str) -> str:
    assert gallery.plan.resolved is not None
    return gallery.plan.resolved.tasks[task].modality[0]
