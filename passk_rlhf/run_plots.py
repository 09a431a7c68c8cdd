"""Curves of runs → a picture, or a page that has it: `python -m passk_rlhf.inspect ... -o runs.html`.

A column for each run, the axes of a row the same. Lines are means over WINDOW steps (over seeds first); bands are
± 2 standard errors, over seeds where there are several, else over the steps of the window.
"""

from __future__ import annotations

import base64
import html
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shaping.views import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from passk_rlhf.inspect import Runs

WINDOW = 5
EXPLORED = {
    "explore/distinct_wrong": "distinct wrong",
    "explore/surprisal_correct": "nats right",
    "explore/surprisal_wrong": "nats wrong",
}
PHASES = ("timing/generation", "timing/make_experience", "timing/ppo_train", "timing/broadcast")


def writable(path: str) -> Path:
    """`path`, if a picture or page can be written there; see shaping/views/plots.py."""
    if path.endswith(".html"):
        plots.writable(f"{path.removesuffix('.html')}.svg")
        return Path(path)
    return plots.writable(path)


def write(found: list[Runs], table: str, out: Path) -> None:
    figure = draw(found)
    if out.suffix != ".html":
        plots.save(figure, out)
        return
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    image = base64.b64encode(picture.getvalue()).decode()
    title = html.escape(", ".join(runs.label for runs in found))
    half = out.with_name(f".{out.name}.part")
    half.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px system-ui;margin:2em}pre{overflow:auto}img{max-width:100%}</style>"
        f'<h1>{title}</h1><pre>{html.escape(table)}</pre><img alt="curves over steps" '
        f'src="data:image/png;base64,{image}"></html>\n',
        encoding="utf-8",
    )
    os.replace(half, out)


def draw(found: list[Runs]) -> Figure:
    from matplotlib.figure import Figure

    from passk_rlhf.inspect import pass_names

    explored = any(runs.seeds[0].names("explore/") for runs in found)
    height = 4 + explored
    figure = Figure(figsize=(max(6.5, 4.6 * len(found)), 3 * height), layout="constrained")
    rows = figure.subplots(height, len(found), squeeze=False, sharex=True, sharey="row")
    shares = {"design/all_wrong": "all wrong", "design/effective": "effective", "design/too_easy": "too easy"}
    shares["design/dead_zone"] = "dead zone"
    sizes = {"design/abs_correct": "right answers", "design/abs_wrong": "wrong answers"}
    for column, runs in enumerate(found):
        ks = {name: f"pass@{name.removeprefix('rollout/pass')}" for name in pass_names(runs)}
        phases = {name: name.removeprefix("timing/").replace("_", " ") for name in PHASES}
        panels = [("solved", ks), ("share of groups", shares), ("mean |A|", sizes), ("seconds a step", phases)]
        if explored:
            panels.insert(3, ("exploration", EXPLORED))
        for axes, (label, names) in zip(rows[:, column], panels, strict=True):
            for i, (name, title) in enumerate(names.items()):
                _line(axes, runs, name, title, i)
            axes.set_ylabel(label if column == 0 else "")
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if axes.get_lines():
                axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False)
        seeds = f", {len(runs.seeds)} seeds" if len(runs.seeds) > 1 else ""
        rows[0, column].set_title(f"{runs.label}{seeds}")
        rows[-1, column].set_xlabel("step")
    return figure


def _line(axes, runs: Runs, name: str, title: str, place: int) -> None:
    steps, means, errors = smoothed(runs, name)
    if not steps:
        return
    colour, marker = plots.COLOURS[place % len(plots.COLOURS)], plots.MARKERS[place % len(plots.MARKERS)]
    axes.plot(steps, means, color=colour, marker=marker, markersize=4, markevery=max(1, len(steps) // 8), label=title)
    low = [mean - 2 * error for mean, error in zip(means, errors, strict=True)]
    high = [mean + 2 * error for mean, error in zip(means, errors, strict=True)]
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)


def smoothed(runs: Runs, name: str) -> tuple[list[int], list[float], list[float]]:
    """Steps, means over the window that ends there, standard errors (0 where there is one number)."""
    steps, means, errors = [], [], []
    for i, step in enumerate(runs.steps):
        mean, error = runs.mean(name, runs.steps[max(0, i + 1 - WINDOW) : i + 1])
        if not math.isnan(mean):
            steps.append(step)
            means.append(mean)
            errors.append(0.0 if math.isnan(error) else error)
    return steps, means, errors
