"""The three kinds of exact number, each value being of the first that fits:

    Fraction   a rational
    Surd       sum of c_i * sqrt(q_i): c_i, q_i rational, no q_i / q_j a square
    General    anything else: an operation and its operands

And how long a number may be. Square roots of different classes are linearly independent over the rationals (Besicovitch
1940), so a `Surd` is never zero and "is sigma = 0 here?" is decided, not estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from weakref import WeakValueDictionary

from shaping.work import spend

MAX_BITS = 1 << 16  # of one integer; beyond this a formula is a mistake, not mathematics: p**N of 1,024 has 10,000


class Undefined(ArithmeticError):
    """The formula has no value here: division by zero, log of 0, root of a negative number."""


class Unusable(ArithmeticError):
    """The formula asks for something that no group could make sense of, such as binomial(7/2, 2)."""


@dataclass(frozen=True)
class Surd:
    terms: tuple[tuple[Fraction, Fraction], ...]  # (coefficient, radicand)


@dataclass(frozen=True, eq=False)
class General:
    """Made by `general` alone: the same operation on the same operands is one object, so == need not look inside."""

    operation: str  # 'log', 'power' ...: see enclose.py
    operands: tuple[Real, ...]


Real = Fraction | Surd | General
_made: WeakValueDictionary[tuple, General] = WeakValueDictionary()


def general(operation: str, *operands: Real) -> General:
    """The operation, not carried out: only its enclosures are ever computed."""
    spend(1)
    found = _made.get((operation, operands))
    if found is None:
        found = _made.setdefault((operation, operands), General(operation, operands))
    return found


# ── Sums of square roots ────────────────────────────────────────────────────


def terms(a: Fraction | Surd) -> list[tuple[Fraction, Fraction]]:
    """(coefficient, radicand) of each root; a rational is one of sqrt(1)."""
    return list(a.terms) if isinstance(a, Surd) else [(a, Fraction(1))]


def collect(products: list[tuple[Fraction, Fraction]]) -> Fraction | Surd:
    """Join terms whose radicands differ by a square: sqrt(8) + sqrt(2) = 3 sqrt(2)."""
    classes: list[list[Fraction]] = [[Fraction(0), Fraction(1)]]
    for coefficient, radicand in products:
        for known in classes:
            ratio = _square_root(sized(radicand / known[1]))
            if ratio is not None:
                known[0] = sized(known[0] + sized(coefficient * ratio))
                break
        else:
            classes.append([coefficient, radicand])
    left = tuple((c, q) for c, q in classes if c)
    if not left:
        return Fraction(0)
    return left[0][0] if len(left) == 1 and left[0][1] == 1 else Surd(left)


def _square_root(q: Fraction) -> Fraction | None:
    spend(cost(bits(q)))
    top, bottom = isqrt(q.numerator), isqrt(q.denominator)
    exact = top * top == q.numerator and bottom * bottom == q.denominator
    return Fraction(top, bottom) if exact else None


# ── Size ────────────────────────────────────────────────────────────────────


def bits(q: Fraction) -> int:
    return max(q.numerator.bit_length(), q.denominator.bit_length())


def cost(length: int) -> int:
    """Units of work of a sum or a product of rationals of so many bits: common divisors take the square of it."""
    return 1 + (length * length >> 20)


def sized(q: Fraction) -> Fraction:
    """The same number, once its length is paid for.

    Raises:
      Unusable: it is too long.
    """
    length = bits(q)
    spend(cost(length))
    limit(length)
    return q


def limit(length: int) -> None:
    if length > MAX_BITS:
        raise Unusable(f"a whole number of more than {MAX_BITS:,} bits")
