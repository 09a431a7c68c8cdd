"""What a derived file says of itself: what it climbs or how near, how it was derived, what it is not for."""

from __future__ import annotations

import textwrap
from decimal import ROUND_UP, Decimal, localcontext

from shaping.objectives.goal import Goal
from shaping.objectives.minimax import ENOUGH, Nearest, interval

BASELINES = {
    "none": "b is 0",
    "others_mean": "b is the same from the other N - 1 answers alone",
    "optimal": "b has the least variance of all that see the other answers alone, in the logit of p",
}
WIDTH = 118


def header(goal: Goal, baseline: str, weighting: tuple[int, int]) -> list[str]:
    N, at = goal.N, ", ".join([f"N = {goal.N}", *(f"{name} = {number}" for name, number in goal.numbers.items())])
    chance = "the chance that an answer is correct" if goal.text == "p" else "p the chance that an answer is correct"
    if goal.of_group:
        first = f"Unbiased for the mean of phi, {goal.text}: what a group with n_pos correct answers is paid."
        estimate = "phi is as given"
    elif goal.exact:
        first = f"Unbiased for {goal.text}, {chance}: the mean gradient is that of it."
        estimate = "phi is its unbiased estimate from the group's N answers"
    else:
        which = "no design without a negative D" if goal.non_negative else "no design"
        first = f"Near {goal.text}, {chance}, which {which} is unbiased for in groups of {N}: {gap(goal.near, N)}."
        estimate = "phi is what a group has to be paid for that weight"
    how = BASELINES[baseline]
    if baseline == "optimal":
        how += f" ({'uniform in p' if weighting == (1, 1) else f'p from Beta{weighting}'}, {at})"
    second = f"Derived: A = N (phi - b), where {estimate}, and {how}."
    third = "For rewards of 0 and 1. Not for graded rewards"
    third += f", nor for other groups: as numbers for {at}." if pinned(goal, baseline) else "."
    return [f"# {line}" for each in (first, *_ways(goal), second, third) for line in textwrap.wrap(each, WIDTH - 2)]


def gap(near: Nearest, N: int) -> str:
    """
    >>> gap(Nearest([], True, 0.003456, 7), 8)
    'the weight w is within 0.35 % of its derivative for p from 1/8 to 7/8'
    """
    low, high = interval(N)
    of = "its derivative" if near.relative else "its steepest derivative,"
    return f"the weight w is within {_percent(near.gap)} of {of} for p from {low} to {high}"


def _percent(share: float) -> str:
    """Two digits, rounded up."""
    with localcontext(prec=2, rounding=ROUND_UP):
        return f"{float(+Decimal(100 * share)):g} %"


def _ways(goal: Goal) -> list[str]:
    """Of which designs it is the nearest, and what it does to wrong answers."""
    near, N, difference = goal.near, goal.N, "D = A_correct(m + 1) - A_wrong(m), m correct among the other answers"
    if near is None:
        falls = not goal.of_group and goal.phi[0] > goal.phi[-1] and goal.phi == sorted(goal.phi, reverse=True)
        return ["It falls as p rises: a wrong answer gets more than a correct one."] if falls else []
    one, gaps = min(near.weight), "(minimax: by the largest gap there)"
    if near.gap < 2 * ENOUGH:
        lines = [f"No design of groups of {N} is nearer as far as float32 can tell {gaps}."]
    elif near.degree < N - 1:
        lines = [
            f"None whose w has degree {near.degree} is nearer {gaps}; of a higher degree are nearer ones, with "
            "advantages of 1,000,000 times its derivative."
        ]
    elif goal.non_negative:
        lines = [f"No design of groups of {N} without a negative {difference}, is nearer {gaps}."]
    else:
        lines = [f"No design of groups of {N} is nearer {gaps}."]
    if one < 0 < max(near.weight):
        ends = f"{float(one):.3g} to {float(max(near.weight)):.3g}"
        lines.append(
            f"{difference}, goes from {ends}: where it is negative a wrong answer gets more than a correct one. "
            "--non-negative has none of that, and a larger gap."
        )
    elif one < 0:
        lines.append("It falls as p rises: a wrong answer gets more than a correct one.")
    return lines


def pinned(goal: Goal, baseline: str) -> bool:
    """Does it hold numbers that were worked out for one N and one setting of the parameters?"""
    return goal.form is None or baseline == "optimal"
