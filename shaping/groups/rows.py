"""Every 0/1 group of a design, smallest first: for each N and each parameter a row of n_pos = 0..N.

A whole parameter takes every whole number of its range, others keep their
default. A design that changes over a run is looked at where check.py looks at it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from shaping import real
from shaping.design import Design, Moment, with_params
from shaping.errors import DesignError, located
from shaping.groups import push
from shaping.groups.check import broken_bound
from shaping.groups.exact import Pair, other_scores, verdict_pair
from shaping.groups.run_points import moments, places
from shaping.language.evaluate import constant
from shaping.language.nodes import Draws
from shaping.language.params import Param
from shaping.real import Real, Unusable
from shaping.work import MAX_SETTINGS

Values = Mapping[str, Sequence[Fraction]]  # name of a parameter, or N → the values to look at


@dataclass(frozen=True)
class Row:
    """The groups of N with n_pos = 0..N correct answers, at one setting of the parameters."""

    N: int
    params: Mapping[str, Fraction]
    moment: Moment | None
    pairs: tuple[Pair, ...]

    def names(self, n_pos: int) -> dict[str, Real]:
        """What formulas of claims read but `eta`: an advantage that no answer has is 0."""
        right, wrong = (Fraction(0) if value is None else value for value in self.pairs[n_pos])
        counts = {"N": self.N, "n_pos": n_pos, "n_neg": self.N - n_pos, "p": Fraction(n_pos, self.N)}
        found: dict[str, Real] = {name: Fraction(value) for name, value in counts.items()}
        return found | self.params | {"correct": right, "wrong": wrong}

    def eta(self, n_pos: int) -> Real:
        """n_pos |A_correct| + n_neg |A_wrong| (Chen et al. 2025, Eq. 16)."""
        return push.eta_at(self.pairs, n_pos)

    def pushes(self) -> bool:
        """Does any answer get anything but 0?"""
        return any(real.sign(value) for pair in self.pairs for value in pair if value is not None)

    def where(self, n_pos: int | None = None) -> str:
        """'N = 4, n_pos = 1, k = 2'."""
        shown = {"N": self.N} | ({} if n_pos is None else {"n_pos": n_pos}) | dict(self.params)
        text = ", ".join(f"{name} = {value}" for name, value in shown.items())
        return f"{text}, at step {self.moment.step} of {self.moment.total_steps}" if self.moment else text


def by_verdicts(design: Design) -> bool:
    """Is there a row: do 0/1 rewards decide every advantage?"""
    return not beyond_verdicts(design)


def beyond_verdicts(design: Design) -> str:
    """What else the design looks at, in words; '' if nothing."""
    if design.inputs:
        return f"it reads {', '.join(design.inputs)}"
    if any(isinstance(node, Draws) for node in design.nodes):
        return "it draws at random"
    if design.reads_batch:
        return "it looks at other groups"
    if design.tabulated:  # where counts decide, any score may be correct
        return ""
    return reads_other_scores(design) or _is_for_other_rewards(design)


def _is_for_other_rewards(design: Design) -> str:
    """For which rewards it is, in words, if not for groups of 0 and 1; else ''."""
    names = design.constants(None)
    excludes = [each for each in design.rewards if not all(each.holds(Fraction(value), names) for value in (0, 1))]
    return f"it is for rewards {' and '.join(each.shown(names) for each in excludes)}" if excludes else ""


def reads_other_scores(design: Design) -> str:
    """How its own `correct:` takes score 1 for wrong or 0 for correct, in words; '' if it does not."""
    return other_scores(design, design.constants(None))


def rows(design: Design, when: Values, sizes: Sequence[int], beside: Sequence[Design] = ()) -> Iterator[Row]:
    """All rows of groups of these sizes, or of those in `when`; settings that a range forbids are left out.

    `beside` are designs that the rows are compared with: their times are looked at too.
    """
    points: dict[tuple, list[Moment | None]] = {}
    for N in (int(value) for value in when["N"]) if "N" in when else sizes:
        values = {name: _values(param, N, when) for name, param in design.params.items()}
        if prod(map(len, values.values())) > MAX_SETTINGS:
            what = f"more than {MAX_SETTINGS:,} settings of its parameters for groups of {N}"
            raise DesignError(f"{design.source.path}: {what}\nhint: smaller ranges, or `when:` with fewer values")
        choices = [[(name, Fraction(value)) for value in each] for name, each in values.items()]
        for params in map(dict, itertools.product(*choices)):
            if (setting := tuple(params.values())) not in points:
                points[setting] = _points(design, params, beside)
            for moment in points[setting]:
                if not in_range(design, N, params, moment):
                    continue
                pairs = (verdict_pair(design, N, n_pos, moment, params) for n_pos in range(N + 1))
                yield Row(N, params, moment, tuple(pairs))


def _points(design: Design, params: Mapping[str, Fraction], beside: Sequence[Design]) -> list[Moment | None]:
    """The points of a run that the design tells apart, with these parameters; all of them for another's sake."""
    design = with_params(design, params)
    if any(other.clock for other in beside):
        found = dict.fromkeys(place for each in (design, *beside) for place in places(each))
        return [Moment(step, steps, (Fraction(step), Fraction(steps))) for step, steps in found]
    return list(moments(design))


def in_range(design: Design, N: int, params: Mapping[str, Real], moment: Moment | None = None) -> bool:
    return broken_bound(design, N, design.constants(moment) | params) is None


def settings(design: Design, when: Values, sizes: Sequence[int], beside: Sequence[Design] = ()) -> str:
    """What `rows` goes through, in words: 'N = 2..64, every k'."""
    parts = []
    if "N" in when:
        parts.append(f"N = {', '.join(map(str, when['N']))}")
    else:
        parts.append(f"N = {_stretches(sizes)}")
    for name, param in design.params.items():
        if name in when:
            parts.append(f"{name} = {', '.join(map(str, when[name]))}")
        else:
            parts.append(f"every {name}" if param.is_count else f"{name} = {param.value}")
    if any(each.clock for each in (design, *beside)):
        parts.append("at points of a run")
    return ", ".join(parts)


def _stretches(sizes: Sequence[int]) -> str:
    """
    >>> _stretches([2, 3, 4, 99, 100])
    '2..4, 99..100'
    """
    runs: list[list[int]] = []
    for size in sizes:
        if runs and size == runs[-1][-1] + 1:
            runs[-1].append(size)
        else:
            runs.append([size])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def _values(param: Param, N: int, when: Values) -> Sequence[Fraction | int]:
    if param.name in when:
        return when[param.name]
    return whole_numbers(param, N) if param.is_count else [param.value]


def whole_numbers(param: Param, N: int) -> range:
    """Those in the range of a parameter for groups of N."""
    ends = (constant(node, {"N": Fraction(N)}) for node in (param.low, param.high))
    try:
        low, high = (real.floor(end) if i else -real.floor(real.negate(end)) for i, end in enumerate(ends))
    except Unusable as error:
        raise DesignError(located(param.high.span, f"the range of {param.name!r}: {error.args[0]}")) from None
    found = range(int(low), int(high) + 1)
    if found.stop - found.start > MAX_SETTINGS:
        message = f"more than {MAX_SETTINGS:,} whole numbers for groups of {N}"
        raise DesignError(located(param.high.span, message, "a whole parameter is tried number by number"))
    return found
