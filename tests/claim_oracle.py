"""Does a claim fail on a batch? Written from docs/claims.md, in exact fractions or 60 digits; reads nothing of proofs/.

In    the text of a design, the text of one claim, a witness (Witness)
Out   fails(...) -> bool: this batch breaks the claim

Advantages come from shaping.groups.exact. Numbers that are no fractions are compared to 40 digits, so a claim that
fails here fails by more than rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb
from pathlib import Path

import mpmath
import sympy
import yaml
from claim_formula import Frame, alike, close, evaluate, less

from shaping import load, loads
from shaping.groups.exact import batch, verdict
from shaping.real import to_sympy

mpmath.mp.dps = 60
CONFIGS = Path(__file__).parents[1] / "configs"
PATH = str(CONFIGS / "known.yaml")  # used files are looked for beside it
Rows = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Witness:
    """A batch; `also`: a second one of the same N, where one cannot break the claim (proportional_to)."""

    rewards: Rows
    scores: Rows | None = None
    signals: Mapping[str, Rows] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None
    total_steps: int | None = None
    draws: Sequence[Sequence[Sequence[int]]] | None = None  # of each group: the answers of each draw
    also: Witness | None = None


def fails(design_text: str, claim_text: str, witness: Witness) -> bool:
    """Is the claim false on this batch? A `not:` is asked of the claim inside it."""
    name, argument, options = parsed(claim_text)
    N = len(witness.rewards[0])
    when = options.get("when", {})
    if "N" in when and Fraction(when["N"]) != N:
        raise ValueError(f"{claim_text}: the witness has {N} answers")
    params = dict(witness.params) | {key: value for key, value in when.items() if key != "N"}
    run = Run(design_text, params, witness)
    return KINDS[name](run, argument, options)


def parsed(claim_text: str) -> tuple[str, str, Mapping]:
    """A claim → its name, its argument, and `when`, `params` and `per` where it has them; those of the inside of `not`.

    >>> parsed("bounded: {by: 1/2, when: {N: 2}}")
    ('bounded', '1/2', {'by': '1/2', 'when': {'N': '2'}})
    >>> parsed("eta == 2")
    ('holds', 'eta == 2', {})
    """
    claim = yaml.load(claim_text, yaml.BaseLoader)
    if isinstance(claim, Mapping) and "not" in claim:
        claim = claim["not"]
    if isinstance(claim, str):
        return (claim, "", {}) if claim in KINDS else ("holds", claim, {})
    ((name, argument),) = claim.items()
    if isinstance(argument, Mapping):
        own = {"bounded": "by", "monotone": "of", "zero_when": "condition", "peak": "at", "holds": "formula"}
        own |= {"equals": "design", "proportional_to": "design", "optimizes": "objective", "unbiased_for": "objective"}
        return name, argument.get(own.get(name, ""), argument), argument
    return name, argument, {}


class Run:
    """A design on a batch: its advantages, and the names that a formula of a claim may read."""

    def __init__(self, text: str, params: Mapping[str, str], witness: Witness):
        self.design, self.witness = loads(text, PATH, **params), witness
        self.N = len(witness.rewards[0])
        self.design.check(self.N)
        self.values = {name: param.value for name, param in self.design.params.items()}
        self.scores = witness.scores or witness.rewards
        self.A = advantages(self.design, witness)
        self.right = [[verdict(self.design, score) for score in row] for row in self.scores]
        if not self.design.graded and self.design.counts and not {s for row in self.scores for s in row} <= {0, 1}:
            raise ValueError("the design takes scores of 0 and 1 alone")

    def groups(self):
        for g, A in enumerate(self.A):
            n_pos = sum(self.right[g])
            counts = {"N": self.N, "n_pos": n_pos, "n_neg": self.N - n_pos, "p": Fraction(n_pos, self.N)}
            answers = {"A": A, "r": self.witness.rewards[g], "score": self.scores[g]}
            answers |= {name: rows[g] for name, rows in self.witness.signals.items()}
            if "logprob" in answers:
                answers["surprisal"] = [-value for value in answers["logprob"]]
            yield A, self.right[g], self.values | counts, answers

    def at(self, n_pos: int):
        """The advantages of a correct and of a wrong answer (0 where there is none), rewards 0 and 1."""
        row = [Fraction(1)] * n_pos + [Fraction(0)] * (self.N - n_pos)
        (A,) = advantages(self.design, Witness([row], step=self.witness.step, total_steps=self.witness.total_steps))
        return (A[0] if n_pos else Fraction(0)), (A[-1] if n_pos < self.N else Fraction(0))

    def eta(self, n_pos: int):
        correct, wrong = alike(self.at(n_pos))
        return n_pos * abs(correct) + (self.N - n_pos) * abs(wrong)


def advantages(design, witness: Witness) -> list[list]:
    signals = {n: rows for n, rows in witness.signals.items() if n in design.inputs}
    draws = {node: witness.draws for node in design.draws}
    moment = design.moment(witness.step, witness.total_steps)
    rows = batch(design, witness.rewards, witness.scores, signals=signals, draws=draws, moment=moment)
    return [alike([number(value) for value in row]) for row in rows]


def number(value):
    if isinstance(value, Fraction):
        return value
    return mpmath.mpf(to_sympy(value).evalf(60))


def pairs(A):
    return [(i, j) for i in range(len(A)) for j in range(len(A))]


def zero(A) -> bool:
    return all(close(value, 0) for value in A)


def unequal_sum(run, argument, options):
    return any(not close(sum(A), 0, sum(map(abs, A))) for A, *_ in run.groups())


def pushed_constant(run, argument, options):
    return any(len(set(answers["r"])) == 1 and not zero(A) for A, _, _, answers in run.groups())


def wrong_sign(run, argument, options):
    return any(
        less(value, 0) if right else less(0, value)
        for A, rights, *_ in run.groups()
        for value, right in zip(A, rights, strict=True)
    )


def beyond(run, argument, options):
    for A, _, shared, _ in run.groups():
        bound = evaluate(argument, Frame(shared, {}))
        if any(less(bound, abs(value)) for value in A):
            return True
    return False


def not_monotone(run, argument, options):
    if argument == "rewards":
        return any(
            answers["r"][i] < answers["r"][j] and less(A[j], A[i])
            for A, _, _, answers in run.groups()
            for i, j in pairs(A)
        )
    (n_pos,) = [sum(right) for right in run.right]
    for which, direction in argument.items():
        if which not in ("correct", "wrong"):
            continue
        here, there = n_pos, n_pos + 1
        if (which == "correct" and here == 0) or (which == "wrong" and there == run.N):
            continue  # one of the two groups has no such answer
        before, after = (run.at(n)[which == "wrong"] for n in (here, there))
        if less(before, after) if direction == "falls" else less(after, before):
            return True
    return False


def pushed_where(run, argument, options):
    return any(evaluate(argument, Frame(shared, {})) and not zero(A) for A, _, shared, _ in run.groups())


def other(run, argument, options):
    params = {name: str(evaluate(value, Frame(run.values, {}))) for name, value in options.get("params", {}).items()}
    return load(CONFIGS / argument, **params)


def different(run, argument, options):
    there = advantages(other(run, argument, options), run.witness)
    return any(not close(a, b) for A, B in zip(run.A, there, strict=True) for a, b in zip(A, B, strict=True))


def not_proportional(run, argument, options):
    design = other(run, argument, options)
    both = [run.witness] + ([run.witness.also] if run.witness.also else [])
    rows = [
        pair
        for each in both
        for pair in zip(advantages(run.design, each), advantages(design, each), strict=True)
    ]
    if options.get("per") != "group":
        rows = [(sum((A for A, _ in rows), []), sum((B for _, B in rows), []))]
    for A, B in rows:
        if zero(A) and options.get("per") == "group":
            continue
        if zero(B) and zero(A):
            continue
        if zero(A) or zero(B):
            return True
        mixed = alike(A + B)
        A, B = mixed[: len(A)], mixed[len(A) :]
        top = max(range(len(B)), key=lambda i: abs(B[i]))
        factor = A[top] / B[top]
        if factor <= 0 or any(not close(a, factor * b) for a, b in zip(A, B, strict=True)):
            return True
    return False


def peak_elsewhere(run, argument, options):
    at, N = map(int, argument.split("/"))
    (n_pos,) = [sum(right) for right in run.right]
    if run.N != N or n_pos == at:
        raise ValueError(f"peak {argument}: the witness is another group of {N}")
    here, there = run.eta(n_pos), run.eta(at)
    return not less(here, there)


def climbs_otherwise(run, argument, options, *, exactly=False):
    N = run.N
    values = alike([value for m in range(N) for value in (run.at(m + 1)[0], run.at(m)[1])])
    D = [correct - wrong for correct, wrong in zip(values[::2], values[1::2], strict=True)]
    wanted = bernstein(argument, N, run.values)
    if wanted is None:
        return True  # of a higher degree than any design of N answers
    if exactly:
        return any(not close(a, b) for a, b in zip(D, wanted, strict=True))
    top = max(range(N), key=lambda m: abs(wanted[m]))
    factor = D[top] / wanted[top]
    return factor <= 0 or any(not close(a, factor * b) for a, b in zip(D, wanted, strict=True))


def biased(run, argument, options):
    return climbs_otherwise(run, argument, options, exactly=True)


def bernstein(objective: str, N: int, values) -> list[Fraction] | None:
    """The coefficients of dF/dp over C(N-1, m) p^m (1-p)^(N-1-m)."""
    p = sympy.Symbol("p")
    names = {name: sympy.Rational(v.numerator, v.denominator) for name, v in values.items()} | {"p": p, "N": N}
    names["pass_at"] = lambda k: 1 - (1 - p) ** k
    names["log_p"] = lambda m: -sum((1 - p) ** j / sympy.Integer(j) for j in range(1, int(m) + 1))
    slope = sympy.Poly(sympy.diff(sympy.sympify(objective, names), p), p)
    a = [Fraction(int(c.p), int(c.q)) for c in reversed(slope.all_coeffs())]
    if len(a) > N:
        return None
    return [sum((Fraction(comb(m, i), comb(N - 1, i)) * c for i, c in enumerate(a)), Fraction(0)) for m in range(N)]


def not_held(run, argument, options):
    for A, rights, shared, answers in run.groups():
        correct = [value for value, right in zip(A, rights, strict=True) if right]
        wrong = [value for value, right in zip(A, rights, strict=True) if not right]
        names = {"correct": correct[0] if correct else Fraction(0), "wrong": wrong[0] if wrong else Fraction(0)}
        names["eta"] = sum(map(abs, A))
        value = evaluate(argument, Frame(shared | names, answers))
        if not all(value if isinstance(value, list) else [value]):
            return True
    return False


KINDS = {
    "zero_sum": unequal_sum,
    "zero_on_constant_groups": pushed_constant,
    "sign_correct": wrong_sign,
    "bounded": beyond,
    "monotone": not_monotone,
    "zero_when": pushed_where,
    "equals": different,
    "proportional_to": not_proportional,
    "peak": peak_elsewhere,
    "optimizes": climbs_otherwise,
    "unbiased_for": biased,
    "holds": not_held,
}
