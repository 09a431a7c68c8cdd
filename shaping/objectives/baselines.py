"""The baseline of least variance, for what a group is paid.

In    phi(0) .. phi(N)
Out   b                 A_correct(n) = N (phi(n) - b(n - 1)),  A_wrong(n) = N (phi(n) - b(n))

b(m) may depend on how many of the other N - 1 answers are correct and on nothing else; then whatever it is, the mean
gradient is that of E phi.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial

from shaping import real
from shaping.objectives.dynamics import total
from shaping.real import Real

FEW = 16  # degree of a phi whose baseline is looked for among polynomials


def optimal(phi: Sequence[Real], weighting: tuple[int, int] = (1, 1)) -> list[Real]:
    """b(0) .. b(N - 1) with the least variance of the gradient, averaged over p with a Beta(weighting) density.

    The gradient of the logit is g(n) = phi(n) (n - N p) - n q b(n - 1) + (N - n) p b(n) (dynamics.py), its mean does
    not depend on b, and the mean of g^2 over groups and p is quadratic in b: a tridiagonal system of Beta integrals.

    >>> optimal([Fraction(n, 8) for n in range(9)])[:3]         # of p; others_mean is 0, 1/7, 2/7
    [Fraction(11, 120), Fraction(5, 24), Fraction(13, 40)]
    """
    N = len(phi) - 1
    diagonal, beside = [Fraction(0)] * N, [Fraction(0)] * N  # beside[m]: between b(m - 1) and b(m)
    right: list[list[Real]] = [[] for _ in range(N)]

    def integral(n: int, of_p: int, of_q: int) -> Fraction:
        a, b = n + of_p + weighting[0] - 1, N - n + of_q + weighting[1] - 1
        return comb(N, n) * Fraction(factorial(a) * factorial(b), factorial(a + b + 1))

    for n, reward in enumerate(phi):
        pp, pq, qq = integral(n, 2, 0), integral(n, 1, 1), integral(n, 0, 2)
        if n:  # phi (n q - (N - n) p) against n q
            diagonal[n - 1] += n * n * qq
            right[n - 1].append(real.multiply(n * (n * qq - (N - n) * pq), reward))
        if n < N:
            diagonal[n] += (N - n) ** 2 * pp
            right[n].append(real.multiply(-(N - n) * (n * pq - (N - n) * pp), reward))
        if 0 < n < N:
            beside[n] -= n * (N - n) * pq
    sums = [total(part) for part in right]
    if (short := _polynomial(phi, diagonal, beside, sums)) is not None:
        return short
    for m in range(1, N):
        factor = beside[m] / diagonal[m - 1]
        diagonal[m] -= factor * beside[m]
        sums[m] = real.subtract(sums[m], real.multiply(factor, sums[m - 1]))
    found = [Fraction(0)] * N
    for m in reversed(range(N)):
        rest = real.multiply(beside[m + 1], found[m + 1]) if m + 1 < N else Fraction(0)
        found[m] = real.divide(real.subtract(sums[m], rest), diagonal[m])
    return found


def degree(phi: Sequence[Real]) -> int | None:
    """Of the polynomial in n that phi(n) is; None if it has a number that is no fraction, or 16 are not enough."""
    if not all(isinstance(each, Fraction) for each in phi):
        return None
    row = list(phi)
    for j in range(FEW + 1):
        if not any(row[1:]) and not row[0] and j:
            return j - 1
        row = [b - a for a, b in pairwise(row)]
        if not row:
            return j
    return FEW if not any(row) else None


def _polynomial(phi: Sequence[Real], diagonal: list[Fraction], beside: list[Fraction], right: list[Real]):
    """The solution as a polynomial in m of the degree of phi, from as many equations, if it solves all the others."""
    N, count = len(diagonal), degree(phi)
    if count is None or count + 1 >= N:
        return None
    columns = [[Fraction(comb(m, j)) for m in range(N)] for j in range(count + 1)]

    def row(m: int, column: Sequence[Fraction]) -> Fraction:
        below = beside[m] * column[m - 1] if m else Fraction(0)
        above = beside[m + 1] * column[m + 1] if m + 1 < N else Fraction(0)
        return below + diagonal[m] * column[m] + above

    rows = [[row(m, column) for column in columns] + [right[m]] for m in range(count + 1)]
    for j in range(count + 1):
        pivot = next((i for i in range(j, count + 1) if rows[i][j]), None)
        if pivot is None:
            return None
        rows[j], rows[pivot] = rows[pivot], rows[j]
        rows[j] = [x / rows[j][j] for x in rows[j]]
        for i in range(count + 1):
            if i != j and rows[i][j]:
                rows[i] = [x - rows[i][j] * y for x, y in zip(rows[i], rows[j], strict=True)]
    found = [sum((rows[j][-1] * columns[j][m] for j in range(count + 1)), Fraction(0)) for m in range(N)]
    return found if all(row(m, found) == right[m] for m in range(N)) else None
