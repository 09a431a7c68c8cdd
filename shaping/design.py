"""One YAML file → a `Design`: names resolved, parameters known, every formula read.

    name: passk                                  default: the file's name
    correct: score >= 1                          which answers count as correct
    params:
      k: {default: 4, range: [1, N]}             or  k: 4
    let:
      miss: binomial(n_neg, k) / binomial(N, k)  in any order, without circles
    advantage: r - mean(r)                       or
    advantage: {correct: ..., wrong: ..., flat: ...}
    advantage: {each: ..., flat: ...}

`flat` is what every answer of a group gets when a formula has no value for one
of them. Sure of: the file is whole. Not of: the mathematics (exact.py), the
tensors (lower.py).
"""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shaping.document import Mapping, Scalar, Value, read
from shaping.errors import DesignError, Source, Span, located
from shaping.expression import MAX_DEPTH, parse
from shaping.nodes import Choose, Name, Named, Node, Reduce, walk
from shaping.params import Param, edited, fresh_name, read_params
from shaping.vocabulary import ANSWER, CONSTANT, SIGNALS

if TYPE_CHECKING:
    from torch import Tensor

SECTIONS = ("name", "correct", "params", "let", "advantage")
DEFAULT_VERDICT = "score >= 1"


@dataclass(frozen=True, eq=False)
class Design:
    """A checked design; call it with rewards to get advantages (see `__call__`)."""

    name: str
    source: Source
    params: Names[str, Param]
    advantage: Node
    flat: Node | None
    verdict: Node  # true for a correct answer
    graded: bool  # the file says itself which scores are correct, so any finite score is meant
    resolved: str  # the text with the chosen parameters in place of the defaults

    @cached_property
    def signals(self) -> frozenset[str]:
        """Every signal that the advantage reads, such as {'n_pos', 'correct', 'N'}."""
        roots = [self.advantage] + ([self.flat] if self.flat else [])
        names = {node.name for root in roots for node in walk(root) if isinstance(node, Name)}
        return frozenset(names & SIGNALS.keys())

    @property
    def counts(self) -> bool:
        """Does it read verdicts, so that every score has to be one?"""
        return bool(self.signals & {"n_pos", "n_neg", "p", "correct"})

    @property
    def tabulated(self) -> bool:
        """Do counts alone decide every advantage, so that a table holds them all?"""
        return self.advantage.counted and (self.flat is None or self.flat.counted)

    def check(self, N: int) -> None:
        """Raise the DesignError that groups of N answers would meet, if any. No torch, no rewards needed."""
        from shaping.check import check  # check.py reads designs, so it is known only once one is in use

        try:
            check(self, N)
        except RecursionError:
            raise DesignError(f"{self.source.path}: formulas and names nested too deep to compute") from None

    def __call__(self, reward_PN: Tensor, score_PN: Tensor | None = None) -> Tensor:
        """The advantage of every answer.

        Args:
          reward_PN: rewards, P prompts × N answers, any float dtype and device.
          score_PN: raw scores of the same shape, which decide who is correct;
            the rewards themselves if not given.

        Returns:
          advantage_PN in the dtype and on the device of `reward_PN`, computed in
          float32 or wider. No rows where there are no prompts (P = 0).

        Raises:
          RewardError: a value is NaN or infinite, or is no verdict though the
            design counts correct answers; names prompt, answer and value.
          DesignError: the design has no value for some group of N answers, or a
            formula leaves the range of floats for these rewards.

        Example:
          >>> import shaping, torch
          >>> passk = shaping.load("configs/passk.yaml", k=2)
          >>> passk(torch.tensor([[1., 1., 0., 0.]]))
          tensor([[ 0.4472,  0.4472, -0.4472, -0.4472]])
        """
        from shaping.apply import advantage  # late: reading a design must not import torch

        return advantage(self, reward_PN, score_PN)

    def source_code(self, N: int) -> str:
        """The torch code that groups of N answers are computed with, to be read."""
        from shaping.lower import source_code

        return source_code(self, N)


