"""Does a design give 0 to every answer of every group of N, at one point of a run?

    nothing      whatever the rewards are: counts decide every advantage, and all are 0, or a factor of the formula is
    verdicts     every group of right and wrong answers gets 0, as Pass@k with k = N gives; other rewards may get more
    ""           neither is known; a part of the groups that gets 0 is no mistake

What is said is certain. Formulas over a group's own rewards are computed exactly for every 0/1 group (of a design for
two other rewards, -1/1, for every group of these). What lengths or other groups enter is 0 where a factor of it is 0
that neither enters.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError
from shaping.groups.check import draw_shape
from shaping.groups.exact import counted_group, shared, verdict
from shaping.groups.facts import Case, Shapes
from shaping.language.evaluate import Group
from shaping.language.nodes import (
    Apply,
    Choose,
    Draws,
    Fallback,
    Name,
    Named,
    Node,
    Number,
    Reduce,
    parts,
    walk,
    with_parts,
)
from shaping.language.vocabulary import ANSWER, BATCH, TOKEN
from shaping.real import Real, Undefined
from shaping.work import bounded

NOTHING, VERDICTS = "nothing", "verdicts"
MAX_ARRANGEMENTS = 3_000  # of right and wrong answers over the draws of a group
_ZERO_OF_ZERO = {"negate", "abs", "sign", "sqrt", "floor", "tanh", "less", "more", "unequal", "add"}
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
    shapes = {node: draw_shape(design, node, N, moment) for node in design.draws}
    zeros.of_one_kind = {node for node, (count, size) in shapes.items() if count == 1 or size == N}
    cases = [(group, kind) for group in groups for kind in group.present()]
    return bool(cases) and all(zeros.of(root, cases) for root in (design.advantage, design.token) if root is not None)


def _verdict_groups(design: Design, N: int, moment: Moment | None) -> Iterator[Group]:
    """Every group of N answers with two rewards; with draws, every arrangement of them over the draws, if not many."""
    for counts in _arrangements(design, N, moment):
        group = pair(design, N, sum(counts), moment)
        if not design.draws:
            yield group
            continue
        kinds = [kind for _, kind in group.kinds]
        places = _blocks(design, N, moment)  # which answers stand together in a draw
        answers = [kinds[i >= n] for n, block in zip(counts, places, strict=True) for i in range(len(block))]
        members = {node: _members(design, node, N, moment) for node in design.draws}
        yield Group(group.shared, [(1, answer) for answer in answers], draws=members)


def pair(design: Design, N: int, n_high: int, moment: Moment | None) -> Group:
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
    of_one_kind: set[Draws] = field(default_factory=set)  # whose draws all have the same answers, or are one
    known: dict[tuple[Node, frozenset[tuple[int, int]]], bool] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)

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
            case Draws(advantage=advantage):
                return node in self.of_one_kind and zero(_of_equal_draws(advantage))
            case Apply(function=function, operands=(a, b)) if function.name == "subtract":
                return self.shapes.of(a) == self.shapes.of(b) or (zero(a) and zero(b))
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


def _of_equal_draws(node: Node) -> Node:
    """A formula over draws that all have the same reward: their mean is it, and their spread 0."""
    if isinstance(node, Reduce) and node.where is None:
        if node.reduction.name in ("mean", "min", "max", "quantile", "others_mean"):
            return _of_equal_draws(node.operand)
        if node.reduction.name in ("std", "var", "rank"):
            return Number(Fraction(0), node.span)
    inner = parts(node)
    return with_parts(node, [_of_equal_draws(part) for part in inner]) if inner else node
