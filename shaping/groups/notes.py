"""What is no mistake, and may not be what was meant: `shaping check` says it of a design that is fine.

Groups that a statistic over the batch leaves out, because they have no value; and what `flat: 0` takes along:
of GRPO plus a bonus a group without a spread loses the bonus too.
"""

from __future__ import annotations

from collections.abc import Iterator

from shaping.design import Design, Moment
from shaping.errors import located
from shaping.groups.check import draw_cases, gaps_of_advantage, moments
from shaping.groups.exact import counted_group
from shaping.groups.facts import Answers
from shaping.groups.gaps import Gap, Gaps
from shaping.language.nodes import Apply, Choose, Fallback, Named, Node, Number, walk, written
from shaping.language.vocabulary import BATCH, CONSTANT
from shaping.work import bounded


def notes(design: Design, N: int) -> list[str]:
    r"""What to know of a design that passed `check` for groups of N; each a text with a place and the next step.

    Example:
      >>> from shaping import loads
      >>> text = "advantage:\n  each: (r - mean(r)) / std(r) - 0.1 * truncated\n  flat: 0"
      >>> print(notes(loads(text, "d.yaml"), 4)[0])
      d.yaml:2:9: note: with `flat: 0`, groups where 'std(r)' is 0 lose '0.1 * truncated' too
        2 |   each: (r - mean(r)) / std(r) - 0.1 * truncated
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: to keep it, guard the other part, `... if std(r) > 0 else 0`, and leave out `flat`
    """
    with bounded(design.source.path):
        at = list(moments(design))
        found = [note for moment in dict.fromkeys((at[0], at[-1])) for note in _notes(design, N, moment)]
    return list(dict.fromkeys(found))


def _notes(design: Design, N: int, moment: Moment | None) -> Iterator[str]:
    groups = [counted_group(design, N, n_pos, moment) for n_pos in range(N + 1)]
    answers = Answers([(group, kind) for group in groups for kind in group.present()])
    draws = {node: draw_cases(design, node, N, moment) for node in design.draws}
    gaps = gaps_of_advantage(design, answers.cases, draws)
    for root in filter(None, (design.advantage, design.token)):
        gaps.find(root, answers)
    for node, gap in gaps.smaller.items():
        if gap.scope in (CONSTANT, BATCH):  # of which all groups have none, or none
            continue
        message = f"note: this {node.reduction.name} leaves out groups {gap.where}"
        yield located(node.span, message, f"to count them, guard that part, {gap.guard}" if gap.guard else "")
    for node in walk(design.advantage):
        if isinstance(node, Fallback) and isinstance(node.flat, Number) and node.flat.value == 0:
            yield from _lost(gaps, node, answers)


def _lost(gaps: Gaps, node: Fallback, answers: Answers) -> Iterator[str]:
    """What has a value in groups that get `flat: 0`, and is added to what has none."""
    for formula, asked in _branches(gaps, node.body, answers):
        terms = [(term, gaps.find(term, asked)) for term in _terms(gaps, formula, asked)]
        missing = [gap for _, gap in terms if gap is not None]
        kept = [term for term, gap in terms if gap is None and not (isinstance(term, Number) and term.value == 0)]
        if missing and kept:
            lost = " and ".join(f"'{written(term)}'" for term in kept)
            message = f"note: with `flat: 0`, groups {missing[0].where} lose {lost} too"
            yield located(_whole(formula).span, message, _hint(missing[0]))


def _hint(gap: Gap) -> str:
    guard = f", {gap.guard}," if gap.guard else " with `... if ... else 0`,"
    return f"to keep it, guard the other part{guard} and leave out `flat`"


def _branches(gaps: Gaps, node: Node, answers: Answers) -> Iterator[tuple[Node, Answers]]:
    """The formulas of `correct:` and `wrong:`, or the one of `each:`, and who gets them."""
    if isinstance(node, Choose) and answers.cases:
        for branch, asked in zip(node.operands[1:], gaps.ranges.split(node.operands[0], answers), strict=True):
            yield from _branches(gaps, branch, asked)
    else:
        yield node, answers


def _whole(node: Node) -> Node:
    """The sum itself, behind the names that it has."""
    while isinstance(node, Named):
        node = node.body
    return node


def _terms(gaps: Gaps, node: Node, asked: Answers) -> list[Node]:
    """What is added up, through names, signs and constant factors; of what always has a value the whole."""
    inner = _whole(node)
    if gaps.find(node, asked) is not None and isinstance(inner, Apply):
        match inner.function.name, inner.operands:
            case (("add" | "subtract"), (a, b)):
                return _terms(gaps, a, asked) + _terms(gaps, b, asked)
            case ("negate", (a,)):
                return _terms(gaps, a, asked)
            case (("multiply" | "divide"), (a, b)) if b.scope == CONSTANT and _is_sum(a):
                return _terms(gaps, a, asked)
            case "multiply", (a, b) if a.scope == CONSTANT and _is_sum(b):
                return _terms(gaps, b, asked)
    return [node]


def _is_sum(node: Node) -> bool:
    inner = _whole(node)
    return isinstance(inner, Apply) and inner.function.name in ("add", "subtract")
