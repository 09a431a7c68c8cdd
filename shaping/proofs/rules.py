"""One claim on one row: the first group of n_pos = 0..N that breaks it, and how; None if none does.

Every rule is exact arithmetic on what a correct and a wrong answer get (rows.py). `on_row` finds the rule of a claim.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError, located
from shaping.groups.exact import refuse_other_scores, verdict_pair
from shaping.groups.rows import Row, in_range
from shaping.language.evaluate import Group, constant
from shaping.language.nodes import Apply, Name, Node, walk
from shaping.objectives.objective import derivative, polynomial, to_bernstein, weight
from shaping.proofs.claims import RELATIONS, Claim
from shaping.real import Real, Undefined, Unusable


def on_row(claim: Claim, row: Row, other: Design | None) -> str | None:
    """What breaks the claim; `other` is the design of a claim about two."""
    try:
        if claim.kind in RELATIONS:
            return _related(claim, row, _pairs_of_other(claim, row, other))
        return _CHECKS[claim.kind](claim, row)
    except Undefined as error:
        raise _no_value(claim, row, error) from None


def could_break(claim: Claim, row: Row) -> bool:
    """Could a design with other advantages have broken the claim on this row? What it supposes has to be there."""
    try:
        match claim.kind:
            case "proportional_to" | "peak":
                return row.pushes()
            case "zero_when":
                return any(truth(claim.formula, Group(row.names(n), [])) for n in range(row.N + 1))
            case "holds":
                return any(_formula_could(claim, row, n) for n in range(row.N + 1))
        return True
    except Undefined as error:
        raise _no_value(claim, row, error) from None


OTHER_ADVANTAGES = (Fraction(0), Fraction(-1009, 7), Fraction(1013, 7))  # that no formula is made for


def _formula_could(claim: Claim, row: Row, n_pos: int) -> bool:
    """Is it false if the correct answers, the wrong ones, or both get something else? `eta` follows from them."""
    kinds = ("correct", "wrong")
    present = [kind for kind, value in zip(kinds, row.pairs[n_pos], strict=True) if value is not None]
    for changed in ([kind] for kind in present) if len(present) < 2 else (present[:1], present[1:], present):
        for other in OTHER_ADVANTAGES:
            names = row.names(n_pos) | dict.fromkeys(changed, other)
            sizes = zip((n_pos, row.N - n_pos), kinds, strict=True)
            eta: Real = Fraction(0)
            for count, each in sizes:
                eta = real.add(eta, real.multiply(Fraction(count), real.absolute(names[each])))
            if not truth(claim.formula, Group(names | {"eta": eta}, [])):
                return True
    return False


def _no_value(claim: Claim, row: Row, error: Exception) -> DesignError:
    return DesignError(located(claim.span, f"{claim.text}: {error.args[0]}, for {row.where()}"))


def _each(row: Row, breaks: Callable[[int], str | None]) -> str | None:
    for n_pos in range(row.N + 1):
        if (what := breaks(n_pos)) is not None:
            return f"{row.where(n_pos)}: {what}"
    return None


def _zero_sum(claim: Claim, row: Row) -> str | None:
    def breaks(n_pos: int) -> str | None:
        names = row.names(n_pos)
        total = real.add(
            real.multiply(Fraction(n_pos), names["correct"]), real.multiply(names["n_neg"], names["wrong"])
        )
        return f"{n_pos} * correct + {row.N - n_pos} * wrong = {real.show(total)}" if real.sign(total) else None

    return _each(row, breaks)


def _values(row: Row, n_pos: int) -> list[tuple[str, Real]]:
    kinds = zip(("correct", "wrong"), row.pairs[n_pos], strict=True)
    return [(kind, value) for kind, value in kinds if value is not None]


def _values_where(row: Row, breaks: Callable[[str, Real, int], str | None]) -> str | None:
    """The first advantage that breaks something: `breaks` says what it should be."""

    def one(n_pos: int) -> str | None:
        for kind, value in _values(row, n_pos):
            if (wanted := breaks(kind, value, n_pos)) is not None:
                return f"{kind} = {real.show(value)}{wanted}"
        return None

    return _each(row, one)


def _zero_on_constant_groups(claim: Claim, row: Row) -> str | None:
    return _values_where(row, lambda _, x, n: ", not 0" if n in (0, row.N) and real.sign(x) else None)


def _sign_correct(claim: Claim, row: Row) -> str | None:
    return _values_where(row, lambda kind, x, _: "" if real.sign(x) == (-1 if kind == "correct" else 1) else None)


def _bounded(claim: Claim, row: Row) -> str | None:
    bound = constant(claim.formula, row.names(0))
    above = f", beyond {real.show(bound)}"
    return _values_where(row, lambda _, x, __: above if real.compare(real.absolute(x), bound) > 0 else None)


def _zero_when(claim: Claim, row: Row) -> str | None:
    def breaks(kind: str, value: Real, n_pos: int) -> str | None:
        return ", not 0" if truth(claim.formula, Group(row.names(n_pos), [])) and real.sign(value) else None

    return _values_where(row, breaks)


def _monotone(claim: Claim, row: Row) -> str | None:
    if not claim.directions:
        for n_pos in range(1, row.N):
            right, wrong = row.pairs[n_pos]
            if real.compare(right, wrong) < 0:
                return f"{row.where(n_pos)}: correct = {real.show(right)} < wrong = {real.show(wrong)}"
        return None
    for n_pos in range(row.N):
        for i, kind in enumerate(("correct", "wrong")):
            before, after = row.pairs[n_pos][i], row.pairs[n_pos + 1][i]
            if kind not in claim.directions or before is None or after is None:
                continue
            if real.compare(after, before) == (-1 if claim.directions[kind] == "rises" else 1):
                return (
                    f"{row.where(n_pos)}: {kind} = {real.show(before)}, then {real.show(after)} at n_pos = {n_pos + 1}"
                )
    return None


def _peak(claim: Claim, row: Row) -> str | None:
    etas = [row.eta(n_pos) for n_pos in range(row.N + 1)]
    best = [0]
    for n_pos in range(1, row.N + 1):
        order = real.compare(etas[n_pos], etas[best[0]])
        best = [n_pos] if order > 0 else [*best, n_pos] if order == 0 else best
    if best == [claim.place[0]]:
        return None
    places = ", ".join(f"{n_pos}/{row.N}" for n_pos in best[:4])
    return f"{row.where()}: eta = {real.show(etas[best[0]])} at {places}, {real.show(etas[claim.place[0]])} there"


def _climbs(claim: Claim, row: Row) -> str | None:
    """w(p) against the derivative of the objective, both in Bernstein's form; see objective.py."""
    try:
        target = to_bernstein(derivative(polynomial(claim.formula, row.names(0))), row.N - 1)
    except Unusable as error:
        raise DesignError(located(claim.span, f"{error.args[0]}: {claim.text}", "no group of N answers can")) from None
    if target is None:
        return f"{row.where()}: the objective's degree is above N, and no design of N answers climbs it"
    found = weight(row.pairs)
    if claim.kind == "unbiased_for":
        factor: Real = Fraction(1)
    else:
        at = next((m for m, value in enumerate(target) if value), None)
        factor = Fraction(0) if at is None else real.divide(found[at], target[at])
        if real.sign(factor) <= 0:
            return f"{row.where()}: a factor of {real.show(factor)}"
    for m, (value, wanted) in enumerate(zip(found, target, strict=True)):
        wanted = real.multiply(factor, wanted)
        if real.compare(value, wanted):
            text = f"correct({m + 1}) - wrong({m}) = {real.show(value)}, not {real.show(wanted)}"
            return f"{row.where()}: {text}"
    return None


