"""A batch, some thousand answers at a time, for designs that look at one group at a time.

What is read again, is it finite?, how many are 1?, is then still in the processor's cache, and the memory that is
needed besides the result is that of a piece. On a GPU one piece is the batch: there each call costs, and no cache is
waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

from shaping import kernels
from shaping.compiled.looked_up import Table, columns_read, looks_up, may_hold, table
from shaping.compiled.lower import lowered, lowered_inputs
from shaping.compiled.tokens import token_inputs
from shaping.design import Design, Moment
from shaping.language.nodes import Name, Node

PIECE = 1 << 18  # answers: a megabyte of float32; smaller pieces cost more calls than the cache saves
MAX_WORKERS = 16  # Python starts every call of torch by itself, so that more of them would wait for each other


def in_pieces(
    design: Design, reward_PN: Tensor, score_PN: Tensor, moment: Moment | None, dtype: torch.dtype
) -> tuple[tuple[Tensor, ...], bool]:
    """The advantages, then what a `token:` section reads, computed in `dtype`; and whether nothing is to be refused.

    If something is, a reward that cannot be used or a number that left the floats, they may be unfinished: who calls
    this says what it is. A design that is `of_each_group` is taken, others are not.
    """
    (P, N), device = reward_PN.shape, reward_PN.device
    lowered(design, N, dtype, device, moment)  # a design that cannot be computed is one where there are no groups too
    advantage_PN = torch.empty((P, N), dtype=reward_PN.dtype, device=device)
    read = [] if design.token is None else token_inputs(design, N, moment)
    out = (advantage_PN, *(advantage_PN if _is_advantage(node) else torch.empty_like(advantage_PN) for node in read))
    work = _Work(design, N, dtype, device, moment)
    rows = max(1, PIECE // N) if device.type == "cpu" else max(1, P)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    workers = min(threads, MAX_WORKERS, P // rows)
    shares = [(P * i // workers, P * (i + 1) // workers) for i in range(workers)] if workers > 1 else [(0, P)]

    def share(first: int, end: int) -> bool:
        spare_PN = torch.empty((min(rows, end - first), N), dtype=dtype, device=device)
        for start in range(first, end, rows):
            part = slice(start, min(start + rows, end))
            reward = reward_PN[part].detach().to(dtype).contiguous()
            score = reward if score_PN is reward_PN else score_PN[part].detach().to(dtype).contiguous()
            if not work.piece(reward, score, tuple(each[part] for each in out), spare_PN[: part.stop - start]):
                return False
        return True

    return out, share(0, P) if workers < 2 else _each_by_itself(share, shares, threads)


def _is_advantage(node: Node) -> bool:
    return isinstance(node, Name) and node.name == "A"


def _each_by_itself(share: Callable[[int, int], bool], shares: list[tuple[int, int]], threads: int) -> bool:
    """Does `share` give True for each, in a thread of its own?

    torch's own threads meet after every call; for pieces that take microseconds they would mostly wait, on a machine
    that does other work too for milliseconds. Here each thread calls torch with one thread.
    """
    inference = torch.is_inference_mode_enabled()

    def alone(bounds: tuple[int, int]) -> bool:
        with torch.inference_mode(inference):
            return share(*bounds)

    try:
        with ThreadPoolExecutor(len(shares), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return all(list(pool.map(alone, shares)))
    finally:
        torch.set_num_threads(threads)  # what threads to come start with is one number for all


@dataclass(frozen=True)
class _Work:
    design: Design
    N: int
    dtype: torch.dtype
    device: torch.device
    moment: Moment | None
    making: Lock = field(default_factory=Lock)  # of the table, which all threads need at the same time

    def piece(self, reward_PN: Tensor, score_PN: Tensor, out: tuple[Tensor, ...], spare_PN: Tensor) -> bool:
        """Put what these groups get into `out`; False if something is to be refused."""
        design, kind = self.design, (self.design, self.N, self.dtype, self.device, self.moment)
        function, judged = lowered(*kind), design.counts and not design.graded
        if design.tabulated and judged and len(out) == 1:
            if not kernels.are_verdicts(score_PN, spare_PN):
                return False
            return self.given(out, (function(score_PN, score_PN, *self.memory(out, spare_PN)),), computed=False)
        read, place_H, verdict_HN = columns_read(design, reward_PN, score_PN), (), reward_PN
        if looks_up(design):
            # A look at a few groups first: most batches are of one kind, and the rest need not be looked at twice.
            if may_hold(read[0][:64]).all() and self.table().holds_all(read, spare_PN):
                return self.looked_up(reward_PN, score_PN, read[0], out, spare_PN)
            place_H = may_hold(read[0]).nonzero().squeeze(-1)
            if len(place_H):
                maybe = [column.index_select(0, place_H) for column in read]
                holds_H = self.table().holds(maybe, spare_PN[: len(place_H)])
                place_H = place_H[holds_H]
                verdict_HN = maybe[0] if len(place_H) == len(holds_H) else maybe[0][holds_H]
        if judged and not kernels.are_verdicts(score_PN, spare_PN):
            return False
        if not all(map(kernels.finite, read)):
            return False
        parts = function(reward_PN, score_PN)
        parts = parts if isinstance(parts, tuple) else (parts,)
        if len(place_H):
            looked_up_HN = self.table().function(verdict_HN, None, spare_PN[: len(place_H)])
            if len(parts) == 1 and self.memory(out, spare_PN):
                out[0].copy_(parts[0]).index_copy_(0, place_H, looked_up_HN)
                return kernels.finite(out[0])
            parts = self.and_read(reward_PN, score_PN, parts[0].index_copy(0, place_H, looked_up_HN))
        return self.given(out, parts, computed=True)

    def table(self) -> Table:
        with self.making:
            return table(self.design, self.N, self.dtype, self.device, self.moment)

    def memory(self, out: tuple[Tensor, ...], spare_PN: Tensor) -> tuple[Tensor, ...]:
        """Where the advantages go, if they need not become narrower on the way."""
        return (out[0], spare_PN) if out[0].dtype == self.dtype else ()

    def looked_up(
        self, reward_PN: Tensor, score_PN: Tensor, verdict_PN: Tensor, out: tuple[Tensor, ...], spare_PN: Tensor
    ) -> bool:
        advantage_PN = self.table().function(verdict_PN, *self.memory(out, spare_PN))
        more = any(each.data_ptr() != out[0].data_ptr() for each in out)
        return self.given(out, self.and_read(reward_PN, score_PN, advantage_PN), computed=more)

    def and_read(self, reward_PN: Tensor, score_PN: Tensor, advantage_PN: Tensor) -> tuple[Tensor, ...]:
        """The advantages, and what a `token:` section reads of such answers."""
        if self.design.token is None:
            return (advantage_PN,)
        read = lowered_inputs(self.design, self.N, self.dtype, self.device, self.moment)
        return (advantage_PN, *read(reward_PN, score_PN, advantage_PN))

    def given(self, out: tuple[Tensor, ...], parts: tuple[Tensor, ...], *, computed: bool) -> bool:
        """Put `parts` where they belong. What is computed, or goes to a narrower type, may leave the floats."""
        for into_PN, part_PN in zip(out, parts, strict=True):
            if into_PN.data_ptr() != part_PN.data_ptr():
                into_PN.copy_(part_PN)
        return not (computed or out[0].dtype != self.dtype) or all(map(kernels.finite, out))
