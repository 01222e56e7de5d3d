"""The pictures of forgetting that a run's page shows: of each task that something follows, its median case."""

from __future__ import annotations

from collections.abc import Iterator

from clbench.errors import MissingEnvironment
from clbench.identity import package_files, sources_digest
from clbench.pictures.gallery import Gallery
from clbench.plan.kept import KEPT
from clbench.report.page.pictures import Picture, Pictures
from clbench.store import digest

DRAWING = ("pictures/*.py",)


def page_pictures(gallery: Gallery) -> Pictures:
    """What a page can show of a run; nothing where no predictions are kept."""
    if not gallery.plan.keeps_predictions:
        return Pictures()
    mark = digest([_kept(gallery), gallery.seed, sources_digest(*package_files(*DRAWING))])
    note = (
        "One axial slice of each task's median case: the line is the reference, the filled area what the network "
        "predicts with the task's own head after each stage, the Dice that of the whole case. "
        f"Seed {gallery.seed}; “clbench pictures” draws the best and worst cases and any other."
    )
    return Pictures(mark, note, lambda: _drawn(gallery))


def _drawn(gallery: Gallery) -> Iterator[Picture]:
    from clbench.report.figures.strips import FINE

    for task in gallery.tasks[:-1]:
        for chosen in [one for one in gallery.typical(task) if "median" in one.why]:
            try:
                strip = gallery.strip(chosen)
            except MissingEnvironment:  # a user's images may be gone by now
                continue
            png, width = strip.small()
            yield Picture(strip.title, png, round(width / FINE))


def _kept(gallery: Gallery) -> dict[str, str]:
    """Checksums of the kept predictions by their files."""
    found: dict[str, str] = {}
    for job in dict.fromkeys(use.job for use in gallery.uses):
        files = gallery.sealed(job)
        found |= {f"{job}/{name}": entry["sha256"] for name, entry in files.items() if name.startswith(KEPT)}
    return found
