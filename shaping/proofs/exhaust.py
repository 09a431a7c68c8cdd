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
from shaping.proofs.claims import Claim
from shaping.proofs.rules import could_break, on_row
from shaping.proofs.values import sizes_written
from shaping.real import Unusable
from shaping.work import TooMuch, bounded

UP_TO = 64  # the largest N that is exhausted, if nobody says otherwise
FARTHEST = 257  # answers of groups that are looked at for a number in a formula
WORK = 100_000  # steps of exact arithmetic for one claim on one row: what sympy does not see by then is not decided
SECONDS = 25  # on the CPU, for the claims of a file that share groups
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
        formulas = [claim.formula for claim in claims if claim.formula is not None]
        written = sizes_written([design, *self.compared], formulas)
        self.up_to = up_to
        self.sizes = [*range(2, up_to + 1), *(N for N in written if up_to < N <= FARTHEST)]
        self.found: dict[Claim, Outcome] = {}
        self.could: set[Claim] = set()
        self.reached: dict[Claim, list[int]] = {claim: [] for claim in claims}  # sizes of which all was decided
        self.why: dict[Claim, str] = {}  # what ended a claim before its last size

    def outcomes(self) -> dict[Claim, Outcome]:
        began, N = time.process_time(), 0
        open_ = list(self.claims)
        try:
            for row in rows(self.design, self.when, self.sizes, self.compared):
                if row.N != N:
                    self.pass_(N, open_)
                    N = row.N
                    if time.process_time() - began > SECONDS and "N" not in self.when:
                        self.why |= {claim: f"{SECONDS} seconds were over" for claim in open_}
                        break
                self.look(row, open_)
                open_ = [claim for claim in open_ if claim not in self.found and claim not in self.why]
                if not open_:
                    break
            else:
                self.pass_(N, open_)
        except DesignError as error:  # no value for a group of this size
            self.found |= {claim: ("undecided", str(error)) for claim in open_}
        for claim in self.claims:
            if claim not in self.found:
                self.found[claim] = self.outcome(claim)
        return self.found

    def pass_(self, N: int, claims: Sequence[Claim]) -> None:
        for claim in claims if N else []:
            self.reached[claim].append(N)

    def look(self, row: Row, claims: Sequence[Claim]) -> None:
        for claim in claims:
            try:
                if claim.of_rewards:
                    refuse_other_scores(self.design, self.design.constants(row.moment) | row.params)
                with bounded(self.design.source.path, WORK):
                    if (failure := on_row(claim, row, self.others.get(claim))) is not None:
                        self.found[claim] = "refuted", failure
                    elif claim not in self.could and could_break(claim, row):
                        self.could.add(claim)
            except (Unusable, TooMuch, OverflowError) as error:
                self.why[claim] = f"not decided for {row.where()}: {str(error.args[0]).split(chr(10))[0]}"
            except DesignError as error:
                self.found[claim] = "undecided", str(error)

    def outcome(self, claim: Claim) -> Outcome:
        done, why = self.reached[claim], self.why.get(claim)
        if not done:
            text = why or "`when` leaves no group to look at: the ranges forbid it"
            return "undecided", located(claim.span, f"{claim.text}: {text}" if why else text)
        over = f"every 0/1 group, {settings(self.design, self.when, done, self.compared)}"
        if claim in self.could:
            return "exhausted", over + (f"; {why}" if why else "")
        if claim.kind == "proportional_to":
            return "refuted", f"every advantage is 0: {over}"
        hint = "what it supposes was nowhere: give sizes or parameters where it is, with `when:`"
        return "undecided", located(claim.span, f"not tested, no group could have broken it: {over}", hint)