def load(path: str | Path, /, **params: object) -> Design:
    """Read a design file; `params` replace its defaults.

    Raises:
      DesignError: the file cannot be read, or says something that is not a design.

    Example:
      >>> load("configs/passk.yaml", k=8).params["k"].value
      Fraction(8, 1)
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file of UTF-8 text"
        raise DesignError(f"{path}: cannot read the design: {reason}") from None
    return loads(text, str(path), **params)


def loads(text: str, path: str = "<design>", /, **params: object) -> Design:
    """Like `load`, from the text itself; `path` is what messages show.

    >>> loads("advantage: r - mean(r)").name
    'design'
    """
    try:
        return _design(Source(path, text), params)
    except RecursionError:
        raise DesignError(f"{path}: formulas and names nested too deep to read") from None


def _design(source: Source, params: Names[str, object]) -> Design:
    top = read(source)
    top.only(SECTIONS, "in a design")
    if "advantage" not in top.entries:
        hint = "say what an answer gets: `advantage: r - mean(r)`"
        raise DesignError(located(source.span(0, 1), "a design needs `advantage:`", hint))
    known, edits = read_params(top.get("params"), params, source)
    names = _Names(known, _section(top, "let"))
    advantage, flat = _advantage(top.get("advantage"), names)
    names.resolve_all()
    return Design(
        name=_text(top, "name") or Path(source.path).stem.strip("<>"),
        source=source,
        params=known,
        advantage=advantage,
        flat=flat,
        verdict=_verdict(top.get("correct"), known),
        graded="correct" in top.entries,
        resolved=edited(source.text, edits),
    )


# ── Names ───────────────────────────────────────────────────────────────────


class _Names:
    """What a name in a formula stands for: a signal, a parameter, or a `let`, read when first used."""

    def __init__(self, params: Names[str, Param], lets: Names[str, tuple[Scalar, Value]]) -> None:
        self.params, self.lets = params, lets
        self.done: dict[str, Named] = {}
        self.open: list[str] = []  # the lets being read, outermost first
        for key, (scalar, _) in lets.items():
            fresh_name(key, scalar.span)
            if key in params:
                raise DesignError(located(scalar.span, f"{key!r} is already a parameter", "choose another name"))

    def formula(self, value: Value, where: str) -> Node:
        if not isinstance(value, Scalar):
            raise DesignError(located(value.span, f"'{where}' is one formula", "write it on one line"))
        known = {*SIGNALS, *self.params, *self.lets}
        return parse(value.text, where=where, place=value.place, lookup=self.lookup, names=known)

    def lookup(self, name: str, span: Span) -> Node | None:
        if name in SIGNALS:
            return Name(name, span, SIGNALS[name].scope, SIGNALS[name].counted)
        if name in self.params:
            return Name(name, span, CONSTANT, True)
        if name not in self.lets:
            return None
        if name in self.open:
            circle = " → ".join([*self.open[self.open.index(name) :], name])
            raise DesignError(
                located(span, f"'let' goes in a circle: {circle}", "define one of them without the others")
            )
        if len(self.open) == MAX_DEPTH:
            raise DesignError(located(span, f"more than {MAX_DEPTH} `let` names, each needing the next"))
        if name not in self.done:
            self.open.append(name)
            scalar, value = self.lets[name]
            self.done[name] = Named(name, self.formula(value, f"let.{name}"), scalar.span)
            self.open.pop()
        return self.done[name]

    def resolve_all(self) -> None:
        """Read the lets that nothing used too: a mistake in one is a mistake."""
        for name, (scalar, _) in self.lets.items():
            self.lookup(name, scalar.span)


# ── Sections ────────────────────────────────────────────────────────────────


def _section(top: Mapping, key: str) -> dict[str, tuple[Scalar, Value]]:
    value = top.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DesignError(
            located(
                top.entries[key][0].span, f"'{key}' is a mapping of names", f"write:  {key}:\n          name: formula"
            )
        )
    return value.entries


def _text(top: Mapping, key: str) -> str:
    value = top.get(key)
    if value is None:
        return ""
    if not isinstance(value, Scalar) or not value.text:
        raise DesignError(located(value.span, f"'{key}' is one word"))
    return value.text


def _advantage(value: Value, names: _Names) -> tuple[Node, Node | None]:
    if not isinstance(value, Mapping):
        return names.formula(value, "advantage"), None
    value.only(("correct", "wrong", "each", "flat"), "under 'advantage'")
    keys = set(value.entries) - {"flat"}
    if keys not in ({"correct", "wrong"}, {"each"}):
        hint = "give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either"
        raise DesignError(located(value.span, f"'advantage' has {' and '.join(sorted(keys)) or 'no formula'}", hint))
    parts = {key: names.formula(part, f"advantage.{key}") for key, (_, part) in value.entries.items()}
    flat = parts.get("flat")
    if "each" in parts:
        return parts["each"], flat
    span = value.entries["correct"][0].span
    branches = (Name("correct", span, ANSWER, True), parts["correct"], parts["wrong"])
    return Choose(branches, span), flat


def _verdict(value: Value | None, params: Names[str, Param]) -> Node:
    if value is None:
        value = read(Source("<default>", f"correct: {DEFAULT_VERDICT}")).get("correct")
    if not isinstance(value, Scalar):
        raise DesignError(
            located(value.span, "'correct' is one formula over `score`", "for example: correct: score > 0.5")
        )

    def lookup(name: str, span: Span) -> Node | None:
        if name == "score":
            return Name(name, span, ANSWER, False)
        return Name(name, span, CONSTANT, True) if name in params else None

    node = parse(value.text, where="correct", place=value.place, lookup=lookup, names={"score", *params})
    for part in walk(node):
        if isinstance(part, Reduce):
            hint = "each answer is judged by its own score; compare groups in `advantage`"
            raise DesignError(located(part.span, "'correct' looks at other answers", hint))
    if node.scope != ANSWER:
        raise DesignError(located(value.span, "'correct' does not look at the answer", "use `score`: score > 0.5"))
    return node
