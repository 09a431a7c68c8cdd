"""Groups that 0/1 rewards do not show: hypothesis looks for one that breaks a claim, and shrinks what it finds.

Rewards, lengths, log-probabilities, other groups of the batch and draws are
made of small numbers; the values are exact. The search is seeded by the claim
itself, so that it finds the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, product

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from shaping import real
from shaping.design import Design, loads
from shaping.errors import DesignError, located
from shaping.groups import exact
from shaping.groups.check import draw_shape, moments
from shaping.groups.rows import in_range
from shaping.language.evaluate import Group, constant
from shaping.language.nodes import Draws
from shaping.language.vocabulary import ANSWER, BATCH
from shaping.proofs.claims import Claim
from shaping.proofs.decide import OF_RIGHT_AND_WRONG, Verdict, takes_any_rewards
from shaping.proofs.rules import other_params, sides, truth
from shaping.real import Real, Undefined, Unusable

EXAMPLES = 100
LARGEST = 6  # answers in a group
REWARDS = [Fraction(x) for x in ("0", "1", "1/2", "-1", "2", "1/10")]
NUMBERS = {"logprob": [Fraction(-x, 4) for x in range(9)], "truncated": [Fraction(0), Fraction(1)]}


@dataclass
class Batch:
    """Groups of one step, each with the same number of answers, and what was drawn from them."""

    reward_PN: list[list[Fraction]]
    signals: dict[str, list[list[Fraction]]]
    draws: list[list[list[list[int]]]]  # of each `draws:` section, of each group

    def __str__(self) -> str:
        rows = [f"rewards {_plain(rewards)}" for rewards in self.reward_PN]
        for name, values_PN in self.signals.items():
            rows = [f"{row}, {name} {_plain(values)}" for row, values in zip(rows, values_PN, strict=True)]
        return "; ".join(rows)


def search(design: Design, claim: Claim, other: Design | None, before: Verdict | None) -> Verdict:
    """A verdict on groups beyond those that `before` is about."""

    names = [name for name in claim.when if name != "N"]
    choices = [dict(zip(names, values, strict=True)) for values in product(*(claim.when[name] for name in names))]
    for params in choices:
        batch = _found(_set(design, params), claim, other)
        if batch is not None:
            shown = "".join(f", {name} = {value}" for name, value in params.items())
            return Verdict(
                claim, False, "refuted", f"{batch}{shown}: {failure(_set(design, params), claim, other, batch)}"
            )
    first = f"{before.how} for 0/1 rewards ({before.over}); " if before else ""
    examples = f"{EXAMPLES * len(choices)} {'other ' if before else ''}groups of up to {LARGEST} answers"
    return Verdict(claim, True, "searched", first + examples)


def _found(design: Design, claim: Claim, other: Design | None) -> Batch | None:
    """The smallest batch that breaks the claim, of those that were made."""

    undecided: list[DesignError] = []

    def breaks(batch: Batch) -> bool:
        try:
            return failure(design, claim, other, batch) is not None
        except (Undefined, Unusable) as error:
            undecided.append(DesignError(located(claim.span, f"{claim.text}: {error.args[0]}, for {batch}")))
            return True

    quiet = settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    try:
        found = find(batches(design, claim, other), breaks, settings=quiet)
    except NoSuchExample:
        return None
    if undecided:
        raise undecided[-1]
    return found


@st.composite
def batches(draw, design: Design, claim: Claim, other: Design | None) -> Batch:
    both = [each for each in (design, other) if each is not None]
    sizes = [N for N in range(2, LARGEST + 1) if _fits(design, claim, N)] or [8]
    N = draw(st.sampled_from(sizes))
    P = draw(st.integers(1, 3)) if any(node.scope == BATCH for each in both for node in each.nodes) else 1
    graded = all(map(takes_any_rewards, both)) and claim.kind not in OF_RIGHT_AND_WRONG
    values = REWARDS if graded else [Fraction(0), Fraction(1)]

    def table(choices: list[Fraction]) -> list[list[Fraction]]:
        return [[draw(st.sampled_from(choices)) for _ in range(N)] for _ in range(P)]

    names = sorted({name for each in both for name in each.inputs})
    signals = {name: table(NUMBERS.get(name, [Fraction(x) for x in range(1, 9)])) for name in names}
    rewards = table(values)
    return Batch(rewards, signals, [[_drawn(draw, design, node, N) for _ in range(P)] for node in design.draws])


def _fits(design: Design, claim: Claim, N: int) -> bool:
    wanted = claim.when.get("N")
    return (wanted is None or N in wanted) and in_range(design, N, {}, next(moments(design)))


def _drawn(draw, design: Design, node: Draws, N: int) -> list[list[int]]:
    count, size = draw_shape(design, node, N, next(moments(design)))
    if node.consecutive:
        return [list(range(j * size, (j + 1) * size)) for j in range(count)]
    return [sorted(draw(st.permutations(range(N)))[:size]) for _ in range(count)]


def _set(design: Design, params: Mapping[str, Real]) -> Design:
    """The same design with other parameters."""
    return loads(design.source.text, design.source.path, **{name: str(value) for name, value in params.items()})


def failure(design: Design, claim: Claim, other: Design | None, batch: Batch) -> str | None:
    """What the first group of the batch that breaks the claim does wrong."""
    mine = _advantages(design, batch)
    if other is not None:
        constants = design.constants(None) | {"N": Fraction(len(batch.reward_PN[0]))}
        theirs = _advantages(_set(other, other_params(claim, constants)), batch)
        if claim.kind == "proportional_to" and not claim.per_group:  # one factor for the whole batch
            mine, theirs = [list(chain(*mine))], [list(chain(*theirs))]
        return next(filter(None, (_related(claim, a, b) for a, b in zip(mine, theirs, strict=True))), None)
    groups = (_OneGroup(design, batch, i, values) for i, values in enumerate(mine))
    return next(filter(None, (group.breaks(claim) for group in groups)), None)


def _advantages(design: Design, batch: Batch) -> list[list[Real]]:
    signals = {name: values for name, values in batch.signals.items() if name in design.inputs}
    draws = dict(zip(design.draws, batch.draws, strict=False))
    moment = next(moments(design))
    return exact.batch(design, batch.reward_PN, signals=signals, draws=draws, moment=moment)


@dataclass
class _OneGroup:
    design: Design
    batch: Batch
    place: int
    values: list[Real]

    def breaks(self, claim: Claim) -> str | None:
        rewards, values = self.batch.reward_PN[self.place], self.values
        shown = f"advantages {_plain(values)}"
        match claim.kind:
            case "zero_sum":
                total: Real = Fraction(0)
                for value in values:
                    total = real.add(total, value)
                return f"{shown} add up to {real.show(total)}" if real.sign(total) else None
            case "zero_on_constant_groups":
                return shown if len(set(rewards)) == 1 and any(map(real.sign, values)) else None
            case "sign_correct":
                wrong_way = (real.sign(a) == (-1 if v else 1) for a, v in zip(values, self.verdicts(), strict=True))
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

    def verdicts(self) -> list[bool]:
        params = self.design.constants(None)
        scores = self.batch.reward_PN[self.place]
        groups = (Group(params, [(1, {"score": score})]) for score in scores)
        return [real.sign(group.value(self.design.verdict, 0)) != 0 for group in groups]

    def names(self) -> dict[str, Real]:
        N, n_pos = len(self.values), sum(self.verdicts())
        counts = {"N": N, "n_pos": n_pos, "n_neg": N - n_pos, "p": Fraction(n_pos, N)}
        return {name: Fraction(value) for name, value in counts.items()} | self.design.constants(None)

    def answers(self) -> list[dict[str, Real]]:
        rewards = self.batch.reward_PN[self.place]
        columns = {"A": self.values, "r": rewards, "score": rewards, "verdict": [Fraction(v) for v in self.verdicts()]}
        columns |= {name: values_PN[self.place] for name, values_PN in self.batch.signals.items()}
        return [dict(zip(columns, answer, strict=True)) for answer in zip(*columns.values(), strict=True)]


def _related(claim: Claim, mine: list[Real], theirs: list[Real]) -> str | None:
    """Equal; or, in one group, in proportion (that the factor is the same in all is looked at with 0/1 rewards)."""
    factor: Real | None = Fraction(1) if claim.kind == "equals" else None
    for a, b in zip(mine, theirs, strict=True):
        if factor is None and real.sign(b):
            factor = real.divide(a, b)
    wanted = [Fraction(0) if factor is None else real.multiply(factor, b) for b in theirs]
    same = all(real.compare(a, b) == 0 for a, b in zip(mine, wanted, strict=True))
    if same and (factor is None or real.sign(factor) >= 0):
        return None
    return f"advantages {_plain(mine)} against {_plain(theirs)}"


def _plain(values: list[Real]) -> str:
    return f"[{', '.join(map(real.show, values))}]"
