"""Pictures of forgetting: one slice of one case, with what every baseline predicts there stage by stage."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clbench.report.figures.drawing import SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image as PILImage

CT_WINDOW = (-160.0, 240.0)
"""Grey values of a soft-tissue window, in HU."""
GROUND, LIGHT, SOFT, REFERENCE = "#0d1117", "#e6edf3", "#8b949e", "#5ce1e6"
FILLS = ("#ffb000", "#fe6100", "#dc267f", "#785ef0", "#3ddc84", "#f4e04d")
"""A colour a label."""
FINE = 1.25
"""Pixels of a page's picture to a pixel of CSS."""
CELL = 1.3
"""Width of a picture in inches."""
MOST_LETTERS = 24
"""As many as fit above a picture."""


@dataclass(frozen=True)
class View:
    """A prediction in the slice.

    Attributes:
        labels: label map ``(X, Y)`` of the slice; None where none is there.
        dice: of the whole case, not of the slice; None where it is undefined or missing.
    """

    labels: np.ndarray | None
    dice: float | None


@dataclass(frozen=True)
class Strip:
    """One slice of one case under several baselines.

    Attributes:
        title: what it shows.
        slug: its files' name.
        note: how to read it.
        image: ``(X, Y)``, X to the patient's left, as radiologists look at it, and Y to the front.
        reference: label map of the slice.
        spacing: mm along X and Y.
        window: the values that are black and white.
        stages: what stands above the columns of predictions.
        lines: by baseline, a view a stage.
    """

    title: str
    slug: str
    note: str
    image: np.ndarray
    reference: np.ndarray
    spacing: tuple[float, float]
    window: tuple[float, float]
    stages: tuple[str, ...]
    lines: tuple[tuple[str, tuple[View, ...]], ...]

    def file(self, form: Literal["png", "svg"], dpi: int = 150) -> bytes:
        """The drawing, the same bytes every time; SVG holds its grey values as they are."""
        import matplotlib

        buffer = io.BytesIO()
        undated: dict[str, Any] = {"Date": None} if form == "svg" else {"Software": None}
        with matplotlib.rc_context(SETTINGS):
            _figure(self).savefig(buffer, format=form, dpi=dpi, facecolor=GROUND, metadata=undated)
        return buffer.getvalue()

    def small(self) -> tuple[bytes, int]:
        """A PNG for a page, with few colours, and its width in pixels; ``FINE`` of them are one of CSS."""
        from PIL import Image

        buffer = io.BytesIO()
        with Image.open(io.BytesIO(self.file("png", dpi=round(96 * FINE)))) as drawn:
            reduced = drawn.convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
            reduced.save(buffer, "PNG", optimize=True)
            return buffer.getvalue(), drawn.width


