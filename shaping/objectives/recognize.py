"""Which objective a weight w(p) is the gradient of: exactly, or nearest.

In    weight    the Bernstein coefficients D_0 .. D_(N-1) of w (objective.py)
Out   Climbs    an objective F and a factor with w = factor F', exactly
      Near      a familiar objective whose derivative has nearly the shape of w

In powers of q = 1 - p every w is a mixture of pass@j: the derivative of pass@j is j q^(j-1). One term is one pass@j,
equal terms are log p cut off, and few terms are worth being named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, log

import numpy as np

from shaping import real
from shaping.objectives.bernstein import logs
from shaping.objectives.objective import Polynomial, from_bernstein, trimmed, whole
from shaping.real import General, Real, Surd, Unusable

MAX_MIXED = 3  # terms of a mixture that is still a name
GRID = 200
LONGEST = 300  # characters of a number that is written out


@dataclass(frozen=True)
class Climbs:
    """w = factor * dF/dp, exactly; `objective` is F as objective.py reads it, '0' if w is 0."""

    objective: str
    factor: Real


@dataclass(frozen=True)
class Near:
    """w is within `inner` of factor * dF/dp for 1/N <= p <= 1 - 1/N, and within `outer` for all p; 0.1 is 10 %."""

    objective: str
    factor: float
    inner: float
    outer: float


def climbs(weight: Sequence[Real]) -> Climbs | None:
    """The objective that w is proportional to the gradient of; None if it has no short name.

    >>> climbs([Fraction(3), Fraction(1), Fraction(0)])      # 3 (1-p)^2 + 2 p (1-p) = 2 (1-p) + (1-p)^2
    Climbs(objective='pass_at(2) + 1/3 * pass_at(3)', factor=Fraction(1, 1))
    """
    scaled = _rational(weight)
    if scaled is None:
        return None
    scale, coefficients = scaled
    of_p = trimmed(from_bernstein(coefficients))
    of_q = trimmed(reflected(of_p))
    terms = [j for j, a in enumerate(of_q) if a]
    if not terms:
        return Climbs("0", Fraction(1))
    if len(of_q) == 1:
        return Climbs("p", real.multiply(of_q[0], scale))
    if len(terms) == 1:
        (j,) = terms
        return Climbs(f"pass_at({j + 1})", real.multiply(of_q[j] / (j + 1), scale))
    if len(set(of_q)) == 1:
        return Climbs(f"log_p({len(of_q)})", real.multiply(of_q[0], scale))
    if len([a for a in of_p if a]) == 1:
        j = len(of_p) - 1
        return Climbs(f"p**{j + 1}", real.multiply(of_p[j] / (j + 1), scale))
    short = all(max(of_q[j].numerator.bit_length(), of_q[j].denominator.bit_length()) <= LONGEST for j in terms)
    if short and len(terms) <= MAX_MIXED and len(terms) < len(weight):
        if all(of_q[j] < 0 for j in terms):  # the other way
            of_q, scale = [-a for a in of_q], real.negate(scale)
        return Climbs(sum_text([(of_q[j] / (j + 1), f"pass_at({j + 1})" if j else "p") for j in terms]), scale)
    return None


def _rational(weight: Sequence[Real]) -> tuple[Real, Polynomial] | None:
    """A factor and rationals that it makes the weight of, such as sqrt(2) and 1, 2, 3; None if there is none."""
    if all(isinstance(each, Fraction) for each in weight):
        return Fraction(1), list(weight)
    scale = next(each for each in weight if not isinstance(each, Fraction))
    ratios = []
    for each in weight:
        if each == scale:
            ratios.append(Fraction(1))
        elif each == 0 or (isinstance(each, Surd) and isinstance(scale, Surd)):
            ratios.append(real.divide(each, scale))
        else:
            return None
    return (scale, ratios) if all(isinstance(ratio, Fraction) for ratio in ratios) else None


# ── The nearest familiar one ────────────────────────────────────────────────


Slopes = Callable[[np.ndarray, np.ndarray], np.ndarray]


def familiar(N: int) -> dict[str, Slopes]:
    """Objectives with names, and the logarithm of their derivatives at p and q = 1 - p: (1 - p)^1000 is no float."""
    log = np.log
    found: dict[str, Slopes] = {
        "p": lambda p, q: 0 * p,
        "log(p)": lambda p, q: -log(p),
        "-log(1 - p)": lambda p, q: -log(q),
        "log(p / (1 - p))": lambda p, q: -log(p) - log(q),
        arcsin_text(1): lambda p, q: -(log(p) + log(q)) / 2,
    }
    for k in range(2, N + 1):
        found[f"pass_at({k})"] = lambda p, q, k=k: log(k) + (k - 1) * log(q)
        found[f"p**{k}"] = lambda p, q, k=k: log(k) + (k - 1) * log(p)
        found[arcsin_text(k)] = lambda p, q, k=k: (k / 2 - 1) * log(q) - log(-np.expm1(k * log(q))) / 2
    return found


def arcsin_text(k: int) -> str:
    """(2/k) arcsin sqrt(pass@k)."""
    factor = "" if k == 2 else f"{Fraction(2, k)} "
    return f"{factor}arcsin sqrt({f'pass_at({k})' if k > 1 else 'p'})"


def near(weight: Sequence[Real], objective: str) -> Near | None:
    """How near w is to the gradient of a familiar objective; None if it points elsewhere for some p, or is 0.

    Of all factors the one with the smallest largest gap |w / (factor F') - 1| over 1/N <= p <= 1 - 1/N: outside of it
    a group of N hardly ever sees both a right and a wrong answer. On a grid, so to a few digits.
    """
    slope = familiar(len(weight)).get(objective)
    return _near(_sampled(weight), objective, slope) if slope else None


def nearest(weight: Sequence[Real]) -> Near | None:
    """The familiar objective with the smallest such gap; None if there is none below 100 %."""
    sampled = _sampled(weight)
    found = [_near(sampled, objective, slope) for objective, slope in familiar(len(weight)).items()]
    return min((each for each in found if each), key=lambda each: round(each.inner, 9), default=None)


Sampled = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _sampled(weight: Sequence[Real]) -> list[Sampled]:
    """p, q, the sign of w(p) and log |w(p)|: from 1/N to 1 - 1/N, and from near 0 to near 1."""
    N = len(weight)
    inner = np.array([1 / N + (1 - 2 / N) * i / GRID for i in range(GRID + 1)] if N > 2 else [0.5])
    middle, ends = np.arange(1, GRID) / GRID, 10.0 ** -np.arange(3, 9)
    p, q = np.concatenate([middle, ends, 1 - ends]), np.concatenate([1 - middle, 1 - ends, ends])
    return [(*points, *logs(weight, *points)) for points in ((inner, 1 - inner), (p, q))]


def _near(sampled: list[Sampled], objective: str, slope: Slopes) -> Near | None:
    (p, q, signs, sizes), (p_outer, q_outer, signs_outer, sizes_outer) = sampled
    if not signs[0] or (signs != signs[0]).any():
        return None
    ratios = sizes - slope(p, q)
    top = ratios.max()
    low = exp(ratios.min() - top)  # of the largest ratio, which is 1 now
    gap = (1 - low) / (1 + low)
    log_factor = top + log((1 + low) / 2)
    with np.errstate(over="ignore"):
        outer = np.abs(signs_outer * signs[0] * np.exp(sizes_outer - slope(p_outer, q_outer) - log_factor) - 1)
        factor = float(signs[0] * np.exp(log_factor))
    return Near(objective, factor, gap, float(max(gap, outer.max())))


# ── How polynomials and numbers are written ─────────────────────────────────


def reflected(polynomial: Sequence[Fraction]) -> Polynomial:
    """In powers of q = 1 - p instead of p, and back.

    >>> reflected([Fraction(0), Fraction(2), Fraction(-1)])     # 2 p - p^2 = 1 - q^2
    [Fraction(1, 1), Fraction(0, 1), Fraction(-1, 1)]
    """
    left, below = whole(polynomial)
    for i in range(len(left)):  # the j-th pass divides by p - 1 once more; what is left over is the coefficient of q^i
        for j in range(len(left) - 2, i - 1, -1):
            left[j] += left[j + 1]
    return [Fraction((-1) ** i * a, below) for i, a in enumerate(left)]


def polynomial_text(of_p: Sequence[Fraction]) -> str:
    """In powers of p, of q = 1 - p or of p q, whichever is shortest.

    >>> polynomial_text([Fraction(4), Fraction(-12), Fraction(12), Fraction(-4)])
    '4 q^3'
    >>> polynomial_text([Fraction(1, 2)] * 8)
    '1/2 (1 + p + p^2 + ... + p^7)'
    >>> polynomial_text([Fraction(0), Fraction(1), Fraction(-4), Fraction(6), Fraction(-3)])
    'p q - 3 (p q)^2'
    """
    forms = [_in_powers(trimmed(of_p), "p"), _in_powers(trimmed(reflected(of_p)), "q")]
    both = _of_product(trimmed(of_p))
    if both and len(both) > 1:
        forms.append(
            sum_text(list(zip(both, ["", "p q", *(f"(p q)^{j}" for j in range(2, len(both)))], strict=True)), " ")
        )
    return min(forms, key=len)


def _of_product(polynomial: Sequence[Fraction]) -> Polynomial | None:
    """In powers of p q; None unless p and q may change places."""
    left, found = list(polynomial), []
    while len(left) > 1:
        found.append(left[0])
        quotient = [Fraction(0)] * (len(left) - 1)
        for j in range(1, len(left)):  # left - left[0] = (p - p^2) quotient
            quotient[j - 1] = left[j] + (quotient[j - 2] if j > 1 else 0)
        if quotient[-1]:
            return None
        left = trimmed(quotient[:-1] or [Fraction(0)])
    return [*found, left[0]] if left[0] or not found else found


def _in_powers(coefficients: Sequence[Fraction], variable: str) -> str:
    powers = ["", variable, *(f"{variable}^{j}" for j in range(2, len(coefficients)))]
    if len(coefficients) > 4 and len(set(coefficients)) == 1:
        run = f"1 + {variable} + {variable}^2 + ... + {powers[-1]}"
        return run if coefficients[0] == 1 else f"{coefficients[0]} ({run})"
    return sum_text(list(zip(coefficients, powers, strict=False)), " ")


def sum_text(terms: Sequence[tuple[Fraction, str]], times: str = " * ", number: Callable[[Fraction], str] = str) -> str:
    """
    >>> sum_text([(Fraction(1), "p"), (Fraction(-1, 2), "pass_at(2)")])
    'p - 1/2 * pass_at(2)'
    """
    text = ""
    for a, name in terms:
        if a:
            size = name if abs(a) == 1 and name else f"{number(abs(a))}{times if name else ''}{name}"
            text += (" - " if a < 0 else " + ") + size if text else ("-" if a < 0 else "") + size
    return text or "0"


def number_text(a: Real) -> str | None:
    """Exactly, as a formula of the language; None if that takes more than 300 characters.

    >>> number_text(real.sqrt(Fraction(20, 3))), number_text(real.log(Fraction(3, 2)))
    ('2/3*sqrt(15)', 'log(3/2)')
    """
    try:
        return _written(a)
    except Unusable:
        return None


def _written(a: Real) -> str:
    if isinstance(a, Fraction):
        if max(a.numerator.bit_length(), a.denominator.bit_length()) > 4 * LONGEST:
            raise Unusable("too long to write")
        text = str(a)
    elif isinstance(a, Surd):
        text = " + ".join(_root(c, q) for c, q in a.terms).replace("+ -", "- ")
    else:
        text = _operation(a)
    if len(text) > LONGEST:
        raise Unusable("too long to write")
    return text


def _operation(a: General) -> str:
    parts = [_written(operand) for operand in a.operands]
    match a.operation:
        case "add":
            return " + ".join(part for part in parts if part != "0").replace("+ -", "- ")
        case "multiply" if "1" in parts:
            return parts[1 - parts.index("1")]
        case "multiply" if "-1" in parts:
            return f"-{_in_brackets(parts[1 - parts.index('-1')])}"
        case "multiply" | "divide" | "power":
            symbol = {"multiply": "*", "divide": "/", "power": "**"}[a.operation]
            return symbol.join(map(_in_brackets, parts))
    return f"{a.operation}({parts[0]})"


def _in_brackets(text: str) -> str:
    call = text.endswith(")") and text[:1].isalpha() and text.count("(") == 1
    return text if call or text.isalnum() else f"({text})"


def _root(c: Fraction, q: Fraction) -> str:
    """c sqrt(q) with a square-free whole number under the root, up to factors of four digits."""
    c, inside = c / q.denominator, q.numerator * q.denominator
    for prime in range(2, 1000):
        while inside % prime**2 == 0:
            c, inside = c * prime, inside // prime**2
    if inside == 1:
        return str(c)
    return f"sqrt({inside})" if c == 1 else f"-sqrt({inside})" if c == -1 else f"{c}*sqrt({inside})"
