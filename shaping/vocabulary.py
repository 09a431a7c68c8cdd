"""THE table: every name and function of the language.

The parser allows what stands here and nothing else, the exact evaluator and
the compiler look up here how to compute it, error hints list from here. A new
function of the language is a new row.

A group is the N answers to one prompt. A formula lives in one of three scopes:

    constant   the same for every group            N, k, 0.5
    group      one value a group        (P, 1)     n_pos, p, mean(r)
    answer     one value an answer      (P, N)     r, correct, r - mean(r)

`torch` is where the compiled form lives, as `module:name`, so that reading a
design does not import torch. Truth values count as 1 and 0 in arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shaping import real

CONSTANT, GROUP, ANSWER = "constant", "group", "answer"
SCOPES = (CONSTANT, GROUP, ANSWER)  # each is contained in the next


@dataclass(frozen=True)
class Signal:
    """A name a formula may read. `counted`: n_pos and N determine it, so it can be tabulated exactly."""

    name: str
    scope: str
    meaning: str
    unit: str
    counted: bool


@dataclass(frozen=True)
class Function:
    """`arity` arguments to one value, element by element."""

    name: str
    arity: tuple[int, int]  # fewest, most
    meaning: str
    exact: Callable[..., real.Real]
    torch: str
    infix: str = ""
    undefined: str = ""  # where the mask of arguments without a value lives; "" if every argument has one
    hazard: str = ""  # what such arguments make of it, for messages


@dataclass(frozen=True)
class Reduction:
    """The N values of a group to one; on a constant group exact, in floats too."""

    name: str
    meaning: str
    torch: str
    options: dict[str, int] = field(default_factory=dict)  # option → default


def _truth(value: bool | int) -> real.Fraction:
    return real.Fraction(int(bool(value)))


def _extreme(direction: int) -> Callable[..., real.Real]:
    def pick(*values: real.Real) -> real.Real:
        best = values[0]
        for value in values[1:]:
            best = value if real.compare(value, best) == direction else best
        return best

    return pick


SIGNALS = {
    row.name: row
    for row in (
        Signal("N", CONSTANT, "answers in a group", "count", True),
        Signal("n_pos", GROUP, "correct answers in the group", "count", True),
        Signal("n_neg", GROUP, "wrong answers in the group, N - n_pos", "count", True),
        Signal("p", GROUP, "share of correct answers, n_pos / N", "0 to 1", True),
        Signal(
            "correct", ANSWER, "1 if this answer's raw score passes the design's `correct:`, else 0", "0 or 1", True
        ),
        Signal("r", ANSWER, "this answer's reward, after the host's length penalties", "reward", False),
        Signal("score", ANSWER, "this answer's raw score, before any penalty", "score", False),
    )
}

OPERATORS = {
    row.name: row
    for row in (
        Function("add", (2, 2), "a + b", real.add, "operator:add", infix="+"),
        Function("subtract", (2, 2), "a - b", real.subtract, "operator:sub", infix="-"),
        Function("multiply", (2, 2), "a * b", real.multiply, "operator:mul", infix="*"),
        Function(
            "divide",
            (2, 2),
            "a / b",
            real.divide,
            "operator:truediv",
            infix="/",
            undefined="shaping.kernels:divides_by_zero",
            hazard="a division by zero",
        ),
        Function(
            "power",
            (2, 2),
            "a ** b; 0 ** 0 is 1",
            real.power,
            "operator:pow",
            infix="**",
            undefined="shaping.kernels:has_no_power",
            hazard="a power without a value",
        ),
        Function("negate", (1, 1), "-a", real.negate, "operator:neg", infix="-"),
        Function("less", (2, 2), "a < b", lambda a, b: _truth(real.compare(a, b) < 0), "operator:lt", infix="<"),
        Function("at_most", (2, 2), "a <= b", lambda a, b: _truth(real.compare(a, b) <= 0), "operator:le", infix="<="),
        Function("more", (2, 2), "a > b", lambda a, b: _truth(real.compare(a, b) > 0), "operator:gt", infix=">"),
        Function("at_least", (2, 2), "a >= b", lambda a, b: _truth(real.compare(a, b) >= 0), "operator:ge", infix=">="),
        Function("equal", (2, 2), "a == b", lambda a, b: _truth(real.compare(a, b) == 0), "operator:eq", infix="=="),
        Function("unequal", (2, 2), "a != b", lambda a, b: _truth(real.compare(a, b) != 0), "operator:ne", infix="!="),
        Function(
            "and", (2, 2), "a and b", lambda a, b: _truth(real.sign(a) and real.sign(b)), "operator:and_", infix="and"
        ),
        Function("or", (2, 2), "a or b", lambda a, b: _truth(real.sign(a) or real.sign(b)), "operator:or_", infix="or"),
        Function("not", (1, 1), "not a", lambda a: _truth(not real.sign(a)), "torch:logical_not", infix="not"),
    )
}

FUNCTIONS = {
    row.name: row
    for row in (
        Function(
            "sqrt",
            (1, 1),
            "square root",
            real.sqrt,
            "torch:sqrt",
            undefined="shaping.kernels:is_negative",
            hazard="the root of a negative number",
        ),
        Function(
            "log",
            (1, 1),
            "natural logarithm",
            real.log,
            "torch:log",
            undefined="shaping.kernels:is_not_positive",
            hazard="the logarithm of a number that is not positive",
        ),
        Function("exp", (1, 1), "e to the power of", real.exp, "torch:exp"),
        Function("abs", (1, 1), "absolute value", real.absolute, "torch:abs"),
        Function("min", (2, 16), "the smallest of its arguments", _extreme(-1), "shaping.kernels:smallest"),
        Function("max", (2, 16), "the largest of its arguments", _extreme(1), "shaping.kernels:largest"),
        Function("binomial", (2, 2), "ways to choose b of a; 0 where there is none", real.binomial, ""),
    )
}

REDUCTIONS = {
    row.name: row
    for row in (
        Reduction("sum", "sum over the group's answers", "shaping.kernels:group_sum"),
        Reduction("mean", "mean over the group's answers", "shaping.kernels:group_mean"),
        Reduction(
            "std",
            "standard deviation over the group's answers, divided by N - ddof",
            "shaping.kernels:group_std",
            options={"ddof": 0},
        ),
        Reduction("min", "the smallest of the group's answers", "shaping.kernels:group_min"),
        Reduction("max", "the largest of the group's answers", "shaping.kernels:group_max"),
    )
}

RESERVED = {*SIGNALS, *FUNCTIONS, *REDUCTIONS, "if", "else", "and", "or", "not"}
