"""Values of w(p) = sum_m C(n, m) p^m (1 - p)^(n - m) b_m for n up to 1,023, and whether it is positive on the way.

In    the Bernstein coefficients b_m, exact; p
Out   value_at     one value, correct to some 14 digits
      logs         its sign and logarithm at many p: C(1023, 511) has 307 digits, and p^1023 can be below any float
      values       the same as floats
      is_positive  decided, not sampled

Floats are right as long as the terms do not cancel. Where they do, the sum is done again with as many digits as that
takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb, fsum, lcm, log

import mpmath
import numpy as np

from shaping import real
from shaping.real import Real
from shaping.real.enclose import enclosures

CANCELS = 1e-7  # of the sum of the terms' sizes: below it floats have less than eight digits left
MAX_PRECISION = 4_096  # bits; what is below 2^-4000 of its terms is 0
SUMMED = 320  # bits
DEPTH, DEEP = 30, 6  # how often an interval is halved, up to degree 128 and beyond
FIXED = 512  # bits of a coefficient that is no fraction, where signs are decided


# ── One value ───────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def chances(n: int, p: Fraction) -> tuple[float, ...]:
    """C(n, m) p^m (1 - p)^(n - m) for m = 0..n, each the nearest float.

    >>> chances(2, Fraction(1, 4))
    (0.5625, 0.375, 0.0625)
    """
    a, b = p.numerator, p.denominator - p.numerator
    whole = p.denominator**n
    return tuple(comb(n, m) * a**m * b ** (n - m) / whole for m in range(n + 1))


def value_at(bernstein: Sequence[Real], p: Fraction) -> float:
    """w(p), correct to some 14 digits whatever cancels.

    >>> value_at([Fraction(1), Fraction(-1)], Fraction(1, 2)), value_at([Fraction(1), Fraction(2)], Fraction(1, 3))
    (0.0, 1.3333333333333333)
    """
    terms = [c * b for c, b in zip(chances(len(bernstein) - 1, p), floats(tuple(bernstein)), strict=True)]
    found, size = fsum(terms), fsum(map(abs, terms))
    return found if abs(found) > CANCELS * size > 1e-280 else float(_precise(bernstein, p))


@lru_cache(maxsize=32)
def floats(values: tuple[Real, ...]) -> tuple[float, ...]:
    return tuple(map(real.nearest, values))


def _precise(bernstein: Sequence[Real], p: Fraction) -> mpmath.mpf:
    """With twice the digits until they are enough; 0 if they never are."""
    n, precision = len(bernstein) - 1, 256
    while precision <= MAX_PRECISION:
        with mpmath.workprec(precision):
            x = _mpf(p, precision)
            ratio, term = x / (1 - x), (1 - x) ** n
            found = size = mpmath.mpf(0)
            for m, b in enumerate(bernstein):
                part = term * _mpf(b, precision)
                found, size = found + part, size + abs(part)
                term = term * ratio * (n - m) / (m + 1)
            if abs(found) > size * mpmath.ldexp(1, 80 - precision):
                return found
        precision *= 2
    return mpmath.mpf(0)


def _mpf(value: Real, precision: int) -> mpmath.mpf:
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    for low, high in enclosures(value):
        if high - low <= abs(low) / 2**precision:
            break
    return mpmath.mpf(low.numerator) / low.denominator


def running_sums(terms: Sequence[Real]) -> list[float]:
    """0, the first, the first two .. all of them, correct to some 14 digits whatever cancels.

    >>> running_sums([real.sqrt(Fraction(2)), Fraction(-1)])
    [0.0, 1.4142135623730951, 0.41421356237309503]
    """
    with mpmath.workprec(SUMMED):
        found, size, sums = mpmath.mpf(0), mpmath.mpf(0), [0.0]
        for term in terms:
            part = _mpf(term, SUMMED)
            found, size = found + part, size + abs(part)
            sums.append(float(found) if abs(found) > size * mpmath.ldexp(1, 80 - SUMMED) else 0.0)
        return sums


# ── Many values ─────────────────────────────────────────────────────────────


def logs(bernstein: Sequence[Real], p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sign of w and log |w|, -inf where it is 0, at each p strictly between 0 and 1; q = 1 - p."""
    n, b = len(bernstein) - 1, np.array(floats(tuple(bernstein)))
    m = np.arange(n + 1)
    with np.errstate(divide="ignore"):
        terms = _log_combs(n) + np.log(p)[:, None] * m + np.log(q)[:, None] * (n - m) + np.log(np.abs(b))
    top = terms.max(axis=1)
    top = np.where(np.isfinite(top), top, 0.0)
    scaled = np.exp(terms - top[:, None])
    sums, sizes = (scaled * np.sign(b)).sum(axis=1), scaled.sum(axis=1)
    signs = np.sign(sums)
    with np.errstate(divide="ignore"):
        found = np.log(np.abs(sums)) + top
    for i in np.flatnonzero((np.abs(sums) < CANCELS * sizes) & (sizes > 0)):
        exact = _precise(bernstein, Fraction(float(p[i])) if p[i] < 0.5 else 1 - Fraction(float(q[i])))
        signs[i], found[i] = float(mpmath.sign(exact)), float(mpmath.log(abs(exact))) if exact else -np.inf
    return signs, found


