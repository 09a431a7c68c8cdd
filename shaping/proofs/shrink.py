"""A counterexample → a smaller one: fewer groups, fewer answers, smaller parameters, simpler numbers.

Two ways in turn, until neither helps: one thing less or simpler in it; and groups of fewer answers with its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random

from shaping.proofs.case import Case
from shaping.proofs.cases import Cases
from shaping.proofs.values import takes

Fails = Callable[[Case], str | None]  # how a case breaks the claim; None if it does not
MOST = 600  # cases that are tried
TRIES = 40  # of each smaller size
SIMPLE = [Fraction(text) for text in ("0", "1", "2", "-1", "1/2", "3", "-2", "10", "100")]


def smallest(case: Case, fails: Fails, cases: Cases) -> Case:
    """The smallest counterexample that is found from this one."""
    left = MOST
    rng = Random(str(case))
    while True:
        before = case
        moved = True
        while moved:
            moved = False
            for smaller in _moves(case, cases):
                if (left := left - 1) < 0:
                    return _in_order(case, fails)
                if fails(smaller) is not None:
                    case, moved = smaller, True
                    break
        for N in (N for N in cases.sizes if N < case.N):
            made = (_of_its_numbers(case, N, cases, rng) for _ in range(TRIES))
            if (smaller := next(filter(fails, made), None)) is not None:
                case = smaller
                break
        if case == before:
            return _in_order(case, fails)


def _in_order(case: Case, fails: Fails) -> Case:
    """The answers of each group from the smallest numbers to the largest, where that breaks the claim as well."""
    if case.after is not None:
        return case
    columns = [case.reward_PN, case.score_PN, *case.signals.values()]
    groups = [sorted(zip(*(values_PN[p] for values_PN in columns), strict=True)) for p in range(len(case.reward_PN))]
    rewards, scores, *more = ([[answer[i] for answer in group] for group in groups] for i in range(len(columns)))
    ordered = replace(case, reward_PN=rewards, score_PN=scores, signals=dict(zip(case.signals, more, strict=True)))
    return ordered if fails(ordered) is not None else case


def _moves(case: Case, cases: Cases) -> Iterator[Case]:
    if case.after is not None:
        yield replace(case, after=None)
        yield _joined(case)
        yield from (replace(case, after=smaller) for smaller in _moves(case.after, cases) if smaller.N == case.N)
        yield from (smaller for smaller in _simpler(case, cases))
        return
    P, N = len(case.reward_PN), case.N
    if P > 1:
        yield from (_picked(case, [q for q in range(P) if q != p], list(range(N))) for p in range(P))
    if case.params in cases.sizes.get(N - 1, []):
        yield from (_picked(case, list(range(P)), [j for j in range(N) if j != i]) for i in range(N))
    if case.params != (least := cases.sizes[N][0]):
        yield replace(case, params=least)
        place = cases.sizes[N].index(case.params)
        yield replace(case, params=cases.sizes[N][place - 1])
    if case.moment != cases.points[0]:
        yield replace(case, moment=cases.points[0])
    if case.score_PN != case.reward_PN and not cases.verdicts_alone:
        yield replace(case, score_PN=case.reward_PN)
    if case.score_PN != case.reward_PN:
        yield replace(case, reward_PN=case.score_PN)
    yield from _simpler(case, cases)


def _joined(case: Case) -> Case:
    """The groups of both steps in one."""
    after = case.after
    signals = {name: values + after.signals[name] for name, values in case.signals.items()}
    rewards, scores = case.reward_PN + after.reward_PN, case.score_PN + after.score_PN
    return replace(case, reward_PN=rewards, score_PN=scores, signals=signals, after=None)


def _picked(case: Case, groups: list[int], answers: list[int]) -> Case:
    def of(values_PN: list[list[Fraction]]) -> list[list[Fraction]]:
        return [[values_PN[p][i] for i in answers] for p in groups]

    signals = {name: of(values_PN) for name, values_PN in case.signals.items()}
    return replace(case, reward_PN=of(case.reward_PN), score_PN=of(case.score_PN), signals=signals)


def _simpler(case: Case, cases: Cases) -> Iterator[Case]:
    """One number less in a column, then one simpler number at one place."""
    joint = case.score_PN == case.reward_PN
    columns = {"score": case.score_PN} | ({} if joint else {"r": case.reward_PN}) | case.signals
    for name, values_PN in columns.items():
        some = {value for values in values_PN for value in values}
        for old in sorted(some, key=_size, reverse=True):
            for new in _below(name, old, some, cases):
                all_of_them = [[new if value == old else value for value in values] for values in values_PN]
                yield _with(case, name, all_of_them, joint)
        for p, values in enumerate(values_PN):
            for i, old in enumerate(values):
                for new in _below(name, old, some, cases):
                    changed = [list(row) for row in values_PN]
                    changed[p][i] = new
                    yield _with(case, name, changed, joint)


def _below(name: str, value: Fraction, some: set[Fraction], cases: Cases) -> list[Fraction]:
    """Simpler numbers that the signal can have."""
    near = [Fraction(round(value)), value.limit_denominator(10), value / 2, value - 1, *some, *cases.pools[name].near]
    if name == "score" and cases.verdicts_alone:
        near = [Fraction(0)]
    found = [each for each in dict.fromkeys([*SIMPLE, *near]) if _size(each) < _size(value) and takes(name)(each)]
    if name == "score" and cases.verdicts_alone:
        found = [each for each in found if each in (0, 1)]
    return sorted(found, key=_size)


def _size(value: Fraction) -> tuple[int, int, bool]:
    return value.denominator, abs(value.numerator), value < 0


def _with(case: Case, name: str, values_PN: list[list[Fraction]], joint: bool) -> Case:
    if name == "score":
        return replace(case, score_PN=values_PN, **({"reward_PN": values_PN} if joint else {}))
    if name == "r":
        return replace(case, reward_PN=values_PN)
    return replace(case, signals=case.signals | {name: values_PN})


def _of_its_numbers(case: Case, N: int, cases: Cases, rng: Random) -> Case:
    """Groups of N answers with the numbers of this case."""

    def of(values_PN: list[list[Fraction]]) -> list[list[Fraction]]:
        return [[rng.choice(values) for _ in range(N)] for values in values_PN]

    scores = of(case.score_PN)
    rewards = scores if case.score_PN == case.reward_PN else of(case.reward_PN)
    signals = {name: of(values_PN) for name, values_PN in case.signals.items()}
    params = case.params if case.params in cases.sizes[N] else rng.choice(cases.sizes[N])
    return replace(case, reward_PN=rewards, score_PN=scores, signals=signals, params=params, after=None)
