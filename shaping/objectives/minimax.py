"""The design nearest to an objective that none is unbiased for: the smallest largest gap.

In    F', N                    slopes.py
Out   Nearest                  D_0 .. D_(N-1), the Bernstein coefficients of w, and how near w is to F'

for p from 1/N to 1 - 1/N: outside of it a group of N hardly ever sees both a right and a wrong answer. The gap is
|w / F' - 1|; where F' passes 0, or none is within a half by that, |w - F'| over the largest |F'|.

D of any sign: w is any polynomial of degree N - 1, and Remez's exchange finds the one whose gap is largest, and as
large, at N + 1 places with signs that alternate. Of 1/p it is 1 / T_N(N / (N - 2)), T_N Chebyshev's polynomial. As N
grows D grows faster still; the degree is cut where advantages would be beyond LARGEST times F'.

D >= 0: then a correct answer gets no less than a wrong one of a group with the same others. A linear program over
points between which the gap is smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import comb, cos, log10, pi

import mpmath
import numpy as np

from shaping.objectives import bernstein
from shaping.real import Unusable

MAX_N = 100  # answers: what is found is written as one number for each n_pos
ENOUGH = 1e-8  # a gap below what float32 holds; no higher degree is looked for
LARGEST = 1e6  # times F' is D at most
HALF = 0.5
STEEP = 1e-9  # of the largest |F'| the smallest: a linear program has fewer digits than a share of it would need
STEPS, POINTS, SCALE = 60, 24, 1 << 20  # of an exchange; tried for each degree; their denominator
DIGITS, PRECISION = 30, 1_200  # of F'; bits while polynomials are written in another basis
SETTLED = 1.002  # how far the largest gap of all p may be above that of the points


@dataclass(frozen=True)
class Nearest:
    weight: list[Fraction]  # D_0 .. D_(N-1), rounded so far that the gap shows nothing of it
    relative: bool  # is the gap a share of F', or of the largest |F'|?
    gap: float  # the largest for p from 1/N to 1 - 1/N
    degree: int  # of w, N - 1 if nothing cut it


def interval(N: int) -> tuple[Fraction, Fraction]:
    """Where a gap counts: 1/N to 1 - 1/N; in groups of 2, for which that is one point, 1/4 to 3/4."""
    low = Fraction(1, max(N, 2)) if N > 2 else Fraction(1, 4)
    return low, 1 - low


class Target:
    """F' at the points of an interval where gaps are looked at."""

    def __init__(self, slope: Callable[[mpmath.mpf], mpmath.mpf], ends: tuple[Fraction, Fraction], N: int):
        low, high = ends
        many = POINTS * max(N, 16)
        spread = [(low + high) / 2 - (high - low) / 2 * Fraction(cos(pi * i / many)) for i in range(many + 1)]
        self.p = list(dict.fromkeys(Fraction(round(p * SCALE), SCALE) for p in spread))
        with mpmath.workdps(DIGITS):
            self.exact = [slope(mpmath.mpf(p.numerator) / p.denominator) for p in self.p]
        largest = max(map(abs, self.exact))
        if not 1e-300 < largest < 1e300:
            size = "above 1e300" if largest > 1 else "0, or below 1e-300,"
            raise Unusable(f"its derivative is {size} for p from {low} to {high}")
        self.x = np.array([float(p) for p in self.p])
        self.slope = np.array([float(each) for each in self.exact])
        self.largest = float(largest)
        signs = np.sign(self.slope)
        self.has_sign = bool(signs[0]) and bool((signs == signs[0]).all())

    def sizes(self, relative: bool) -> np.ndarray:
        """What a gap is a share of, at each point."""
        return np.abs(self.slope) if relative else np.full(len(self.x), self.largest)


def nearest(target: Target, N: int, non_negative: bool = False) -> Nearest:
    """The design of groups of N with the smallest largest gap.

    Example:
      >>> found = nearest(Target(lambda p: 1 / p, interval(8), 8), 8)     # 1 / T_8(4/3)
      >>> round(found.gap, 5), found.relative, [round(float(D), 1) for D in found.weight]
      (0.00346, True, [24.2, -9.7, 15.3, -8.6, 9.2, -3.2, 3.5, 0.0])
    """
    found = None
    for relative in (True, False) if target.has_sign else (False,):
        found = _of_any_sign(target, N, relative)
        if non_negative and min(found.weight) < 0:
            if relative and np.abs(target.slope).min() < STEEP * target.largest:
                continue
            found = _measured(target, N, relative, _program(target, N, relative), N - 1)
        if found.gap < HALF:
            break
    return found


