"""Numbers to try for each signal of an answer: where a design or a claim changes its form, around it, and everywhere.

In    designs, and the formulas of claims about them
Out   for `r`, `score`, `length` ...: the usual numbers, and those near a threshold (groups/crossings.py)

`r if length < 400 else -1` is tried with lengths of 399, 400 and 401, a design that reads `x` as a flag with 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


REWARDS = _numbers("0", "1", "-1", "1/2", "2", "-2", "1/10", "3", "10", "-10", "1000", "1/1000", "-1000", "1000000")
USUAL = {
    "length": _numbers("1", "2", "3", "4", "7", "10", "100", "1000", "4096", "20000", "32768"),
    "logprob": _numbers("0", "-1/4", "-1/2", "-1", "-2", "-1/10", "-10"),
    "truncated": _numbers("0", "1"),
}
FAR = _numbers("-1000000", "-1000", "-10", "-3", "-2", "-1", "-1/2", "-1/1000", "0")
FAR += [-value for value in reversed(FAR[:-1])]
GRIDS = {
    "length": _numbers("1", "2", "10", "100", "1000", "4000", "16000", "64000", "1000000"),
    "logprob": _numbers("-1000", "-10", "-5", "-2", "-1", "-1/2", "-1/10", "0"),
    "truncated": _numbers("0", "1"),
}
MOST = 48  # thresholds and numbers around them, of one signal
CLAIMED = {"A", "verdict", "correct", "wrong", "eta"}  # what claims alone have


@dataclass(frozen=True)
class Pool:
    usual: list[Fraction]
    near: list[Fraction]  # thresholds and what is around them

    @property
    def all(self) -> list[Fraction]:
        return list(dict.fromkeys([*self.near, *self.usual]))


def pools(designs: Sequence[Design], formulas: Sequence[Node], signals: Sequence[str]) -> dict[str, Pool]:
    """For `r`, `score` and each of the signals, what to try. `formulas` are claims about the first design."""
    found: dict[str, list[Fraction]] = {name: [] for name in ("r", "score", *signals)}
    for design in designs:
        parts = [part for part in crossing_parts([design.advantage, design.verdict]) if "reward" not in names(part)]
        if design is designs[0]:
            parts += [part for part in crossing_parts(formulas) if not names(part) & CLAIMED]
        for name in found:
            found[name] += _thresholds(design, name, list(signals), [part for part in parts if name in names(part)])
    written = numbers([root for each in designs for root in (each.advantage, each.verdict)] + [*formulas])
    written += [param.value for each in designs for param in each.params.values()]
    made = {}
    for name, values in found.items():
        step = Fraction(1) if name == "length" else Fraction(1, 8)
        near = [*values, *(value for value in written if name != "length" or value >= 8)]
        usual = [value for value in USUAL.get(name, REWARDS)]
        made[name] = Pool(usual, list(filter(takes(name), dict.fromkeys(_around(near, step))))[:MOST])
    return made


def _around(values: list[Fraction], step: Fraction) -> Iterator[Fraction]:
    """Each, both sides of it, and the middle of each two: every stretch between thresholds."""
    values = list(dict.fromkeys(values))
    for value in values:
        for near in (value - step, value, value + step):
            yield near if step.denominator > 1 else Fraction(round(near))
    for low, high in pairwise(sorted(values)):
        yield (low + high) / 2 if step.denominator > 1 else Fraction(round((low + high) / 2))


def takes(name: str) -> Callable[[Fraction], bool]:
    """Which numbers the signal can have."""
    match name:
        case "length":
            return lambda value: value >= 1 and value.denominator == 1
        case "logprob":
            return lambda value: value <= 0
        case "truncated":
            return lambda value: value in (0, 1)
    return lambda value: True


def _thresholds(design: Design, name: str, signals: list[str], parts: list[Node]) -> list[Fraction]:
    """Where one of the parts crosses 0 as one answer's signal moves, or that of all answers."""
    found: list[Fraction] = []
    moment = next(moments(design))
    sizes = [N for N in (4, 16, *range(2, 65)) if in_range(design, N, {}, moment)][:2]
    for part in parts:
        for N in sizes[: 2 if "N" in names(part) else 1]:
            for others in (None, Fraction(0), Fraction(1)):
                at = _measure(design, part, name, signals, N, others)
                found += roots(at, GRIDS.get(name, FAR))
    return found


def _measure(
    design: Design, part: Node, name: str, signals: list[str], N: int, others: Fraction | None
) -> Callable[[Fraction], Fraction | None]:
    """The part's value, as the signal of the first answer moves and others have `others`; or as all move."""
    moment = next(moments(design))

    def at(value: Fraction) -> Fraction | None:
        base = Fraction(0) if others is None else others
        columns = {each: [base] * N for each in ("r", "score", *signals)}
        for each in columns:
            if each == name or (name in ("r", "score") and each in ("r", "score")):
                columns[each] = [value] * N if others is None else [value, *columns[each][1:]]
        try:
            with bounded(design.source.path):
                group = _group(design, columns, moment)
                exact = group.value(part, 0)
                return exact if isinstance(exact, Fraction) else Fraction(real.nearest(exact))
        except (DesignError, Undefined, Unusable, OverflowError, KeyError):  # not reached for such answers
            return None

    return at


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
