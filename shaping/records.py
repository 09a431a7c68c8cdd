"""Groups that somebody already has: a file with one JSON object a line, one line a group.

    {"rewards": [1, 0, 0, 1], "scores": [1, 0, 0, 1], "length": [310, 512, 90, 77], "step": 12}

`rewards` has to be there, one number an answer. `scores`, `length`, `logprob`, `truncated` and the names of a
design's own signals may be; also as `lengths` and `logprobs`. Lines of one `step` are one batch; without it all lines
are. The launcher's --dump-rewards writes such files.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shaping.errors import DesignError

PLURAL = {"lengths": "length", "logprobs": "logprob", "scores": "score"}
NOT_NUMBERS = {"step", "total_steps", "prompt"}


@dataclass(frozen=True)
class Records:
    """The groups of one batch that have the same number of answers."""

    reward_PN: Tensor
    score_PN: Tensor | None  # None: the rewards themselves
    signals: dict[str, Tensor]  # those that every line has
    step: int | None


def read_records(path: str) -> list[Records]:
    """Every group of a file, as float64.

    Raises:
      DesignError: it cannot be read, or a line is no group; names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file of UTF-8 text"
        raise DesignError(f"{path}: cannot read the rewards: {reason}") from None
    found: dict[tuple, list[dict[str, list[float]]]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        if line.strip():
            step, columns = _group(f"{path}:{number}", line, last=number == len(lines))
            found[step, len(columns["reward"])].append(columns)
    if not found:
        raise DesignError(
            f'{path}: there is no group in it: one JSON object a line, such as {{"rewards": [1, 0, 0, 1]}}'
        )
    return [_stacked(groups, step) for (step, _), groups in found.items()]


def _group(place: str, line: str, last: bool) -> tuple[int | None, dict[str, list[float]]]:
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        cut = "the line is cut off: is a run still writing it?" if last else f"not JSON: {error.msg}"
        raise DesignError(f"{place}:{error.colno}: {cut}") from None
    if not isinstance(given, dict) or not isinstance(given.get("rewards"), list):
        raise DesignError(f'{place}: a group is {{"rewards": [...]}}, one number an answer')
    N = len(given["rewards"])
    if N < 2:
        raise DesignError(f"{place}: {N} rewards: a group has at least two answers")
    columns = {}
    for key, values in given.items():
        if key in NOT_NUMBERS:
            continue
        name = "reward" if key == "rewards" else PLURAL.get(key, key)
        if not isinstance(values, list) or len(values) != N:
            raise DesignError(f"{place}: {key!r} is no list of {N} numbers, one an answer")
        for i, value in enumerate(values):
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise DesignError(f"{place}: {key}[{i}] is {json.dumps(value)}, not a number")
        columns[name] = [float(value) for value in values]
    step = given.get("step")
    if step is not None and (not isinstance(step, int) or step < 0):
        raise DesignError(f"{place}: step is {json.dumps(step)}, not a whole number")
    return step, columns


def _stacked(groups: list[dict[str, list[float]]], step: int | None) -> Records:
    names = set.intersection(*(set(group) for group in groups))
    columns = {name: torch.tensor([group[name] for group in groups], dtype=torch.float64) for name in names}
    reward_PN = columns.pop("reward")
    return Records(reward_PN, columns.pop("score", None), columns, step)
