"""Curves of designs → a picture: `python -m shaping plot FILE... -o out.png`.

Four panels: what a correct (solid, filled) and a wrong answer (dashed, hollow) get; eta with its peak marked; the
weight w(p); the objective F(p). A design has one colour and one marker in all of them; the colours are those of Okabe
and Ito, told apart by colour-blind readers, and the markers stay apart in print.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shaping.errors import DesignError
from shaping.objectives.words import places
from shaping.views.profile import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
ANSWERS = {"a correct answer": ("-", "0.4"), "a wrong answer": ("--", "white")}  # line, filling of the marker
SUFFIXES = (".png", ".svg", ".pdf")


def writable(path: str) -> Path:
    """`path`, if a picture can be written there: told before any work is done.

    Raises:
      DesignError: another format, or no such folder, or one that cannot be written to.
    """
    out = Path(path)
    if out.suffix not in SUFFIXES:
        raise DesignError(f"{path}: a picture is one of {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise DesignError(f"{path}: there is no folder {out.parent}")
    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        raise DesignError(f"{path}: cannot be written")
    return out


def save(figure: Figure, out: Path) -> None:
    """Whole or not at all: what stands at `out` is replaced once the picture is there."""
    with tempfile.NamedTemporaryFile(dir=out.parent, suffix=out.suffix, delete=False) as file:
        figure.savefig(file, format=out.suffix[1:], dpi=150)
    os.replace(file.name, out)
    out.chmod(0o644)


def draw(found: Sequence[Curves]) -> Figure:
    """The four panels of these designs.

    Raises:
      DesignError: more of them than there are colours.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if len(found) > len(COLOURS):
        raise DesignError(f"{len(found)} curves in one picture: at most {len(COLOURS)} can be told apart")
    figure = Figure(figsize=(10, 8), layout="constrained")
    (answers, push), (weight, climbed) = figure.subplots(2, 2)
    N = found[0].N
    for each, colour, marker in zip(found, COLOURS, MARKERS, strict=False):
        style = {"color": colour, "marker": marker, "markersize": 4, "markevery": max(1, N // 16)}
        answers.plot(*_points(each.correct), label=f"{each.label}, correct", **style)
        answers.plot(*_points(each.wrong), label=f"{each.label}, wrong", ls="--", mfc="white", **style)
        push.plot(range(N + 1), each.eta, label=each.label, **style)
        _mark_peak(push, each, colour)
        smooth = {"color": colour, "marker": marker, "markersize": 4, "markevery": 20}
        weight.plot(each.p, each.weight, label=each.label, **smooth)
        climbed.plot(each.p, each.objective, label=each.label, **smooth)
    _label(answers, "Advantage", "correct answers of the group, n_pos", "advantage")
    _label(push, "Push: n_pos |A correct| + n_neg |A wrong|", "correct answers of the group, n_pos", "eta")
    _label(weight, "Weight: mean gradient = w(p) grad p", "chance p of a correct answer", "w(p)")
    _label(climbed, "What it climbs: F' = w, F(0) = 0", "chance p of a correct answer", "F(p)")
    for axes in (answers, push):
        axes.set_xlim(-0.02 * N, 1.02 * N)
    figure.suptitle(_heading(found), fontsize=13)
    handles, labels = push.get_legend_handles_labels()
    handles += [Line2D([], [], color="0.4", marker="o", markersize=4, ls=ls, mfc=mfc) for ls, mfc in ANSWERS.values()]
    figure.legend(handles, [*labels, *ANSWERS], loc="outside lower center", ncols=4)
    return figure


def _points(values: Sequence[float | None]) -> tuple[list[int], list[float]]:
    there = [(n_pos, value) for n_pos, value in enumerate(values) if value is not None]
    return [n_pos for n_pos, _ in there], [value for _, value in there]


def _mark_peak(axes: Axes, each: Curves, colour: str) -> None:
    if not each.peaks:
        return
    at, top = each.peaks[0], each.eta[each.peaks[0]]
    axes.vlines(each.peaks, 0, top, color=colour, lw=0.8, ls=":")
    # Left of the middle there is room to the right of a peak, and the other way round.
    side = {"ha": "left", "xytext": (6, 2)} if at <= each.N / 2 else {"ha": "right", "xytext": (-6, 2)}
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # another curve may pass there
    text = places(each.peaks, each.N)
    axes.annotate(text, (at, top), textcoords="offset points", color=colour, fontsize=9, bbox=box, **side)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.axhline(0, color="0.6", lw=0.8, zorder=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.1)


def _heading(found: Sequence[Curves]) -> str:
    titles = list(dict.fromkeys(each.title for each in found))
    return f"{titles[0] if len(titles) == 1 else 'Advantage designs'}, groups of {found[0].N}, rewards 0 and 1"
