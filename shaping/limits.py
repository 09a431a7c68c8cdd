"""What a design climbs as groups grow: the limit of w(p), where its formulas have one.

In    Design
Out   Limit       N^power w(p) -> weight(p), and the familiar objective with that derivative

In a large group n_pos = p N, so that w(p) is D = A_correct(p N + 1) - A_wrong(p N). Every value of the formulas is
expanded in powers of 1/N with sympy expressions in p and q = 1 - p as coefficients, to three orders below the
largest. Conditions are decided where they hold for all p in 0..1 alike. What does not fit, such as log(n_pos), is
`NotFound` and said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import sympy

from shaping import real
from shaping.design import Design, Moment
from shaping.nodes import Apply, Choose, Fallback, Name, Named, Node, Number, Reduce
from shaping.recognize import arcsin_text
from shaping.vocabulary import ANSWER

P, Q = sympy.symbols("p q", positive=True)
SAMPLES = [sympy.Rational(*each) for each in ((1, 97), (1, 7), (3, 8), (11, 20), (5, 6), (96, 97))]
ORDERS = 3
MAX_DRAWS = 64  # a binomial is written as a product


class NotFound(ArithmeticError):
    """Why there is no limit, or none that is found."""


class NoValue(ArithmeticError):
    """The formula has no value for such groups, so that `flat` holds."""


@dataclass(frozen=True)
class Limit:
    power: Fraction  # N^power w(p) has the limit
    weight: str
    objective: str | None  # None if it is not among the familiar ones
    factor: str = "1"  # weight = factor * the derivative of objective


def limit(design: Design, moment: Moment | None = None) -> Limit:
    """The limit of the weight of a design that verdicts decide.

    Raises:
      NotFound: there is none, or not one that can be found like this.

    Example:
      >>> from shaping import load
      >>> limit(load("configs/passk.yaml", k=2))
      Limit(power=Fraction(0, 1), weight='1/sqrt(1 - q**2)', objective='arcsin sqrt(pass_at(2))', factor='1')
    """
    constants = {name: _number(value) for name, value in design.constants(moment).items()}
    try:
        right = _Group(constants, Series({Fraction(1): P, Fraction(0): sympy.Integer(1)})).value(design.advantage, 0)
        wrong = _Group(constants, Series({Fraction(1): P})).value(design.advantage, 1)
    except NoValue:
        raise NotFound("the formulas have no value for large groups") from None
    difference = right - wrong
    if difference.is_zero():
        raise NotFound("the weight vanishes faster than these orders" if difference.error else "the weight is 0")
    power, coefficient = difference.leading()
    coefficient = _shortest(coefficient)
    objective, factor = _familiar(coefficient, [value for value in design.constants(moment).values()])
    return Limit(-power, _text(coefficient), objective, _text(factor))


# ── Expansions ──────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Series:
    """sum of c N^e over its terms, and O(N^error) if there is an error."""

    terms: dict[Fraction, sympy.Expr]
    error: Fraction | None = None

    def leading(self) -> tuple[Fraction, sympy.Expr]:
        """The largest exponent and its coefficient.

        Raises:
          NoValue: this is 0.
          NotFound: only the error is left.
        """
        for exponent in sorted(self.terms, reverse=True):
            if not _vanishes(self.terms[exponent]):
                return exponent, self.terms[exponent]
        raise NotFound("large terms cancel") if self.error is not None else NoValue

    def is_zero(self) -> bool:
        return all(map(_vanishes, self.terms.values()))

    def sign(self) -> int:
        """The same for all p, or NotFound."""
        if self.is_zero() and self.error is None:
            return 0
        _, coefficient = self.leading()
        signs = {1 if value > 0 else -1 for value in _values(coefficient)}
        if len(signs) > 1:
            raise NotFound("a condition holds for some p and not for others")
        return signs.pop()

    def trimmed(self) -> Series:
        if not self.terms:
            return self
        floor = max(self.terms) - ORDERS
        kept = {e: c for e, c in self.terms.items() if e > floor and (self.error is None or e > self.error)}
        if len(kept) == len(self.terms):
            return self
        cut = [self.error] if self.error is not None else []
        return Series(kept, max([floor, *cut]))

    def __add__(self, other: Series) -> Series:
        terms = dict(self.terms)
        for exponent, coefficient in other.terms.items():
            terms[exponent] = terms.get(exponent, 0) + coefficient
        errors = [error for error in (self.error, other.error) if error is not None]
        kept = {e: c for e, c in terms.items() if c != 0 and (not errors or e > max(errors))}
        return Series(kept, max(errors, default=None))

    def __neg__(self) -> Series:
        return Series({e: -c for e, c in self.terms.items()}, self.error)

    def __sub__(self, other: Series) -> Series:
        return self + -other

    def __mul__(self, other: Series) -> Series:
        terms: dict[Fraction, sympy.Expr] = {}
        for a, x in self.terms.items():
            for b, y in other.terms.items():
                terms[a + b] = terms.get(a + b, 0) + x * y
        errors = [
            mine.error + max([*theirs.terms, *([theirs.error] if theirs.error is not None else [])], default=0)
            for mine, theirs in ((self, other), (other, self))
            if mine.error is not None
        ]
        return Series(terms, max(errors, default=None)).trimmed()

    def apart(self) -> tuple[Fraction, sympy.Expr, Series]:
        """c N^e (1 + rest)."""
        exponent, coefficient = self.leading()
        rest = {e - exponent: c / coefficient for e, c in self.terms.items() if e < exponent}
        return exponent, coefficient, Series(rest, None if self.error is None else self.error - exponent)

    def power(self, exponent: sympy.Expr) -> Series:
        """A power with a number as its exponent, by the binomial series."""
        if exponent == 0:
            return ONE
        at, coefficient, rest = self.apart()
        if not exponent.is_integer and self.sign() < 0:
            raise NoValue
        if not exponent.is_rational and at != 0:
            raise NotFound("a power of N that is not rational")
        shift = at * Fraction(int(exponent.p), int(exponent.q)) if at else Fraction(0)
        whole = exponent.is_integer and exponent > 0 and exponent <= ORDERS
        factors = [sympy.binomial(exponent, j) for j in range(int(exponent) + 1 if whole else _needed(rest))]
        return _taylor(factors, rest, exact=whole) * Series({shift: coefficient**exponent})

    def of(self, function: Callable, name: str) -> Series:
        """A smooth function of what stays finite, by Taylor's series."""
        if not self.terms:
            return _number(0).moved(function)
        exponent, _ = (Fraction(0), 0) if self.is_zero() else self.leading()
        if exponent > 0 or (self.error is not None and self.error >= 0):
            raise NotFound(f"{name} of something that grows with N")
        return self.moved(function)

    def moved(self, function: Callable) -> Series:
        middle, x = self.terms.get(Fraction(0), sympy.Integer(0)), sympy.Dummy()
        rest = Series({e: c for e, c in self.terms.items() if e < 0}, self.error)
        factors = []
        for j in range(_needed(rest)):
            factors.append(sympy.diff(function(x), x, j).subs(x, middle) / sympy.factorial(j))
        return _taylor(factors, rest, exact=False)


