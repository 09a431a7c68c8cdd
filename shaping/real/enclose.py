"""Ever closer rationals around an exact number: by interval arithmetic (mpmath), or whole roots for sums of roots."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import inf, isqrt

from mpmath.ctx_iv import MPIntervalContext
from mpmath.libmp import from_rational, round_ceiling, round_floor

from shaping.real.numbers import MAX_BITS, Real, Surd, Unusable, bits, cost, sized
from shaping.work import spend

_iv = MPIntervalContext()
_PRECISIONS = (80, 160, 320, 640, 1280, 2560)


def enclosures(a: Real) -> Iterator[tuple[Fraction, Fraction]]:
    """Ever closer pairs of rationals with `a` between them; those that are infinitely wide are left out."""
    for precision in _PRECISIONS:
        if isinstance(a, Surd):
            yield _surd_bounds(a, precision)
            continue
        _iv.prec = precision
        interval = _enclose(a, {})
        if interval.a > -inf and interval.b < inf:
            yield _fraction(interval.a), _fraction(interval.b)


_ENCLOSE = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: _exp(b * _log(a)),
    "sqrt": lambda a: _iv.sqrt(_not_negative(a)),
    "log": lambda a: _log(a),
    "exp": lambda a: _exp(a),
    "log_gamma": lambda a: _iv.loggamma(a) if a.a > 0 else _ANYWHERE,
}
_ANYWHERE = _iv.mpf([-inf, inf])


def _not_negative(a):
    """Of a number that is not negative, though its enclosure may still reach below 0."""
    return a if a.a >= 0 else _iv.mpf([0, a.b])


def _log(a):
    """Of a positive number; the enclosure of one near 0 has no lower end."""
    if a.a > 0:
        return _iv.log(a)
    return _iv.mpf([-inf, _iv.log(_iv.mpf(a.b)).b]) if a.b > 0 else _ANYWHERE


def _enclose(a: Real, known: dict[int, object]):
    if id(a) not in known:
        if isinstance(a, Fraction):
            spend(cost(bits(a)))
            known[id(a)] = _interval(a, a)
        elif isinstance(a, Surd):
            known[id(a)] = _interval(*_surd_bounds(a, _iv.prec))
        else:
            spend(6 + (_iv.prec**2 >> (9 if a.operation == "log_gamma" else 14)))
            parts = [_enclose(operand, known) for operand in a.operands]
            known[id(a)] = _within(_ENCLOSE[a.operation](*parts))
    return known[id(a)]


def _within(interval, before: int = MAX_BITS, behind: int = MAX_BITS):
    """An interval that can be computed with: no end has more than so many bits before or behind the point."""
    for _, mantissa, exponent, length in interval._mpi_:
        if mantissa and not -behind <= exponent + length <= before:
            raise Unusable("a value too large or too small to compute with")
    return interval


def _exp(a):
    # Beyond 64 bits what follows has to be too large, and mpmath would take its time.
    return _iv.exp(_within(a, before=64))


def _interval(low: Fraction, high: Fraction):
    ends = (low, round_floor), (high, round_ceiling)
    return _iv.make_mpf(tuple(from_rational(q.numerator, q.denominator, _iv.prec, end) for q, end in ends))


def _surd_bounds(a: Surd, precision: int) -> tuple[Fraction, Fraction]:
    roots = [(c, _root_bounds(q, precision)) for c, q in a.terms]
    low, high = (_sum([sized(c * root[(c < 0) ^ end]) for c, root in roots]) for end in (False, True))
    return low, high


def _sum(values: list[Fraction]) -> Fraction:
    result = Fraction(0)
    for value in values:
        result = sized(result + value)
    return result


def _root_bounds(q: Fraction, precision: int) -> tuple[Fraction, Fraction]:
    """Two rationals with sqrt(q) between them, of at least that many equal bits: sqrt(n / d) = sqrt(n d) / d."""
    spend(cost(2 * max(bits(q), precision)))
    product = q.numerator * q.denominator
    shift = max(0, precision - product.bit_length() // 2)
    root = isqrt(product << 2 * shift)
    scale = q.denominator << shift
    return Fraction(root, scale), Fraction(root + 1, scale)


def _fraction(end) -> Fraction:
    """One end of an interval, exactly."""
    negative, mantissa, exponent, _ = end._mpi_[0]
    if abs(exponent) > MAX_BITS:
        raise Unusable("a value too large or too small to compute with")
    value = Fraction(mantissa) * Fraction(2) ** exponent
    return -value if negative else value
