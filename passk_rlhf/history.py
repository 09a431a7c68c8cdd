"""The metrics of a run, read back: metrics.jsonl beside the model (metrics.py writes it), one number a step and name.

A line that a run is still writing is left out. Where a run was resumed and did a step again, the later one counts.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from os.path import isfile
from pathlib import Path
from sys import intern

MAX_LINE = 1_000_000  # characters; a step has some three thousand
MAX_NUMBERS = 2_000_000  # in a file, a hundred bytes each: 30,000 steps
MAX_STEP = 10**9
LARGEST = 1e150


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
    places = [folder] if isfile(folder) else [folder / "metrics.jsonl", folder / "model" / "metrics.jsonl"]
    path = next((place for place in places if isfile(place)), None)
    if path is None:
        raise HistoryError(f"{folder}: no metrics.jsonl here or in model/")
    history, numbers = History(path), 0
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), 1):
                if line.strip():
                    numbers += _add(history, number, line)
                if numbers > MAX_NUMBERS:
                    raise HistoryError(f"{path}:{number}: more than {MAX_NUMBERS:,} numbers: take a part of it")
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from None
    if not history.train:
        raise HistoryError(f"{path}: no training step in it yet")
    return history


def _add(history: History, number: int, line: str) -> int:
    """Put a line into the history; how many numbers it had."""
    if len(line) > MAX_LINE:
        raise HistoryError(f"{history.path}:{number}: a line of more than {MAX_LINE:,} characters")
    try:
        entry = json.loads(line)
        kind, step = entry.pop("kind"), int(entry.pop("step"))
        if not 0 <= step <= MAX_STEP:
            raise ValueError(step)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        if not line.endswith("\n"):  # the last line of a run that is still writing it
            history.cut_off = True
            return 0
        raise HistoryError(f"{history.path}:{number}: no metrics of a step: {line.rstrip()[:60]!r}") from None
    found = {intern(name): _number(value) for name, value in entry.items() if isinstance(value, int | float)}
    (history.train if kind == "train" else history.evaluations)[step] = found
    return len(found)


def _number(value: float) -> float:
    """A metric beyond LARGEST is as good as infinite; its square would not fit a float."""
    if abs(value) > LARGEST:
        return math.inf if value > 0 else -math.inf
    return float(value)