def _holds(claim: Claim, row: Row) -> str | None:
    reads_eta = any(isinstance(node, Name) and node.name == "eta" for node in walk(claim.formula))

    def breaks(n_pos: int) -> str | None:
        group = Group(row.names(n_pos) | ({"eta": row.eta(n_pos)} if reads_eta else {}), [])
        return None if truth(claim.formula, group) else sides(claim.formula, group)

    return _each(row, breaks)


_CHECKS = {
    "zero_sum": _zero_sum,
    "zero_on_constant_groups": _zero_on_constant_groups,
    "sign_correct": _sign_correct,
    "bounded": _bounded,
    "monotone": _monotone,
    "zero_when": _zero_when,
    "peak": _peak,
    "optimizes": _climbs,
    "unbiased_for": _climbs,
    "holds": _holds,
}


def _pairs_of_other(claim: Claim, row: Row, other: Design) -> list:
    params = other_params(claim, {"N": Fraction(row.N)} | row.params)
    if not in_range(other, row.N, params, row.moment):
        return list(row.pairs)  # no group of the other design: nothing to compare
    refuse_other_scores(other, other.constants(row.moment) | params)
    return [verdict_pair(other, row.N, n_pos, row.moment, params) for n_pos in range(row.N + 1)]


def other_params(claim: Claim, names: dict[str, Real]) -> dict[str, Real]:
    """The parameters that the claim sets in the other design."""
    return {name: constant(node, names) for name, node in claim.params.items()}


def _related(claim: Claim, row: Row, theirs: list) -> str | None:
    factor: Real | None = Fraction(1) if claim.kind == "equals" else None
    for n_pos, pairs in enumerate(zip(row.pairs, theirs, strict=True)):
        if claim.per_group:
            factor = None
        for kind, mine, its in zip(("correct", "wrong"), *pairs, strict=True):
            if mine is None:
                continue
            if factor is None and real.sign(its):
                factor = real.divide(mine, its)
                if real.sign(factor) < 0 or (real.sign(factor) == 0 and not claim.per_group):
                    return f"{row.where(n_pos)}: {kind} = {real.show(mine)} against {real.show(its)}"
            wanted = Fraction(0) if factor is None else real.multiply(factor, its)
            if mine != wanted and real.compare(mine, wanted):
                scaled = "" if factor is None or factor == 1 else f" ({real.show(its)} times {real.show(factor)})"
                return f"{row.where(n_pos)}: {kind} = {real.show(mine)}, not {real.show(wanted)}{scaled}"
    return None


# ── Formulas ────────────────────────────────────────────────────────────────


def truth(node: Node, group: Group, kind: int = 0) -> bool:
    """Does a condition hold?"""
    return real.sign(group.value(node, kind)) != 0


def sides(node: Node, group: Group, kind: int = 0) -> str:
    """The values of both sides of the first comparison that fails: '3/4 == 0 is false'."""
    if isinstance(node, Apply) and node.function.name == "and":
        return next(sides(part, group, kind) for part in node.operands if not truth(part, group, kind))
    if isinstance(node, Apply) and node.function.infix in ("==", "!=", "<", "<=", ">", ">="):
        left, right = (real.show(group.value(part, kind)) for part in node.operands)
        return f"{left} {node.function.infix} {right} is false"
    return "it is false"
