"""THE table: every name and function of the language.

The parser allows what stands here and nothing else, the exact evaluator and
the compiler look up here how to compute it, error hints and docs/language.md
list from here. A new function of the language is a new row.

A group is the N answers to one prompt, a batch the P groups of one training
step. A formula has one of five scopes, each contained in the next:

    constant   the same in a whole step          N, k, progress
    batch      one value a batch      (1, 1)     P, std(r, over=batch)
    group      one value a group      (P, 1)     n_pos, p, mean(r)
    answer     one value an answer    (P, N)     r, correct, r - mean(r)
    token      one value a token      (B, T)     token_logprob; under `token:` alone

`torch` is where the compiled form lives, as `module:name`, so that reading a
design does not import torch. Truth values count as 1 and 0 in arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shaping import real

CONSTANT, BATCH, GROUP, ANSWER, TOKEN = "constant", "batch", "group", "answer", "token"
SCOPES = (CONSTANT, BATCH, GROUP, ANSWER, TOKEN)


@dataclass(frozen=True)
class Signal:
    """A name a formula may read. `counted`: n_pos, N and the time decide it, so it can be tabulated exactly."""

    name: str
    scope: str
    meaning: str
    unit: str
    counted: bool = False
    section: str = ""  # the one section of a file in which it exists; "" for everywhere


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
    """The values of a group (of a batch, of an answer's tokens) to one, or to one for `each` of them."""

    name: str
    meaning: str
    torch: str
    arguments: tuple[str, ...] = ()  # constants after the first argument
    options: dict[str, int] = field(default_factory=dict)  # option → default
    each: bool = False
    selects: bool = True  # takes where=, and over=batch
    empty: bool = False  # has a value where nothing is selected
    fewest: int = 1  # values that it needs, if not `empty`; `ddof` more of them


def _truth(value: bool | int) -> real.Fraction:
    return real.Fraction(int(bool(value)))


def _extreme(direction: int) -> Callable[..., real.Real]:
    def pick(*values: real.Real) -> real.Real:
        best = values[0]
        for value in values[1:]:
            best = value if real.compare(value, best) == direction else best
        return best

    return pick


def _clip(value: real.Real, low: real.Real, high: real.Real) -> real.Real:
    return _extreme(-1)(_extreme(1)(value, low), high)


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
        Signal("r", ANSWER, "this answer's reward, after the host's length penalties", "reward"),
        Signal("score", ANSWER, "this answer's raw score, before any penalty", "score"),
        Signal("length", ANSWER, "tokens of this answer", "count"),
        Signal(
            "logprob",
            ANSWER,
            "mean log-probability of its tokens under the policy, before this step changes it",
            "nats a token",
        ),
        Signal("surprisal", ANSWER, "-logprob; its mean over a group estimates the policy's entropy", "nats a token"),
        Signal("truncated", ANSWER, "1 if this answer was cut off at the length limit, else 0", "0 or 1"),
        Signal("P", BATCH, "groups in the batch", "count"),
        Signal("step", CONSTANT, "training steps done before this one", "count", True),
        Signal(
            "total_steps",
            CONSTANT,
            "training steps of the run; with dynamic filtering more than it will have",
            "count",
            True,
        ),
        Signal("progress", CONSTANT, "step / total_steps", "0 to 1", True),
        Signal(
            "drawn", ANSWER, "sum of the advantages of the draws that this answer is in", "advantage", section="draws"
        ),
        Signal("A", ANSWER, "the answer's advantage", "advantage", section="token"),
        Signal("token_logprob", TOKEN, "log-probability of this token under the policy", "nats", section="token"),
        Signal("token_surprisal", TOKEN, "-token_logprob", "nats", section="token"),
        Signal("position", TOKEN, "place of this token in its answer, from 0", "count", section="token"),
    )
}
TIME = ("step", "total_steps", "progress")

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
            "shaping.kernels:power",
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
        Function("sign", (1, 1), "-1, 0 or 1", lambda a: real.Fraction(real.sign(a)), "torch:sign"),
        Function("floor", (1, 1), "the largest whole number that is not larger", real.floor, "torch:floor"),
        Function("clip", (3, 3), "a, but at least b and at most c", _clip, "shaping.kernels:clip"),
        Function("sigmoid", (1, 1), "1 / (1 + exp(-a))", real.sigmoid, "shaping.kernels:sigmoid"),
        Function("tanh", (1, 1), "hyperbolic tangent", real.tanh, "torch:tanh"),
        Function(
            "log_gamma",
            (1, 1),
            "logarithm of the gamma function",
            real.log_gamma,
            "torch:lgamma",
            undefined="shaping.kernels:is_not_positive",
            hazard="log_gamma of a number that is not positive",
        ),
        Function("min", (2, 16), "the smallest of its arguments", _extreme(-1), "shaping.kernels:smallest"),
        Function("max", (2, 16), "the largest of its arguments", _extreme(1), "shaping.kernels:largest"),
        Function("binomial", (2, 2), "ways to choose b of a; 0 where there is none", real.binomial, ""),
    )
}

REDUCTIONS = {
    row.name: row
    for row in (
        Reduction("sum", "sum", "shaping.kernels:total", empty=True),
        Reduction("count", "how many of these conditions hold", "shaping.kernels:count", empty=True),
        Reduction("mean", "mean", "shaping.kernels:mean"),
        Reduction(
            "std",
            "standard deviation, divided by how many there are less ddof",
            "shaping.kernels:std",
            options={"ddof": 0},
        ),
        Reduction("var", "the square of std", "shaping.kernels:var", options={"ddof": 0}),
        Reduction("min", "the smallest", "shaping.kernels:least"),
        Reduction("max", "the largest", "shaping.kernels:most"),
        Reduction(
            "quantile",
            "the value at share q of the sorted values, 0 to 1, between two of them in proportion",
            "shaping.kernels:quantile",
            ("q",),
        ),
        Reduction("rank", "for each: how many are smaller", "shaping.kernels:rank", each=True, empty=True),
        Reduction(
            "others_mean",
            "for each answer: the mean over the other answers",
            "shaping.kernels:others_mean",
            each=True,
            selects=False,
            fewest=2,
        ),
        Reduction(
            "max_of", "mean of the maximum over all draws of k answers", "shaping.kernels:max_of", ("k",), selects=False
        ),
        Reduction(
            "max_with",
            "for each answer: the same over the draws that contain it",
            "shaping.kernels:max_with",
            ("k",),
            each=True,
            selects=False,
        ),
        Reduction(
            "max_without",
            "for each answer: the same over the draws that do not",
            "shaping.kernels:max_without",
            ("k",),
            each=True,
            selects=False,
        ),
    )
}

RESERVED = {*SIGNALS, *FUNCTIONS, *REDUCTIONS, "reward", "if", "else", "and", "or", "not"}
