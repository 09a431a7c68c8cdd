"""What a design climbs, where verdicts decide what an answer gets.

One prompt that a policy solves with probability p, and N independent answers:

    E[(1/N) sum_i A_i grad log pi(y_i)] = w(p) grad p
    w(p) = sum_{m<N} C(N-1, m) p^m (1-p)^(N-1-m) D_m,      D_m = A_correct(m + 1) - A_wrong(m)

since an answer sees m successes among the N - 1 others, and being correct or
not makes the difference D_m. So the design climbs F with F' = w, which is

    F(p) = E phi(n_pos),      phi(n) = (1/N) sum_{m<n} D_m

the mean of a reward phi that the whole group gets: the reward that the design
implies. Derived here; for k of N draws it gives what Chen et al. 2025
(arXiv:2508.10751) and Walder & Karkhanis 2025 (arXiv:2505.15201) state.

An objective is written over p: `pass_at(k)`, `p**2`, `log_p(N - 1)`. A
polynomial is the list of its coefficients, of 1, p, p^2 and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb, lcm
from operator import add

from shaping import real
from shaping.errors import Span
from shaping.groups.exact import Pair
from shaping.language.evaluate import Group
from shaping.language.expression import parse
from shaping.language.nodes import Apply, Name, Named, Node, walk
from shaping.language.vocabulary import CONSTANT, GROUP, Function
from shaping.real import Real, Unusable

Polynomial = list[Fraction]
MAX_DEGREE = 1_024
FEW = 16  # coefficients that are multiplied one by one, roots that are summed exactly


def _no_number(*_: Real) -> Real:
    raise Unusable("an objective is a function of p, not a number")


OBJECTIVES = {
    row.name: row
    for row in (
        Function("pass_at", (1, 1), "1 - (1 - p)^a: the chance that one of a draws is correct", _no_number, ""),
        Function("log_p", (1, 1), "-sum_{j=1..a} (1 - p)^j / j: the first a terms of log(p)", _no_number, ""),
    )
}


# ── Designs ─────────────────────────────────────────────────────────────────


def weight(pairs: Sequence[Pair]) -> list[Real]:
    """D_0 .. D_(N-1), the Bernstein coefficients of w(p), from what `exact.pair` gives for n_pos = 0..N.

    >>> from shaping import loads
    >>> from shaping.groups.exact import table
    >>> weight(table(loads("advantage: correct - p"), 3))     # Dr.GRPO: w = (N - 1) / N
    [Fraction(2, 3), Fraction(2, 3), Fraction(2, 3)]
    """
    return [real.subtract(after[0], before[1]) for before, after in pairwise(pairs)]


def group_reward(pairs: Sequence[Pair]) -> list[Real]:
    """phi(0) = 0 .. phi(N): the reward for the whole group that the design implies."""
    rewards: list[Real] = [Fraction(0)]
    for difference in weight(pairs):
        rewards.append(real.add(rewards[-1], real.divide(difference, Fraction(len(pairs) - 1))))
    return rewards


def has_exact_sums(differences: Sequence[Real]) -> bool:
    """Is `group_reward` worth its time? A thousand different roots have a million pairs that may be alike."""
    return len(differences) <= FEW or all(isinstance(each, Fraction) for each in differences)


# ── Polynomials in p ────────────────────────────────────────────────────────


def to_bernstein(polynomial: Sequence[Fraction], degree: int) -> Polynomial | None:
    """Its coefficients b_m of C(degree, m) p^m (1-p)^(degree-m); None if its degree is larger.

    >>> to_bernstein([Fraction(0), Fraction(1)], 2)     # p = 1/2 * 2 p (1-p) + p^2
    [Fraction(0, 1), Fraction(1, 2), Fraction(1, 1)]
    """
    if len(trimmed(polynomial)) > degree + 1:
        return None
    row, below = whole([a / comb(degree, j) for j, a in enumerate(polynomial[: degree + 1])])  # differences at b_0
    row += [0] * (degree + 1 - len(row))
    found = []
    for _ in range(degree + 1):
        found.append(Fraction(row[0], below))
        row = [*map(add, row, row[1:]), row[-1]]
    return found


def from_bernstein(coefficients: Sequence[Fraction]) -> Polynomial:
    """The polynomial with these Bernstein coefficients: a_j = C(n, j) times the j-th difference at b_0.

    >>> from_bernstein([Fraction(0), Fraction(1, 2), Fraction(1)])
    [Fraction(0, 1), Fraction(1, 1), Fraction(0, 1)]
    """
    degree, found = len(coefficients) - 1, []
    row, below = whole(coefficients)
    for j in range(degree + 1):
        found.append(Fraction(comb(degree, j) * row[0], below))
        row = [b - a for a, b in pairwise(row)]
    return found


def whole(numbers: Sequence[Fraction]) -> tuple[list[int], int]:
    """Over one denominator: half a million sums of long numbers without a common divisor to look for in each."""
    below = lcm(*(each.denominator for each in numbers))
    return [each.numerator * (below // each.denominator) for each in numbers], below


def derivative(polynomial: Sequence[Fraction]) -> Polynomial:
    return [j * a for j, a in enumerate(polynomial)][1:] or [Fraction(0)]


def trimmed(polynomial: Sequence[Fraction]) -> Polynomial:
    """Without zeros at its end."""
    found = list(polynomial)
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found


def times(a: Sequence[Fraction], b: Sequence[Fraction]) -> Polynomial:
    """
    >>> times([Fraction(1), Fraction(-1, 2)], [Fraction(1), Fraction(1, 2)])      # (1 - p/2) (1 + p/2)
    [Fraction(1, 1), Fraction(0, 1), Fraction(-1, 4)]
    """
    (left, below), (right, also) = whole(a), whole(b)
    few, many = sorted((left, right), key=lambda side: len(side) - side.count(0))
    if len(few) - few.count(0) > FEW:
        return [Fraction(each, below * also) for each in _long_product(few, many)]
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(few):
        for j, y in enumerate(many) if x else ():
            product[i + j] += x * y
    return [Fraction(each, below * also) for each in product]


def _long_product(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """As one product of two long numbers, in a base that no coefficient of the product reaches (Kronecker)."""
    bits = sum(max(abs(x) for x in side).bit_length() for side in (a, b)) + min(len(a), len(b)).bit_length() + 1
    size, count = bits // 8 + 1, len(a) + len(b) - 1

    def packed(side: Iterable[int]) -> int:
        return int.from_bytes(b"".join(x.to_bytes(size, "little") for x in side), "little")

    left, right = (packed(max(x, 0) for x in side) - packed(max(-x, 0) for x in side) for side in (a, b))
    half = 1 << (8 * size - 1)  # of each, so that none is negative
    digits = (left * right + packed([half] * count)).to_bytes(size * count + 1, "little")
    return [int.from_bytes(digits[size * i : size * (i + 1)], "little") - half for i in range(count)]


def plus(a: Sequence[Fraction], b: Sequence[Fraction]) -> Polynomial:
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    return [x + (shorter[i] if i < len(shorter) else 0) for i, x in enumerate(longer)]


def pass_at(k: int) -> Polynomial:
    """1 - (1 - p)^k.

    >>> pass_at(2)
    [Fraction(0, 1), Fraction(2, 1), Fraction(-1, 1)]
    """
    return [Fraction(0), *(Fraction((-1) ** (j + 1) * comb(k, j)) for j in range(1, k + 1))]


def log_p(terms: int) -> Polynomial:
    """-sum_{j <= terms} (1 - p)^j / j.

    >>> log_p(2)      # its derivative is 1 + (1 - p)
    [Fraction(-3, 2), Fraction(2, 1), Fraction(-1, 2)]
    """
    start = -sum((Fraction(1, j) for j in range(1, terms + 1)), Fraction(0))
    return [start, *(Fraction((-1) ** (i + 1) * comb(terms, i), i) for i in range(1, terms + 1))]


# ── Objectives as they are written ──────────────────────────────────────────


def read_objective(text: str, where: str, place: Callable[[int, int], Span], constants: Sequence[str]) -> Node:
    """A formula over `p`, N and parameters.

    Raises:
      DesignError: it is no formula, or reads something else.
    """

    def lookup(name: str, span: Span) -> Node | None:
        if name == "p":
            return Name("p", span, GROUP, True)
        return Name(name, span, CONSTANT, True) if name == "N" or name in constants else None

    return parse(text, where=where, place=place, lookup=lookup, names=["p", "N", *constants], functions=OBJECTIVES)


def polynomial(node: Node, constants: Mapping[str, Real]) -> Polynomial:
    """The objective for these N and parameters.

    Raises:
      Unusable: it is no polynomial with rational coefficients, such as log(p) or sqrt(2) * p.
    """
    if _is_number(node):
        value = Group(constants, []).value(node, -1)
        if not isinstance(value, Fraction):
            raise Unusable(f"{real.show(value)} is not rational")
        return [value]
    match node:
        case Name():
            return [Fraction(0), Fraction(1)]
        case Named(body=body):
            return polynomial(body, constants)
        case Apply(function=function, operands=operands) if function.name in OBJECTIVES:
            count = _whole(operands[0], constants)
            return pass_at(count) if function.name == "pass_at" else log_p(count)
        case Apply(function=function, operands=(base, exponent)) if function.infix == "**":
            result = [Fraction(1)]
            factor = polynomial(base, constants)
            for _ in range(_whole(exponent, constants)):
                result = _times(result, factor)
            return result
        case Apply(function=function, operands=operands) if function.infix in ("+", "-", "*", "/"):
            sides = [polynomial(operand, constants) for operand in operands]
            match function.name:
                case "add":
                    return plus(*sides)
                case "subtract":
                    return plus(sides[0], [-a for a in sides[1]])
                case "negate":
                    return [-a for a in sides[0]]
                case "multiply":
                    return _times(*sides)
                case "divide" if len(trimmed(sides[1])) == 1 and sides[1][0]:
                    return [a / sides[1][0] for a in sides[0]]
    raise Unusable("no polynomial in p")


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) + len(b) - 2 > MAX_DEGREE:
        raise Unusable(f"a degree is a whole number up to {MAX_DEGREE:,}")
    return times(a, b)


def _is_number(node: Node) -> bool:
    of_p = any(isinstance(part, Apply) and part.function.name in OBJECTIVES for part in walk(node))
    return node.scope == CONSTANT and not of_p


def _whole(node: Node, constants: Mapping[str, Real]) -> int:
    (value,) = polynomial(node, constants) if _is_number(node) else (None,)
    if value is None or value.denominator != 1 or not 0 <= value <= MAX_DEGREE:
        raise Unusable(f"a degree is a whole number up to {MAX_DEGREE:,}")
    return int(value)
