"""The section `rewards:` — which rewards a design is for.

    rewards: any                 whatever is finite; what holds without the section
    rewards: 0/1                 these numbers alone, two or more of them: -1/1, 0/0.5/1
    rewards: 0 to 1              from one to the other, both ends too
    rewards: >= 0                also > 0, <= r_max, < 2

An end is a formula over numbers and parameters without a schedule: `1/2`, `-penalty`, `r_max`. In a list `/` stands
between the numbers.

A design that uses others is for what it says and what each of them says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from shaping import real
from shaping.errors import DesignError, Span, located
from shaping.language.document import Scalar, Value
from shaping.language.evaluate import constant
from shaping.language.expression import parse
from shaping.language.nodes import Name, Node, walk
from shaping.language.vocabulary import CONSTANT, TIME
from shaping.real import Real, Unusable

if TYPE_CHECKING:
    from shaping.language.reader import Reader

MAX_VALUES = 64  # of a list: each is looked for in every batch
FORMS = "`0/1`, `-1/1`, `0 to 1`, `>= 0`, `any`"
COUNTS = {"n_pos", "n_neg", "p", "correct"}  # what is counted by scores of 0 and 1, if no `correct:` says otherwise
_SIDE = re.compile(r"\s*(>=|<=|>|<)")
_BETWEEN = re.compile(r"\bto\b")


@dataclass(frozen=True)
class Rewards:
    """Rewards that one file is for: `values` alone, or all between two ends, of which one may be missing."""

    text: str
    span: Span
    values: tuple[Node, ...] = ()
    low: Node | None = None
    high: Node | None = None
    open: bool = False  # the end, where there is one, is not among them

    @property
    def is_list(self) -> bool:
        return bool(self.values)

    def numbers(self, names: Mapping[str, Real]) -> list[Real]:
        """The rewards of a list, in order. `names` are the values of parameters."""
        found = [constant(value, names) for value in self.values]
        return sorted(found, key=lambda value: value if isinstance(value, Fraction) else real.nearest(value))

    def ends(self, names: Mapping[str, Real]) -> tuple[Real | None, Real | None]:
        """The least and the largest reward; None where there is no end."""
        if self.values:
            numbers = self.numbers(names)
            return numbers[0], numbers[-1]
        low, high = (None if end is None else constant(end, names) for end in (self.low, self.high))
        return low, high

    def holds(self, reward: Real, names: Mapping[str, Real]) -> bool:
        r"""Is the design for this reward?

        >>> from shaping import loads
        >>> (rewards,) = loads("rewards: '> 0'\nadvantage: r").rewards
        >>> rewards.holds(Fraction(0), {}), rewards.holds(Fraction(1, 2), {})
        (False, True)
        """
        if self.values:
            return any(real.compare(reward, value) == 0 for value in self.numbers(names))
        low, high = self.ends(names)
        least = 1 if self.open else 0
        return (low is None or real.compare(reward, low) >= least) and (
            high is None or real.compare(high, reward) >= least
        )

    def shown(self, names: Mapping[str, Real]) -> str:
        """As it is written, with the values of its parameters: '<= r_max (r_max = 1)'."""
        nodes = [node for part in (*self.values, self.low, self.high) if part is not None for node in walk(part)]
        read = dict.fromkeys(node.name for node in nodes if isinstance(node, Name))
        return self.text + (f" ({', '.join(f'{name} = {real.show(names[name])}' for name in read)})" if read else "")


def read_rewards(reader: Reader) -> tuple[Rewards, ...]:
    """What the file says itself; empty for `any`, and for a file that says nothing.

    Raises:
      DesignError: it is none of these forms, an end changes over a run, or no number is between the ends.
    """
    value = reader.top.get("rewards")
    if value is None:
        return ()
    if not isinstance(value, Scalar) or not value.text.strip():
        raise DesignError(located(value.span, "'rewards' says in a word which rewards the design is for", _write()))
    text = value.text.strip()
    if text == "any":
        return ()
    found = _read(reader, value, " ".join(text.split()))
    _refuse_empty(reader, [found], value.span)
    return (found,)


def _read(reader: Reader, value: Scalar, text: str) -> Rewards:
    whole, span = value.text, value.span
    if side := _SIDE.match(whole):
        end, sign = _end(reader, value, side.end(), len(whole)), side[1]
        name = "low" if sign[0] == ">" else "high"
        return Rewards(text, span, open=len(sign) == 1, **{name: end})
    between = list(_BETWEEN.finditer(whole))
    if len(between) == 1:
        low = _end(reader, value, 0, between[0].start())
        return Rewards(text, span, low=low, high=_end(reader, value, between[0].end(), len(whole)))
    if "/" in whole and not between:
        if whole.count("/") >= MAX_VALUES:
            raise DesignError(
                located(span, f"more than {MAX_VALUES} rewards in a list", "say from where to where: 0 to 1")
            )
        return Rewards(text, span, values=tuple(_end(reader, value, *part) for part in _split(whole)))
    raise DesignError(located(span, f"rewards: {text} is no set of rewards", _write()))


def _write() -> str:
    return f"write {FORMS}"


def _split(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for part in text.split("/"):
        yield start, start + len(part)
        start += len(part) + 1


def _end(reader: Reader, value: Scalar, start: int, end: int) -> Node:
    """A formula over numbers and parameters: characters start..end of the value."""
    start += len(value.text[start:end]) - len(value.text[start:end].lstrip())
    text = value.text[start:end].rstrip()
    if not text:
        raise DesignError(located(value.span, f"rewards: {value.text.strip()} lacks a number", _write()))

    def lookup(name: str, span: Span) -> Node | None:
        return reader.given.get(name)

    def place(first: int, last: int) -> Span:
        return value.place(start + first, start + last)

    node = parse(text, where="rewards", place=place, lookup=lookup, names=reader.params)
    if any(isinstance(part, Name) and part.name in (*TIME, "N") for part in walk(node)):
        hint = "take a number, or a parameter without a schedule"
        message = "the rewards that a design is for are the same in every step and for every N, and this changes"
        raise DesignError(located(place(0, len(text)), message, hint))
    if node.scope != CONSTANT:
        raise DesignError(located(place(0, len(text)), "an end of `rewards:` is a number or a parameter", _write()))
    return node


def _constants(reader: Reader) -> dict[str, Real]:
    return {name: param.value for name, param in reader.params.items()}


def _refuse_empty(reader: Reader, every: Sequence[Rewards], span: Span) -> None:
    """Raise the DesignError of rewards of which there are none, as far as the file's own parameters say."""
    names = _constants(reader)
    for end in (end for each in every for end in each.ends(names) if end is not None):
        try:
            real.nearest(end)
        except (OverflowError, Unusable):
            raise DesignError(located(span, "rewards: an end does not fit a float", _write())) from None
    if any(not isinstance(value, Fraction) for each in every for value in each.numbers(names)):
        raise DesignError(located(span, "rewards: a list has plain numbers, such as 0.5 or 1", _write()))
    lists = [each for each in every if each.is_list]
    if lists:
        there = [value for value in lists[0].numbers(names) if all(each.holds(value, names) for each in every)]
        some = len(set(there)) > 1
    else:
        lows, highs = ([end for each in every if (end := each.ends(names)[i]) is not None] for i in (0, 1))
        some = all(real.compare(low, high) < 0 for low in lows for high in highs)
    if not some:
        shown = " and ".join(each.shown(names) for each in every)
        hint = "the smaller number stands first" if len(every) == 1 else "used designs are for their own rewards alone"
        raise DesignError(located(span, f"rewards: no two numbers are {shown}", hint))


