"""A polynomial that is not written as one: sqrt(p)**2, exp(2 * log(p)), (sqrt(p) - 1) * (sqrt(p) + 1).

In    a formula over p, N and parameters, with roots, logarithms or exponentials
Out   its coefficients, or None

Guessed from 60 digits at a few p, then proved by sympy: of what is not proved nothing is said. 1 / (1 + t) stands for
p, t positive, so that roots of p, of 1 - p and of their squares have one sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import mpmath
import sympy

from shaping import real
from shaping.language.nodes import Apply, Name, Named, Node, Number, walk
from shaping.objectives.slopes import slopes
from shaping.real import Real, Unusable
from shaping.symbols import powers

DEGREE, MORE = 32, 8  # of what is guessed, and points that have to agree
DIGITS, AGREED = 60, 30
MAX_BELOW = 10**9  # of a coefficient's denominator
MAX_OPERATIONS = 200  # of what sympy is asked about
T = sympy.Symbol("t", positive=True)
HIDING = {"sqrt", "log", "exp", "power"}


def unmasked(node: Node, constants: Mapping[str, Real]) -> list[Fraction] | None:
    """The coefficients of 1, p, p^2 ..; None if it is no polynomial of degree 32 or less, or that is not proved.

    >>> from shaping.errors import Source
    >>> from shaping.objectives.objective import read_objective
    >>> unmasked(read_objective("sqrt(p)**2 / 2", "F", Source("F", "sqrt(p)**2 / 2").span, []), {})
    [Fraction(0, 1), Fraction(1, 2)]
    """
    parts = [part for part in walk(node) if isinstance(part, Apply)]
    if len(parts) > MAX_OPERATIONS or not any(part.function.name in HIDING for part in parts):
        return None
    guess = _guessed(node, constants)
    if guess is None:
        return None
    try:
        terms = (sympy.Rational(a.numerator, a.denominator) / (1 + T) ** j for j, a in enumerate(guess))
        left = _form(node, constants) - sum(terms)
        return guess if sympy.simplify(sympy.expand(sympy.together(left))) == 0 else None
    except (powers.TooLarge, Unusable):
        return None


def _guessed(node: Node, constants: Mapping[str, Real]) -> list[Fraction] | None:
    count = DEGREE + 1 + MORE
    with mpmath.workdps(DIGITS):
        try:
            function = slopes(node, constants)
            x = [mpmath.mpf(1) / 2 - mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)) * 9 / 20 for i in range(count)]
            row = [function(p)[0] for p in x]
        except Unusable:
            return None
        near = mpmath.mpf(10) ** -AGREED * max(map(abs, row))
        differences = []
        for j in range(count):
            differences.append(row[0])
            row = [(b - a) / (x[i + j + 1] - x[i]) for i, (a, b) in enumerate(pairwise(row))]
        if any(abs(each) > near for each in differences[DEGREE + 1 :]):
            return None
        power = [mpmath.mpf(0)]
        for c, at in zip(differences[DEGREE::-1], x[DEGREE::-1], strict=True):  # power * (p - at) + c
            power = [a - at * b for a, b in zip([mpmath.mpf(0), *power], [*power, mpmath.mpf(0)], strict=True)]
            power[0] += c
        found = [Fraction(*map(int, mpmath.libmp.to_rational(a._mpf_))).limit_denominator(MAX_BELOW) for a in power]
        off = [abs(mpmath.mpf(q.numerator) / q.denominator - a) for q, a in zip(found, power, strict=True)]
        if max(off) > near * 10**9:
            return None
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found


def _form(node: Node, constants: Mapping[str, Real]) -> sympy.Expr:
    match node:
        case Number(value=value):
            return sympy.Rational(value.numerator, value.denominator)
        case Name(name=name):
            return 1 / (1 + T) if name == "p" else real.to_sympy(constants[name])
        case Named(body=body):
            return _form(body, constants)
        case Apply(function=function, operands=operands) if function.name in FORMS:
            return FORMS[function.name](*(_form(operand, constants) for operand in operands))
    raise Unusable("no polynomial in p")


def _power(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr:
    return powers.power(sympy.factor(sympy.together(a)), b)


FORMS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "negate": lambda a: -a,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": _power,
    "sqrt": lambda a: _power(a, sympy.Rational(1, 2)),
    "log": lambda a: sympy.expand_log(sympy.log(sympy.factor(sympy.together(a)))),
    "exp": lambda a: powers.exp(sympy.expand(a)),
    "pass_at": lambda k: 1 - (T / (1 + T)) ** k,
}
