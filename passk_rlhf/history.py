"""The metrics of a run, read back: metrics.jsonl beside the model (metrics.py writes it), one number a step and name.

A line that a run is still writing is left out. Where a run was resumed and did a step again, the later one counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


class HistoryError(ValueError):
    """There are no metrics to read; for whoever named the folder."""


@dataclass
class History:
    path: Path
    train: dict[int, dict[str, float]] = field(default_factory=dict)  # step → name → number
    evaluations: dict[int, dict[str, float]] = field(default_factory=dict)
    cut_off: bool = False  # is the last line only half there?

    @property
    def steps(self) -> list[int]:
        return sorted(self.train)

    def column(self, name: str) -> list[float]:
        """The number of that name for every step; NaN where a step has none."""
        return [self.train[step].get(name, float("nan")) for step in self.steps]

    def names(self, prefix: str) -> list[str]:
        """Every metric whose name begins so, in the order in which they appeared."""
        return list(dict.fromkeys(name for step in self.train.values() for name in step if name.startswith(prefix)))


def read_history(folder: str | Path) -> History:
    """The history of a run: `folder` is its metrics.jsonl, or has one in it or in its folder model/.

    Raises:
      HistoryError: there is none, it has no training step, or a line in it is no metrics.
    """
    folder = Path(folder)
    places = [folder] if folder.is_file() else [folder / "metrics.jsonl", folder / "model" / "metrics.jsonl"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise HistoryError(f"{folder}: no metrics.jsonl here or in model/")
    history = History(path)
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            kind, step = entry.pop("kind"), int(entry.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError):
            if number == len(lines):  # no line break after it yet
                history.cut_off = True
                continue
            raise HistoryError(f"{path}:{number}: no metrics of a step: {line[:60]!r}") from None
        numbers = {name: float(value) for name, value in entry.items() if isinstance(value, int | float)}
        (history.train if kind == "train" else history.evaluations)[step] = numbers
    if not history.train:
        raise HistoryError(f"{path}: no training step in it yet")
    return history
