"""What a design climbs as groups grow: the limit of w(p), where its formulas have one.

In    Design
Out   Limit       N^power w(p) -> weight(p), and the familiar objective with that derivative
      Pieces      several, for intervals of p

In a large group n_pos = p N, so that w(p) is D = A_correct(p N + 1) - A_wrong(p N). Every value of the formulas is
expanded in powers of 1/N with sympy expressions in p and q = 1 - p as coefficients, to three orders below the
largest (large.py, series.py). A condition on p cuts 0..1 in two where it changes, and each piece has a limit of its
own. What does not fit, such as log(n_pos), is `NotFound` and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import sympy

from shaping import real
from shaping.design import Design, Moment
from shaping.objectives.large import MAX_DRAWS, LargeGroup
from shaping.objectives.recognize import arcsin_text
from shaping.symbols.crossings import P, Q
from shaping.symbols.powers import TooLarge
from shaping.symbols.series import TINY, Crosses, NotFound, NoValue, Series, values, within

MAX_PIECES = 16
MAX_OPERATIONS = 60  # of an expression that sympy is asked to simplify


@dataclass(frozen=True)
class Limit:
    power: Fraction  # N^power w(p) has the limit
    weight: str
    objective: str | None  # None if it is not among the familiar ones
    factor: str = "1"  # weight = factor * the derivative of objective


@dataclass(frozen=True)
class Piece:
    low: str  # the limit for p from here
    high: str  # to here, both ends left out
    limit: Limit | str  # or why none is found


@dataclass(frozen=True)
class Pieces:
    """A limit that is another for some p than for others."""

    pieces: tuple[Piece, ...]


def limit(design: Design, moment: Moment | None = None) -> Limit | Pieces:
    """The limit of the weight of a design that verdicts decide.

    Raises:
      NotFound: there is none, or not one that can be found like this.

    Example:
      >>> from shaping import load, loads
      >>> limit(load("configs/passk.yaml", k=2))
      Limit(power=Fraction(0, 1), weight='1/sqrt(1 - q**2)', objective='arcsin sqrt(pass_at(2))', factor='1')
      >>> [(each.low, each.high, each.limit.weight) for each in limit(loads("advantage: r if p < 0.3 else 0")).pieces]
      [('0', '3/10', '1'), ('3/10', '1', '0')]
    """
    constants = design.constants(moment)
    pieces, left = [], [(sympy.Integer(0), sympy.Integer(1))]
    while left:
        interval = left.pop()
        with within(interval):
            try:
                found = _limit(design, constants)
            except Crosses as crosses:
                ends = [interval[0], *crosses.at, interval[1]]
                left += reversed(list(pairwise(ends)))
                if len(pieces) + len(left) > MAX_PIECES:
                    raise NotFound(f"conditions cut 0..1 into more than {MAX_PIECES} pieces") from None
                continue
            except NotFound as why:
                if interval == (0, 1):
                    raise
                found = str(why)
        pieces.append((*interval, found))
    joined = [pieces[0]]
    for low, high, found in pieces[1:]:
        if found == joined[-1][2]:
            joined[-1] = (joined[-1][0], high, found)
        else:
            joined.append((low, high, found))
    if len(joined) > 1:
        return Pieces(tuple(Piece(_end(low), _end(high), found) for low, high, found in joined))
    if isinstance(joined[0][2], str):
        raise NotFound(joined[0][2])
    if joined[0][2].weight == "0":
        raise NotFound("the weight is 0")
    return joined[0][2]


def _end(p: sympy.Rational) -> str:
    return str(p) if p.q < 10**6 else f"{float(p):.6g}"


def _limit(design: Design, constants: Mapping[str, real.Real]) -> Limit:
    """For all p of the interval."""
    try:
        one_more = Series({Fraction(1): P, Fraction(0): sympy.Integer(1)})
        right = LargeGroup(constants, one_more).value(design.advantage, 0)
        wrong = LargeGroup(constants, Series({Fraction(1): P})).value(design.advantage, 1)
    except NoValue:
        raise NotFound("the formulas have no value for large groups") from None
    except (TooLarge, real.Undefined, real.Unusable) as error:
        raise NotFound(error.args[0]) from None
    difference = right - wrong
    if difference.is_zero():
        if difference.error is not None:
            raise NotFound("large terms cancel")
        return Limit(Fraction(0), "0", None)
    power, coefficient = difference.leading()
    objective, factor = _familiar(coefficient, list(constants.values()))
    return Limit(-power, _text(_shortest(coefficient)), objective, _text(factor))


# ── The answer in words ─────────────────────────────────────────────────────


def _familiar(weight: sympy.Expr, params: Sequence[real.Real]) -> tuple[str | None, sympy.Expr]:
    """The objective whose derivative is `weight` up to a number, and that number."""
    counts = [int(k) for k in params if isinstance(k, Fraction) and k.denominator == 1 and 2 <= k <= MAX_DRAWS]
    slopes = {
        "p": sympy.Integer(1),
        "log(p)": 1 / P,
        "-log(1 - p)": 1 / Q,
        "log(p / (1 - p))": 1 / (P * Q),
        arcsin_text(1): 1 / sympy.sqrt(P * Q),
    }
    for k in dict.fromkeys([*counts, *range(2, 9)]):
        slopes |= {
            f"pass_at({k})": k * Q ** (k - 1),
            f"p**{k}": k * P ** (k - 1),
            arcsin_text(k): Q ** (sympy.Rational(k, 2) - 1) / sympy.sqrt(1 - Q**k),
        }
    tried = values(weight)
    for name, slope in slopes.items():
        ratios = [a / b for a, b in zip(tried, values(slope), strict=True)]
        if all(abs(ratio / ratios[0] - 1) < TINY for ratio in ratios):
            factor = min(_forms(weight / slope), key=sympy.count_ops)
            if factor.is_number:
                return name, factor
    return None, sympy.Integer(1)


def _forms(expression: sympy.Expr) -> list[sympy.Expr]:
    """The same in p, in q and in both."""
    forms = [expression, expression.subs(P, 1 - Q), expression.subs(Q, 1 - P)]
    if sympy.count_ops(expression) <= MAX_OPERATIONS and not any(
        each.free_symbols for each in expression.atoms(sympy.exp)
    ):
        forms += [sympy.simplify(form) for form in forms]
    return forms + [form.subs({1 - Q: P, 1 - P: Q}) for form in forms]


def _shortest(expression: sympy.Expr) -> sympy.Expr:
    return min(_forms(expression), key=lambda form: (len(_text(form)), str(form)))


def _text(expression: sympy.Expr) -> str:
    return str(expression).replace("sqrt(p)*sqrt(q)", "sqrt(p*q)").replace("(sqrt(p*q))", "sqrt(p*q)")
