"""One batch to try a claim on: what is given of every answer, the parameters, the point of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from shaping import real
from shaping.design import Design, Moment
from shaping.groups.check import draw_shape
from shaping.language.nodes import Draws


@dataclass(frozen=True)
class Case:
    """Groups of one step, all of the same size."""

    reward_PN: list[list[Fraction]]
    score_PN: list[list[Fraction]]
    signals: dict[str, list[list[Fraction]]]
    params: dict[str, Fraction] = field(default_factory=dict)  # whole parameters that are not at their default
    moment: Moment | None = None
    seed: int = 0  # of draws
    after: Case | None = None  # of another step, with the same parameters

    @property
    def N(self) -> int:
        return len(self.reward_PN[0])

    @property
    def of_verdicts(self) -> bool:
        """Are the rewards the scores, and each 0 or 1?"""
        alike = self.reward_PN is self.score_PN or self.reward_PN == self.score_PN
        return alike and all(score in (0, 1) for scores in self.score_PN for score in scores)

    def is_for(self, design: Design) -> bool:
        """Is the design for such rewards: does its `rewards:` have what it looks at?"""
        names, columns = design.constants(None) | self.params, {"r": self.reward_PN, "score": self.score_PN}
        return all(
            rewards.holds(value, names)
            for rewards in design.rewards
            for name in design.looked_at(rewards)
            for value in {value for values in columns[name] for value in values}
        )

    def draws(self, design: Design) -> dict[Draws, list[list[list[int]]]]:
        """Draws of each `draws:` section from each group: the same for designs that draw as many."""
        found: dict[Draws, list[list[list[int]]]] = {}
        for node in design.draws:
            rng = Random(self.seed)
            count, size = draw_shape(design, node, self.N, self.moment)
            found[node] = [
                [list(range(j * size, (j + 1) * size)) for j in range(count)]
                if node.consecutive
                else [sorted(rng.sample(range(self.N), size)) for _ in range(count)]
                for _ in self.reward_PN
            ]
        return found

    def __str__(self) -> str:
        rows = [f"rewards {_plain(rewards)}" for rewards in self.reward_PN]
        columns = {"scores": self.score_PN} if self.score_PN != self.reward_PN else {}
        for name, values_PN in (columns | self.signals).items():
            rows = [f"{row}, {name} {_plain(values)}" for row, values in zip(rows, values_PN, strict=True)]
        text = "; ".join(rows) + "".join(f", {name} = {value}" for name, value in self.params.items())
        if self.moment:
            text += f", at step {self.moment.step} of {self.moment.total_steps}"
        return text + (f"; in another step {self.after}" if self.after else "")


def _plain(values: Sequence[Fraction]) -> str:
    return f"[{', '.join(map(real.show, values))}]"
