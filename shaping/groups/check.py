"""Will this design have a value for every group of N answers? Settled before there are any rewards.

Every formula is asked for gaps (gaps.py) in the groups of n_pos = 0..N, and
every parameter whether it is in its range. What passes here needs no look at
run time. A design that changes over a run is checked at points of a short and
of a long one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError, located, parameter
from shaping.groups.exact import advantages, counted_group, table, verdict
from shaping.groups.facts import Answers, Case
from shaping.groups.gaps import Gaps, refuse_gap
from shaping.groups.ranges import Ranges
from shaping.groups.run_points import moments
from shaping.groups.witness import Witnesses, allowed
from shaping.language.evaluate import Drawn, Group, constant
from shaping.language.nodes import Draws, parts
from shaping.language.params import Bound, not_whole
from shaping.language.vocabulary import CONSTANT
from shaping.real import Real, Undefined, Unusable
from shaping.work import MAX_N, TooMuch, spend

MAX_DRAWN = 65_536  # answers in all draws of a group, each with a place in memory: of 256 answers 256 draws of all


def check(design: Design, N: int) -> None:
    """Raise the DesignError that groups of N answers would meet: a parameter out of range, no value somewhere."""
    check_size(design, N)
    for moment in moments(design):
        check_moment(design, N, moment)
        for fewer in usable_sizes(design, N, moment):
            check_moment(design, fewer, moment)


def check_size(design: Design, N: int) -> None:
    """Raise the DesignError of groups that are too small, or too large to look at each of their counts."""
    if not 2 <= N <= MAX_N:
        shown = f"more than {MAX_N:,} answers" if N > MAX_N else f"{max(N, -1)} answer{'s' * (N != 1)}"
        raise DesignError(f"{design.source.path}: groups of {shown}: {_LIMITS[N > MAX_N].format(design.name)}")


_LIMITS = (
    "design {!r} compares answers to the same prompt\nhint: sample at least 2 answers a prompt",
    "design {!r} is looked at for every number of correct ones\nhint: sample fewer answers a prompt",
)


def usable_sizes(design: Design, N: int, moment: Moment | None) -> list[int]:
    """How many of N answers may be left where some are missing: at least 2, and the parameters keep their ranges.

    Empty if a missing answer is an error. Groups of which fewer are left get 0.
    """
    sizes: list[int] = []
    if not design.drop_missing:
        return sizes
    check_size(design, N)
    for size in range(2, N):
        try:
            check_ranges(design, size, moment)
            sizes.append(size)
        except TooMuch:
            raise
        except DesignError:  # a range that N answers keep and these do not: such a group is left out
            continue
    return sizes


def check_moment(design: Design, N: int, moment: Moment | None) -> None:
    """`check` at one point of a run."""
    check_ranges(design, N, moment)
    spend(8 * (N + 1))
    groups = [counted_group(design, N, n_pos, moment) for n_pos in range(N + 1)]
    cases = [(group, kind) for group in groups for kind in group.present()]
    _refuse_huge_constants(design, groups[0])
    draws = {node: draw_cases(design, node, N, moment) for node in design.draws}
    everyone = Answers(cases)
    of_everyone = Gaps(Ranges(everyone, everyone), draws=draws)
    known = _witnesses(design, groups, N, moment)
    refuse_gap(of_everyone, design.verdict, cases[:1], "`correct` must have a value for every score", known)
    if design.keep is not None:
        refuse_gap(of_everyone, design.keep, cases, "`keep` must have a value for every group", known)
    gaps = gaps_of_advantage(design, cases, draws)
    if design.tabulated:
        for value in (value for pair in table(design, N, moment) for value in pair if value is not None):
            try:
                real.nearest(value)
            except (OverflowError, Unusable):
                message = f"an advantage of {real.show(value)} for N = {N}"
                raise DesignError(located(design.advantage.span, message)) from None
    else:
        hint = "say what such a group gets: `flat: 0` under `advantage:`"
        refuse_gap(gaps, design.advantage, cases, hint, known)
        if not design.draws:
            _try_a_group(design, N, moment)
    if design.token is not None:
        refuse_gap(gaps, design.token, cases, "a token has to have a value whatever its answer is", known)


def gaps_of_advantage(design: Design, cases: list[Case], draws: dict[Draws, tuple[list[Case], list[Case]]]) -> Gaps:
    """What looks for gaps in the advantage, whose statistics over the batch count what `keep` leaves."""
    everyone = Answers(cases)
    kept = everyone
    if design.keep is not None:
        kept, _ = Ranges(everyone, everyone).split(design.keep, everyone)
    ranges = Ranges(kept, everyone)
    return Gaps(ranges, filtered=design.keep is not None, draws=draws)


def _witnesses(design: Design, groups: list[Group], N: int, moment: Moment | None) -> Witnesses:
    """Groups to try, for messages: none and all correct, one of each, half."""
    tried = [groups[n_pos].shared for n_pos in dict.fromkeys((0, N, 1, N - 1, N // 2))]
    draws = {node: draw_shape(design, node, N, moment) for node in design.draws}
    return Witnesses(tried, lambda score: verdict(design, score), design.keep, draws, design.token and design.advantage)


def _refuse_huge_constants(design: Design, group: Group) -> None:
    """A number that meets rewards has to be a float; between constants it may be of any size."""
    for node in design.nodes:
        for part in parts(node) if node.scope != CONSTANT and not node.counted else ():
            if part.scope == CONSTANT:
                try:
                    value = group.value(part, -1)
                except (Undefined, Unusable):  # not reached, or told where it is
                    continue
                try:
                    real.nearest(value)
                except (OverflowError, Unusable):
                    raise DesignError(located(part.span, f"{real.show(value)} does not fit a float")) from None


def _try_a_group(design: Design, N: int, moment: Moment | None) -> None:
    """What no group of N can be computed with, such as max_of(r, N + 1), shows on any."""
    rewards = [1] + [0] * (N - 1)
    signals = {name: [allowed(name, Fraction(value)) for value in rewards] for name in design.inputs}
    advantages(design, rewards, signals=signals, moment=moment)


def check_ranges(design: Design, N: int, moment: Moment | None) -> None:
    """Raise the DesignError of a parameter that is out of its range for groups of N, or a fraction where it counts."""
    broken = broken_bound(design, N, design.constants(moment))
    if broken is None:
        return
    bound, value, ends = broken
    own = bound.name in design.params and bound.span.source == design.source
    when = f", at step {moment.step} of a run of {moment.total_steps}" if moment else ""
    if ends is None:
        message, hint = not_whole(bound.name, real.show(value))
        raise DesignError(located(bound.span, message + when, hint))
    low, high = map(real.show, ends)
    if real.compare(*ends) > 0:
        message = f"{bound.name!r} has no value for groups of N = {N}: its range is {low}..{high}{when}"
        raise DesignError(located(bound.span, message, "groups of another size"))
    message = f"{bound.name} = {real.show(value)} is outside {low}..{high}, its range for groups of N = {N}{when}"
    hint = f"set it with {parameter(bound.name)}=..." if own else "set it under `use:`"
    if own and design.params[bound.name].schedule is not None:
        hint = f"keep it there: schedule: clip(..., {low}, {high})"
    raise DesignError(located(bound.span, message, hint))


def broken_bound(
    design: Design, N: int, constants: Mapping[str, Real]
) -> tuple[Bound, Real, tuple[Real, Real] | None] | None:
    """The first parameter that groups of N cannot have: its bound, value, and range; no range if it is a fraction."""
    names = {**constants, "N": Fraction(N)}
    for bound in design.bounds:
        value = constant(bound.value, names)
        if bound.whole and not (isinstance(value, Fraction) and value.denominator == 1):
            return bound, value, None
        if bound.low is None or bound.high is None:
            continue
        low, high = (constant(node, names) for node in (bound.low, bound.high))
        try:
            outside = real.compare(value, low) < 0 or real.compare(value, high) > 0
        except Unusable as error:
            raise DesignError(located(bound.span, f"the range of {bound.name!r}: {error.args[0]}")) from None
        if outside:
            return bound, value, (low, high)
    return None


def draw_shape(design: Design, node: Draws, N: int, moment: Moment | None) -> tuple[int, int]:
    """How many draws of how many answers.

    Raises:
      DesignError: these are no whole numbers, or a draw would need more answers than there are.
    """
    names = design.constants(moment) | {"N": Fraction(N)}
    size, count = (constant(part, names) for part in (node.size, node.count))
    whole_numbers = all(isinstance(x, Fraction) and x.denominator == 1 and x >= 1 for x in (size, count))
    if not whole_numbers or size > N or count > (N // size if node.consecutive else 4 * N):
        message = f"{real.show(count)} draws of {real.show(size)} answers each, from groups of {N}"
        hint = "size is 1..N; count is 1..4*N, and at most floor(N / size) of disjoint draws"
        raise DesignError(located(node.span, message, hint))
    if count * size > MAX_DRAWN:
        message = f"{count} draws of {size} answers each are more than {MAX_DRAWN:,} answers in all, a group"
        raise DesignError(located(node.span, message, "fewer draws, or smaller ones"))
    return int(count), int(size)


def draw_cases(design: Design, node: Draws, N: int, moment: Moment | None) -> tuple[list[Case], list[Case]]:
    """The answers of a draw, of which 0 to all may be correct; and the draws of a group, which are of one kind.

    Raises:
      DesignError: see `draw_shape`.
    """
    count, size = draw_shape(design, node, N, moment)
    names = design.constants(moment) | {"N": Fraction(N)}
    verdicts = [{"correct": Fraction(1)}, {"correct": Fraction(0)}]
    draws = [Drawn(names, list(zip((right, size - right), verdicts, strict=True))) for right in range(size + 1)]
    return [(draw, kind) for draw in draws for kind in draw.present()], [(Drawn(names, [(count, {})]), 0)]
