"""Intervals of real numbers, and what operations make of them.

An end is an exact number, or None where nothing is known. `low_open` and `high_open` say that the end itself is not
reached; `hole`, that 0 is not, though it lies between the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from shaping import real
from shaping.real import Real

ZERO, ONE = Fraction(0), Fraction(1)
_TRUTHS = ("less", "at_most", "more", "at_least", "equal", "unequal", "and", "or", "not")
MAX_POWER = 64  # of an end; beyond it only the sign is kept


@dataclass(frozen=True)
class Range:
    low: Real | None = None
    high: Real | None = None
    low_open: bool = False
    high_open: bool = False
    hole: bool = False

    @property
    def not_negative(self) -> bool:
        return self.low is not None and real.sign(self.low) >= 0

    @property
    def not_positive(self) -> bool:
        return self.high is not None and real.sign(self.high) <= 0

    @property
    def above_zero(self) -> bool:
        return self.not_negative and (real.sign(self.low) > 0 or self.low_open or self.hole)

    @property
    def below_zero(self) -> bool:
        return self.not_positive and (real.sign(self.high) < 0 or self.high_open or self.hole)

    @property
    def never_zero(self) -> bool:
        return self.hole or self.above_zero or self.below_zero

    @property
    def is_zero(self) -> bool:
        return self.not_negative and self.not_positive


EVERYTHING, POSITIVE, NOT_NEGATIVE = Range(), Range(ZERO, low_open=True), Range(ZERO)
NONZERO, NOTHING_BUT_ZERO = Range(hole=True), Range(ZERO, ZERO)


def point(values: Sequence[Real]) -> Range:
    """The smallest range of these exact values."""
    low, high = least(values), real.negate(least([real.negate(value) for value in values]))
    return Range(low, high, hole=all(real.sign(value) for value in values))


def vanishing(a: Range) -> Range:
    """The same, with 0 in it where an end is so small that float32 makes it 0: 1e-60 guards nothing."""
    low = ZERO if a.above_zero and _is_tiny(a.low) else a.low
    high = ZERO if a.below_zero and _is_tiny(a.high) else a.high
    if a.low is not None and a.high is not None and not (a.above_zero or a.below_zero):
        return replace(a, hole=a.hole and not (_is_tiny(a.low) or _is_tiny(a.high)))
    return a if (low, high) == (a.low, a.high) else Range(low, high)


def _is_tiny(end: Real | None) -> bool:
    return isinstance(end, Fraction) and end != 0 and end.numerator.bit_length() - end.denominator.bit_length() < -149


def least(values: Sequence[Real]) -> Real:
    best = values[0]
    for value in values[1:]:
        best = value if real.compare(value, best) < 0 else best
    return best


def either(ranges: Sequence[Range]) -> Range:
    """What holds in each of these."""
    if not ranges:
        return EVERYTHING
    low, low_open = _lowest([(part.low, part.low_open) for part in ranges])
    high, high_open = _lowest([_mirrored(part.high, part.high_open) for part in ranges])
    never = all(part.never_zero for part in ranges)
    return Range(low, None if high is None else real.negate(high), low_open, high_open, never)


def _lowest(ends: list[tuple[Real | None, bool]]) -> tuple[Real | None, bool]:
    if any(end is None for end, _ in ends):
        return None, False
    lowest = least([end for end, _ in ends])
    return lowest, all(is_open for end, is_open in ends if real.compare(end, lowest) == 0)


def _mirrored(end: Real | None, is_open: bool) -> tuple[Real | None, bool]:
    return (None if end is None else real.negate(end)), is_open


def meet(a: Range, b: Range | None) -> Range:
    """What holds if both do."""
    if b is None or b is EVERYTHING or b == a:
        return a
    low, low_open = _highest((a.low, a.low_open), (b.low, b.low_open))
    high, high_open = _highest(_mirrored(a.high, a.high_open), _mirrored(b.high, b.high_open))
    return Range(low, None if high is None else real.negate(high), low_open, high_open, a.hole or b.hole)


def _highest(a: tuple[Real | None, bool], b: tuple[Real | None, bool]) -> tuple[Real | None, bool]:
    if a[0] is None or b[0] is None:
        return b if a[0] is None else a
    order = real.compare(a[0], b[0])
    return (a[0], a[1] or b[1]) if order == 0 else a if order > 0 else b


# ── Operations ──────────────────────────────────────────────────────────────


def negated(a: Range) -> Range:
    (low, low_open), (high, high_open) = _mirrored(a.high, a.high_open), _mirrored(a.low, a.low_open)
    return Range(low, high, low_open, high_open, a.hole)


def applied(name: str, parts: Sequence[Range]) -> Range:
    """The range of an operation on values of these ranges."""
    first, last = parts[0], parts[-1]
    match name:
        case "add":
            return _sum(first, last)
        case "subtract":
            return _sum(first, negated(last))
        case "negate":
            return negated(first)
        case "multiply":
            return _product(first, last)
        case "divide":
            return _product(first, _reciprocal(last))
        case "abs":
            return _absolute(first)
        case "power":
            return _power(first, last)
        case "abs_power":
            return _power(_absolute(first), last)
        case "exp":
            return meet(_rising(real.exp, first), POSITIVE)
        case "log" if first.above_zero:
            bounded = first if first.low is not None and real.sign(first.low) > 0 else replace(first, low=None)
            return _rising(real.log, bounded)
        case "sqrt":
            return replace(_rising(real.sqrt, meet(first, NOT_NEGATIVE)), hole=first.never_zero)
        case "floor":
            return replace(_rising(real.floor, first), low_open=False, high_open=False, hole=False)
        case "sigmoid":
            return Range(ZERO, ONE, True, True)
        case "tanh" | "sign":
            low = ZERO if first.not_negative else -ONE
            return Range(low, ZERO if first.not_positive else ONE, hole=first.never_zero)
        case "max":
            return negated(_smallest([negated(part) for part in parts]))
        case "min":
            return _smallest(parts)
        case "clip":
            return applied("min", [applied("max", parts[:2]), last])
        case name if name in _TRUTHS:
            return Range(ZERO, ONE)
    return EVERYTHING


def _sum(a: Range, b: Range) -> Range:
    if a.is_zero or b.is_zero:
        return b if a.is_zero else a
    low = None if a.low is None or b.low is None else real.add(a.low, b.low)
    high = None if a.high is None or b.high is None else real.add(a.high, b.high)
    up = a.not_negative and b.not_negative and (a.above_zero or b.above_zero)
    down = a.not_positive and b.not_positive and (a.below_zero or b.below_zero)
    return Range(low, high, a.low_open or b.low_open, a.high_open or b.high_open, up or down)


def _product(a: Range, b: Range) -> Range:
    if not a.not_negative and a.not_positive:
        return negated(_product(negated(a), b))
    if not b.not_negative and b.not_positive:
        return negated(_product(a, negated(b)))
    never = a.never_zero and b.never_zero
    if a.not_negative and b.not_negative:
        high = None if a.high is None or b.high is None else real.multiply(a.high, b.high)
        return Range(real.multiply(a.low, b.low), high, hole=never)
    if None in (a.low, a.high, b.low, b.high):
        return Range(hole=never)
    ends = [real.multiply(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return replace(point(ends), hole=never)


def _reciprocal(a: Range) -> Range:
    """1 / a, where that has a value."""
    if a.is_zero:
        return EVERYTHING
    if a.not_positive:
        return negated(_reciprocal(negated(a)))
    if not a.not_negative:
        return NONZERO
    low = ZERO if a.high is None else real.divide(ONE, a.high)
    return Range(low, None if real.sign(a.low) == 0 else real.divide(ONE, a.low), hole=True)


def _absolute(a: Range) -> Range:
    if a.not_negative:
        return a
    if a.not_positive:
        return negated(a)
    high = None if a.low is None or a.high is None else real.negate(least([a.low, real.negate(a.high)]))
    return Range(ZERO, high, hole=a.never_zero)


def _power(base: Range, exponent: Range) -> Range:
    whole = exponent.low if exponent.low == exponent.high else None
    if not isinstance(whole, Fraction) or whole.denominator != 1:
        return Range(ZERO, hole=base.above_zero) if base.not_negative else EVERYTHING
    if whole < 0:
        return _reciprocal(_power(base, point([-whole])))
    if whole == 0:
        return point([ONE])
    base = _absolute(base) if whole % 2 == 0 else base
    if whole > MAX_POWER:
        return Range(ZERO if base.not_negative else None, ZERO if base.not_positive else None, hole=base.never_zero)
    return replace(_rising(lambda end: real.power(end, whole), base), hole=base.never_zero)


def _rising(function: Callable[[Real], Real], a: Range) -> Range:
    low, high = (None if end is None else function(end) for end in (a.low, a.high))
    return Range(low, high, a.low_open, a.high_open)


def _smallest(parts: Sequence[Range]) -> Range:
    low, low_open = _lowest([(part.low, part.low_open) for part in parts])
    highs = [(part.high, part.high_open) for part in parts if part.high is not None]
    high, high_open = None, False
    if highs:
        high = least([end for end, _ in highs])
        high_open = any(is_open for end, is_open in highs if real.compare(end, high) == 0)
    return Range(low, high, low_open, high_open, all(part.never_zero for part in parts))
