"""What a design optimizes, and how well, for `python -m shaping explain`.

In    Design, N            whose advantages 0/1 rewards decide
Out   Explanation          exact numbers; words() for people, json() for programs

For one prompt solved with probability p, E[gradient] = w(p) grad p, so that the design climbs F with F' = w; its
group is paid phi(n_pos) for that (objective.py). An objective is named only where w is exactly its derivative up to
a factor (recognize.py); else the nearest familiar one is, with the gap. Noise and time: dynamics.py. Large groups:
limits.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf, isfinite

from shaping import dynamics, objective, real
from shaping.design import Design
from shaping.errors import DesignError
from shaping.exact import Pair, verdict_pair
from shaping.real import Real
from shaping.recognize import Climbs, Near, climbs, nearest, number_text, polynomial_text
from shaping.rows import beyond_verdicts

AT = [Fraction(1, 16), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(15, 16)]
SPANS = [(Fraction(1, 16), Fraction(1, 2)), (Fraction(1, 2), Fraction(15, 16))]
WIDTH = 100
SHORT = 60  # characters of a polynomial that is shown
SHOWN = 33  # numbers of a list that is shown


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
    def group_reward(self) -> list[Real]:
        """phi(0) .. phi(N), which are the Bernstein coefficients of F(p) as well."""
        return objective.group_reward(self.pairs)

    @cached_property
    def climbs(self) -> Climbs | None:
        return climbs(self.weight)

    @cached_property
    def near(self) -> Near | None:
        return None if self.climbs else nearest(self.weight)

    @cached_property
    def limit(self):
        """A Limit as N grows, or why there is none, in words."""
        from shaping.limits import limit  # late: it needs sympy
        from shaping.series import NotFound

        try:
            return limit(self.design, self.design.moment(0, 1) if self.design.clock else None)
        except NotFound as why:
            return str(why)

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
        return dynamics.eta(self.pairs)

    @cached_property
    def peak(self) -> list[int]:
        """The n_pos at which eta is largest; none if it is 0."""
        floats = [real.nearest(value) for value in self.eta]
        return [n for n, value in enumerate(floats) if value == max(floats) > 0]

    @cached_property
    def dead(self) -> list[int]:
        """The n_pos of groups that say nothing."""
        return dynamics.dead_zone(self.pairs)

    @cached_property
    def snr(self) -> dict[Fraction, tuple[float, float, float] | None]:
        """p → (mean^2 / variance of one group's gradient, as many times that of GRPO, as many times that of RLOO)."""
        found = {}
        for p in AT[:-1]:
            own = dynamics.snr(self.pairs, p)
            others = [dynamics.snr(each(self.N), p) for each in (dynamics.grpo, dynamics.rloo)]
            found[p] = None if own is None else (own, *(own / other if other else inf for other in others))
        return found

    @cached_property
    def times(self) -> dict[tuple[Fraction, Fraction], tuple[float, float]]:
        """(from p, to p) → (time, as many times that of GRPO) of dp/dt = w(p) (p (1-p))^2; infinite if w stops it."""
        grpo = objective.weight(dynamics.grpo(self.N))
        found = {}
        for start, end in SPANS:
            own = dynamics.time(self.weight, start, end)
            found[start, end] = own, own / dynamics.time(grpo, start, end)
        return found

    # ── Said ────────────────────────────────────────────────────────────────

    def words(self) -> str:
        """As one would tell a colleague."""
        when = ", as a run begins" if self.design.clock else ""
        when += ", before the section `token:`" if self.design.token else ""
        parts = [f"{self.design.name}, groups of {self.N}, rewards 0 and 1{when}", ""]
        sections = {
            "climbs": self._climbs(),
            "weight": self._weight(),
            "group": self._group(),
            "push": self._push(),
            "noise": self._noise(),
            "speed": self._speed(),
        }
        for title, lines in sections.items():
            for line in lines:
                wrapped = textwrap.wrap(line, WIDTH, initial_indent=f"{title:9}", subsequent_indent=" " * 9)
                parts += wrapped if "\n" not in line else [f"{title:9}{line}"]
                title = ""
        return "\n".join(parts)

    def _climbs(self) -> list[str]:
        if self.climbs and self.climbs.objective == "0":
            return ["nothing: the mean of its gradient is 0 at every p"]
        if self.climbs and self.climbs.factor == 1:
            lines = [f"{self.climbs.objective}: its gradient is unbiased for the gradient of it"]
        elif self.climbs:
            lines = [f"{self.climbs.objective}: its mean gradient is {_exactly(self.climbs.factor)} times that of it"]
        elif self.near:
            near = self.near
            lines = [
                f"nothing with a short name; nearest is {near.objective}, times {near.factor:.3g}: within "
                f"{_percent(near.inner)} for p from 1/{self.N} to {self.N - 1}/{self.N}, {_percent(near.outer)} over all p"
            ]
        else:
            lines = ["nothing with a short name, nor is a familiar objective near"]
        return [*lines, self._limit()]

    def _limit(self) -> str:
        if isinstance(self.limit, str):
            return f"as N grows: no limit found, {self.limit}"
        scaled = "w" if not self.limit.power else f"N^{self.limit.power} w".replace("N^1 ", "N ")
        text = f"as N grows: {scaled} -> {self.limit.weight.replace('**', '^')}"
        if self.limit.objective:
            factor = "" if self.limit.factor == "1" else f"{self.limit.factor} times "
            text += f", {factor}the derivative of {self.limit.objective}"
        return text + (", q = 1 - p" if "q" in self.limit.weight else "")

    def _weight(self) -> list[str]:
        lines = ["the mean gradient is w(p) grad p, p the chance that an answer is correct"]
        text = polynomial_text(self.weight_polynomial) if self.weight_polynomial else ""
        if text and len(text) <= SHORT:
            lines.append(f"w(p) = {text}" + (", q = 1 - p" if "q" in text else ""))
        else:
            lines.append(f"w(p) = sum_m C({self.N - 1}, m) p^m (1-p)^({self.N - 1}-m) D_m,  D = {_list(self.weight)}")
        lines.append("   ".join(f"w({p}) = {_short(self._at(p))}" for p in AT))
        return lines

    def _group(self) -> list[str]:
        lines = [f"as if it were paid phi(n_pos) = {_list(self.group_reward)}"]
        text = polynomial_text(self.objective_polynomial) if self.objective_polynomial else ""
        if text and len(text) <= SHORT:
            lines.append(f"whose mean is F(p) = {text}" + (", q = 1 - p" if "q" in text else ""))
        return lines

    def _push(self) -> list[str]:
        if not self.peak:
            return ["none: every advantage is 0"]
        places = ", ".join(f"{n}/{self.N}" for n in self.peak) if len(self.peak) <= 4 else _ranges(self.peak)
        lines = [f"eta = sum |A| of a group is largest, {_short(self.eta[self.peak[0]])}, at {places} correct"]
        return [*lines, f"0 for all at n_pos = {_ranges(self.dead)}" if self.dead else "no group gets 0 for all"]

    def _noise(self) -> list[str]:
        text = polynomial_text(self.variance_polynomial) if self.variance_polynomial else ""
        lines = [f"variance of a group's gradient, of a softmax logit: {text}"] if 0 < len(text) <= SHORT else []
        lines.append("mean^2 / variance of it; as many times that of GRPO, and of RLOO:")
        for p, found in self.snr.items():
            own, grpo, rloo = found or (0.0, 0.0, 0.0)
            lines.append(
                f"at p = {p!s:5} {own:.3g};  {grpo:.3g} of GRPO,  {rloo:.3g} of RLOO" if found else f"at p = {p}: none"
            )
        return lines

    def _speed(self) -> list[str]:
        lines = []
        for (start, end), (_, ratio) in self.times.items():
            long = (
                f"takes {ratio:.3g} times as long as GRPO"
                if isfinite(ratio)
                else "never gets there: w(p) <= 0 on the way"
            )
            lines.append(f"from p = {start} to {end} it {long}")
        return lines

    def _at(self, p: Fraction) -> Real | float:
        """w(p): exact where that is a fraction, else to the last digit of a float or nearly."""
        if _rational(self.weight):
            return dynamics.at(self.weight, p)
        return dynamics.value([real.nearest(value) for value in self.weight], float(p))

    def json(self) -> dict:
        """The same for programs: an exact number is {"exact": "1/3", "value": 0.333...}."""
        limit = self.limit
        found: dict[str, object] = {
            "design": self.design.name,
            "N": self.N,
            "params": {name: str(param.value) for name, param in self.design.params.items()},
            "at_the_beginning_of_a_run": bool(self.design.clock),
            "climbs": None,
            "nearest": None,
            "as_N_grows": {"not_found": limit}
            if isinstance(limit, str)
            else {**vars(limit), "power": str(limit.power)},
            "weight": {
                "bernstein": list(map(_both, self.weight)),
                "polynomial": _strings(self.weight_polynomial),
                "at": {str(p): _both(self._at(p)) for p in AT},
            },
            "objective_polynomial": _strings(self.objective_polynomial),
            "group_reward": list(map(_both, self.group_reward)),
            "eta": list(map(_both, self.eta)),
            "peak": self.peak,
            "dead": self.dead,
            "second_moment_bernstein": list(map(_both, dynamics.second_moment(self.pairs))),
            "variance_polynomial": _strings(self.variance_polynomial),
            "snr": {
                str(p): row and dict(zip(("own", "of_grpo", "of_rloo"), map(_finite, row), strict=True))
                for p, row in self.snr.items()
            },
            "time": {
                f"{start} to {end}": {"own": _finite(own), "of_grpo": _finite(ratio)}
                for (start, end), (own, ratio) in self.times.items()
            },
        }
        if self.climbs:
            unbiased = self.climbs.factor == 1 and self.climbs.objective != "0"
            factor = _both(self.climbs.factor)
            found["climbs"] = {"objective": self.climbs.objective, "factor": factor, "unbiased": unbiased}
        elif self.near:
            found["nearest"] = vars(self.near)
        return found


# ── Numbers as they are said ────────────────────────────────────────────────


def _rational(values: Sequence[Real]) -> bool:
    return all(isinstance(value, Fraction) for value in values)


def _both(value: Real | float) -> dict[str, object]:
    exact = None if isinstance(value, float) else number_text(value)
    return {"exact": exact, "value": value if isinstance(value, float) else real.nearest(value)}


def _strings(values: Sequence[Fraction] | None) -> list[str] | None:
    return None if values is None else list(map(str, values))


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if isfinite(value) else None


def _exactly(value: Real) -> str:
    text = number_text(value)
    return text if text and len(text) <= SHORT else f"{real.nearest(value):.6g}"


def _short(value: Real | float) -> str:
    if isinstance(value, Fraction) and len(str(value)) <= 6:
        return str(value)
    return f"{value if isinstance(value, float) else real.nearest(value):.4g}"


def _list(values: Sequence[Real]) -> str:
    if len(values) > SHOWN:
        return f"{', '.join(map(_short, values[: SHOWN // 2]))}, ... {', '.join(map(_short, values[-SHOWN // 2 :]))}"
    return ", ".join(map(_short, values))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 9.995 else "more than 1000 %"


def _ranges(numbers: Sequence[int]) -> str:
    """
    >>> _ranges([0, 13, 14, 15])
    '0, 13..15'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{low}..{high}" if low < high else str(low) for low, high in runs)
