"""The sections of a design file → formulas with every name resolved.

    name: passk                                  default: the file's name
    correct: score >= 1                          which answers count as correct
    signals: {distinct: what it is}              numbers an answer that a reward function returns besides
    on_missing: drop                             leave an answer out of which a number is missing; default: an error
    params: {k: {default: 4, range: [1, N]}}     or  k: 4; see params.py
    use: {grpo: grpo.yaml}                       another design's advantage as a name
    let:
      miss: binomial(n_neg, k) / binomial(N, k)  in any order, without circles
    draws: {size: k, count: N, reward: max(r), advantage: ..., flat: 0}
    keep: 0 < n_pos < N                          the others get 0 and are in no statistic over the batch
    advantage: r - mean(r)                       or
    advantage: {correct: ..., wrong: ..., flat: ...}
    advantage: {each: ..., flat: ...}
    token: A + token_surprisal                   what each token of an answer gets
    claims: [zero_sum, ...]                      what the design says of itself; claims.py reads it, nothing here does

`flat` is what every answer of a group gets when a formula has no value for one of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Mapping as Names
from dataclasses import dataclass, replace
from fractions import Fraction
from os.path import realpath
from pathlib import Path
from typing import TypeVar

from shaping.document import MAX_TEXT, Mapping, Scalar, Value, beside, edited, flow, read, read_text
from shaping.errors import DesignError, Source, Span, located
from shaping.expression import MAX_DEPTH, parse
from shaping.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Number, Reduce, walk
from shaping.params import Bound, Param, fresh_name, read_params
from shaping.size import refuse_too_large
from shaping.vocabulary import ANSWER, BATCH, CONSTANT, GROUP, OPERATORS, SIGNALS, TOKEN

SECTIONS = (
    "name",
    "correct",
    "signals",
    "on_missing",
    "params",
    "use",
    "let",
    "draws",
    "keep",
    "advantage",
    "token",
    "claims",
)
DEFAULT_VERDICT = "score >= 1"
T = TypeVar("T")
MAX_USE = 8  # designs that use designs that use ...
MAX_USED = 64  # used designs in all: two uses of two uses of ... double


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
    keep: Node | None
    advantage: Node
    token: Node | None


def read_design(source: Source, chosen: Names[str, object]) -> tuple[Sections, str]:
    """The sections of a file, and its text with `chosen` parameters and used designs written into it.

    Raises:
      DesignError: at the first thing that is not part of a design.
    """
    reader, edits = _reader(source, chosen, None)
    sections = reader.sections()
    bounds = (node for bound in sections.bounds for node in (bound.value, bound.low, bound.high))
    refuse_too_large([*filter(None, (sections.advantage, sections.token, sections.keep, sections.verdict)), *bounds])
    resolved = edited(source.text, edits + reader.edits)
    if len(resolved) > MAX_TEXT:
        message = f"longer than {MAX_TEXT:,} characters with the designs that it uses written into it"
        raise DesignError(f"{source.path}: {message}")
    return sections, resolved


def problems(source: Source, chosen: Names[str, object]) -> list[DesignError]:
    """What is wrong with a file: the first mistake of each formula and section, none that follows from another."""
    found: list[DesignError] = []
    try:
        reader, _ = _reader(source, chosen, found)
        reader.sections()
    except DesignError as error:  # one that nothing can be read behind
        if not isinstance(error, _Follows):
            found.append(error)
    return found


def _reader(
    source: Source, chosen: Names[str, object], errors: list[DesignError] | None
) -> tuple[_Reader, list[tuple[Scalar, str]]]:
    top = read(source)
    for key in ("objective", "phi"):
        if key in top.entries and "advantage" not in top.entries:
            hint = f"make it one for your N: python -m shaping derive {Path(source.path).name} --n 16 > design.yaml"
            raise DesignError(located(top.entries[key][0].span, "an objective is not a design yet", hint))
    params, edits = read_params(top.get("params"), chosen, source)
    given: dict[str, Node] = {name: Name(name, param.span, CONSTANT, True) for name, param in params.items()}
    return _Reader(top, source, params, given, [source.path], errors), edits


class _Follows(DesignError):
    """A formula needs a name whose own formula is wrong: that one is told, this one not."""


class _Reader:
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
            self.attempt(lambda key=key: Mapping({key: top.entries[key]}, top.span).only(SECTIONS, "in a design"))
        self.bounds: list[Bound] = []
        self.edits: list[tuple[Scalar, str]] = []
        self.used: dict[str, Node] = {}
        self.draws: Node | None = None
        self.signals = self.attempt(self.own_signals) or {}
        self.given = {name: self.scheduled(params[name], base) for name, base in given.items()}
        self.lets = self.section("let")
        for key, (scalar, _) in self.lets.items():
            self.attempt(lambda key=key, scalar=scalar: self.fresh(key, scalar.span))
        self.read_used()
        self.draws = self.attempt(self.read_draws, name="drawn")

    def sections(self) -> Sections:
        if "advantage" not in self.top.entries:
            hint = "say what an answer gets: `advantage: r - mean(r)`"
            raise DesignError(located(self.source.span(0, 1), "a design needs `advantage:`", hint))
        for name, (scalar, _) in self.lets.items():  # those that nothing uses too: a mistake in one is a mistake
            self.attempt(lambda name=name, scalar=scalar: self.lookup(name, scalar.span), name)
        keep = self.attempt(self.keep)
        advantage = self.attempt(lambda: self.advantage(self.top.get("advantage")))
        token = self.attempt(self.token)
        verdict, drop_missing = self.attempt(self.verdict), self.attempt(self.drop_missing)
        if self.errors:
            raise _Follows(f"{self.source.path}: {len(self.errors)} mistakes")
        if keep is not None:
            advantage = Choose((keep, advantage, Number(Fraction(0), keep.span)), keep.span)
        if drop_missing and any(isinstance(node, Draws) for node in walk(advantage)):
            hint = "leave answers without a reward an error, or out of the reward function"
            span = self.top.get("on_missing").span
            raise DesignError(located(span, "draws of a fixed size cannot leave answers out", hint))
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
            if not isinstance(error, _Follows) and str(error) not in map(str, self.errors):
                self.errors.append(error)
            self.broken.add(name)
            self.open.clear()
            return None

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
                return _signal(name, span)
            return self.lookup(name, span)

        return parse(value.text, where=where, place=value.place, lookup=lookup, names=names)

    def lookup(self, name: str, span: Span) -> Node | None:
        if name in self.broken:
            raise _Follows(name)
        if name == "drawn":
            return self.draws
        if name in SIGNALS:
            return _signal(name, span) if not SIGNALS[name].section else None
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
        if param.low is not None:
            self.bounds.append(Bound(param.name, node, param.low, param.high, param.span))
        return node

    # ── Sections ────────────────────────────────────────────────────────────

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

    def keep(self) -> Node | None:
        if self.top.get("keep") is None:
            return None
        value = self.top.get("keep")
        node = self.formula(value, "keep")
        if node.scope not in (GROUP, ANSWER):
            raise DesignError(
                located(value.span, "'keep' is the same for all groups", "a condition on n_pos, length ...")
            )
        return node

    def advantage(self, value: Value) -> Node:
        if not isinstance(value, Mapping):
            return self.formula(value, "advantage")
        value.only(("correct", "wrong", "each", "flat"), "under 'advantage'")
        keys = set(value.entries) - {"flat"}
        if keys not in ({"correct", "wrong"}, {"each"}):
            hint = "give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either"
            raise DesignError(
                located(value.span, f"'advantage' has {' and '.join(sorted(keys)) or 'no formula'}", hint)
            )
        nodes = {
            key: self.attempt(lambda key=key, part=part: self.formula(part, f"advantage.{key}"))
            for key, (_, part) in value.entries.items()
        }
        if None in nodes.values():
            raise _Follows("advantage")
        if "each" in nodes:
            body = nodes["each"]
        else:
            span = value.entries["correct"][0].span
            body = Choose((Name("correct", span, ANSWER, True), nodes["correct"], nodes["wrong"]), span)
        return Fallback(body, nodes["flat"], nodes["flat"].span) if "flat" in nodes else body

    def token(self) -> Node | None:
        if self.top.get("token") is None:
            return None
        value = self.top.get("token")
        node = self.formula(value, "token", "token")
        if node.scope != TOKEN:
            hint = "use token_logprob, token_surprisal or position, or leave the section out"
            raise DesignError(located(value.span, "'token' does not look at the token", hint))
        return node

    def read_draws(self) -> Node | None:
        entries = self.section("draws")
        if not entries:
            return None
        section, span = self.top.get("draws"), self.top.entries["draws"][0].span
        section.only(("size", "count", "disjoint", "reward", "advantage", "flat"), "under 'draws'")
        for key in ("size", "count", "reward", "advantage"):
            if key not in entries:
                raise DesignError(
                    located(span, f"'draws' has no {key!r}", "size, count, reward and advantage are needed")
                )
        size, count = (self.formula(entries[key][1], f"draws.{key}") for key in ("size", "count"))
        for key, node in (("size", size), ("count", count)):
            if node.scope != CONSTANT:
                raise DesignError(located(entries[key][1].span, f"'draws.{key}' is the same for all groups"))
        disjoint = section.get("disjoint")
        words = {"yes": True, "true": True, "no": False, "false": False}
        if disjoint is not None and (not isinstance(disjoint, Scalar) or disjoint.text not in words):
            raise DesignError(located(disjoint.span, "'draws.disjoint' is yes or no"))

        def answers(name: str, span: Span) -> Node | None:
            node = self.lookup(name, span)
            if node is None or any(isinstance(part, Reduce) for part in walk(node)):
                return None
            own = all(part.scope in (CONSTANT, ANSWER) for part in walk(node) if isinstance(part, Name))
            return node if own else None

        def results(name: str, span: Span) -> Node | None:
            if name == "reward":
                return Name("reward", span, ANSWER, False)
            node = self.lookup(name, span)
            return node if node is not None and node.scope == CONSTANT else None

        names = {*self.params, *self.signals, "N"}
        signals = {name for name, row in SIGNALS.items() if row.scope == ANSWER and not row.section}
        reward = self.part(entries["reward"][1], "draws.reward", answers, names | signals)
        if reward.scope != GROUP:
            raise DesignError(
                located(entries["reward"][1].span, "'draws.reward' is one value a draw", "reward: max(r)")
            )
        advantage = self.part(entries["advantage"][1], "draws.advantage", results, names | {"reward"})
        if "flat" in entries:
            flat = self.part(entries["flat"][1], "draws.flat", results, names)
            advantage = Fallback(advantage, flat, flat.span)
        return Draws(size, count, disjoint is not None and words[disjoint.text], reward, advantage, span)

    def part(self, value: Value, where: str, lookup, names: set[str]) -> Node:
        if not isinstance(value, Scalar):
            raise DesignError(located(value.span, f"'{where}' is one formula", "write it on one line"))
        node = parse(value.text, where=where, place=value.place, lookup=lookup, names=names)
        for inner in walk(node):
            if isinstance(inner, Reduce) and inner.over not in (GROUP, ANSWER):
                raise DesignError(located(inner.span, f"'{where}' looks at other groups", "leave out over=batch"))
        return node

    def verdict(self) -> Node:
        value = self.top.get("correct")
        if value is None:
            value = read(Source("<default>", f"correct: {DEFAULT_VERDICT}")).get("correct")
        if not isinstance(value, Scalar):
            raise DesignError(
                located(value.span, "'correct' is one formula over `score`", "for example: correct: score > 0.5")
            )

        def lookup(name: str, span: Span) -> Node | None:
            return _signal(name, span) if name == "score" else self.given.get(name)

        node = parse(value.text, where="correct", place=value.place, lookup=lookup, names={"score", *self.params})
        for part in walk(node):
            if isinstance(part, Reduce):
                hint = "each answer is judged by its own score; compare groups in `advantage`"
                raise DesignError(located(part.span, "'correct' looks at other answers", hint))
        if node.scope != ANSWER:
            raise DesignError(located(value.span, "'correct' does not look at the answer", "use `score`: score > 0.5"))
        return node

    # ── Other designs ───────────────────────────────────────────────────────

    def read_used(self) -> None:
        for name, (scalar, value) in self.section("use").items():
            self.attempt(lambda name=name, scalar=scalar, value=value: self.read_one_used(name, scalar, value), name)

    def read_one_used(self, name: str, scalar: Scalar, value: Value) -> None:
        self.fresh(name, scalar.span)
        if name in self.lets:
            raise DesignError(located(scalar.span, f"{name!r} is already a `let`", "choose another name"))
        self.used[name] = Named(name, self.use(value), scalar.span)

    def use(self, value: Value) -> Node:
        """The advantage of another design, with its parameters as this one sets them."""
        values: dict[str, tuple[Scalar, Value]] = {}
        design = value
        if isinstance(value, Mapping) and "design" in value.entries:
            value.only(("design", "params"), "of a used design")
            design = value.get("design")
            if (params := value.get("params")) is not None:
                if not isinstance(params, Mapping):
                    raise DesignError(located(params.span, "'params' is a mapping", "params: {k: 8}"))
                values = params.entries
        if isinstance(design, Mapping):  # written out in this file
            top, source, chain = design, self.source, self.chain
            self.used_lengths.append(0)
        elif isinstance(design, Scalar):
            top, source = self.other(design)
            chain = [*self.chain, source.path]
        else:
            raise DesignError(located(design.span, "a used design is the name of a file", "grpo: grpo.yaml"))
        if len(self.used_lengths) > MAX_USED:
            raise DesignError(located(design.span, f"more than {MAX_USED} used designs in all"))
        params, _ = read_params(top.get("params"), {}, source)
        given: dict[str, Node] = {}
        for name, param in params.items():
            node: Node = Number(param.value, param.span)
            if name in values:
                key, formula = values[name]
                node = self.formula(formula, f"use.params.{name}")
                if node.scope != CONSTANT:
                    raise DesignError(located(formula.span, f"parameter {name!r} is the same for all groups"))
                node = Named(name, node, key.span)
            given[name] = node
        for name, (key, _) in values.items():
            if name not in params:
                there = ", ".join(params) or "none"
                raise DesignError(located(key.span, f"the used design has no parameter {name!r}", f"it has: {there}"))
        reader = _Reader(top, source, params, given, chain, used_lengths=self.used_lengths)
        advantage = reader.sections().advantage
        self.refuse_what_is_not_passed_on(reader, advantage, design)
        self.bounds += [
            replace(bound, span=values[bound.name][1].span if bound.name in values else bound.span)
            for bound in reader.bounds
        ]
        self.signals |= reader.signals
        if isinstance(design, Scalar):
            self.edits.append((design, flow(top, dict(reader.edits))))
        else:
            self.edits += reader.edits
        return advantage

    def other(self, name: Scalar) -> tuple[Mapping, Source]:
        path = beside(name, self.source.path)
        if len(self.chain) > MAX_USE:
            raise DesignError(located(name.span, f"more than {MAX_USE} designs, each using the next"))
        if any(realpath(path) == realpath(seen) for seen in self.chain):
            circle = " → ".join([*(Path(seen).name for seen in self.chain), path.name])
            raise DesignError(located(name.span, f"a design uses itself: {circle}"))
        source = Source(str(path), read_text(path))
        self.used_lengths.append(len(source.text))
        if sum(self.used_lengths) > MAX_TEXT:
            raise DesignError(
                located(name.span, f"the designs that it uses have more than {MAX_TEXT:,} characters in all")
            )
        return read(source), source

    def refuse_what_is_not_passed_on(self, reader: _Reader, advantage: Node, where: Value) -> None:
        """Only the advantage is used: a file that relies on more would mean something else here."""
        mine, theirs = (top.get("correct") for top in (self.top, reader.top))
        if theirs is not None and (mine is None or _text(mine) != _text(theirs)):
            hint = f"write the same here: correct: {_text(theirs)}"
            raise DesignError(located(where.span, "the used design says itself which answers are correct", hint))
        statistics = any(isinstance(node, Reduce) and node.over == BATCH for node in walk(advantage))
        if reader.top.get("keep") is not None and statistics:
            hint = "its statistics over the batch are of what it keeps: write it out here"
            raise DesignError(located(where.span, "the used design has `keep` and statistics over the batch", hint))
        for key in ("token", "on_missing"):
            if reader.top.get(key) is not None:
                raise DesignError(located(where.span, f"the used design has a section {key!r}, which is not used here"))


def _signal(name: str, span: Span) -> Node:
    for base in ("logprob", "token_logprob"):
        if name == base.replace("logprob", "surprisal"):
            return Named(name, Apply(OPERATORS["negate"], (_signal(base, span),), span), span)
    row = SIGNALS[name]
    return Name(name, span, row.scope, row.counted)


def _replaced(node: Node, name: str, new: Node) -> Node:
    """`node` with the name replaced; for schedules, which are small."""
    match node:
        case Name(name=found):
            return new if found == name else node
        case Apply() | Choose():
            return replace(node, operands=tuple(_replaced(operand, name, new) for operand in node.operands))
    return node


def _text(value: Value) -> str:
    return " ".join(value.text.split()) if isinstance(value, Scalar) else ""
