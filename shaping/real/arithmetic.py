"""Operations on exact numbers. Each gives the simplest kind that holds its result, or an error if it has none.

Signs come from enclosures that are narrowed until they leave zero; of a `General` that stays around zero the rules of
cancel.py say whether it is 0, then sympy.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb
from weakref import WeakKeyDictionary

from shaping.real.cancel import settled
from shaping.real.enclose import enclosures
from shaping.real.floats import show, to_sympy
from shaping.real.numbers import (
    General,
    Real,
    Surd,
    Undefined,
    Unusable,
    bits,
    collect,
    cost,
    general,
    limit,
    sized,
    terms,
)
from shaping.work import counted_calls, is_bounded, spend, spent

MAX_EXPONENT = 256  # of an exponential or a power that sympy is asked about
CLOSE = Fraction(1, 1 << 200)  # an enclosure that is narrower asks whether the number is a simpler one
_TOO_LARGE = "a value too large or too small to compute with"


def add(a: Real, b: Real) -> Real:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return sized(a + b)
    if a == 0 or b == 0:
        return b if a == 0 else a
    if isinstance(a, General) or isinstance(b, General):
        (c, x), (d, y) = _times(a), _times(b)
        return multiply(add(c, d), x) if x == y else general("add", a, b)
    return collect(terms(a) + terms(b))


def _times(a: Real) -> tuple[Fraction | Surd, Real]:
    """a as a sum of roots times the rest, so that sqrt(2) log 3 - sqrt(2) log 3 is seen to be 0."""
    if isinstance(a, General) and a.operation == "multiply" and not isinstance(a.operands[0], General):
        return a.operands
    return (Fraction(1), a) if isinstance(a, General) else (a, Fraction(1))


def multiply(a: Real, b: Real) -> Real:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return sized(a * b)
    if a == 0 or b == 0:
        return Fraction(0)
    if isinstance(a, General) or isinstance(b, General):
        (c, x), (d, y) = _times(a), _times(b)
        rest = y if x == 1 else x if y == 1 else general("multiply", x, y)
        factor = multiply(c, d)
        return rest if factor == 1 else general("multiply", factor, rest)
    if isinstance(a, Fraction):
        a, b = b, a
    if isinstance(b, Fraction):
        return Surd(tuple((multiply(c, b), q) for c, q in a.terms))
    return collect([(multiply(c, d), multiply(p, q)) for c, p in terms(a) for d, q in terms(b)])


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
        return multiply(a, collect([(1 / multiply(c, q), q)]))
    if a == 0:
        return Fraction(0)
    # As a multiple of 1 / b, what is divided by the same number can be summed.
    return general("divide", a, b) if isinstance(a, General) else multiply(a, general("divide", Fraction(1), b))


def power(a: Real, b: Real) -> Real:
    """a ** b; 0 ** 0 is 1, as in Python and torch."""
    b = settled(b)
    if b == Fraction(1, 2):
        return sqrt(a)
    if isinstance(b, Fraction) and b.denominator == 1:
        exponent = int(b)
        if exponent == 0:
            return Fraction(1)
        if exponent < 0:
            return divide(Fraction(1), power(a, -b))
        if isinstance(a, Fraction):
            limit(bits(a) * exponent)
            spend(1 + (bits(a) * exponent >> 10))
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
    return general("power", a, b)


def sqrt(a: Real) -> Real:
    side = sign(a)
    if side < 0:
        raise Undefined("square root of a negative number")
    if side == 0:
        return Fraction(0)
    return collect([(Fraction(1), a)]) if isinstance(a, Fraction) else general("sqrt", a)


def log(a: Real) -> Real:
    if sign(a) <= 0:
        raise Undefined("logarithm of a number that is not positive")
    return Fraction(0) if a == 1 else general("log", a)


def exp(a: Real) -> Real:
    return Fraction(1) if a == 0 else general("exp", a)


def sigmoid(a: Real) -> Real:
    return divide(Fraction(1), add(Fraction(1), exp(negate(a))))


def tanh(a: Real) -> Real:
    return subtract(multiply(Fraction(2), sigmoid(multiply(Fraction(2), a))), Fraction(1))


def log_gamma(a: Real) -> Real:
    if sign(a) <= 0:
        raise Undefined("log_gamma of a number that is not positive")
    a = settled(a)
    return Fraction(0) if a in (1, 2) else general("log_gamma", a)


def floor(a: Real) -> Fraction:
    if isinstance(a, Fraction):
        return Fraction(a.numerator // a.denominator)
    for ends in enclosures(a):
        low, high = (end.numerator // end.denominator for end in ends)
        if low == high:
            return Fraction(low)
        if ends[1] - ends[0] < CLOSE:  # a whole number stands between them, and perhaps it is that one
            return Fraction(high if sign(subtract(a, Fraction(high))) >= 0 else low)
    raise Unusable(f"{_TOO_LARGE}, to find the whole number below it")


def absolute(a: Real) -> Real:
    side = sign(a)
    return negate(a) if side < 0 else a if side else Fraction(0)


def binomial(n: Real, k: Real) -> Fraction:
    """Ways to choose k of n; 0 where there is none (k < 0, k > n or n < 0)."""
    n, k = settled(n), settled(k)
    if not all(isinstance(x, Fraction) and x.denominator == 1 for x in (n, k)):
        raise Unusable(f"binomial needs whole numbers, got binomial({show(n)}, {show(k)})")
    n, k = int(n), int(k)
    if n < 0 or not 0 <= k <= n:
        return Fraction(0)
    limit(min(k, n - k) * n.bit_length())
    return sized(Fraction(comb(n, k)))


def compare(a: Real, b: Real) -> int:
    """-1, 0 or 1: the sign of a - b."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        spend(cost(bits(a) + bits(b)))
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
    if a in _signs:
        found, units = _signs[a]
        spend(units)  # what was looked at before must not decide how far this gets
        return found
    before = spent()
    found = _sign(a)
    _signs[a] = found, spent() - before
    return found


