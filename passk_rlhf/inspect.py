"""What happened in runs: python -m passk_rlhf.inspect RUN_DIR [RUN_DIR...] [-o page.html | picture.png]

    python -m passk_rlhf.inspect runs/a runs/b               two runs, each for itself, on the same axes
    python -m passk_rlhf.inspect passk=runs/a,runs/b grpo=runs/c,runs/d       seeds of two settings, averaged

A number is the mean over the first or the last WINDOW steps, ± the standard error: over seeds where there are several,
else over the steps of the window.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from passk_rlhf.history import History, HistoryError, read_history

WINDOW = 10
HEAD, COLUMN = 12, 16  # characters
FIGURES = {
    "design/all_wrong": "all wrong",
    "design/too_easy": "too easy",
    "design/dead_zone": "dead zone",
    "design/effective": "effective",
    "design/abs_correct": "|A| right",
    "design/abs_wrong": "|A| wrong",
    "explore/distinct_wrong": "distinct",
    "explore/surprisal_correct": "nats right",
    "explore/surprisal_wrong": "nats wrong",
    "timing/step_total": "s/step",
}


@dataclass
class Runs:
    """One line of the table: a run, or the seeds of a setting."""

    label: str
    seeds: list[History]

    @property
    def steps(self) -> list[int]:
        """The steps that every seed has done."""
        return sorted(set.intersection(*(set(seed.train) for seed in self.seeds)))

    def mean(self, name: str, steps: list[int]) -> tuple[float, float]:
        """Over the steps of a window, ± the standard error."""
        each = [_finite([seed.train[step].get(name, math.nan) for step in steps]) for seed in self.seeds]
        values = [statistics.fmean(column) for column in each if column] if len(each) > 1 else each[0]
        if not values:
            return math.nan, math.nan
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return statistics.fmean(values), error


def _finite(values: list[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def read_runs(text: str) -> Runs:
    """'runs/a', or 'label=runs/a,runs/b'. What is there is a folder, though its name has a = in it: 'runs/lr=1e-6'."""
    label, equals, folders = (text, "", "") if Path(text).exists() else text.partition("=")
    names = folders.split(",") if equals else [text]
    if not label or not all(names):
        raise HistoryError(f"{text}: write a folder, or NAME=FOLDER,FOLDER")
    label = label if equals else Path(text).resolve().name
    runs = Runs(label, [read_history(name) for name in names])
    if not runs.steps:
        raise HistoryError(f"{label}: no step that all of its seeds have done")
    return runs


def pass_names(runs: Runs) -> list[str]:
    """rollout/pass1, rollout/pass2 ..., by k."""
    names = [name for name in runs.seeds[0].names("rollout/pass") if re.fullmatch(r"rollout/pass[0-9]{1,6}", name)]
    return sorted(names, key=lambda name: int(name.removeprefix("rollout/pass")))


def table(found: list[Runs]) -> str:
    """A row a metric; of each run the first and the last steps."""
    ks = dict.fromkeys(name for runs in found for name in pass_names(runs))
    rows = {name: f"pass@{name.removeprefix('rollout/pass')}" for name in ks} | FIGURES
    rows = {name: title for name, title in rows.items() if any(_has(runs, name) for runs in found)}
    windows = [(runs, part) for runs in found for part in (runs.steps[:WINDOW], runs.steps[-WINDOW:])]
    width = 2 * COLUMN
    heads = [f"{runs.label}{f', {len(runs.seeds)} seeds' * (len(runs.seeds) > 1)}" for runs in found]
    lines = [f"{'':{HEAD}}" + "".join(f"{head[-width + 2 :]:>{width}}" for head in heads)]
    lines.append(f"{'steps':{HEAD}}" + "".join(f"{f'{part[0]}-{part[-1]}':>{COLUMN}}" for _, part in windows))
    for name, title in rows.items():
        cells = (_cell(*runs.mean(name, part)) for runs, part in windows)
        lines.append(f"{title:{HEAD}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def _has(runs: Runs, name: str) -> bool:
    return any(name in step for seed in runs.seeds for step in seed.train.values())


def _cell(value: float, error: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3f}" + (f" ±{error:.3f}" if math.isfinite(error) else "")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m passk_rlhf.inspect", description="What happened in runs.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder, or NAME=FOLDER,FOLDER for its seeds")
    parser.add_argument("-o", "--out", metavar="FILE", help="curves too: a .png, .svg or .pdf, or an .html page")
    options = parser.parse_args(argv)
    from passk_rlhf import run_plots
    from shaping.errors import DesignError

    try:
        out = run_plots.writable(options.out) if options.out else None
        found = [read_runs(text) for text in options.runs]
        for history in (seed for runs in found for seed in runs.seeds if seed.cut_off):
            print(f"{history.path}: its last line is only half there, and left out", file=sys.stderr)
        text = table(found)
        print(text)
        if out:
            run_plots.write(found, text, Path(out))
            print(f"\n{out}")
    except (HistoryError, DesignError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