def values(bernstein: Sequence[Real], p: np.ndarray) -> np.ndarray:
    """w at each p from 0 to 1, as floats."""
    ends = {0.0: float(real.nearest(bernstein[0])), 1.0: float(real.nearest(bernstein[-1]))}
    inside = np.clip(p, 1e-300, 1 - 2.0**-53)
    signs, found = logs(bernstein, inside, 1 - inside)
    return np.array([ends.get(float(x), y) for x, y in zip(p, signs * np.exp(found), strict=True)])


@lru_cache(maxsize=8)
def _log_combs(n: int) -> np.ndarray:
    return np.array([log(comb(n, m)) for m in range(n + 1)])


# ── Its sign ────────────────────────────────────────────────────────────────


def is_positive(bernstein: Sequence[Real], start: Fraction, end: Fraction) -> bool:
    """Is w(p) > 0 for all p from start to end, both from the inside of 0..1?

    The coefficients of a smaller interval are sums of the larger one's with positive factors (de Casteljau): all of
    one sign decide it. A root that w only touches is closed in on to 2^-30 of the way, for large n to 2^-6.

    >>> is_positive([Fraction(1), Fraction(-1), Fraction(1)], Fraction(1, 4), Fraction(3, 4))      # (1 - 2 p)^2
    False
    >>> is_positive([Fraction(1), Fraction(-1), Fraction(1)], Fraction(1, 16), Fraction(1, 4))
    True
    """
    signs = {(b > 0) - (b < 0) for b in floats(tuple(bernstein))} - {0}
    if len(signs) < 2:
        return signs == {1}
    whole = _whole(tuple(bernstein))
    depth = DEPTH if len(bernstein) <= 129 else DEEP
    return _positive(_right(_left(whole, end), start / end), depth)


def _positive(whole: list[int], depth: int) -> bool:
    if whole[0] <= 0 or whole[-1] <= 0:  # the values at both ends
        return False
    if min(whole) >= 0:
        return True
    if not depth:
        return False
    half = Fraction(1, 2)
    return _positive(_left(whole, half), depth - 1) and _positive(_right(whole, half), depth - 1)


def _left(whole: Sequence[int], share: Fraction) -> list[int]:
    """The coefficients on the first `share` of the interval, times a positive number."""
    a, b = share.numerator, share.denominator - share.numerator
    row, found, scale = list(whole), [], share.denominator ** (len(whole) - 1)
    for _ in whole:
        found.append(row[0] * scale)
        row = [b * x + a * y for x, y in pairwise(row)]
        scale //= share.denominator
    return _shortened(found)


def _right(whole: Sequence[int], share: Fraction) -> list[int]:
    """Those on what comes after the first `share`."""
    return _left(list(whole)[::-1], 1 - share)[::-1]


def _shortened(whole: list[int]) -> list[int]:
    common = min((b & -b for b in whole if b), default=1)
    return [b // common for b in whole]


@lru_cache(maxsize=4)
def _whole(bernstein: tuple[Real, ...]) -> list[int]:
    """Whole numbers in the same proportion; of roots and logarithms to 512 bits, of which signs need the first half."""
    if all(isinstance(b, Fraction) for b in bernstein):
        common = lcm(*(b.denominator for b in bernstein))
        return [int(b * common) for b in bernstein]
    with mpmath.workprec(FIXED):
        numbers = [_mpf(b, FIXED) for b in bernstein]
        top = max(map(abs, numbers))
        return [int(mpmath.nint(mpmath.ldexp(x / top, FIXED // 2))) for x in numbers]
