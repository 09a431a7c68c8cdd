"""An objective and its derivative at a value of p, in mpmath: what is no polynomial has no coefficients to look at.

In    a formula over p, N and parameters
Out   p → (F(p), F'(p)), by the rules of differentiation; as many digits as mpmath is set to
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import mpmath
from mpmath import mpf

from shaping import real
from shaping.language.nodes import Apply, Name, Named, Node, Number, walk
from shaping.objectives.objective import OBJECTIVES
from shaping.real import Real, Unusable

Dual = tuple[mpf, mpf]  # a value and its derivative
MAX_EXPONENT = 1_000_000  # of e: what follows could not be computed with, and mpmath would try
TRIED = [mpf(1) / 10_000, *(mpf(i) / 64 for i in range(1, 64)), 1 - mpf(1) / 10_000]


def slopes(node: Node, constants: Mapping[str, Real]) -> Callable[[mpf], Dual]:
    """The objective as a function of p; a value of p for which it has no value is found before.

    Raises:
      Unusable: it has a function that an objective has not, or no value for some p.
    """
    found = _dual(node, constants)

    def both(p: mpf) -> Dual:
        try:
            value, slope = found(p)
        except (ZeroDivisionError, ValueError):
            raise Unusable("no value for some p between 0 and 1") from None
        if not all(isinstance(each, mpf) and mpmath.isfinite(each) for each in (value, slope)):
            raise Unusable("no value for some p between 0 and 1")
        return value, slope

    for p in TRIED:
        both(p)
    for part in walk(node):
        if isinstance(part, Apply) and part.function.name in ("divide", "power"):
            _refuse_pole(part, constants)
    return both


def _refuse_pole(node: Apply, constants: Mapping[str, Real]) -> None:
    """What is divided by passes 0 between two values of p that are tried: 1 / (p - 1/3)."""
    a, b = (_dual(operand, constants) for operand in node.operands)
    if node.function.name == "power" and any(b(p)[0] >= 0 for p in TRIED):
        return
    signs = {mpmath.sign((b if node.function.name == "divide" else a)(p)[0]) for p in TRIED}
    if len(signs) > 1:
        raise Unusable("no value for some p between 0 and 1")


def _dual(node: Node, constants: Mapping[str, Real]) -> Callable[[mpf], Dual]:
    match node:
        case Number(value=value):
            return lambda p: (_number(value), mpf(0))
        case Name(name=name):
            return (lambda p: (p, mpf(1))) if name == "p" else lambda p: (_number(constants[name]), mpf(0))
        case Named(body=body):
            return _dual(body, constants)
        case Apply(function=function, operands=operands) if function.name in RULES:
            parts = [_dual(operand, constants) for operand in operands]
            rule = RULES[function.name]
            if function.name in OBJECTIVES:  # of p, whose chance it is
                return lambda p: rule(p, *(part(p)[0] for part in parts))
            return lambda p: rule(*(part(p) for part in parts))
    name = node.function.name if isinstance(node, Apply) else "this"
    raise Unusable(f"{name} is not part of an objective; there are {', '.join(RULES)}")


def _number(value: Real) -> mpf:
    if isinstance(value, real.Fraction):
        return mpf(value.numerator) / value.denominator
    return mpf(real.to_sympy(value).evalf(mpmath.mp.dps))


def _exp(a: mpf) -> mpf:
    if isinstance(a, mpf) and abs(a) > MAX_EXPONENT:
        raise Unusable("a value too large or too small to compute with, for some p")
    return mpmath.exp(a)


def _power(a: Dual, b: Dual) -> Dual:
    if b[1] == 0 and (b[0] == int(b[0]) or a[0] == 0):
        exponent = int(b[0]) if b[0] == int(b[0]) else b[0]
        if a[0]:
            _exp(exponent * mpmath.log(abs(a[0])))
        return a[0] ** exponent, exponent * a[0] ** (exponent - 1) * a[1] if exponent else mpf(0)
    if a[0] < 0:
        raise ValueError("a power of a negative number that is not whole")
    value = _exp(b[0] * mpmath.log(a[0]))
    return value, value * (b[1] * mpmath.log(a[0]) + b[0] * a[1] / a[0])


def _sigmoid(a: Dual) -> Dual:
    value = 1 / (1 + _exp(-a[0]))
    return value, value * (1 - value) * a[1]


def _tanh(a: Dual) -> Dual:
    value = mpmath.tanh(a[0])
    return value, (1 - value**2) * a[1]


def _sqrt(a: Dual) -> Dual:
    root = mpmath.sqrt(a[0])
    return root, a[1] / (2 * root)


def _exponential(a: Dual) -> Dual:
    value = _exp(a[0])
    return value, value * a[1]


RULES: dict[str, Callable[..., Dual]] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "subtract": lambda a, b: (a[0] - b[0], a[1] - b[1]),
    "negate": lambda a: (-a[0], -a[1]),
    "multiply": lambda a, b: (a[0] * b[0], a[1] * b[0] + a[0] * b[1]),
    "divide": lambda a, b: (a[0] / b[0], (a[1] - a[0] / b[0] * b[1]) / b[0]),
    "power": _power,
    "sqrt": _sqrt,
    "log": lambda a: (mpmath.log(a[0]), a[1] / a[0]),
    "exp": _exponential,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "pass_at": lambda p, k: (1 - (1 - p) ** k, k * (1 - p) ** (k - 1)),
    "log_p": lambda p, k: (-mpmath.fsum((1 - p) ** j / j for j in range(1, int(k) + 1)), (1 - (1 - p) ** k) / p),
}
