"""Between which numbers a formula must lie, whatever the rewards: enough to see that a divisor is never 0.

An end is an exact number, or None where nothing is known; `positive` says that
0 itself is not reached, as for exp(r) or std(r) + 1/10000.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Choose, Fallback, Name, Named, Node, Reduce
from shaping.language.vocabulary import BATCH, GROUP
from shaping.real import Real

Case = tuple[Group, int]  # a group by its counts, and which kind of its answers: 0 correct, 1 wrong
ZERO = Fraction(0)


@dataclass(frozen=True)
class Range:
    low: Real | None = None
    high: Real | None = None
    positive: bool = False

    @property
    def not_negative(self) -> bool:
        return self.low is not None and real.sign(self.low) >= 0

    @property
    def above_zero(self) -> bool:
        return self.positive or (self.low is not None and real.sign(self.low) > 0)

    @property
    def never_zero(self) -> bool:
        return self.above_zero or (self.high is not None and real.sign(self.high) < 0)


_SIGNALS = {
    "length": Range(ZERO),
    "truncated": Range(ZERO, Fraction(1)),
    "logprob": Range(None, ZERO),
    "token_logprob": Range(None, ZERO),
    "position": Range(ZERO),
    "P": Range(Fraction(1), None, True),
}


def find_range(node: Node, cases: list[Case], batch: list[Case] | None = None) -> Range:
    """The range of `node` over these answers. Every part of it has a value there.

    `batch`: the answers that statistics over the batch count; those in `cases` if it is not given.
    """
    return _Ranges({0: cases, 2: cases if batch is None else batch}).find(node, 0)


def all_answers(cases: list[Case]) -> list[Case]:
    """Every answer of the groups in these cases: what a reduction looks at."""
    groups = {id(group): group for group, _ in cases}.values()
    return [(group, kind) for group in groups for kind in group.present()]


@dataclass(frozen=True)
class _Ranges:
    """No part is looked at twice for the same answers; a `let` has one range wherever it is used."""

    cases: dict[int, list[Case]]  # 0: those asked for, 1: all of their groups, 2: of the batch, 3: all of its groups
    known: dict[tuple[Node, int], Range] = field(default_factory=dict)

    def find(self, node: Node, of: int) -> Range:
        if of not in self.cases:
            self.cases[of] = all_answers(self.cases[of - 1])
        if (node, of) not in self.known:
            self.known[node, of] = self.found(node, of) if self.cases[of] else Range()
        return self.known[node, of]

    def found(self, node: Node, of: int) -> Range:
        if node.counted:
            values = [group.value(node, kind) for group, kind in self.cases[of]]
            return Range(_least(values), real.negate(_least([real.negate(value) for value in values])))
        match node:
            case Name(name=name):
                return _SIGNALS.get(name, Range())
            case Named(body=body):
                return self.find(body, of)
            case Choose(operands=(_, then, otherwise)):
                return _either(self.find(then, of), self.find(otherwise, of))
            case Fallback(body=body, flat=flat):
                return _either(self.find(body, of), self.find(flat, of))
            case Reduce(reduction=reduction, operand=operand, over=over):
                if reduction.name in ("std", "var", "count", "rank"):
                    return Range(ZERO)
                # It looks at all answers of the group, whichever of them get this formula.
                found = self.find(operand, {GROUP: of | 1, BATCH: 2}.get(over, of))
                if reduction.name == "sum":
                    return Range(ZERO if found.not_negative else None)
                return found
            case Apply(function=function, operands=operands):
                return _applied(function.name, [self.find(operand, of) for operand in operands])
        return Range()


def _applied(name: str, parts: list[Range]) -> Range:
    first, last = parts[0], parts[-1]
    match name:
        case "add":
            low, high = _add(first.low, last.low), _add(first.high, last.high)
            positive = first.not_negative and last.not_negative and (first.above_zero or last.above_zero)
            return Range(low, high, positive)
        case "subtract":
            return _applied("add", [first, _applied("negate", [last])])
        case "negate":
            return Range(first.high and real.negate(first.high), first.low and real.negate(first.low))
        case "multiply" | "divide":
            if first.not_negative and last.not_negative:
                return Range(ZERO, None, first.above_zero and last.above_zero)
        case "sqrt" | "abs" if name == "sqrt" or first.not_negative:
            return Range(ZERO, None, first.above_zero)
        case "abs":
            return Range(ZERO)
        case "exp":
            return Range(ZERO, None, True)
        case "sigmoid":
            return Range(ZERO, Fraction(1), True)
        case "tanh" | "sign":
            return Range(Fraction(-1), Fraction(1))
        case "power" if first.not_negative:
            return Range(ZERO, None, first.above_zero)
        case "max":
            lows = [part.low for part in parts if part.low is not None]
            highs = [part.high for part in parts]
            low = real.negate(_least([real.negate(value) for value in lows])) if lows else None
            high = None if None in highs else real.negate(_least([real.negate(value) for value in highs]))
            return Range(low, high, any(part.above_zero for part in parts))
        case "min":
            lows, highs = [part.low for part in parts], [part.high for part in parts if part.high is not None]
            low = None if None in lows else _least(lows)
            return Range(low, _least(highs) if highs else None, all(part.above_zero for part in parts))
        case "clip":
            return _applied("min", [_applied("max", parts[:2]), last])
        case "less" | "at_most" | "more" | "at_least" | "equal" | "unequal" | "and" | "or" | "not":
            return Range(ZERO, Fraction(1))
    return Range()


def _either(a: Range, b: Range) -> Range:
    low = None if a.low is None or b.low is None else _least([a.low, b.low])
    high = None if a.high is None or b.high is None else real.negate(_least([real.negate(a.high), real.negate(b.high)]))
    return Range(low, high, a.above_zero and b.above_zero)


def _add(a: Real | None, b: Real | None) -> Real | None:
    return None if a is None or b is None else real.add(a, b)


def _least(values: list[Real]) -> Real:
    best = values[0]
    for value in values[1:]:
        best = value if real.compare(value, best) < 0 else best
    return best
