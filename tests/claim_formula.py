"""The formulas of claims, evaluated for one group: numbers, and lists with one number an answer; and their objectives.

Its own reading of docs/language.md, by Python's grammar; shares nothing with shaping.language.

>>> from fractions import Fraction
>>> evaluate("max(A) <= 1/2 and n_pos == 1", Frame({"n_pos": 1}, {"A": [Fraction(1, 2), Fraction(-1, 2)]}))
True
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb, floor

import mpmath
import sympy


@dataclass(frozen=True)
class Frame:
    """The names of a group, and those that have one value an answer."""

    shared: Mapping[str, object]
    answers: Mapping[str, list]


def close(a, b, size=0) -> bool:
    """Equal: exactly if both are fractions, else to 40 digits of the largest of them, `size` and 1."""
    if isinstance(a, int | Fraction) and isinstance(b, int | Fraction):
        return a == b
    a, b, size = _mp(a), _mp(b), _mp(size)
    return abs(a - b) <= mpmath.mpf(10) ** -40 * max(abs(a), abs(b), size, mpmath.mpf(1))


def less(a, b) -> bool:
    """Smaller by more than rounding."""
    if isinstance(a, int | Fraction) and isinstance(b, int | Fraction):
        return a < b
    return _mp(a) < _mp(b) and not close(a, b)


def evaluate(text: str, frame: Frame):
    return _value(ast.parse(text.strip(), mode="eval").body, frame)


def each(function, *values):
    """The function of numbers, for every answer where a value has one an answer."""
    sizes = {len(value) for value in values if isinstance(value, list)}
    if not sizes:
        return function(*alike(values))
    (size,) = sizes
    columns = [value if isinstance(value, list) else [value] * size for value in values]
    return [function(*alike(row)) for row in zip(*columns, strict=True)]


def power(a, b):
    if isinstance(b, int | Fraction) and b == int(b) and isinstance(a, int | Fraction):
        return Fraction(a) ** int(b)
    return mpmath.power(_mp(a), _mp(b))


def alike(values):
    """All fractions, or all mpmath's: those two do not mix."""
    return list(values) if all(isinstance(value, int | Fraction) for value in values) else [_mp(v) for v in values]


def _mp(value):
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, int | Fraction) else value


OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: Fraction(a) / b if isinstance(a, int) else a / b,
    ast.Pow: power,
}
COMPARE = {
    ast.Eq: close,
    ast.NotEq: lambda a, b: not close(a, b),
    ast.Lt: lambda a, b: less(a, b),
    ast.LtE: lambda a, b: not less(b, a),
    ast.Gt: lambda a, b: less(b, a),
    ast.GtE: lambda a, b: not less(a, b),
}
FUNCTIONS = {
    "sqrt": lambda a: mpmath.sqrt(_mp(a)),
    "log": lambda a: mpmath.log(_mp(a)),
    "exp": lambda a: mpmath.exp(_mp(a)),
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "floor": lambda a: Fraction(floor(a)),
    "clip": lambda a, low, high: min(max(a, low), high),
    "binomial": lambda a, b: Fraction(comb(int(a), int(b)) if a >= b >= 0 else 0),
}


def _mean(values):
    return sum(values, Fraction(0)) / len(values)


def _var(values, ddof=0):
    middle = _mean(values)
    return sum(((value - middle) ** 2 for value in values), Fraction(0)) / (len(values) - int(ddof))


REDUCTIONS = {
    "sum": lambda values: sum(values, Fraction(0)),
    "mean": _mean,
    "min": min,
    "max": max,
    "count": lambda values: sum(1 for value in values if value),
    "var": _var,
    "std": lambda values, ddof=0: mpmath.sqrt(_mp(_var(values, ddof))),
}


def _value(node, frame):
    match node:
        case ast.Constant(value=value):
            return Fraction(str(value))
        case ast.Name(id=name):
            return frame.answers[name] if name in frame.answers else frame.shared[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return each(operator.neg, _value(operand, frame))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return each(operator.not_, _value(operand, frame))
        case ast.BinOp(left=left, op=op, right=right):
            return each(OPERATORS[type(op)], _value(left, frame), _value(right, frame))
        case ast.BoolOp(op=op, values=values):
            join = (lambda *all_: all(all_)) if isinstance(op, ast.And) else (lambda *any_: any(any_))
            return each(join, *(_value(value, frame) for value in values))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(side, frame) for side in (left, *others)]
            holds = [each(COMPARE[type(op)], sides[i], sides[i + 1]) for i, op in enumerate(ops)]
            return each(lambda *all_: all(all_), *holds)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            branches = (_value(part, frame) for part in (test, body, orelse))
            return each(lambda condition, a, b: a if condition else b, *branches)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return _call(name, [_value(a, frame) for a in arguments], {k.arg: k.value for k in keywords}, frame)
    raise ValueError(f"not in a formula of a claim: {ast.unparse(node)}")


def _call(name, arguments, keywords, frame):
    if name in FUNCTIONS or (name in ("min", "max") and len(arguments) > 1):
        return each(FUNCTIONS.get(name) or REDUCTIONS_OF_TWO[name], *arguments)
    (values,) = arguments
    options = {key: _value(value, frame) for key, value in keywords.items()}
    where = options.pop("where", [True] * len(values))
    chosen = [value for value, holds in zip(values, where, strict=True) if holds]
    if name == "rank":
        return [sum(1 for one in chosen if less(one, value)) for value in values]
    return REDUCTIONS[name](alike(chosen), **options)


REDUCTIONS_OF_TWO = {"min": min, "max": max}


def bernstein(objective: str, N: int, values) -> list[Fraction] | None:
    """The coefficients of dF/dp over C(N-1, m) p^m (1-p)^(N-1-m); None if its degree is above N - 1."""
    p = sympy.Symbol("p")
    names = {name: sympy.Rational(v.numerator, v.denominator) for name, v in values.items()} | {"p": p, "N": N}
    names["pass_at"] = lambda k: 1 - (1 - p) ** k
    names["log_p"] = lambda m: -sum((1 - p) ** j / sympy.Integer(j) for j in range(1, int(m) + 1))
    slope = sympy.Poly(sympy.diff(sympy.sympify(objective, names), p), p)
    a = [Fraction(int(c.p), int(c.q)) for c in reversed(slope.all_coeffs())]
    if len(a) > N:
        return None
    return [sum((Fraction(comb(m, i), comb(N - 1, i)) * c for i, c in enumerate(a)), Fraction(0)) for m in range(N)]
