"""The designs that claims compare with: by their file, or written out, as in a design that is saved with a run.

equals: grpo.yaml                                    a file of the same folder or below
equals: {design: {advantage: r - mean(r)}}           written out here
"""

from __future__ import annotations

from collections.abc import Iterator

from shaping.design import Design, load, loads
from shaping.errors import DesignError, Source
from shaping.language.document import MAX_TEXT, Items, Mapping, Scalar, Value, beside, edited, flow, read
from shaping.proofs.claims import RELATIONS


def other_design(value: Scalar | Mapping, design: Design) -> Design:
    """What a claim of `design` compares with.

    Raises:
      DesignError: it is elsewhere, is not there, or is no design.
    """
    path = design.source.path
    return loads(flow(value, {}), path) if isinstance(value, Mapping) else load(beside(value, path))


def self_contained(design: Design) -> str:
    """The resolved text, with the designs written into it that its claims name: it can be tested in any folder.

    One that cannot be loaded stays a name, since claims have no part in training. So do all if the text would be longer
    than a design may be.
    """
    source, edits = Source(design.source.path, design.resolved), []
    for scalar, alone in _named(read(source).get("claims")):
        try:
            other = other_design(scalar, design)
        except DesignError:  # `shaping test` says what is wrong
            continue
        top = read(Source(other.source.path, other.resolved))
        entries = {key: entry for key, entry in top.entries.items() if key != "claims"}
        entries.setdefault("name", (scalar, Scalar(other.name, source, (0,) * (len(other.name) + 1))))
        text = flow(Mapping(entries, top.span), {})
        edits.append((scalar, f"{{design: {text}}}" if alone else text))
    text = edited(design.resolved, edits)
    return text if len(text) <= MAX_TEXT else design.resolved


def _named(claims: Value | None) -> Iterator[tuple[Scalar, bool]]:
    """The names of files in claims, and whether that is all that the claim is given."""
    for item in claims.items if isinstance(claims, Items) else ():
        while isinstance(item, Mapping) and "not" in item.entries:
            item = item.get("not")
        for word in RELATIONS if isinstance(item, Mapping) else ():
            value = item.get(word)
            named = value.get("design") if isinstance(value, Mapping) else value
            if isinstance(named, Scalar):
                yield named, named is value
