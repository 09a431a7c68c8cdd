"""The curves of a design, as numbers: what plots.py draws, compare.py sets side by side.

For groups of N and each n_pos what a correct and a wrong answer get and eta; over p the weight w(p) and the implied
objective F(p) (objective.py). Exact values, rounded once, to floats.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from shaping import real
from shaping.design import Design, load, own_params
from shaping.errors import DesignError, parameter
from shaping.groups import push
from shaping.groups.exact import Pair, verdict_pair
from shaping.groups.rows import beyond_verdicts
from shaping.objectives import bernstein, objective
from shaping.work import MAX_SECONDS, seconds

GRID = 201  # points between p = 0 and p = 1


@dataclass(frozen=True)
class Curves:
    label: str  # 'passk, k = 4'
    title: str  # the first sentence of the file, or the design's name
    N: int
    pairs: tuple[Pair, ...]
    correct: list[float | None]  # for n_pos = 0..N; None where there is no such answer
    wrong: list[float | None]
    eta: list[float]
    peaks: list[int]  # the n_pos at which eta is largest; none if it is 0
    p: list[float]
    weight: list[float]  # w(p)
    objective: list[float]  # F(p), F(0) = 0

    @property
    def dead(self) -> list[int]:
        return push.dead_zone(self.pairs)


def curves(design: Design, N: int, varied: Sequence[str] = ()) -> Curves:
    """Its curves for groups of N; one that changes over a run as it begins. `varied`: parameters to put in the label.

    Raises:
      DesignError: verdicts alone do not decide what it gives, or it has no value for some group.
    """
    if why := beyond_verdicts(design):
        raise DesignError(f"design {design.name!r} has no curves over n_pos: {why}")
    design.check(N)
    with seconds(MAX_SECONDS, design.source.path), real.told(design.source.path):
        return _curves(design, N, varied)


def _curves(design: Design, N: int, varied: Sequence[str]) -> Curves:
    moment = design.moment(0, 1) if design.clock else None
    pairs = tuple(verdict_pair(design, N, n_pos, moment) for n_pos in range(N + 1))
    correct, wrong = ([None if pair[i] is None else real.nearest(pair[i]) for pair in pairs] for i in (0, 1))
    grid = [i / (GRID - 1) for i in range(GRID)]
    weight = objective.weight(pairs)
    group_reward = [Fraction(each / N) for each in bernstein.running_sums(weight)]
    eta = push.eta(pairs)
    settings = "".join(f", {name} = {design.params[name].value}" for name in varied)
    return Curves(
        design.name + settings,
        _title(design),
        N,
        pairs,
        correct,
        wrong,
        [real.nearest(value) for value in eta],
        push.peak(eta),
        grid,
        list(bernstein.values(weight, np.array(grid))),
        list(bernstein.values(group_reward, np.array(grid))),
    )


def all_curves(paths: Sequence[str], N: int, params: Mapping[str, Sequence[str]]) -> list[Curves]:
    """Of every file, at every combination of the parameters that it has.

    Raises:
      DesignError: none of the files has one of the parameters; or as `curves`.
    """
    found, used = [], set()
    for path in paths:
        mine = own_params(path, params)
        used |= mine.keys()
        varied = [name for name, values in mine.items() if len(values) > 1]
        for values in itertools.product(*mine.values()):
            design = load(path, **dict(zip(mine, values, strict=True)))
            found.append(curves(design, N, varied))
    for name in params.keys() - used:
        raise DesignError(f"{parameter(name)}: none of these designs has a parameter {name!r}")
    return found


def _title(design: Design) -> str:
    comment = " ".join(
        line.lstrip("# ") for line in itertools.takewhile(lambda x: x.startswith("#"), design.source.text.split("\n"))
    )
    first = re.split(r"[.:](?:\s|$)", comment, maxsplit=1)[0].strip()
    return first if 0 < len(first) <= 60 else design.name
