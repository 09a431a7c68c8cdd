"""A batch that is to break a claim, and the exact advantages that a design gives it.

In    the text of a design, a Witness
Out   Run: advantages, verdicts, and the names that the formula of a claim may read

Numbers that are no fractions have 60 digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import mpmath
from claim_formula import alike

from shaping import Design, loads
from shaping.groups.exact import batch, verdict
from shaping.real import to_sympy

mpmath.mp.dps = 60
CONFIGS = Path(__file__).parents[1] / "configs"
PATH = str(CONFIGS / "known.yaml")  # used files are looked for beside it
Rows = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Witness:
    """A batch; `also`: a second one of the same N, where one cannot break the claim (proportional_to)."""

    rewards: Rows
    scores: Rows | None = None
    signals: Mapping[str, Rows] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None
    total_steps: int | None = None
    draws: Sequence[Sequence[Sequence[int]]] | None = None  # of each group: the answers of each draw
    also: Witness | None = None


class Run:
    """A design on a batch: its advantages, and the names that a formula of a claim may read."""

    def __init__(self, text: str, params: Mapping[str, str], witness: Witness):
        self.design, self.witness = loads(text, PATH, **params), witness
        self.N = len(witness.rewards[0])
        self.design.check(self.N)
        self.values = {name: param.value for name, param in self.design.params.items()}
        self.scores = witness.scores or witness.rewards
        self.A = advantages(self.design, witness)
        self.right = [[verdict(self.design, score) for score in row] for row in self.scores]
        if not self.design.graded and self.design.counts and not {s for row in self.scores for s in row} <= {0, 1}:
            raise ValueError("the design takes scores of 0 and 1 alone")

    def groups(self) -> Iterator[tuple[list, list[bool], dict, dict]]:
        """Of each group: advantages, verdicts, the names of one value, and those of one value an answer."""
        for g, A in enumerate(self.A):
            n_pos = sum(self.right[g])
            counts = {"N": self.N, "n_pos": n_pos, "n_neg": self.N - n_pos, "p": Fraction(n_pos, self.N)}
            answers = {"A": A, "r": self.witness.rewards[g], "score": self.scores[g]}
            answers |= {name: rows[g] for name, rows in self.witness.signals.items()}
            if "logprob" in answers:
                answers["surprisal"] = [-value for value in answers["logprob"]]
            yield A, self.right[g], self.values | counts, answers

    def at(self, n_pos: int):
        """The advantages of a correct and of a wrong answer (0 where there is none), rewards 0 and 1."""
        row = [Fraction(1)] * n_pos + [Fraction(0)] * (self.N - n_pos)
        (A,) = advantages(self.design, Witness([row], step=self.witness.step, total_steps=self.witness.total_steps))
        return (A[0] if n_pos else Fraction(0)), (A[-1] if n_pos < self.N else Fraction(0))

    def eta(self, n_pos: int):
        correct, wrong = alike(self.at(n_pos))
        return n_pos * abs(correct) + (self.N - n_pos) * abs(wrong)


def advantages(design: Design, witness: Witness) -> list[list]:
    """Of every group; signals that the design does not read are left out."""
    signals = {n: rows for n, rows in witness.signals.items() if n in design.inputs}
    draws = {node: witness.draws for node in design.draws}
    moment = design.moment(witness.step, witness.total_steps)
    rows = batch(design, witness.rewards, witness.scores, signals=signals, draws=draws, moment=moment)
    return [alike([number(value) for value in row]) for row in rows]


def number(value) -> Fraction | mpmath.mpf:
    if isinstance(value, Fraction):
        return value
    return mpmath.mpf(to_sympy(value).evalf(60))
