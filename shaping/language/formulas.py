"""The sections that are formulas, or made of them: what each may look at, and what it becomes.

    advantage:  r - mean(r)    or   {correct: ..., wrong: ..., flat: ...}   or   {each: ..., flat: ...}
    keep:       of a group or of an answer
    token:      of a token
    correct:    of an answer's own score
    draws:      {size: k, count: N, reward: of a draw's answers, advantage: of a group's draws, flat: ...}

Each function takes the reader of its file, which knows the names, and raises the DesignError of the first mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shaping.errors import DesignError, Follows, Source, Span, located
from shaping.language.document import Mapping, Scalar, Value, read
from shaping.language.expression import parse
from shaping.language.nodes import Choose, Draws, Fallback, Name, Node, Reduce, of_everyone, signal, walk
from shaping.language.size import refuse_too_large
from shaping.language.vocabulary import ANSWER, CONSTANT, GROUP, SIGNALS, TIME, TOKEN

if TYPE_CHECKING:
    from shaping.language.reader import Reader

DEFAULT_VERDICT = "score >= 1"


def advantage(reader: Reader, value: Value) -> Node:
    if not isinstance(value, Mapping):
        return reader.formula(value, "advantage")
    value.only(("correct", "wrong", "each", "flat"), "under 'advantage'")
    keys = set(value.entries) - {"flat"}
    if keys not in ({"correct", "wrong"}, {"each"}):
        hint = "give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either"
        raise DesignError(located(value.span, f"'advantage' has {' and '.join(sorted(keys)) or 'no formula'}", hint))
    nodes = {
        key: reader.attempt(lambda key=key, part=part: reader.formula(part, f"advantage.{key}"))
        for key, (_, part) in value.entries.items()
    }
    if None in nodes.values():
        raise Follows("advantage")
    if "each" in nodes:
        body = nodes["each"]
    else:
        span = value.entries["correct"][0].span
        body = Choose((Name("correct", span, ANSWER, True), nodes["correct"], nodes["wrong"]), span)
    return Fallback(body, nodes["flat"], nodes["flat"].span) if "flat" in nodes else body


def keep(reader: Reader) -> Node | None:
    value = reader.top.get("keep")
    if value is None:
        return None
    node = reader.formula(value, "keep")
    if node.scope not in (GROUP, ANSWER):
        hint = "a condition on n_pos, length ..."
        raise DesignError(located(value.span, "'keep' is the same for all groups", hint))
    refuse_too_large([node])  # before it is copied, a call within a call for each level
    return of_everyone(node)


def token(reader: Reader) -> Node | None:
    value = reader.top.get("token")
    if value is None:
        return None
    node = reader.formula(value, "token", "token")
    if node.scope != TOKEN:
        hint = "use token_logprob, token_surprisal or position, or leave the section out"
        raise DesignError(located(value.span, "'token' does not look at the token", hint))
    return node


def verdict(reader: Reader) -> Node:
    value = reader.top.get("correct")
    if value is None:
        value = read(Source("<default>", f"correct: {DEFAULT_VERDICT}")).get("correct")
    if not isinstance(value, Scalar):
        hint = "for example: correct: score > 0.5"
        raise DesignError(located(value.span, "'correct' is one formula over `score`", hint))

    def lookup(name: str, span: Span) -> Node | None:
        found = signal(name, span) if name == "score" else reader.given.get(name)
        if found is None and (hint := _beside_score(reader, name)):
            raise DesignError(located(span, f"unknown name {name!r} in 'correct'", hint))
        if found is not None and any(isinstance(part, Name) and part.name in TIME for part in walk(found)):
            hint = "take a parameter without a schedule; what changes over the run goes into `advantage:`"
            raise DesignError(located(span, f"'correct' means the same in every step, and {name!r} changes", hint))
        return found

    node = parse(value.text, where="correct", place=value.place, lookup=lookup, names={"score", *reader.params})
    for inner in walk(node):
        if isinstance(inner, Reduce):
            hint = "each answer is judged by its own score; compare groups in `advantage`"
            raise DesignError(located(inner.span, "'correct' looks at other answers", hint))
    if node.scope != ANSWER:
        raise DesignError(located(value.span, "'correct' does not look at the answer", "use `score`: score > 0.5"))
    return node


def _beside_score(reader: Reader, name: str) -> str:
    """What to do instead of judging an answer by this; '' for a name that nothing has."""
    if name in ("r", "reward", "rewards"):
        return "an answer is judged by its raw score, before length penalties: correct: score > 0.5"
    if name in reader.lets or name in reader.used:
        return f"`correct` reads score and parameters alone: write out what {name!r} stands for"
    if name in SIGNALS or name in reader.signals:
        elsewhere = "what else matters goes into `advantage:` or `keep:`, or into the score itself"
        return f"an answer is judged by its score alone; {elsewhere}"
    return ""


# ── Draws ───────────────────────────────────────────────────────────────────


def draws(reader: Reader) -> Draws | None:
    entries = reader.section("draws")
    if not entries:
        return None
    section, span = reader.top.get("draws"), reader.top.entries["draws"][0].span
    section.only(("size", "count", "disjoint", "reward", "advantage", "flat"), "under 'draws'")
    for key in ("size", "count", "reward", "advantage"):
        if key not in entries:
            hint = "size, count, reward and advantage are needed"
            raise DesignError(located(span, f"'draws' has no {key!r}", hint))
    size, count = (reader.formula(entries[key][1], f"draws.{key}") for key in ("size", "count"))
    for key, node in (("size", size), ("count", count)):
        if node.scope != CONSTANT:
            raise DesignError(located(entries[key][1].span, f"'draws.{key}' is the same for all groups"))
    disjoint = section.get("disjoint")
    words = {"yes": True, "true": True, "no": False, "false": False}
    if disjoint is not None and (not isinstance(disjoint, Scalar) or disjoint.text not in words):
        raise DesignError(located(disjoint.span, "'draws.disjoint' is yes or no"))

    def answers(name: str, span: Span) -> Node | None:
        node = reader.lookup(name, span)
        if node is None or any(isinstance(part, Reduce) for part in walk(node)):
            return None
        own = all(part.scope in (CONSTANT, ANSWER) for part in walk(node) if isinstance(part, Name))
        return node if own else None

    def results(name: str, span: Span) -> Node | None:
        if name == "reward":
            return Name("reward", span, ANSWER, False)
        node = reader.lookup(name, span)
        return node if node is not None and node.scope == CONSTANT else None

    names = {*reader.params, *reader.signals, "N"}
    signals = {name for name, row in SIGNALS.items() if row.scope == ANSWER and not row.section}
    reward = _of_draws(entries["reward"][1], "draws.reward", answers, names | signals)
    if reward.scope != GROUP:
        raise DesignError(located(entries["reward"][1].span, "'draws.reward' is one value a draw", "reward: max(r)"))
    result = _of_draws(entries["advantage"][1], "draws.advantage", results, names | {"reward"})
    if "flat" in entries:
        flat = _of_draws(entries["flat"][1], "draws.flat", results, names)
        result = Fallback(result, flat, flat.span)
    return Draws(size, count, disjoint is not None and words[disjoint.text], reward, result, span)


def _of_draws(value: Value, where: str, lookup: Callable[[str, Span], Node | None], names: set[str]) -> Node:
    if not isinstance(value, Scalar):
        raise DesignError(located(value.span, f"'{where}' is one formula", "write it on one line"))
    node = parse(value.text, where=where, place=value.place, lookup=lookup, names=names)
    for inner in walk(node):
        if isinstance(inner, Reduce) and inner.over not in (GROUP, ANSWER):
            raise DesignError(located(inner.span, f"'{where}' looks at other groups", "leave out over=batch"))
    return node
