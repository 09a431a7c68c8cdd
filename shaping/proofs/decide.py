"""A claim → a verdict, and how it came about. Never reported stronger than it was decided:

    proved      in symbols, for every N, n_pos and parameter that the proof leaves free (symbolic.py)
    exhausted   every 0/1 group up to a size was computed exactly (exhaust.py)
    searched    batches that could have broken it were tried, and none did (search.py)
    refuted     here is the smallest group that breaks it
    undecided   none of these: it has no value, it took too long, or no tried group could have broken it

Where rewards may be other than 0 and 1, or lengths and other groups matter,
0/1 groups are not all there is: what was proved of them is searched beyond.
A verdict says besides what was not looked at. What goes wrong with one claim
costs that claim alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shaping.design import Design, with_params
from shaping.errors import DesignError, located
from shaping.groups.rows import beyond_verdicts, by_verdicts, in_range, reads_other_scores
from shaping.groups.run_points import moments
from shaping.language.nodes import Name, walk
from shaping.proofs.claims import OF_RIGHT_AND_WRONG, OF_VERDICTS, RELATIONS, Claim
from shaping.proofs.exhaust import UP_TO, exhaust
from shaping.proofs.written_out import other_design
from shaping.work import MAX_N, MAX_SECONDS, seconds

HOLDS = ("proved", "exhausted", "searched")
PROOF_SECONDS = 20  # for each claim; then groups are computed


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    how: str  # proved, exhausted, searched, refuted or undecided
    over: str  # what was looked at; the group that breaks it; or why nothing is known
    unseen: tuple[str, ...] = field(default=())  # what was not looked at

    @property
    def holds(self) -> bool:
        return self.how in HOLDS

    @property
    def passed(self) -> bool:
        """Does the file say what is so? `not:` needs a group that breaks the claim."""
        return self.how == "refuted" if self.claim.negated else self.holds

    @property
    def scope(self) -> str:
        """`over`, and what is beyond it."""
        return self.over + (f"; not looked at: {', '.join(self.unseen)}" if self.unseen and self.holds else "")


def decide(design: Design, claims: Sequence[Claim], up_to: int = UP_TO, most: int = 0) -> list[Verdict]:
    """A verdict on each claim.

    Args:
      up_to: the largest group of which every 0/1 group is computed.
      most: batches that a search tries at most; 0 for as many as it makes.
    """
    found: dict[Claim, Verdict] = {}
    others: dict[Claim, Design] = {}
    for claim in claims:
        _attempt([claim], found, lambda claim=claim: _prepare(design, claim, others))
    left = [claim for claim in claims if claim not in found and _by_verdicts(design, claim, others.get(claim))]
    for claim in left:
        if (scope := _proof(design, claim, others.get(claim))) is not None:
            found[claim] = Verdict(claim, "proved", scope)
    left = [claim for claim in left if claim not in found]
    _attempt(left, found, lambda: found.update(_exhausted(design, left, others, up_to)))
    left = [
        claim
        for claim in claims
        if (claim not in found or found[claim].holds) and _goes_beyond(design, claim, others.get(claim))
    ]
    _attempt(left, found, lambda: found.update(_searched(design, left, others, found, most)))
    return [replace(found[claim], unseen=tuple(_unseen(design, claim, others.get(claim)))) for claim in claims]


def _attempt(claims: Sequence[Claim], found: dict[Claim, Verdict], part: Callable[[], None]) -> None:
    """Do a part within a time; what goes wrong is the verdict on these claims and on no others."""
    if not claims:
        return
    try:
        with seconds(MAX_SECONDS, "undecided"):
            part()
    except DesignError as error:
        for claim in claims:
            reason = str(error) if "\n" in str(error) and "undecided" not in str(error) else _too_long(claim)
            found[claim] = Verdict(claim, "undecided", reason)


def _too_long(claim: Claim) -> str:
    message = f"{claim.text}: not decided after {MAX_SECONDS} seconds of computing"
    return located(claim.span, message, "fix N or parameters with `when:`, or lower --up-to")


def _prepare(design: Design, claim: Claim, others: dict[Claim, Design]) -> None:
    """Raise the DesignError of a claim that cannot be about this design; find the other design of a claim about two."""
    if claim.kind in RELATIONS:
        others[claim] = _other(design, claim)
    alone = claim.kind in OF_VERDICTS and not (claim.kind == "monotone" and not claim.directions)
    alone |= claim.kind == "holds" and not claim.of_answers
    if alone and not by_verdicts(design):
        message = f"{claim.text!r} is about groups of right and wrong answers, but {beyond_verdicts(design)}"
        raise DesignError(located(claim.span, message, "claim it of single answers, with A and r, or leave it out"))
    _refuse_values_out_of_range(design, claim)


def _refuse_values_out_of_range(design: Design, claim: Claim) -> None:
    """A value of `when:` that no group may have would be looked at nowhere, and nobody would know."""
    sizes = [int(N) for N in claim.when["N"]] if "N" in claim.when else range(2, MAX_N + 1)
    for name in (name for name in claim.when if name != "N"):
        own = tuple(bound for bound in design.bounds if bound.name == name and bound.span.source == design.source)
        alone = replace(design, sections=replace(design.sections, bounds=own))
        for value in claim.when[name]:
            one = with_params(alone, {name: value})
            moment = next(moments(one))
            if not any(in_range(one, N, {}, moment) for N in sizes):
                groups = f"N = {', '.join(map(str, sizes))}" if "N" in claim.when else "any N"
                message = f"{claim.text}: {name} = {value} is outside its range for {groups}"
                hint = f"its range is under `params:`{', and it is whole' if design.params[name].whole else ''}"
                raise DesignError(located(claim.span, message, hint))


def _proof(design: Design, claim: Claim, other: Design | None) -> str | None:
    from shaping.proofs.symbolic import prove  # sympy, needed by claims alone

    try:
        with seconds(PROOF_SECONDS, design.source.path):
            return prove(design, claim, other)
    except DesignError:  # too much for symbols, or without a value: the groups themselves are computed next
        return None


def _exhausted(
    design: Design, claims: Sequence[Claim], others: dict[Claim, Design], up_to: int
) -> dict[Claim, Verdict]:
    outcomes = exhaust(design, claims, others, up_to)
    return {claim: Verdict(claim, how, over) for claim, (how, over) in outcomes.items()}


def _searched(
    design: Design, claims: Sequence[Claim], others: dict[Claim, Design], before: dict[Claim, Verdict], most: int
) -> dict[Claim, Verdict]:
    from shaping.proofs.search import search

    found = {}
    for claim, outcome in search(design, claims, others, most).items():
        earlier = before.get(claim)
        if outcome.refuted:
            found[claim] = Verdict(claim, "refuted", outcome.refuted)
        elif outcome.undecided:
            reason = outcome.undecided
            found[claim] = Verdict(claim, "undecided", reason if "\n" in reason else located(claim.span, reason))
        elif not outcome.could:
            idle = "every advantage is 0" if claim.kind == "proportional_to" else _NOT_TESTED
            text = f"{idle}: {outcome.groups} {outcome.looked_at('N' in claim.when)}"
            how = "refuted" if claim.kind == "proportional_to" and earlier is None else "undecided"
            found[claim] = Verdict(claim, how, text if how == "refuted" else located(claim.span, text, _SUPPOSE))
        else:
            first = f"{earlier.how} for 0/1 rewards ({earlier.over}); " if earlier else ""
            text = f"{first}{outcome.groups:,} {'other ' if earlier else ''}{outcome.looked_at('N' in claim.when)}"
            text += ", every whole parameter" if any(p.is_count for p in design.params.values()) else ""
            text += f", at {len(outcome.points)} points of a run" if len(outcome.points) > 1 else ""
            text += _of_rewards(design)
            found[claim] = Verdict(claim, "searched", text)
    return found


def _of_rewards(design: Design) -> str:
    """The rewards that were tried, where its `rewards:` says which it is for."""
    told = [each.shown(design.constants(None)) for each in design.rewards if "r" in design.looked_at(each)]
    return f", rewards {' and '.join(told)}" if told else ""


_NOT_TESTED = "not tested, no group could have broken it"
_SUPPOSE = "what it supposes was nowhere: give sizes or parameters where it is, with `when:`"


def _other(design: Design, claim: Claim) -> Design:
    other = other_design(claim.other, design)
    for name, node in claim.params.items():
        if name not in other.params:
            there = ", ".join(other.params) or "none"
            raise DesignError(located(node.span, f"{other.name} has no parameter {name!r}", f"it has: {there}"))
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
    alone = claim.verdicts_alone or (claim.kind in OF_RIGHT_AND_WRONG and not design.graded)
    return not alone and any(map(takes_other_rewards, both))


def _by_verdicts(design: Design, claim: Claim, other: Design | None) -> bool:
    """Can it be decided on 0/1 groups: do they decide the advantages, and is an answer correct if its reward is 1?"""
    both = [each for each in (design, other) if each is not None]
    if claim.of_answers or not all(map(by_verdicts, both)):
        return False
    return not (claim.of_rewards and any(map(reads_other_scores, both)))


def takes_other_rewards(design: Design) -> bool:
    """Are there rewards but 0 and 1 that it reads? Where scores have to be verdicts, length penalties make them."""
    names = design.constants(None)
    if any(
        set(each.numbers(names)) <= {0, 1} and "r" in design.looked_at(each) for each in design.rewards if each.values
    ):
        return False  # it is for these alone
    return "r" in design.signals or ("score" in design.signals and (design.graded or not design.counts))


def _unseen(design: Design, claim: Claim, other: Design | None) -> list[str]:
    """What the verdict says nothing about, in words."""
    found = []
    names = [param.name for param in design.params.values() if not param.is_count and param.name not in claim.when]
    read = {node.name for root in (design.advantage, design.verdict) for node in walk(root) if isinstance(node, Name)}
    if names := [name for name in names if name in read]:
        found.append(f"other values of {', '.join(names)}")
    both = [each for each in (design, other) if each is not None]
    alone = claim.verdicts_alone or (claim.kind in OF_RIGHT_AND_WRONG and not design.graded)
    if (alone or not _goes_beyond(design, claim, other)) and any(map(takes_other_rewards, both)):
        found.append("rewards but 0 and 1")
    if design.token is not None:
        found.append("`token:`")
    return found
