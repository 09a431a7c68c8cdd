"""Batches to try a claim on, the simple ones first: rewards, scores, signals, draws, parameters, a point of the run.

In order:

    every 0/1 group of the smallest sizes, with every whole parameter
    every number of values.py at one answer, and at all; groups at a threshold
    every setting of whole parameters, every point of a run
    the rest at random: constant columns, one odd one out, two values, all different; small groups, then large ones

The same design and claims give the same batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from random import Random

from shaping import real
from shaping.design import Design, Moment
from shaping.groups.crossings import names, numbers
from shaping.groups.exact import verdict
from shaping.groups.rows import in_range, whole_numbers
from shaping.groups.run_points import moments, places
from shaping.language.nodes import Node, Reduce, walk
from shaping.language.rewards import Rewards
from shaping.language.vocabulary import BATCH
from shaping.proofs.case import Case
from shaping.proofs.values import Pool, pools, sizes_written, takes
from shaping.work import MAX_N

SMALL, LARGE = (2, 3, 4, 5, 6, 7, 8), (12, 16, 24, 32, 64)
BATCHES = (1, 2, 3, 4, 5, 8)  # groups of a batch, if another number of them can matter
RANDOM_SMALL, RANDOM_LARGE = 200, 10  # of all small sizes together, of each large one
MOST_LARGE = 129  # answers: a threshold on N beyond is tried by the search for 0/1 groups alone
MAX_SWEEP = 64  # settings of whole parameters, or points of a run, that are gone through


class Cases:
    """Iterate over them. `design` has the parameters that `when:` sets; `sizes` are those of `when: {N: ...}`.

    `verdicts`: some claims are about 0/1 rewards alone, so that there have to be many.
    """

    def __init__(
        self,
        design: Design,
        others: Sequence[Design],
        formulas: Sequence[Node],
        fixed: set[str],
        sizes: list[int],
        verdicts: bool = False,
    ) -> None:
        self.verdicts = verdicts
        self.design, self.designs = design, [design, *others]
        self.rng = Random(design.source.text)
        own = {"length", "logprob", "truncated", *design.sections.signals}
        claimed = {name for formula in formulas for name in names(formula)}
        self.signals = sorted({name for each in self.designs for name in each.inputs} | (claimed & own))
        self.verdicts_alone = any(each.counts and not each.graded for each in self.designs)
        read = {name for each in self.designs for name in each.signals} | claimed
        self.apart = "r" in read and bool({"score", "correct", "n_pos", "n_neg", "p", "verdict"} & read)
        self.pools = self._pools(formulas)
        self.batches, self.many = self._batches(formulas)
        self.whole = [p.name for p in design.params.values() if p.is_count and p.name not in fixed]
        self.points = self._points()
        self.sizes = self._sizes(sizes, formulas)

    def _pools(self, formulas: Sequence[Node]) -> dict[str, Pool]:
        """What to try for each column; one pool for rewards and scores, where they need not be told apart."""
        found = pools(self.designs, formulas, self.signals)
        for rewards in self.design.rewards:  # the claims are about what the design is for
            found |= {name: self._within(found[name], rewards) for name in self.design.looked_at(rewards)}
        if self.verdicts_alone:
            return found | {"score": Pool([Fraction(0), Fraction(1)], [])}
        if self.apart:
            return found
        score, r = found["score"], found["r"]
        joint = Pool(r.usual, list(dict.fromkeys([*score.near, *r.near])), [*score.columns, *r.columns])
        return found | {"score": joint, "r": joint}

    def _within(self, pool: Pool, rewards: Rewards) -> Pool:
        """What of a pool these rewards have; besides, their ends and what lies between."""
        names = self.design.constants(None)
        ends = rewards.ends(names)
        low, high = (Fraction(real.nearest(end)) if end is not None else None for end in ends)
        between = rewards.numbers(names) if rewards.values else []
        if not rewards.values and low is not None and high is not None:
            between = [low + (high - low) * Fraction(i, 8) for i in range(9)]
        elif not rewards.values:
            end, away = (low, 1) if low is not None else (high, -1)
            between = [end + away * Fraction(step) for step in ("0", "1/8", "1", "7", "1000")]
        usual = list(dict.fromkeys([*pool.usual, *between]))
        usual, near = ([value for value in values if rewards.holds(value, names)] for values in (usual, pool.near))
        columns = [column for column in pool.columns if all(rewards.holds(value, names) for value in column)]
        return Pool(usual, near, columns)

    def _batches(self, formulas: Sequence[Node]) -> tuple[list[int], list[int]]:
        """How many groups a batch has; and numbers of them that a formula compares P with, and both sides of them."""
        over_batch = any(each.reads_batch for each in self.designs) or any(map(reads_batch, formulas))
        if not any("P" in names(each.advantage) for each in self.designs):
            return list(BATCHES if over_batch else (1,)), []
        written = [P for P in numbers([each.advantage for each in self.designs]) if P.denominator == 1]
        many = {int(P) + by for P in written for by in (-1, 0, 1) if 1 <= P < MOST_LARGE and P + by > 0}
        return list(BATCHES), sorted(many)

    def _points(self) -> list[Moment | None]:
        if not any(other.clock for other in self.designs[1:]):
            return list(moments(self.design))
        found = dict.fromkeys(place for each in self.designs for place in places(each))
        return [Moment(step, steps, (Fraction(step), Fraction(steps))) for step, steps in found]

    def _sizes(self, asked: list[int], formulas: Sequence[Node]) -> dict[int, list[dict[str, Fraction]]]:
        """Sizes of groups, each with the settings of whole parameters that it may have."""
        wanted = asked or [*SMALL, *LARGE, *(N for N in sizes_written(self.designs, formulas) if N <= MOST_LARGE)]
        found = {N: settings for N in sorted({*wanted}) if (settings := self._settings(N))}
        if not asked and (not found or min(found) > SMALL[-1]):  # the ranges ask for large groups: the smallest
            larger = next((N for N in range(2, MAX_N + 1) if self._settings(N)), None)
            found = ({larger: self._settings(larger)} if larger else {}) | found
        return found

    def _settings(self, N: int) -> list[dict[str, Fraction]]:
        values = [[Fraction(value) for value in whole_numbers(self.design.params[name], N)] for name in self.whole]
        if prod(map(len, values)) > MAX_SWEEP:
            own = [self.design.params[name].value for name in self.whole]
            values = [self._ends(each, default) for each, default in zip(values, own, strict=True)]
        found = [dict(zip(self.whole, setting, strict=True)) for setting in itertools.product(*values)]
        moment = self.points[0]
        return [params for params in found if in_range(self.design, N, params, moment)][:MAX_SWEEP]

    def _ends(self, values: list[Fraction], default: Fraction) -> list[Fraction]:
        middle = [values[len(values) // 4], values[len(values) // 2]]
        return sorted({*values[:3], *middle, *values[-3:], *([default] if default in values else [])})

    # ── The order ───────────────────────────────────────────────────────────

    def __iter__(self) -> Iterator[Case]:
        made = itertools.chain(
            self._verdicts(), self._near(), self._extreme(), self._settled(), self._timed(), self._random()
        )
        return itertools.chain.from_iterable(self._drawn(case) for case in made)

    def _drawn(self, case: Case) -> Iterator[Case]:
        yield case
        if self.design.draws:
            yield from (replace(case, seed=self.rng.randrange(10**6)) for _ in range(2))

    def _verdicts(self) -> Iterator[Case]:
        """Groups of wrong and correct answers: every number of correct ones."""
        wrong, right = self._two_scores()
        for N in list(self.sizes)[:4]:
            for P in self.batches[:3]:
                every = list(itertools.product(range(N + 1), repeat=P))
                for n_pos in every if len(every) <= 40 else self.rng.sample(every, 40):
                    scores = [[right] * n + [wrong] * (N - n) for n in n_pos]
                    constant = {name: [[self.pools[name].usual[0]] * N] * P for name in self.signals}
                    for params in self.sizes[N] if P == 1 else self.sizes[N][:1]:
                        yield self._case(N, P, params, scores, scores, constant)
                    if self.signals or P > 1:
                        yield self._case(N, P, self._one_of(N), scores, scores)

    def _two_scores(self) -> tuple[Fraction, Fraction]:
        """Of a wrong and of a correct answer by the design's own `correct:`; 0 and 1 where it takes them so."""
        scores = [Fraction(0), Fraction(1), *self.pools["score"].all]
        names = self.design.constants(None)
        fine = [score for score in scores if all(each.holds(score, names) for each in self.design.rewards)]
        scores = fine if len(fine) > 1 else scores
        by = {verdict(self.design, score): score for score in reversed(scores)}
        return by.get(False, scores[0]), by.get(True, scores[1])

    def _near(self) -> Iterator[Case]:
        """Each number at one answer, the others having another; and at all."""
        small = [N for N in self.sizes if SMALL[-1] >= N] or list(self.sizes)[:1]
        for name in self._columns() if small else []:
            for value in self.pools[name].all:
                for everywhere in (False, True):
                    N, P = self.rng.choice(small), self.rng.choice(self.batches)
                    other = self.rng.choice(self.pools[name].all)
                    rows = [[value] + [value if everywhere else other] * (N - 1) for _ in range(P)]
                    if name in ("r", "score"):
                        yield self._of_rewards(N, P, self._one_of(N), rows, name)
                    else:
                        yield self._case(N, P, self._one_of(N), *self._rewards(N, P), {name: rows})

            for column in self.pools[name].columns:
                if (N := len(column)) in self.sizes:
                    for _ in range(2):
                        rows = [list(column) for _ in range(self.rng.choice(self.batches))]
                        if name in ("r", "score"):
                            yield self._of_rewards(N, len(rows), self._one_of(N), rows, name)
                        else:
                            yield self._case(N, len(rows), self._one_of(N), *self._rewards(N, len(rows)), {name: rows})

    def _extreme(self) -> Iterator[Case]:
        """One answer far from all others, in groups of every size; and as many groups as a formula names."""
        for N in self.sizes:
            for name in self._columns():
                values = sorted(self.pools[name].all)
                ends = [(values[-1], values[0]), (values[0], values[-1]), (values[-1], values[-2])]
                ends += [(Fraction(10), Fraction(-10)), (Fraction(-10), Fraction(10))] if len(values) > 2 else []
                for one, other in (pair for pair in ends if all(map(takes(name), pair))):
                    rows = [[one] + [other] * (N - 1)]
                    if name in ("r", "score"):
                        yield self._of_rewards(N, 1, self._one_of(N), rows, name)
                    else:
                        yield self._case(N, 1, self._one_of(N), *self._rewards(N, 1), {name: rows})
        for P in self.many:
            for N in list(self.sizes)[:3]:
                yield self._case(N, P, self._one_of(N), *self._rewards(N, P))

    def _settled(self) -> Iterator[Case]:
        for N, settings in self.sizes.items():
            for params in settings if len(settings) > 1 else []:
                for _ in range(2 if SMALL[-1] >= N else 1):
                    yield self._case(N, 1, params, *self._rewards(N, 1))

    def _timed(self) -> Iterator[Case]:
        points = self.points if len(self.points) <= MAX_SWEEP else self.rng.sample(self.points, MAX_SWEEP)
        for moment in points if len(points) > 1 else []:
            for N in list(self.sizes)[1:4:2] or list(self.sizes)[:1]:
                yield replace(self._case(N, 1, self._one_of(N), *self._rewards(N, 1)), moment=moment)

    def _random(self) -> Iterator[Case]:
        small = [N for N in self.sizes if SMALL[-1] >= N] or list(self.sizes)[:1]
        for N in [self.rng.choice(small) for _ in range(RANDOM_SMALL)] if small else []:
            P = self.rng.choice(self.batches)
            yield self._case(N, P, self._one_of(N), *self._rewards(N, P))
        for N in [N for N in self.sizes if N not in small] * RANDOM_LARGE:
            yield self._case(N, 1, self._one_of(N), *self._rewards(N, 1))

    # ── One case ────────────────────────────────────────────────────────────

    def _columns(self) -> list[str]:
        return ["score", *(["r"] if self.apart or not self.verdicts_alone else []), *self.signals]

    def _one_of(self, N: int) -> dict[str, Fraction]:
        return self.rng.choice(self.sizes[N])

    def _case(self, N, P, params, reward_PN, score_PN, signals=None) -> Case:
        signals = {n: (signals or {}).get(n) or [self._column(n, N) for _ in range(P)] for n in self.signals}
        return Case(reward_PN, score_PN, signals, params, self.rng.choice(self.points), self.rng.randrange(10**6))

    def _rewards(self, N: int, P: int) -> tuple[list, list]:
        """Rewards and scores; apart in a third of the cases, where both matter."""
        if self.verdicts and self.rng.random() < 1 / 2:
            score_PN = [[Fraction(self.rng.randrange(2)) for _ in range(N)] for _ in range(P)]
            return score_PN, score_PN
        score_PN = [self._column("score", N) for _ in range(P)]
        apart = self.apart and self.rng.random() < 1 / 3
        return ([self._column("r", N) for _ in range(P)] if apart else score_PN), score_PN

    def _of_rewards(self, N: int, P: int, params: dict, rows: list, name: str) -> Case:
        """A case with these rewards, or scores; where both matter, the other is of its own now and then."""
        if name == "r" and self.verdicts_alone:
            return self._case(N, P, params, rows, [self._column("score", N) for _ in range(P)])
        other = [self._column("r", N) for _ in range(P)] if self.apart and self.rng.random() < 1 / 3 else rows
        return self._case(N, P, params, *((other, rows) if name == "score" else (rows, rows)))

    def _column(self, name: str, N: int) -> list[Fraction]:
        pool, rng = self.pools[name], self.rng
        near = pool.near if pool.near and rng.random() < 1 / 2 else pool.usual
        values = near if rng.random() < 2 / 3 else pool.all
        match rng.randrange(6):
            case 0:
                return [rng.choice(values)] * N
            case 1:
                found = [rng.choice(values)] * N
                found[rng.randrange(N)] = rng.choice(pool.all)
                return found
            case 2:
                two = rng.choice(values), rng.choice(pool.all)
                return [rng.choice(two) for _ in range(N)]
            case 3 if name not in ("truncated",) and not (name == "score" and self.verdicts_alone):
                return self._different(name, values, N)
        return [rng.choice(values) for _ in range(N)]

    def _different(self, name: str, values: list[Fraction], N: int) -> list[Fraction]:
        """No two alike."""
        found = list(dict.fromkeys(values))
        self.rng.shuffle(found)
        step = Fraction(1) if name == "length" else -Fraction(1, N) if name == "logprob" else Fraction(1, N)
        value, known = found[-1], set(found)
        while len(found) < N:
            value += step
            if value not in known:
                found.append(value)
        return found[:N]


def reads_batch(formula: Node) -> bool:
    return any(isinstance(node, Reduce) and node.over == BATCH for node in walk(formula))
