"""The formulas of a design in a large group, of which p N answers are correct: expansions in powers of 1/N (series.py).

In    a node of a design, n_pos
Out   Series, or NotFound where the formula does not fit: log(n_pos), binomial(N, n_pos)
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import reduce

import sympy

from shaping import real
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Choose, Fallback, Name, Named, Node, Reduce, walk
from shaping.language.vocabulary import ANSWER, CONSTANT
from shaping.symbols.crossings import Q
from shaping.symbols.series import ONE, SIZE, NotFound, NoValue, Series, number

MAX_DRAWS = 64  # a binomial is written as a product


class LargeGroup:
    """A large group; kind 0 is its correct answers, kind 1 the wrong ones."""

    def __init__(self, constants: Mapping[str, real.Real], n_pos: Series):
        n_neg = Series({e: Q if e == 1 else -c for e, c in n_pos.terms.items()})
        share = Series({e - 1: c for e, c in n_pos.terms.items()})
        self.counts = (n_pos, n_neg)
        self.constants = constants
        self.shared = {name: number(value) for name, value in constants.items()} | {
            "N": SIZE,
            "n_pos": n_pos,
            "n_neg": n_neg,
            "p": share,
        }
        self.known: dict[tuple[Node, int], Series] = {}

    def value(self, node: Node, kind: int) -> Series:
        key = (node, kind if node.scope == ANSWER else -1)
        if key not in self.known:
            self.known[key] = self.computed(node, kind)
        return self.known[key]

    def computed(self, node: Node, kind: int) -> Series:
        if node.scope == CONSTANT and not any(isinstance(part, Name) and part.name == "N" for part in walk(node)):
            return number(Group(self.constants, []).value(node, -1))
        match node:
            case Name(name=name):
                return number(1 - kind) if node.scope == ANSWER else self.shared[name]
            case Named(body=body):
                return self.value(body, kind)
            case Choose(operands=(condition, then, otherwise)):
                return self.value(then if self.value(condition, kind).sign() else otherwise, kind)
            case Fallback(body=body, flat=flat):
                try:
                    return [self.value(body, each) for each in (0, 1)][kind]
                except NoValue:
                    return self.value(flat, kind)
            case Apply(function=function, operands=operands):
                return _apply(function.name, [self.value(operand, kind) for operand in operands])
            case Reduce():
                return self.reduced(node, kind)
        raise NotFound("it draws at random")

    def reduced(self, node: Reduce, kind: int) -> Series:
        chosen = [each for each in (0, 1) if node.where is None or self.value(node.where, each).sign()]
        values = [(self.counts[each], self.value(node.operand, each)) for each in chosen]
        arguments = [self.value(argument, kind) for argument in node.arguments]
        name, ddof = node.reduction.name, dict(node.options).get("ddof", 0)
        if name in ("sum", "count"):
            return _total(values) if name == "sum" else _total([(n, _truth(value.sign())) for n, value in values])
        if not values:
            raise NoValue
        if name in ("mean", "var", "std"):
            middle = _mean(values)
            if name == "mean":
                return middle
            spread = _total([(n, (value - middle) * (value - middle)) for n, value in values])
            variance = _divide(spread, _total([(n, ONE) for n, _ in values]) - number(ddof))
            return variance if name == "var" else _apply("sqrt", [variance])
        if name in ("min", "max"):
            return _apply(name, [value for _, value in values])
        own = self.value(node.operand, kind)
        if name == "others_mean":
            return _divide(_total(values) - own, SIZE - ONE)
        if name in ("max_of", "max_with", "max_without"):
            return self.maximum(name, own, values, *arguments, kind)
        raise NotFound(f"no expansion of {name} is known")

    def maximum(self, name: str, own: Series, values: list, k: Series, kind: int) -> Series:
        """The mean maximum of k draws: the lower value if all k are of that kind."""
        (_, a), (_, b) = values
        order = (a - b).sign()
        if not order:
            return a
        low, high = (1, 0) if order > 0 else (0, 1)
        from_low, of, draws = self.counts[low], SIZE, k
        if name == "max_with":
            if kind == high:
                return own
            from_low, of, draws = from_low - ONE, of - ONE, k - ONE
        elif name == "max_without":
            from_low, of = from_low - (ONE if kind == low else number(0)), of - ONE
        misses = _divide(_binomial(from_low, draws), _binomial(of, draws))
        return values[high][1] - misses * (values[high][1] - values[low][1])


def _apply(name: str, values: list[Series]) -> Series:
    a, b = values[0], values[-1]
    match name:
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "negate":
            return -a
        case "multiply":
            return a * b
        case "divide":
            return _divide(a, b)
        case "power":
            exponent = _constant(b)
            if a.is_none():
                if exponent < 0:
                    raise NoValue
                return _truth(exponent == 0)
            return a.power(exponent)
        case "sqrt":
            return a if a.is_none() else a.power(sympy.Rational(1, 2))
        case "log":
            if a.sign() <= 0:
                raise NoValue
            if a.leading()[0]:
                raise NotFound("it grows with log N")
            return a.of(sympy.log, name)
        case "exp" | "tanh":
            return a.of(getattr(sympy, name), name)
        case "sigmoid":
            return a.of(lambda x: 1 / (1 + sympy.exp(-x)), name)
        case "abs":
            return -a if a.sign() < 0 else a
        case "sign":
            return number(a.sign())
        case "min" | "max":
            way = 1 if name == "max" else -1
            return reduce(lambda best, each: each if (each - best).sign() == way else best, values)
        case "clip":
            return _apply("min", [_apply("max", values[:2]), values[2]])
        case "binomial":
            return _binomial(a, b)
        case "and" | "or":
            signs = a.sign(), b.sign()
            return _truth(all(signs) if name == "and" else any(signs))
        case "not":
            return _truth(not a.sign())
        case "less" | "at_most" | "more" | "at_least" | "equal" | "unequal":
            sign = (a - b).sign()
            return _truth(
                {
                    "less": sign < 0,
                    "at_most": sign <= 0,
                    "more": sign > 0,
                    "at_least": sign >= 0,
                    "equal": sign == 0,
                    "unequal": sign != 0,
                }[name]
            )
    raise NotFound(f"no expansion of {name} is known")


def _divide(a: Series, b: Series) -> Series:
    return a * b.power(sympy.Integer(-1))


def _binomial(n: Series, k: Series) -> Series:
    draws = _constant(k)
    if not draws.is_Integer or draws > MAX_DRAWS:
        raise NotFound("a binomial of two numbers that grow")
    return reduce(lambda product, i: product * (n - number(i)), range(int(draws)), number(Fraction(1))) * Series(
        {Fraction(0): 1 / sympy.factorial(draws)}
    )


def _constant(a: Series) -> sympy.Expr:
    """A number that neither p nor N is in."""
    value = a.terms.get(Fraction(0), sympy.Integer(0))
    if a.error is not None or set(a.terms) - {Fraction(0)} or not value.is_number:
        raise NotFound("an exponent, or a number of draws, that changes with the group")
    return value


def _truth(holds: object) -> Series:
    return number(int(bool(holds)))


def _total(values: list[tuple[Series, Series]]) -> Series:
    return sum((n * value for n, value in values), Series({}))


def _mean(values: list[tuple[Series, Series]]) -> Series:
    return _divide(_total(values), sum((n for n, _ in values), Series({})))
