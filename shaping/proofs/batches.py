"""Groups for hypothesis to try: rewards, lengths, log-probabilities, draws and other groups, made of small numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from random import Random

from hypothesis import strategies as st

from shaping import real
from shaping.design import Design
from shaping.groups.check import draw_shape, moments
from shaping.groups.exact import verdict
from shaping.groups.rows import in_range, reads_other_scores
from shaping.language.nodes import Draws, Name, Node, Number, walk
from shaping.proofs.claims import Claim
from shaping.proofs.decide import OF_RIGHT_AND_WRONG, takes_any_rewards
from shaping.real import Real
from shaping.work import MAX_N

LARGEST = 6  # answers in a group, if neither `when:` nor a range asks for more
APART = 16  # answers of a larger group that differ; the others are like them
REWARDS = [Fraction(x) for x in ("0", "1", "1/2", "-1", "2", "1/10")]
NUMBERS = {"logprob": [Fraction(-x, 4) for x in range(9)], "truncated": [Fraction(0), Fraction(1)]}


@dataclass
class Batch:
    """Groups of one step, each with the same number of answers, and what was drawn from them."""

    reward_PN: list[list[Fraction]]
    signals: dict[str, list[list[Fraction]]]
    draws: list[list[list[list[int]]]]  # of each `draws:` section, of each group
    after: Batch | None = None  # another step, with groups of the same size

    def __str__(self) -> str:
        rows = [f"rewards {plain(rewards)}" for rewards in self.reward_PN]
        for name, values_PN in self.signals.items():
            rows = [f"{row}, {name} {plain(values)}" for row, values in zip(rows, values_PN, strict=True)]
        return "; ".join(rows) + (f"; in another step {self.after}" if self.after else "")


def sizes_of(design: Design, claim: Claim) -> list[int]:
    """How many answers a group may have: as `when` says, else few, or as few as the ranges allow."""
    moment = next(moments(design))
    larger = ([N] for N in range(LARGEST + 1, MAX_N + 1))
    wanted = [map(int, claim.when["N"])] if "N" in claim.when else chain([range(2, LARGEST + 1)], larger)
    fitting = ([N for N in sizes if in_range(design, N, {}, moment)] for sizes in wanted)
    return next(filter(None, fitting), [])


@st.composite
def batches(draw, design: Design, claim: Claim, other: Design | None, sizes: list[int]) -> Batch:
    both = [each for each in (design, other) if each is not None]
    graded = all(map(takes_any_rewards, both)) and claim.kind not in OF_RIGHT_AND_WRONG
    values = list(dict.fromkeys([*chain(*map(_two_scores, both)), *(REWARDS if graded else [])]))
    names = sorted({name for each in both for name in each.inputs})
    N = draw(st.sampled_from(sizes))

    def step() -> Batch:
        P = draw(st.integers(1, 3)) if any(each.reads_batch for each in both) else 1

        def table(choices: list[Fraction]) -> list[list[Fraction]]:
            apart = [[draw(st.sampled_from(choices)) for _ in range(min(N, APART))] for _ in range(P)]
            return [[row[i % APART] for i in range(N)] for row in apart]

        signals = {name: table(NUMBERS.get(name, [Fraction(x) for x in range(1, 9)])) for name in names}
        rewards = table(values)
        return Batch(rewards, signals, [[_drawn(draw, design, node, N) for _ in range(P)] for node in design.draws])

    batch = step()
    if claim.kind == "proportional_to" and not claim.per_group:  # the factor of one group is that of every other
        batch.after = step()
    return batch


def _two_scores(design: Design) -> list[Fraction]:
    """Of a wrong and a correct answer, the smaller first: 0 and 1, or near a number of the file's `correct:`."""
    if not reads_other_scores(design):
        return [Fraction(0), Fraction(1)]
    near = [node.value for node in walk(design.verdict) if isinstance(node, Number)]
    near += [design.params[node.name].value for node in walk(design.verdict) if _is_param(design, node)]
    scores = [Fraction(0), Fraction(1), *(value + by for value in near for by in (0, 1, -1))]
    verdicts = [verdict(design, score) for score in scores]
    return sorted(scores[verdicts.index(kind)] for kind in (False, True) if kind in verdicts)


def _is_param(design: Design, node: Node) -> bool:
    return isinstance(node, Name) and node.name in design.params


def _drawn(draw, design: Design, node: Draws, N: int) -> list[list[int]]:
    count, size = draw_shape(design, node, N, next(moments(design)))
    if node.consecutive:
        return [list(range(j * size, (j + 1) * size)) for j in range(count)]
    if N > LARGEST:  # hypothesis gives up on so many choices
        chosen = Random(draw(st.integers(0, 1_000_000)))
        return [sorted(chosen.sample(range(N), size)) for _ in range(count)]
    return [sorted(draw(st.permutations(range(N)))[:size]) for _ in range(count)]


def plain(values: list[Real]) -> str:
    return f"[{', '.join(map(real.show, values))}]"
