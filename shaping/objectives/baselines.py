"""From an objective to the reward of a group, and from that to the baseline of least variance.

In    an objective F(p), or phi(0) .. phi(N): what a group with n correct answers is paid
Out   phi, b                A_correct(n) = N (phi(n) - b(n - 1)),  A_wrong(n) = N (phi(n) - b(n))

b(m) may depend on how many of the other N - 1 answers are correct and on nothing else; then whatever it is, the mean
gradient is that of E phi. A polynomial of degree up to N is E phi for one phi, its Bernstein coefficients. Anything
else is for none, and gets

    phi(n) = E[F(p) | n of N correct], p uniform before        Bernstein-Durrmeyer

which rises where F does, so that no wrong answer is preferred, and tends to F as N grows. Of log(p) it makes
log_p(N) to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import comb, factorial

from shaping import real
from shaping.language.nodes import Apply, Name, Named, Node
from shaping.language.vocabulary import CONSTANT
from shaping.objectives.dynamics import total
from shaping.objectives.objective import OBJECTIVES, Polynomial, polynomial, to_bernstein
from shaping.real import Real, Unusable

DIGITS = 12  # of what is integrated numerically


def reward_for(node: Node, N: int, constants: Mapping[str, Real]) -> tuple[list[Fraction], bool]:
    """phi(0) .. phi(N), and whether E phi is the objective exactly.

    Raises:
      Unusable: the objective has no mean over p, or no value for some p.
    """
    try:
        whole = polynomial(node, constants)
    except Unusable:
        whole = None
    if whole is not None:
        exact = to_bernstein(whole, N)
        return (exact, True) if exact is not None else (_means(whole, N), False)
    return posterior_means(node, N, constants), False


def posterior_means(node: Node, N: int, constants: Mapping[str, Real]) -> list[Fraction]:
    """E[F(p) | n of N correct] for n = 0..N.

    >>> from shaping.objectives.objective import read_objective
    >>> from shaping.errors import Source
    >>> log_p = read_objective("log(p)", "F", Source("F", "log(p)").span, [])
    >>> posterior_means(log_p, 2, {})      # -(1 + 1/2 + 1/3), -(1/2 + 1/3), -1/3
    [Fraction(-11, 6), Fraction(-5, 6), Fraction(-1, 3)]
    """
    try:
        return _means(polynomial(node, constants), N)
    except Unusable:
        pass
    terms = _sum(node, constants)
    means = [_mean(part, N, constants) or _integrated(part, N, constants) for part, _ in terms]
    return [
        sum((factor * mean[n] for (_, factor), mean in zip(terms, means, strict=True)), Fraction(0))
        for n in range(N + 1)
    ]


def _means(whole: Polynomial, N: int) -> list[Fraction]:
    """Of p^j it is (n + 1) .. (n + j) / ((N + 2) .. (N + j + 1))."""
    found = []
    for n in range(N + 1):
        mean, power = Fraction(0), Fraction(1)
        for j, a in enumerate(whole):
            power *= Fraction(n + j, N + j + 1) if j else 1
            mean += a * power
        found.append(mean)
    return found


def _sum(node: Node, constants: Mapping[str, Real]) -> list[tuple[Node, Fraction]]:
    """The terms of a sum and the rational factor of each."""

    def number(part: Node) -> Fraction | None:
        try:
            found = polynomial(part, constants) if part.scope == CONSTANT else [None]
        except Unusable:
            return None
        return found[0] if len(found) == 1 else None

    match node:
        case Named(body=body):
            return _sum(body, constants)
        case Apply(function=function, operands=(a, b)) if function.name in ("add", "subtract"):
            sign = 1 if function.name == "add" else -1
            return [*_sum(a, constants), *((part, sign * factor) for part, factor in _sum(b, constants))]
        case Apply(function=function, operands=(a,)) if function.name == "negate":
            return [(part, -factor) for part, factor in _sum(a, constants)]
        case Apply(function=function, operands=(a, b)) if function.name == "multiply" and number(a) is not None:
            return [(part, number(a) * factor) for part, factor in _sum(b, constants)]
        case Apply(function=function, operands=(a, b)) if function.name in ("multiply", "divide") and number(b):
            by = number(b) if function.name == "multiply" else 1 / number(b)
            return [(part, by * factor) for part, factor in _sum(a, constants)]
    return [(node, Fraction(1))]


def _mean(node: Node, N: int, constants: Mapping[str, Real]) -> list[Fraction] | None:
    """Exactly, for a polynomial, and for log and powers of p or 1 - p; None for others."""
    try:
        return _means(polynomial(node, constants), N)
    except Unusable:
        pass
    if not isinstance(node, Apply) or node.function.name not in ("log", "sqrt", "power"):
        return None
    sides = {(0, 1): 1, (1, -1): -1}
    try:
        direction = sides.get(tuple(polynomial(node.operands[0], constants)))
        exponent = {"sqrt": lambda: [Fraction(1, 2)], "log": lambda: [None]}.get(
            node.function.name, lambda: polynomial(node.operands[1], constants)
        )()
    except Unusable:
        return None
    if direction is None or len(exponent) != 1:
        return None
    (s,) = exponent
    if s is None:
        means = [-sum((Fraction(1, i) for i in range(n + 1, N + 2)), Fraction(0)) for n in range(N + 1)]
    elif s <= -1:
        raise Unusable(f"p**({s}) has no mean over p")
    else:  # n! ... : (N+1)! / n! over (n + 1 + s) .. (N + 1 + s)
        means = [Fraction(1)] * (N + 2)
        for n in range(N, -1, -1):
            means[n] = means[n + 1] * Fraction(n + 1) / (n + 1 + s)
        means = means[: N + 1]
    return means[::direction]


def _integrated(node: Node, N: int, constants: Mapping[str, Real]) -> list[Fraction]:
    """To 12 digits."""
    import mpmath

    value = numeric(node, constants)
    with mpmath.workdps(30):
        found = []
        for n in range(N + 1):
            scale = (N + 1) * comb(N, n)
            try:
                mean, error = mpmath.quad(lambda p, n=n: value(p) * p**n * (1 - p) ** (N - n), [0, 0.5, 1], error=True)
            except (ValueError, ZeroDivisionError, TypeError):
                raise Unusable("no value for some p between 0 and 1") from None
            if isinstance(mean, mpmath.mpc):
                raise Unusable("no value for some p between 0 and 1")
            if not mpmath.isfinite(mean) or error * scale > 1e-9 * (1 + abs(mean * scale)):
                raise Unusable("no mean over p that can be computed")
            found.append(Fraction(mpmath.nstr(mean * scale, DIGITS)))
    return found


def numeric(node: Node, constants: Mapping[str, Real]) -> Callable:
    """The objective as a function of a number of mpmath.

    Raises:
      Unusable: it has a function that an objective has not.
    """
    import mpmath

    plain = {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "negate": lambda a: -a,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "power": lambda a, b: mpmath.mpf(a) ** b,
        "sqrt": mpmath.sqrt,
        "log": mpmath.log,
        "exp": mpmath.exp,
        "tanh": mpmath.tanh,
        "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    }
    try:
        whole = polynomial(node, constants)
        return lambda p: mpmath.polyval([mpmath.mpf(a.numerator) / a.denominator for a in reversed(whole)], p)
    except Unusable:
        pass
    match node:
        case Name(name=name) if name in constants:
            return lambda p: real.to_sympy(constants[name]).evalf(30)
        case Named(body=body):
            return numeric(body, constants)
        case Apply(function=function, operands=operands) if function.name in plain:
            parts = [numeric(operand, constants) for operand in operands]
            return lambda p: plain[function.name](*(part(p) for part in parts))
    name = node.function.name if isinstance(node, Apply) else "this"
    raise Unusable(f"{name} is not part of an objective; there are {', '.join([*plain, *OBJECTIVES])}")


# ── The baseline of least variance ──────────────────────────────────────────


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
    for m in range(1, N):
        factor = beside[m] / diagonal[m - 1]
        diagonal[m] -= factor * beside[m]
        sums[m] = real.subtract(sums[m], real.multiply(factor, sums[m - 1]))
    found = [Fraction(0)] * N
    for m in reversed(range(N)):
        rest = real.multiply(beside[m + 1], found[m + 1]) if m + 1 < N else Fraction(0)
        found[m] = real.divide(real.subtract(sums[m], rest), diagonal[m])
    return found
