"""Values of a formula in large groups: expansions in powers of the group's size N.

    sum of c N^e, and O(N^error)        c over p and q = 1 - p, in sympy; at least three orders are kept

p and q are two symbols, so that sqrt(p q) stays short; p + q = 1 is used where it matters whether a coefficient is 0.
That is decided by trying eight values of p to 40 digits. Its sign is asked of an interval of p, 0 to 1 unless `within`
says another: where a root of it lies between, `Crosses` names the root, and each side can be asked (crossings.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction

import sympy

from shaping import real
from shaping.symbols import powers
from shaping.symbols.crossings import P, Q, crossings

SAMPLES = [
    sympy.Rational(*each)
    for each in ((1, 10**6), (1, 97), (1, 7), (3, 8), (11, 20), (5, 6), (96, 97), (10**6 - 1, 10**6))
]
TINY = sympy.Rational(1, 10**25)
ORDERS = 3


class NotFound(ArithmeticError):
    """Why there is no limit, or none that is found."""


class NoValue(ArithmeticError):
    """The formula has no value for such groups, so that `flat` holds."""


class Crosses(ArithmeticError):
    """A sign changes at these values of p."""

    def __init__(self, at: tuple[sympy.Rational, ...]) -> None:
        super().__init__(at)
        self.at = at


Interval = tuple[sympy.Expr, sympy.Expr]
_interval: ContextVar[Interval] = ContextVar("interval", default=(sympy.Integer(0), sympy.Integer(1)))


@contextmanager
def within(interval: Interval) -> Iterator[None]:
    """Ask of these p alone."""
    token = _interval.set(interval)
    try:
        yield
    finally:
        _interval.reset(token)


@dataclass(frozen=True)
class Series:
    """sum of c N^e over its terms, and O(N^error) if there is an error."""

    terms: dict[Fraction, sympy.Expr]
    error: Fraction | None = None

    def leading(self) -> tuple[Fraction, sympy.Expr]:
        """The largest exponent and its coefficient.

        Raises:
          NoValue: this is 0.
          NotFound: only the error is left.
        """
        for exponent in sorted(self.terms, reverse=True):
            if not _vanishes(self.terms[exponent]):
                return exponent, self.terms[exponent]
        raise NotFound("large terms cancel") if self.error is not None else NoValue

    def is_zero(self) -> bool:
        """Is nothing left above the error?"""
        return all(map(_vanishes, self.terms.values()))

    def is_none(self) -> bool:
        """Is it 0, without an error?"""
        return self.error is None and self.is_zero()

    def sign(self) -> int:
        """The same for all p of the interval; Crosses if it changes there."""
        if self.is_none():
            return 0
        _, coefficient = self.leading()
        if at := crossings(coefficient, _interval.get()):
            raise Crosses(at)
        return 1 if max(values(coefficient), key=abs) > 0 else -1

    def trimmed(self) -> Series:
        if not self.terms:
            return self
        floor = max(self.terms) - ORDERS
        kept = {e: c for e, c in self.terms.items() if e > floor and (self.error is None or e > self.error)}
        if len(kept) == len(self.terms):
            return self
        cut = [self.error] if self.error is not None else []
        return Series(kept, max([floor, *cut]))

    def __add__(self, other: Series) -> Series:
        terms = dict(self.terms)
        for exponent, coefficient in other.terms.items():
            terms[exponent] = terms.get(exponent, 0) + coefficient
        errors = [error for error in (self.error, other.error) if error is not None]
        kept = {e: c for e, c in terms.items() if c != 0 and (not errors or e > max(errors))}
        return Series(kept, max(errors, default=None))

    def __neg__(self) -> Series:
        return Series({e: -c for e, c in self.terms.items()}, self.error)

    def __sub__(self, other: Series) -> Series:
        return self + -other

    def __mul__(self, other: Series) -> Series:
        if self.is_none() or other.is_none():
            return Series({})
        terms: dict[Fraction, sympy.Expr] = {}
        for a, x in self.terms.items():
            for b, y in other.terms.items():
                terms[a + b] = terms.get(a + b, 0) + x * y
        errors = [
            mine.error + max([*theirs.terms, *([theirs.error] if theirs.error is not None else [])], default=0)
            for mine, theirs in ((self, other), (other, self))
            if mine.error is not None
        ]
        return Series(terms, max(errors, default=None)).trimmed()

    def apart(self) -> tuple[Fraction, sympy.Expr, Series]:
        """c N^e (1 + rest)."""
        exponent, coefficient = self.leading()
        rest = {e - exponent: c / coefficient for e, c in self.terms.items() if e < exponent}
        return exponent, coefficient, Series(rest, None if self.error is None else self.error - exponent)

    def power(self, exponent: sympy.Expr) -> Series:
        """A power with a number as its exponent, by the binomial series."""
        if exponent == 0:
            return ONE
        at, coefficient, rest = self.apart()
        if not exponent.is_integer and self.sign() < 0:
            raise NoValue
        if not exponent.is_rational and at != 0:
            raise NotFound("a power of N that is not rational")
        if not exponent.is_integer:  # the root of p^2 q + p q^2 is that of p q
            coefficient = sympy.factor(coefficient).subs(P + Q, 1)
        shift = at * Fraction(int(exponent.p), int(exponent.q)) if at else Fraction(0)
        whole = exponent.is_integer and exponent > 0 and exponent <= ORDERS
        factors = [sympy.binomial(exponent, j) for j in range(int(exponent) + 1 if whole else _needed(rest))]
        return _taylor(factors, rest, exact=whole) * Series({shift: powers.power(coefficient, exponent)})

    def of(self, function: Callable, name: str) -> Series:
        """A smooth function of what stays finite, by Taylor's series."""
        if not self.terms:
            return number(0).moved(function)
        exponent, _ = (Fraction(0), 0) if self.is_zero() else self.leading()
        if exponent > 0 or (self.error is not None and self.error >= 0):
            raise NotFound(f"{name} of something that grows with N")
        return self.moved(function)

    def moved(self, function: Callable) -> Series:
        middle, x = self.terms.get(Fraction(0), sympy.Integer(0)), sympy.Dummy()
        rest = Series({e: c for e, c in self.terms.items() if e < 0}, self.error)
        factors = []
        if middle.has(sympy.exp) or (middle.is_number and abs(sympy.N(middle, 15)) > powers.MAX_BITS):
            raise NotFound("a function of too large a number")
        for j in range(_needed(rest)):
            factors.append(sympy.diff(function(x), x, j).subs(x, middle) / sympy.factorial(j))
        return _taylor(factors, rest, exact=False)


