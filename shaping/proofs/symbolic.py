"""Identities of a design, proved for groups of every size at once; what is not understood is left to rows.py.

Groups with right and wrong answers, without a right one, and without a wrong one are looked at in turn (forms.py).
Where a formula chooses (`if`, `flat`), every branch has to keep the identity: more than is needed, so nothing is
proved that does not hold. Nothing is proved of a design or a claim that might have no value for some group either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sympy import Expr, Integer, Rational, Symbol

from shaping.design import Design
from shaping.groups.exact import other_scores
from shaping.groups.rows import rows
from shaping.language.nodes import Apply, Name, Node, walk
from shaping.proofs.claims import Claim
from shaping.symbols.forms import ALL_RIGHT, ALL_WRONG, MIXED, Form, Pair, Undecided, pairs
from shaping.symbols.signs import C, D, NoForm, has_sign, is_of_size, is_zero, sign_of

SMALL = range(2, 17)  # sizes of groups among which one has to be pushed, so that a factor is not always 0
PROVABLE = ("zero_sum", "zero_on_constant_groups", "sign_correct", "equals", "proportional_to", "holds")


def prove(design: Design, claim: Claim, other: Design | None) -> str | None:
    """For which groups the claim is proved, in words; None if it could not be."""
    if claim.kind not in PROVABLE or "N" in claim.when or (other is not None and other.clock):
        return None
    if not _scores_are_verdicts(design, claim, claim.when) or (
        other is not None and not _scores_are_verdicts(other, claim, claim.params)
    ):
        return None
    try:
        symbols = {name: _symbol(design, claim, name) for name in design.params}
        for values in _settings(claim, symbols):
            for counts in (MIXED, ALL_WRONG, ALL_RIGHT):
                if not _proved_for(design, claim, other, counts, values):
                    return None
        if claim.kind == "proportional_to" and not any(row.pushes() for row in rows(design, claim.when, SMALL)):
            return None
    except (NoForm, Undecided, ZeroDivisionError, NotImplementedError, RecursionError):
        return None
    free = [name for name, symbol in symbols.items() if isinstance(symbol, Symbol)]
    fixed = [f"{name} = {', '.join(map(str, values))}" for name, values in claim.when.items()]
    fixed += [f"{name} = {s}" for name, s in symbols.items() if not isinstance(s, Symbol) and name not in claim.when]
    return ", ".join(["0/1 groups of every size", *(f"every {name}" for name in free), *fixed])


def _symbol(design: Design, claim: Claim, name: str) -> Expr:
    if name in claim.when or not design.params[name].is_count:
        value = design.params[name].value
        return Rational(value.numerator, value.denominator)
    param = design.params[name]
    if not (_beyond(param.low, Integer(1), 1) and _beyond(param.high, C + D, -1)):
        raise NoForm(f"{name} is not within 1..N for every N, as far as is seen")
    return Symbol(f"param_{name}", positive=True, integer=True)


def _beyond(bound: Node, limit: Expr, side: int) -> bool:
    """Is a bound of a range, over N, at least the limit for every N (side = 1), or at most (side = -1)?"""
    if isinstance(bound, Apply) and bound.function.name in ("min", "max"):  # of max(1, N - 8) one has to be at least 1
        found = [_beyond(part, limit, side) for part in bound.operands]
        return any(found) if (bound.function.name == "max") == (side > 0) else all(found)
    form = Form(MIXED, {}, {})
    value = form.value(bound, None)
    return not form.unsure and has_sign(value - limit, side)


def _scores_are_verdicts(design: Design, claim: Claim, changed: Collection[str]) -> bool:
    """Where the claim is about scores, not counts alone: is an answer of score 1 correct, and one of score 0 wrong?"""
    if not design.graded or (design.tabulated and not claim.of_rewards):
        return True
    fixed = {name: param.value for name, param in design.params.items() if name not in changed and not param.is_count}
    read = {node.name for node in walk(design.verdict) if isinstance(node, Name)} - {"score"}
    return read <= fixed.keys() and not other_scores(design, fixed)


def _settings(claim: Claim, symbols: dict[str, Expr]) -> Iterator[dict[str, Expr]]:
    if not claim.when:
        yield symbols
        return
    longest = max(len(values) for values in claim.when.values())
    if longest > 1:
        raise NoForm("several values")
    yield symbols | {name: Rational(v[0].numerator, v[0].denominator) for name, v in claim.when.items()}


def _proved_for(design: Design, claim: Claim, other: Design | None, counts, values: dict[str, Expr]) -> bool:
    mine = list(pairs(design, counts, values))
    if not mine:
        raise NoForm("no branch has a value")
    match claim.kind:
        case "zero_sum":
            sums = (sum(n * a for n, a in zip(counts, pair, strict=True) if a is not None) for pair in mine)
            return all(is_zero(total) for total in sums)
        case "zero_on_constant_groups":
            return counts == MIXED or all(is_zero(a) for pair in mine for a in pair if a is not None)
        case "sign_correct":
            return all(has_sign(right, 1) and has_sign(wrong, -1) for right, wrong in mine)
        case "equals" | "proportional_to":
            return _related(claim, other, counts, values, mine)
        case "holds" if isinstance(claim.formula, Apply) and claim.formula.function.infix == "==":
            return all(_equation(claim, pair, counts, values) for pair in mine)
    return False


def _related(claim: Claim, other: Design, counts, values: dict[str, Expr], mine: list[Pair]) -> bool:
    own = Form(counts, values, {})
    given = {name: own.value(node, None) for name, node in claim.params.items()}
    if own.unsure:
        return False
    theirs_values = {name: _default(other, name) for name in other.params} | given
    present = [  # of each branch of one design and of the other, what there are of a correct and of a wrong answer
        [(a, b) for a, b in zip(pair, its, strict=True) if a is not None]
        for its in pairs(other, counts, theirs_values)
        for pair in mine
    ]
    if claim.kind == "equals":
        return all(is_zero(a - b) for both in present for a, b in both)
    factors = []
    for both in present:
        found = _factor(both)
        if found is None:
            return False
        factors += found
    if claim.per_group or not factors:
        return all(has_sign(factor, 1) for factor in factors)
    # One for all groups of N: not 0, the same in every branch, and known where both kinds of answers are there.
    alike = all(is_zero(factor - factors[0]) for factor in factors)
    return counts == MIXED and alike and sign_of(factors[0]) == 1 and is_of_size(factors[0])


def _factor(both: list[tuple[Expr, Expr]]) -> list[Expr] | None:
    """By what the second of each two is multiplied; [] where all are 0, None if it is not the same or not known."""
    signs = [sign_of(b) for _, b in both]
    if None in signs:  # 0 for some groups, perhaps, and then nothing is a multiple of it
        return None
    ratios = [a / b for (a, b), sign in zip(both, signs, strict=True) if sign]
    if not all(is_zero(a) for (a, _), sign in zip(both, signs, strict=True) if not sign):
        return None
    return ratios[:1] if all(is_zero(ratio - ratios[0]) for ratio in ratios) else None


def _default(design: Design, name: str) -> Expr:
    value = design.params[name].value
    return Rational(value.numerator, value.denominator)


def _equation(claim: Claim, pair: Pair, counts, values: dict[str, Expr]) -> bool:
    right, wrong = (Integer(0) if a is None else a for a in pair)
    names = {"correct": right, "wrong": wrong}
    form = Form(counts, values | names, {})
    left, other = (form.value(part, None) for part in claim.formula.operands)
    return not form.unsure and is_zero(left - other)
