"""Groups of verdicts: every reward is 0 or 1, and what such a group gets depends on how many are 1.

Rewards from a verifier are like that. A design that reads rewards and scores alone gets these groups from a table of
exact values, each rounded once; the others are computed. Which of the two it is, a group's own rewards decide: what
stands beside it in the batch changes no bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, fx

from shaping import kernels
from shaping.compiled.counted import verdict_columns
from shaping.compiled.lowering import Lowering
from shaping.compiled.width import reads_more
from shaping.design import Design, Moment


def of_each_group(design: Design) -> bool:
    """Do a group's own rewards and scores decide what it gets, and nothing else of the batch?"""
    return not (design.draws or reads_more(design))


def looks_up(design: Design) -> bool:
    """Are its formulas computed, except for groups of verdicts? What counts alone decide is a table anyway."""
    return of_each_group(design) and not design.tabulated and bool(design.signals & {"r", "score"})


@dataclass(frozen=True)
class Table:
    """What groups of verdicts get: verdict_PN → advantage_PN."""

    function: fx.GraphModule
    known_n: Tensor | None  # for which numbers of ones it has an entry; None: for all

    def holds_all(self, read: Sequence[Tensor], spare_PN: Tensor) -> bool:
        """`holds` of every group, in fewer passes."""
        if self.known_n is not None or len(read) == 2:
            return bool(self.holds(read, spare_PN).all())
        return kernels.are_verdicts(read[0], spare_PN)

    def holds(self, read: Sequence[Tensor], spare_PN: Tensor | None = None) -> Tensor:
        """Which groups it has: all rewards and scores that the design reads are 0 and 1, and the same."""
        off_P = kernels.off_verdicts(read[0], spare_PN)
        if len(read) == 2:
            off_P = off_P + kernels.apart(*read, spare_PN)
        fine_P = off_P == 0
        if self.known_n is None:
            return fine_P
        return fine_P & self.known_n[torch.where(fine_P, kernels.how_many_ones(read[0]), 0)]


@lru_cache(maxsize=1024)
def table(
    design: Design,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
) -> Table:
    """The table of a design that `looks_up`, for groups of which N answers are there."""
    # In a context of its own: how much exact arithmetic was done before must not decide how many entries there are.
    columns = Context().run(verdict_columns, design, N, dtype, moment)
    known = [right == right for right, _ in zip(*columns, strict=True)]
    module = Lowering(design, N, dtype, moment).verdicts_module(columns).to(device)
    return Table(module, None if all(known) else torch.tensor(known, device=device))


def may_hold(x_PN: Tensor) -> Tensor:
    """Which groups may be groups of verdicts, from their first answers: hardly any where rewards are graded."""
    first_P = x_PN[:, 0]
    return first_P * first_P == first_P


def columns_read(design: Design, reward_PN: Tensor, score_PN: Tensor) -> list[Tensor]:
    """Rewards, scores or both; one of them if they are the same tensor."""
    read = [reward_PN] if design.reads("r") else []
    if design.reads("score") and not (read and score_PN is reward_PN):
        read.append(score_PN)
    return read
