"""A `Design`: a file that was read whole, ready to be checked, evaluated exactly and compiled.

`load` and `loads` make one (sections.py reads the text). Calling it turns
rewards into advantages. Sure of: the file is whole. Not of: the mathematics
(exact.py, check.py), the tensors (lower.py).
"""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shaping.errors import DesignError, Source
from shaping.language.document import read_text
from shaping.language.evaluate import constant
from shaping.language.nodes import Draws, Name, Named, Node, Reduce, parts, walk
from shaping.language.params import Bound, Param
from shaping.language.rewards import Rewards
from shaping.language.sections import Sections, read_design
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, SIGNALS, TIME
from shaping.work import bounded

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
VERDICTS = {"n_pos", "n_neg", "p", "correct"}


@dataclass(frozen=True)
class Moment:
    """A point in a run. Two are equal if no formula of the design tells them apart."""

    step: int = field(compare=False)
    total_steps: int = field(compare=False)
    values: tuple[Fraction, ...]

    def names(self) -> dict[str, Fraction]:
        progress = Fraction(self.step, self.total_steps)
        return {"step": Fraction(self.step), "total_steps": Fraction(self.total_steps), "progress": progress}


@dataclass(frozen=True, eq=False)
class Design:
    """A design; call it with rewards to get advantages (see `__call__`)."""

    source: Source
    sections: Sections
    resolved: str  # the text with chosen parameters in place of defaults and used designs in place of their names

    @property
    def name(self) -> str:
        return self.sections.name

    @property
    def params(self) -> Names[str, Param]:
        return self.sections.params

    @property
    def bounds(self) -> tuple[Bound, ...]:
        return self.sections.bounds

    @property
    def advantage(self) -> Node:
        return self.sections.advantage

    @property
    def keep(self) -> Node | None:
        return self.sections.keep

    @property
    def token(self) -> Node | None:
        return self.sections.token

    @property
    def verdict(self) -> Node:
        """True for a correct answer."""
        return self.sections.verdict

    @property
    def graded(self) -> bool:
        """Does the file say itself which scores are correct, so that any finite score is meant?"""
        return self.sections.graded

    @property
    def drop_missing(self) -> bool:
        """Are answers without a number left out, instead of being an error?"""
        return self.sections.drop_missing

    @property
    def rewards(self) -> tuple[Rewards, ...]:
        """Which rewards it is for, each of these; empty for any."""
        return self.sections.rewards

    def looked_at(self, rewards: Rewards) -> tuple[str, ...]:
        """Of which numbers these have to be: 'r' and 'score', as far as formulas read them.

        Of a list of values the scores, where they are read: the reward may be a verdict with a length penalty on top.
        """
        read = tuple(name for name in ("score", "r") if self.reads(name))
        return read[:1] if rewards.is_list else read

    @cached_property
    def nodes(self) -> frozenset[Node]:
        """Every node that the advantage, and the token section, need."""
        return frozenset(node for root in (self.advantage, self.token) if root for node in walk(root))

    @cached_property
    def draws(self) -> tuple[Draws, ...]:
        """Its own `draws:` section and those of the designs it uses, in the order of the file."""
        found = [node for node in self.nodes if isinstance(node, Draws)]
        return tuple(sorted(found, key=lambda node: (node.span.source.path, node.span.line, node.span.column)))

    @cached_property
    def signals(self) -> frozenset[str]:
        """Every signal that is read, such as {'n_pos', 'correct', 'N'}, those of the file's own `signals:` too."""
        names = {node.name for node in self.nodes if isinstance(node, Name)}
        return frozenset(names & (SIGNALS.keys() | self.sections.signals.keys()))

    @cached_property
    def inputs(self) -> list[str]:
        """The signals that are given besides rewards and scores, such as ['length'], in this order."""
        answers = {node.name for node in self.nodes if isinstance(node, Name) and node.scope == ANSWER}
        return sorted(answers - {"r", "score", "correct", "A", "reward"})

    @property
    def counts(self) -> bool:
        """Does it read verdicts, so that every score has to be one?"""
        return bool(self.signals & VERDICTS)

    def reads(self, what: str) -> bool:
        """Does it read rewards ('r'), or scores ('score'), which decide too who is correct?"""
        return what in self.signals or (what == "score" and self.counts)

    @property
    def tabulated(self) -> bool:
        """Do counts alone decide every advantage, so that a table holds them all?"""
        return self.advantage.counted

    @cached_property
    def reads_batch(self) -> bool:
        """Does what a group gets depend on the other groups?"""
        return any(node.scope == BATCH or (isinstance(node, Reduce) and node.over == BATCH) for node in self.nodes)

    @cached_property
    def clock(self) -> tuple[Node, ...]:
        """What changes over a run: the schedules, and the time itself where a formula reads it."""
        found, seen = [], set()
        left = [root for root in (self.advantage, self.token) if root]
        while left:
            node = left.pop()
            if node in seen:
                continue
            seen.add(node)
            if node.scope == CONSTANT and isinstance(node, Named | Name) and _reads_time(node):
                found.append(node)
            else:
                left += parts(node)
        return tuple(found)

    def moment(self, step: int | None, total_steps: int | None) -> Moment | None:
        """The point in a run that the design sees; None if it sees no time."""
        if not self.clock:
            return None
        if step is None or total_steps is None:
            raise DesignError(
                f"design {self.name!r} changes over a run: say where in it these rewards are, "
                "design(rewards, step=0, total_steps=100)"
            )
        if not 0 <= step <= total_steps or total_steps < 1:
            raise DesignError(f"design {self.name!r}: step {step} of {total_steps} is no point in a run")
        names = self.constants(Moment(step, total_steps, ()))
        try:
            return Moment(step, total_steps, tuple(constant(node, names) for node in self.clock))
        except DesignError as error:
            raise DesignError(f"{error}\nhint: that is at step {step} of a run of {total_steps}") from None

    def constants(self, moment: Moment | None) -> dict[str, Fraction]:
        """Every name of constant scope but N."""
        time = moment.names() if moment else {}
        return time | {name: param.value for name, param in self.params.items()}

    def check(self, N: int) -> None:
        """Raise the DesignError that groups of N answers would meet, if any. No torch, no rewards needed."""
        from shaping.groups.check import check  # check.py reads designs, so it is known only once one is in use

        refuse_size(self.source.path, N)
        with bounded(self.source.path):
            check(self, N)

    def __reduce__(self) -> tuple:
        """Pickled as its text, with parameters and used designs written into it, and read again: no file is needed."""
        return loads, (self.resolved, self.source.path)

    def __call__(
        self,
        reward_PN: Tensor,
        score_PN: Tensor | None = None,
        *,
        step: int | None = None,
        total_steps: int | None = None,
        seed: int = 0,
        **signal_PN: Tensor,
    ) -> Tensor:
        """The advantage of every answer.

        Args:
          reward_PN: rewards, P prompts × N answers, any float dtype and device.
          score_PN: raw scores of the same shape, which decide who is correct;
            the rewards themselves if not given.
          step, total_steps: where in a run this is, for designs that change over it.
          seed: of the draws, for designs with a `draws:` section; the same seed
            and step give the same draws. In a run they are `--train.seed` and the
            steps done before.
          signal_PN: what else the design reads: `length=`, `logprob=`,
            `truncated=`, and the names of its own `signals:`; shape (P, N).

        Returns:
          advantage_PN in the dtype and on the device of `reward_PN`, computed in
          float32 or wider. No rows where there are no prompts (P = 0).

        Raises:
          RewardError: a value is NaN or infinite, or is no verdict though the
            design counts correct answers; names prompt, answer and value. Or
            something is no tensor, no whole number, no signal that it may read.
          DesignError: the design has no value for some group of N answers, or a
            formula leaves the range of floats for these rewards.

        Example:
          >>> import shaping, torch
          >>> passk = shaping.load("configs/passk.yaml", k=2)
          >>> passk(torch.tensor([[1., 1., 0., 0.]]))
          tensor([[ 0.4472,  0.4472, -0.4472, -0.4472]])
        """
        from shaping.compiled.apply import evaluated  # late: reading a design must not import torch
        from shaping.compiled.arguments import refuse_arguments

        refuse_arguments(self, reward_PN, score_PN, signal_PN, {"step": step, "total_steps": total_steps, "seed": seed})
        result = evaluated(self, reward_PN, score_PN, signal_PN, self.moment(step, total_steps), seed, step)
        return result[0] if self.token is not None else result

    def source_code(self, N: int) -> str:
        """The torch code that groups of N answers are computed with, to be read.

        Of a design that reads rewards or scores alone it is two functions: one for any group, and one, which takes
        `verdict_PN`, for groups whose rewards are 0 and 1.
        """
        from shaping.compiled.lower import source_code

        refuse_size(self.source.path, N)
        return source_code(self, N)


