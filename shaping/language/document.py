"""YAML text → keys and values that know their place, and nothing more.

PyYAML composes the node graph; no object is ever constructed from it. Every
scalar stays the text that was typed, so `010`, `1e-6`, `on` and `no` reach the
formula reader as they stand. Refused, because a shared file must be harmless
and must mean what it shows: tags, anchors and aliases, a second document,
duplicate keys (PyYAML alone keeps the last one silently).
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Names
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.resolver import BaseResolver

from shaping.errors import DesignError, Source, Span, located, names_hint

MAX_TEXT = 64_000  # characters, of a file and of all that it uses: 1,500 lines, and a second to read
MAX_SCALARS = 5_000  # keys and values; in a page of formulas there are a hundred
MAX_DEPTH = 32  # of mappings in mappings: eight designs, each written into the one that uses it, and their params
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)  # what a terminal acts on, or no file can hold

# YAML takes `> 0` for the beginning of folded text. After `rewards:` it is a comparison; while YAML reads, another
# character stands for it.
MORE = re.compile(r"""(?<=rewards)(["']?:[ \t]+)>(?=[ \t]*=?[ \t]*[-.]?\w)""")
STANDS_FOR_MORE = "\ue000"


@dataclass(frozen=True, eq=False)
class Scalar:
    text: str
    source: Source
    offsets: tuple[int, ...]  # place of each character of `text` in the source, and of its end

    def place(self, start: int, end: int) -> Span:
        """Characters start..end of `text` → their span in the file."""
        last = len(self.offsets) - 1
        start, end = min(start, last), min(max(end, start + 1), last)
        return self.source.span(
            self.offsets[start], self.offsets[end - 1] + 1 if end > start else self.offsets[start] + 1
        )

    @property
    def span(self) -> Span:
        return self.place(0, len(self.text))


@dataclass(frozen=True)
class Items:
    items: tuple[Value, ...]
    span: Span


@dataclass(frozen=True)
class Mapping:
    entries: dict[str, tuple[Scalar, Value]]  # key → the key's own text, and its value
    span: Span

    def only(self, known: Iterable[str], where: str) -> None:
        """Refuse keys that mean nothing here."""
        for key, (scalar, _) in self.entries.items():
            if key not in known:
                raise DesignError(
                    located(scalar.span, f"unknown key {key!r} {where}", names_hint(key, known, "keys here"))
                )

    def get(self, key: str) -> Value | None:
        return self.entries[key][1] if key in self.entries else None


Value = Scalar | Items | Mapping


def read(source: Source) -> Mapping:
    """The top level of a design file.

    Raises:
      DesignError: the text is not YAML, not a mapping, or uses what is refused above.
    """
    if len(source.text) > MAX_TEXT:
        raise DesignError(f"{source.path}: longer than {MAX_TEXT:,} characters; a design is a page of formulas")
    try:
        node = _Composer(_tokens(source)).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.index if mark else 0
        raise DesignError(located(source.span(at, at + 1), f"not YAML: {error.problem or error.context}")) from None
    except yaml.reader.ReaderError as error:
        at = source.text.find(chr(error.character)) if isinstance(error.character, int) else 0
        raise DesignError(located(source.span(max(at, 0), at + 1), f"not YAML: {error.reason}")) from None
    if node is None:
        raise DesignError(f"{source.path}:1:1: the file is empty\nhint: a design needs at least `advantage: <formula>`")
    value = _value(node, source)
    if not isinstance(value, Mapping):
        raise DesignError(located(source.span(0, 1), "a design is a mapping of keys", "start with `name: ...`"))
    return value


def read_text(path: str | Path) -> str:
    """The text of a design file, or the first MAX_TEXT + 1 characters of it.

    Raises:
      DesignError: it cannot be read, or is not text.
    """
    with opened(path, "the design") as file:
        return file.read(MAX_TEXT + 1)


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[TextIO]:
    """A file of text, to be read. Nothing is opened that waits for a writer, or never ends.

    Raises:
      DesignError: it is no file of text that can be read; found while it is read, too.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # opening a folder says what is wrong by itself
            with open(path, encoding="utf-8") as file:
                yield file
            return
        reason = "it is no regular file"
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a file of UTF-8 text"
    except ValueError as error:
        if isinstance(error, DesignError):
            raise
        reason = str(error)  # a path that no file can have
    raise DesignError(f"{path}: cannot read {what}: {reason}")


def beside(name: Scalar, path: str) -> Path:
    """The file that the design at `path` calls by this name: of its own folder or below, links followed.

    Raises:
      DesignError: it is elsewhere, or is not there.
    """
    folder = Path(path).parent
    found, inside = (Path(os.path.realpath(each)) for each in (folder / name.text, folder))
    if Path(name.text).is_absolute() or not found.is_relative_to(inside):
        hint = "a design uses files of its own folder, or below"
        raise DesignError(located(name.span, f"{name.text!r} is outside the folder of the design", hint))
    if not os.path.isfile(found):
        there = ", ".join(sorted(file.name for file in folder.glob("*.yaml"))) or "none"
        raise DesignError(located(name.span, f"there is no design {name.text!r}", f"designs in {folder}: {there}"))
    return folder / name.text


def flow(value: Value, edits: Names[Scalar, str]) -> str:
    """The same value on one line, in YAML's flow style: every scalar in double quotes, or what `edits` has for it."""
    match value:
        case Scalar(text=text):
            return edits[value] if value in edits else json.dumps(text, ensure_ascii=False)
        case Items(items=items):
            return f"[{', '.join(flow(part, edits) for part in items)}]"
        case Mapping(entries=entries):
            pairs = (
                f"{json.dumps(key, ensure_ascii=False)}: {flow(part, edits)}" for key, (_, part) in entries.items()
            )
            return f"{{{', '.join(pairs)}}}"


def edited(text: str, edits: list[tuple[Scalar, str]]) -> str:
    """`text` with each of these scalars replaced, everything around them kept."""
    for scalar, new in sorted(edits, key=lambda edit: -edit[0].offsets[0]):
        text = text[: scalar.offsets[0]] + new + text[scalar.offsets[-1] :]
    return text


class _Composer(Parser, Composer, BaseResolver):
    """PyYAML's own, of tokens that were looked at before."""

    def __init__(self, tokens: Iterable[yaml.Token]) -> None:
        for base in (Parser, Composer, BaseResolver):
            base.__init__(self)
        self.tokens = deque(tokens)

    def check_token(self, *choices: type) -> bool:
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def peek_token(self) -> yaml.Token:
        return self.tokens[0]

    def get_token(self) -> yaml.Token:
        return self.tokens.popleft()


def _tokens(source: Source) -> list[yaml.Token]:
    """The tokens of a file, without what is refused."""
    found = []
    scalars = depth = 0
    started = False
    text = source.text if STANDS_FOR_MORE in source.text else MORE.sub(rf"\g<1>{STANDS_FOR_MORE}", source.text)
    for token in yaml.scan(text, Loader=yaml.BaseLoader):
        found.append(token)
        span = source.span(token.start_mark.index, token.end_mark.index)
        match token:
            case yaml.AnchorToken() | yaml.AliasToken() | yaml.TagToken():
                what = type(token).__name__.removesuffix("Token").lower()
                raise DesignError(located(span, f"a YAML {what} has no meaning in a design", "write the value out"))
            case yaml.DocumentStartToken():
                if started:
                    raise DesignError(located(span, "a second document in one file", "one design a file"))
                started = True
            case yaml.ScalarToken() | yaml.KeyToken():
                started = True
                scalars += isinstance(token, yaml.ScalarToken)
                if scalars > MAX_SCALARS:
                    raise DesignError(located(span, f"more than {MAX_SCALARS:,} keys and values", "leave some out"))
            case yaml.BlockMappingStartToken() | yaml.BlockSequenceStartToken():
                depth += 1
            case yaml.FlowMappingStartToken() | yaml.FlowSequenceStartToken():
                depth += 1
            case yaml.BlockEndToken() | yaml.FlowMappingEndToken() | yaml.FlowSequenceEndToken():
                depth -= 1
        if depth > MAX_DEPTH:
            raise DesignError(located(span, f"nested more than {MAX_DEPTH} deep"))
    return found


def _value(node: yaml.Node, source: Source) -> Value:
    span = source.span(node.start_mark.index, node.end_mark.index)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, source)
    if isinstance(node, yaml.SequenceNode):
        return Items(tuple(_value(item, source) for item in node.value), span)
    entries: dict[str, tuple[Scalar, Value]] = {}
    for key_node, value_node in node.value:
        if (
            node.flow_style
            and isinstance(value_node, yaml.ScalarNode)
            and not value_node.value
            and ")" in key_node.value
        ):
            hint = "inside { } a comma ends the entry: quote a formula that has one, or give it a line of its own"
            at = source.span(key_node.start_mark.index, key_node.end_mark.index)
            raise DesignError(located(at, f"{key_node.value!r} is no key", hint))
        if not isinstance(key_node, yaml.ScalarNode):
            raise DesignError(
                located(source.span(key_node.start_mark.index, key_node.end_mark.index), "a key is one word")
            )
        key = _scalar(key_node, source)
        if key.text in entries:
            first = entries[key.text][0].span
            message = f"duplicate key {key.text!r}, first given on line {first.line}"
            raise DesignError(located(key.span, message, "keep one of the two"))
        entries[key.text] = (key, _value(value_node, source))
    return Mapping(entries, span)


def _scalar(node: yaml.ScalarNode, source: Source) -> Scalar:
    """Align the value with the raw text: YAML drops quotes, indentation and line breaks on the way."""
    at = node.start_mark.index
    if node.style in ("|", ">"):  # the text begins on the line after the indicator and its comment
        at = max(source.text.find("\n", at), at)
    value = node.value if STANDS_FOR_MORE in source.text else node.value.replace(STANDS_FOR_MORE, ">")
    offsets = []
    for character in value:
        if not character.isspace():
            found = source.text.find(character, at, node.end_mark.index)
            at = found if found >= 0 else at
        offsets.append(min(at, node.end_mark.index))
        at += 1
    offsets.append(offsets[-1] + 1 if offsets else node.start_mark.index)
    scalar = Scalar(value, source, tuple(offsets))
    if unseen := UNSEEN.search(value):
        message = f"character {unseen.group()!r} is written so that it cannot be seen"
        raise DesignError(located(scalar.place(*unseen.span()), message, "leave it out"))
    return scalar
