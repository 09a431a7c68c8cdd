"""What cancels: a `General` written as a sum of products, in which log 6 - log 2 - log 3 is seen to be 0.

In    an exact number that enclosures cannot tell from a rational
Out   the same number as a Fraction or a Surd, if it is one and these rules see it

A sum is {product: coefficient}, a product a set of (atom, exponent). Atoms are primes, and exponentials, logarithms,
values of log_gamma and roots of sums, each of one sum. The rules hold for all positive numbers: log(x y) = log x +
log y, exp(x + y) = exp x exp y, (x y)^c = x^c y^c. A square root in A + B sqrt(R) is removed by A^2 = B^2 R.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial

from shaping.real.enclose import enclosures
from shaping.real.numbers import General, Real, Surd, Unusable, bits, collect, limit, sized
from shaping.work import spend

Product = frozenset[tuple[int, Fraction]]
Sum = dict[Product, Fraction]
ONE: Product = frozenset()
HALF = Fraction(1, 2)
MAX_TERMS, MAX_POWER, MAX_STEPS = 200, 6, 12  # of a sum; of a sum that is multiplied out; of roots that are removed
NARROW, MAX_DENOMINATOR = Fraction(1, 1 << 100), 1_000_000  # an enclosure that has at most one short rational
MAX_PRIME, MAX_SHIFT = 2_000, 1_000  # trial divisors; log_gamma(x + n) = log_gamma(x) + log x + ...


class _Unseen(Exception):
    """The rules lead nowhere."""


def settled(a: Real) -> Real:
    """`a` as a Fraction or a Surd if it is seen to be one, else as it is.

    >>> from shaping.real import exp, log, subtract
    >>> settled(exp(subtract(log(Fraction(6)), log(Fraction(2)))))
    Fraction(3, 1)
    """
    if not isinstance(a, General):
        return a
    forms = _Forms()
    try:
        found = forms.cleared(forms.of(a))
        if forms.is_zero(found, MAX_STEPS):
            return Fraction(0)
        roots = [(coefficient, forms.radicand(product)) for product, coefficient in found.items()]
        if all(q is not None for _, q in roots):
            return collect(roots)
        guess = _simplest(a)
        if guess is not None and forms.is_zero(_total([found, {ONE: -guess}]), MAX_STEPS):
            return guess
    except (_Unseen, Unusable):  # the rules lead nowhere, or to numbers that are too large: it stays what it is
        return a
    return a


@dataclass
class _Forms:
    atoms: list[tuple] = field(default_factory=list)
    numbers: dict[tuple, int] = field(default_factory=dict)
    known: dict[Real, Sum] = field(default_factory=dict)

    def atom(self, *description: object) -> int:
        if description not in self.numbers:
            self.numbers[description] = len(self.atoms)
            self.atoms.append(description)
        return self.numbers[description]

    def of(self, a: Real) -> Sum:
        if a not in self.known:
            self.known[a] = self.made(a)
        return self.known[a]

    def made(self, a: Real) -> Sum:
        if isinstance(a, Fraction):
            return {ONE: a} if a else {}
        if isinstance(a, Surd):
            parts = [self.product({ONE: c}, self.primes(q, HALF)) for c, q in a.terms]
            return _total(parts)
        parts = [self.of(operand) for operand in a.operands]
        match a.operation:
            case "add":
                return _total(parts)
            case "multiply":
                return self.product(*parts)
            case "divide":
                return self.product(parts[0], self.power(parts[1], Fraction(-1), _side(a.operands[1])))
            case "sqrt":
                return self.power(parts[0], HALF, 1)
            case "log":
                return self.log(parts[0])
            case "exp":
                return self.exp(parts[0])
            case "power":
                base, exponent = parts
                if exponent.keys() <= {ONE}:
                    return self.power(base, exponent.get(ONE, Fraction(0)), _side(a.operands[0]))
                return self.exp(self.product(exponent, self.log(base)))
            case "log_gamma":
                return self.log_gamma(parts[0])
        raise _Unseen

    # ── Rules ───────────────────────────────────────────────────────────────

    def product(self, a: Sum, b: Sum) -> Sum:
        if len(a) * len(b) > MAX_TERMS:
            raise _Unseen
        return _total([self.times(x, y, sized(c * d)) for x, c in a.items() for y, d in b.items()])

    def times(self, a: Product, b: Product, coefficient: Fraction) -> Sum:
        """Two products; whole powers of a prime go to the coefficient, those of a sum are multiplied out."""
        spend(1)
        exponents = dict(a)
        for atom, exponent in b:
            exponents[atom] = exponents.get(atom, Fraction(0)) + exponent
        sums: list[Sum] = []
        for atom, exponent in list(exponents.items()):
            kind, content, *_ = self.atoms[atom]
            whole = exponent.numerator // exponent.denominator
            if kind == "prime":
                limit(abs(whole) * content.bit_length())
                coefficient = sized(coefficient * Fraction(content) ** whole)
                exponents[atom] = exponent - whole
            elif kind == "root" and whole >= 1:
                if whole > MAX_POWER:
                    raise _Unseen
                sums += [dict(content)] * whole
                exponents[atom] = exponent - whole
        result: Sum = {frozenset((atom, e) for atom, e in exponents.items() if e): coefficient}
        for each in sums:
            result = self.product(result, each)
        return result

    def power(self, base: Sum, exponent: Fraction, side: int) -> Sum:
        """`side`: the sign of the base, which is not 0 unless the exponent is positive."""
        if exponent == 0:
            return {ONE: Fraction(1)}
        if not base:
            return {}
        whole = exponent.denominator == 1
        if side < 0:
            if not whole:
                raise _Unseen
            size = self.power({product: -c for product, c in base.items()}, exponent, 1)
            return {product: -c for product, c in size.items()} if exponent % 2 else size
        if len(base) == 1:
            ((product, coefficient),) = base.items()
            if coefficient > 0 and (whole or all(self.positive(atom) for atom, _ in product)):
                raised = self.times(ONE, frozenset((atom, e * exponent) for atom, e in product), Fraction(1))
                return self.product(self.primes(coefficient, exponent), raised)
        content = _content(base)
        atom = self.atom("root", frozenset((product, c / content) for product, c in base.items()))
        return self.product(self.primes(content, exponent), self.times(ONE, frozenset({(atom, exponent)}), Fraction(1)))

    def primes(self, q: Fraction, exponent: Fraction) -> Sum:
        """q ** exponent, of a positive rational."""
        powers = [(self.atom("prime", p), e * exponent) for p, e in _factors(q)]
        return self.times(ONE, frozenset(powers), Fraction(1))

    def positive(self, atom: int) -> bool:
        return self.atoms[atom][0] in ("prime", "exp", "root")

    def log(self, a: Sum) -> Sum:
        if not a:
            raise _Unseen
        if len(a) > 1 or min(a.values()) < 0 or not all(self.positive(atom) for product in a for atom, _ in product):
            content = _content(a)
            atom = self.atom("log", frozenset((product, c / content) for product, c in a.items()))
            return _total([self.log({ONE: content}), {frozenset({(atom, Fraction(1))}): Fraction(1)}])
        ((product, coefficient),) = a.items()
        parts = [{self.log_of_prime(p): Fraction(e)} for p, e in _factors(coefficient)]
        for atom, exponent in product:
            kind, content = self.atoms[atom]
            inner = {"exp": content, "prime": None, "root": None}[kind]
            if kind == "prime":
                inner = self.log_of_prime(content)
            elif kind == "root":
                inner = frozenset({(self.atom("log", content), Fraction(1))})
            parts.append({inner: exponent})
        return _total(parts)

    def log_of_prime(self, p: int) -> Product:
        return frozenset({(self.atom("log of prime", p), Fraction(1))})

    def exp(self, a: Sum) -> Sum:
        result: Sum = {ONE: Fraction(1)}
        if len(a) > 1 and self.is_zero(a, MAX_STEPS):
            return result
        for product, coefficient in a.items():
            kind, content = self.atoms[next(iter(product))[0]] if len(product) == 1 else ("", None)
            alone = len(product) == 1 and next(iter(product))[1] == 1
            if alone and kind == "log of prime":
                atom = self.atom("prime", content)
            elif alone and kind == "log":
                atom = self.atom("root", content)
            else:
                atom = self.atom("exp", product)
            result = self.product(result, self.times(ONE, frozenset({(atom, coefficient)}), Fraction(1)))
        return result

    def log_gamma(self, a: Sum) -> Sum:
        if a.keys() <= {ONE} and a:
            x = a[ONE]
            if x > MAX_SHIFT:
                raise _Unseen
            if x.denominator == 1:
                return self.log({ONE: Fraction(factorial(int(x) - 1))})
            steps = x.numerator // x.denominator
            rest = self.atom("log_gamma", frozenset({(ONE, x - steps)}))
            logs = [self.log({ONE: x - i}) for i in range(1, steps + 1)]
            return _total([*logs, {frozenset({(rest, Fraction(1))}): Fraction(1)}])
        return {frozenset({(self.atom("log_gamma", frozenset(a.items())), Fraction(1))}): Fraction(1)}

    # ── Is it 0? ────────────────────────────────────────────────────────────

    def cleared(self, a: Sum) -> Sum:
        """The sum, with whole powers of sums in it multiplied out."""
        return _total([self.times(ONE, product, c) for product, c in a.items()])

    def is_zero(self, a: Sum, steps: int) -> bool:
        """Is this sum seen to be 0?"""
        if not a or not steps:
            return not a
        for product in a:
            for atom, exponent in product:
                if self.atoms[atom][0] == "root" and exponent < 0:  # multiplied by what is divided by
                    least = min(dict(other).get(atom, Fraction(0)) for other in a)
                    factor = {frozenset({(atom, -least)}): Fraction(1)}
                    return self.is_zero(self.product(a, factor), steps - 1)
        halves = {
            atom
            for product in a
            for atom, exponent in product
            if exponent == HALF and self.atoms[atom][0] in ("root", "prime")
        }
        outermost = [atom for atom in sorted(halves, reverse=True) if self.atoms[atom][0] == "root"]
        if not outermost:
            return False
        return self.without_root(a, outermost[0], steps)

    def without_root(self, a: Sum, atom: int, steps: int) -> bool:
        """A + B sqrt(R) is 0 if A^2 = B^2 R, and A - B sqrt(R) is not 0."""
        has = {product: c for product, c in a.items() if (atom, HALF) in product}
        rest = {product: c for product, c in a.items() if product not in has}
        without = {product - {(atom, HALF)}: c for product, c in has.items()}
        squares = _total(
            [
                self.product(rest, rest),
                _negated(self.product(self.product(without, without), dict(self.atoms[atom][1]))),
            ]
        )
        if not self.is_zero(squares, steps - 1):
            return False
        other = _total([rest, _negated(has)])
        return self.differs_from_zero(other)

    def differs_from_zero(self, a: Sum) -> bool:
        return any(low > 0 or high < 0 for low, high in enclosures(self.real(a)))

    def real(self, a: Sum) -> Real:
        """The number itself."""
        from shaping.real import arithmetic  # which uses this module

        total: Real = Fraction(0)
        for product, coefficient in a.items():
            value: Real = coefficient
            for atom, exponent in product:
                value = arithmetic.multiply(value, arithmetic.power(self.value(atom), exponent))
            total = arithmetic.add(total, value)
        return total

    def value(self, atom: int) -> Real:
        from shaping.real import arithmetic

        kind, content = self.atoms[atom]
        match kind:
            case "prime":
                return Fraction(content)
            case "log of prime":
                return arithmetic.log(Fraction(content))
            case "exp":
                return arithmetic.exp(self.real({content: Fraction(1)}))
        inner = self.real(dict(content))
        return inner if kind == "root" else getattr(arithmetic, kind)(inner)

    def radicand(self, product: Product) -> Fraction | None:
        """q, of a product that is sqrt(q)."""
        result = Fraction(1)
        for atom, exponent in product:
            kind, content = self.atoms[atom]
            if kind != "prime" or exponent != HALF:
                return None
            result = sized(result * content)
        return result


def _total(parts: list[Sum]) -> Sum:
    found: Sum = {}
    for part in parts:
        for product, coefficient in part.items():
            spend(1)
            found[product] = sized(found.get(product, Fraction(0)) + coefficient)
    found = {product: c for product, c in found.items() if c}
    if len(found) > MAX_TERMS:
        raise _Unseen
    return found


def _negated(a: Sum) -> Sum:
    return {product: -c for product, c in a.items()}


def _content(a: Sum) -> Fraction:
    """A positive factor that sums which differ by one share: so 2 + 2x and 1 + x become one atom."""
    first = min(a, key=lambda product: sorted(product))
    return abs(a[first])


def _side(a: Real) -> int:
    """The sign of a number that is not 0."""
    for low, high in enclosures(a):
        if low > 0 or high < 0:
            return 1 if low > 0 else -1
    raise _Unseen


def _simplest(a: Real) -> Fraction | None:
    """The short rational that enclosures cannot tell from `a`."""
    for low, high in enclosures(a):
        if high - low < NARROW:
            guess = ((low + high) / 2).limit_denominator(MAX_DENOMINATOR)
            return guess if low <= guess <= high else None
    return None


def _factors(q: Fraction) -> list[tuple[int, int]]:
    """Primes, and what is left of trial division, with their exponents."""
    if q <= 0:
        raise _Unseen
    return [(p, e) for p, e in _of_whole(q.numerator)] + [(p, -e) for p, e in _of_whole(q.denominator)]


def _of_whole(n: int) -> list[tuple[int, int]]:
    found, p = [], 2
    spend(1 + bits(Fraction(n)) // 8)
    while p * p <= n and p <= MAX_PRIME:
        e = 0
        while n % p == 0:
            n, e = n // p, e + 1
        if e:
            found.append((p, e))
        p += 1 + p % 2
    return [*found, (n, 1)] if n > 1 else found
