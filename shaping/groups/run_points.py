"""Points of a run to look at: evenly over a short and a long one, and around every threshold of a schedule.

A design that changes over a run is checked, and its claims are decided, at these points. `k if step < 300 else 1` is
looked at before, at and after step 300.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError
from shaping.groups.crossings import crossing_parts, names, numbers
from shaping.language.evaluate import constant
from shaping.language.nodes import Node, parts
from shaping.language.vocabulary import CONSTANT, TIME
from shaping.real import Undefined, Unusable

RUNS, MOMENTS = (16, 1_000), 16  # steps of the runs that are looked at, and at how many points of each
LONG = [(0, 100_000), (50_000, 100_000), (100_000, 100_000)]  # of what goes on growing
LONGEST = 10**7  # steps of a run: a larger number in a schedule is no step
MAX_THRESHOLDS = 24  # of one design
PLACES = tuple(dict.fromkeys((steps * i // MOMENTS, steps) for steps in RUNS for i in range(MOMENTS + 1)))
Place = tuple[int, int]  # step, total_steps


def moments(design: Design) -> Iterator[Moment | None]:
    """The points of a run to look at: those that the design tells apart."""
    if not design.clock:
        return iter([None])
    return iter(dict.fromkeys(design.moment(*place) for place in places(design)))


def places(design: Design) -> list[Place]:
    """The same as (step, total_steps), all of them: for a second design that tells others apart."""
    found = dict.fromkeys(PLACES)
    formulas = _of_time(design)
    written = [value for value in numbers(formulas) if value > 0]
    written += [param.value for param in design.params.values() if param.value > 0]
    steps = [int(value) for value in written if value.denominator == 1 and value <= LONGEST][:MAX_THRESHOLDS]
    runs = [*RUNS, *(2 * step for step in steps if step > RUNS[-1])]
    if any("total_steps" in names(node) for node in formulas):
        runs += [step + by for step in steps for by in (-1, 0, 1) if step > 1]
    crossing = [part for part in crossing_parts(formulas) if names(part) & {*TIME}][:MAX_THRESHOLDS]
    for total in dict.fromkeys(runs):
        grid = [total * i // MOMENTS for i in range(MOMENTS + 1)]
        near = [*steps, *(int(share * total) for share in written if share < 1)]
        near += [step for part in crossing for step in _crossings(design, part, grid, total)]
        around = {step + by for step in near for by in (-1, 0, 1)} | {*grid}
        found |= dict.fromkeys((step, total) for step in sorted(around) if 0 <= step <= total)
    return list(found | dict.fromkeys(LONG))


def _of_time(design: Design) -> list[Node]:
    """The formulas over the time and constants, the widest of them."""
    found, left, seen = [], [root for root in (design.advantage, design.token) if root], set()
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.scope == CONSTANT and names(node) & {*TIME}:
            found.append(node)
        else:
            left += parts(node)
    return found


def _crossings(design: Design, part: Node, grid: list[int], total: int) -> list[int]:
    """The steps at which the part has another sign than one step before, as far as a grid shows it."""
    found = []
    for low, high in pairwise(grid):
        before, after = _sign(design, part, low, total), _sign(design, part, high, total)
        while before != after and high - low > 1:
            middle = (low + high) // 2
            if _sign(design, part, middle, total) == before:
                low = middle
            else:
                high = middle
        if before != after:
            found.append(high)
    return found


def _sign(design: Design, part: Node, step: int, total: int) -> int | None:
    """-1, 0 or 1; None where the part has no value, or reads N."""
    time = Moment(step, total, ())
    if "N" in names(part):
        return None
    try:
        return real.sign(constant(part, design.constants(time)))
    except (DesignError, Undefined, Unusable):  # a part that is not reached at this step
        return None
