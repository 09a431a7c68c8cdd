"""Powers, exponentials and binomials of sympy, where it can write them.

sympy computes 9**9**9 to the last digit, within one operation of whole numbers that no alarm can end; so what is
asked of it is looked at before. Exact arithmetic has its own limit for that (real/).
"""

from __future__ import annotations

import sympy
from sympy import Expr, Rational

MAX_BITS = 1 << 16  # of a power of a number, as in real/; of an exponent that is no fraction, its size
MAX_DRAWN = 256  # draws of a binomial that is written as a product


class TooLarge(ArithmeticError):
    """What sympy would take too long to write."""


def power(a: Expr, b: Expr) -> Expr:
    """
    >>> power(sympy.Integer(2), sympy.Integer(10))
    1024
    """
    if b.is_Rational:
        if _bits(a) * abs(b) > MAX_BITS:
            raise TooLarge("a power of too many digits")
    elif b.is_number:
        _refuse_large(b)
    return a**b


def exp(a: Expr) -> Expr:
    if a.has(sympy.exp):  # an exponential of an exponential
        raise TooLarge("an exponential of an exponential")
    if a.is_number:
        _refuse_large(a)
    elif any(abs(part) > MAX_BITS for part in a.atoms(Rational)):  # exp(10**9 log(c)) is written as c**(10**9)
        raise TooLarge("an exponential of too large a number")
    return sympy.exp(a)


def binomial(n: Expr, k: Expr) -> Expr:
    """Of two whole numbers, n not negative."""
    if min(abs(k), abs(n - k)) * int(n).bit_length() > MAX_BITS:
        raise TooLarge("a binomial of too many digits")
    return sympy.binomial(n, k)


def falling(n: Expr, k: Expr) -> Expr:
    """C(n, k) = n (n - 1) .. (n - k + 1) / k!, written out."""
    if k > MAX_DRAWN:
        raise TooLarge("a binomial of too many factors")
    return sympy.ff(n, k) / sympy.factorial(k)


def _refuse_large(a: Expr) -> None:
    if not abs(sympy.N(a, 15)) <= MAX_BITS:
        raise TooLarge("too large an exponent")


def _bits(a: Expr) -> int:
    """Of all numbers in it that are written out."""
    return sum(int(part.p).bit_length() + int(part.q).bit_length() for part in a.atoms(Rational) if abs(part) != 1)
