"""A claim on one tried batch: does a group break it, and could it have?

In    the exact advantages of a batch of any rewards (search.py)
Out   what the first group that breaks the claim does wrong, in words; and whether any group could have broken it

A group could have if what the claim supposes is there: two rewards for `monotone: rewards`, the condition for
`zero_when`. For a formula that is tried out: with other advantages it has to be false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from shaping import real
from shaping.language.evaluate import Batch, Group, constant
from shaping.language.vocabulary import ANSWER
from shaping.proofs.claims import Claim
from shaping.proofs.rules import OTHER_ADVANTAGES, sides, truth
from shaping.real import Real


def plain(values: Sequence[Real]) -> str:
    return f"[{', '.join(map(real.show, values))}]"


@dataclass
class Answers:
    """One group: what was given, and what its answers get."""

    params: dict[str, Real]
    columns: dict[str, Sequence[Fraction]]  # r, score, and the signals
    correct: Sequence[bool]
    values: Sequence[Real]

    def names(self) -> dict[str, Real]:
        N, n_pos = len(self.values), sum(self.correct)
        counts = {"N": N, "n_pos": n_pos, "n_neg": N - n_pos, "p": Fraction(n_pos, N)}
        return {name: Fraction(value) for name, value in counts.items()} | self.params

    def group(self, values: Sequence[Real], batch: Batch | None) -> Group:
        """For formulas of claims, with these advantages in place of its own."""
        columns = dict(self.columns) | {"A": values, "verdict": [Fraction(each) for each in self.correct]}
        kinds = [dict(zip(columns, answer, strict=True)) for answer in zip(*columns.values(), strict=True)]
        return Group(self.names(), [(1, kind) for kind in kinds], batch)

    @cached_property
    def shown(self) -> str:
        return f"advantages {plain(self.values)}"


def breaks(claim: Claim, batch: Sequence[Answers]) -> str | None:
    """What the first group that breaks the claim does wrong."""
    if claim.kind == "holds":
        return _formula_breaks(claim, batch, [group.values for group in batch])
    return next(filter(None, (_BREAKS[claim.kind](claim, group) for group in batch)), None)


def could_break(claim: Claim, batch: Sequence[Answers]) -> bool:
    """Could a design with other advantages have broken the claim here?"""
    if claim.kind == "holds":
        return _formula_could(claim, batch)
    return any(_SUPPOSES[claim.kind](claim, group) for group in batch)


# ── One kind of claim each ──────────────────────────────────────────────────


def _zero_sum(claim: Claim, group: Answers) -> str | None:
    total: Real = Fraction(0)
    for value in group.values:
        total = real.add(total, value)
    return f"{group.shown} add up to {real.show(total)}" if real.sign(total) else None


def _zero_on_constant_groups(claim: Claim, group: Answers) -> str | None:
    return group.shown if _is_constant(claim, group) and any(map(real.sign, group.values)) else None


def _is_constant(claim: Claim, group: Answers) -> bool:
    return len(set(group.columns["r"])) == 1 and len(set(group.columns["score"])) == 1


def _sign_correct(claim: Claim, group: Answers) -> str | None:
    pairs = zip(group.values, group.correct, strict=True)
    return group.shown if any(real.sign(value) == (-1 if right else 1) for value, right in pairs) else None


def _bounded(claim: Claim, group: Answers) -> str | None:
    bound = constant(claim.formula, group.names())
    beyond = any(real.compare(real.absolute(value), bound) > 0 for value in group.values)
    return f"{group.shown}, beyond {real.show(bound)}" if beyond else None


def _monotone(claim: Claim, group: Answers) -> str | None:
    best: Real | None = None  # the most that a lower reward gets
    by_reward: dict[Fraction, list[Real]] = {}
    for reward, value in zip(group.columns["r"], group.values, strict=True):
        by_reward.setdefault(reward, []).append(value)
    for reward in sorted(by_reward):
        values = by_reward[reward]
        if best is not None and any(real.compare(value, best) < 0 for value in values):
            return group.shown
        for value in values:
            best = value if best is None or real.compare(value, best) > 0 else best
    return None


def _zero_when(claim: Claim, group: Answers) -> str | None:
    return group.shown if any(map(real.sign, group.values)) and _applies(claim, group) else None


def _applies(claim: Claim, group: Answers) -> bool:
    return truth(claim.formula, Group(group.names(), []))


_BREAKS: dict[str, Callable[[Claim, Answers], str | None]] = {
    "zero_sum": _zero_sum,
    "zero_on_constant_groups": _zero_on_constant_groups,
    "sign_correct": _sign_correct,
    "bounded": _bounded,
    "monotone": _monotone,
    "zero_when": _zero_when,
}
_SUPPOSES: dict[str, Callable[[Claim, Answers], bool]] = {
    "zero_sum": lambda claim, group: True,
    "zero_on_constant_groups": _is_constant,
    "sign_correct": lambda claim, group: True,
    "bounded": lambda claim, group: True,
    "monotone": lambda claim, group: len(set(group.columns["r"])) > 1,
    "zero_when": _applies,
    "equals": lambda claim, group: True,
    "proportional_to": lambda claim, group: any(map(real.sign, group.values)),
}


# ── Formulas ────────────────────────────────────────────────────────────────


def _formula_breaks(claim: Claim, batch: Sequence[Answers], values_PN: Sequence[Sequence[Real]]) -> str | None:
    of_batch = Batch([], None)
    of_batch.groups = [group.group(values, of_batch) for group, values in zip(batch, values_PN, strict=True)]
    for answers, group in zip(batch, of_batch.groups, strict=True):
        for i in range(len(answers.values) if claim.formula.scope == ANSWER else 1):
            if not truth(claim.formula, group, i):
                of = f"of answer {i}, " if claim.formula.scope == ANSWER else ""
                return f"{answers.shown}: {of}{sides(claim.formula, group, i)}"
    return None


def _formula_could(claim: Claim, batch: Sequence[Answers]) -> bool:
    """Is it false if one answer, or all of them, get something else?"""
    for other in OTHER_ADVANTAGES:
        if _formula_breaks(claim, batch, [[other] * len(group.values) for group in batch]) is not None:
            return True
        for p, group in enumerate(batch):
            for i in range(min(len(group.values), 6)):
                changed = [list(each.values) for each in batch]
                changed[p][i] = other
                if _formula_breaks(claim, batch, changed) is not None:
                    return True
    return False


# ── Two designs ─────────────────────────────────────────────────────────────


def related(claim: Claim, mine: Sequence[Real], theirs: Sequence[Real], factor: Real | None) -> tuple[str | None, Real]:
    """What breaks `equals` or `proportional_to` in one group, and the factor, `factor` being known from others.

    Equal; or in proportion by one factor above 0, of `per: group` at least 0.
    """
    if claim.kind == "equals":
        factor = Fraction(1)
    for a, b in zip(mine, theirs, strict=True):
        if factor is None and real.sign(b):
            factor = real.divide(a, b)
    wanted = [Fraction(0) if factor is None else real.multiply(factor, b) for b in theirs]
    same = all(real.compare(a, b) == 0 for a, b in zip(mine, wanted, strict=True))
    if same and (factor is None or real.sign(factor) >= (0 if claim.per_group else 1)):
        return None, factor
    return f"advantages {plain(mine)} against {plain(theirs)}", factor
