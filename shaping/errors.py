"""What a user is told, and where.

A `Span` is a stretch of one line of a source file. `located` turns a span and
a sentence into the message every design error has: one line that grep and
editors understand, then the line of source with carets, then the next step.

    configs/passk.yaml:12:56: unknown name 'n_total' in 'advantage.wrong'
      12 |   wrong: (miss - binomial(n_neg - 1, k - 1) / binomial(n_total - 1, k - 1)) / sigma
                                                                  ^^^^^^^
    hint: names here: N, k, miss, n_neg, n_pos, sigma

One error type per audience, each with the standard constructor: Ray pickles
what a worker raises, and an exception whose `__init__` wants more than the
message cannot be unpickled.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

_param_flag: ContextVar[str] = ContextVar("param_flag", default="")  # of the command that runs; "" in Python


class DesignError(ValueError):
    """The YAML of a design is wrong; for whoever wrote it."""


class Follows(DesignError):
    """A formula needs a name whose own formula is wrong: that one is told, this one not."""


class RewardError(ValueError):
    """A reward cannot be used by this design; for whoever wrote the reward function."""

    prompt: int | None = None  # which row of the batch, where one is to blame
    answer: int | None = None  # and which of its answers
    kind: str = ""  # what is wrong with it: reward, score, or the name of a signal


@dataclass(frozen=True)
class Source:
    """A file's text, as read, and the name to show for it."""

    path: str
    text: str

    def span(self, start: int, end: int) -> Span:
        """The stretch of characters start..end (0-based offsets), cut at the end of its first line."""
        start = min(start, len(self.text))
        line = bisect_right(self.line_starts, start)
        line_start = self.line_starts[line - 1]
        line_end = self.line_starts[line] - 1 if line < len(self.line_starts) else len(self.text)
        width = max(1, min(end, line_end) - start)
        return Span(self, line, start - line_start + 1, width)

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(at + 1 for at, character in enumerate(self.text) if character == "\n")]


@dataclass(frozen=True)
class Span:
    """`width` characters of `source`, from `line`:`column` (both count from 1)."""

    source: Source
    line: int
    column: int
    width: int

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"

    def text(self) -> str:
        line = self.source.text.split("\n")[self.line - 1]
        return line[self.column - 1 : self.column - 1 + self.width].strip()

    def picture(self) -> str:
        text = self.source.text.split("\n")[self.line - 1].rstrip("\r")
        gutter = f"  {self.line} | "
        # A tab stays a tab in the caret line, so that the carets stand under their characters.
        blank = "".join("\t" if c == "\t" else " " for c in text[: self.column - 1])
        return f"{gutter}{text}\n{' ' * len(gutter)}{blank}{'^' * self.width}"


def located(span: Span, message: str, hint: str = "") -> str:
    """The text of an error at `span`: position and message, the line with carets, the next step."""
    parts = [f"{span}: {message}", span.picture()]
    if hint:
        parts.append(f"hint: {hint}")
    return "\n".join(parts)


# ── What the caller wrote ───────────────────────────────────────────────────


@contextmanager
def commanded(param_flag: str) -> Iterator[None]:
    """Inside, messages name flags, as a command line has them; outside, arguments of Python.

    `param_flag`: the one that sets a parameter of a design, --param or --advantage-param.
    """
    token = _param_flag.set(param_flag)
    try:
        yield
    finally:
        _param_flag.reset(token)


def argument(name: str) -> str:
    """What the caller knows as `name`.

    >>> argument("fail_on")
    'fail_on'
    >>> with commanded("--param"):
    ...     argument("fail_on"), argument("N")
    ('--fail-on', '--n')
    """
    return f"--{name.lower().replace('_', '-')}" if _param_flag.get() else name


def parameter(name: str) -> str:
    """How the caller sets a parameter of a design.

    >>> with commanded("--advantage-param"):
    ...     parameter("k")
    '--advantage-param k'
    """
    return f"{_param_flag.get()} {name}" if _param_flag.get() else name


def names_hint(unknown: str, known: Iterable[str], what: str = "names here") -> str:
    """'did you mean ...' where something is close, and what there is.

    >>> names_hint("n_poss", ["n_pos", "n_neg", "k"])
    "did you mean 'n_pos'? names here: k, n_neg, n_pos"
    """
    known = sorted(set(known))
    same = [name for name in known if name.lower() == unknown.lower()]
    close = same or difflib.get_close_matches(unknown, known, n=1, cutoff=0.7)
    guess = f"did you mean '{close[0]}'? " if close else ""
    return f"{guess}{what}: {', '.join(known) or 'none'}"