def refuse_rewards(every: Sequence[Rewards], own: Value | None, graded: bool, roots: Sequence[Node | None]) -> None:
    """Raise the DesignError of rewards that no formula of the design could be given.

    Args:
      every: its own and those of used designs; `own` is the section, if there is one.
      graded: does the file say itself which scores are correct?
      roots: what an answer, and a token, gets.
    """
    nodes = [node for root in roots if root is not None for node in walk(root)]
    read = {node.name for node in nodes if isinstance(node, Name)}
    counts = bool(read & COUNTS)
    if own is not None and not counts and not read & {"r", "score"}:
        raise DesignError(located(own.span, "no formula reads a reward", "leave `rewards:` out"))
    for each in every if counts and not graded else ():
        names = {node.name for node in _nodes(each) if isinstance(node, Name)}
        if not names and not all(each.holds(Fraction(score), {}) for score in (0, 1)):
            hint = "say which of them are correct: correct: score > 0"
            message = f"rewards: {each.text}, and this design counts correct answers, which score 1 and others 0"
            raise DesignError(located(each.span, message, hint))


def _nodes(rewards: Rewards) -> Iterator[Node]:
    for part in (*rewards.values, rewards.low, rewards.high):
        if part is not None:
            yield from walk(part)


def all_rewards(reader: Reader, own: tuple[Rewards, ...]) -> tuple[Rewards, ...]:
    """The file's own and those of the designs that it uses, each of which has to hold.

    Raises:
      DesignError: together they leave no reward.
    """
    every = tuple(dict.fromkeys((*own, *reader.used_rewards)))
    if len(every) > 1:
        span = own[0].span if own else reader.top.entries["use"][0].span
        _refuse_empty(reader, every, span)
    return every
