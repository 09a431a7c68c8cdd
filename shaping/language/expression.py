"""The text of one formula → an expression whose every node knows its place in the file.

Python's own parser reads the text (the grammar of arithmetic is the one a
researcher types anyway); then only what stands in `vocabulary` is let through.
Nothing is ever evaluated: an attribute, a call of an unknown name, a string or
a lambda is an error with a caret under it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from shaping.errors import DesignError, Span, located, names_hint
from shaping.language.instead import CALLS, NAMES, SIGNS, instead, of_text
from shaping.language.nodes import Apply, Choose, Node, Number, Reduce
from shaping.language.vocabulary import (
    ANSWER,
    BATCH,
    CONSTANT,
    FUNCTIONS,
    GROUP,
    OPERATORS,
    REDUCTIONS,
    SCOPES,
    SIGNALS,
    TOKEN,
    Function,
    Reduction,
)

MAX_LENGTH = 4_000  # characters
MAX_DEPTH = 100


def parse(
    text: str,
    *,
    where: str,
    place: Callable[[int, int], Span],
    lookup: Callable[[str, Span], Node | None],
    names: Iterable[str],
    functions: Mapping[str, Function] = FUNCTIONS,
) -> Node:
    """Read one formula.

    Args:
      text: the formula.
      where: what it is, for messages: 'advantage.wrong'.
      place: character offsets in `text` → the span in the file.
      lookup: a name → what it stands for, or None if there is no such name.
      names: every name `lookup` knows, for hints.
      functions: those that may be called, besides reductions; an objective has its own (objective.py).

    Raises:
      DesignError: at the first thing that is not part of the language.
    """
    if len(text) > MAX_LENGTH:
        raise DesignError(located(place(0, 1), f"'{where}' is longer than {MAX_LENGTH:,} characters"))
    if "#" in text:  # a line break counts as a blank, so a comment would swallow the lines after it
        at = text.index("#")
        raise DesignError(
            located(place(at, at + 1), f"a comment inside '{where}'", "put it on a line of its own, outside")
        )
    foreign = re.search(r"[^\x20-\x7e\s]", text)
    if foreign:
        message = f"character {foreign.group()!r} in '{where}' is not part of the language"
        raise DesignError(located(place(*foreign.span()), message, "formulas are written in ASCII: - * / ** <= !="))
    # Same length, so offsets stay true: a formula is one line, and 010 is ten.
    line = re.sub(
        r"(?<![\w.])(?<![\d.][eE][-+])0+(?=\d)", lambda zeros: " " * len(zeros.group()), re.sub(r"\s", " ", text)
    )
    indent = len(line) - len(line.lstrip())
    try:
        tree = ast.parse(line.strip(), mode="eval").body
    except (RecursionError, MemoryError):
        raise DesignError(located(place(indent, indent + 1), f"'{where}' is nested too deep to read")) from None
    except SyntaxError as error:
        # Offset 0 or beyond the text means: something is missing at the end.
        at = indent + error.offset - 1 if error.offset else len(line.rstrip())
        raise DesignError(
            located(place(at, at + 1), f"cannot read '{where}' as a formula", _syntax_hint(text))
        ) from None
    return _Reader(line, indent, where, place, lookup, names, {**FUNCTIONS, **functions}).read(tree, 0)


def _syntax_hint(text: str) -> str:
    if not text.strip():
        return "write a formula here; 0 is one"
    if re.search(r"\bif\s*\(", text):
        return "a choice is written: a if n_pos > 0 else b"
    if re.search(r"(?<![=<>!])=(?![=<>/])", text):
        return "two values are compared with =="
    if re.search(r"\bif\b", text) and not re.search(r"\belse\b|\bthen\b", text):
        return "a choice has an else: a if n_pos > 0 else b"
    return of_text(text) or "check the parentheses and operators around this place"


_BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.Lt: "less",
    ast.LtE: "at_most",
    ast.Gt: "more",
    ast.GtE: "at_least",
    ast.Eq: "equal",
    ast.NotEq: "unequal",
    ast.And: "and",
    ast.Or: "or",
}


@dataclass(frozen=True)
class _Reader:
    text: str
    indent: int
    where: str
    place: Callable[[int, int], Span]
    lookup: Callable[[str, Span], Node | None]
    names: Iterable[str]
    functions: Mapping[str, Function]

    def read(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.refuse(tree, f"is nested more than {MAX_DEPTH} deep", "give a part of it a name under `let:`")

        def inner(part: ast.expr) -> Node:
            return self.read(part, depth + 1)

        match tree:
            case ast.Constant():
                return Number(self.number(tree), self.span(tree))
            case ast.Name(id=name):
                return self.name(tree, name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return inner(operand)
            case ast.UnaryOp(op=ast.USub() | ast.Not() as sign, operand=operand):
                row = OPERATORS["negate" if isinstance(sign, ast.USub) else "not"]
                return self.apply(row, [inner(operand)], tree)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.apply(OPERATORS[_BINARY[type(op)]], [inner(left), inner(right)], tree)
            case ast.BinOp(op=ast.BitXor()):
                self.refuse(tree, "uses ^", "a power is written **")
            case ast.BoolOp(op=op, values=values):
                return self.chain([inner(value) for value in values], [_BINARY[type(op)]] * len(values), tree)
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _BINARY for op in ops):
                sides = [inner(left), *map(inner, rights)]
                pairs = [
                    self.apply(OPERATORS[_BINARY[type(op)]], [a, b], tree)
                    for op, a, b in zip(ops, sides, sides[1:], strict=False)
                ]
                return self.chain(pairs, ["and"] * len(pairs), tree)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                parts = (inner(test), inner(body), inner(orelse))
                return Choose(parts, self.span(tree))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                return self.call(tree, name, [inner(arg) for arg in args], keywords, inner)
            case _:
                self.refuse(tree, "is not part of the language", _foreign(tree))

    def name(self, tree: ast.Name, name: str) -> Node:
        found = self.lookup(name, self.span(tree))
        if found is None:
            if name in self.functions or name in REDUCTIONS:
                self.refuse(tree, "is a function", f"call it: {name}(...)")
            if name in SIGNALS and SIGNALS[name].section:
                known = "is made by the section" if SIGNALS[name].section == "draws" else "exists only in the section"
                self.refuse(tree, "is not known here", f"it {known} `{SIGNALS[name].section}:`")
            message = f"unknown name {name!r} in '{self.where}'"
            names = set(self.names)
            hint = instead(name, NAMES, names) if "r" in names else ""  # what it names is known there
            hint = hint or names_hint(name, names)
            raise DesignError(located(self.span(tree), message, hint))
        return found

    def call(
        self,
        tree: ast.Call,
        name: str,
        args: list[Node],
        keywords: list[ast.keyword],
        inner: Callable[[ast.expr], Node],
    ) -> Node:
        if name in REDUCTIONS and (len(args) == 1 or name not in self.functions):
            return self.reduce(tree, REDUCTIONS[name], args, keywords, inner)
        if name not in self.functions:
            known = {*self.functions, *REDUCTIONS}
            message = f"unknown function {name!r} in '{self.where}'"
            hint = instead(name, CALLS, known) or names_hint(name, known, "functions")
            if name in set(self.names):
                hint = f"{name} is a value: write it without (...)"
            raise DesignError(located(self.span(tree.func), message, hint))
        fewest, most = self.functions[name].arity
        if keywords:
            self.refuse(tree, "takes no options", f"{name} takes values alone")
        if not fewest <= len(args) <= most:
            count = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.refuse(tree, f"takes {count} argument{'s' * (most > 1)}, got {len(args)}")
        return self.apply(self.functions[name], args, tree)

    def reduce(
        self,
        tree: ast.Call,
        row: Reduction,
        args: list[Node],
        keywords: list[ast.keyword],
        inner: Callable[[ast.expr], Node],
    ) -> Node:
        if len(args) != 1 + len(row.arguments):
            wanted = " and ".join(["one value to reduce", *row.arguments])
            self.refuse(tree, f"takes {wanted}, got {len(args)} argument{'s' * (len(args) != 1)}")
        for name, value, part in zip(row.arguments, args[1:], tree.args[1:], strict=True):
            if value.scope != CONSTANT:
                self.refuse(part, f"is no value for {name}", "the same for all groups: a number, a parameter, N")
        options, over, where = dict(row.options), None, None
        allowed = [*(("where", "over") if row.selects else ()), *options]
        for i, keyword in enumerate(keywords):
            if keyword.arg not in allowed:
                what = f"has no option {keyword.arg!r}" if keyword.arg else "uses **"
                listed = ", ".join(f"{option}=" for option in allowed) or "none"
                self.refuse(tree, what, f"options of {row.name}: {listed}")
            if keyword.arg in [before.arg for before in keywords[:i]]:
                self.refuse(keyword.value, f"gives {keyword.arg}= a second time", "keep one of the two")
            match keyword.arg, keyword.value:
                case "where", value:
                    where = inner(value)
                case "over", ast.Name(id="batch"):
                    over = BATCH
                case "over", value:
                    self.refuse(value, "is no value for over=", "over=batch; without it, over the group's answers")
                case option, ast.Constant(value=int(value)) if type(value) is int and value >= 0:
                    options[option] = value
                case option, value:
                    self.refuse(value, f"is no value for {option}=", "a whole number, 0 or more")
        over = self.over(tree, row, args[0], over)
        if where is not None and SCOPES.index(where.scope) > SCOPES.index(args[0].scope):
            self.refuse(tree, f"selects {_per(where.scope)} from one value {_per(args[0].scope)}", "reduce one of them")
        return Reduce(row, args[0], self.span(tree), where, tuple(args[1:]), tuple(options.items()), over)

    def over(self, tree: ast.Call, row: Reduction, operand: Node, over: str | None) -> str:
        """What is reduced: the values of a group, of the batch, of an answer's tokens."""
        if over == BATCH:
            if operand.scope in (GROUP, ANSWER):
                return BATCH
            self.refuse(
                tree.args[0], f"is one value {_per(operand.scope)}", "over=batch takes one a group or an answer"
            )
        if operand.scope == TOKEN and row.selects:
            return ANSWER
        if operand.scope != ANSWER:
            what = f"reduces over the answers of a group, but this is one value {_per(operand.scope)}"
            hint = f"use it as it is, without {row.name}(...)"
            if operand.scope == GROUP and row.selects:
                hint += f"; over the groups of the batch: {row.name}(..., over=batch)"
            self.refuse(tree.args[0], what, hint)
        return GROUP

    def apply(self, row: Function, operands: list[Node], tree: ast.expr) -> Apply:
        node = Apply(row, tuple(operands), self.span(tree))
        if not row.torch and not node.counted:
            hint = f"{row.name} takes counts: N, n_pos, n_neg, parameters"
            self.refuse(tree, "depends on the rewards themselves", hint)
        return node

    def chain(self, parts: list[Node], rows: list[str], tree: ast.expr) -> Node:
        result = parts[0]
        for part, row in zip(parts[1:], rows, strict=False):
            result = self.apply(OPERATORS[row], [result, part], tree)
        return result

    def number(self, tree: ast.Constant) -> Fraction:
        text = self.text[self.indent + tree.col_offset : self.indent + tree.end_col_offset]
        if isinstance(tree.value, bool):
            self.refuse(tree, "is not a number of the language", f"write {int(tree.value)}")
        if isinstance(tree.value, str | bytes):
            self.refuse(tree, "is text", "a reward function reads texts, and returns a number: `signals:`")
        if type(tree.value) not in (int, float) or not re.fullmatch(r"[\d_.]+([eE][-+]?\d{1,4})?", text):
            self.refuse(tree, "is not a number of the language", "write it in decimals: 0.5, 1e-6, 16")
        return Fraction(text.replace("_", ""))  # as written: 0.1 is one tenth, not its nearest float

    def span(self, tree: ast.expr) -> Span:
        return self.place(self.indent + tree.col_offset, self.indent + tree.end_col_offset)

    def refuse(self, tree: ast.expr, what: str, hint: str = "") -> NoReturn:
        shown = self.text[self.indent + tree.col_offset : self.indent + tree.end_col_offset]
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        raise DesignError(located(self.span(tree), f"'{shown}' in '{self.where}' {what}", hint))


def _foreign(tree: ast.expr) -> str:
    """What to write instead of something that Python has and the language has not."""
    match tree:
        case ast.BinOp(op=op) | ast.UnaryOp(op=op) if type(op).__name__ in SIGNS:
            return SIGNS[type(op).__name__]
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Attribute(attr=name):
            return CALLS.get(name, f"names have no dots: write {name}(r), say")
        case ast.Call():
            return "a product has its sign: 2 * r"
        case ast.Subscript():
            return "a formula is about every answer at once: r is its own reward, mean(r) that of its group"
        case ast.Tuple(elts=parts) if all(isinstance(part, ast.Constant) for part in parts):
            return "a number has no commas: 1000 or 1_000"
        case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.List() | ast.Tuple():
            return "a formula is about every answer at once: sum(r), count(r > 0), mean(r, where=correct)"
        case ast.Compare(ops=ops) if any(isinstance(op, ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in ops):
            return "two values are compared with == and !="
    return "numbers, names, + - * / **, comparisons, a if c else b, functions"


def _per(scope: str) -> str:
    return {CONSTANT: "for all groups", BATCH: "a batch"}.get(scope, f"a{'n' * (scope == ANSWER)} {scope}")
