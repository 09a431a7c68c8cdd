"""A design → sympy, with N, n_pos and its parameters free, for the three kinds of groups there are:

    mixed       c correct and d wrong answers, N = c + d
    all wrong   N = d + 1
    all right   N = c + 1

all symbols whole and positive, so that N is 2 or more. C(n - a, k - b) is written as C(n, k) times a rational function,
C(n, k) being one more symbol. Polynomials in n on both sides make that right for n < k too, where C(n, k) is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import sympy
from sympy import Expr, Integer, Rational, Symbol

from shaping.design import Design
from shaping.language.nodes import Apply, Choose, Fallback, Name, Named, Node, Number, Reduce, parts, walk
from shaping.language.vocabulary import ANSWER, GROUP
from shaping.symbols import powers
from shaping.symbols.signs import C, D, NoForm, has_sign, sign_of

MIXED, ALL_WRONG, ALL_RIGHT = (C, D), (Integer(0), D + 1), (C + 1, Integer(0))
MAX_BRANCHES = 64
Pair = tuple[Expr | None, Expr | None]


def pairs(design: Design, counts: tuple[Expr, Expr], values: dict[str, Expr]) -> Iterator[Pair]:
    """What a correct and a wrong answer get, in every branch that such groups may take.

    Raises:
      NoForm: a part is not understood, or the design might have no value for some of these groups.
    """
    pending: list[dict] = [{}]
    for _ in range(MAX_BRANCHES):
        if not pending:
            return
        form = Form(counts, values, pending.pop())
        try:
            pair = tuple(
                form.value(design.advantage, verdict) if count != 0 else None
                for verdict, count in zip((1, 0), counts, strict=True)
            )
        except Undecided as undecided:
            pending += [form.decided | {undecided.key: way} for way in (False, True)]
            continue
        except ZeroDivisionError:
            raise NoForm("no value for groups that take this branch, if there are any") from None
        if form.may_lack(design.advantage):
            raise NoForm("no value for some groups, perhaps")
        yield pair
    raise NoForm("too many branches")


class Undecided(Exception):
    """A condition that holds for some groups and not for others, as far as is seen."""

    def __init__(self, key: tuple) -> None:
        super().__init__(key)
        self.key = key


@dataclass
class Form:
    counts: tuple[Expr, Expr]
    values: dict[str, Expr]  # parameters, and more names of the formula
    decided: dict[tuple, bool]
    known: dict = field(default_factory=dict)
    unsure: set[Node] = field(default_factory=set)  # nodes that have no value for some such groups, perhaps

    def value(self, node: Node, verdict: int | None) -> Expr:
        key = (node, verdict if node.scope == ANSWER else None)
        if key not in self.known:
            try:
                self.known[key] = _finite(self.computed(node, verdict))
            except powers.TooLarge as error:
                raise NoForm(error.args[0]) from None
        return self.known[key]

    def computed(self, node: Node, verdict: int | None) -> Expr:
        match node:
            case Number(value=value):
                return Rational(value.numerator, value.denominator)
            case Name(name=name):
                return self.name(name, verdict)
            case Named(body=body):
                return self.value(body, verdict)
            case Fallback(body=body, flat=flat):
                return self.value(flat if self.is_flat(node) else body, verdict)
            case Choose(operands=(condition, then, otherwise)):
                return self.value(then if self.holds(condition, verdict) else otherwise, verdict)
            case Apply():
                return self.applied(node, verdict)
            case Reduce() if node.over == GROUP and node.where is None:
                return self.reduced(node, verdict)
        raise NoForm(type(node).__name__)

    def name(self, name: str, verdict: int | None) -> Expr:
        c, d = self.counts
        if name in ("correct", "r", "score") and verdict is not None:
            return Integer(verdict)
        counted = {"N": c + d, "n_pos": c, "n_neg": d, "p": c / (c + d)}
        if name in counted:
            return counted[name]
        if name in self.values:
            return self.values[name]
        raise NoForm(name)

    def way(self, key: tuple) -> bool:
        if key not in self.decided:
            raise Undecided(key)
        return self.decided[key]

    def is_flat(self, node: Fallback) -> bool:
        """Has the body no value for such groups? Some may have none and others one: then both are looked at."""
        if (node, None) in self.decided:
            return self.decided[node, None]
        try:
            for verdict, count in zip((1, 0), self.counts, strict=True):
                if count != 0:
                    self.value(node.body, verdict)
        except ZeroDivisionError:
            return True
        return any(part in self.unsure for part in walk(node.body)) and self.way((node, None))

    def may_lack(self, root: Node) -> bool:
        """Is there a part without a value for some groups, perhaps, and no `flat` around it?"""
        return _any(
            root, self.unsure.__contains__, lambda node: [node.flat] if isinstance(node, Fallback) else parts(node)
        )

    def holds(self, condition: Node, verdict: int | None) -> bool:
        if isinstance(condition, Name) and condition.name == "correct" and verdict is not None:
            return verdict == 1
        sign = None
        if isinstance(condition, Apply) and condition.function.infix in _SIGNS:
            try:
                left, right = (self.value(part, verdict) for part in condition.operands)
                sign = sign_of(left - right)
            except NoForm:  # time, say: both branches have to keep the identity
                pass
        if sign is not None:
            return sign in _SIGNS[condition.function.infix]
        if self.may_lack_unseen(condition, verdict):
            raise NoForm("a condition without a value for some groups, perhaps")
        return self.way((condition, verdict if condition.scope == ANSWER else None))

    def may_lack_unseen(self, root: Node, verdict: int | None) -> bool:
        """The same of a condition that was not understood: of its parts that `value` has not looked at."""

        def unseen(node: Node) -> bool:
            return (node, verdict if node.scope == ANSWER else None) not in self.known

        def hazard(node: Node) -> bool:
            return any(map(_has_hazard, walk(node) if isinstance(node, Reduce) else [node]))

        return _any(root, lambda node: unseen(node) and hazard(node), lambda node: parts(node) if unseen(node) else ())

    def applied(self, node: Apply, verdict: int | None) -> Expr:
        name = node.function.name
        if name == "binomial":
            return self.binomial(*(self.value(part, verdict) for part in node.operands))
        if name in ("min", "max"):
            return _extreme([self.value(part, verdict) for part in node.operands], 1 if name == "max" else -1)
        if name not in _SYMPY:
            raise NoForm(name)
        operands = [self.value(part, verdict) for part in node.operands]
        sign = sign_of(operands[1 if name == "divide" else 0])
        if sign == 0 and name in ("divide", "log"):
            raise ZeroDivisionError
        surely = {"divide": (1, -1), "log": (1,), "sqrt": (0, 1), "power": (1,)}
        if name in surely and sign not in surely[name] and not (name == "power" and _has_power(*operands)):
            self.unsure.add(node)
        return _SYMPY[name](*operands)

    def binomial(self, n: Expr, k: Expr) -> Expr:
        c, d = self.counts
        if n.is_Integer and k.is_Integer:
            return powers.binomial(n, k) if n >= 0 else Integer(0)
        for base, lowest in ((d, 1), (c, 1), (c + d, 2)):
            less = sympy.expand(base - n)
            if base != 0 and less.is_Integer and 0 <= less <= lowest:
                return self.shifted(base, k, int(less))
        if n == -1 or (n == 0 and k.is_positive):  # n_neg - 1, or n_neg, where all are right
            return Integer(0)
        raise NoForm("binomial")

    def shifted(self, n: Expr, k: Expr, less: int) -> Expr:
        """C(n - less, k) as C(n, k0) times a rational function, where k = k0 - b for a parameter k0."""
        top = [s for s in k.free_symbols if s.name.startswith("param_")]
        if k.is_Integer:
            return powers.falling(n - less, k) if k >= 0 else Integer(0)
        below = sympy.expand(top[0] - k) if len(top) == 1 else None
        if below is None or not below.is_Integer or not 0 <= below <= 1:
            raise NoForm("binomial")
        k0 = top[0]
        ratio = Integer(1)
        base = n
        for _ in range(int(below)):  # C(n, k - 1) = C(n - 1, k - 1) n / (n - k + 1); C(n - 1, k - 1) = C(n, k) k / n
            if less < 1:
                raise NoForm("binomial")
            ratio, base, less = ratio * k0 / base, base - 1, less - 1
        for step in range(less):  # C(m - 1, j) = C(m, j) (m - j) / m
            m = base - step
            ratio *= (m - k) / m
        # k <= N, so of N there is one; of fewer answers there may be none.
        sure = {"positive": True} if n == sum(self.counts) else {"nonnegative": True}
        return Symbol(f"C({n},{k0.name})", **sure) * ratio

    def reduced(self, node: Reduce, verdict: int | None) -> Expr:
        c, d = self.counts
        row, options = node.reduction.name, dict(node.options)
        right = self.value(node.operand, 1) if c != 0 else Integer(0)
        wrong = self.value(node.operand, 0) if d != 0 else Integer(0)
        total, N = c * right + d * wrong, c + d
        spread = c * d / N * (right - wrong) ** 2
        match row:
            case "sum":
                return total
            case "mean":
                return total / N
            case "min" | "max":
                there = [value for value, count in ((right, c), (wrong, d)) if count != 0]
                return _extreme(there, 1 if row == "max" else -1)
            case "var" | "std" if sign_of(N - options["ddof"]) != 1:
                raise NoForm("fewer values than ddof")
            case "var":
                return spread / (N - options["ddof"])
            case "std":
                return sympy.sqrt(c * d / N / (N - options["ddof"])) * sympy.Abs(right - wrong)
            case "others_mean":
                return (total - self.value(node.operand, verdict)) / (N - 1)
        raise NoForm(row)


_SYMPY: dict[str, Callable[..., Expr]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negate": lambda a: -a,
    "power": powers.power,
    "sqrt": lambda a: sympy.sqrt(sympy.factor(sympy.together(a))),
    "log": sympy.log,
    "exp": powers.exp,
    "abs": sympy.Abs,
}


def _any(root: Node, holds: Callable[[Node], bool], into: Callable[[Node], Iterable[Node]]) -> bool:
    """Does it hold for the root, or for a node that `into` leads to?"""
    left, seen = [root], set()
    while left:
        node = left.pop()
        if holds(node):
            return True
        if node not in seen:
            seen.add(node)
            left += into(node)
    return False


def _has_power(a: Expr, b: Expr) -> bool:
    """Is a ** b known to have a value, 0 ** 0 being 1? Here a is not known to be positive."""
    return bool(b.is_nonnegative and (b.is_integer or has_sign(a, 1)))


def _has_hazard(node: Node) -> bool:
    """Might this part, by itself, have no value for some group?"""
    if isinstance(node, Reduce):
        short = dict(node.options).get("ddof", 0) > 1
        return not node.reduction.empty and bool(node.where is not None or node.arguments or short)
    return isinstance(node, Apply) and bool(node.function.undefined)


_SIGNS = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0), "==": (0,), "!=": (-1, 1)}


def _extreme(values: list[Expr], direction: int) -> Expr:
    best = values[0]
    for value in values[1:]:
        sign = sign_of(value - best)
        if sign is None:
            raise NoForm("min, max")
        best = value if sign == direction else best
    return best


def _finite(value: Expr) -> Expr:
    if value.has(sympy.nan, sympy.zoo, sympy.oo):
        raise ZeroDivisionError
    return value
