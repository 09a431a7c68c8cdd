"""Exact real numbers, for formulas over small whole numbers.

numbers      rationals, sums of square roots, and anything else as an operation and its operands
enclose      ever closer rationals around one
cancel       what is a rational after all, such as log 6 - log 2 - log 3
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
from shaping.real.cancel import settled
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
    "settled",
    "show",
    "sigmoid",
    "sign",
    "sqrt",
    "subtract",
    "tanh",
    "to_sympy",
    "told",
]