# ── Of any sign ─────────────────────────────────────────────────────────────


def _of_any_sign(target: Target, N: int, relative: bool) -> Nearest:
    degree = _enough(target, N, relative)
    weight = _in_bernstein(target, _exchanged(target, degree, relative)[0], N, relative)
    if _too_large(weight, target):
        low = 0  # degrees from here to below `degree` are in question; a constant is never too large
        while degree - low > 1:
            middle = (low + degree) // 2
            tried = _in_bernstein(target, _exchanged(target, middle, relative)[0], N, relative)
            low, degree = (low, middle) if _too_large(tried, target) else (middle, degree)
        degree, weight = low, _in_bernstein(target, _exchanged(target, low, relative)[0], N, relative)
    return _measured(target, N, relative, weight, degree)


def _enough(target: Target, N: int, relative: bool) -> int:
    """The degree, up to N - 1, at which the gap is below what counts."""
    degree = min(3, N - 1)
    while degree < N - 1 and _exchanged(target, degree, relative)[1] >= ENOUGH:
        degree = min(N - 1, degree + 1 + degree // 8)
    return degree


def _too_large(weight: Sequence[mpmath.mpf], target: Target) -> bool:
    return max(map(abs, weight)) > LARGEST * target.largest


def _exchanged(target: Target, degree: int, relative: bool) -> tuple[np.ndarray, float]:
    """Remez: points at which a polynomial has equal gaps of alternating sign move to where its gaps are largest.

    Returns the degree + 2 points, by number, and the largest gap.
    """
    last, best = len(target.x) - 1, None
    for points in (degree + 2, degree + 3):  # a start that lies as evenly as an odd or even F' may have no gap at all
        start = np.unique(np.round(np.linspace(0, last, points)).astype(int))[: degree + 2]
        found = _exchanged_from(target, start, relative)
        best = found if best is None or found[1] < best[1] else best
        if found[2]:
            break
    return best[:2]


def _exchanged_from(target: Target, chosen: np.ndarray, relative: bool) -> tuple[np.ndarray, float, bool]:
    x, slope, size = target.x, target.slope, target.sizes(relative)
    turns = np.where(np.arange(len(chosen)) % 2, -1.0, 1.0)
    for _ in range(STEPS):
        factors = _factors(x[chosen])
        level = -(factors @ slope[chosen]) / (factors @ (turns * size[chosen]))
        gaps = (_through(x, x[chosen], factors, slope[chosen] + turns * level * size[chosen]) - slope) / size
        settled = bool(np.abs(gaps).max() <= abs(level) * (1 + 1e-3) + 1e-14)
        moved = _peaks(gaps, len(chosen))
        if settled or moved is None or (moved == chosen).all():
            break
        chosen = moved
    return chosen, float(np.abs(gaps).max()), settled


def _factors(x: np.ndarray) -> np.ndarray:
    """1 / prod (x_i - x_j), times what makes the largest of them 1."""
    apart = x[:, None] - x[None, :] + np.eye(len(x))
    logs = -np.log(np.abs(apart)).sum(axis=1)
    return np.sign(apart).prod(axis=1) * np.exp(logs - logs.max())


def _through(x: np.ndarray, at: np.ndarray, factors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The polynomial through these values, at every x (the barycentric formula)."""
    apart = x[:, None] - at[None, :]
    hit = apart == 0
    shares = factors / np.where(hit, 1.0, apart)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (shares @ values) / shares.sum(axis=1)  # of no use where a point is hit
    rows, columns = np.nonzero(hit)
    found[rows] = values[columns]
    return found


def _peaks(gaps: np.ndarray, count: int) -> np.ndarray | None:
    """The largest gap of each stretch of one sign, `count` of them; None if there are fewer stretches."""
    stretches = np.split(np.arange(len(gaps)), np.flatnonzero(np.diff(np.sign(gaps))) + 1)
    peaks = [stretch[np.abs(gaps[stretch]).argmax()] for stretch in stretches if gaps[stretch[0]]]
    while len(peaks) > count:
        if len(peaks) == count + 1:
            peaks.pop(0 if abs(gaps[peaks[0]]) < abs(gaps[peaks[-1]]) else -1)
            continue
        at = min(range(len(peaks) - 1), key=lambda i: max(abs(gaps[peaks[i]]), abs(gaps[peaks[i + 1]])))
        del peaks[at : at + 2]
    return np.array(peaks) if len(peaks) == count else None


def _in_bernstein(target: Target, chosen: np.ndarray, N: int, relative: bool) -> list[mpmath.mpf]:
    """The polynomial of these points as D_0 .. D_(N-1), with digits to spare: D may be a million times w."""
    degree = len(chosen) - 2
    with mpmath.workprec(PRECISION):
        x = [mpmath.mpf(target.p[i].numerator) / target.p[i].denominator for i in chosen]
        slope = [target.exact[i] for i in chosen]
        size = [abs(each) if relative else mpmath.mpf(target.largest) for each in slope]
        factors = [1 / mpmath.fprod(a - b for j, b in enumerate(x) if j != i) for i, a in enumerate(x)]
        turns = [(-1) ** i for i in range(len(x))]
        level = -mpmath.fdot(factors, slope) / mpmath.fsum(map(mpmath.fprod, zip(factors, turns, size, strict=True)))
        row = [a + turn * level * b for a, turn, b in zip(slope, turns, size, strict=True)][: degree + 1]
        newton = []
        for j in range(degree + 1):
            newton.append(row[0])
            row = [(b - a) / (x[i + j + 1] - x[i]) for i, (a, b) in enumerate(pairwise(row))]
        power = [mpmath.mpf(0)]
        for c, at in zip(reversed(newton), reversed(x[: degree + 1]), strict=True):  # power * (p - at) + c
            power = [a - at * b for a, b in zip([mpmath.mpf(0), *power], [*power, mpmath.mpf(0)], strict=True)]
            power[0] += c
        row = [a / comb(N - 1, j) for j, a in enumerate(power[:N])]
        row += [mpmath.mpf(0)] * (N - len(row))
        found = []
        for _ in range(N):
            found.append(row[0])
            row = [a + b for a, b in zip(row, [*row[1:], mpmath.mpf(0)], strict=True)]
        return found


# ── None negative ───────────────────────────────────────────────────────────


def _program(target: Target, N: int, relative: bool) -> list[float]:
    """The D >= 0 of the smallest largest gap: points are added where it is larger than at those before."""
    from scipy.optimize import linprog  # late: it takes a second to import

    shares = np.exp(bernstein.log_chances(N - 1, target.x, 1 - target.x)) / target.sizes(relative)[:, None]
    aim = target.slope / target.sizes(relative)
    rows, cost = np.unique(np.round(np.linspace(0, len(aim) - 1, 4 * N)).astype(int)), np.zeros(N + 1)
    cost[-1] = 1
    shares *= target.largest  # D in units of the largest |F'|
    for _ in range(STEPS):
        ones = np.ones((len(rows), 1))
        above, below = np.hstack([shares[rows], -ones]), np.hstack([-shares[rows], -ones])
        limits = [(0, LARGEST)] * N + [(0, None)]
        found = linprog(cost, np.vstack([above, below]), np.concatenate([aim[rows], -aim[rows]]), bounds=limits)
        if found.x is None:
            raise Unusable(f"the nearest design without a negative D was not found: {found.message}")
        gaps = np.abs(shares @ found.x[:-1] - aim)
        if gaps.max() <= found.x[-1] * 1.005 + ENOUGH:
            break
        peaks = np.flatnonzero((gaps >= np.roll(gaps, 1)) & (gaps >= np.roll(gaps, -1)) & (gaps > found.x[-1]))
        rows = np.unique(np.concatenate([rows, peaks, [gaps.argmax()]]))
    return [max(0.0, D) * target.largest for D in found.x[:-1]]


# ── Rounded, and how near it is ─────────────────────────────────────────────


def _measured(target: Target, N: int, relative: bool, weight: Sequence[mpmath.mpf], degree: int) -> Nearest:
    """With as many decimals of what a group is paid as keep the gap, which is then that of what is written."""
    size = target.sizes(relative)
    decimals = max(2, int(log10(N) - log10(size.min()) - log10(ENOUGH)) + 2)
    with mpmath.workprec(PRECISION):
        sums = [Fraction(0), *(_rounded(paid / N, decimals) for paid in accumulate(map(mpmath.mpf, weight)))]
    rounded = [N * (after - before) for before, after in pairwise(sums)]
    at = np.unique(np.round(np.linspace(0, len(target.p) - 1, N)).astype(int))  # of points that are denser at the ends
    exact = np.array([bernstein.value_at(rounded, target.p[i]) for i in at])
    values = _through(target.x, target.x[at], _factors(target.x[at]), exact)
    return Nearest(rounded, relative, float(np.abs((values - target.slope) / size).max()) * SETTLED, degree)


def _rounded(value: mpmath.mpf, decimals: int) -> Fraction:
    return Fraction(int(mpmath.nint(value * 10**decimals)), 10**decimals)
