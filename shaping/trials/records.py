"""Groups that somebody already has: a file with one JSON object a line, one line a group.

    {"rewards": [1, 0, 0, 1], "scores": [1, 0, 0, 1], "length": [310, 512, 90, 77], "step": 12}

`rewards` has to be there, one number an answer. `scores`, `length`, `logprob`, `truncated` and the names of a
design's own signals may be; also as `lengths` and `logprobs`. null is a number that an answer does not have. Lines of
one `step` are one batch; without it all lines are. The launcher's --dump-rewards writes such files.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import torch
from torch import Tensor

from shaping.errors import DesignError
from shaping.language.document import opened

PLURAL = {"lengths": "length", "logprobs": "logprob", "scores": "score"}
MAX_LINE = 1_000_000  # characters: twelve groups of 1,024 answers with all that is known of each
MAX_NUMBERS = 10_000_000  # in a file: 80 MB of memory
MAX_STEP = 10**9
LARGEST = sys.float_info.max
NOT_NUMBERS = {"step", "total_steps", "prompt"}


@dataclass(frozen=True)
class Records:
    """The groups of one batch that have the same number of answers."""

    reward_PN: Tensor  # NaN, as in all columns: there is none
    score_PN: Tensor | None  # None: the rewards themselves
    signals: dict[str, Tensor]  # those that every line has
    step: int | None


def read_records(path: str, say: Callable[[str], None] = lambda line: None) -> list[Records]:
    """Every group of a file, as float64.

    Args:
      say: is told of a last line that is only half there, as a process that was killed leaves it: it does not count.

    Raises:
      DesignError: it cannot be read, or a line is no group; names the line.
    """
    found: dict[tuple, list[dict[str, array]]] = defaultdict(list)
    numbers = 0
    with opened(path, "the rewards") as file:
        for number, line, last in _lines(path, file):
            if found and last and not line.endswith("\n") and not _is_json(line):
                say(f"{path}:{number}: the last line is only half there, and left out")
                continue
            step, columns = _group(f"{path}:{number}", line, last)
            found[step, len(columns["reward"])].append(columns)
            numbers += sum(map(len, columns.values()))
            if numbers > MAX_NUMBERS:
                raise DesignError(f"{path}:{number}: more than {MAX_NUMBERS:,} numbers: take fewer lines of it")
    if not found:
        raise DesignError(
            f'{path}: there is no group in it: one JSON object a line, such as {{"rewards": [1, 0, 0, 1]}}'
        )
    return [_stacked(groups, step) for (step, _), groups in found.items()]


def _lines(path: str, file: TextIO) -> Iterator[tuple[int, str, bool]]:
    """The lines that have something on them: their numbers, and whether it is the last."""
    number, line = 1, file.readline(MAX_LINE + 1)
    while line:
        if len(line) > MAX_LINE:
            raise DesignError(f"{path}:{number}: a line of more than {MAX_LINE:,} characters: a group has a line")
        following = file.readline(MAX_LINE + 1)
        if line.strip():
            yield number, line, not following
        number, line = number + 1, following


def _group(place: str, line: str, last: bool) -> tuple[int | None, dict[str, array]]:
    try:
        given = json.loads(line.rstrip("\n"))
    except json.JSONDecodeError as error:
        cut = "the line is cut off: is a run still writing it?" if last else f"not JSON: {error.msg}"
        raise DesignError(f"{place}:{error.colno}: {cut}") from None
    except ValueError:
        raise DesignError(f"{place}: a whole number of thousands of digits") from None
    except RecursionError:
        raise DesignError(f"{place}: brackets nested too deep: a group is one object of lists") from None
    if not isinstance(given, dict) or not isinstance(given.get("rewards"), list):
        raise DesignError(f'{place}: a group is {{"rewards": [...]}}, one number an answer')
    N = len(given["rewards"])
    if N < 2:
        raise DesignError(f"{place}: {N} rewards: a group has at least two answers")
    columns: dict[str, array] = {}
    for key, values in given.items():
        if key in NOT_NUMBERS:
            continue
        name, shown = "reward" if key == "rewards" else PLURAL.get(key, key), _cut(repr(key))
        if not isinstance(values, list) or len(values) != N:
            raise DesignError(f"{place}: {shown} is no list of {N} numbers, one an answer")
        if name in columns or key == "reward":
            raise DesignError(f"{place}: {shown} is there besides another name of the same")
        for i, value in enumerate(values):
            if value is not None and (not isinstance(value, int | float) or not abs(value) <= LARGEST):
                raise DesignError(f"{place}: {_cut(key)}[{i}] is {_cut(json.dumps(value))}, not a number")
        columns[name] = array("d", (math.nan if value is None else value for value in values))
    step = given.get("step")
    if step is not None and (not isinstance(step, int) or not 0 <= step <= MAX_STEP):
        raise DesignError(f"{place}: step is {_cut(json.dumps(step))}, not a whole number up to {MAX_STEP:,}")
    return step, columns


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _stacked(groups: list[dict[str, array]], step: int | None) -> Records:
    names = set.intersection(*(set(group) for group in groups))
    columns = {
        name: torch.stack([torch.frombuffer(group[name], dtype=torch.float64) for group in groups]) for name in names
    }
    reward_PN = columns.pop("reward")
    return Records(reward_PN, columns.pop("score", None), columns, step)
