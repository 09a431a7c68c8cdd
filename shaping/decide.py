"""A claim → a verdict, and how it came about. Never reported stronger than it was decided:

    proved      in symbols, for every N, n_pos and parameter that the proof leaves free (symbolic.py)
    exhausted   every 0/1 group up to a size was computed exactly (rows.py)
    searched    hypothesis looked for a group that breaks it, and found none (search.py)
    refuted     here is the smallest group that breaks it

Where rewards may be other than 0 and 1, or lengths and other groups matter,
0/1 groups are not all there is: what was proved of them is searched beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from shaping import real
from shaping.claims import OF_VERDICTS, RELATIONS, Claim
from shaping.design import Design, load
from shaping.errors import DesignError, located
from shaping.evaluate import Group, constant
from shaping.exact import verdict_pair
from shaping.nodes import Apply, Name, Node, walk
from shaping.objective import derivative, polynomial, to_bernstein, weight
from shaping.real import General, Real, Unusable
from shaping.rows import Row, beyond_verdicts, by_verdicts, rows, settings

OF_RIGHT_AND_WRONG = ("sign_correct", "zero_when")  # say nothing of rewards between
UP_TO = 64  # the largest N that is exhausted, if nobody says otherwise
UP_TO_GENERAL = 12  # the same where advantages are logarithms or exponentials, which are slow to compare


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    holds: bool
    how: str  # proved, exhausted, searched or refuted
    over: str  # what was looked at; of a refuted claim the group that breaks it

    @property
    def passed(self) -> bool:
        return self.holds != self.claim.negated


def decide(design: Design, claims: Sequence[Claim], up_to: int = UP_TO) -> list[Verdict]:
    """A verdict on each claim.

    Raises:
      DesignError: a claim cannot be about this design, or leaves no group to look at.
    """
    from shaping.search import search  # hypothesis, needed by claims alone
    from shaping.symbolic import prove

    others = {claim: _other(design, claim) for claim in claims if claim.kind in RELATIONS}
    found: dict[Claim, Verdict] = {}
    left = []
    for claim in claims:
        other = others.get(claim)
        alone = claim.kind in OF_VERDICTS and not (claim.kind == "monotone" and not claim.directions)
        alone |= claim.kind == "holds" and not claim.of_answers
        if alone and not by_verdicts(design):
            message = f"{claim.text!r} is about groups of right and wrong answers, but {beyond_verdicts(design)}"
            raise DesignError(located(claim.span, message, "claim it of single answers, with A and r, or leave it out"))
        if claim.of_answers or not by_verdicts(design) or (other is not None and not by_verdicts(other)):
            continue
        if (scope := prove(design, claim, other)) is not None:
            found[claim] = Verdict(claim, True, "proved", scope)
        else:
            left.append(claim)
    found |= exhaust(design, left, others, up_to)
    for claim in claims:
        before = found.get(claim)
        if (before is None or before.holds) and _goes_beyond(design, claim, others.get(claim)):
            found[claim] = search(design, claim, others.get(claim), before)
    return [found[claim] for claim in claims]


def exhaust(design: Design, claims: Sequence[Claim], others: dict[Claim, Design], up_to: int) -> dict[Claim, Verdict]:
    """Every 0/1 group, the smallest first; the rows of claims without `when:` are computed once for all of them."""
    found: dict[Claim, Verdict] = {}
    together = [claim for claim in claims if not claim.when and claim.kind != "peak"]
    for group in (together, *([claim] for claim in claims if claim not in together)):
        if not group:
            continue
        when = dict(group[0].when)
        if group[0].kind == "peak":
            when["N"] = [Fraction(group[0].place[1])]
        sizes = range(2, (up_to if not _is_general(design) else min(up_to, UP_TO_GENERAL)) + 1)
        open_, seen = list(group), False
        for row in rows(design, when, sizes):
            seen = True
            for claim in list(open_):
                if (failure := on_row(design, claim, row, others.get(claim))) is not None:
                    found[claim] = Verdict(claim, False, "refuted", failure)
                    open_.remove(claim)
            if not open_:
                break
        if not seen:
            raise DesignError(located(group[0].span, "`when` leaves no group to look at: the ranges forbid it"))
        for claim in open_:
            found[claim] = Verdict(claim, True, "exhausted", f"every 0/1 group, {settings(design, when, sizes)}")
    return found


def _other(design: Design, claim: Claim) -> Design:
    path = Path(design.source.path).parent / claim.other.text
    if not path.is_file():
        raise DesignError(located(claim.other.span, f"there is no design {claim.other.text!r} beside this one"))
    other = load(path)
    for name, node in claim.params.items():
        if name not in other.params:
            there = ", ".join(other.params) or "none"
            raise DesignError(located(node.span, f"{claim.other.text} has no parameter {name!r}", f"it has: {there}"))
    return other


def _goes_beyond(design: Design, claim: Claim, other: Design | None) -> bool:
    """Are there groups that 0/1 rewards do not show, and is the claim about them?"""
    if claim.kind in ("peak", "optimizes", "unbiased_for") or claim.directions:
        return False
    if claim.kind == "holds" and not claim.of_answers:
        return False
    both = [each for each in (design, other) if each is not None]
    if any(not by_verdicts(each) for each in both):
        return True
    return claim.of_answers or (claim.kind not in OF_RIGHT_AND_WRONG and all(map(takes_any_rewards, both)))


def takes_any_rewards(design: Design) -> bool:
    return bool({"r", "score"} & design.signals) and not (design.counts and not design.graded)


def _is_general(design: Design) -> bool:
    """Are there advantages that are neither rational nor sums of square roots?"""
    N = 4
    while True:  # the smallest group that the ranges allow, at least 4
        row = next(rows(design, {}, [N]), None)
        if row is not None:
            return any(isinstance(value, General) for pair in row.pairs for value in pair)
        N += 1


# ── One claim on one row ────────────────────────────────────────────────────


def on_row(design: Design, claim: Claim, row: Row, other: Design | None) -> str | None:
    """The first group of the row that breaks the claim, and how; None if none does."""
    if claim.kind in RELATIONS:
        return _related(claim, row, _pairs_of_other(claim, row, other))
    return _CHECKS[claim.kind](claim, row)


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
        return ", not 0" if real.sign(value) and truth(claim.formula, Group(row.names(n_pos), [])) else None

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
