"""How every figure looks, and how it becomes a file: deterministic bytes, text as text, ink that follows the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""What is drawn in the page's own text colour: no reader has chosen this one, so that it can be found again."""

PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195", "#8c564b", "#2f9e9e", "#e0637c",
)  # fmt: skip
"""Colours for baselines, told apart by colour-blind readers too; the markers differ as well."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")

BOUND = "#8a8f98"
"""Protocols that are bounds rather than methods."""

SETTINGS: Any = {  # matplotlib's stubs name every key there is
    "svg.fonttype": "none", "svg.hashsalt": "clbench", "pdf.fonttype": 42, "font.family": "sans-serif",
    "font.size": 9, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlesize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.color": INK,
    "ytick.color": INK, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12, "grid.linewidth": 0.6,
    "lines.linewidth": 1.6, "lines.markersize": 4.5, "axes.titleweight": "bold",
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A finished figure."""

    title: str
    """What it shows."""
    slug: str
    """Its files' name."""
    note: str
    """One sentence on how to read it."""
    figure: Figure
    section: str = "Forgetting"
    """The page's section it stands in."""

    def file(self, form: Literal["svg", "pdf"], transparent: bool = False) -> bytes:
        """The figure as a file, the same bytes every time; on white, so that its ink is seen on any page."""
        import matplotlib

        buffer = io.BytesIO()
        undated = {"Date": None} if form == "svg" else {"CreationDate": None}
        with matplotlib.rc_context(SETTINGS):
            self.figure.savefig(buffer, format=form, transparent=transparent, bbox_inches="tight", metadata=undated)
        return buffer.getvalue()

    def inline(self) -> str:
        """The figure as an SVG element for a page, in the page's ink and as wide as there is room."""
        text = self.file("svg", transparent=True).decode("utf-8")
        text = text[text.index("<svg") :].replace(INK, "currentColor")
        return text.replace("<svg ", f'<svg role="img" aria-label="{self.title}" ', 1)


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels of ``width`` by ``height`` inches, ``columns`` of them side by side."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(columns, count)
    lines = -(-count // columns)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(columns * width, lines * height), layout="constrained")
        axes = [figure.add_subplot(lines, columns, place) for place in range(1, count + 1)]
    return figure, axes


def legend(figure: Figure, axes: Axes, markers: float = 1.0) -> None:
    """Name the lines of ``axes`` below the figure, as many side by side as there is room for.

    Args:
        figure: the figure.
        axes: has the lines.
        markers: how many times as large as in the figure the markers are.
    """
    handles, names = axes.get_legend_handles_labels()
    columns = max(1, int(figure.get_figwidth() / 1.25))
    below: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "markerscale": markers}
    figure.legend(handles, names, **below, fontsize=8, frameon=False, labelcolor=INK)


def looks(names: Sequence[str], bounds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of every baseline, the same in all figures of a report."""
    methods = [name for name in names if name not in bounds]
    found: dict[str, dict[str, Any]] = {name: {"color": BOUND, "marker": "_"} for name in bounds}
    for place, name in enumerate(methods):
        found[name] = {"color": PALETTE[place % len(PALETTE)], "marker": MARKERS[place % len(MARKERS)]}
    return found
