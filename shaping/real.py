"""Exact real numbers, for formulas over small whole numbers.

A value is one of three things, always the first that fits:

    Fraction   a rational
    Surd       sum of c_i * sqrt(q_i): c_i, q_i rational, no q_i / q_j a square
    General    anything else: an operation and its operands

Square roots of different classes are linearly independent over the rationals
(Besicovitch 1940), so a `Surd` is never zero and "is sigma = 0 here?" is
decided, not estimated. Signs come from interval enclosures (mpmath) that are
narrowed until they leave zero; a `General` that stays around zero is put to
sympy. `nearest` rounds once, at the end, correctly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import comb, inf, isqrt, ldexp
from weakref import WeakValueDictionary

from mpmath.ctx_iv import MPIntervalContext
from mpmath.libmp import from_rational, round_ceiling, round_floor

from shaping.errors import DesignError
from shaping.work import counted_calls, is_bounded, spend

_iv = MPIntervalContext()
_PRECISIONS = (80, 160, 320, 640, 1280, 2560)
_MAX_BITS = 1 << 16  # of one integer; beyond this a formula is a mistake, not mathematics: p**N of 1,024 has 10,000


class Undefined(ArithmeticError):
    """The formula has no value here: division by zero, log of 0, root of a negative number."""


class Unusable(ArithmeticError):
    """The formula asks for something that no group could make sense of, such as binomial(7/2, 2)."""


@dataclass(frozen=True)
class Surd:
    terms: tuple[tuple[Fraction, Fraction], ...]  # (coefficient, radicand)


@dataclass(frozen=True, eq=False)
class General:
    """Made by `_general` alone: the same operation on the same operands is one object, so == need not look inside."""

    operation: str  # a key of _ENCLOSE
    operands: tuple[Real, ...]


Real = Fraction | Surd | General
_made: WeakValueDictionary[tuple, General] = WeakValueDictionary()


def _general(operation: str, *operands: Real) -> General:
    spend(1)
    found = _made.get((operation, operands))
    if found is None:
        found = _made.setdefault((operation, operands), General(operation, operands))
    return found


# ── Arithmetic ──────────────────────────────────────────────────────────────


def add(a: Real, b: Real) -> Real:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _sized(a + b)
    if a == 0 or b == 0:
        return b if a == 0 else a
    if isinstance(a, General) or isinstance(b, General):
        (c, x), (d, y) = _times(a), _times(b)
        return multiply(_sized(c + d), x) if x == y else _general("add", a, b)
    return _collect(_terms(a) + _terms(b))


def _times(a: Real) -> tuple[Fraction, Real]:
    """a as a rational times the rest, so that 2 log 3 - 2 log 3 is seen to be 0."""
    if isinstance(a, General) and a.operation == "multiply" and isinstance(a.operands[0], Fraction):
        return a.operands
    return (a, Fraction(1)) if isinstance(a, Fraction) else (Fraction(1), a)


def multiply(a: Real, b: Real) -> Real:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _sized(a * b)
    if a == 0 or b == 0:
        return Fraction(0)
    if isinstance(a, General) or isinstance(b, General):
        (c, x), (d, y) = _times(a), _times(b)
        rest = y if x == 1 else x if y == 1 else _general("multiply", x, y)
        factor = multiply(c, d)
        return rest if factor == 1 else _general("multiply", factor, rest)
    if isinstance(a, Fraction):
        a, b = b, a
    if isinstance(b, Fraction):
        return Surd(tuple((multiply(c, b), q) for c, q in a.terms))
    return _collect([(multiply(c, d), multiply(p, q)) for c, p in _terms(a) for d, q in _terms(b)])


def negate(a: Real) -> Real:
    return multiply(Fraction(-1), a)


def subtract(a: Real, b: Real) -> Real:
    return add(a, negate(b))


def divide(a: Real, b: Real) -> Real:
    if sign(b) == 0:
        raise Undefined("division by zero")
    if isinstance(b, Fraction):
        return multiply(a, 1 / b)
    if isinstance(b, Surd) and len(b.terms) == 1:
        ((c, q),) = b.terms  # 1 / (c sqrt q) = sqrt(q) / (c q)
        return multiply(a, _collect([(1 / multiply(c, q), q)]))
    return _general("divide", a, b) if a != 0 else Fraction(0)


def power(a: Real, b: Real) -> Real:
    """a ** b; 0 ** 0 is 1, as in Python and torch."""
    if b == Fraction(1, 2):
        return sqrt(a)
    if isinstance(b, Fraction) and b.denominator == 1:
        exponent = int(b)
        if exponent == 0:
            return Fraction(1)
        if exponent < 0:
            return divide(Fraction(1), power(a, -b))
        if isinstance(a, Fraction):
            _limit(_bits(a) * exponent)
            spend(1 + (_bits(a) * exponent >> 10))
            return a**exponent
        if isinstance(a, Surd) and exponent <= 16:
            result: Real = Fraction(1)
            for _ in range(exponent):
                result = multiply(result, a)
            return result
        if sign(a) < 0:
            size = power(negate(a), b)
            return negate(size) if exponent % 2 else size
    if sign(a) < 0:
        raise Undefined("a power of a negative number that is not whole")
    if sign(a) == 0:
        if sign(b) < 0:
            raise Undefined("division by zero")
        return Fraction(0)
    return _general("power", a, b)


def sqrt(a: Real) -> Real:
    if sign(a) < 0:
        raise Undefined("square root of a negative number")
    if a == 0:
        return Fraction(0)
    return _collect([(Fraction(1), a)]) if isinstance(a, Fraction) else _general("sqrt", a)


def log(a: Real) -> Real:
    if sign(a) <= 0:
        raise Undefined("logarithm of a number that is not positive")
    return Fraction(0) if a == 1 else _general("log", a)


def exp(a: Real) -> Real:
    return Fraction(1) if a == 0 else _general("exp", a)


def sigmoid(a: Real) -> Real:
    return divide(Fraction(1), add(Fraction(1), exp(negate(a))))


def tanh(a: Real) -> Real:
    return subtract(multiply(Fraction(2), sigmoid(multiply(Fraction(2), a))), Fraction(1))


def log_gamma(a: Real) -> Real:
    if sign(a) <= 0:
        raise Undefined("log_gamma of a number that is not positive")
    return Fraction(0) if a in (1, 2) else _general("log_gamma", a)


def floor(a: Real) -> Fraction:
    if isinstance(a, Fraction):
        return Fraction(a.numerator // a.denominator)
    for ends in _enclosures(a):
        low, high = (end.numerator // end.denominator for end in ends)
        if low == high:
            return Fraction(low)
    raise Unusable(f"cannot decide which whole number is below {show(a)}")


def absolute(a: Real) -> Real:
    return negate(a) if sign(a) < 0 else a


def binomial(n: Real, k: Real) -> Fraction:
    """Ways to choose k of n; 0 where there is none (k < 0, k > n or n < 0)."""
    if not all(isinstance(x, Fraction) and x.denominator == 1 for x in (n, k)):
        raise Unusable(f"binomial needs whole numbers, got binomial({show(n)}, {show(k)})")
    n, k = int(n), int(k)
    if n < 0 or not 0 <= k <= n:
        return Fraction(0)
    _limit(min(k, n - k) * n.bit_length())
    return _sized(Fraction(comb(n, k)))


def compare(a: Real, b: Real) -> int:
    """-1, 0 or 1: the sign of a - b."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        spend(_cost(_bits(a) + _bits(b)))
        return (a > b) - (a < b)
    if a == b:
        return 0
    squares = _signed_square(a), _signed_square(b)  # rises with the value
    if None not in squares:
        return (squares[0] > squares[1]) - (squares[0] < squares[1])
    return sign(subtract(a, b))


