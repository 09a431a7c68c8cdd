"""What a design shall climb: an objective over p, or what a group is paid, read and in numbers.

In    'pass_at(k)' or 'phi: 1 if n_pos > 1 else 0', N, parameters
Out   Goal      phi(0) .. phi(N), its form for every N if it has one, the same from N - 1 answers
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import numpy as np

from shaping.errors import DesignError, Source, Span, located
from shaping.language.evaluate import Group
from shaping.language.expression import parse
from shaping.language.nodes import Name, Node
from shaping.language.params import fresh_name
from shaping.language.vocabulary import CONSTANT, GROUP
from shaping.objectives.baselines import numeric, posterior_means, reward_for
from shaping.objectives.closed import Form, of_objective, of_phi
from shaping.objectives.bernstein import values
from shaping.objectives.objective import OBJECTIVES, polynomial, read_objective, to_bernstein
from shaping.objectives.recognize import climbs
from shaping.real import Real, Undefined, Unusable

POINTS = 50  # at which a gap is looked for


class Goal:
    """An objective, or phi, for groups of N.

    text        the formula
    of_group    is it phi?
    exact       is the mean of phi the objective?
    phi         phi(0) .. phi(N)
    form        phi for every N; None if it is known as numbers alone

    Raises:
      DesignError: it cannot be read, or has no value.
    """

    def __init__(self, text: str, N: int, params: Mapping[str, object]):
        paid, _, formula = text.partition("phi:")
        self.N, self.numbers = N, {name: _number(name, given) for name, given in params.items()}
        self.of_group = bool(formula) and not paid.strip()
        self.text = " ".join((formula if self.of_group else text).split())
        self.source = Source("phi" if self.of_group else "objective", self.text)
        self.constants: dict[str, Real] = {"N": Fraction(N), **self.numbers}
        self.exact = True
        self.node = self.read()
        try:
            if self.of_group:
                self.phi = [self.paid(n, N) for n in range(N + 1)]
            else:
                self.phi, self.exact = reward_for(self.node, N, self.constants)
        except (Undefined, Unusable) as error:
            raise self.refused(error) from None
        self.form: Form | None = None
        if self.of_group:
            self.form = of_phi(self.text, self.numbers)
        elif self.exact:
            self.form = of_objective(self.node, self.constants)

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
                return list(posterior_means(self.node, self.N - 1, self.constants))
            found = to_bernstein(polynomial(self.node, self.constants), self.N - 1)
        except (Undefined, Unusable) as error:
            raise self.refused(error) from None
        if found is None:
            raise DesignError(
                f"{self.text} has degree {self.N}: {self.N - 1} other answers cannot estimate it without bias\n"
                "hint: choose the baseline optimal or none, or a larger N"
            )
        return list(found)

    def refused(self, error: ArithmeticError) -> DesignError:
        reason = error.args[0]
        return DesignError(located(error.args[1] if error.args[1:] else self.source.span(0, len(self.text)), reason))

    def gap(self) -> str:
        """How far the gradient is from that of an objective that it is not unbiased for."""
        import mpmath

        N, own = self.N, numeric(self.node, self.constants)
        weight = [N * (after - before) for before, after in pairwise(self.phi)]
        points = [1 / N + (1 - 2 / N) * i / POINTS for i in range(POINTS + 1)]
        slopes = [float(mpmath.diff(own, p)) for p in points]
        gaps = [abs(w - slope) for w, slope in zip(values(weight, np.array(points)), slopes, strict=True)]
        share = max(gap / abs(slope) if slope else 1.0 for gap, slope in zip(gaps, slopes, strict=True))
        of = "its derivative"
        if share >= 1:  # where that is nearly 0
            share, of = max(gaps) / max(map(abs, slopes)), "its steepest derivative"
        found = f"the weight is within {100 * share:.2g} % of {of} for p from 1/{N} to {N - 1}/{N}"
        exact = climbs(weight)
        return f"{found}, and that of {exact.objective}" if exact and exact.factor == 1 else found


def _number(name: str, given: object) -> Fraction:
    fresh_name(name, Source("params", name).span(0, len(name)))
    if name in OBJECTIVES:
        raise DesignError(f"parameter {name!r} has the name of a function of objectives")
    try:
        return Fraction(str(given))
    except ValueError:
        raise DesignError(f"parameter {name!r} is a plain number, for example 4 or 1/3, not {given}") from None
