"""The sections of a design file → formulas with every name resolved.

    name: passk                                  default: the file's name
    correct: score >= 1                          which answers count as correct
    signals: {distinct: what it is}              numbers an answer that a reward function returns besides
    on_missing: drop                             leave an answer out of which a number is missing; default: an error
    rewards: 0 to 1                              which rewards it is for; see rewards.py
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

from collections.abc import Mapping as Names
from pathlib import Path

from shaping.errors import DesignError, Follows, Source, located
from shaping.language.document import MAX_TEXT, Scalar, edited, read
from shaping.language.nodes import Name, Node
from shaping.language.params import read_params
from shaping.language.reader import Reader, Sections
from shaping.language.size import refuse_too_large
from shaping.language.vocabulary import CONSTANT


def read_design(source: Source, chosen: Names[str, object]) -> tuple[Sections, str]:
    """The sections of a file, and its text with `chosen` parameters and used designs written into it.

    Raises:
      DesignError: at the first thing that is not part of a design.
    """
    reader, edits = _reader(source, chosen, None)
    sections = reader.sections()
    bounds = (node for bound in sections.bounds for node in (bound.value, bound.low, bound.high))
    formulas = (sections.advantage, sections.token, sections.keep, sections.verdict, *bounds)
    refuse_too_large(filter(None, formulas))
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
        if not isinstance(error, Follows):
            found.append(error)
    return found


def _reader(
    source: Source, chosen: Names[str, object], errors: list[DesignError] | None
) -> tuple[Reader, list[tuple[Scalar, str]]]:
    top = read(source)
    for key in ("objective", "phi"):
        if key in top.entries and "advantage" not in top.entries:
            hint = f"make it one for your N: python -m shaping derive {Path(source.path).name} --n 16 > design.yaml"
            raise DesignError(located(top.entries[key][0].span, "an objective is not a design yet", hint))
    params, edits = read_params(top.get("params"), chosen, source)
    given: dict[str, Node] = {name: Name(name, param.span, CONSTANT, True) for name, param in params.items()}
    return Reader(top, source, params, given, [source.path], errors), edits