def _signed_square(a: Real) -> Fraction | None:
    """sign(a) a^2 where that is rational: of a Fraction, and of one root."""
    if isinstance(a, Fraction):
        return a * abs(a)
    if isinstance(a, Surd) and len(a.terms) == 1:
        ((c, q),) = a.terms
        return c * abs(c) * q
    return None


def sign(a: Real) -> int:
    if isinstance(a, Fraction):
        return (a > 0) - (a < 0)
    if isinstance(a, Surd) and len(a.terms) == 1:
        return sign(a.terms[0][0])
    for low, high in _enclosures(a):
        if low > 0:
            return 1
        if high < 0:
            return -1
    if _is_zero(a):
        return 0
    raise Unusable(f"cannot decide whether {show(a)} is zero")


def _is_zero(a: Real) -> bool:
    """What sympy says within so many calls; False if it says nothing."""
    import sympy.tensor  # noqa: F401  here, so that its import is not counted
    from sympy.core.cache import clear_cache

    if is_bounded():
        clear_cache()  # what was looked at before must not decide how far this gets
    with counted_calls():
        return bool(to_sympy(a).equals(0))
    return False


@contextmanager
def told(path: str) -> Iterator[None]:
    """What no float holds, or nobody can decide, becomes the DesignError of the design at `path`."""
    try:
        yield
    except OverflowError:
        raise DesignError(f"{path}: a number beyond the range of floats") from None
    except (Undefined, Unusable) as error:
        raise DesignError(f"{path}: {error.args[0]}") from None


