"""Out of the exact world: floats, texts for people, sympy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ldexp

from shaping.errors import DesignError
from shaping.real.enclose import enclosures
from shaping.real.numbers import Real, Surd, Undefined, Unusable
from shaping.work import spend


def nearest(a: Real, *, mantissa: int = 53, min_exponent: int = -1074) -> float:
    """The float closest to `a`, ties to even: float64 by default, float32 with (24, -149).

    >>> from shaping.real import sqrt
    >>> nearest(Fraction(1, 3)), nearest(sqrt(Fraction(2)))
    (0.3333333333333333, 1.4142135623730951)
    """
    if isinstance(a, Fraction):
        return _round(a, mantissa, min_exponent)
    rounded = None
    for ends in enclosures(a):
        low, rounded = (_round(end, mantissa, min_exponent) for end in ends)
        if low == rounded:
            return low if low else 0.0  # of a number a little below 0 there would be a sign
    if rounded is None:
        raise Unusable("a value too large to compute with")
    return rounded  # both neighbours are equally near as far as 2,560 bits can tell


def _round(q: Fraction, mantissa: int, min_exponent: int) -> float:
    spend(1)
    top, bottom = abs(q.numerator), q.denominator
    exponent = top.bit_length() - bottom.bit_length() - mantissa
    if _shifted(top, -exponent - mantissa) >= _shifted(bottom, exponent + mantissa):
        exponent += 1
    exponent = max(exponent, min_exponent)
    top, bottom = _shifted(top, -exponent), _shifted(bottom, exponent)
    whole, rest = divmod(top, bottom)
    whole += 2 * rest > bottom or (2 * rest == bottom and whole % 2)  # halves go to the even neighbour
    value = ldexp(whole if q > 0 else -whole, exponent)
    if mantissa == 24 and abs(value) >= 2.0**128:
        raise OverflowError("too large for float32")
    return value


def _shifted(whole: int, bits: int) -> int:
    return whole << bits if bits > 0 else whole


def show(a: Real) -> str:
    """For messages: '1/5' where short and rational, else about six digits."""
    if isinstance(a, Fraction) and max(abs(a.numerator), a.denominator) < 10**12:
        return str(a)
    try:
        return f"{nearest(a):.6g}"
    except (OverflowError, Unusable):
        return "a number beyond the range of floats"


@contextmanager
def told(path: str) -> Iterator[None]:
    """What no float holds, or nobody can decide, becomes the DesignError of the design at `path`."""
    try:
        yield
    except OverflowError:
        raise DesignError(f"{path}: a number beyond the range of floats") from None
    except (Undefined, Unusable) as error:
        raise DesignError(f"{path}: {error.args[0]}") from None


def to_sympy(a: Real, known: dict[int, object] | None = None):
    import sympy

    known = {} if known is None else known  # a value that is used twice is one object: convert it once
    if id(a) not in known:
        if isinstance(a, Fraction):
            known[id(a)] = sympy.Rational(a.numerator, a.denominator)
        elif isinstance(a, Surd):
            terms = [sympy.Rational(c.numerator, c.denominator) * sympy.sqrt(to_sympy(q, known)) for c, q in a.terms]
            known[id(a)] = sympy.Add(*terms)
        else:
            forms = {"add": sympy.Add, "multiply": sympy.Mul, "divide": lambda n, d: n / d, "power": sympy.Pow}
            form = forms.get(a.operation, getattr(sympy, a.operation.replace("log_gamma", "loggamma"), None))
            known[id(a)] = form(*(to_sympy(operand, known) for operand in a.operands))
    return known[id(a)]
