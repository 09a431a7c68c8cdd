"""One file's names and formulas: which name means what, in which order sections are read, what becomes of mistakes.

In    a document (document.py), its parameters (params.py)
Out   Sections

A name is a signal, a parameter, a used design, the result of `draws:` or a `let`; lets are read when a formula asks
for them, so they may stand in any order. With a list for errors, every formula's first mistake is put there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Names
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from shaping.errors import DesignError, Follows, Source, Span, located
from shaping.language import formulas
from shaping.language.document import Mapping, Scalar, Value
from shaping.language.expression import MAX_DEPTH, parse
from shaping.language.nodes import Apply, Choose, Draws, Name, Named, Node, Number, Reduce, signal, walk
from shaping.language.params import Bound, Param, fresh_name
from shaping.language.rewards import Rewards, all_rewards, read_rewards, refuse_rewards
from shaping.language.use import read_used
from shaping.language.vocabulary import ANSWER, GROUP, SIGNALS

SECTIONS = (
    "name",
    "correct",
    "signals",
    "on_missing",
    "rewards",
    "params",
    "use",
    "let",
    "draws",
    "keep",
    "advantage",
    "token",
    "claims",
)
_ADVANTAGE = "`{}:` belongs under `advantage:`, as in  advantage: {{each: ..., flat: 0}}"
_DRAWS = "`{}:` belongs under `draws:`, with `size:`, `count:`, `reward:` and `advantage:`"
_PARAM = "`{}:` belongs to a parameter:  params: {{k: {{default: 4, range: [1, N]}}}}"
_CLAIM = "it is a claim:  claims: [{}]"
BELONGS = {  # keys that stand one level too far out, or under another name
    **{key: _ADVANTAGE.format(key) for key in ("flat", "each", "wrong", "right")},
    **{key: _DRAWS.format(key) for key in ("size", "count", "disjoint", "reward")},
    **{key: _PARAM.format(key) for key in ("default", "range", "schedule")},
    **{key: _CLAIM.format(key) for key in ("zero_sum", "sign_correct", "zero_on_constant_groups")},
    **dict.fromkeys(("formula", "credit"), "what an answer gets is `advantage:`"),
    **dict.fromkeys(("filter", "where"), "which groups or answers count is `keep:`, a condition"),
    **dict.fromkeys(("vars", "variables", "define", "defs"), "names for parts of formulas are `let:`"),
    **dict.fromkeys(("parameters", "hyperparameters", "constants"), "numbers that a launch may set are `params:`"),
    **dict.fromkeys(("import", "include", "extends"), "another design's advantage is a name under `use:`"),
    **dict.fromkeys(("tests", "properties", "asserts"), "what a design says of itself is `claims:`"),
    "description": "say it in a comment: # ...",
}
T = TypeVar("T")


@dataclass(frozen=True)
class Sections:
    """What a file says, formulas read."""

    name: str
    params: Names[str, Param]
    bounds: tuple[Bound, ...]
    signals: Names[str, str]  # of its own: name → meaning
    verdict: Node
    graded: bool
    drop_missing: bool
    rewards: tuple[Rewards, ...]  # that it is for, its own and those of used designs: each has to hold
    keep: Node | None
    advantage: Node
    token: Node | None


class Reader:
    """One file, or one design written out inside another: `given` is what its parameters stand for."""

    def __init__(
        self,
        top: Mapping,
        source: Source,
        params: Names[str, Param],
        given: Names[str, Node],
        chain: list[str],
        errors: list[DesignError] | None = None,
        used_lengths: list[int] | None = None,
    ) -> None:
        self.top, self.source, self.params, self.chain = top, source, params, chain
        self.errors = errors  # where mistakes are collected; None: the first is raised
        self.used_lengths = [] if used_lengths is None else used_lengths  # characters of each used file, of all readers
        self.broken: set[str] = set()  # names whose formula is wrong
        self.done: dict[str, Node] = {}
        self.open: list[str] = []  # the lets being read, outermost first
        for key in top.entries:
            self.attempt(lambda key=key: self.known_section(key))
        self.bounds: list[Bound] = []
        self.edits: list[tuple[Scalar, str]] = []
        self.used: dict[str, Node] = {}
        self.used_rewards: list[Rewards] = []
        self.draws: Node | None = None
        self.signals = self.attempt(self.own_signals) or {}
        self.given = {name: self.scheduled(params[name], base) for name, base in given.items()}
        self.lets = self.section("let")
        for key, (scalar, _) in self.lets.items():
            self.attempt(lambda key=key, scalar=scalar: self.fresh(key, scalar.span))
        read_used(self)
        self.draws = self.attempt(lambda: formulas.draws(self), name="drawn")

    def known_section(self, key: str) -> None:
        if key in BELONGS and key not in SECTIONS:
            message = f"unknown key {key!r} in a design"
            raise DesignError(located(self.top.entries[key][0].span, message, BELONGS[key]))
        Mapping({key: self.top.entries[key]}, self.top.span).only(SECTIONS, "in a design")

    def sections(self) -> Sections:
        if "advantage" not in self.top.entries:
            hint = "say what an answer gets: `advantage: r - mean(r)`"
            raise DesignError(located(self.source.span(0, 1), "a design needs `advantage:`", hint))
        for name, (scalar, _) in self.lets.items():  # those that nothing uses too: a mistake in one is a mistake
            self.attempt(lambda name=name, scalar=scalar: self.lookup(name, scalar.span), name)
        keep = self.attempt(lambda: formulas.keep(self))
        advantage = self.attempt(lambda: formulas.advantage(self, self.top.get("advantage")))
        token = self.attempt(lambda: formulas.token(self))
        verdict = self.attempt(lambda: formulas.verdict(self))
        drop_missing = self.attempt(self.drop_missing)
        rewards = self.attempt(lambda: all_rewards(self, read_rewards(self)))
        if self.errors:
            raise Follows(f"{self.source.path}: {len(self.errors)} mistakes")
        if keep is not None:
            advantage = Choose((keep, advantage, Number(Fraction(0), keep.span)), keep.span)
        if drop_missing and any(isinstance(node, Draws) for node in walk(advantage)):
            hint = "leave answers without a reward an error, or out of the reward function"
            span = self.top.get("on_missing").span
            raise DesignError(located(span, "draws of a fixed size cannot leave answers out", hint))
        if drop_missing:
            _refuse_shares_of_N(root for root in (advantage, token) if root is not None)
        refuse_rewards(rewards, self.top.get("rewards"), "correct" in self.top.entries, [advantage, token])
        if self.draws is not None and not any(isinstance(node, Draws) for node in walk(advantage)):
            hint = "its result is the name `drawn`: advantage: drawn"
            raise DesignError(located(self.top.entries["draws"][0].span, "nothing reads `draws`", hint))
        return Sections(
            name=self.word("name") or Path(self.source.path).stem.strip("<>"),
            params=self.params,
            bounds=tuple(self.bounds),
            signals=self.signals,
            verdict=verdict,
            graded="correct" in self.top.entries,
            drop_missing=drop_missing,
            rewards=rewards,
            keep=keep,
            advantage=advantage,
            token=token,
        )

    def attempt(self, part: Callable[[], T], name: str = "") -> T | None:
        """Read a part; if mistakes are collected, put its own among them and go on without it."""
        if self.errors is None:
            return part()
        try:
            return part()
        except DesignError as error:
            if not isinstance(error, Follows) and str(error) not in map(str, self.errors):
                self.errors.append(error)
            self.broken.add(name)
            self.open.clear()
            return None

    def inside(
        self, top: Mapping, source: Source, params: Names[str, Param], given: Names[str, Node], chain: list[str]
    ) -> Reader:
        """The reader of a design that this one uses; its first mistake is raised."""
        return Reader(top, source, params, given, chain, used_lengths=self.used_lengths)

    # ── Names ───────────────────────────────────────────────────────────────

    def fresh(self, name: str, span: Span) -> None:
        fresh_name(name, span)
        for kind, taken in (("a parameter", self.params), ("a signal", self.signals), ("a `let`", {})):
            if name in taken:
                raise DesignError(located(span, f"{name!r} is already {kind}", "choose another name"))

    def formula(self, value: Value, where: str, section: str = "") -> Node:
        if not isinstance(value, Scalar):
            raise DesignError(located(value.span, f"'{where}' is one formula", "write it on one line"))
        own = (self.params, self.signals, self.lets, self.used, ["drawn"] if self.draws else [])
        built_in = (name for name, row in SIGNALS.items() if row.section in ("", section))
        names = itertools.chain(built_in, *own)  # listed only where a message needs them

        def lookup(name: str, span: Span) -> Node | None:
            if name in SIGNALS and SIGNALS[name].section == section == "token":
                return signal(name, span)
            return self.lookup(name, span)

        return parse(value.text, where=where, place=value.place, lookup=lookup, names=names)

    def lookup(self, name: str, span: Span) -> Node | None:
        if name in self.broken:
            raise Follows(name)
        if name == "drawn":
            return self.draws
        if name in SIGNALS:
            return signal(name, span) if not SIGNALS[name].section else None
        if name in self.signals:
            return Name(name, span, ANSWER, False)
        if name in self.given:
            return self.given[name]
        if name in self.used:
            return self.used[name]
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

    def scheduled(self, param: Param, base: Node) -> Node:
        """What the name of a parameter stands for: its value, or what its schedule makes of it."""
        node = base
        if param.schedule is not None:
            node = Named(param.name, _replaced(param.schedule, param.name, base), param.span)
        if param.low is not None or param.whole:
            self.bounds.append(Bound(param.name, node, param.low, param.high, param.span, param.whole))
        return node

    # ── Sections of a word, or of names ─────────────────────────────────────

    def section(self, key: str) -> dict[str, tuple[Scalar, Value]]:
        value = self.top.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            hint = f"write:  {key}:\n          name: formula"
            raise DesignError(located(self.top.entries[key][0].span, f"'{key}' is a mapping of names", hint))
        return value.entries

    def word(self, key: str) -> str:
        value = self.top.get(key)
        if value is None:
            return ""
        if not isinstance(value, Scalar) or not value.text:
            raise DesignError(located(value.span, f"'{key}' is one word"))
        return value.text

    def own_signals(self) -> dict[str, str]:
        found = {}
        for name, (scalar, value) in self.section("signals").items():
            fresh_name(name, scalar.span)
            if not isinstance(value, Scalar):
                raise DesignError(located(value.span, f"say in a few words what {name!r} is"))
            if name in self.params:
                raise DesignError(located(scalar.span, f"{name!r} is already a parameter", "choose another name"))
            found[name] = value.text
        return found

    def drop_missing(self) -> bool:
        word = self.word("on_missing")
        if word not in ("", "error", "drop"):
            raise DesignError(
                located(self.top.get("on_missing").span, f"on_missing: {word}", "it is `error` (the default) or `drop`")
            )
        return word == "drop"


def _refuse_shares_of_N(roots: Iterable[Node]) -> None:
    """Where answers are left out, N is another one from group to group, and no share of what has no group."""
    for node in (node for root in roots for node in walk(root)):
        if isinstance(node, Reduce) and node.over != GROUP:
            for argument in node.arguments:
                if any(isinstance(part, Name) and part.name == "N" for part in walk(argument)):
                    message = "with on_missing: drop, groups differ in N, and this is one share for all of them"
                    raise DesignError(located(argument.span, message, "take a number, or a parameter"))


def _replaced(node: Node, name: str, new: Node) -> Node:
    """`node` with the name replaced; for schedules, which are small."""
    match node:
        case Name(name=found):
            return new if found == name else node
        case Apply() | Choose():
            return replace(node, operands=tuple(_replaced(operand, name, new) for operand in node.operands))
    return node
