"""A design in words and numbers, for `python -m shaping show`.

The table is of verdicts, rewards that are 0 or 1: what a correct and what a
wrong answer gets for every number of correct ones, and how hard the group
pushes, eta = n_pos |A_correct| + n_neg |A_wrong| (Chen et al. 2025, Eq. 16).
A design that looks at more than verdicts has no such table.
"""

from __future__ import annotations

from shaping import real
from shaping.design import Design
from shaping.groups import exact, push
from shaping.groups.rows import beyond_verdicts
from shaping.language.vocabulary import SIGNALS


def description(design: Design, N: int) -> str:
    parts = [f"{design.name}   {design.source.path}", "", _formulas(design), _facts(design)]
    moment = design.moment(0, 1) if design.clock else None
    when = ", at the beginning of a run" if design.clock else ""
    why = beyond_verdicts(design)
    if why:
        parts += [f"no table of verdicts: {why}", ""]
    else:
        parts += [f"groups of {N}, rewards 0 and 1{when}", *_table(design, N, moment), ""]
    return "\n".join([*parts, "as torch", design.source_code(N)])


def _formulas(design: Design) -> str:
    """The file without its comments."""
    lines = [line.split(" #")[0].rstrip() for line in design.source.text.splitlines() if not line.startswith("#")]
    return "\n".join(f"    {line}".rstrip() for line in lines).strip("\n") + "\n"


def _facts(design: Design) -> str:
    facts = []
    for param in design.params.values():
        facts.append(f"{param.name} = {param.value}" + (", changes over a run" if param.schedule else ""))
    reads = sorted(design.signals, key=lambda name: (name not in SIGNALS, name))
    facts.append(f"reads {', '.join(reads) or 'nothing'}")
    kind = "a table over n_pos" if design.tabulated else "a graph over the rewards"
    return "\n".join([*facts, f"compiled to {kind}", ""])


def _table(design: Design, N: int, moment) -> list[str]:
    lines = [f"{'n_pos':>5}  {'correct':>10}  {'wrong':>10}  {'eta':>10}"]
    pairs = [exact.verdict_pair(design, N, n_pos, moment) for n_pos in range(N + 1)]
    for n_pos, (correct, wrong) in enumerate(pairs):
        eta = push.eta_at(pairs, n_pos)
        with real.told(design.source.path):
            lines.append(f"{n_pos:5}  {_number(correct):>10}  {_number(wrong):>10}  {_number(eta):>10}")
    return lines


def _number(value: real.Real | None) -> str:
    return "" if value is None else f"{real.nearest(value):.4f}"
