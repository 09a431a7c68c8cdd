"""How hard each group pushes, and which do not push at all: sums over the exact advantages of n_pos = 0..N."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from shaping import real
from shaping.groups.exact import Pair
from shaping.real import Real, Unusable


def eta(pairs: Sequence[Pair]) -> list[Real]:
    """n_pos |A_correct| + n_neg |A_wrong| for n_pos = 0..N (Chen et al. 2025, arXiv:2508.10751, Eq. 16)."""
    return [eta_at(pairs, n_pos) for n_pos in range(len(pairs))]


def eta_at(pairs: Sequence[Pair], n_pos: int) -> Real:
    right, wrong = (Fraction(0) if value is None else real.absolute(value) for value in pairs[n_pos])
    n_neg = len(pairs) - 1 - n_pos
    return real.add(real.multiply(Fraction(n_pos), right), real.multiply(Fraction(n_neg), wrong))


def peak(eta: Sequence[Real]) -> list[int]:
    """The n_pos at which it is largest, all of them; none if it is 0.

    >>> peak([Fraction(0), Fraction(2), Fraction(2), Fraction(0)])
    [1, 2]
    """
    floats = [real.nearest(value) for value in eta]
    most, largest = max(floats), []
    for n in (n for n, value in enumerate(floats) if value == most > 0):  # one float may stand for two numbers
        try:
            order = real.compare(eta[n], eta[largest[0]]) if largest else 1
        except Unusable:
            order = 0  # equal to 2,560 bits
        largest = [n] if order > 0 else largest if order else [*largest, n]
    return largest


def dead_zone(pairs: Sequence[Pair]) -> list[int]:
    """The n_pos of groups whose answers all get 0."""
    return [n for n, pair in enumerate(pairs) if not any(value is not None and real.sign(value) for value in pair)]
