"""What a design shall climb: an objective over p, or what a group is paid, read and in numbers.

In    'pass_at(k)' or 'phi: 1 if n_pos > 1 else 0', N, parameters
Out   Goal      phi(0) .. phi(N), its form for every N if it has one, the same from N - 1 answers

A polynomial of degree up to N is the mean of one phi, its Bernstein coefficients. Nothing is unbiased for anything
else, and the nearest there is (minimax.py) takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate
from math import comb

import mpmath

from shaping.errors import DesignError, Source, Span, located
from shaping.language.evaluate import Group
from shaping.language.expression import parse
from shaping.language.nodes import Name, Node
from shaping.language.params import fresh_name
from shaping.language.vocabulary import CONSTANT, GROUP
from shaping.objectives import minimax
from shaping.objectives.closed import Form, of_objective, of_phi
from shaping.objectives.objective import (
    OBJECTIVES,
    NoPolynomial,
    Polynomial,
    polynomial,
    read_objective,
    to_bernstein,
    trimmed,
)
from shaping.objectives.slopes import slopes
from shaping.real import Real, Undefined, Unusable

START = 9  # decimals of the constant of phi, which moves no mean gradient


class Goal:
    """An objective, or phi, for groups of N.

    text        the formula
    of_group    is it phi?
    exact       is the mean of phi the objective?
    near        if not: the nearest weight, and how near it is
    phi         phi(0) .. phi(N)
    form        phi for every N; None if it is known as numbers alone

    Args:
      non_negative: no D = A_correct(m + 1) - A_wrong(m) is negative; of an objective that needs such a D the nearest
        without one.

    Raises:
      DesignError: it cannot be read, has no value, or is the same for every p.
    """

    def __init__(self, text: str, N: int, params: Mapping[str, object], non_negative: bool = False):
        paid, _, formula = text.partition("phi:")
        self.N, self.numbers = N, {name: _number(name, given) for name, given in params.items()}
        self.of_group = bool(formula) and not paid.strip()
        self.non_negative = non_negative
        self.text = " ".join((formula if self.of_group else text).split())
        self.source = Source("phi" if self.of_group else "objective", self.text)
        self.constants: dict[str, Real] = {"N": Fraction(N), **self.numbers}
        self.node = self.read()
        self.near: minimax.Nearest | None = None
        self.target: minimax.Target | None = None
        self.form: Form | None = None
        try:
            if self.of_group:
                self.phi: list[Real] = [self.paid(n, N) for n in range(N + 1)]
                self.form = of_phi(self.text, self.numbers)
            else:
                self.phi = self.reward()
        except (Undefined, Unusable) as error:
            raise self.refused(error) from None

    @property
    def exact(self) -> bool:
        return self.near is None

    @property
    def whole(self) -> Polynomial | None:
        """The coefficients of the objective, if it is a polynomial."""
        try:
            return trimmed(polynomial(self.node, self.constants))
        except NoPolynomial:
            return None

    def reward(self) -> list[Fraction]:
        """phi: the unbiased estimate of the objective, or of the nearest one that has such an estimate."""
        whole, N = self.whole, self.N
        if whole is not None and len(whole) == 1:
            raise Unusable("the same for every p: there is nothing to climb")
        exact = to_bernstein(whole, N) if whole is not None else None
        if exact is not None and (not self.non_negative or exact == sorted(exact)):
            self.form = of_objective(self.node, self.constants)
            return exact
        if N > minimax.MAX_N:
            raise Unusable(
                f"no design is unbiased for it in groups of {N}; the nearest is looked for in groups of up to "
                f"{minimax.MAX_N}"
            )
        both = slopes(self.node, self.constants)
        self.target = minimax.Target(lambda p: both(p)[1], minimax.interval(N), N)
        self.near = self.nearest(N)
        if not any(self.near.weight):
            raise Unusable("it falls where p rises: without a negative D nothing is nearer than 0 for every answer")
        return self.sums(self.near)

    def nearest(self, N: int) -> minimax.Nearest:
        return minimax.nearest(self.target, N, self.non_negative)

    def sums(self, near: minimax.Nearest) -> list[Fraction]:
        """phi of this weight, with the mean of the objective at p = 1/2."""
        N = len(near.weight)
        sums = [Fraction(0), *accumulate(D / N for D in near.weight)]
        middle = slopes(self.node, self.constants)(mpmath.mpf(1) / 2)[0]
        start = Fraction(float(middle)) - sum(comb(N, n) * each for n, each in enumerate(sums)) / 2**N
        start = Fraction(round(start * 10**START), 10**START)
        return [start + each for each in sums]

    def read(self) -> Node:
        if not self.of_group:
            return read_objective(self.text, "objective", self.source.span, list(self.numbers))
        scopes = {"n_pos": GROUP, "n_neg": GROUP, "N": CONSTANT} | dict.fromkeys(self.numbers, CONSTANT)

        def lookup(name: str, span: Span) -> Node | None:
            return Name(name, span, scopes[name], True) if name in scopes else None

        return parse(self.text, where="phi", place=self.source.span, lookup=lookup, names=scopes)

    def paid(self, n_pos: int, N: int) -> Real:
        counts = {"N": Fraction(N), "n_pos": Fraction(n_pos), "n_neg": Fraction(N - n_pos)}
        return Group(self.numbers | counts, []).value(self.node, -1)

    def others(self) -> list[Real]:
        """The same from N - 1 answers."""
        try:
            if self.of_group:
                return [self.paid(m, self.N - 1) for m in range(self.N)]
            if not self.exact:
                return self.sums(self.nearest(self.N - 1))
            found = to_bernstein(polynomial(self.node, self.constants), self.N - 1)
        except (Undefined, Unusable) as error:
            raise self.refused(error) from None
        if found is None:
            raise DesignError(
                f"{self.text} has degree {self.N}: {_answers(self.N - 1)} cannot estimate it without bias\n"
                "hint: choose the baseline optimal or none, or a larger N"
            )
        return list(found)

    def refused(self, error: ArithmeticError) -> DesignError:
        reason = error.args[0]
        return DesignError(located(error.args[1] if error.args[1:] else self.source.span(0, len(self.text)), reason))


def _answers(count: int) -> str:
    return f"{count} other answer{'s' * (count != 1)}"


def _number(name: str, given: object) -> Fraction:
    fresh_name(name, Source("params", name).span(0, len(name)))
    if name in OBJECTIVES:
        raise DesignError(f"parameter {name!r} has the name of a function of objectives")
    try:
        return Fraction(str(given))
    except ValueError:
        raise DesignError(f"parameter {name!r} is a plain number, for example 4 or 1/3, not {given}") from None
