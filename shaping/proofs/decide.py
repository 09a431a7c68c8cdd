"""A claim → a verdict, and how it came about. Never reported stronger than it was decided:

    proved      in symbols, for every N, n_pos and parameter that the proof leaves free (symbolic.py)
    exhausted   every 0/1 group up to a size was computed exactly (rows.py)
    searched    hypothesis looked for a group that breaks it, and found none (search.py)
    refuted     here is the smallest group that breaks it

Where rewards may be other than 0 and 1, or lengths and other groups matter,
0/1 groups are not all there is: what was proved of them is searched beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from shaping.design import Design, load
from shaping.errors import DesignError, located
from shaping.groups.exact import refuse_other_scores
from shaping.groups.rows import beyond_verdicts, by_verdicts, reads_other_scores, rows, settings
from shaping.language.document import beside
from shaping.proofs.claims import OF_VERDICTS, RELATIONS, Claim
from shaping.proofs.rules import on_row, pushes
from shaping.real import General
from shaping.work import MAX_SECONDS, seconds

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
    with seconds(MAX_SECONDS, design.source.path):
        return _decided(design, claims, up_to)


def _decided(design: Design, claims: Sequence[Claim], up_to: int) -> list[Verdict]:
    from shaping.proofs.search import search  # hypothesis, needed by claims alone
    from shaping.proofs.symbolic import prove

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
        if not _by_verdicts(design, claim, other):
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
        compared = [others[claim] for claim in group if claim in others]
        open_, seen = list(group), False
        idle = {claim for claim in group if claim.kind == "proportional_to"}  # of those every advantage is 0, so far
        for row in rows(design, when, sizes, compared):
            if any(claim.of_rewards for claim in group):
                refuse_other_scores(design, design.constants(row.moment) | row.params)
            seen = True
            for claim in list(open_):
                if (failure := on_row(claim, row, others.get(claim))) is not None:
                    found[claim] = Verdict(claim, False, "refuted", failure)
                    open_.remove(claim)
                elif claim in idle and pushes(claim, row):
                    idle.remove(claim)
            if not open_:
                break
        if not seen:
            raise DesignError(located(group[0].span, "`when` leaves no group to look at: the ranges forbid it"))
        over = f"every 0/1 group, {settings(design, when, sizes, compared)}"
        for claim in open_:
            if claim in idle:
                found[claim] = Verdict(claim, False, "refuted", f"every advantage is 0: {over}")
            else:
                found[claim] = Verdict(claim, True, "exhausted", over)
    return found


def _other(design: Design, claim: Claim) -> Design:
    other = load(beside(claim.other, design.source.path))
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
    if not _by_verdicts(design, claim, other):
        return True
    both = [each for each in (design, other) if each is not None]
    return claim.kind not in OF_RIGHT_AND_WRONG and all(map(takes_any_rewards, both))


def _by_verdicts(design: Design, claim: Claim, other: Design | None) -> bool:
    """Can it be decided on 0/1 groups: do they decide the advantages, and is an answer correct if its reward is 1?"""
    both = [each for each in (design, other) if each is not None]
    if claim.of_answers or not all(map(by_verdicts, both)):
        return False
    return not (claim.of_rewards and any(map(reads_other_scores, both)))


def takes_any_rewards(design: Design) -> bool:
    return bool({"r", "score"} & design.signals) and not (design.counts and not design.graded)


def _is_general(design: Design) -> bool:
    """Are there advantages that are neither rational nor sums of square roots?"""
    row = next(rows(design, {}, range(4, UP_TO + 1)), None)  # the smallest group that the ranges allow, at least 4
    return row is not None and any(isinstance(value, General) for pair in row.pairs for value in pair)
