"""Would a run on groups of N learn anything? What silence.py finds is said before it: an error if no step would train
anything, a note if some would not, with the parameters and sizes that would, found by trying them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from shaping import real
from shaping.design import Design, Moment, with_params
from shaping.errors import DesignError, Span, located, parameter
from shaping.groups.check import broken_bound, draw_shape
from shaping.groups.exact import batch
from shaping.groups.run_points import MOMENTS, moments
from shaping.groups.silence import NOTHING, pair, silence, two_rewards
from shaping.language.params import Param
from shaping.real import Undefined, Unusable
from shaping.work import MAX_N, TooMuch, bounded

RUN = 1_000  # steps of the run in which the silent part is looked for
REAL = tuple(map(Fraction, ("1/2", "1", "2", "1/10", "0", "10")))  # what a parameter that does not count is tried at


def refuse_silent(design: Design, N: int) -> None:
    """
    Raises:
      DesignError: a run on groups of N would train nothing, from its first step to its last. With the parameters, or
        the size, that would, found by trying them.
    """
    with bounded(design.source.path):
        kinds = {silence(design, N, moment) for moment in moments(design)}
    if "" in kinds or (kinds != {NOTHING} and not for_verdicts(design)):
        return
    span, must, example = _advice(design, N)
    message = f"for groups of {N} {_every(design, kinds)} gets 0: nothing would be trained{must}"
    raise DesignError(located(span, message, example))


def silent_notes(design: Design, N: int) -> list[str]:
    """What `check` notes of a design that `refuse_silent` lets through."""
    with bounded(design.source.path):
        kinds = {moment: silence(design, N, moment) for moment in moments(design)}
    if not any(kinds.values()):
        return []
    said = _every(design, {kind for kind in kinds.values() if kind})
    if "" not in kinds.values():
        message = f"note: for groups of {N} {said} gets 0: a run on such rewards would train nothing"
        span, _, hint = _advice(design, N)
        return [located(span, message, hint)]
    first, last = _silent_part(design, N)
    message = f"note: for groups of {N} {said} gets 0 in a part of the run: of {RUN:,} steps in step {first}..{last}"
    return [located(design.clock[0].span, message, "nothing is trained there, which is fine if it is meant")]


def for_verdicts(design: Design) -> bool:
    """Is it for two rewards alone: does it count by scores of 0 and 1, or does `rewards:` say so?"""
    return (design.counts and not design.graded) or any(len(each.values) == 2 for each in design.rewards)


def _every(design: Design, kinds: set[str]) -> str:
    if kinds == {NOTHING} and not for_verdicts(design):
        return "every group, whatever its rewards,"
    low, high = two_rewards(design)
    return "every 0/1 group" if (low, high) == (0, 1) else f"every group of rewards {real.show(low)}/{real.show(high)}"


# ── What would train ────────────────────────────────────────────────────────


def trains(design: Design, N: int, moment: Moment | None = None) -> bool:
    """Is there a group of right and wrong answers that gets more than 0? Found, not proved: a few are tried."""
    sizes = dict.fromkeys((1, N // 2, N - 1, 2))
    try:
        if not (design.inputs or design.draws or design.reads_batch):
            groups = (pair(design, N, n_high, moment) for n_high in sizes if n_high < N)
            return any(real.sign(group.value(design.advantage, kind)) for group in groups for kind in group.present())
        low, high = two_rewards(design)
        with bounded(design.source.path):
            reward_PN = [[high] * n + [low] * (N - n) for n in sizes]
            signals = {name: [[_some(name, i) for i in range(N)] for _ in reward_PN] for name in design.inputs}
            draws = {}
            for node in design.draws:
                count, size = draw_shape(design, node, N, moment)
                # Each draw begins one answer later, or where the one before has ended.
                first = [i * (size if node.consecutive else 1) for i in range(count)]
                draws[node] = [[[(at + i) % N for i in range(size)] for at in first] for _ in reward_PN]
            found = batch(design, reward_PN, signals=signals, draws=draws, moment=moment)
            return any(real.sign(value) for row in found for value in row)
    except TooMuch:
        raise
    except (DesignError, Undefined, Unusable, OverflowError):  # such a group has no value: it trains nothing
        return False


def _some(name: str, i: int) -> Fraction:
    """A number for a signal of answer i, all different."""
    return Fraction(-i, 4) if name == "logprob" else Fraction(i % 2 if name == "truncated" else i)


def _advice(design: Design, N: int) -> tuple[Span, str, str]:
    """Where to look, what must be, what to do."""
    try:
        with bounded(design.source.path):
            return _found(design, N)
    except TooMuch:
        return design.advantage.span, "", ""  # what was not tried is not recommended


def _found(design: Design, N: int) -> tuple[Span, str, str]:
    """Of the parameters and sizes that were tried, and train."""
    hints, must, span = [], "", design.advantage.span
    for param in design.params.values():
        tried = list(_other_values(design, param, N))
        fine = [value for value in tried if _trains_with(design, {param.name: value}, N)]
        if fine:
            span = param.span if param.span.source == design.source else span
            must = must or _must(param, tried, fine, N)
            close = min(fine, key=lambda value: (abs(value - param.value / 2), value))
            hints.append(f"{parameter(param.name)}={close}")
    larger = next((M for M in range(N + 1, min(2 * N, MAX_N) + 1) if _trains_with(design, {}, M)), None)
    hints += [f"groups of {larger} answers"] if larger else []
    hint = f"for example {', or '.join(hints)}" if hints else "neither another parameter nor a larger group was found"
    return span, f"; {must}" if must else "", hint


def _must(param: Param, tried: Sequence[Fraction], fine: Sequence[Fraction], N: int) -> str:
    """The rule that the values that train follow; '' if there is none in a few words."""
    if not param.is_count:
        return ""
    at = "N" if param.value == N else str(param.value)
    for word, follows in (("below", lambda v: v < param.value), ("above", lambda v: v > param.value)):
        if list(fine) == [value for value in tried if follows(value)]:
            return f"{param.name} must be {word} {at}"
    return f"{param.name} must be another number"


def _other_values(design: Design, param: Param, N: int) -> Iterator[Fraction]:
    counts = param.whole or (param.schedule is not None and param.value.denominator == 1)
    values = map(Fraction, range(1, N + 1)) if counts else REAL
    for value in values:
        if value != param.value and _fits(with_params(design, {param.name: value}), N):
            yield value


def _fits(design: Design, N: int) -> bool:
    """Do groups of N keep the ranges of its parameters, at every point of a run?"""
    try:
        return all(broken_bound(design, N, design.constants(moment)) is None for moment in moments(design))
    except DesignError:
        return False


def _trains_with(design: Design, params: Mapping[str, Fraction], N: int) -> bool:
    made = with_params(design, params)
    return _fits(made, N) and any(trains(made, N, moment) for moment in moments(made))


# ── Which part of a run ─────────────────────────────────────────────────────


def _silent_part(design: Design, N: int) -> tuple[int, int]:
    """The first stretch of steps of a run of RUN in which the design is silent, as far as a grid shows it."""
    known: dict[Moment | None, bool] = {}

    def silent(step: int) -> bool:
        moment = design.moment(step, RUN)
        if moment not in known:
            known[moment] = bool(silence(design, N, moment))
        return known[moment]

    grid = [RUN * i // MOMENTS for i in range(MOMENTS + 1)]
    start = next((i for i, step in enumerate(grid) if silent(step)), None)
    if start is None:
        step = next(moment.step for moment in moments(design) if silence(design, N, moment))
        return step, step
    end = next((i for i in range(start, len(grid)) if not silent(grid[i])), len(grid))
    first = _border(silent, grid[start - 1], grid[start]) if start else 0
    last = _border(lambda step: not silent(step), grid[end - 1], grid[end]) - 1 if end < len(grid) else grid[-1] - 1
    return first, last


def _border(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first step of low..high at which it holds; it does not at low, and does at high."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
