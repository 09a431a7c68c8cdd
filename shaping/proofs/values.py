"""Numbers to try for each signal of an answer: where a design or a claim changes its form, around it, and everywhere.

In    designs, and the formulas of claims about them
Out   for `r`, `score`, `length` ...: the usual numbers, and those near a threshold (groups/crossings.py)

`r if length < 400 else -1` is tried with lengths of 399, 400 and 401, a design that reads `x` as a flag with 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError
from shaping.groups.crossings import crossing_parts, names, numbers, roots
from shaping.groups.exact import groups_of
from shaping.groups.rows import in_range
from shaping.groups.run_points import moments
from shaping.language.evaluate import Group
from shaping.language.nodes import Node
from shaping.real import Undefined, Unusable
from shaping.work import MAX_N, bounded


def _numbers(*texts: str) -> list[Fraction]:
    return [Fraction(text) for text in texts]


REWARDS = _numbers(
    "0", "1", "-1", "1/2", "2", "-2", "1/10", "3", "10", "-10", "1000", "1/1000", "-1000", "1000000", "1e-15"
)
USUAL = {
    "length": _numbers("1", "0", "2", "3", "4", "7", "10", "100", "1000", "4096", "20000", "32768"),
    "logprob": _numbers("0", "-1/4", "-1/2", "-1", "-2", "-1/10", "-10"),
    "truncated": _numbers("0", "1"),
}
FAR = _numbers("-1000000", "-1000", "-10", "-3", "-2", "-1", "-1/2", "-1/1000", "0")
FAR += [-value for value in reversed(FAR[:-1])]
GRIDS = {
    "length": _numbers("0", "1", "2", "10", "100", "1000", "4000", "16000", "64000", "1000000"),
    "logprob": _numbers("-1000", "-10", "-5", "-2", "-1", "-1/2", "-1/10", "0"),
    "truncated": _numbers("0", "1"),
}
MOST = 64  # thresholds and numbers around them, of one signal
TINY = Fraction(1, 10**8)
CLAIMED = {"A", "verdict", "correct", "wrong", "eta"}  # what claims alone have


@dataclass(frozen=True)
class Pool:
    usual: list[Fraction]
    near: list[Fraction]  # thresholds and what is around them
    columns: list[list[Fraction]] = field(default_factory=list)  # of groups that stand at a threshold

    @property
    def all(self) -> list[Fraction]:
        return list(dict.fromkeys([*self.near, *self.usual]))


def pools(designs: Sequence[Design], formulas: Sequence[Node], signals: Sequence[str]) -> dict[str, Pool]:
    """For `r`, `score` and each of the signals, what to try. `formulas` are claims about the first design."""
    found: dict[str, list[Fraction]] = {name: [] for name in ("r", "score", *signals)}
    columns: dict[str, list[list[Fraction]]] = {name: [] for name in found}
    for design in designs:
        parts = [part for part in crossing_parts([design.advantage, design.verdict]) if "reward" not in names(part)]
        if design is designs[0]:
            parts += [part for part in crossing_parts(formulas) if not names(part) & CLAIMED]
        for name in found:
            reading = [part for part in parts if name in names(part)]
            for value, column in _thresholds(design, name, list(signals), reading):
                found[name].append(value)
                columns[name].append(column)
    written = numbers([root for each in designs for root in (each.advantage, each.verdict)] + [*formulas])
    written += [param.value for each in designs for param in each.params.values()]
    made = {}
    for name, values in found.items():
        step = Fraction(1) if name == "length" else Fraction(1, 8)
        near = [*values, *(value for value in written if name != "length" or value >= 8)]
        near += [-value for value in near if name in ("r", "score")]
        usual = [value for value in USUAL.get(name, REWARDS)]
        near = list(filter(takes(name), dict.fromkeys(_around(near, step))))[:MOST]
        made[name] = Pool(usual, near, list(_at_thresholds(columns[name], step, takes(name)))[:MOST])
    return made


def _at_thresholds(
    columns: list[list[Fraction]], step: Fraction, fits: Callable[[Fraction], bool]
) -> Iterator[list[Fraction]]:
    """These columns, the first answer at its threshold and on both sides of it."""
    for first, *others in dict.fromkeys(map(tuple, columns)):
        whole = step == 1
        for value in (first, first - step, first + step):
            column = [Fraction(round(each)) if whole else each for each in (value, *others)]
            if all(map(fits, column)):
                yield column


def _around(values: list[Fraction], step: Fraction) -> Iterator[Fraction]:
    """Each, both sides of it, and the middle of each two: every stretch between thresholds."""
    values = list(dict.fromkeys(values))
    for value in values:
        if step == 1:
            yield from (Fraction(round(value) + by) for by in (0, -1, 1))
        else:
            yield from (value, value - step, value + step, value - TINY, value + TINY)
    for low, high in pairwise(sorted(values)):
        yield (low + high) / 2 if step.denominator > 1 else Fraction(round((low + high) / 2))


def takes(name: str) -> Callable[[Fraction], bool]:
    """Which numbers the signal can have."""
    match name:
        case "length":
            return lambda value: value >= 0 and value.denominator == 1
        case "logprob":
            return lambda value: value <= 0
        case "truncated":
            return lambda value: value in (0, 1)
    return lambda value: True


OTHERS = {"at 0": (0, 0), "at 1": (1, 1), "at both": (0, 1)}  # of the answers beside the one that moves


def _thresholds(
    design: Design, name: str, signals: list[str], parts: list[Node]
) -> Iterator[tuple[Fraction, list[Fraction]]]:
    """Where one of the parts crosses 0 as one answer's signal moves, or that of all answers; and the columns there."""
    moment = next(moments(design))
    sizes = [N for N in (4, 16, *range(2, 65)) if in_range(design, N, {}, moment)][:2]
    grid = GRIDS.get(name, FAR)
    for part in parts:
        for N in sizes[: 2 if "N" in names(part) else 1]:
            for others in (*OTHERS.values(), None):

                def column(value: Fraction, N: int = N, others: tuple | None = others) -> list[Fraction]:
                    return [value] * N if others is None else [value, *(Fraction(others[i % 2]) for i in range(N - 1))]

                def at(value: Fraction, part: Node = part, column=column) -> Fraction | None:
                    return _measured(design, part, name, signals, column(value), moment)

                yield from ((value, column(value)) for value in roots(at, grid))


