"""Identities of a design, proved for groups of every size at once; what is not understood is left to rows.py.

Groups with right and wrong answers, without a right one, and without a wrong one are looked at in turn (forms.py).
Where a formula chooses (`if`, `flat`), every branch has to keep the identity: more than is needed, so nothing is
proved that does not hold, and a branch that is division by zero for such groups is none of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import sympy
from sympy import Expr, Integer, Rational, Symbol

from shaping import real
from shaping.design import Design
from shaping.groups.rows import is_count
from shaping.language.evaluate import constant
from shaping.language.nodes import Apply
from shaping.proofs.claims import Claim
from shaping.symbols.forms import (
    ALL_RIGHT,
    ALL_WRONG,
    MIXED,
    C,
    D,
    Form,
    NoForm,
    Pair,
    has_sign,
    is_zero,
    pairs,
    sign_of,
)

PROVABLE = ("zero_sum", "zero_on_constant_groups", "sign_correct", "equals", "proportional_to", "holds")


def prove(design: Design, claim: Claim, other: Design | None) -> str | None:
    """For which groups the claim is proved, in words; None if it could not be."""
    if claim.kind not in PROVABLE or "N" in claim.when or (other is not None and other.clock):
        return None
    try:
        symbols = {name: _symbol(design, claim, name) for name in design.params}
        for values in _settings(claim, symbols):
            for counts in (MIXED, ALL_WRONG, ALL_RIGHT):
                if not _proved_for(design, claim, other, counts, values):
                    return None
    except (NoForm, NotImplementedError, RecursionError):
        return None
    free = [name for name, symbol in symbols.items() if isinstance(symbol, Symbol)]
    fixed = [f"{name} = {', '.join(map(str, values))}" for name, values in claim.when.items()]
    fixed += [f"{name} = {s}" for name, s in symbols.items() if not isinstance(s, Symbol) and name not in claim.when]
    return ", ".join(["0/1 groups of every size", *(f"every {name}" for name in free), *fixed])


def _symbol(design: Design, claim: Claim, name: str) -> Expr:
    if name in claim.when or not is_count(design.params[name]):
        value = design.params[name].value
        return Rational(value.numerator, value.denominator)
    low, high = (design.params[name].low, design.params[name].high)
    for N in (Fraction(2), Fraction(1000)):
        if real.compare(constant(low, {"N": N}), Fraction(1)) < 0 or real.compare(constant(high, {"N": N}), N) > 0:
            raise NoForm(f"{name} is not within 1..N")
    return Symbol(f"param_{name}", positive=True, integer=True)


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
    theirs_values = {name: _default(other, name) for name in other.params} | given
    theirs = list(pairs(other, counts, theirs_values))
    return all(_in_relation(claim, pair, its, counts) for pair in mine for its in theirs)


def _in_relation(claim: Claim, mine: Pair, theirs: Pair, counts) -> bool:
    present = [(a, b) for a, b in zip(mine, theirs, strict=True) if a is not None]
    if claim.kind == "equals":
        return all(is_zero(a - b) for a, b in present)
    signs = [sign_of(b) for _, b in present]
    if None in signs:  # 0 for some groups, perhaps, and then nothing is a multiple of it
        return False
    ratios = [a / b for (a, b), sign in zip(present, signs, strict=True) if sign]
    if not all(is_zero(a) for (a, _), sign in zip(present, signs, strict=True) if not sign):
        return False
    if not all(is_zero(ratio - ratios[0]) and has_sign(ratio, 1) for ratio in ratios):
        return False
    if claim.per_group or not ratios:
        return True
    # One factor for all groups: known where both kinds are, and not 0.
    of_N = ratios[0].subs(D, Symbol("n", positive=True, integer=True) - C)
    return counts == MIXED and not is_zero(ratios[0]) and is_zero(sympy.diff(of_N, C))


def _default(design: Design, name: str) -> Expr:
    value = design.params[name].value
    return Rational(value.numerator, value.denominator)


def _equation(claim: Claim, pair: Pair, counts, values: dict[str, Expr]) -> bool:
    right, wrong = (Integer(0) if a is None else a for a in pair)
    names = {"correct": right, "wrong": wrong}
    form = Form(counts, values | names, {})
    left, other = (form.value(part, None) for part in claim.formula.operands)
    return is_zero(left - other)