def refuse_size(path: str, N: object) -> None:
    """Raise the DesignError of a size of groups that is no whole number."""
    if isinstance(N, bool) or not hasattr(N, "__index__"):
        raise DesignError(f"{path}: groups of {N!r} answers: N is a whole number, such as 16")


def _reads_time(node: Node) -> bool:
    names = {part.name for part in walk(node) if isinstance(part, Name)}
    return bool(names & set(TIME)) and "N" not in names  # with N, look deeper: its value is not known yet


def load(path: str | Path, /, **params: object) -> Design:
    """Read a design file; `params` replace its defaults.

    Raises:
      DesignError: the file cannot be read, or says something that is not a design.

    Example:
      >>> load("configs/passk.yaml", k=8).params["k"].value
      Fraction(8, 1)
    """
    if not isinstance(path, str | PathLike):
        raise DesignError(f"a design is loaded from the path of a file, not from {type(path).__name__} {path!r}")
    return _design(Source(str(path), read_text(path)), params)


def loads(text: str, path: str = "<design>", /, **params: object) -> Design:
    """Like `load`, from the text itself; `path` is what messages show, and where used designs are looked for.

    >>> loads("advantage: r - mean(r)").name
    'design'
    """
    if not isinstance(text, str):
        raise DesignError(f"{path}: a design is text, not {type(text).__name__}")
    return _design(Source(path, text), params)


def with_params(design: Design, params: Names[str, Fraction]) -> Design:
    r"""The same design with other values of its parameters, for exact work; its text stays as it is.

    >>> with_params(loads("params: {k: 4}\nadvantage: k * r"), {"k": Fraction(2)}).params["k"].value
    Fraction(2, 1)
    """
    if all(design.params[name].value == value for name, value in params.items()):
        return design
    changed = {name: replace(param, value=params.get(name, param.value)) for name, param in design.params.items()}
    return replace(design, sections=replace(design.sections, params=changed))


def own_params(path: str, given: Names[str, T]) -> dict[str, T]:
    """Those of `given` that are parameters of this file: commands about several designs set them where they are."""
    has = load(path).params
    return {name: value for name, value in given.items() if name in has}


def _design(source: Source, params: Names[str, object]) -> Design:
    with bounded(source.path):
        sections, resolved = read_design(source, params)
    return Design(source, sections, resolved)
