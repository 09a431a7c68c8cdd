"""What a group is paid, as a formula of the language.

    objective    p            1 - (1 - p)^k = pass_at(k)                      any table of numbers
    phi          n_pos / N    1 - binomial(n_neg, k) / binomial(N, k)         binomials of n_pos, or number by number

The unbiased estimate of p^j from N answers is binomial(n_pos, j) / binomial(N, j), and of (1 - p)^j the same of n_neg:
how many draws of j answers are all right, or all wrong. It holds for every N, so it may be asked of the other N - 1
answers as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from shaping.language.nodes import Apply, Name, Node, walk
from shaping.language.vocabulary import CONSTANT
from shaping.objectives.objective import polynomial, trimmed
from shaping.objectives.recognize import reflected, sum_text
from shaping.real import Real, Unusable

MAX_TERMS = 4  # of a polynomial that is written with binomials
MAX_PLACES = 30  # of a number that is written as a decimal
MAX_FORMULA, MAX_SUMMANDS = 3_000, 60  # the language takes 4,000 characters, nested 100 deep


@dataclass(frozen=True)
class Term:
    factor: Fraction
    text: str = ""  # a factor with parameters in it
    side: str = ""  # whose draws: n_pos, n_neg, or of neither
    exponent: str = ""


@dataclass(frozen=True)
class Form:
    """A formula for every N: `text(n_pos, n_neg, N)` with these expressions in place of the names."""

    text: Callable[[str, str, str], str]
    names: frozenset[str] = frozenset()  # parameters in it
    exponents: frozenset[str] = frozenset()  # those that say how many are drawn, so that they are 1..N
    least: int = 1  # answers that it needs


def of_objective(node: Node, constants: Mapping[str, Real]) -> Form | None:
    """With its parameters where it is a sum of p**j, (1 - p)**j, pass_at(j) and numbers; with their values else."""
    params = frozenset(constants) - {"N"}
    terms = _terms(node, constants)
    if terms is None:
        terms, params = _expanded(node, constants), frozenset()
    if terms is None:
        return None
    terms = _joined(terms)
    used = frozenset(
        name for term in terms for name in params if re.search(rf"\b{name}\b", f"{term.text} {term.exponent}")
    )
    exponents = frozenset(term.exponent for term in terms) & used
    least = max((int(term.exponent) for term in terms if term.exponent.isdecimal()), default=1)
    return Form(lambda *counts: _written(terms, *counts), used, exponents, least)


def of_phi(text: str, params: Iterable[str]) -> Form:
    """A formula over n_pos, n_neg and N, as it is given."""

    def written(*counts: str) -> str:
        placed = text
        for name, count in zip(("n_pos", "n_neg", "N"), counts, strict=True):
            placed = re.sub(rf"\b{name}\b", f"<{name}>", placed) if count != name else placed
        for name, count in zip(("n_pos", "n_neg", "N"), counts, strict=True):
            placed = placed.replace(f"<{name}>", f"({count})")
        return placed

    return Form(written, frozenset(name for name in params if re.search(rf"\b{name}\b", text)))


def _terms(node: Node, constants: Mapping[str, Real]) -> list[Term] | None:
    match node:
        case _ if _constant(node):
            return [_factor(node, constants)]
        case Name(name="p"):
            return [Term(Fraction(1), side="n_pos", exponent="1")]
        case Apply(function=function, operands=(a,)) if function.name == "pass_at":
            exponent = _exponent(a, constants)
            return exponent and [Term(Fraction(1)), Term(Fraction(-1), side="n_neg", exponent=exponent)]
        case Apply(function=function, operands=(base, exponent)) if function.infix == "**" and _constant(exponent):
            try:
                side = {(0, 1): "n_pos", (1, -1): "n_neg"}.get(tuple(polynomial(base, constants)))
            except Unusable:
                return None
            drawn = _exponent(exponent, constants)
            return [Term(Fraction(1), side=side, exponent=drawn)] if side and drawn else None
        case Apply(function=function, operands=operands) if function.name in ("add", "subtract", "negate"):
            sides = [_terms(operand, constants) for operand in operands]
            if None in sides:
                return None
            sign = Fraction(1 if function.name == "add" else -1)
            last = [_times(term, Term(sign)) for term in sides[-1]]
            return [*(sides[0] if len(sides) > 1 else []), *last]
        case Apply(function=function, operands=(a, b)) if function.name == "multiply" and (
            _constant(a) or _constant(b)
        ):
            number, rest = (a, b) if _constant(a) else (b, a)
            inner = _terms(rest, constants)
            return inner and [_times(_factor(number, constants), term) for term in inner]
        case Apply(function=function, operands=(a, b)) if function.name == "divide" and _constant(b):
            inner, by = _terms(a, constants), _factor(b, constants)
            by = Term(1 / by.factor, by.text and f"1 / {by.text}") if by.factor else None
            return inner and by and [_times(by, term) for term in inner]
    return None


def _constant(node: Node) -> bool:
    return node.scope == CONSTANT and all(
        not isinstance(part, Apply) or part.function.name not in ("pass_at", "log_p") for part in walk(node)
    )


def _exponent(node: Node, constants: Mapping[str, Real]) -> str | None:
    """A number, a parameter, or nearly N: what a range can be given for."""
    text = _source(node)
    if not any(isinstance(part, Name) for part in walk(node)):
        (number,) = polynomial(node, constants)
        return str(number) if number.denominator == 1 and number > 0 else None
    return text if text in constants or text.replace(" ", "") in ("N-1", "(N-1)") else None


def _factor(node: Node, constants: Mapping[str, Real]) -> Term:
    if any(isinstance(part, Name) for part in walk(node)):
        text = _source(node)
        return Term(Fraction(1), text if text.isidentifier() else f"({text})")
    (number,) = polynomial(node, constants)
    return Term(number)


def _times(a: Term, b: Term) -> Term:
    text = " * ".join(part for part in (a.text, b.text) if part)
    return Term(a.factor * b.factor, text, a.side or b.side, a.exponent or b.exponent)


def _source(node: Node) -> str:
    span = node.span
    return span.source.text.split("\n")[span.line - 1][span.column - 1 : span.column - 1 + span.width]


def _expanded(node: Node, constants: Mapping[str, Real]) -> list[Term] | None:
    """In powers of p or of 1 - p, if few are enough and N does not decide them."""
    if any(isinstance(part, Name) and part.name == "N" for part in walk(node)):
        return None
    of_p = trimmed(polynomial(node, constants))
    powers = {"n_pos": of_p, "n_neg": trimmed(reflected(of_p))}
    side, coefficients = min(powers.items(), key=lambda item: sum(map(bool, item[1])))
    if sum(map(bool, coefficients)) > MAX_TERMS:
        return None
    return [Term(a, side=side if j else "", exponent=str(j) if j else "") for j, a in enumerate(coefficients) if a]


def _joined(terms: Sequence[Term]) -> list[Term]:
    """Like terms once."""
    factors: dict[tuple[str, str, str], Fraction] = {}
    for term in terms:
        key = (term.text, term.side, term.exponent)
        factors[key] = factors.get(key, Fraction(0)) + term.factor
    return [Term(factor, *key) for key, factor in factors.items() if factor]


def _written(terms: Sequence[Term], n_pos: str, n_neg: str, N: str) -> str:
    parts = []
    for term in terms:
        count = {"n_pos": n_pos, "n_neg": n_neg}.get(term.side)
        ratio = ""
        if count and term.exponent == "1":
            ratio = f"{_bracketed(count)} / {_bracketed(N)}"
        elif count:
            ratio = f"binomial({count}, {term.exponent}) / binomial({N}, {term.exponent})"
        parts.append((term.factor, " * ".join(part for part in (term.text, ratio) if part)))
    return sum_text(parts)


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text else text


# ── Tables ──────────────────────────────────────────────────────────────────


def newton(values: Sequence[Fraction], right: str = "n_pos", wrong: str = "n_neg") -> str:
    """Newton's formula in the number of right answers, or in that of wrong ones where it is shorter then.

    Which of the two depends on the values alone: `right` and `wrong` are other names for the same two numbers.

    >>> newton([Fraction(0), Fraction(1), Fraction(4), Fraction(9)])
    'n_pos + 2 * binomial(n_pos, 2)'
    """
    rising = len(_differences(values, "n_pos")) <= len(_differences(values[::-1], "n_neg"))
    return _differences(values, right) if rising else _differences(values[::-1], wrong)


def _differences(values: Sequence[Fraction], count: str) -> str:
    row, terms = list(values), []
    for j in range(len(values)):
        terms.append((row[0], "" if j == 0 else _bracketed(count) if j == 1 else f"binomial({count}, {j})"))
        row = [b - a for a, b in pairwise(row)]
    return sum_text(terms)


def indicators(values: Sequence[Fraction], first: int = 0) -> list[str]:
    """Value by value from n_pos = first, in formulas short enough for the language.

    >>> indicators([Fraction(0), Fraction(1, 3), Fraction(1)])
    ['1/3 * (n_pos == 1) + (n_pos == 2)']
    """
    parts, terms = [], []
    for n, each in enumerate(values, first):
        term = (each, f"(n_pos == {n})")
        if len(terms) == MAX_SUMMANDS or len(sum_text([*terms, term])) > MAX_FORMULA:
            parts.append(sum_text(terms, number=decimal_text))
            terms = []
        terms.append(term)
    return [*parts, sum_text(terms, number=decimal_text)]


def decimal_text(a: Fraction) -> str:
    """
    >>> decimal_text(Fraction(3, 8)), decimal_text(Fraction(123457, 100000)), decimal_text(Fraction(1, 3))
    ('3/8', '1.23457', '1/3')
    """
    places = next((places for places in range(MAX_PLACES) if 10**places % a.denominator == 0), None)
    if a.denominator <= 1000 or places is None:
        return str(a)
    whole, rest = divmod(abs(a.numerator) * (10**places // a.denominator), 10**places)
    return f"{'-' if a < 0 else ''}{whole}.{rest:0{places}}"
