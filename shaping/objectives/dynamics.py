"""How well and how fast a design learns one prompt: noise of its gradient, push of its groups, time to learn.

In    pairs, weight     what exact.table and objective.weight give for one N
Out   exact values at rational p; floats only where something is integrated

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
from math import comb, exp, inf, log

from shaping import real
from shaping.groups.exact import Pair
from shaping.real import Real

STEPS = 400  # of Simpson's rule, between two values of p


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
    """(E g)^2 / Var g at p, in floats: sums of squares, so nothing cancels. None where g never varies."""
    N, x = len(pairs) - 1, float(p)
    g = []
    for n, pair in enumerate(pairs):
        right, wrong = (0.0 if value is None else real.nearest(value) for value in pair)
        g.append((n * right * (1 - x) - (N - n) * wrong * x) / N)
    mean = value(g, x)
    spread = value([(each - mean) ** 2 for each in g], x)
    return mean**2 / spread if spread else None


# ── Time ────────────────────────────────────────────────────────────────────


def time(weight: Sequence[Real], start: Fraction, end: Fraction) -> float:
    """How long dp / dt = w(p) (p q)^2 takes from one p to a larger one; infinite if w is not positive on the way.

    Over the logit, since dt = d logit / (w p q); Simpson's rule.

    >>> round(time([Fraction(1)], Fraction(1, 2), Fraction(3, 4)), 6)       # 2 log 3 + 8/3
    4.863891
    """
    if not any(weight):
        return inf
    floats = [real.nearest(value) for value in weight]
    low, high = (log(p / (1 - p)) for p in (float(start), float(end)))
    step, area = (high - low) / STEPS, 0.0
    for i in range(STEPS + 1):
        p = 1 / (1 + exp(-low - i * step))
        speed = value(floats, p) * p * (1 - p)
        if speed <= 0:
            return inf
        area += (1 if i in (0, STEPS) else 4 if i % 2 else 2) / speed
    return area * step / 3


def value(bernstein: Sequence[float], p: float) -> float:
    """The polynomial with these Bernstein coefficients at p, in floats: no cancellation but that of their signs."""
    n = len(bernstein) - 1
    return sum(comb(n, m) * p**m * (1 - p) ** (n - m) * b for m, b in enumerate(bernstein))


# ── What to compare with ────────────────────────────────────────────────────


def grpo(N: int) -> list[Pair]:
    """GRPO with the population standard deviation: sqrt(n_neg / n_pos) and -sqrt(n_pos / n_neg)."""
    inner = [(real.sqrt(Fraction(N - n, n)), real.negate(real.sqrt(Fraction(n, N - n)))) for n in range(1, N)]
    return [(None, Fraction(0)), *inner, (Fraction(0), None)]


def rloo(N: int) -> list[Pair]:
    """The reward above the mean of the other answers: n_neg / (N - 1) and -n_pos / (N - 1)."""
    pairs = [(Fraction(N - n, N - 1), Fraction(-n, N - 1)) for n in range(N + 1)]
    return [(None, pairs[0][1]), *pairs[1:N], (pairs[N][0], None)]