# ── Out of the exact world ──────────────────────────────────────────────────


def nearest(a: Real, *, mantissa: int = 53, min_exponent: int = -1074) -> float:
    """The float closest to `a`, ties to even: float64 by default, float32 with (24, -149).

    >>> nearest(Fraction(1, 3)), nearest(sqrt(Fraction(2)))
    (0.3333333333333333, 1.4142135623730951)
    """
    if isinstance(a, Fraction):
        return _round(a, mantissa, min_exponent)
    rounded = None
    for ends in _enclosures(a):
        low, rounded = (_round(end, mantissa, min_exponent) for end in ends)
        if low == rounded:
            return low
    if rounded is None:
        raise Unusable("a value too large to compute with")
    return rounded  # both neighbours are equally near as far as 2,560 bits can tell


def show(a: Real) -> str:
    """For messages: '1/5' where short and rational, else about six digits."""
    if isinstance(a, Fraction) and max(abs(a.numerator), a.denominator) < 10**12:
        return str(a)
    try:
        return f"{nearest(a):.6g}"
    except (OverflowError, Unusable):
        return "a number beyond the range of floats"


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


# ── Parts ───────────────────────────────────────────────────────────────────

_ENCLOSE = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: _exp(b * _iv.log(a)),
    "sqrt": _iv.sqrt,
    "log": _iv.log,
    "exp": lambda a: _exp(a),
    "log_gamma": _iv.loggamma,
}


def _enclose(a: Real, known: dict[int, object]):
    if id(a) not in known:
        if isinstance(a, Fraction):
            spend(_cost(_bits(a)))
            known[id(a)] = _interval(a, a)
        elif isinstance(a, Surd):
            known[id(a)] = _interval(*_surd_bounds(a, _iv.prec))
        else:
            spend(6 + (_iv.prec**2 >> (9 if a.operation == "log_gamma" else 14)))
            parts = [_enclose(operand, known) for operand in a.operands]
            known[id(a)] = _within(_ENCLOSE[a.operation](*parts))
    return known[id(a)]


def _within(interval, before: int = _MAX_BITS, behind: int = _MAX_BITS):
    """An interval that can be computed with: no end has more than so many bits before or behind the point."""
    for _, mantissa, exponent, length in interval._mpi_:
        if mantissa and not -behind <= exponent + length <= before:
            raise Unusable("a value too large or too small to compute with")
    return interval


