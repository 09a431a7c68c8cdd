"""Groups that 0/1 rewards do not show: hypothesis looks for one that breaks a claim, and shrinks what it finds.

Rewards, lengths, log-probabilities, other groups of the batch and draws are
made of small numbers; the values are exact. The search is seeded by the claim
itself, so that it finds the same again. Groups are as large as `when:` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain, product

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from shaping import real
from shaping.design import Design, loads
from shaping.errors import DesignError, located
from shaping.groups import exact
from shaping.groups.check import moments
from shaping.language.evaluate import Group, constant
from shaping.language.vocabulary import ANSWER
from shaping.proofs.batches import Batch, batches, plain, sizes_of
from shaping.proofs.claims import Claim
from shaping.proofs.decide import Verdict
from shaping.proofs.rules import other_params, sides, truth
from shaping.real import Real, Undefined, Unusable

EXAMPLES = 100


def search(design: Design, claim: Claim, other: Design | None, before: Verdict | None) -> Verdict:
    """A verdict on groups beyond those that `before` is about.

    Raises:
      DesignError: the design or the claim has no value for one of them, or `when` leaves none.
    """
    names = [name for name in claim.when if name != "N"]
    choices = [dict(zip(names, values, strict=True)) for values in product(*(claim.when[name] for name in names))]
    found: set[int] = set()  # sizes of groups that were made
    looked = 0
    idle = claim.kind == "proportional_to" and before is None  # is every advantage 0?
    for params in choices:
        one = _set(design, params)
        if not (sizes := sizes_of(one, claim)):
            continue
        made = batches(one, claim, other, sizes)
        batch = _first(claim, made, lambda batch, one=one: failure(one, claim, other, batch) is not None)
        if batch is not None:
            shown = "".join(f", {name} = {value}" for name, value in params.items())
            return Verdict(claim, False, "refuted", f"{batch}{shown}: {failure(one, claim, other, batch)}")
        looked, found = looked + EXAMPLES, found | {*sizes}
        idle = idle and _first(claim, made, lambda batch, one=one: _pushes(one, batch)) is None
    if not found:
        raise DesignError(located(claim.span, "`when` leaves no group to look at: the ranges forbid it"))
    examples = f"{looked} {'other ' if before else ''}groups of {_told(claim, found)} answers"
    if idle:
        return Verdict(claim, False, "refuted", f"every advantage is 0: {examples}")
    first = f"{before.how} for 0/1 rewards ({before.over}); " if before else ""
    return Verdict(claim, True, "searched", first + examples)


def _told(claim: Claim, sizes: set[int]) -> str:
    """'up to 6', or as `when` says: '16'."""
    exactly = "N" in claim.when or len(sizes) == 1
    return ", ".join(map(str, sorted(sizes))) if exactly else f"up to {max(sizes)}"


def _first(claim: Claim, made: st.SearchStrategy[Batch], wanted: Callable[[Batch], bool]) -> Batch | None:
    """The smallest of those that are made that is wanted."""

    undecided: list[DesignError] = []

    def found(batch: Batch) -> bool:
        try:
            return wanted(batch)
        except (Undefined, Unusable) as error:
            undecided.append(DesignError(located(claim.span, f"{claim.text}: {error.args[0]}, for {batch}")))
            return True

    quiet = settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    try:
        first = find(made, found, settings=quiet)
    except NoSuchExample:
        return None
    if undecided:
        raise undecided[-1]
    return first


def _set(design: Design, params: Mapping[str, Real]) -> Design:
    """The same design with other parameters."""
    return loads(design.source.text, design.source.path, **{name: str(value) for name, value in params.items()})


def failure(design: Design, claim: Claim, other: Design | None, batch: Batch) -> str | None:
    """What the first group of the batch that breaks the claim does wrong."""
    mine = _advantages(design, batch)
    if other is not None:
        constants = design.constants(None) | {"N": Fraction(len(batch.reward_PN[0]))}
        other = _set(other, other_params(claim, constants))
        theirs = _advantages(other, batch)
        if batch.after is not None:  # one factor for all that is there
            mine = [list(chain(*mine, *_advantages(design, batch.after)))]
            theirs = [list(chain(*theirs, *_advantages(other, batch.after)))]
        return next(filter(None, (_related(claim, a, b) for a, b in zip(mine, theirs, strict=True))), None)
    groups = (_OneGroup(design, batch, i, values) for i, values in enumerate(mine))
    return next(filter(None, (group.breaks(claim) for group in groups)), None)


def _advantages(design: Design, batch: Batch) -> list[list[Real]]:
    signals = {name: values for name, values in batch.signals.items() if name in design.inputs}
    draws = dict(zip(design.draws, batch.draws, strict=False))
    moment = next(moments(design))
    return exact.batch(design, batch.reward_PN, signals=signals, draws=draws, moment=moment)


def _pushes(design: Design, batch: Batch) -> bool:
    """Does any answer get anything but 0?"""
    return any(map(real.sign, chain(*_advantages(design, batch))))


@dataclass
class _OneGroup:
    design: Design
    batch: Batch
    place: int
    values: list[Real]

    def breaks(self, claim: Claim) -> str | None:
        rewards, values = self.batch.reward_PN[self.place], self.values
        shown = f"advantages {plain(values)}"
        match claim.kind:
            case "zero_sum":
                total: Real = Fraction(0)
                for value in values:
                    total = real.add(total, value)
                return f"{shown} add up to {real.show(total)}" if real.sign(total) else None
            case "zero_on_constant_groups":
                return shown if len(set(rewards)) == 1 and any(map(real.sign, values)) else None
            case "sign_correct":
                wrong_way = (real.sign(a) == (-1 if v else 1) for a, v in zip(values, self.verdicts, strict=True))
                return shown if any(wrong_way) else None
            case "bounded":
                bound = constant(claim.formula, self.names())
                beyond = any(real.compare(real.absolute(value), bound) > 0 for value in values)
                return f"{shown}, beyond {real.show(bound)}" if beyond else None
            case "monotone":
                pairs = [(x, y) for x in zip(rewards, values, strict=True) for y in zip(rewards, values, strict=True)]
                return shown if any(r > s and real.compare(a, b) < 0 for (r, a), (s, b) in pairs) else None
            case "zero_when":
                applies = truth(claim.formula, Group(self.names(), []))
                return shown if applies and any(map(real.sign, values)) else None
            case "holds":
                group = Group(self.names(), [(1, answer) for answer in self.answers()])
                for i in range(len(values)):
                    if not truth(claim.formula, group, i):
                        of = f"of answer {i}, " if claim.formula.scope == ANSWER else ""
                        return f"{shown}: {of}{sides(claim.formula, group, i)}"
        return None

    @cached_property
    def verdicts(self) -> list[bool]:
        return [exact.verdict(self.design, score) for score in self.batch.reward_PN[self.place]]

    def names(self) -> dict[str, Real]:
        N, n_pos = len(self.values), sum(self.verdicts)
        counts = {"N": N, "n_pos": n_pos, "n_neg": N - n_pos, "p": Fraction(n_pos, N)}
        return {name: Fraction(value) for name, value in counts.items()} | self.design.constants(None)

    def answers(self) -> list[dict[str, Real]]:
        rewards = self.batch.reward_PN[self.place]
        columns = {"A": self.values, "r": rewards, "score": rewards, "verdict": [Fraction(v) for v in self.verdicts]}
        columns |= {name: values_PN[self.place] for name, values_PN in self.batch.signals.items()}
        return [dict(zip(columns, answer, strict=True)) for answer in zip(*columns.values(), strict=True)]


def _related(claim: Claim, mine: list[Real], theirs: list[Real]) -> str | None:
    """Equal; or in proportion, by one factor for all of these: above 0, or of `per: group` at least 0."""
    factor: Real | None = Fraction(1) if claim.kind == "equals" else None
    for a, b in zip(mine, theirs, strict=True):
        if factor is None and real.sign(b):
            factor = real.divide(a, b)
    wanted = [Fraction(0) if factor is None else real.multiply(factor, b) for b in theirs]
    same = all(real.compare(a, b) == 0 for a, b in zip(mine, wanted, strict=True))
    if same and (factor is None or real.sign(factor) >= (0 if claim.per_group else 1)):
        return None
    return f"advantages {plain(mine)} against {plain(theirs)}"
