"""Two designs side by side: `python -m shaping compare A.yaml B.yaml --n 16`.

Where they agree exactly, whether one is the other up to a factor, where they differ most, and what would make them
comparable: the scale is the mean of eta over n_pos = 0..N, each n_pos alike (as where p is uniform).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf

from shaping import real
from shaping.objectives import dynamics
from shaping.objectives.explain import AT
from shaping.objectives.words import places, ranges
from shaping.real import General, Real
from shaping.real.enclose import enclosures
from shaping.views.profile import Curves

ZERO = Fraction(0)
DIGITS = "(equal to 700 digits, where there are logarithms or exponentials)"


def comparison(a: Curves, b: Curves) -> str:
    """The table, plain text of at most 100 columns."""
    width = max(len(a.label), len(b.label), 12) + 2
    lines = [f"{a.label} and {b.label}, groups of {a.N}, rewards 0 and 1", "", *_agreement(a, b), ""]
    lines.append(f"{'':22}{a.label:>{width}}{b.label:>{width}}")
    for name, cells in _rows(a, b):
        lines.append(f"{name:22}{cells[0]:>{width}}{cells[1]:>{width}}")
    return "\n".join(line.rstrip() for line in lines)


def _agreement(a: Curves, b: Curves) -> list[str]:
    pairs = list(zip(_values(a), _values(b), strict=True))
    different = [(place, x, y) for (place, x), (_, y) in pairs if not _equal(x, y)]
    digits = [DIGITS] if any(isinstance(x, General) for pair in pairs for _, x in pair) else []
    if not different:
        return ["the same for every group", *digits]
    factor, per_group = _factor(pairs), _per_group(a, b)
    lines = []
    if factor is not None:
        lines.append(f"{a.label} is {real.show(factor)} times {b.label}, for every group")
    elif per_group:
        lines.append(f"in each group {a.label} is {b.label} times a number that depends on n_pos: a weight a prompt")
    alike = sorted({n_pos for n_pos in range(a.N + 1)} - {n_pos for (n_pos, _), _, _ in different})
    lines.append(f"the same at n_pos = {ranges(alike)}" if alike else "the same for no n_pos")
    (n_pos, kind), x, y = max(different, key=lambda each: abs(real.nearest(each[1]) - real.nearest(each[2])))
    lines.append(f"furthest apart at n_pos = {n_pos}: {kind} {_short(x)} against {_short(y)}")
    return lines + (digits if alike or factor is not None or per_group else [])


def _equal(x: Real, y: Real) -> bool:
    """Exactly; of logarithms and exponentials to 2,560 bits, since a thousand proofs would take minutes."""
    if not isinstance(x, General) and not isinstance(y, General):
        return real.compare(x, y) == 0
    return x == y or all(low <= 0 <= high for low, high in enclosures(real.subtract(x, y)))


def _rows(a: Curves, b: Curves) -> list[tuple[str, list[str]]]:
    both = (a, b)
    scale = [sum(each.eta) / (each.N + 1) for each in both]
    rows = [
        ("eta, largest", [_short_float(max(each.eta)) for each in both]),
        ("  at n_pos", [places(each.peaks, each.N) or "never" for each in both]),
        ("nothing at n_pos", [ranges(each.dead) or "none" for each in both]),
        ("scale: mean eta", [_short_float(value) for value in scale]),
    ]
    if all(scale):
        rows.append(("learning rate alike", ["1", _short_float(scale[0] / scale[1])]))
    for p in AT[:-1]:  # as `explain` does
        rows.append((f"signal/noise, p = {p}", [_snr(each, p) for each in both]))
    return rows


def _values(each: Curves) -> list[tuple[tuple[int, str], Real]]:
    return [
        ((n_pos, kind), value)
        for n_pos, pair in enumerate(each.pairs)
        for kind, value in zip(("correct", "wrong"), pair, strict=True)
        if value is not None
    ]


def _factor(pairs: Sequence[tuple]) -> Real | None:
    """The number that b has to be multiplied with, everywhere, to be a; None if there is none."""
    first = next(((x, y) for (_, x), (_, y) in pairs if not _equal(y, ZERO)), None)
    if first is None or _equal(first[0], ZERO):
        return None
    factor = real.divide(*first)
    same = all(_equal(x, real.multiply(factor, y)) for (_, x), (_, y) in pairs)
    return factor if same else None


def _per_group(a: Curves, b: Curves) -> bool:
    for mine, theirs in zip(a.pairs, b.pairs, strict=True):
        there = [(x, y) for x, y in zip(mine, theirs, strict=True) if x is not None]
        for x, y in there:
            if not _equal(x, ZERO) and (_equal(y, ZERO) or real.sign(x) != real.sign(y)):
                return False
        if len(there) == 2:
            (x, y), (u, v) = there
            if not _equal(real.multiply(x, v), real.multiply(u, y)):
                return False
    return True


def _snr(each: Curves, p: Fraction) -> str:
    """(E g)^2 / Var g of one group, as in `explain` (dynamics.py)."""
    found = dynamics.snr(each.pairs, p)
    return "none" if found is None else "infinite" if found == inf else _short_float(found)


def _short(value: Real) -> str:
    return _short_float(real.nearest(value))


def _short_float(value: float) -> str:
    return f"{value:.4g}"