def _exp(a):
    return _iv.exp(
        _within(a, before=64)
    )  # beyond that what follows has to be too large, and mpmath would take its time


def _enclosures(a: Real) -> Iterator[tuple[Fraction, Fraction]]:
    """Ever closer pairs of rationals with `a` between them; those that are infinitely wide are left out."""
    for precision in _PRECISIONS:
        if isinstance(a, Surd):
            yield _surd_bounds(a, precision)
            continue
        _iv.prec = precision
        interval = _enclose(a, {})
        if interval.a > -inf and interval.b < inf:
            yield _fraction(interval.a), _fraction(interval.b)


def _interval(low: Fraction, high: Fraction):
    ends = (low, round_floor), (high, round_ceiling)
    return _iv.make_mpf(tuple(from_rational(q.numerator, q.denominator, _iv.prec, end) for q, end in ends))


def _surd_bounds(a: Surd, precision: int) -> tuple[Fraction, Fraction]:
    roots = [(c, _root_bounds(q, precision)) for c, q in a.terms]
    low, high = (_sum([multiply(c, root[(c < 0) ^ end]) for c, root in roots]) for end in (False, True))
    return low, high


def _sum(values: list[Fraction]) -> Fraction:
    result = Fraction(0)
    for value in values:
        result = add(result, value)
    return result


def _root_bounds(q: Fraction, precision: int) -> tuple[Fraction, Fraction]:
    """Two rationals with sqrt(q) between them, of at least that many equal bits: sqrt(n / d) = sqrt(n d) / d."""
    spend(_cost(2 * max(_bits(q), precision)))
    product = q.numerator * q.denominator
    shift = max(0, precision - product.bit_length() // 2)
    root = isqrt(product << 2 * shift)
    scale = q.denominator << shift
    return Fraction(root, scale), Fraction(root + 1, scale)


def _fraction(end) -> Fraction:
    """One end of an interval, exactly."""
    negative, mantissa, exponent, _ = end._mpi_[0]
    if abs(exponent) > _MAX_BITS:
        raise Unusable("a value too large or too small to compute with")
    value = Fraction(mantissa) * Fraction(2) ** exponent
    return -value if negative else value


def _terms(a: Fraction | Surd) -> list[tuple[Fraction, Fraction]]:
    return list(a.terms) if isinstance(a, Surd) else [(a, Fraction(1))]


def _collect(terms: list[tuple[Fraction, Fraction]]) -> Fraction | Surd:
    """Join terms whose radicands differ by a square: sqrt(8) + sqrt(2) = 3 sqrt(2)."""
    classes: list[list[Fraction]] = [[Fraction(0), Fraction(1)]]
    for coefficient, radicand in terms:
        for known in classes:
            ratio = _square_root(multiply(radicand, 1 / known[1]))
            if ratio is not None:
                known[0] = add(known[0], multiply(coefficient, ratio))
                break
        else:
            classes.append([coefficient, radicand])
    left = tuple((c, q) for c, q in classes if c)
    if not left:
        return Fraction(0)
    return left[0][0] if len(left) == 1 and left[0][1] == 1 else Surd(left)


def _square_root(q: Fraction) -> Fraction | None:
    spend(_cost(_bits(q)))
    top, bottom = isqrt(q.numerator), isqrt(q.denominator)
    exact = top * top == q.numerator and bottom * bottom == q.denominator
    return Fraction(top, bottom) if exact else None


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


def _bits(q: Fraction) -> int:
    return max(q.numerator.bit_length(), q.denominator.bit_length())


def _cost(bits: int) -> int:
    """Units of work of a sum or a product of rationals so long: their common divisors take the square of it."""
    return 1 + (bits * bits >> 20)


def _sized(q: Fraction) -> Fraction:
    bits = _bits(q)
    spend(_cost(bits))
    _limit(bits)
    return q


def _limit(bits: int) -> None:
    if bits > _MAX_BITS:
        raise Unusable(f"a whole number of more than {_MAX_BITS:,} bits")
