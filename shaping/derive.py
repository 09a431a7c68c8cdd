"""From an objective to a design: `derive("pass_at(k)", 16, "others_mean", {"k": 4})` is the text of a file.

    A_correct = N (phi(n_pos) - b(n_pos - 1)),  A_wrong = N (phi(n_pos) - b(n_pos))

phi is what the group is paid, its mean is the objective (objective.py). b, a function of how many of the OTHER N - 1
answers are correct, changes the variance and not the mean:

    none           0
    others_mean    what the other N - 1 answers alone would be paid
    optimal        least variance of the gradient, averaged over p with a Beta density, uniform if none is given

phi is written with binomials where that holds for every N and parameter; else as numbers for this N, and then the
design has no value for another. What is written is read back and has to give the advantages that were derived.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from shaping.baselines import numeric, optimal, posterior_means, reward_for
from shaping.closed import Sum, indicators, newton, of_objective, of_phi
from shaping.design import loads
from shaping.dynamics import value
from shaping.errors import DesignError, Source, Span, located, names_hint
from shaping.evaluate import Group
from shaping.exact import verdict_pair
from shaping.expression import parse
from shaping.nodes import Name, Node
from shaping.objective import OBJECTIVES, polynomial, read_objective, to_bernstein
from shaping.params import fresh_name
from shaping.real import Real, Undefined, Unusable, multiply, nearest, subtract
from shaping.recognize import climbs
from shaping.vocabulary import CONSTANT, GROUP

BASELINES = {
    "none": "no baseline",
    "others_mean": "b is the same from the other N - 1 answers alone",
    "optimal": "b has the least variance of all that see the other answers alone",
}
WIDTH = 118
DIGITS = 6  # of an optimal baseline without short fractions
LONG = 400  # characters of an exact one
POINTS = 50


def derive(
    text: str,
    N: int,
    baseline: str = "others_mean",
    params: Mapping[str, object] | None = None,
    weighting: tuple[int, int] = (1, 1),
) -> str:
    """The text of a design whose mean gradient is that of an objective.

    Args:
      text: an objective over p, N and params, such as 'pass_at(k)', 'p + p**2', 'log_p(N)', 'log(p)'; or what a
        group is paid, over n_pos, n_neg, N and params: 'phi: 1 if n_pos > 1 else 0'.
      baseline: 'none', 'others_mean' or 'optimal'.
      weighting: of 'optimal': the Beta density over p, two whole numbers from 1; (1, 1) is uniform.

    Raises:
      DesignError: the text cannot be read, has no value, or no estimate from N - 1 answers that others_mean could be.

    Example:
      >>> print(derive("p", 8).partition("let:")[2])      # RLOO
      <BLANKLINE>
        phi: n_pos / N
        b_correct: (n_pos - 1) / (N - 1)
        b_wrong: n_pos / (N - 1)
      <BLANKLINE>
      advantage:
        correct: N * (phi - b_correct)
        wrong: N * (phi - b_wrong)
      <BLANKLINE>
      claims:
        - unbiased_for: p
      <BLANKLINE>
    """
    if baseline not in BASELINES:
        raise DesignError(f"unknown baseline {baseline!r}\nhint: {names_hint(baseline, BASELINES, 'baselines')}")
    if not all(isinstance(each, int) and each >= 1 for each in weighting):
        raise DesignError(f"a Beta{weighting} weighting: two whole numbers from 1, (1, 1) is uniform")
    if N < 2:
        raise DesignError(f"a group of {N} compares nothing: derive for groups of 2 or more")
    goal = _Goal(text, N, {name: _number(name, given) for name, given in (params or {}).items()})
    return _written(goal, baseline, weighting)


class _Goal:
    """The objective, read: phi(0) .. phi(N), and what is known of it."""

    def __init__(self, text: str, N: int, numbers: dict[str, Fraction]):
        paid, _, formula = text.partition("phi:")
        self.N, self.numbers = N, numbers
        self.of_group = bool(formula) and not paid.strip()
        self.text = " ".join((formula if self.of_group else text).split())
        self.source = Source("phi" if self.of_group else "objective", self.text)
        self.constants: dict[str, Real] = {"N": Fraction(N), **numbers}
        self.exact = True
        self.node = self.read()
        try:
            if self.of_group:
                self.phi = [self.paid(n, N) for n in range(N + 1)]
            else:
                self.phi, self.exact = reward_for(self.node, N, self.constants)
        except (Undefined, Unusable) as error:
            raise self.refused(error) from None
        self.form: Sum | None = None
        if self.of_group:
            self.form = of_phi(self.text, numbers)
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
        gaps = [abs(value(list(map(float, weight)), p) - slope) for p, slope in zip(points, slopes, strict=True)]
        share = max(gap / abs(slope) if slope else 1.0 for gap, slope in zip(gaps, slopes, strict=True))
        of = "its gradient"
        if share >= 1:  # where that is nearly 0
            share, of = max(gaps) / max(map(abs, slopes)), "its steepest gradient"
        found = f"the mean gradient is within {100 * share:.2g} % of {of} for p from 1/{N} to {N - 1}/{N}"
        exact = climbs(weight)
        return f"{found}, and that of {exact.objective}" if exact and exact.factor == 1 else found


# ── The file ────────────────────────────────────────────────────────────────


def _written(goal: _Goal, baseline: str, weighting: tuple[int, int]) -> str:
    N, form, others = goal.N, goal.form, [Fraction(0)] * goal.N
    if form:
        lets, scale = {"phi": form.text("n_pos", "n_neg", "N")}, "N"
    else:
        lets, scale = {f"only_{N}": f"1 / (N == {N})"} | _table("phi", goal.phi), f"N * only_{N}"
    if baseline == "others_mean" and form:
        others = goal.others()
        lets["b_correct"] = form.text("n_pos - 1", "n_neg", "N - 1")
        lets["b_wrong"] = form.text("n_pos", "n_neg - 1", "N - 1")
    elif baseline != "none":
        others = goal.others() if baseline == "others_mean" else _short(optimal(goal.phi, weighting))
        lets |= _table("b_correct", others, 1) | _table("b_wrong", others)
    advantage = [f"advantage: {scale} * phi"]
    if baseline != "none":
        sides = (f"  {side}: {scale} * (phi - b_{side})" for side in ("correct", "wrong"))
        advantage = ["advantage:", *sides]
    free = {name: number for name, number in goal.numbers.items() if form and name in form.names}
    lines = [*_header(goal, baseline, weighting), "", f"name: {_slug(goal, baseline)}"]
    lines += ["params:", *_params(form, free, baseline)] if free else []
    lines += ["", "let:", *(line for name, body in lets.items() for line in _entry(name, body)), "", *advantage]
    lines += ["", *_claims(goal, free)] if goal.exact and not goal.of_group else []
    text = "\n".join(lines) + "\n"
    _read_back(text, goal, others)
    return text


def _header(goal: _Goal, baseline: str, weighting: tuple[int, int]) -> list[str]:
    N, at = goal.N, ", ".join([f"N = {goal.N}", *(f"{name} = {number}" for name, number in goal.numbers.items())])
    chance = "the chance that an answer is correct" if goal.text == "p" else "p the chance that an answer is correct"
    if goal.of_group:
        first = f"Unbiased for the mean of phi, {goal.text}: what a group with n_pos correct answers is paid."
        estimate = "phi is as given"
    elif goal.exact:
        first = f"Unbiased for {goal.text}, {chance}: the mean gradient is that of it."
        estimate = "phi is its unbiased estimate from the group's N answers"
    else:
        first = f"Near {goal.text}, {chance}, which no design is unbiased for in groups of {N}: {goal.gap()}."
        estimate = "phi is the mean of it over what p may be after the group's answers, p uniform before them"
    how = BASELINES[baseline]
    if baseline == "optimal":
        how += f" ({'uniform in p' if weighting == (1, 1) else f'p from Beta{weighting}'}, {at})"
    second = f"Derived: A = N (phi - b), where {estimate}, and {how}."
    third = "For rewards of 0 and 1. Not for graded rewards"
    third += "." if goal.form else f", nor for other groups: as numbers for {at}."
    return [f"# {line}" for each in (first, second, third) for line in textwrap.wrap(each, WIDTH - 2)]


def _slug(goal: _Goal, baseline: str) -> str:
    words = re.findall(r"\w+", goal.text.lower())
    return "_".join(["phi" if goal.of_group else "climbs", *words, baseline])[:60]


def _params(form: Sum, free: Mapping[str, Fraction], baseline: str) -> list[str]:
    most = "N - 1" if baseline == "others_mean" else "N"
    return [
        f"  {name}: {{default: {number}, range: [1, {most}]}}" if name in form.exponents else f"  {name}: {number}"
        for name, number in free.items()
    ]


def _claims(goal: _Goal, free: Mapping[str, Fraction]) -> list[str]:
    text = goal.text
    for name, number in goal.numbers.items():
        if name not in free:
            text = re.sub(rf"\b{name}\b", f"({number})" if number.denominator > 1 else str(number), text)
    claim = text if goal.form else f'{{objective: "{text}", when: {{N: {goal.N}}}}}'
    return ["claims:", f"  - unbiased_for: {claim}"]


def _short(b: list[Real]) -> list[Real]:
    """Any baseline leaves the mean alone, so that one with long fractions is rounded."""
    if all(isinstance(each, Fraction) for each in b) and len(newton(b)) <= LONG:
        return b
    return [Fraction(f"{nearest(each):.{DIGITS}g}") for each in b]


def _table(name: str, values: list[Real], first: int = 0) -> dict[str, str]:
    """Values at n_pos = first, first + 1 ..; under several names where one formula would be too long."""
    parts = indicators(values, first)
    if all(isinstance(each, Fraction) for each in values) and len(newton(values)) <= sum(map(len, indicators(values))):
        counts = {"phi": ("n_pos", "n_neg"), "b_correct": ("n_pos - 1", "n_neg"), "b_wrong": ("n_pos", "n_neg - 1")}
        parts = [newton(values, *counts[name])]
    if len(parts) == 1:
        return {name: parts[0]}
    names = [f"{name}_{i}" for i in range(1, len(parts) + 1)]
    return dict(zip(names, parts, strict=True)) | {name: " + ".join(names)}


def _entry(name: str, body: str) -> list[str]:
    """A line, or several that break between summands alone."""
    depth, kept = 0, ""
    for character in re.sub(r" ([*/]) ", "\xa0\\1\xa0", body):
        depth += (character == "(") - (character == ")")
        kept += "\xa0" if depth and character == " " else character
    lines = textwrap.wrap(
        f"{name}: {kept}",
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\xa0", " ") for line in lines]


def _read_back(text: str, goal: _Goal, b: list[Real]) -> None:
    N, design = goal.N, loads(text, "<derived>")
    design.check(N)
    for n in range(N + 1):
        expected = (b[n - 1] if n else None, b[n] if n < N else None)
        for found, base in zip(verdict_pair(design, N, n), expected, strict=True):
            if base is not None and nearest(found) != nearest(multiply(Fraction(N), subtract(goal.phi[n], base))):
                raise AssertionError(f"for n_pos = {n} this is not what was derived:\n{text}")


def _number(name: str, given: object) -> Fraction:
    fresh_name(name, Source("params", name).span(0, len(name)))
    if name in OBJECTIVES:
        raise DesignError(f"parameter {name!r} has the name of a function of objectives")
    try:
        return Fraction(str(given))
    except ValueError:
        raise DesignError(f"parameter {name!r} is a plain number, for example 4 or 1/3, not {given}") from None
