"""What a design optimizes, and how well, for `python -m shaping explain`.

In    Design, N            whose advantages 0/1 rewards decide
Out   Explanation          exact numbers; words() for people, json() for programs

For one prompt solved with probability p, E[gradient] = w(p) grad p, so that the design climbs F with F' = w; its
group is paid phi(n_pos) for that (objective.py). An objective is named only where w is exactly its derivative up to
a factor (recognize.py); else the nearest familiar one is, with the gap. Noise and time: dynamics.py. Large groups:
limits.py. How it is put: words.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from shaping.design import Design
from shaping.errors import DesignError
from shaping.groups import push
from shaping.groups.exact import Pair, verdict_pair
from shaping.groups.rows import beyond_verdicts
from shaping.objectives import bernstein, dynamics, objective
from shaping.objectives.recognize import Climbs, Near, climbs, near, nearest
from shaping.real import Real

if TYPE_CHECKING:
    from shaping.objectives.limits import Limit, Pieces

AT = [Fraction(1, 16), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(15, 16)]
SPANS = [(Fraction(1, 16), Fraction(1, 2)), (Fraction(1, 2), Fraction(15, 16))]


def explain(design: Design, N: int) -> Explanation:
    """What groups of N, at least 2, make a design climb. A design with a clock is looked at as its run begins.

    Raises:
      DesignError: it looks at more than verdicts, or has no value for some group (which `design.check(N)` finds too).

    Example:
      >>> from shaping import load
      >>> explain(load("configs/pkpo.yaml", k=2), 8).climbs
      Climbs(objective='pass_at(2)', factor=Fraction(1, 1))
    """
    why = beyond_verdicts(design)
    if why:
        raise DesignError(
            f"design {design.name!r} climbs nothing that can be said of p alone: {why}\n"
            "hint: what it optimizes is known where rewards of 0 and 1 decide every advantage"
        )
    if N < 2:
        raise DesignError(f"a group of {N} compares nothing: explain groups of 2 or more")
    moment = design.moment(0, 1) if design.clock else None
    return Explanation(design, N, tuple(verdict_pair(design, N, n_pos, moment) for n_pos in range(N + 1)))


@dataclass(frozen=True, eq=False)
class Explanation:
    design: Design
    N: int
    pairs: tuple[Pair, ...]  # what a correct and a wrong answer get, for n_pos = 0..N

    # ── What it climbs ──────────────────────────────────────────────────────

    @cached_property
    def weight(self) -> list[Real]:
        """The Bernstein coefficients D_0 .. D_(N-1) of w(p), of degree N - 1."""
        return objective.weight(self.pairs)

    @cached_property
    def group_reward(self) -> list[Real] | list[float]:
        """phi(0) .. phi(N), which are the Bernstein coefficients of F(p) as well."""
        if objective.has_exact_sums(self.weight):
            return objective.group_reward(self.pairs)
        return [each / self.N for each in bernstein.running_sums(self.weight)]

    @cached_property
    def climbs(self) -> Climbs | None:
        return climbs(self.weight)

    @cached_property
    def near(self) -> Near | None:
        return None if self.climbs else nearest(self.weight)

    @cached_property
    def limit(self) -> Limit | Pieces | str:
        """What it climbs as N grows, or why no limit is found."""
        from shaping.objectives.limits import limit  # late: it needs sympy
        from shaping.symbols.series import NotFound

        try:
            return limit(self.design, self.design.moment(0, 1) if self.design.clock else None)
        except NotFound as why:
            return str(why)

    @cached_property
    def near_limit(self) -> Near | None:
        """How near w is to its limit already, where that is the gradient of something familiar."""
        objective = getattr(self.limit, "objective", None)
        return near(self.weight, objective) if objective else None

    def weight_at(self, p: Fraction) -> Real | float:
        """w(p): exact where that is a fraction, else correct to some 14 digits."""
        return dynamics.at(self.weight, p) if _rational(self.weight) else bernstein.value_at(self.weight, p)

    @cached_property
    def weight_polynomial(self) -> list[Fraction] | None:
        """w as coefficients of 1, p, p^2 ...; None if they are not rational."""
        return objective.trimmed(objective.from_bernstein(self.weight)) if _rational(self.weight) else None

    @cached_property
    def objective_polynomial(self) -> list[Fraction] | None:
        """F the same way, F(0) = 0."""
        return objective.trimmed(objective.from_bernstein(self.group_reward)) if _rational(self.weight) else None

    # ── How well ────────────────────────────────────────────────────────────

    @cached_property
    def variance_polynomial(self) -> list[Fraction] | None:
        """Var g as coefficients of 1, p, p^2 ..., for the g of dynamics.py; None if they are not rational."""
        moment = dynamics.second_moment(self.pairs)
        if not _rational(moment) or self.weight_polynomial is None:
            return None
        mean = objective.times(self.weight_polynomial, [Fraction(0), Fraction(1), Fraction(-1)])
        square = objective.times(mean, mean)
        return objective.trimmed(objective.plus(objective.from_bernstein(moment), [-a for a in square]))

    @cached_property
    def eta(self) -> list[Real]:
        return push.eta(self.pairs)

    @cached_property
    def peak(self) -> list[int]:
        """The n_pos at which eta is largest; none if it is 0."""
        return push.peak(self.eta)

    @cached_property
    def dead(self) -> list[int]:
        """The n_pos of groups that say nothing."""
        return push.dead_zone(self.pairs)

    @cached_property
    def snr(self) -> dict[Fraction, tuple[float, float, float] | None]:
        """p → (mean^2 / variance of one group's gradient, as many times that of GRPO, as many times that of RLOO).

        Infinite where the gradient does not vary; None where it is always 0.
        """
        found = {}
        for p in AT[:-1]:
            own = dynamics.snr(self.pairs, p)
            others = [dynamics.snr(each(self.N), p) for each in (dynamics.grpo, dynamics.rloo)]
            found[p] = None if own is None else (own, *(own / other if other else inf for other in others))
        return found

    @cached_property
    def times(self) -> dict[tuple[Fraction, Fraction], tuple[float, float]]:
        """(from p, to p) → (time, as many times that of GRPO) of dp/dt = w(p) (p (1-p))^2; infinite if w stops it.

        What is more than dynamics.LONGEST is that.
        """
        grpo, found = tuple(objective.weight(dynamics.grpo(self.N))), {}
        for span in SPANS:
            own, other = (dynamics.log_time(tuple(weight), *span) for weight in (self.weight, grpo))
            found[span] = dynamics.unlogged(own), dynamics.unlogged(None if own is None else own - other)
        return found

    # ── Said (words.py) ─────────────────────────────────────────────────────

    def words(self) -> str:
        """As one would tell a colleague: plain text of at most 100 columns."""
        from shaping.objectives.words import words

        return words(self)

    def json(self) -> dict[str, object]:
        """The same for programs: exact numbers as {"exact": "1/3", "value": 0.333...}."""
        from shaping.objectives.words import as_json

        return as_json(self)


def _rational(values: Sequence[Real]) -> bool:
    return all(isinstance(value, Fraction) for value in values)
