"""Plots of results as SVG: the same bytes for the same results, legible on light and on dark pages."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.charts import Plot, text_of

_TEXT, _GRID, _PAGE = "#1f2328", "#d1d9e0", "#ffffff"
_DARK = {_TEXT: "#e6edf3", _GRID: "#3d444d", _PAGE: "#0d1117"}
_LIMIT = "#cf5a00"
_COLOURS = ("#2f81c5", "#2c9f5f", "#8a8f98", "#9a6dd7")  # at least 3:1 against both pages
_WIDTH_IN, _ROW_IN, _FRAME_IN = 8.0, 0.34, 1.15
_STYLE: Any = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",  # text stays text: searchable, and in the reader's own font
    "font.family": "sans-serif",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _TEXT),
    "axes.edgecolor": _GRID,
    "grid.color": _GRID,
}


def draw(plot: Plot, folder: Path) -> Path:
    """Write a plot into a folder; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plot.name}.svg"
    path.write_text(svg_of(plot), encoding="utf-8")
    return path


def svg_of(plot: Plot) -> str:
    """Return a plot as SVG."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, _FRAME_IN + _ROW_IN * len(plot.bars)), layout="constrained")
        figure.set_facecolor(_PAGE)
        _draw(figure.add_subplot(), plot)
        _add_legend(figure, plot)
        written = io.StringIO()
        figure.savefig(written, format="svg", facecolor=_PAGE, metadata={"Date": None, "Creator": None})
    return _with_dark_page(written.getvalue())


def _draw(axes: Axes, plot: Plot) -> None:
    axes.set_facecolor(_PAGE)
    longest = max(max(bar.spread.high, bar.limit or 0) for bar in plot.bars)
    for row, bar in enumerate(plot.bars):
        low, middle, high = bar.spread
        axes.barh(row, middle, height=0.62, color=_COLOURS[bar.group])
        if high > low:
            axes.plot([low, high], [row, row], color=_TEXT, linewidth=1.4, marker="|", markersize=6)
        if bar.limit is not None:
            axes.plot([bar.limit, bar.limit], [row - 0.44, row + 0.44], color=_LIMIT, linewidth=2.4)
        axes.text(longest * 1.03, row, text_of(middle), va="center")
    axes.set_yticks(range(len(plot.bars)), [bar.label for bar in plot.bars])
    axes.set_xlim(0, longest * 1.02)
    axes.invert_yaxis()
    axes.set_axisbelow(True)
    axes.grid(axis="x", linewidth=0.8)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_title(plot.title, loc="left", fontweight="bold")
    axes.set_xlabel(_axis_of(plot))


def _axis_of(plot: Plot) -> str:
    limits = "; the orange mark is the target" if any(bar.limit is not None for bar in plot.bars) else ""
    return f"{plot.axis}\nbar: median, line: all rounds{limits}"


def _add_legend(figure: Figure, plot: Plot) -> None:
    handles = [Patch(color=_COLOURS[number], label=name) for number, name in enumerate(plot.groups)]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, labelcolor=_TEXT)


def _with_dark_page(svg: str) -> str:
    """Add the colours that a reader with a dark colour scheme gets; the page is drawn, so that both are legible."""
    rules = [f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}'
             for light, dark in _DARK.items() for kind in ("fill", "stroke")]  # fmt: skip
    style = f"<style>@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}</style>"
    head, tag, rest = svg.partition("<defs>")
    return f"{head}{style}\n {tag}{rest}"
