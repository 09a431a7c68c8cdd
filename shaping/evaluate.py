"""The exact value of a formula for one group of answers.

A group is a list of kinds of answers with how many there are of each: what
counts decide needs two kinds (correct, wrong), a group of real rewards has one
kind an answer. Sums over a group weigh each kind by its number, so this one
evaluator serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.errors import DesignError, located
from shaping.nodes import Apply, Choose, Name, Named, Node, Number, Reduce
from shaping.real import Real, Undefined, Unusable
from shaping.vocabulary import ANSWER


@dataclass
class Group:
    shared: Mapping[str, Real]  # N, n_pos, parameters ...: the same for every answer
    kinds: Sequence[tuple[int, Mapping[str, Real]]]  # how many answers, and their signals
    known: dict[tuple[Node, int], Real] = field(default_factory=dict)

    def value(self, node: Node, kind: int) -> Real:
        """The value of `node` for answers of that kind; for the whole group if it is of group scope."""
        key = (node, kind if node.scope == ANSWER else -1)
        if key not in self.known:
            try:
                self.known[key] = self.compute(node, kind)
            except (Undefined, Unusable) as error:
                if not error.args[1:]:  # the innermost node is the place to show
                    error.args = (error.args[0], node.span)
                raise
        return self.known[key]

    def compute(self, node: Node, kind: int) -> Real:
        match node:
            case Number(value=value):
                return value
            case Name(name=name):
                return self.kinds[kind][1][name] if node.scope == ANSWER else self.shared[name]
            case Named(body=body):
                return self.value(body, kind)
            case Apply(function=function, operands=operands):
                return function.exact(*(self.value(operand, kind) for operand in operands))
            case Choose(operands=(condition, then, otherwise)):
                return self.value(then if real.sign(self.value(condition, kind)) else otherwise, kind)
            case Reduce(reduction=reduction, operand=operand, options=options):
                values = [(count, self.value(operand, i)) for i, (count, _) in enumerate(self.kinds) if count]
                return _REDUCE[reduction.name](values, **dict(options))


def constant(node: Node, names: Mapping[str, Real]) -> Real:
    """The value of a formula without answers, such as a bound of a range."""
    try:
        return Group(names, []).value(node, -1)
    except (Undefined, Unusable) as error:
        raise DesignError(located(error.args[1], error.args[0])) from None


# ── Reductions: lists of (how many, value) ──────────────────────────────────


def _sum(values: list[tuple[int, Real]]) -> Real:
    total: Real = Fraction(0)
    for count, value in values:
        total = real.add(total, real.multiply(Fraction(count), value))
    return total


def _mean(values: list[tuple[int, Real]]) -> Real:
    return real.divide(_sum(values), Fraction(sum(count for count, _ in values)))


def _std(values: list[tuple[int, Real]], *, ddof: int) -> Real:
    size = sum(count for count, _ in values)
    if size <= ddof:
        raise Unusable(f"std(..., ddof={ddof}) needs more than {ddof} answer{'s' * (ddof != 1)} in a group")
    mean = _mean(values)
    squares = [(count, real.power(real.subtract(value, mean), Fraction(2))) for count, value in values]
    return real.sqrt(real.divide(_sum(squares), Fraction(size - ddof)))


def _extreme(direction: int) -> Callable[[list[tuple[int, Real]]], Real]:
    def pick(values: list[tuple[int, Real]]) -> Real:
        best = values[0][1]
        for _, value in values[1:]:
            best = value if real.compare(value, best) == direction else best
        return best

    return pick


_REDUCE = {"sum": _sum, "mean": _mean, "std": _std, "min": _extreme(-1), "max": _extreme(1)}
