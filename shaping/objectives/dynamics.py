"""How well and how fast a design learns one prompt: noise of its gradient, push of its groups, time to learn.

In    pairs, weight     what exact.table and objective.weight give for one N
Out   exact values at rational p, or floats that are right whatever cancels (bernstein.py)

One prompt, solved with probability p = sigmoid(logit), q = 1 - p. The score d log pi / d logit is q for a correct
answer and -p for a wrong one, so that a group with n correct answers gives the estimate

    g(n)  = (n A_correct(n) q - (N - n) A_wrong(n) p) / N
    E g   = w(p) p q
    E g^2 = sum_n C(N, n) p^n q^(N - n) g(n)^2            a polynomial in p of degree N + 2
    SNR   = (E g)^2 / Var g

This is the part along the logit: right answers are taken as one, and so are wrong ones, of which a policy has many.
A policy that follows the mean moves by d logit / dt = w p q, which is dp / dt = w(p) (p q)^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb, exp, fsum, inf, log

import mpmath
import numpy as np

from shaping import real
from shaping.groups.exact import Pair
from shaping.objectives import bernstein
from shaping.real import Real

CANCELS = 1e-7  # of the sizes that a mean or a variance is made of: below it floats have too few digits left
PRECISION = 1_024  # bits, then
NODES, FEWEST, MOST, EXACT = 16, 4, 256, 1e-7  # of the integral: points of a piece, pieces, digits
LONGEST = 1e300


def total(values: Sequence[Real]) -> Real:
    """Their sum, by halves: a long sum of logarithms is not nested deep."""
    if len(values) <= 2:
        return real.add(values[0], values[1]) if len(values) == 2 else (values[0] if values else Fraction(0))
    return real.add(total(values[: len(values) // 2]), total(values[len(values) // 2 :]))


def at(bernstein: Sequence[Real], p: Fraction) -> Real:
    """The polynomial with these Bernstein coefficients, at p.

    >>> at([Fraction(0), Fraction(1, 2), Fraction(1)], Fraction(1, 4))      # p itself, written in degree 2
    Fraction(1, 4)
    """
    n = len(bernstein) - 1
    return total([real.multiply(comb(n, m) * p**m * (1 - p) ** (n - m), b) for m, b in enumerate(bernstein)])


# ── Noise ───────────────────────────────────────────────────────────────────


def second_moment(pairs: Sequence[Pair]) -> list[Real]:
    """E g^2 as the N + 3 Bernstein coefficients of degree N + 2."""
    N = len(pairs) - 1
    parts: list[list[Real]] = [[] for _ in range(N + 3)]
    for n, pair in enumerate(pairs):
        right, wrong = (Fraction(0) if value is None else value for value in pair)
        right, wrong = real.multiply(Fraction(n, N), right), real.multiply(Fraction(n - N, N), wrong)
        squares = (
            real.multiply(wrong, wrong),  # of p^2
            real.multiply(Fraction(2), real.multiply(right, wrong)),  # of p q
            real.multiply(right, right),  # of q^2
        )
        for more, square in zip((2, 1, 0), squares, strict=True):
            parts[n + more].append(real.multiply(Fraction(comb(N, n), comb(N + 2, n + more)), square))
    return [total(part) for part in parts]


def variance(pairs: Sequence[Pair], weight: Sequence[Real], p: Fraction) -> Real:
    """Var g at p.

    >>> variance(rloo(2), [Fraction(1), Fraction(1)], Fraction(1, 2))      # g is 0, 1/2, 0: E g = 1/4, E g^2 = 1/8
    Fraction(1, 16)
    """
    mean = real.multiply(p * (1 - p), at(weight, p))
    return real.subtract(at(second_moment(pairs), p), real.multiply(mean, mean))


def snr(pairs: Sequence[Pair], p: Fraction) -> float | None:
    """(E g)^2 / Var g at p; infinite where g does not vary and is not 0, None where it is always 0.

    >>> snr(rloo(2), Fraction(1, 2))        # E g = 1/4, Var g = 1/16
    1.0
    """
    N, x, y = len(pairs) - 1, float(p), float(1 - p)
    sides = [[Fraction(0) if pair[i] is None else pair[i] for pair in pairs] for i in (0, 1)]
    parts = [
        (n * right * y / N, (n - N) * wrong * x / N)
        for n, (right, wrong) in enumerate(zip(*(bernstein.floats(tuple(side)) for side in sides), strict=True))
    ]
    largest = max(abs(each) for part in parts for each in part)
    if not largest:
        return _exactly(sides, p)
    parts = [(right / largest, wrong / largest) for right, wrong in parts]  # squares of 1e200 are no floats
    chances = bernstein.chances(N, p)
    terms = [chance * sum(part) for chance, part in zip(chances, parts, strict=True)]
    mean, size = fsum(terms), fsum(map(abs, terms))
    spread = fsum(chance * (sum(part) - mean) ** 2 for chance, part in zip(chances, parts, strict=True))
    square = fsum(chance * (abs(part[0]) + abs(part[1])) ** 2 for chance, part in zip(chances, parts, strict=True))
    if abs(mean) > CANCELS * size and spread > CANCELS * square > 1e-280:
        return mean**2 / spread
    return _exactly(sides, p)


def _exactly(sides: Sequence[Sequence[Real]], p: Fraction) -> float | None:
    """The same where g hardly varies, or its mean is nearly 0: decided first whether it varies at all."""
    N = len(sides[0]) - 1
    g = [
        real.add(real.multiply(n * (1 - p) / N, right), real.multiply((n - N) * p / N, wrong))
        for n, (right, wrong) in enumerate(zip(*sides, strict=True))
    ]
    if all(real.compare(each, g[0]) == 0 for each in g):
        return inf if real.sign(g[0]) else None
    with mpmath.workprec(PRECISION):
        x, values = bernstein.mpf_of(p, PRECISION), [bernstein.mpf_of(each, PRECISION) for each in g]
        chances = [comb(N, n) * x**n * (1 - x) ** (N - n) for n in range(N + 1)]
        mean, size = mpmath.fdot(chances, values), mpmath.fdot(chances, map(abs, values))
        spread = mpmath.fsum(chance * (each - mean) ** 2 for chance, each in zip(chances, values, strict=True))
        return float(mean**2 / spread) if abs(mean) > size * mpmath.ldexp(1, 80 - PRECISION) else 0.0


# ── Time ────────────────────────────────────────────────────────────────────


def time(weight: Sequence[Real], start: Fraction, end: Fraction) -> float:
    """How long dp / dt = w(p) (p q)^2 takes from one p to a larger one; infinite if w is not positive on the way.

    Over the logit, since dt = d logit / (w p q); by Gauss and Legendre, in ever more pieces. What is longer than any
    float is LONGEST.

    >>> round(time([Fraction(1)], Fraction(1, 2), Fraction(3, 4)), 6)       # 2 log 3 + 8/3
    4.863891
    """
    return unlogged(log_time(tuple(weight), start, end))


def unlogged(time: float | None) -> float:
    """A time, or a ratio of two, from its logarithm; None is never."""
    return inf if time is None else exp(time) if time < log(LONGEST) else LONGEST


@lru_cache(maxsize=64)
def log_time(weight: tuple[Real, ...], start: Fraction, end: Fraction) -> float | None:
    """The logarithm of it; None if it is infinite."""
    if not bernstein.is_positive(weight, start, end):
        return None
    low, high = (log(p / (1 - p)) for p in (start, end))
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    found, before, pieces = inf, inf, FEWEST
    while pieces <= MOST and not abs(found - before) < EXACT:
        width = (high - low) / pieces
        logit = (low + width * (np.arange(pieces)[:, None] + (nodes + 1) / 2)).ravel()
        p, q = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
        slow = -bernstein.logs(weight, p, q)[1] - np.log(p) - np.log(q)  # of 1 / (w p q)
        top = slow.max()
        area = (np.exp(slow - top).reshape(pieces, NODES) @ shares).sum() * width / 2
        before, found, pieces = found, top + log(area), 4 * pieces
    return float(found)


# ── What to compare with ────────────────────────────────────────────────────


@lru_cache(maxsize=8)
def grpo(N: int) -> list[Pair]:
    """GRPO with the population standard deviation: sqrt(n_neg / n_pos) and -sqrt(n_pos / n_neg)."""
    inner = [(real.sqrt(Fraction(N - n, n)), real.negate(real.sqrt(Fraction(n, N - n)))) for n in range(1, N)]
    return [(None, Fraction(0)), *inner, (Fraction(0), None)]


@lru_cache(maxsize=8)
def rloo(N: int) -> list[Pair]:
    """The reward above the mean of the other answers: n_neg / (N - 1) and -n_pos / (N - 1)."""
    pairs = [(Fraction(N - n, N - 1), Fraction(-n, N - 1)) for n in range(N + 1)]
    return [(None, pairs[0][1]), *pairs[1:N], (pairs[N][0], None)]