def _needed(rest: Series) -> int:
    """How many powers of what is left count among the orders that are kept."""
    largest = max([*rest.terms, *([rest.error] if rest.error is not None else [])], default=None)
    return 1 if largest is None else int(-(-ORDERS // -largest)) + 1


def _taylor(factors: Sequence[sympy.Expr], rest: Series, exact: bool) -> Series:
    total, power = Series({}), ONE
    for factor in factors:
        total = total + power * Series({Fraction(0): factor})
        power = power * rest
    if not exact and (rest.terms or rest.error is not None):
        total = total + Series({}, Fraction(-ORDERS))
    return total


def number(value: real.Real | int) -> Series:
    number = sympy.Integer(value) if isinstance(value, int) else real.to_sympy(value)
    return Series({Fraction(0): number} if number != 0 else {})


ONE = number(1)
SIZE = Series({Fraction(1): sympy.Integer(1)})


def values(coefficient: sympy.Expr) -> list[sympy.Expr]:
    """At the values of p that are tried."""
    low, high = _interval.get()
    points = [low + (high - low) * each for each in SAMPLES]
    return [sympy.N(coefficient.subs({P: each, Q: 1 - each}), 40) for each in points]


def _vanishes(coefficient: sympy.Expr) -> bool:
    if coefficient.is_number:
        return bool(sympy.simplify(coefficient) == 0) if not coefficient.is_Rational else coefficient == 0
    return all(abs(value) < TINY for value in values(coefficient))
