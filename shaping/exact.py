"""A design → exact advantages, for given rewards or for every possible count of correct answers.

What tables, checks, claims and tests share. A design's own say about groups
without a value (`flat`) is applied here, and nowhere else but in lower.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError, located
from shaping.evaluate import Group
from shaping.real import Real, Undefined, Unusable

# An advantage for a correct and for a wrong answer; None where the group has no such answer.
Pair = tuple[Real | None, Real | None]


def advantages(design: Design, rewards: Sequence[float | Fraction], scores: Sequence | None = None) -> list[Real]:
    """The exact advantage of every answer of one group; floats count as the rationals they are.

    Raises:
      DesignError: the design has no value for this group and does not say what holds then.

    Example:
      >>> from shaping import loads
      >>> advantages(loads("advantage: r - mean(r)"), [1, 0, 0, 0])
      [Fraction(3, 4), Fraction(-1, 4), Fraction(-1, 4), Fraction(-1, 4)]
    """
    rewards = [Fraction(reward) for reward in rewards]
    scores = rewards if scores is None else [Fraction(score) for score in scores]
    # Answers with the same reward and score are of one kind, so that large groups of few values are quick.
    answers = list(zip(rewards, scores, strict=True))
    kinds = {answer: _verdict(design, answer[1]) for answer in answers}
    group = Group(
        _shared(design, len(answers), sum(int(kinds[answer]) for answer in answers)),
        [
            (answers.count(answer), {"r": answer[0], "score": answer[1], "correct": verdict})
            for answer, verdict in kinds.items()
        ],
    )
    value = dict(zip(kinds, _answers(design, group), strict=True))
    return [value[answer] for answer in answers]


def _verdict(design: Design, score: Fraction) -> Fraction:
    params = {name: param.value for name, param in design.params.items()}
    try:
        return Fraction(abs(real.sign(Group(params, [(1, {"score": score})]).value(design.verdict, 0))))
    except (Undefined, Unusable) as error:
        raise DesignError(located(error.args[1], f"{error.args[0]} for score = {score}")) from None


def table(design: Design, N: int) -> list[Pair]:
    """For n_pos = 0..N: what a correct and what a wrong answer gets. For designs that are `tabulated`."""
    return [pair(design, N, n_pos) for n_pos in range(N + 1)]


def pair(design: Design, N: int, n_pos: int) -> Pair:
    """One row of `table`."""
    group = counted_group(design, N, n_pos)
    values = iter(_answers(design, group))
    return tuple(next(values) if count else None for count, _ in group.kinds)


def counted_group(design: Design, N: int, n_pos: int) -> Group:
    """N answers of which n_pos are correct; kind 0 is the correct ones, kind 1 the wrong ones."""
    kinds = [(n_pos, {"correct": Fraction(1)}), (N - n_pos, {"correct": Fraction(0)})]
    return Group(_shared(design, N, n_pos), kinds)


def _shared(design: Design, N: int, n_pos: int) -> dict[str, Real]:
    counts = {"N": Fraction(N), "n_pos": Fraction(n_pos), "n_neg": Fraction(N - n_pos), "p": Fraction(n_pos, N)}
    return counts | {name: param.value for name, param in design.params.items()}


def _answers(design: Design, group: Group) -> list[Real]:
    present = [kind for kind, (count, _) in enumerate(group.kinds) if count]
    case = f"for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
    try:
        try:
            return [group.value(design.advantage, kind) for kind in present]
        except Undefined as error:
            if design.flat is None:
                hint = "say what such a group gets: `flat: 0` under `advantage:`"
                raise DesignError(located(error.args[1], f"{error.args[0]} {case}", hint)) from None
        return [group.value(design.flat, kind) for kind in present]
    except Undefined as error:
        raise DesignError(located(error.args[1], f"{error.args[0]} {case}, in `flat` itself")) from None
    except Unusable as error:
        raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
