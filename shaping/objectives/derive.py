"""From an objective to a design: `derive("pass_at(k)", 16, "others_mean", {"k": 4})` is the text of a file.

    A_correct = N (phi(n_pos) - b(n_pos - 1)),  A_wrong = N (phi(n_pos) - b(n_pos))

phi is what the group is paid, its mean is the objective (objective.py). b, a function of how many of the OTHER N - 1
answers are correct, changes the variance and not the mean:

    none           0
    others_mean    what the other N - 1 answers alone would be paid
    optimal        least variance of the gradient in the logit of p, averaged over p with a Beta density. All wrong
                   answers are one there (dynamics.py), so that it pushes groups without a success as well

phi is written with binomials where that holds for every N and parameter; else as numbers for this N, and then the
range of a parameter `made_for` refuses any other. What is written is read back and has to give what was derived.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from fractions import Fraction

from shaping.design import loads
from shaping.errors import DesignError, Source, argument, located, names_hint
from shaping.groups.exact import verdict_pair
from shaping.language.document import Items, Scalar, read, read_text
from shaping.language.params import read_params
from shaping.objectives.baselines import optimal
from shaping.objectives.closed import MAX_FORMULA, MAX_SUMMANDS, indicators, newton
from shaping.objectives.goal import Goal
from shaping.real import Real, multiply, nearest, subtract
from shaping.work import MAX_N

BASELINES = {
    "none": "b is 0",
    "others_mean": "b is the same from the other N - 1 answers alone",
    "optimal": "b has the least variance of all that see the other answers alone, in the logit of p",
}
WIDTH = 118
DIGITS = 6  # of an optimal baseline without short fractions
LONG = 400  # characters of an exact one


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
    if N > MAX_N:
        raise DesignError(f"groups of more than {MAX_N:,} answers are not derived for: take a smaller {argument('N')}")
    return _written(Goal(text, N, params or {}), baseline, weighting)


def derive_file(path: str, N: int, chosen: Mapping[str, object]) -> str:
    """`derive` of what a file says: `objective:` or `phi:`, and, if it has them, `baseline:`, `weighting:`, `params:`.

    Raises:
      DesignError: it says something else, or what it says cannot be derived.
    """
    top = read(Source(path, read_text(path)))
    top.only(("name", "objective", "phi", "baseline", "weighting", "params"), "of an objective")
    given = [key for key in ("objective", "phi") if key in top.entries]
    if len(given) != 1:
        raise DesignError(f"{path}: one of `objective:` and `phi:` is needed\nhint: objective: pass_at(k)")
    scalar, baseline, weighting = (top.get(key) for key in (given[0], "baseline", "weighting"))
    if not isinstance(scalar, Scalar) or not isinstance(baseline, Scalar | None):
        raise DesignError(f"{path}: `{given[0]}:` is one formula, `baseline:` one of {', '.join(BASELINES)}")
    pair = [part.text for part in weighting.items if isinstance(part, Scalar)] if isinstance(weighting, Items) else []
    if weighting is not None and not (len(pair) == 2 and all(each.isdecimal() for each in pair)):
        raise DesignError(located(weighting.span, "a weighting is two whole numbers", "weighting: [1, 1] is uniform"))
    params, _ = read_params(top.get("params"), chosen, Source(path, read_text(path)))
    text = scalar.text if given[0] == "objective" else f"phi: {scalar.text}"
    word = baseline.text if baseline is not None else "others_mean"
    values = {name: param.value for name, param in params.items()}
    return derive(text, N, word, values, tuple(map(int, pair)) if pair else (1, 1))


# ── The file ────────────────────────────────────────────────────────────────


def _written(goal: Goal, baseline: str, weighting: tuple[int, int]) -> str:
    form, others = goal.form, [Fraction(0)] * goal.N
    lets = {"phi": form.text("n_pos", "n_neg", "N")} if form else _table("phi", goal.phi)
    if baseline == "others_mean" and form:
        others = goal.others()
        lets["b_correct"] = form.text("n_pos - 1", "n_neg", "N - 1")
        lets["b_wrong"] = form.text("n_pos", "n_neg - 1", "N - 1")
    elif baseline != "none":
        others = goal.others() if baseline == "others_mean" else _short(optimal(goal.phi, weighting))
        lets |= _table("b_correct", others, 1) | _table("b_wrong", others)
    advantage = ["advantage: N * phi"]
    if baseline != "none":
        sides = (f"  {side}: N * (phi - b_{side})" for side in ("correct", "wrong"))
        advantage = ["advantage:", *sides]
    free = {name: number for name, number in goal.numbers.items() if form and name in form.names}
    lines = [*_header(goal, baseline, weighting), "", f"name: {_slug(goal, baseline)}"]
    params = _params(goal, free, baseline)
    lines += ["params:", *params] if params else []
    lines += ["", "let:", *(line for name, body in lets.items() for line in _entry(name, body)), "", *advantage]
    lines += ["", *_claims(goal, free)] if goal.exact and not goal.of_group else []
    text = "\n".join(lines) + "\n"
    _read_back(text, goal, others)
    return text


def _header(goal: Goal, baseline: str, weighting: tuple[int, int]) -> list[str]:
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


def _slug(goal: Goal, baseline: str) -> str:
    words = re.findall(r"\w+", goal.text.lower())
    return "_".join(["phi" if goal.of_group else "climbs", *words, baseline])[:60]


def _params(goal: Goal, free: Mapping[str, Fraction], baseline: str) -> list[str]:
    """Those of the objective, and one whose range says which groups the formulas are for."""
    N, form, others = goal.N, goal.form, baseline == "others_mean"
    lines = []
    for name, number in free.items():
        drawn = f"{{default: {number}, range: [1, {'N - 1' if others else 'N'}]}}"
        lines.append(f"  {name}: {drawn if name in form.exponents else number}")
    if form is None:
        lines.append(f"  made_for: {{default: {N}, range: [{N}, {N} if N == {N} else 0]}}      # numbers for N = {N}")
    elif (least := form.least + others) > 2:
        lines.append(
            f"  at_least: {{default: {least}, range: [{least}, {least} if N >= {least} else 0]}}      # answers"
        )
    return lines


def _claims(goal: Goal, free: Mapping[str, Fraction]) -> list[str]:
    text = goal.text
    for name, number in goal.numbers.items():
        if name not in free:
            text = re.sub(rf"\b{name}\b", f"({number})" if number.denominator > 1 else str(number), text)
    claim = text if goal.form else f'{{objective: "{text}", when: {{N: {goal.N}}}}}'
    return ["claims:", f"  - unbiased_for: {claim}"]


def _short(b: list[Real]) -> list[Fraction]:
    """Any baseline leaves the mean alone, so that one with long fractions is rounded."""
    if all(isinstance(each, Fraction) for each in b) and len(newton(b)) <= LONG:
        return b
    return [Fraction(f"{nearest(each):.{DIGITS}g}") for each in b]


def _table(name: str, values: list[Fraction], first: int = 0) -> dict[str, str]:
    """Values at n_pos = first, first + 1 ..; under several names where one formula would be too long."""
    parts = indicators(values, first)
    joined = newton(values)
    fits = len(joined) <= MAX_FORMULA and joined.count("binomial") < MAX_SUMMANDS
    if fits and len(joined) <= sum(map(len, indicators(values))):  # so for b_correct as for b_wrong
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


def _read_back(text: str, goal: Goal, b: list[Real]) -> None:
    N, design = goal.N, loads(text, "<derived>")
    design.check(N)
    for n in range(N + 1):
        expected = (b[n - 1] if n else None, b[n] if n < N else None)
        for found, base in zip(verdict_pair(design, N, n), expected, strict=True):
            if base is not None and nearest(found) != nearest(multiply(Fraction(N), subtract(goal.phi[n], base))):
                raise AssertionError(f"for n_pos = {n} this is not what was derived:\n{text}")
