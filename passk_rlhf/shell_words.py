"""The words of a shell script and where they stand: as much of bash as it takes to find the flags of a command.

    scan('python -m a.b --x 1 \\\\\\n  --y "$Z"  # why')     one Command: python, -m, a.b, --x, 1, --y, "$Z"

Nothing is expanded and nothing is run. What is text in one place and a command in another is looked into: arrays,
variables, here documents, `$(...)`, and quoted text in which `inside` is found (bash -c "python -m ...").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BLANK = " \t\r"
ENDS_WORD = BLANK + "\n;&|()<>"
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^]\n]*\])?\+?=")
REDIRECTION = re.compile(r"&>>|&>|<<<|<<-|<<|>>|>\||<>|>&|<&|<|>")
BEFORE_A_COMMAND = {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"}
DEEP = 12  # command substitutions in each other
BEFORE_AN_ASSIGNMENT = {"export", "local", "declare", "readonly", "typeset"}


class ShellError(ValueError):
    """A script that is not read; for whoever named it."""


@dataclass(frozen=True)
class Word:
    start: int
    end: int
    text: str  # as it is written, with its quotes
    quoted: tuple[tuple[int, int], ...] = ()  # what stands inside quotes, from where to where

    def __str__(self) -> str:
        """Without the quotes around all of it."""
        return self.text[1:-1] if len(self.text) > 1 and self.text[0] == self.text[-1] in "\"'" else self.text


@dataclass
class Command:
    words: list[Word] = field(default_factory=list)
    name: str = ""  # of the variable or array whose words these are; "" for a command


def scan(text: str, inside: re.Pattern[str] | None = None) -> list[Command]:
    """All commands of a script, and the words of its variables and arrays.

    Raises:
      ShellError: text is nested in text too deep.
    """
    scanner = _Scanner(text, inside)
    scanner.script(0, len(text))
    return scanner.commands


class _Scanner:
    def __init__(self, text: str, inside: re.Pattern[str] | None) -> None:
        self.text, self.inside = text, inside
        self.commands: list[Command] = []
        self.depth = 0

    def script(self, at: int, end: int, *, until: str = "", flat: str | None = None) -> int:
        self.go_deeper(at)
        at = self.commands_from(at, end, until, flat)
        self.depth -= 1
        return at

    def go_deeper(self, at: int) -> None:
        self.depth += 1
        if self.depth > DEEP:
            line = self.text.count("\n", 0, at) + 1
            raise ShellError(f"line {line}: commands or quoted text more than {DEEP} deep in each other")

    def commands_from(self, at: int, end: int, until: str, flat: str | None) -> int:
        """The commands from `at` on; where they end.

        Args:
          until: ")" for `$(...)` and arrays: they end where it closes.
          flat: not commands, but the words of this variable: lines and `;` only separate them.
        """
        text, depth, awaited = self.text, 0, []
        command = Command(name=flat or "")
        while at < end:
            char = text[at]
            if char in BLANK:
                at += 1
            elif continued := _continuation(text, at):
                at += continued
            elif char == "#":
                at = _find(text, "\n", at, end)
            elif char == "\n":
                at += 1
                if flat is None:
                    command = self.done(command)
                for owner, delimiter, tabs in awaited:
                    at = self.here_document(at, end, owner, delimiter, tabs)
                awaited = []
            elif text.startswith("((", at) and not command.words and flat is None:
                at = _find(text, "))", at, end, 2)
            elif text.startswith("<(", at) or text.startswith(">(", at):
                at = self.script(at + 2, end, until=")")
            elif operator := REDIRECTION.match(text, at, end):
                if command.words and command.words[-1].text.isdigit() and command.words[-1].end == at:
                    command.words.pop()  # 2>&1
                at = operator.end()
                while at < end and text[at] in BLANK:
                    at += 1
                target, at = self.word(at, end) if at < end and text[at] not in ENDS_WORD else (None, at)
                if operator[0] in ("<<", "<<-") and target:
                    awaited.append((command, re.sub(r"[\\'\"]", "", target.text), operator[0] == "<<-"))
            elif char in ";&|()":
                if until and char == "(":
                    depth += 1
                elif until and char == ")":
                    if not depth:
                        self.done(command)
                        return at + 1
                    depth -= 1
                at += 1
                if flat is None:
                    command = self.done(command)
            else:
                word, at = self.word(at, end)
                if text.startswith("(", at) and (array := ASSIGNMENT.fullmatch(word.text)):
                    at = self.script(at + 1, end, until=")", flat=array[1])
                else:
                    command.words.append(word)
        self.done(command)
        return end

    def done(self, command: Command) -> Command:
        """Keep a command, and look into its variables and its quoted text; a new one."""
        if command.words:
            self.commands.append(command)
        leading = not command.name
        for i, word in enumerate(command.words):
            given = ASSIGNMENT.match(word.text) if leading else None
            before = BEFORE_A_COMMAND | BEFORE_AN_ASSIGNMENT
            leading = bool(given) or (leading and (word.text in before or (i > 0 and word.text.startswith("-"))))
            if given:
                start, end = word.start + given.end(), word.end
                if word.quoted and word.quoted[0][0] == start + 1 and word.quoted[-1][1] == end - 1:
                    start, end = start + 1, end - 1
                if start < end:
                    self.script(start, end, flat=given[1])
            elif self.inside:
                for start, end in word.quoted:
                    if self.inside.search(self.text, start, end):
                        self.script(start, end)
        return Command()

    def here_document(self, at: int, end: int, owner: Command, delimiter: str, tabs: bool) -> int:
        """Its text: the words of the variable that `read` reads it into, else a script."""
        start = at
        while at < end:
            line_end = _find(self.text, "\n", at, end)
            line = self.text[at:line_end].rstrip("\r")
            if (line.lstrip("\t") if tabs else line) == delimiter:
                break
            at = min(line_end + 1, end)
        else:
            line_end = end
        names = [word.text for word in owner.words if re.fullmatch(r"[A-Za-z_]\w*", word.text)]
        self.script(start, at, flat=names[-1] if "read" in names[:-1] else None)
        return line_end

    def word(self, at: int, end: int) -> tuple[Word, int]:
        text, start, quoted = self.text, at, []
        while at < end and text[at] not in ENDS_WORD:
            if continued := _continuation(text, at):
                if at + continued >= end or text[at + continued] in ENDS_WORD:
                    break  # `--bf16\` at the end of a line
                at += continued
            else:
                at = self.piece(at, end, quoted)
        at = max(at, start + 1)
        return Word(start, at, text[start:at], tuple(quoted)), at

    def piece(self, at: int, end: int, quoted: list[tuple[int, int]]) -> int:
        """One character of a word, or all that belongs to an opening quote, bracket or brace."""
        text = self.text
        if text[at] == "\\":
            return min(at + 2, end)
        if text[at] == "'":
            close = _find(text, "'", at + 1, end)
            quoted.append((at + 1, close))
            return min(close + 1, end)
        if text.startswith("$'", at):
            close = re.compile(r"(?:\\.|[^\\'])*", re.DOTALL).match(text, at + 2, end).end()
            return min(close + 1, end)
        if text[at] == '"':
            close = at + 1
            while close < end and text[close] != '"':
                close = self.piece_in_double_quotes(close, end)
            quoted.append((at + 1, close))
            return min(close + 1, end)
        return self.piece_in_double_quotes(at, end)

    def piece_in_double_quotes(self, at: int, end: int) -> int:
        text = self.text
        if text[at] == "\\":
            return min(at + 2, end)
        if text.startswith("$((", at):
            return _find(text, "))", at, end, 2)
        if text.startswith("$(", at):
            return self.script(at + 2, end, until=")")
        if text[at] == "`":
            close = _find(text, "`", at + 1, end)
            self.script(at + 1, close)
            return min(close + 1, end)
        if text.startswith("${", at):
            self.go_deeper(at)
            at += 2
            while at < end and text[at] != "}":
                at = self.piece(at, end, [])
            self.depth -= 1
            return min(at + 1, end)
        return at + 1


def _continuation(text: str, at: int) -> int:
    """How long the backslash and the end of line are that stand here."""
    return 2 if text.startswith("\\\n", at) else 3 if text.startswith("\\\r\n", at) else 0


def _find(text: str, what: str, at: int, end: int, more: int = 0) -> int:
    found = text.find(what, at, end)
    return end if found < 0 else found + more
