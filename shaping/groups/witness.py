"""Rewards for which a formula has no value: what a message may then say of it.

In    a formula, a place in it
Out   is there a group, of a few dozen simple ones, for which it has no value at that place?

What is not found here may still exist; it is then only not excluded (gaps.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from shaping import real
from shaping.errors import Span
from shaping.language.evaluate import Batch, Group
from shaping.language.nodes import Draws, Name, Node, Number, Reduce, walk
from shaping.language.reductions import Weighed
from shaping.language.vocabulary import ANSWER, TOKEN
from shaping.real import Real, Undefined, Unusable
from shaping.work import TooMuch

SIMPLE = tuple(map(Fraction, (0, 1, -1, "1/2", 2, -2)))
COUNTS = ("length", "position")  # from 0 up
MAX_VALUES, MAX_GROUPS, MIXED = 12, 1_000, 100
TOKENS = {"token_logprob": (0, -1, -2), "position": (0, 1)}
Pair = tuple[Fraction, Fraction]  # what a correct and what a wrong answer has


@dataclass
class Witnesses:
    """Groups of N answers, of which n_pos are correct, and to each kind of answers a number for every name.

    `verdict`: a score → does it count as correct?
    """

    groups: Sequence[Mapping[str, Real]]  # names that are the same for all answers, for each n_pos
    verdict: Callable[[Fraction], bool]
    keep: Node | None = None
    draws: Mapping[Draws, tuple[int, int]] | None = None  # how many of how many answers
    advantage: Node | None = None  # what `A` is, for the section `token:`

    def show(self, root: Node, span: Span) -> bool:
        """Has `root` no value at that place, for one of these groups?"""
        nodes = [node for part in (root, self.keep, self.advantage) if part is not None for node in walk(part)]
        names = {node.name for node in nodes if isinstance(node, Name) and node.scope in (ANSWER, TOKEN)}
        values = _values([node.value for node in nodes if isinstance(node, Number)])
        try:
            for group, kind in itertools.islice(self.made(sorted(names - {"reward"}), values), MAX_GROUPS):
                if _lacks(group, root, kind, span):
                    return True
        except TooMuch:  # of a large group not even a few can be tried
            return False
        return False

    def made(self, names: Sequence[str], values: Sequence[Fraction]) -> Iterator[tuple[Group, int]]:
        """All answers alike first, then those of one kind apart from those of the other, then signals on their own."""
        drawn = Random(0)
        alike = [dict.fromkeys(names, (value, value)) for value in values]
        apart = [dict.fromkeys(names, (a, b)) for a in values[:6] for b in values[:6] if a != b]
        mixed = [{name: tuple(drawn.choices(values, k=2)) for name in names} for _ in range(MIXED)]
        for i, chosen in enumerate([*alike, *mixed[: MIXED // 2], *apart, *mixed[MIXED // 2 :]]):
            for shared in self.groups if i < len(values) else drawn.sample(self.groups, 2):
                kinds = self.kinds(chosen, shared)
                other = self.kinds(drawn.choice(mixed), shared) if i >= len(values) else None
                for token in _tokens(names) if kinds is not None else ():
                    yield from self.of(dict(shared) | token, kinds, other)

    def kinds(self, chosen: Mapping[str, Pair], shared: Mapping[str, Real]) -> list | None:
        """(how many, numbers of each): correct answers and wrong ones. None if there are no such scores."""
        n_pos = int(shared["n_pos"])
        made = []
        for side, (count, right) in enumerate(((n_pos, True), (int(shared["N"]) - n_pos, False))):
            values = {name: pair[side] for name, pair in chosen.items()}
            numbers = {name: allowed(name, value) for name, value in values.items() if name not in (*TOKENS, "A")}
            scores = [values["score"], *SIMPLE] if "score" in values else [Fraction(right)]
            score = next((score for score in scores if self.verdict(score) is right), None)
            if score is None and count:
                return None
            made.append((count, numbers | {"score": score, "correct": Fraction(right)}))
        return made

    def of(self, shared: Mapping[str, Real], kinds: list, other: list | None) -> Iterator[tuple[Group, int]]:
        if self.draws:  # draws tell answers apart
            kinds = [(1, numbers) for count, numbers in kinds for _ in range(count)]
        draws = {node: _members(len(kinds), *size) for node, size in (self.draws or {}).items()}
        batch = Batch([], self.keep)
        group = OneToken(shared, kinds, batch, draws)
        batch.groups.append(group)
        if other is not None and not self.draws:
            batch.groups.append(Group(shared, other, batch))
        for kind in group.present():
            if TOKENS.keys() & shared.keys():
                group = OneToken(shared, kinds, batch, draws)  # a value of its own for the token of each kind
                if self.advantage is not None:
                    credit = group.value(self.advantage, kind)
                    group.kinds = [(count, numbers | {"A": credit}) for count, numbers in kinds]
            yield group, kind


@dataclass(eq=False)
class OneToken(Group):
    """A group whose answers have one token each."""

    def weighed(self, node: Reduce) -> Weighed:
        if node.over != ANSWER:
            return super().weighed(node)
        (kind,) = self.present()[:1]
        holds = node.where is None or real.sign(self.value(node.where, kind))
        return [(1, self.value(node.operand, kind))] if holds else []


def _lacks(group: Group, root: Node, kind: int, span: Span) -> bool:
    try:
        group.value(root, kind)
    except Undefined as error:
        return error.args[1] == span
    except Unusable:  # too large to compute with: nothing is shown by it
        return False
    return False


def _values(constants: Sequence[Fraction]) -> list[Fraction]:
    """Simple numbers; those of the formula, what lies between them and on both sides."""
    ordered = sorted(set(constants))[:MAX_VALUES]
    between = [(a + b) / 2 for a, b in itertools.pairwise(ordered)]
    ends = [ordered[0] - 1, ordered[-1] + 1] if ordered else []
    return list(dict.fromkeys([*SIMPLE, *ordered, *between, *ends]))[: 2 * MAX_VALUES]


def _tokens(names: Sequence[str]) -> list[dict[str, Fraction]]:
    """A token for each pair of these; nothing where the formula reads none."""
    read = [(name, values) for name, values in TOKENS.items() if name in names]
    return [
        {name: Fraction(value) for (name, _), value in zip(read, chosen, strict=True)}
        for chosen in itertools.product(*(values for _, values in read))
    ]


def allowed(name: str, value: Fraction) -> Fraction:
    """A number that this signal can be, made of any.

    >>> allowed("length", Fraction(-1, 2)), allowed("logprob", Fraction(2))
    (Fraction(1, 1), Fraction(-2, 1))
    """
    if name == "truncated":
        return Fraction(value != 0)
    if name in COUNTS:
        return Fraction(-(-abs(value).numerator // value.denominator))
    return -abs(value) if name == "logprob" else value


def _members(N: int, count: int, size: int) -> list[list[int]]:
    return [[(i * size + j) % N for j in range(size)] for i in range(count)]