def _needed(rest: Series) -> int:
    """How many powers of what is left count among the orders that are kept."""
    largest = max([*rest.terms, *([rest.error] if rest.error is not None else [])], default=None)
    return 1 if largest is None else int(-(-ORDERS // -largest)) + 1


def _taylor(factors: Sequence[sympy.Expr], rest: Series, exact: bool) -> Series:
    total, power = Series({}), ONE
    for factor in factors:
        total = total + power * Series({Fraction(0): factor})
        power = power * rest
    if not exact and (rest.terms or rest.error is not None):
        total = total + Series({}, Fraction(-ORDERS))
    return total


def _number(value: real.Real | int) -> Series:
    number = sympy.Integer(value) if isinstance(value, int) else real.to_sympy(value)
    return Series({Fraction(0): number} if number != 0 else {})


ONE = _number(1)
SIZE = Series({Fraction(1): sympy.Integer(1)})


def _values(coefficient: sympy.Expr) -> list[sympy.Expr]:
    return [sympy.N(coefficient.subs({P: each, Q: 1 - each}), 40) for each in SAMPLES]


def _vanishes(coefficient: sympy.Expr) -> bool:
    if coefficient.is_number:
        return bool(sympy.simplify(coefficient) == 0) if not coefficient.is_Rational else coefficient == 0
    return all(abs(value) < sympy.Rational(1, 10**25) for value in _values(coefficient))


# ── Formulas ────────────────────────────────────────────────────────────────


class _Group:
    """A large group; kind 0 is its correct answers, kind 1 the wrong ones."""

    def __init__(self, constants: dict[str, Series], n_pos: Series):
        self.counts = (n_pos, Series({Fraction(1): P + Q}) - n_pos)
        self.counts = (n_pos, Series({Fraction(1): Q}) - Series({e: c for e, c in n_pos.terms.items() if e < 1}))
        share = n_pos * SIZE.power(sympy.Integer(-1))
        self.shared = constants | {"N": SIZE, "n_pos": n_pos, "n_neg": self.counts[1], "p": share}
        self.known: dict[tuple[Node, int], Series] = {}

    def value(self, node: Node, kind: int) -> Series:
        key = (node, kind if node.scope == ANSWER else -1)
        if key not in self.known:
            self.known[key] = self.computed(node, kind)
        return self.known[key]

    def computed(self, node: Node, kind: int) -> Series:
        match node:
            case Number(value=value):
                return _number(value)
            case Name(name=name):
                return _number(1 - kind) if node.scope == ANSWER else self.shared[name]
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
            variance = _divide(spread, _total([(n, ONE) for n, _ in values]) - _number(ddof))
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
            from_low, of = from_low - (ONE if kind == low else _number(0)), of - ONE
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
            if a.is_zero() and a.error is None:
                if exponent < 0:
                    raise NoValue
                return _truth(exponent == 0)
            return a.power(exponent)
        case "sqrt":
            return a if a.is_zero() and a.error is None else a.power(sympy.Rational(1, 2))
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
            return _number(a.sign())
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
    return reduce(lambda product, i: product * (n - _number(i)), range(int(draws)), _number(Fraction(1))) * Series(
        {Fraction(0): 1 / sympy.factorial(draws)}
    )


def _constant(a: Series) -> sympy.Expr:
    """A number that neither p nor N is in."""
    value = a.terms.get(Fraction(0), sympy.Integer(0))
    if a.error is not None or set(a.terms) - {Fraction(0)} or not value.is_number:
        raise NotFound("an exponent, or a number of draws, that changes with the group")
    return value


def _truth(holds: object) -> Series:
    return _number(int(bool(holds)))


def _total(values: list[tuple[Series, Series]]) -> Series:
    return sum((n * value for n, value in values), Series({}))


def _mean(values: list[tuple[Series, Series]]) -> Series:
    return _divide(_total(values), sum((n for n, _ in values), Series({})))


# ── The answer in words ─────────────────────────────────────────────────────


def _shortest(coefficient: sympy.Expr) -> sympy.Expr:
    forms = [coefficient, coefficient.subs(P, 1 - Q), coefficient.subs(Q, 1 - P)]
    forms += [sympy.simplify(form) for form in forms]
    return min(forms, key=lambda form: (sympy.count_ops(form), len(str(form))))


def _text(expression: sympy.Expr) -> str:
    return str(expression)


def _familiar(weight: sympy.Expr, params: Sequence[real.Real]) -> tuple[str | None, sympy.Expr]:
    """The objective whose derivative is `weight` up to a number, and that number."""
    counts = [int(k) for k in params if isinstance(k, Fraction) and k.denominator == 1 and 2 <= k <= MAX_DRAWS]
    slopes = {
        "p": sympy.Integer(1),
        "log(p)": 1 / P,
        "-log(1 - p)": 1 / Q,
        "log(p / (1 - p))": 1 / (P * Q),
        arcsin_text(1): 1 / sympy.sqrt(P * Q),
    }
    for k in dict.fromkeys([*counts, *range(2, 9)]):
        slopes |= {
            f"pass_at({k})": k * Q ** (k - 1),
            f"p**{k}": k * P ** (k - 1),
            arcsin_text(k): Q ** (sympy.Rational(k, 2) - 1) / sympy.sqrt(1 - Q**k),
        }
    for name, slope in slopes.items():
        ratios = _values(weight / slope)
        if all(abs(ratio / ratios[0] - 1) < sympy.Rational(1, 10**25) for ratio in ratios):
            ratio = weight / slope
            for form in (ratio, ratio.subs(P, 1 - Q), ratio.subs(Q, 1 - P)):
                factor = sympy.simplify(form)
                if factor.is_number:
                    return name, factor
    return None, sympy.Integer(1)
