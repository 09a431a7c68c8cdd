"""Where a formula changes its form: the values at which a comparison, a bound, a divisor or a condition crosses 0.

In    formulas, and a function that computes one of their parts at a value
Out   those values: 16384 for `clip((length - (max_length - buffer)) / buffer, 0, 1)` and `length`

A claim that holds on both sides of each of them, at it and far away was looked at wherever the formula has another
form. Values are found by sign: exactly where a part is linear between two points of a grid, else to six digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import combinations, pairwise

from shaping.language.nodes import Apply, Choose, Draws, Name, Node, Number, Reduce, walk
from shaping.language.vocabulary import OPERATORS

Values = Callable[[Fraction], Fraction | None]  # a part's value at a place; None where it has none

COMPARING = {OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal")}
_LOGICAL = {OPERATORS[name] for name in ("and", "or", "not")}
MAX_PARTS = 64  # of one design; the outermost are kept
NARROWINGS = 24


def crossing_parts(roots: Iterable[Node]) -> list[Node]:
    """Parts of these formulas whose sign decides which form a formula has, outermost first."""
    found: list[Node] = []
    for node in dict.fromkeys(node for root in roots for node in walk(root, into_draws=False)):
        found += _parts(node)
    return [part for part in found if not isinstance(part, Number)][:MAX_PARTS]


def _parts(node: Node) -> Iterator[Node]:
    match node:
        case Choose(operands=(condition, _, _)):
            yield from _condition(condition)
        case Reduce(where=where) if where is not None:
            yield from _condition(where)
        case Apply(function=function, operands=operands):
            if function in COMPARING:
                yield _difference(*operands)
            elif function in _LOGICAL:
                for operand in operands:
                    yield from _condition(operand)
            elif function.name in ("min", "max"):
                yield from (_difference(a, b) for a, b in combinations(operands[:4], 2))
            elif function.name == "clip":
                yield from (_difference(operands[0], end) for end in operands[1:])
            elif function.name in ("abs", "sign", "sqrt", "log", "log_gamma", "power", "floor"):
                yield operands[0]
            elif function.name == "divide":
                yield operands[1]


def _condition(node: Node) -> Iterator[Node]:
    """A condition that is a number, such as a flag, is true where it is not 0; one that compares is seen by itself."""
    if not (isinstance(node, Apply) and node.function in COMPARING | _LOGICAL):
        yield node


def _difference(a: Node, b: Node) -> Node:
    return Apply(OPERATORS["subtract"], (a, b), a.span)


def numbers(roots: Iterable[Node]) -> list[Fraction]:
    """The numbers that these formulas are written with, those under `draws:` too."""
    return list(dict.fromkeys(node.value for root in roots for node in walk(root) if isinstance(node, Number)))


def names(root: Node) -> set[str]:
    return {node.name for node in walk(root) if isinstance(node, Name)}


def has_draws(root: Node) -> bool:
    return any(isinstance(node, Draws) for node in walk(root))


def roots(at: Values, grid: list[Fraction]) -> list[Fraction]:
    """Where a part crosses or touches 0 between the first and the last value of a rising grid.

    Two values of the grid between which it crosses 0 twice show nothing.

    >>> roots(lambda x: (x - 300) / 7, [Fraction(0), Fraction(1_000)])
    [Fraction(300, 1)]
    """
    known = [(x, y) for x in grid if (y := at(x)) is not None]
    found = [x for x, y in known if y == 0]
    for before, after in pairwise(known):
        if before[1] * after[1] < 0:
            found.append(_between(at, before, after))
    return found


def _between(at: Values, low: tuple[Fraction, Fraction], high: tuple[Fraction, Fraction]) -> Fraction:
    """One root between two places of other signs: by the line through both, then by halves."""
    for step in range(NARROWINGS):
        (a, y), (b, z) = low, high
        if step % 2:
            middle = ((a + b) / 2).limit_denominator(10**6)
        else:
            middle = (a - y * (b - a) / (z - y)).limit_denominator(10**9)
        if not a < middle < b or (value := at(middle)) is None:
            break
        if value == 0:
            return middle
        low, high = ((middle, value), high) if value * y > 0 else (low, (middle, value))
    return ((low[0] + high[0]) / 2).limit_denominator(10**6)
