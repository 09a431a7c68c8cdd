"""The section `use:` — another design's advantage as a name.

    use:
      grpo: grpo.yaml                              a file of the same folder or below
      passk: {design: passk.yaml, params: {k: 8}}  with parameters that are formulas of this file
      best: {advantage: max(r)}                    written out here; what a saved design has instead of a file

Only the advantage is used: a file that relies on more is refused, since it would mean something else here.
"""

from __future__ import annotations

from dataclasses import replace
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING

from shaping.errors import DesignError, Source, located
from shaping.language.document import MAX_TEXT, Mapping, Scalar, Value, beside, flow, read, read_text
from shaping.language.nodes import Named, Node, Number, Reduce, walk
from shaping.language.params import Param, read_params
from shaping.language.vocabulary import BATCH, CONSTANT

if TYPE_CHECKING:
    from shaping.language.reader import Reader

MAX_USE = 8  # designs that use designs that use ...
MAX_USED = 64  # used designs in all: two uses of two uses of ... double


def read_used(reader: Reader) -> None:
    """Every used design, into `reader.used`; what it brings with it, into the reader's bounds, signals and edits."""
    for name, (scalar, value) in reader.section("use").items():
        reader.attempt(lambda name=name, scalar=scalar, value=value: _read_one(reader, name, scalar, value), name)


def _read_one(reader: Reader, name: str, scalar: Scalar, value: Value) -> None:
    reader.fresh(name, scalar.span)
    if name in reader.lets:
        raise DesignError(located(scalar.span, f"{name!r} is already a `let`", "choose another name"))
    reader.used[name] = Named(name, _advantage(reader, value), scalar.span)


def _advantage(reader: Reader, value: Value) -> Node:
    """The advantage of another design, with its parameters as this one sets them."""
    design, values = _parts(value)
    if isinstance(design, Mapping):  # written out in this file
        top, source, chain = design, reader.source, reader.chain
        reader.used_lengths.append(0)
    elif isinstance(design, Scalar):
        top, source = _other(reader, design)
        chain = [*reader.chain, source.path]
    else:
        raise DesignError(located(design.span, "a used design is the name of a file", "grpo: grpo.yaml"))
    if len(reader.used_lengths) > MAX_USED:
        raise DesignError(located(design.span, f"more than {MAX_USED} used designs in all"))
    params, _ = read_params(top.get("params"), {}, source)
    inner = reader.inside(top, source, params, _given(reader, params, values), chain)
    sections = inner.sections()
    advantage = sections.advantage
    _refuse_what_is_not_passed_on(reader, inner, advantage, design)
    reader.bounds += [
        replace(bound, span=values[bound.name][1].span if bound.name in values else bound.span)
        for bound in inner.bounds
    ]
    reader.signals |= inner.signals
    reader.used_rewards += sections.rewards
    if isinstance(design, Scalar):
        reader.edits.append((design, flow(top, dict(inner.edits))))
    else:
        reader.edits += inner.edits
    return advantage


def _parts(value: Value) -> tuple[Value, dict[str, tuple[Scalar, Value]]]:
    """Which design, and what its parameters are set to."""
    if not isinstance(value, Mapping) or "design" not in value.entries:
        return value, {}
    value.only(("design", "params"), "of a used design")
    params = value.get("params")
    if params is not None and not isinstance(params, Mapping):
        raise DesignError(located(params.span, "'params' is a mapping", "params: {k: 8}"))
    return value.get("design"), params.entries if params is not None else {}


def _given(reader: Reader, params: dict[str, Param], values: dict[str, tuple[Scalar, Value]]) -> dict[str, Node]:
    """What the names of the used design's parameters stand for."""
    given: dict[str, Node] = {}
    for name, param in params.items():
        node: Node = Number(param.value, param.span)
        if name in values:
            key, formula = values[name]
            node = reader.formula(formula, f"use.params.{name}")
            if node.scope != CONSTANT:
                raise DesignError(located(formula.span, f"parameter {name!r} is the same for all groups"))
            node = Named(name, node, key.span)
        given[name] = node
    for name, (key, _) in values.items():
        if name not in params:
            there = ", ".join(params) or "none"
            raise DesignError(located(key.span, f"the used design has no parameter {name!r}", f"it has: {there}"))
    return given


def _other(reader: Reader, name: Scalar) -> tuple[Mapping, Source]:
    path = beside(name, reader.source.path)
    if len(reader.chain) > MAX_USE:
        raise DesignError(located(name.span, f"more than {MAX_USE} designs, each using the next"))
    if any(realpath(path) == realpath(seen) for seen in reader.chain):
        circle = " → ".join([*(Path(seen).name for seen in reader.chain), path.name])
        raise DesignError(located(name.span, f"a design uses itself: {circle}"))
    source = Source(str(path), read_text(path))
    reader.used_lengths.append(len(source.text))
    if sum(reader.used_lengths) > MAX_TEXT:
        message = f"the designs that it uses have more than {MAX_TEXT:,} characters in all"
        raise DesignError(located(name.span, message))
    return read(source), source


def _refuse_what_is_not_passed_on(reader: Reader, inner: Reader, advantage: Node, where: Value) -> None:
    mine, theirs = (each.top.get("correct") for each in (reader, inner))
    if theirs is not None and (mine is None or _text(mine) != _text(theirs)):
        hint = f"write the same here: correct: {_text(theirs)}"
        raise DesignError(located(where.span, "the used design says itself which answers are correct", hint))
    statistics = any(isinstance(node, Reduce) and node.over == BATCH for node in walk(advantage))
    if inner.top.get("keep") is not None and statistics:
        hint = "its statistics over the batch are of what it keeps: write it out here"
        raise DesignError(located(where.span, "the used design has `keep` and statistics over the batch", hint))
    for key in ("token", "on_missing"):
        if inner.top.get(key) is not None:
            raise DesignError(located(where.span, f"the used design has a section {key!r}, which is not used here"))


def _text(value: Value) -> str:
    return " ".join(value.text.split()) if isinstance(value, Scalar) else ""
