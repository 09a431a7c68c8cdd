"""Exact real numbers, for formulas over small whole numbers.

numbers      rationals, sums of square roots, and anything else as an operation and its operands
enclose      ever closer rationals around one
floats       the float nearest to one: rounded once, at the end, correctly; text and sympy
arithmetic   add, sqrt, compare ...
"""

from shaping.real.arithmetic import (
    absolute,
    add,
    binomial,
    compare,
    divide,
    exp,
    floor,
    log,
    log_gamma,
    multiply,
    negate,
    power,
    sigmoid,
    sign,
    sqrt,
    subtract,
    tanh,
)
from shaping.real.floats import nearest, show, to_sympy, told
from shaping.real.numbers import Fraction, General, Real, Surd, Undefined, Unusable

__all__ = [
    "Fraction",
    "General",
    "Real",
    "Surd",
    "Undefined",
    "Unusable",
    "absolute",
    "add",
    "binomial",
    "compare",
    "divide",
    "exp",
    "floor",
    "log",
    "log_gamma",
    "multiply",
    "nearest",
    "negate",
    "power",
    "show",
    "sigmoid",
    "sign",
    "sqrt",
    "subtract",
    "tanh",
    "to_sympy",
    "told",
]
