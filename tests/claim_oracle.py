"""Does a claim fail on a batch? Written from docs/claims.md, in exact fractions or 60 digits; reads nothing of proofs/.

In    the text of a design, the text of one claim, a witness (Witness)
Out   fails(...) -> bool: this batch breaks the claim

Advantages come from shaping.groups.exact. Numbers that are no fractions are compared to 40 digits, so a claim that
fails here fails by more than rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import chain, product

import yaml
from claim_batch import CONFIGS, Run, Witness, advantages
from claim_formula import Frame, alike, bernstein, close, evaluate, less

from shaping import load


def fails(design_text: str, claim_text: str, witness: Witness) -> bool:
    """Is the claim false on this batch? A `not:` is asked of the claim inside it.

    Raises:
      ValueError: the batch is none that the claim is about: another N or parameter than its `when:`, another N than
        its peak, or the peak itself.
    """
    name, argument, options = parsed(claim_text)
    params = {"N": str(len(witness.rewards[0]))} | dict(witness.params)
    for key, values in options.get("when", {}).items():
        values = values if isinstance(values, list) else [values]
        if key not in params and len(values) == 1:
            params[key] = values[0]
        elif key not in params or Fraction(params[key]) not in map(Fraction, values):
            raise ValueError(f"{claim_text}: the witness has another {key}")
    del params["N"]
    return KINDS[name](Run(design_text, params, witness), argument, options)


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
        return name, argument.get(OWN.get(name), argument if name == "monotone" else ""), argument
    return name, argument, {}


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
            for i, j in product(range(len(A)), repeat=2)
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
    design, per_group = other(run, argument, options), options.get("per") == "group"
    batches = [run.witness] + ([run.witness.also] if run.witness.also else [])
    ours, theirs = ([row for each in batches for row in advantages(of, each)] for of in (run.design, design))
    if not per_group:
        ours, theirs = [list(chain(*ours))], [list(chain(*theirs))]
    return any(no_factor(A, B, per_group) for A, B in zip(ours, theirs, strict=True))


def no_factor(A, B, may_be_zero: bool) -> bool:
    """Is A no positive multiple of B? Nothing is said where both are 0."""
    if zero(A) and (may_be_zero or zero(B)):
        return False
    if zero(A) or zero(B):
        return True
    values = alike(A + B)
    A, B = values[: len(A)], values[len(A) :]
    top = max(range(len(B)), key=lambda i: abs(B[i]))
    factor = A[top] / B[top]
    return factor <= 0 or any(not close(a, factor * b) for a, b in zip(A, B, strict=True))


def peak_elsewhere(run, argument, options):
    at, N = map(int, argument.split("/"))
    (n_pos,) = [sum(right) for right in run.right]
    if run.N != N or n_pos == at:
        raise ValueError(f"peak {argument}: the witness is another group of {N}")
    here, there = run.eta(n_pos), run.eta(at)
    return not less(here, there)


def climbs_otherwise(run, argument, options):
    steps, wanted = differences(run), bernstein(argument, run.N, run.values)
    return wanted is None or no_factor(steps, wanted, may_be_zero=False)


def biased(run, argument, options):
    steps, wanted = differences(run), bernstein(argument, run.N, run.values)
    return wanted is None or any(not close(a, b) for a, b in zip(steps, wanted, strict=True))


def differences(run):
    """A_correct(m + 1) - A_wrong(m) for m = 0..N-1: the coefficients of w(p) of docs/claims.md."""
    values = alike([value for m in range(run.N) for value in (run.at(m + 1)[0], run.at(m)[1])])
    return [correct - wrong for correct, wrong in zip(values[::2], values[1::2], strict=True)]


def not_held(run, argument, options):
    for A, rights, shared, answers in run.groups():
        pair = {which: [a for a, right in zip(A, rights, strict=True) if right == which] for which in (True, False)}
        names = {name: next(iter(pair[which]), Fraction(0)) for name, which in (("correct", True), ("wrong", False))}
        names["eta"] = sum(map(abs, A))
        value = evaluate(argument, Frame(shared | names, answers))
        if not all(value if isinstance(value, list) else [value]):
            return True
    return False


OWN = {"bounded": "by", "monotone": "of", "zero_when": "condition", "peak": "at", "holds": "formula"}
OWN |= {"equals": "design", "proportional_to": "design", "optimizes": "objective", "unbiased_for": "objective"}
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
