"""What is seen of a value over c correct and d wrong answers, both whole and positive: its sign, or that it is 0.

Of a value that is not understood nothing is said: None, or False.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from sympy import Expr, Symbol

C, D = Symbol("c", positive=True, integer=True), Symbol("d", positive=True, integer=True)
MAX_OPERATIONS, MAX_DEGREE = 2_000, 256


class NoForm(Exception):
    """The design has a part that is not understood in symbols."""


def sign_of(value: Expr) -> int | None:
    """-1, 0 or 1 if it is the same for all values of the symbols, as far as is seen."""
    for form in _forms(value):
        if form.is_positive or form.is_negative:
            return 1 if form.is_positive else -1
    return 0 if is_zero(value) else None


def has_sign(value: Expr | None, sign: int) -> bool:
    """Is it of this sign, or 0? A root is not negative wherever it has a value."""
    if value is None:
        return True
    value = value.replace(_is_root, lambda e: sympy.Dummy("root", positive=True))
    return any(form.is_nonnegative if sign > 0 else form.is_nonpositive for form in _forms(value))


def is_zero(value: Expr) -> bool:
    """Is this 0 for all values of its symbols? False also where that was not found out."""
    value = sympy.sympify(value)
    if value.is_number:
        return bool(value.equals(0))
    _refuse_large(value)
    roots = value.replace(
        _is_root,
        lambda e: sympy.factor(sympy.together(e.base)) ** e.exp,
    )
    top = sympy.expand(sympy.fraction(sympy.together(roots))[0])
    return top == 0


def is_of_size(value: Expr) -> bool:
    """Is it the same for all mixed groups of N, so that it depends on c and d through c + d alone?

    >>> is_of_size(C * (C + D) / C), is_of_size(C / D), is_of_size(Symbol("C(d,param_k)"))
    (True, False, False)
    """
    if any(symbol.name.startswith("C(") and not symbol.name.startswith(f"C({C + D},") for symbol in value.free_symbols):
        return False
    return is_zero(value.subs(C, C + 1) - value.subs(D, D + 1))


def _is_root(part: Expr) -> bool:
    """A square root, or a whole power of one."""
    return part.is_Pow and part.exp.is_Rational and part.exp.q == 2


def _forms(value: Expr) -> Iterator[Expr]:
    """The same with c and d as they are, and as 1 + something: c + d - 1 is positive."""
    _refuse_large(value)
    yield (value := sympy.factor(sympy.together(value)))
    more = {symbol: 1 + Symbol(f"{symbol}0", nonnegative=True, integer=True) for symbol in (C, D)}
    top, bottom = (sympy.expand(part) for part in sympy.fraction(sympy.together(value.subs(more))))
    yield top / bottom


def _refuse_large(value: Expr) -> None:
    """What could not be multiplied out: (c + d)**1000 has a thousand terms, and a product of such a million."""
    exponents = {part.base: abs(part.exp) for part in value.atoms(sympy.Pow) if part.exp.is_Rational}
    if (
        value.count_ops() > MAX_OPERATIONS
        or sum(exponents.get(part, 1) for part in value.atoms(sympy.Add)) > MAX_DEGREE
    ):
        raise NoForm("too large")
