"""Every 0/1 group up to a size, the smallest first, and every whole parameter: each claim computed exactly on each.

Beyond that size those groups are looked at whose size the design or the claim names: at N = 100 for `N < 100`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction

from shaping.design import Design
from shaping.errors import DesignError, located
from shaping.groups.exact import refuse_other_scores
from shaping.groups.rows import Row, rows, settings
from shaping.proofs.claims import RELATIONS, Claim
from shaping.proofs.rules import could_break, on_row
from shaping.proofs.values import sizes_written
from shaping.real import General

UP_TO = 64  # the largest N that is exhausted, if nobody says otherwise
UP_TO_GENERAL = 12  # the same where advantages are logarithms or exponentials, which are slow to compare
FARTHEST = 257  # answers of groups that are looked at for a number in a formula
SECONDS = 40  # on the CPU, for the claims of a file that share groups: then the sizes that were reached are told
Outcome = tuple[str, str]  # exhausted, refuted or undecided; and over what, or why


def exhaust(
    design: Design, claims: Sequence[Claim], others: Mapping[Claim, Design], up_to: int
) -> dict[Claim, Outcome]:
    """An outcome for each claim; the groups of claims without `when:` are computed once for all of them."""
    found: dict[Claim, Outcome] = {}
    together = [claim for claim in claims if not claim.when and claim.kind != "peak"]
    for group in (together, *([claim] for claim in claims if claim not in together)):
        if group:
            found |= _Exhausting(design, group, others, up_to).outcomes()
    return found


class _Exhausting:
    """Claims that are about the same groups."""

    def __init__(self, design: Design, claims: Sequence[Claim], others: Mapping[Claim, Design], up_to: int) -> None:
        self.design, self.claims, self.others = design, claims, others
        self.compared = [others[claim] for claim in claims if claim in others]
        self.when = dict(claims[0].when)
        if claims[0].kind == "peak":
            self.when["N"] = [Fraction(claims[0].place[1])]
        last = min(up_to, UP_TO_GENERAL) if _is_general(design) else up_to
        formulas = [claim.formula for claim in claims if claim.formula is not None]
        written = sizes_written([design, *self.compared], formulas)
        self.asked = range(2, last + 1)
        self.sizes = [*self.asked, *(N for N in written if last < N <= FARTHEST)]
        self.found: dict[Claim, Outcome] = {}
        self.could: set[Claim] = set()

    def outcomes(self) -> dict[Claim, Outcome]:
        began, done, open_ = time.process_time(), [], list(self.claims)
        N = 0
        try:
            for row in rows(self.design, self.when, self.sizes, self.compared):
                if row.N != N:
                    done, N = [*done, *([N] if N else [])], row.N
                    if time.process_time() - began > SECONDS and "N" not in self.when and len(done) > 1:
                        break
                self.look(row, open_)
                open_ = [claim for claim in open_ if claim not in self.found]
                if not open_:
                    return self.found
            else:
                done = [*done, *([N] if N else [])]
        except DesignError as error:  # no value for a group of this size
            return self.found | {claim: ("undecided", str(error)) for claim in open_}
        for claim in open_:
            self.found[claim] = self.outcome(claim, done)
        return self.found

    def look(self, row: Row, claims: Sequence[Claim]) -> None:
        for claim in claims:
            try:
                if claim.of_rewards:
                    refuse_other_scores(self.design, self.design.constants(row.moment) | row.params)
                if (failure := on_row(claim, row, self.others.get(claim))) is not None:
                    self.found[claim] = "refuted", failure
                elif claim not in self.could and could_break(claim, row):
                    self.could.add(claim)
            except DesignError as error:
                self.found[claim] = "undecided", str(error)

    def outcome(self, claim: Claim, done: Sequence[int]) -> Outcome:
        if not done:
            text = "`when` leaves no group to look at: the ranges forbid it"
            return "undecided", located(claim.span, text)
        over = f"every 0/1 group, {settings(self.design, self.when, done, self.compared)}"
        if claim in self.could:
            reached = [N for N in done if N in self.asked]
            late = "N" not in self.when and reached[-1:] != [self.asked[-1]] and len(done) < len(self.sizes)
            return "exhausted", over + (f", as far as {SECONDS} seconds went" if late else "")
        if claim.kind == "proportional_to":
            return "refuted", f"every advantage is 0: {over}"
        hint = "what it supposes was nowhere: give sizes or parameters where it is, with `when:`"
        return "undecided", located(claim.span, f"not tested, no group could have broken it: {over}", hint)


def _is_general(design: Design) -> bool:
    """Are there advantages that are neither rational nor sums of square roots?"""
    row = next(rows(design, {}, range(4, UP_TO + 1)), None)  # the smallest group that the ranges allow, at least 4
    return row is not None and any(isinstance(value, General) for pair in row.pairs for value in pair)
