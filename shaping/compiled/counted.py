"""What counts alone decide: exact values of a design's formulas for every n_pos, rounded once for tables.

In    Design, N, the moment of the run, `ragged`: answers may be missing
Out   columns of floats for `lowering.py`, each entry the float nearest to the exact value

Binomials never overflow and 1 - (1 - x) loses nothing, because no float is involved before the last step. Where
answers are missing there is a block of rows for each number of answers that may be left, 0..N.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import comb

import torch

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError, Span, located
from shaping.groups.check import usable_sizes
from shaping.groups.exact import counted_group, table, verdict_pair
from shaping.language.nodes import Node
from shaping.language.reductions import whole
from shaping.language.vocabulary import ANSWER
from shaping.real import Real, Undefined, Unusable
from shaping.work import bounded, spend


class Counted:
    def __init__(self, design: Design, N: int, dtype: torch.dtype, moment: Moment | None, ragged: bool) -> None:
        self.design, self.N, self.dtype, self.moment, self.ragged = design, N, dtype, moment, ragged
        sizes = [*usable_sizes(design, N, moment), N] if ragged else [N]
        self.groups = {size: [counted_group(design, size, n, moment) for n in range(size + 1)] for size in sizes}
        self.cases = [(group, kind) for groups in self.groups.values() for group in groups for kind in group.present()]

    def sizes(self) -> range:
        """Every number of answers that a table has rows for."""
        return range(self.N + 1) if self.ragged else range(self.N, self.N + 1)

    # ── Values ──────────────────────────────────────────────────────────────

    def entry(self, node: Node, size: int, n_pos: int, kind: int) -> Real | None:
        """The exact value, or None where there is none. What the group has no answer for counts as 0."""
        if size not in self.groups or n_pos > size:
            return Fraction(0)
        group = self.groups[size][n_pos]
        if node.scope == ANSWER and not group.kinds[kind][0]:
            return Fraction(0)
        try:
            return group.value(node, kind)
        except (Undefined, Unusable):  # not reached, or covered by `flat`: `check` has looked
            return None

    def everywhere(self, node: Node) -> Real | None:
        """The value of a constant, if it has one and all sizes of groups have the same."""
        values = [self.entry(node, size, 0, 0) for size in self.groups]
        if any(value is None or real.compare(value, values[0]) for value in values):
            return None
        return values[0]

    def nowhere(self, node: Node) -> bool:
        """Is this a constant without a value, whatever the size of the group?"""
        return all(self.entry(node, size, 0, 0) is None for size in self.groups)

    def decide(self, condition: Node) -> bool | None:
        """What N and the parameters say, the same for every group."""
        value = self.everywhere(condition)
        return None if value is None else real.sign(value) != 0

    # ── Columns ─────────────────────────────────────────────────────────────

    def advantage(self) -> list[list[float]]:
        """What a correct and what a wrong answer gets, for n_pos = 0..N. Of a design that counts alone decide."""
        columns = zip(*table(self.design, self.N, self.moment), strict=True)
        return [[self.rounded(value, self.design.advantage.span) for value in column] for column in columns]

    def columns(self, node: Node) -> tuple[list[list[float]], list[list[bool]]]:
        """A formula's values, and where it has none: for a correct and a wrong answer, or one column for the group."""
        kinds = (0, 1) if node.scope == ANSWER else (0,)
        places = [(size, n_pos) for size in self.sizes() for n_pos in range(self.N + 1)]
        exact = [[self.entry(node, size, n_pos, kind) for size, n_pos in places] for kind in kinds]
        values = [[self.rounded(value, node.span) for value in column] for column in exact]
        return values, [[value is None for value in column] for column in exact]

    def rounded(self, value: Real | None, span: Span) -> float:
        if value is None:  # never read: masked as undefined, or the group has no such answer
            return 0.0
        wide = self.dtype == torch.float64
        try:
            result = real.nearest(value) if wide else real.nearest(value, mantissa=24, min_exponent=-149)
        except (OverflowError, Unusable):
            result = math.inf
        if math.isinf(result):
            raise DesignError(located(span, f"{real.show(value)} does not fit {self.dtype}"))
        return result

    def refuse_vanished(self, divisor: Node, rounded: float) -> None:
        """A divisor that is not 0, and that the dtype makes 0."""
        exact = self.everywhere(divisor)
        if rounded == 0 and exact is not None and real.sign(exact):
            raise DesignError(located(divisor.span, f"{real.show(exact)} does not fit {self.dtype}"))

    # ── Shares of quantiles ─────────────────────────────────────────────────

    def ratio(self, q: Real) -> tuple[int, int]:
        """q as two whole numbers, so small that any number of values times them is one of 64 bits."""
        near = Fraction(real.nearest(q)) if not isinstance(q, Fraction) else q
        return near.limit_denominator(1 << 24).as_integer_ratio()

    def ratios(self, node: Node) -> list[list[float]]:
        """Of a q that differs with the number of answers that are left: its numerators and denominators."""
        places = [(size, n_pos) for size in self.sizes() for n_pos in range(self.N + 1)]
        found = [self.ratio(self.entry(node, *place, 0) or Fraction(0)) for place in places]
        return [list(map(float, column)) for column in zip(*found, strict=True)]

    # ── Weights of order statistics ─────────────────────────────────────────

    def weights(self, name: str, argument: Node, width: int) -> list[list]:
        """What `width` sorted values are multiplied with, for draws of k of them; vectors, as `name` needs them.

        Where answers are missing, matrices: a row for each number of answers that may be left.
        """
        if not self.ragged:
            vectors = self._weights(name, argument, width, self.N)
            return [[self.rounded(weight, argument.span) for weight in vector] for vector in vectors]
        known = [size for size in self.groups if self.entry(argument, size, 0, 0) is not None]
        of_size = {size: self._weights(name, argument, size, size) for size in known}
        matrices = []
        for i in range(len(of_size[known[0]])):  # what is missing sorts first, and weighs nothing
            rows = [
                [Fraction(0)] * (self.N - size) + of_size[size][i] if size in of_size else [Fraction(0)] * self.N
                for size in self.sizes()
            ]
            matrices.append([[self.rounded(weight, argument.span) for weight in row] for row in rows])
        return matrices

    def _weights(self, name: str, argument: Node, n: int, size: int) -> list[list[Fraction]]:
        """Of n values; `argument`, which is k, is computed for groups of `size`."""
        spend(n + n * n // 50)  # n ratios of numbers of up to n bits
        k = whole(self.groups[size][0].value(argument, 0), name, n - (name == "max_without"))
        match name:
            case "max_of":
                return [[Fraction(comb(j, k - 1), comb(n, k)) for j in range(n)]]
            case "max_with":
                own = [Fraction(comb(j, k - 1), comb(n - 1, k - 1)) for j in range(n)]
                return [own, [Fraction(comb(j - 1, k - 2) if k > 1 and j else 0, comb(n - 1, k - 1)) for j in range(n)]]
            case "max_without":
                below = [Fraction(comb(j, k - 1), comb(n - 1, k)) for j in range(n)]
                return [below, [Fraction(comb(j - 1, k - 1) if j else 0, comb(n - 1, k)) for j in range(n)]]


def verdict_columns(design: Design, N: int, dtype: torch.dtype, moment: Moment | None) -> list[list[float]]:
    """What a correct and a wrong answer gets in groups of verdicts, of which n_pos = 0..N are correct.

    NaN where no exact value is at hand: where `correct:` takes 1 for wrong, where a value fits no float, where it would
    be too much work. Such groups are computed as all others are, and refused there if they have to be.
    """
    counted, span, rows = Counted(design, N, dtype, moment, ragged=False), design.advantage.span, []
    with bounded(design.source.path):
        for n_pos in range(N + 1):
            try:
                rows.append([counted.rounded(value, span) for value in verdict_pair(design, N, n_pos, moment)])
            except DesignError:
                rows.append([math.nan, math.nan])
    return [list(column) for column in zip(*rows, strict=True)]
