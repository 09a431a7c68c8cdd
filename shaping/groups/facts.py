"""What conditions say of formulas: behind `if std(r) > 0` the formula std(r) is not 0, wherever it is written.

In    a condition, some answers, the ranges of formulas there (ranges.py)
Out   the same answers, with a range for each formula that the condition speaks of

A formula is known again by its shape, so that a `let` and its text count as the same. What is known of one answer
says nothing of the others: a reduction looks at them all, and takes along only what is known of the whole group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from shaping.groups.interval import (
    EVERYTHING,
    NONZERO,
    NOT_NEGATIVE,
    NOTHING_BUT_ZERO,
    POSITIVE,
    Range,
    applied,
    either,
    meet,
    negated,
)
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Draws, Name, Named, Node, Number, Reduce, parts
from shaping.language.vocabulary import GROUP, SCOPES
from shaping.work import spend

if TYPE_CHECKING:
    from shaping.groups.ranges import Ranges

Case = tuple[Group, int]  # a group by its counts, and which kind of its answers: 0 correct, 1 wrong
_EITHER_WAY = ("add", "multiply", "equal", "unequal", "min", "max")  # a + b is b + a, in floats too
_OF_SOME = ("sum", "mean", "min", "max", "std", "var", "quantile")  # of zeros alone they are 0


@dataclass(eq=False)
class Answers:
    """Some answers, and what is known of formulas for each of them.

    `facts`: the number of a shape, and for how many it is known (this answer, all of the group, all of the batch)
    """

    cases: Sequence[Case]
    facts: Mapping[tuple[int, str], Range] = field(default_factory=dict)

    def fact(self, shape: int) -> Range:
        found = EVERYTHING
        for scope in SCOPES if self.facts else ():
            found = meet(found, self.facts.get((shape, scope)))
        return found

    def of_scopes(self, scopes: Sequence[str]) -> Answers:
        return Answers(self.cases, {key: fact for key, fact in self.facts.items() if key[1] in scopes})

    def and_also(self, other: Answers) -> Answers:
        """What is known of these, and of `other`, whose answers have these in view."""
        both = {key: meet(fact, self.facts.get(key)) for key, fact in other.facts.items()}
        return Answers(self.cases, {**self.facts, **both})


def all_answers(cases: Sequence[Case]) -> list[Case]:
    """Every answer of the groups in these cases: what a reduction looks at."""
    groups = {id(group): group for group, _ in cases}.values()
    return [(group, kind) for group in groups for kind in group.present()]


def joined(a: Answers, b: Answers) -> Answers:
    """The answers of both, and what is known of each."""
    if not a.cases or not b.cases:
        return a if a.cases else b
    cases = dict.fromkeys([*a.cases, *b.cases])
    facts = {key: either([fact, b.facts[key]]) for key, fact in a.facts.items() if key in b.facts}
    return Answers(list(cases), facts)


@dataclass
class Shapes:
    """Formulas by what they say: the same number for the same formula, written anywhere and with names or without."""

    of_node: dict[Node, int] = field(default_factory=dict)
    numbers: dict[tuple, int] = field(default_factory=dict)

    def of(self, node: Node) -> int:
        if node not in self.of_node:
            self.of_node[node] = self.of(node.body) if isinstance(node, Named) else self.number(self.described(node))
        return self.of_node[node]

    def number(self, description: tuple) -> int:
        return self.numbers.setdefault(description, len(self.numbers))

    def described(self, node: Node) -> tuple:
        inner = tuple(self.of(part) for part in parts(node))
        match node:
            case Number(value=value):
                return "number", value
            case Name(name=name):
                return "name", name
            case Apply(function=function):
                return self.applied(function.name, *inner)
            case Draws(consecutive=consecutive):
                return ("draws", consecutive, *inner)
            case Reduce(reduction=reduction):
                options = reduction.name, node.where is not None, node.options, node.over, node.everyone
                return ("reduce", *options, *inner)
        return type(node).__name__, *inner

    def applied(self, name: str, *inner: int) -> tuple:
        if name in ("more", "at_least"):
            name, inner = {"more": "less", "at_least": "at_most"}[name], inner[::-1]
        return ("apply", name, *(sorted(inner) if name in _EITHER_WAY else inner))

    def difference(self, a: Node, b: Node) -> int:
        return self.number(self.applied("subtract", self.of(a), self.of(b)))

    # ── What is known of several formulas at once ───────────────────────────

    def some(self, node: Reduce, condition: Node) -> int:
        """How many of the values that `node` reduces fulfil a condition."""
        return self.number(("some", self.of(condition), node.over, node.everyone))

    def spread(self, node: Reduce) -> int:
        """Are not all of the values that `node` reduces alike?"""
        where = None if node.where is None else self.of(node.where)
        return self.number(("spread", self.of(node.operand), where, node.over, node.everyone))

    def extremes(self, a: Node, b: Node) -> int | None:
        """Of max(x) - min(x), of x - min(x) and of max(x) - x: what says that it is not 0; None if it is not one.

        None of them is below 0, in floats as well.
        """
        a, b = _bare(a), _bare(b)
        most, fewest = (_is(node, name) for node, name in ((a, "max"), (b, "min")))
        if most and fewest and self.spread(a) == self.spread(b):
            return self.spread(a)
        whole = [node for node in (a, b) if isinstance(node, Reduce) and node.over == GROUP and node.where is None]
        if (most and a in whole and self.of(a.operand) == self.of(b)) or (
            fewest and b in whole and self.of(b.operand) == self.of(a)
        ):
            return self.difference(a, b)
        return None

    def selects_extreme(self, where: Node) -> bool:
        """Does this condition hold for a smallest or largest answer of every group: r == max(r), r >= min(r)?"""
        where = _bare(where)
        if not isinstance(where, Apply) or where.function.name not in ("equal", "at_least", "at_most"):
            return False
        for a, b in (where.operands, where.operands[::-1]):
            a = _bare(a)
            if _is(a, "max", "min") and a.over == GROUP and a.where is None and self.of(a.operand) == self.of(b):
                return True
        return False


def _bare(node: Node) -> Node:
    while isinstance(node, Named):
        node = node.body
    return node


def _is(node: Node, *names: str) -> bool:
    return isinstance(node, Reduce) and node.reduction.name in names


# ── Conditions ──────────────────────────────────────────────────────────────

_DIFFERENCE = {"more": POSITIVE, "at_least": NOT_NEGATIVE, "equal": NOTHING_BUT_ZERO, "unequal": NONZERO}
_OPPOSITE = {"less": "at_least", "at_most": "more", "more": "at_most", "at_least": "less"}
_OPPOSITE |= {"equal": "unequal", "unequal": "equal"}


def learn(ranges: Ranges, condition: Node, answers: Answers, holds: bool) -> Answers:
    """The same answers, with what it says that this condition holds, or does not; of one without and, or, not."""
    learned = _Learned(ranges, answers)
    if isinstance(condition, Apply) and condition.function.name in _OPPOSITE:
        name, (a, b) = condition.function.name, condition.operands
        name = name if holds else _OPPOSITE[name]
        if name in ("less", "at_most"):
            name, a, b = {"less": "more", "at_most": "at_least"}[name], b, a
        learned.difference(a, b, name)
    else:
        learned.add(condition, NONZERO if holds else NOTHING_BUT_ZERO)
    return Answers(answers.cases, learned.facts)


class _Learned:
    def __init__(self, ranges: Ranges, answers: Answers) -> None:
        self.ranges, self.shapes, self.answers = ranges, ranges.shapes, answers
        self.facts: dict[tuple[int, str], Range] = dict(answers.facts)

    def put(self, shape: int, new: Range, scope: str) -> bool:
        """Keep it. Was it news?"""
        known = self.facts.get((shape, scope), EVERYTHING)
        self.facts[shape, scope] = meet(known, new)
        return self.facts[shape, scope] != known

    def difference(self, a: Node, b: Node, name: str) -> None:
        """a > b, a >= b, a == b or a != b."""
        scope = max(a.scope, b.scope, key=SCOPES.index)
        gap = _DIFFERENCE[name]
        if not _centred(a, b):
            self.put(self.shapes.difference(a, b), gap, scope)
            self.put(self.shapes.difference(b, a), negated(gap), scope)
        if gap.never_zero:
            for pair in (self.shapes.extremes(a, b), self.shapes.extremes(b, a)):
                if pair is not None:
                    self.put(pair, NONZERO, scope)
        of_a, of_b = (self.ranges.find(part, self.answers) for part in (a, b))
        self.add(a, _counted(a, of_b, applied("add", [gap, of_b]), name == "more"))
        self.add(b, applied("subtract", [of_a, gap]))

    def add(self, node: Node, new: Range) -> None:
        """A formula, and what follows for its parts."""
        spend(1)
        node = _bare(node)
        new = meet(new, self.ranges.find(node, self.answers))
        if not self.put(self.shapes.of(node), new, node.scope):
            return
        match node:
            case Reduce():
                self.of_reduction(node, new)
            case Apply(function=function, operands=operands):
                self.of_operation(function.name, operands, new)

    def of_reduction(self, node: Reduce, new: Range) -> None:
        name = node.reduction.name
        if name in ("min", "max") and node.where is None and node.over == GROUP:  # it says something of every answer
            above = Range(new.low, None, new.low_open, hole=new.above_zero)
            below = Range(None, new.high, high_open=new.high_open, hole=new.below_zero)
            self.put(self.shapes.of(node.operand), above if name == "min" else below, GROUP)
        if name in ("std", "var") and new.never_zero:
            self.put(self.shapes.spread(node), NONZERO, node.over)
        if name == "count" and node.where is None and new.above_zero:
            at_least = max(Fraction(1), new.low) if isinstance(new.low, Fraction) else Fraction(1)
            self.put(self.shapes.some(node, node.operand), Range(at_least), node.over)
        if name in _OF_SOME and node.where is None and new.never_zero:
            self.put(self.shapes.some(node, node.operand), Range(Fraction(1)), node.over)

    def of_operation(self, name: str, operands: Sequence[Node], new: Range) -> None:
        a, b = operands[0], operands[-1]
        match name:
            case "negate":
                self.add(a, negated(new))
            case "abs" | "sign" if new.never_zero:
                self.add(a, NONZERO)
            case "sqrt" if new.above_zero:
                self.add(a, POSITIVE)
            case "multiply" if new.never_zero:
                self.add(a, NONZERO)
                self.add(b, NONZERO)
                self.factors(a, b, new)
            case "divide" if new.never_zero:
                self.add(a, NONZERO)
                self.factors(a, b, new)
            case "power" if new.never_zero and self.ranges.find(b, self.answers).above_zero:
                self.add(a, NONZERO)
            case "add":
                self.add(a, _robust(applied("subtract", [new, self.ranges.find(b, self.answers)])))
                self.add(b, _robust(applied("subtract", [new, self.ranges.find(a, self.answers)])))
            case "subtract":
                if new.never_zero and (pair := self.shapes.extremes(a, b)) is not None:
                    self.put(pair, NONZERO, max(a.scope, b.scope, key=SCOPES.index))
                self.add(a, _robust(applied("add", [new, self.ranges.find(b, self.answers)])))
                self.add(b, _robust(applied("subtract", [self.ranges.find(a, self.answers), new])))
            case "min" if new.above_zero:
                for operand in operands:
                    self.add(operand, POSITIVE)
            case "max" if new.below_zero:
                for operand in operands:
                    self.add(operand, negated(POSITIVE))

    def factors(self, a: Node, b: Node, new: Range) -> None:
        """The sign of a product and of one factor is the sign of the other."""
        for one, other in ((a, b), (b, a)):
            known = self.ranges.find(other, self.answers)
            if known.above_zero and (new.above_zero or new.below_zero):
                self.add(one, POSITIVE if new.above_zero else negated(POSITIVE))


def _robust(found: Range) -> Range:
    """What is left of it in floats: from r - 0.1 > 0.2 follows r > 0, and r > 0.3 up to rounding alone."""
    ends = (found.low, found.high)
    if all(end is None or (isinstance(end, Fraction) and end.denominator == 1) for end in ends):
        return found
    if found.above_zero:
        return POSITIVE
    if found.below_zero:
        return negated(POSITIVE)
    return NOT_NEGATIVE if found.not_negative else negated(NOT_NEGATIVE) if found.not_positive else EVERYTHING


def _centred(a: Node, b: Node) -> bool:
    """x and mean(x): the mean is rounded as coarsely as x is, and x - mean(x) is computed without it."""
    pairs = ((_bare(a), b), (_bare(b), a))
    return any(_is(one, "mean", "others_mean") for one, _ in pairs)


def _counted(node: Node, bound: Range, found: Range, strict: bool) -> Range:
    """More than 1 is at least 2, of a count."""
    exact = isinstance(bound.low, Fraction)
    if strict and exact and _is(_bare(node), "count"):
        return Range(Fraction(bound.low.numerator // bound.low.denominator + 1), found.high)
    return found
