"""Would a run on groups of N learn anything? Before it: does the design give 0 to every answer of every group?

    nothing      whatever the rewards are: counts decide every advantage, and all are 0, or a factor of the formula is
    verdicts     every group of right and wrong answers gets 0, as Pass@k with k = N gives; other rewards may get more
    ""           neither is known; a part of the groups that gets 0 is no mistake

What is said is certain. Formulas over a group's own rewards are computed exactly for every 0/1 group (of a design for
two other rewards, -1/1, for every group of these). What lengths or other groups enter is 0 where a factor of it is 0
that neither enters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.design import Design, Moment, with_params
from shaping.errors import DesignError, Span, located, parameter
from shaping.groups.check import broken_bound, draw_shape
from shaping.groups.exact import batch, counted_group, shared, verdict
from shaping.groups.facts import Case
from shaping.groups.run_points import MOMENTS, moments
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, walk
from shaping.language.params import Param
from shaping.language.vocabulary import ANSWER, BATCH, TOKEN
from shaping.real import Real, Undefined, Unusable
from shaping.work import MAX_N, TooMuch, bounded

NOTHING, VERDICTS = "nothing", "verdicts"
MAX_ARRANGEMENTS = 3_000  # of right and wrong answers over the draws of a group
RUN = 1_000  # steps of the run in which the silent part is looked for
REAL = tuple(map(Fraction, ("1/2", "1", "2", "1/10", "0", "10")))  # what a parameter that does not count is tried at
_ZERO_OF_ZERO = {"negate", "abs", "sign", "sqrt", "floor", "tanh", "less", "more", "unequal", "add", "subtract"}
_ZERO_OF_ZERO |= {"min", "max", "clip", "or"}


def silence(design: Design, N: int, moment: Moment | None = None) -> str:
    r"""NOTHING, VERDICTS or '', at one point of a run. The design has passed `check` for groups of N.

    Example:
      >>> from shaping import load
      >>> [silence(load("configs/passk.yaml", k=k), 4) for k in (3, 4)]
      ['', 'nothing']
    """
    try:
        with bounded(design.source.path):
            if _zero(design, N, moment, counted=True):
                return NOTHING
            return VERDICTS if _zero(design, N, moment, counted=False) else ""
    except DesignError:  # too much to compute, or no value: then nothing is known, and nothing is said
        return ""


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


def two_rewards(design: Design) -> tuple[Real, Real]:
    """The two rewards of its groups: those of its `rewards:`, or 0 and 1."""
    for each in design.rewards:
        if len(each.values) == 2:
            return tuple(each.numbers(design.constants(None)))
    return Fraction(0), Fraction(1)


# ── Is a formula 0? ─────────────────────────────────────────────────────────


def _zero(design: Design, N: int, moment: Moment | None, counted: bool) -> bool:
    """Is every advantage 0, and what each token gets? `counted`: whatever rewards; else of groups of two rewards."""
    if counted:
        groups = [counted_group(design, N, n_pos, moment) for n_pos in range(N + 1)]
    else:
        groups = list(_verdict_groups(design, N, moment))
    zeros = _Zeros(groups, readable=set() if counted else {"r", "score"}, draws=not counted)
    cases = [(group, kind) for group in groups for kind in group.present()]
    return bool(cases) and all(zeros.of(root, cases) for root in (design.advantage, design.token) if root is not None)


def _verdict_groups(design: Design, N: int, moment: Moment | None) -> Iterator[Group]:
    """Every group of N answers with two rewards; with draws, every arrangement of them over the draws, if not many."""
    for counts in _arrangements(design, N, moment):
        group = _pair(design, N, sum(counts), moment)
        if not design.draws:
            yield group
            continue
        kinds = [kind for _, kind in group.kinds]
        places = _blocks(design, N, moment)  # which answers stand together in a draw
        answers = [kinds[i >= n] for n, block in zip(counts, places, strict=True) for i in range(len(block))]
        members = {node: _members(design, node, N, moment) for node in design.draws}
        yield Group(group.shared, [(1, answer) for answer in answers], draws=members)


def _pair(design: Design, N: int, n_high: int, moment: Moment | None) -> Group:
    """N answers of which n_high have the larger of two rewards; kind 0 is these."""
    low, high = two_rewards(design)
    kinds = [{"r": value, "score": value, "correct": Fraction(verdict(design, value))} for value in (high, low)]
    counts = n_high, N - n_high
    n_pos = sum(int(kind["correct"]) * count for kind, count in zip(kinds, counts, strict=True))
    return Group(shared(design, N, n_pos, moment), list(zip(counts, kinds, strict=True)))


def _arrangements(design: Design, N: int, moment: Moment | None) -> Iterator[tuple[int, ...]]:
    """How many answers with the larger reward stand in each block; nothing if that cannot be gone through."""
    blocks = _blocks(design, N, moment)
    number = 1
    for block in blocks:
        number *= len(block) + 1
    if blocks and number <= MAX_ARRANGEMENTS:
        yield from itertools.product(*(range(len(block) + 1) for block in blocks))


def _blocks(design: Design, N: int, moment: Moment | None) -> list[range]:
    """Answers that only ever stand in the same draws. None for draws at random, unless each has the whole group."""
    ends = {0, N}
    for node in design.draws:
        count, size = draw_shape(design, node, N, moment)
        if node.consecutive:
            ends |= {size * i for i in range(count + 1)}
        elif size < N:
            return []
    return [range(first, end) for first, end in itertools.pairwise(sorted(ends))]


def _members(design: Design, node: Draws, N: int, moment: Moment | None) -> list[list[int]]:
    count, size = draw_shape(design, node, N, moment)
    return [list(range(i * size, (i + 1) * size) if node.consecutive else range(N)) for i in range(count)]


@dataclass
class _Zeros:
    """Is a formula 0 wherever it has a value, for these answers?"""

    groups: Sequence[Group]
    readable: set[str]  # names of an answer that the groups have, besides what is counted
    draws: bool
    known: dict[tuple[Node, frozenset[tuple[int, int]]], bool] = field(default_factory=dict)

    def of(self, node: Node, cases: Sequence[Case]) -> bool:
        key = node, frozenset((id(group), kind) for group, kind in cases)
        if key not in self.known:
            self.known[key] = self.exactly(node, cases) if self.is_readable(node) else self.by_parts(node, cases)
        return self.known[key]

    def is_readable(self, node: Node) -> bool:
        return node.counted or all(self.has(part) for part in walk(node))

    def has(self, node: Node) -> bool:
        match node:
            case Draws():
                return self.draws
            case Name(name=name, scope=scope):
                known = {*self.readable, "correct", *(["reward"] if self.draws else [])}
                return scope not in (BATCH, TOKEN) and (scope != ANSWER or name in known)
            case Reduce(over=over):
                return over not in (BATCH, ANSWER)
        return True

    def exactly(self, node: Node, cases: Sequence[Case]) -> bool:
        return all(value is None or real.sign(value) == 0 for value in self.values(node, cases))

    def values(self, node: Node, cases: Sequence[Case]) -> Iterator[Real | None]:
        for group, kind in cases:
            try:
                yield group.value(node, kind)
            except Undefined:
                yield None

    def by_parts(self, node: Node, cases: Sequence[Case]) -> bool:
        def zero(part: Node) -> bool:
            return self.of(part, cases)

        match node:
            case Name(name=name):
                return name == "A"  # in `token:`, which is asked once every advantage is 0
            case Named(body=body):
                return zero(body)
            case Fallback(body=body, flat=flat):
                whole = self.whole(cases)  # one answer without a value takes the whole group along
                return self.of(body, whole) and self.of(flat, whole)
            case Choose(operands=(condition, then, otherwise)):
                holds, fails = self.split(condition, cases)
                return self.of(then, holds) and self.of(otherwise, fails)
            case Reduce(over=over, operand=operand) if over != ANSWER:
                everyone = self.everyone() if over == BATCH else self.whole(cases)
                return self.of(operand, everyone)
            case Apply(function=function, operands=operands):
                match function.name:
                    case "multiply" | "and":
                        return any(map(zero, operands))
                    case "divide":
                        return zero(operands[0])
                    case name if name in _ZERO_OF_ZERO:
                        return all(map(zero, operands))
        return False

    def whole(self, cases: Sequence[Case]) -> list[Case]:
        groups = {id(group): group for group, _ in cases}.values()
        return [(group, kind) for group in groups for kind in group.present()]

    def everyone(self) -> list[Case]:
        return [(group, kind) for group in self.groups for kind in group.present()]

    def split(self, condition: Node, cases: Sequence[Case]) -> tuple[Sequence[Case], Sequence[Case]]:
        """For whom a condition holds, and for whom not; all of them in both where it cannot be computed."""
        if not self.is_readable(condition):
            return cases, cases
        pairs = list(zip(cases, self.values(condition, cases), strict=True))
        holds = [case for case, value in pairs if value is not None and real.sign(value)]
        return holds, [case for case, value in pairs if value is not None and not real.sign(value)]


# ── What would train ────────────────────────────────────────────────────────


def trains(design: Design, N: int, moment: Moment | None = None) -> bool:
    """Is there a group of right and wrong answers that gets more than 0? Found, not proved: a few are tried."""
    sizes = dict.fromkeys((1, N // 2, N - 1, 2))
    try:
        if not (design.inputs or design.draws or design.reads_batch):
            groups = (_pair(design, N, n_high, moment) for n_high in sizes if n_high < N)
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
