"""Figures of a dataset in the house's one style: PNG or SVG bytes, for reports, panels and notebooks.

Every figure is a `matplotlib.figure.Figure` of its own, so that threads and notebooks do not disturb each other. The
colours are those of Okabe and Ito (2008), which stay apart for colour-blind readers; densities are in cividis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Look = Literal["light", "dark"]
Kind = Literal["png", "svg"]
Floats = NDArray[np.floating[Any]]

_WIDTH = 5.6  # inches: 560 pixels of a panel
_DPI = 200  # sharp on a screen with two device pixels a pixel
_ROW = 0.23  # inches a bar
_GRID_WIDTH = 9.0  # inches
_GRID_DPI = 130
_MOST_ROWS = 30
_MOST_LETTERS = 26
_TEXT = 9
_EMPTY = "nothing is labelled yet"
_COLOURS = {"train": "#0072B2", "val": "#E69F00", "test": "#009E73"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Palette:
    ground: str
    ink: str
    faint: str
    bar: str


_PALETTES: dict[str, _Palette] = {
    "light": _Palette(ground="#ffffff", ink="#222222", faint="#d9d9d9", bar="#0072B2"),
    "dark": _Palette(ground="#1e1e1e", ink="#e6e6e6", faint="#444444", bar="#56B4E9"),
}


def class_bars(counts: Mapping[str, int], *, look: Look = "light", kind: Kind = "png") -> bytes:
    """How many annotations each class has, as bars from the most to the fewest; past 30 classes the rest is one number.

    Args:
        counts: Annotations by class.
        look: "light" or "dark", as the page is.
        kind: "png" or "svg".
    """
    rows = sorted(counts.items(), key=lambda each: -each[1])
    rest = rows[_MOST_ROWS:]
    rows = rows[:_MOST_ROWS]

    def draw(axes: Axes, palette: _Palette) -> None:
        names, values = [each for each, _ in rows], [value for _, value in rows]
        told = [f"{value:,}" for value in values]
        if rest:  # told, not drawn: their sum would make the single classes look like nothing
            names.append(f"{len(rest):,} other classes")
            values.append(0)
            told.append(f"{sum(value for _, value in rest):,} together")
        _bars(axes, palette, names, values, [palette.bar] * len(names), told)
        _whole_numbers(axes.xaxis)
        axes.set_xlabel("annotations", color=palette.ink, fontsize=_TEXT)

    return _figure(draw, look, kind, rows=len(rows) + bool(rest), empty=not sum(counts.values()))


def labelled_share(stages: Mapping[str, tuple[int, int]], *, look: Look = "light", kind: Kind = "png") -> bytes:
    """The share of the images that each stage speaks of.

    Args:
        stages: (images it speaks of, images in all) by the stage's name.
        look: "light" or "dark".
        kind: "png" or "svg".
    """

    def draw(axes: Axes, palette: _Palette) -> None:
        shares = [100 * some / every if every else 0.0 for some, every in stages.values()]
        told = [f"{some:,} of {every:,}" for some, every in stages.values()]
        _bars(axes, palette, list(stages), shares, [palette.bar] * len(shares), told, end=100)
        axes.set_xlabel("images, %", color=palette.ink, fontsize=_TEXT)

    no_image = not any(every for _, every in stages.values())
    return _figure(draw, look, kind, rows=len(stages), empty=no_image, words="there are no images yet")


def splits_by_class(counts: Mapping[str, Mapping[str, int]], *, look: Look = "light", kind: Kind = "png") -> bytes:
    """How the annotations of each class are shared out among train, val and test.

    Args:
        counts: Annotations by class, then by split.
        look: "light" or "dark".
        kind: "png" or "svg".
    """
    used = sorted((each for each in counts.items() if any(each[1].values())), key=lambda each: -sum(each[1].values()))
    rows = used[:_MOST_ROWS]
    left_out = len(used) - len(rows)

    def draw(axes: Axes, palette: _Palette) -> None:
        begin = np.zeros(len(rows))
        for split, colour in _COLOURS.items():
            share = np.array([100 * each.get(split, 0) / max(1, sum(each.values())) for _, each in rows])
            axes.barh(np.arange(len(rows)), share, left=begin, color=colour, height=0.72, label=split)
            begin += share
        _names(axes, palette, [name for name, _ in rows])
        axes.set_xlim(0, 100)
        words = "annotations, %" + (f" ({left_out:,} rarer classes left out)" if left_out else "")
        axes.set_xlabel(words, color=palette.ink, fontsize=_TEXT)
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, handlelength=1, borderaxespad=0.2,
            frameon=False, fontsize=_TEXT, labelcolor=palette.ink,
        )  # fmt: skip

    return _figure(draw, look, kind, rows=len(rows) + 1, empty=not rows)


def box_sizes(boxes: Floats, *, look: Look = "light", kind: Kind = "png") -> bytes:
    """Width against height of boxes, both as logarithms: points where there are few, a density where there are many.

    Args:
        boxes: (m, 4) x, y, width and height in pixels.
        look: "light" or "dark".
        kind: "png" or "svg".
    """

    def draw(axes: Axes, palette: _Palette) -> None:
        width, height = boxes[:, 2], boxes[:, 3]
        low, high = _ends(boxes[:, 2:])
        axes.plot([low, high], [low, high], color=palette.faint, linewidth=1, zorder=0)
        if len(boxes) <= _FEW:
            axes.scatter(width, height, s=9, color=palette.bar, alpha=0.6, linewidths=0)
        else:
            edges = np.geomspace(low, high, 70)
            _density(axes, palette, np.histogram2d(width, height, bins=(edges, edges))[0].T, edges, "boxes")
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        _round_numbers(axes, np.log10(high / low))
        axes.set_xlabel("width, px", color=palette.ink, fontsize=_TEXT)
        axes.set_ylabel("height, px", color=palette.ink, fontsize=_TEXT)

    return _figure(draw, look, kind, height=4.2, empty=not len(boxes))


def aspects(boxes: Floats, *, look: Look = "light", kind: Kind = "png") -> bytes:
    """How wide boxes are for their height, as a histogram with equal steps of the logarithm.

    Args:
        boxes: (m, 4) x, y, width and height in pixels.
        look: "light" or "dark".
        kind: "png" or "svg".
    """

    def draw(axes: Axes, palette: _Palette) -> None:
        ratio = np.log2(boxes[:, 2] / boxes[:, 3])
        reach = max(1.0, float(np.ceil(np.abs(ratio).max())))
        axes.hist(ratio, bins=np.linspace(-reach, reach, 49).tolist(), color=palette.bar)
        ticks = np.arange(-reach, reach + 1, max(1, reach // 3))
        axes.set_xticks(ticks, [_ratio(each) for each in ticks])
        axes.set_xlabel("width : height", color=palette.ink, fontsize=_TEXT)
        axes.set_ylabel("boxes", color=palette.ink, fontsize=_TEXT)
        _whole_numbers(axes.yaxis)

    return _figure(draw, look, kind, height=2.6, empty=not len(boxes))


def positions(boxes: Floats, sizes: Floats, *, look: Look = "light", kind: Kind = "png") -> bytes:
    """Where the middles of boxes lie in their images, as a density over an image of the middle proportions.

    Args:
        boxes: (m, 4) x, y, width and height in pixels.
        sizes: (m, 2) width and height of each box's image in pixels.
        look: "light" or "dark".
        kind: "png" or "svg".
    """
    tall = float(np.clip(np.median(sizes[:, 1] / sizes[:, 0]), 0.4, 1.6)) if len(boxes) else 1.0

    def draw(axes: Axes, palette: _Palette) -> None:
        middle = ((boxes[:, :2] + boxes[:, 2:] / 2) / sizes).clip(0, 1)
        edges = np.linspace(0, 1, 33)
        found = np.histogram2d(middle[:, 1], middle[:, 0], bins=(edges, edges))[0]
        _density(axes, palette, found, edges, "boxes")
        axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect=tall)
        for spine in axes.spines.values():
            spine.set_visible(True)
        for word, side in zip(axes.set_xticklabels(["left", "middle", "right"]), _SIDES, strict=True):
            word.set_horizontalalignment(side)
        for word, level in zip(axes.set_yticklabels(["top", "middle", "bottom"]), _LEVELS, strict=True):
            word.set_verticalalignment(level)

    return _figure(draw, look, kind, height=min(4.4, 0.5 + 3.9 * tall), empty=not len(boxes))


_FEW = 1500
# The words at the ends of an axis stand inside of it: two at one corner would touch.
_SIDES: tuple[Literal["left", "center", "right"], ...] = ("left", "center", "right")
_LEVELS: tuple[Literal["top", "center", "bottom"], ...] = ("top", "center", "bottom")


def picture_grid(
    pictures: Sequence[NDArray[np.uint8]],
    *,
    titles: Sequence[str] = (),
    columns: int = 4,
    look: Look = "light",
    kind: Kind = "png",
) -> bytes:
    """Pictures side by side, row by row, with a few words over each.

    Args:
        pictures: (h, w, 3) uint8 RGB each; of any sizes.
        titles: The words, one for each picture.
        columns: Pictures in a row.
        look: "light" or "dark", as the page is.
        kind: "png" or "svg".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = _PALETTES[look]
    columns = min(columns, max(1, len(pictures)))
    rows = -(-len(pictures) // columns) or 1
    wide = _GRID_WIDTH / columns
    tall = wide * max((each.shape[0] / each.shape[1] for each in pictures), default=1.0)
    figure = Figure(figsize=(_GRID_WIDTH, rows * (tall + 0.22 * bool(titles))), facecolor=palette.ground)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    for place, picture in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.set_axis_off()
        axes.imshow(picture, interpolation="antialiased")
        if titles:
            axes.set_title(titles[place], color=palette.ink, fontsize=_TEXT - 1, pad=3)
    out = BytesIO()
    figure.savefig(out, format=kind, dpi=_GRID_DPI, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def grade_steps(
    grades: Mapping[str, Mapping[float, float]],
    *,
    intervals: Mapping[str, tuple[float, float]],
    words: Mapping[str, str] | None = None,
    look: Look = "light",
    kind: Kind = "png",
) -> bytes:
    """How probable each step of some standards is for one card: a row of bars each, and its interval as a line below.

    Args:
        grades: Probabilities by step, by the standard's title; without steps where the grade is undetermined.
        intervals: The lowest and highest step of the interval that is drawn, by the title.
        words: What stands below a title, such as what limits the grade.
        look: "light" or "dark", as the page is.
        kind: "png" or "svg".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = _PALETTES[look]
    figure = Figure(figsize=(_WIDTH, _STANDARD * max(1, len(grades))), facecolor=palette.ground)
    FigureCanvasAgg(figure)
    tall = 1 / max(1, len(grades))
    for place, (title, steps) in enumerate(grades.items()):
        axes = figure.add_axes((0.42, 1 - tall * (place + 0.66), 0.56, 0.46 * tall))
        axes.set_axis_off()
        _title(axes, palette, title, (words or {}).get(title, ""))
        if steps:
            _steps(axes, palette, steps, intervals[title])
        else:
            told: dict[str, Any] = {"color": palette.ink, "fontsize": _TEXT + 3, "transform": axes.transAxes}
            axes.text(0.5, 0.4, "undetermined", ha="center", va="center", **told)
    out = BytesIO()
    figure.savefig(out, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _title(axes: Axes, palette: _Palette, title: str, words: str) -> None:
    place: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "ha": "left", "color": palette.ink}
    axes.text(-0.73, 1.1, _short(title), fontsize=_TEXT + 1, fontweight="bold", **place)
    axes.text(
        -0.73, 0.74, fill(words.replace("$", r"\$"), 36, max_lines=3, placeholder=" …"), fontsize=_TEXT - 1.5, **place
    )


def _steps(axes: Axes, palette: _Palette, steps: Mapping[float, float], interval: tuple[float, float]) -> None:
    """Bars side by side, the steps in their order; those that nearly never come only where others lie beyond them."""
    seen = [step for step, share in sorted(steps.items()) if share >= _RARE or interval[0] <= step <= interval[1]]
    at = {step: place for place, step in enumerate(seen)}
    shares = [steps[step] for step in seen]
    best = max(range(len(seen)), key=lambda each: shares[each])
    below = axes.get_xaxis_transform()  # across in steps, up in heights of the axes
    for place, (step, share) in enumerate(zip(seen, shares, strict=True)):
        high = share / max(shares)
        axes.bar(place, high, width=0.66, color=palette.bar, alpha=1.0 if place == best else 0.55)
        told = f"{100 * share:.0f} %" if share >= _RARE else "< 1 %"
        axes.text(place, high + 0.06, told, color=palette.ink, fontsize=_TEXT - 2, ha="center", va="bottom")
        look: dict[str, Any] = {
            "fontsize": _TEXT,
            "fontweight": "bold" if place == best else "normal",
            "color": palette.ink,
        }
        axes.text(place, -0.2, f"{step:g}", transform=below, ha="center", va="top", **look)
    ends = [at[interval[0]] - 0.33, at[interval[1]] + 0.33]
    axes.plot(ends, [-0.1, -0.1], color=palette.ink, linewidth=2, solid_capstyle="butt", transform=below, clip_on=False)
    few = max(0, _FEWEST - len(seen)) / 2
    axes.set_xlim(-0.5 - few, len(seen) - 0.5 + few)
    axes.set_ylim(0, 1)


_STANDARD = 1.05  # inches a standard
_RARE = 0.005
_FEWEST = 6  # bars have the width of so many at most


def _figure(
    draw: Callable[[Axes, _Palette], None],
    look: Look,
    kind: Kind,
    *,
    rows: int = 0,
    height: float = 0.0,
    empty: bool = False,
    words: str = _EMPTY,
) -> bytes:
    """One figure with one pair of axes, drawn and encoded; words in its middle where there is nothing to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = _PALETTES[look]
    tall = 1.2 if empty else height or 0.75 + _ROW * max(2, rows)
    figure = Figure(figsize=(_WIDTH, tall), facecolor=palette.ground, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor(palette.ground)
    axes.tick_params(colors=palette.ink, labelsize=_TEXT - 1, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(palette.faint)
    if empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, words, color=palette.ink, fontsize=_TEXT + 1, ha="center", va="center")
    else:
        draw(axes, palette)
    out = BytesIO()
    figure.savefig(out, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _bars(  # noqa: PLR0917 - what a bar is made of, side by side
    axes: Axes,
    palette: _Palette,
    names: Sequence[str],
    values: Sequence[float],
    colours: Sequence[str],
    told: Sequence[str],
    *,
    end: float | None = None,
) -> None:
    """Bars from top to bottom, each with its figure behind it."""
    axes.barh(np.arange(len(names)), values, color=list(colours), height=0.72)
    longest = end or max(values) or 1
    for place, (value, text) in enumerate(zip(values, told, strict=True)):
        inside = value > 0.8 * longest
        at, side = (value - 0.01 * longest, "right") if inside else (value + 0.01 * longest, "left")
        colour = palette.ground if inside else palette.ink
        axes.text(at, place, text, color=colour, fontsize=_TEXT - 1, ha=side, va="center_baseline")
    axes.set_xlim(0, longest)
    _names(axes, palette, names)


def _names(axes: Axes, palette: _Palette, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [_short(name) for name in names], color=palette.ink)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def _short(name: str) -> str:
    """A name that leaves room for the bars; the middle goes, since names often differ at their ends."""
    text = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 11]}…{name[-10:]}"
    return text.replace("$", r"\$")  # matplotlib would read formulas between two of them


def _density(axes: Axes, palette: _Palette, counts: Floats, edges: Floats, what: str) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    first = 0.3 if palette is _PALETTES["dark"] else 0.0  # the darkest colours would be lost on dark ground
    colours = ListedColormap(colormaps["cividis"](np.linspace(first, 1, 256)))
    shown = np.ma.masked_less(counts, 1)
    top = max(2.0, float(counts.max()))
    mesh = axes.pcolormesh(edges, edges, shown, cmap=colours, norm=LogNorm(1, top), rasterized=True)
    scale = axes.figure.colorbar(mesh, ax=axes, shrink=0.8, pad=0.02)
    scale.outline.set_visible(False)
    scale.ax.tick_params(colors=palette.ink, labelsize=_TEXT - 1, length=0, which="both")
    scale.set_label(f"{what} at one place", color=palette.ink, fontsize=_TEXT)
    scale.minorticks_off()
    steps = [each for each in 10.0 ** np.arange(12) if each < top / 1.5]
    scale.set_ticks([*steps, top], labels=[f"{each:,.0f}" for each in (*steps, top)])


def _ends(values: Floats) -> tuple[float, float]:
    """Ends of a logarithmic axis that hold all values, and a decade at least."""
    low, high = 0.8 * float(values.min()), 1.25 * float(values.max())
    more = max(1.0, np.sqrt(10 * low / high))
    return low / more, high * more


def _round_numbers(axes: Axes, decades: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _ratio(power: float) -> str:
    return f"{2**power:,.0f} : 1" if power > 0 else f"1 : {2**-power:,.0f}"
