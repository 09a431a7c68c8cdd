"""The `params:` section: numbers of a design that a launch may change, and the ranges that they must keep.

    k: 4                                 a default
    k: {default: 4, range: [1, N]}       bounds are formulas over N, checked once N is known
    k: {default: 8, schedule: max(1, k - floor(k * progress))}
                                         what it is at each step: a formula over its default (or what the launch
                                         set), `step`, `total_steps`, `progress`
    a: {default: 1, range: [0, N], kind: real}
                                         `whole`: it counts something, and a fraction is refused; `real`: any number

Without `kind:` a parameter is whole if its default is and its range reaches to N; a schedule makes it real.
A number is exact: 0.1 is one tenth, 1/3 a third.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from collections.abc import Mapping as Names
from dataclasses import dataclass
from fractions import Fraction

from shaping.errors import DesignError, Source, Span, located, names_hint, parameter
from shaping.language.document import Items, Mapping, Scalar, Value
from shaping.language.evaluate import constant
from shaping.language.expression import parse
from shaping.language.nodes import Name, Node, walk
from shaping.language.vocabulary import CONSTANT, RESERVED, TIME


@dataclass(frozen=True)
class Bound:
    """What the value of a parameter has to keep, of the design itself or of one it uses: a range, or being whole."""

    name: str
    value: Node
    low: Node | None
    high: Node | None
    span: Span  # where the value is given
    whole: bool = False


@dataclass(frozen=True)
class Param:
    name: str
    value: Fraction
    span: Span  # where the file gives it
    low: Node | None = None  # bounds, over N alone
    high: Node | None = None
    schedule: Node | None = None  # over itself and the time
    whole: bool = False  # a fraction is refused

    @property
    def is_count(self) -> bool:
        """Is every value that it may have known: the whole numbers of its range?"""
        return self.whole and self.high is not None and self.schedule is None


def read_params(
    section: Value | None, chosen: Names[str, object], source: Source
) -> tuple[dict[str, Param], list[tuple[Scalar, str]]]:
    """The parameters with `chosen` in place of defaults, and what to change in the text so that it says the same."""
    if section is not None and not isinstance(section, Mapping):
        raise DesignError(located(section.span, "'params' is a mapping", "for example: params: {k: 4}"))
    entries = section.entries if section else {}
    for name in chosen:
        if name not in entries:
            hint = names_hint(name, entries, "parameters") if entries else "this design has no parameters"
            raise DesignError(f"{source.path}: no parameter {name!r} to set\nhint: {hint}")
    params, edits = {}, []
    for name, (key, value) in entries.items():
        fresh_name(name, key.span)
        low = high = schedule = kind = None
        if isinstance(value, Mapping):
            value.only(("default", "range", "schedule", "kind"), f"for parameter {name!r}")
            if "default" not in value.entries:
                raise DesignError(located(key.span, f"parameter {name!r} has no default", "add `default: <number>`"))
            if (bounds := value.get("range")) is not None:
                low, high = _range(name, bounds)
            if (over_time := value.get("schedule")) is not None:
                schedule = _schedule(name, over_time)
            kind = value.get("kind")
            value = value.get("default")
        if not isinstance(value, Scalar):
            raise DesignError(located(value.span, f"parameter {name!r} is one number"))
        number = _number(value.text, name, value.place)
        whole = _is_whole(name, kind, number, value, reaches=_reaches_N(high) and schedule is None)
        if name in chosen:
            try:
                given = Source(f"{parameter(name)}=", str(chosen[name]))
            except ValueError:  # Python does not print a whole number of more than 4,300 digits
                raise DesignError(f"{source.path}: parameter {name!r} is set to a number too long to write") from None
            number = _number(given.text, name, given.span)
            if whole and number.denominator != 1:
                raise DesignError(located(given.span(0, len(given.text)), *not_whole(name, number)))
            edits.append((value, str(number)))
        params[name] = Param(name, number, value.span, low, high, schedule, whole)
    return params, edits


def not_whole(name: str, value: object) -> tuple[str, str]:
    """What is said of a fraction where a whole number has to be: the message and the next step."""
    return f"{name} = {value} is no whole number, and {name!r} counts", f"a whole number; or `kind: real` for {name!r}"


def _is_whole(name: str, kind: Value | None, default: Fraction, place: Scalar, reaches: bool) -> bool:
    if kind is None:
        return reaches and default.denominator == 1
    if not isinstance(kind, Scalar) or kind.text not in ("whole", "real"):
        raise DesignError(located(kind.span, f"the kind of {name!r} is `whole` or `real`", "kind: real"))
    if kind.text == "whole" and default.denominator != 1:
        raise DesignError(located(place.span, *not_whole(name, default)))
    return kind.text == "whole"


def _reaches_N(high: Node | None) -> bool:
    return high is not None and any(isinstance(node, Name) for node in walk(high))


def _range(name: str, bounds: Value) -> tuple[Node, Node]:
    if not isinstance(bounds, Items) or len(bounds.items) != 2 or not all(isinstance(b, Scalar) for b in bounds.items):
        raise DesignError(located(bounds.span, f"the range of {name!r} is two bounds", "for example: range: [1, N]"))

    def lookup(found: str, span: Span) -> Node | None:
        return Name("N", span, CONSTANT, True) if found == "N" else None

    low, high = (
        parse(bound.text, where=f"params.{name}.range", place=bound.place, lookup=lookup, names=["N"])
        for bound in bounds.items
    )
    return low, high


def _schedule(name: str, value: Value) -> Node:
    if not isinstance(value, Scalar):
        raise DesignError(located(value.span, f"the schedule of {name!r} is one formula", "k if progress < 0.5 else 1"))
    known = {name, *TIME}

    def lookup(found: str, span: Span) -> Node | None:
        return Name(found, span, CONSTANT, True) if found in known else None

    return parse(value.text, where=f"params.{name}.schedule", place=value.place, lookup=lookup, names=known)


def _number(text: str, name: str, place: Callable[[int, int], Span]) -> Fraction:
    node = parse(text, where=f"params.{name}", place=place, lookup=lambda *_: None, names=[])
    value = constant(node, {})
    if not is_plain(value):
        raise DesignError(
            located(place(0, len(text)), f"parameter {name!r} is a plain number", "for example 0.5 or 1/3")
        )
    return value


def is_plain(value: object) -> bool:
    """A rational that can be shown, and that a parameter can have."""
    return isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) <= 1024


def fresh_name(name: str, span: Span) -> None:
    """Refuse what cannot be, or already is, a name in a formula."""
    if not name.isidentifier() or not name.isascii() or name.startswith("_") or keyword.iskeyword(name):
        hint = "letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam"
        raise DesignError(located(span, f"{name!r} cannot be a name", hint))
    if name in RESERVED:
        raise DesignError(located(span, f"{name!r} already means something in every design", "choose another name"))


def assignments(texts: list[str], flag: str) -> dict[str, str]:
    """What a flag was given, each time it stood on a command line.

    Raises:
      DesignError: one is not NAME=VALUE, or a name comes twice.

    >>> assignments(["k=8", "gamma=0.5"], "--param")
    {'k': '8', 'gamma': '0.5'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise DesignError(f"{flag} {text}: write NAME=VALUE, for example k=8")
        if name in found:
            raise DesignError(f"{flag} {name} is given twice, as {found[name]} and as {value}")
        found[name] = value
    return found
