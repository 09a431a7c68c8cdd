"""Where a function of p changes its sign between two values of p: exactly, where sympy knows its roots.

Of polynomials and their quotients all roots are isolated. Of roots and logarithms sign changes are looked for at a
thousand places, the denser the nearer to 0 and 1, and closed in on; a root that is a short fraction is tried as one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import mpmath
import sympy

P, Q = sympy.symbols("p q", positive=True)
MAX_DEGREE = 128  # of a polynomial whose roots are isolated
PLACES, NEAREST, SHORT = 1_000, 16, 10**6  # places; the first is e^-16 from an end; denominator of a short fraction
DIGITS = 40
SAME = sympy.Rational(1, 10**30)  # an end that is an irrational root is one to 40 digits


@lru_cache(maxsize=1_024)
def crossings(value: sympy.Expr, interval: tuple[sympy.Expr, sympy.Expr]) -> tuple[sympy.Rational, ...]:
    """The p strictly inside the interval at which `value`, over p and q = 1 - p, changes its sign, smallest first.

    >>> crossings(P - sympy.Rational(3, 10), (sympy.Integer(0), sympy.Integer(1)))
    (3/10,)
    >>> crossings(sympy.sqrt(P * Q) - sympy.Rational(2, 5), (sympy.Integer(0), sympy.Integer(1)))
    (1/5, 4/5)
    """
    of_p = value.subs(Q, 1 - P)
    if not of_p.free_symbols:
        return ()
    top, bottom = sympy.fraction(sympy.together(of_p))
    if top.is_polynomial(P) and bottom.is_polynomial(P):
        polynomial = sympy.Poly(top * bottom, P)
        if (polynomial.domain.is_ZZ or polynomial.domain.is_QQ) and polynomial.degree() <= MAX_DEGREE:
            return _of_polynomial(polynomial, interval)
    return _searched(sympy.lambdify(P, of_p, "mpmath"), interval)


def _of_polynomial(polynomial: sympy.Poly, interval: tuple[sympy.Expr, sympy.Expr]) -> tuple[sympy.Rational, ...]:
    found = []
    for factor, power in polynomial.factor_list()[1]:
        if power % 2:
            found += [root for root in factor.real_roots() if interval[0] + SAME < root < interval[1] - SAME]
    return tuple(sorted(root if root.is_Rational else sympy.Rational(str(root.evalf(DIGITS))) for root in found))


def _searched(function: Callable, interval: tuple[sympy.Expr, sympy.Expr]) -> tuple[sympy.Rational, ...]:
    with mpmath.workdps(DIGITS):
        low, high = (mpmath.mpf(end.p) / end.q for end in interval)

        def sign(share: mpmath.mpf) -> int:
            value = function(low + (high - low) * share)
            return int(mpmath.sign(mpmath.re(value)))

        steps = [mpmath.mpf(2 * i - PLACES) / PLACES * NEAREST for i in range(PLACES + 1)]
        shares = [1 / (1 + mpmath.exp(-each)) for each in steps]
        signs = [sign(share) for share in shares]
        there = [(share, s) for share, s in zip(shares, signs, strict=True) if s]
        found = []
        for (a, before), (b, after) in pairwise(there):
            if before == after:
                continue
            for _ in range(4 * DIGITS):
                middle = (a + b) / 2
                a, b = (middle, b) if sign(middle) == before else (a, middle)
            p = low + (high - low) * (a + b) / 2
            short = Fraction(*map(int, mpmath.libmp.to_rational(p._mpf_))).limit_denominator(SHORT)
            near = abs(mpmath.mpf(short.numerator) / short.denominator - p) < mpmath.mpf(10) ** (5 - DIGITS)
            found.append(
                sympy.Rational(short.numerator, short.denominator) if near else sympy.Rational(mpmath.nstr(p, DIGITS))
            )
        return tuple(found)
