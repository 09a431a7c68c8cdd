"""Dynamic filtering: does its range fit the rewards, and filtering by what the design gives instead.

OpenRLHF (`--algo.dynamic_filtering_enable`) keeps a group if the mean of its scores lies between the two numbers of
`--algo.dynamic_filtering_range`, 0 and 1 if nobody says otherwise. With rewards of -1/1 that loses every group of which
no more than half is right, and of graded rewards it keeps groups that are all alike. What shows before a run,
by the design's `rewards:`, the launcher says; what shows in a run is said once, at the first such group.

`--filter-silent-groups` drops the groups in which the design gives every answer 0, and no others: `refusal` says for
which designs it cannot be had, silent_groups.py does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shaping import Design, real
from shaping.language.rewards import Rewards

RANGE = "--algo.dynamic_filtering_range"
FLAG = "--filter-silent-groups"
DEFAULT = (0.0, 1.0)


# ── Before a run ────────────────────────────────────────────────────────────


def misfit(design: Design, N: int, low: float, high: float) -> str | None:
    r"""What dynamic filtering does to the rewards that the design is for, if it is not what it is for; else None.

    >>> from shaping import loads
    >>> misfit(loads("rewards: 0/1\nadvantage: r"), 4, 0, 1)
    >>> misfit(loads("rewards: -1/1\nadvantage: r"), 4, 0, 1)[87:]  # doctest: +ELLIPSIS
    'drops mixed groups too, those with 1..2 of 4 answers at 1. Set --algo.dynamic_filtering_range -1 1, or let the ...
    """
    names = design.constants(None)
    for rewards in design.rewards:
        ends = tuple(None if end is None else real.nearest(end) for end in rewards.ends(names))
        what = _dropped(rewards, ends, N, low, high) or _kept(rewards, ends, low, high)
        if what:
            wanted = " ".join(
                f"{given if end is None else end:g}" for end, given in zip(ends, (low, high), strict=True)
            )
            fits = None if wanted == f"{low:g} {high:g}" else f"Set {RANGE} {wanted}, or let"
            return (
                f"dynamic filtering keeps groups whose mean score is between {low:g} and {high:g}: of rewards "
                f"{rewards.shown(names)} it {what}. {fits or 'Let'} the design say: {FLAG}"
            )
    return None


def _dropped(rewards: Rewards, ends: tuple, N: int, low: float, high: float) -> str:
    """Mixed groups that it drops: a range of one's own may mean to, the default does not."""
    least, most = ends
    if (low, high) != DEFAULT:
        return ""
    if len(rewards.values) == 2:
        lost = [n for n in range(1, N) if not low < least + (most - least) * n / N < high]
        if not lost:
            return ""
        shown = f"{lost[0]}..{lost[-1]}" if len(lost) == lost[-1] - lost[0] + 1 else ", ".join(map(str, lost))
        return f"drops mixed groups too, those with {shown} of {N} answers at {most:g}"
    if least is None or least < low:
        return f"drops every group whose mean is {low:g} or less, mixed ones too"
    if most is None or most > high:
        return f"drops every group whose mean is {high:g} or more, mixed ones too"
    return ""


def _kept(rewards: Rewards, ends: tuple, low: float, high: float) -> str:
    """Groups of one reward that it keeps."""
    least, most = ends
    if rewards.is_list and len(rewards.values) == 2:
        kept = [end for end in ends if low < end < high]
        return f"keeps groups that are all {' or all '.join(f'{end:g}' for end in kept)}" if kept else ""
    middle = (max(low, low if least is None else least) + min(high, high if most is None else most)) / 2
    return f"keeps groups that are all alike, all {middle:g} say" if low < middle < high else ""


def refusal(design: Design, args: Any) -> str | None:
    """Why a group cannot be filtered by what the design gives it, as soon as it is generated; None if it can."""
    if not args.algo.dynamic_filtering_enable:
        return f"{FLAG} says which groups dynamic filtering drops; it goes with --algo.dynamic_filtering_enable"
    why = None
    if design.reads_batch:
        why = "what a group gets depends on the other groups of its step, which are not there yet"
    elif design.draws:
        why = "it draws at random by the place of a group in its step, which is not known yet"
    elif "logprob" in design.inputs:
        why = "it reads log-probabilities, which are computed after the groups of a step are chosen"
    elif design.token is not None:
        why = "its `token:` section may train a group whose advantages are all 0"
    elif design.clock and args.train.async_enable:
        why = "it changes over the run, and with --train.async_enable a group is generated before its step is known"
    return f"{FLAG} cannot be had with design {design.name}: {why}" if why else None


# ── In a run ────────────────────────────────────────────────────────────────


class Watch:
    """Says once that a score lies outside the range, and once that a group of one score was kept."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn, self.outside, self.alike = warn, False, False

    def score(self, value: float, low: float, high: float) -> None:
        if self.outside or low <= value <= high:
            return
        self.outside = True
        side = "below" if value < low else "above"
        end, edge = (low, "or less") if value < low else (high, "or more")
        self.warn(
            f"dynamic filtering keeps groups whose mean score is between {low:g} and {high:g}, and a score is "
            f"{value:g}, {side} that: groups whose mean is {end:g} {edge} are dropped, mixed ones too. Set {RANGE} to "
            f"the least and the largest score, such as {min(low, value):g} {max(high, value):g}, or let the design "
            f"say: {FLAG}"
        )

    def groups(self, samples: Sequence[Any], N: int) -> None:
        """What was kept: one experience an answer, N to a prompt."""
        if self.alike:
            return
        scores = [sample.scores for sample in samples]
        for start in range(0, len(scores) - N + 1, N):
            group = scores[start : start + N]
            if all(score is not None for score in group) and len({score.reshape(-1)[0].item() for score in group}) == 1:
                self.alike = True
                self.warn(
                    f"dynamic filtering has kept a group whose scores are all {group[0].reshape(-1)[0].item():g}: "
                    f"its mean lies in the range, and there is nothing to compare. To drop what gets 0: {FLAG}"
                )
                return