def _measured(design: Design, part: Node, name: str, signals: list[str], column: list[Fraction], moment):
    """The part's value for the first answer; other signals are 0. None where it has none."""
    columns = {each: [Fraction(0)] * len(column) for each in ("r", "score", *signals)}
    columns |= {each: column for each in ({"r", "score"} if name in ("r", "score") else {name})}
    try:
        with bounded(design.source.path):
            exact = _group(design, columns, moment).value(part, 0)
            return exact if isinstance(exact, Fraction) else Fraction(real.nearest(exact))
    except (DesignError, Undefined, Unusable, OverflowError, KeyError):  # not reached for such answers
        return None


def _group(design: Design, columns: dict[str, list[Fraction]], moment) -> Group:
    given = {each: [values] for each, values in columns.items()}
    rewards, scores = given.pop("r"), given.pop("score")
    ((group,), _) = groups_of(design, rewards, scores, given, {}, moment)
    return group


def sizes_written(designs: Sequence[Design], formulas: Sequence[Node]) -> list[int]:
    """Sizes of groups at which something may change: the whole numbers that formulas have, and both sides of them."""
    written = numbers([each.advantage for each in designs] + [*formulas])
    written += [param.value for each in designs for param in each.params.values()]
    whole = [int(value) for value in written if value.denominator == 1 and 2 <= value < MAX_N]
    return sorted({size + by for size in whole for by in (-1, 0, 1) if size + by >= 2})