_signs: WeakKeyDictionary[Surd | General, tuple[int, int]] = WeakKeyDictionary()  # signs, and the units they took


def _sign(a: Surd | General) -> int:
    looked, wide = False, True
    for low, high in enclosures(a):
        wide = False
        if low > 0:
            return 1
        if high < 0:
            return -1
        if not looked and high - low < CLOSE:
            looked = True
            if settled(a) == 0:
                return 0
    if wide:
        raise Unusable(f"{_TOO_LARGE}, to find its sign")
    if _is_zero(a):
        return 0
    raise Unusable("cannot decide whether a value this close to 0 is 0: write the formula without what cancels")


def _is_zero(a: Real) -> bool:
    """What sympy says within so many calls; False if it says nothing."""
    if _has_large_exponent(a):
        return False
    import sympy.tensor  # noqa: F401  here, so that its import is not counted
    from sympy.core.cache import clear_cache

    if is_bounded():
        clear_cache()  # what was looked at before must not decide how far this gets
    with counted_calls():
        return bool(to_sympy(a).equals(0))
    return False


def _has_large_exponent(a: Real) -> bool:
    """Would sympy write a polynomial of thousands of terms for exp(2000)? That is one long call that nothing ends."""
    left, seen = [a], set()
    while left:
        node = left.pop()
        if isinstance(node, General) and node not in seen:
            seen.add(node)
            if node.operation in ("exp", "power"):
                parts = [part for part in node.operands if not isinstance(part, General)]
                inner = [part for each in node.operands if isinstance(each, General) for part in each.operands]
                for part in (*parts, *(part for part in inner if isinstance(part, Fraction))):
                    if isinstance(part, Fraction) and (abs(part) > MAX_EXPONENT or part.denominator > MAX_EXPONENT):
                        return True
            left += node.operands
    return False
