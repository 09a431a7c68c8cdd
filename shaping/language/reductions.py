"""The exact reductions of the vocabulary: (how many, value) pairs to one value.

`rank` and the like, one value for each, take the value of that one first. k
draws are without replacement: of m values C(m, k) draws, and the maximum is at
most v in C(how many are <= v, k) of them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cmp_to_key
from math import comb

from shaping import real
from shaping.real import Real, Undefined, Unusable

Weighed = list[tuple[int, Real]]


def _size(values: Weighed) -> int:
    size = sum(count for count, _ in values)
    if not size:
        raise Undefined("no answer is selected")
    return size


def total(values: Weighed) -> Real:
    result: Real = Fraction(0)
    for count, value in values:
        result = real.add(result, real.multiply(Fraction(count), value))
    return result


def count(values: Weighed) -> Real:
    return Fraction(sum(how_many for how_many, value in values if real.sign(value)))


def mean(values: Weighed) -> Real:
    return real.divide(total(values), Fraction(_size(values)))


def var(values: Weighed, *, ddof: int) -> Real:
    size = _size(values)
    if size <= ddof:
        raise Undefined(f"ddof={ddof} needs more than {ddof} value{'s' * (ddof != 1)}, here {size}")
    middle = mean(values)
    squares = [(n, real.power(real.subtract(value, middle), Fraction(2))) for n, value in values]
    return real.divide(total(squares), Fraction(size - ddof))


def std(values: Weighed, *, ddof: int) -> Real:
    return real.sqrt(var(values, ddof=ddof))


def _extreme(direction: int) -> Callable[[Weighed], Real]:
    def pick(values: Weighed) -> Real:
        _size(values)
        best = values[0][1]
        for _, value in values[1:]:
            best = value if real.compare(value, best) == direction else best
        return best

    return pick


def _ordered(values: Weighed) -> Weighed:
    return sorted(values, key=cmp_to_key(lambda a, b: real.compare(a[1], b[1])))


def quantile(values: Weighed, q: Real) -> Real:
    place = share(q) * (_size(values) - 1)
    below = place.numerator // place.denominator
    rest = place - below
    low, high = (_at(_ordered(values), index) for index in (below, below + (rest > 0)))
    return real.add(low, real.multiply(rest, real.subtract(high, low)))


def share(q: Real) -> Fraction:
    q = real.settled(q)
    if not isinstance(q, Fraction) or not 0 <= q <= 1:
        raise Unusable(f"a quantile is between 0 and 1, not {real.show(q)}")
    return q


def _at(ordered: Weighed, index: int) -> Real:
    for how_many, value in ordered:
        if index < how_many:
            return value
        index -= how_many
    raise IndexError(index)


def rank(own: Real, values: Weighed) -> Real:
    return Fraction(sum(how_many for how_many, value in values if real.compare(value, own) < 0))


def others_mean(own: Real, values: Weighed) -> Real:
    return real.divide(real.subtract(total(values), own), Fraction(_size(values) - 1))


def max_of(values: Weighed, k: Real) -> Real:
    return _mean_maximum(_ordered(values), whole(k, "max_of", _size(values)))


def max_with(own: Real, values: Weighed, k: Real) -> Real:
    draws = whole(k, "max_with", _size(values)) - 1
    others = _without(own, values)
    if not draws:
        return own
    capped = [(n, own if real.compare(value, own) < 0 else value) for n, value in others]
    return _mean_maximum(_ordered(capped), draws)


def max_without(own: Real, values: Weighed, k: Real) -> Real:
    return _mean_maximum(_ordered(_without(own, values)), whole(k, "max_without", _size(values) - 1))


def whole(k: Real, name: str, most: int) -> int:
    k = real.settled(k)
    if not isinstance(k, Fraction) or k.denominator != 1 or not 1 <= k <= most:
        raise Unusable(f"{name} draws k = {real.show(k)} of {most} answers; k is a whole number in 1..{most}")
    return int(k)


def _without(own: Real, values: Weighed) -> Weighed:
    """One value less: `own`."""
    left = list(values)
    index = next(i for i, (_, value) in enumerate(left) if real.compare(value, own) == 0)
    left[index] = (left[index][0] - 1, left[index][1])
    return [pair for pair in left if pair[0]]


def _mean_maximum(ordered: Weighed, k: int) -> Real:
    size, seen = sum(n for n, _ in ordered), 0
    result: Real = Fraction(0)
    for how_many, value in ordered:
        share = Fraction(comb(seen + how_many, k) - comb(seen, k), comb(size, k))
        result = real.add(result, real.multiply(share, value))
        seen += how_many
    return result


REDUCE: dict[str, Callable[..., Real]] = {
    "sum": total,
    "count": count,
    "mean": mean,
    "std": std,
    "var": var,
    "min": _extreme(-1),
    "max": _extreme(1),
    "quantile": quantile,
    "rank": rank,
    "others_mean": others_mean,
    "max_of": max_of,
    "max_with": max_with,
    "max_without": max_without,
}