def _palette() -> PILImage:
    """The colours of a strip: greys, words on the ground, and what is laid over greys."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    greys = [np.full(3, value) for value in np.linspace(0, 1, 64)]
    ground, light, line = (np.array(to_rgb(colour)) for colour in (GROUND, LIGHT, REFERENCE))
    colours = [*greys, *(ground + (light - ground) * share for share in np.linspace(0, 1, 16))]
    colours += [grey + (line - grey) * share for grey in greys[::10] for share in (0.35, 0.7, 1.0)]
    colours += [(np.array(to_rgb(fill)) + grey) / 2 for fill in FILLS for grey in greys[::3]]
    image = Image.new("P", (1, 1))
    image.putpalette((np.array(colours).clip(0, 1) * 255).round().astype(np.uint8).tobytes())
    return image


def window_of(image: np.ndarray, modality: str) -> tuple[float, float]:
    """The soft-tissue window of CT; elsewhere nearly all values that occur."""
    if modality.upper() == "CT":
        return CT_WINDOW
    low, high = np.percentile(image, (1, 99))
    return float(low), float(max(high, low + 1e-6))


def best_slice(reference: np.ndarray, predictions: Sequence[np.ndarray]) -> int:
    """The axial slice of label maps ``(X, Y, Z)`` with most of the reference in the middle half of its volume.

    Its ends, where an image may cut it off, show little of how well it is found. Without a reference it is the slice
    with most of what is predicted.
    """
    areas = [np.count_nonzero(one, axis=(0, 1)) for one in (reference, *predictions)]
    area = areas[0] if areas[0].any() else np.sum(areas, axis=0)
    if not area.any():
        return int(reference.shape[2] // 2)
    share = (np.cumsum(area) - area / 2) / area.sum()
    middle = np.where(np.abs(share - 0.5) <= 0.25, area, 0)
    return int((middle if middle.any() else area).argmax())


def around(masks: Sequence[np.ndarray], spacing: Sequence[float], margin_mm: float = 20.0) -> tuple[slice, slice]:
    """The part of a slice that holds every mask ``(X, Y)`` with a margin, square as far as the slice goes."""
    union = np.any([mask > 0 for mask in masks], axis=0)
    ends = [np.flatnonzero(union.any(axis=1 - axis)) for axis in (0, 1)]
    if not union.any():
        return slice(None), slice(None)
    wide = max((found[-1] + 1 - found[0]) * step for found, step in zip(ends, spacing, strict=True)) + 2 * margin_mm
    cuts = []
    for found, step, size in zip(ends, spacing, union.shape, strict=True):
        half, middle = wide / step / 2, (found[0] + found[-1] + 1) / 2
        cuts.append(slice(max(0, int(middle - half)), min(size, int(np.ceil(middle + half)))))
    return cuts[0], cuts[1]


def _figure(strip: Strip) -> Figure:
    from matplotlib.figure import Figure

    height, width = _extent(strip)
    columns, lines = 1 + len(strip.stages), len(strip.lines)
    tall = CELL * height / width
    figure = Figure(figsize=(0.14 + columns * (CELL + 0.06), 0.62 + lines * (tall + 0.24)), facecolor=GROUND)
    wide, high = figure.get_size_inches()
    figure.text(0.1 / wide, 1 - 0.2 / high, strip.title, color=LIGHT, size=9, weight="bold", va="center")
    heads = ("reference", *strip.stages)
    for row, (name, views) in enumerate(strip.lines):
        below = high - 0.56 - row * (tall + 0.24) - tall
        for column, view in enumerate([View(None, None), *views]):
            left = 0.1 + column * (CELL + 0.06)
            axes = figure.add_axes((left / wide, below / high, CELL / wide, tall / high))
            _cell(axes, strip, view)
            _words(axes, heads[column] if row == 0 else "", _dice_words(view) if column else name, bold=column == 0)
    return figure


def _words(axes: Axes, above: str, below: str, bold: bool) -> None:
    """What stands above and below a cell; a line's name is bold and begins at the left."""
    fitting = above if len(above) <= MOST_LETTERS else f"{above[: MOST_LETTERS - 1]}…"
    axes.set_title(fitting, color=SOFT, size=7.5, pad=3, weight="normal")
    place, align, weight = (0.0, "left", "bold") if bold else (0.5, "center", "normal")
    axes.text(place, -0.04, below, transform=axes.transAxes, va="top", ha=align, size=7.5, color=LIGHT, weight=weight)


def _cell(axes: Axes, strip: Strip, view: View) -> None:
    """The slice, the prediction laid over it, the reference's contour on top."""
    height, width = _extent(strip)
    box = (0.0, width, 0.0, height)
    axes.imshow(strip.image.T, cmap="gray", vmin=strip.window[0], vmax=strip.window[1], extent=box, origin="lower",
                interpolation="bicubic", aspect="auto")  # fmt: skip
    if view.labels is not None:
        for label, colour in _coloured(view.labels):
            axes.contourf(*_centres(strip), label.T, levels=[0.5, 1.5], colors=[colour], alpha=0.5)
    for label, _ in _coloured(strip.reference):
        axes.contour(*_centres(strip), label.T, levels=[0.5], colors=[REFERENCE], linewidths=0.9)
    axes.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _coloured(labels: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Each label's mask, with a rim so that contours close, and its colour."""
    present = [int(value) for value in np.unique(labels) if value]
    return [(np.pad(labels == value, 1).astype(float), FILLS[(value - 1) % len(FILLS)]) for value in present]


def _centres(strip: Strip) -> tuple[np.ndarray, np.ndarray]:
    """Where the voxels of a padded mask lie, in mm along X and Y."""
    sizes = zip(strip.image.shape, strip.spacing, strict=True)
    x, y = ((np.arange(-1, size + 1) + 0.5) * step for size, step in sizes)
    return x, y


def _extent(strip: Strip) -> tuple[float, float]:
    """Height and width in mm."""
    width, height = (size * step for size, step in zip(strip.image.shape, strip.spacing, strict=True))
    return height, width


def _dice_words(view: View) -> str:
    if view.labels is None:
        return "missing"
    return "both empty" if view.dice is None else f"Dice {view.dice:.2f}"
