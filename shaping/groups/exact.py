"""A design → exact advantages, for given rewards or for every possible count of correct answers.

What tables, checks, claims and tests share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError, located
from shaping.language.evaluate import Batch, Group
from shaping.language.nodes import Draws
from shaping.real import Real, Undefined, Unusable
from shaping.work import bounded

# An advantage for a correct and for a wrong answer; None where the group has no such answer.
Pair = tuple[Real | None, Real | None]
Number = int | float | Fraction


def advantages(design: Design, rewards: Sequence[Number], scores: Sequence | None = None, **more) -> list[Real]:
    """The exact advantage of every answer of one group; floats count as the rationals they are. See `batch`.

    Raises:
      DesignError: the design has no value for this group and does not say what holds then.

    Example:
      >>> from shaping import loads
      >>> advantages(loads("advantage: r - mean(r)"), [1, 0, 0, 0])
      [Fraction(3, 4), Fraction(-1, 4), Fraction(-1, 4), Fraction(-1, 4)]
    """
    signals = {name: [values] for name, values in more.pop("signals", {}).items()}
    draws = {node: [members] for node, members in more.pop("draws", {}).items()}
    (result,) = batch(design, [rewards], None if scores is None else [scores], signals=signals, draws=draws, **more)
    return result


def batch(
    design: Design,
    reward_PN: Sequence[Sequence[Number]],
    score_PN: Sequence[Sequence[Number]] | None = None,
    *,
    signals: Mapping[str, Sequence[Sequence[Number]]] | None = None,
    draws: Mapping[Draws, Sequence[Sequence[Sequence[int]]]] | None = None,
    moment: Moment | None = None,
) -> list[list[Real]]:
    """The exact advantages of a batch.

    Args:
      signals: name → its numbers, for what the design reads besides rewards and scores.
      draws: for each `draws:` section and each group, the answers that each draw has.
    """
    with bounded(design.source.path):
        return _batch(design, reward_PN, score_PN or reward_PN, signals or {}, draws or {}, moment)


def _batch(design, reward_PN, score_PN, signals, draws, moment) -> list[list[Real]]:
    groups, places = groups_of(design, reward_PN, score_PN, signals, draws, moment)
    values = [_answers(design, group) for group in groups]
    return [[value[kind] for kind in place] for value, place in zip(values, places, strict=True)]


def groups_of(
    design: Design,
    reward_PN: Sequence[Sequence[Number]],
    score_PN: Sequence[Sequence[Number]],
    signals: Mapping[str, Sequence[Sequence[Number]]],
    draws: Mapping[Draws, Sequence[Sequence[Sequence[int]]]],
    moment: Moment | None,
) -> tuple[list[Group], list[list[int]]]:
    """The groups of a batch for the evaluator; and of each answer of each group, which kind it is. See `batch`."""
    groups = Batch([], design.keep)
    places = []
    for i, (rewards, scores) in enumerate(zip(reward_PN, score_PN, strict=True)):
        columns = {"r": rewards, "score": scores} | {name: values[i] for name, values in signals.items()}
        answers = list(zip(*([Fraction(value) for value in column] for column in columns.values()), strict=True))
        # Answers that are alike are of one kind, so that large groups of few values are quick; draws tell them apart.
        kinds = list(enumerate(answers)) if draws else list(dict.fromkeys(answers))
        verdicts = {kind: Fraction(verdict(design, (kind[1] if draws else kind)[1])) for kind in kinds}
        place = list(range(len(answers))) if draws else [kinds.index(answer) for answer in answers]
        places.append(place)
        counts = [1 if draws else answers.count(kind) for kind in kinds]
        n_pos = sum(int(verdicts[kind]) * count for kind, count in zip(kinds, counts, strict=True))
        groups.groups.append(
            Group(
                shared(design, len(answers), n_pos, moment),
                [
                    (count, dict(zip(columns, kind[1] if draws else kind, strict=True)) | {"correct": verdicts[kind]})
                    for kind, count in zip(kinds, counts, strict=True)
                ],
                groups,
                {node: members[i] for node, members in draws.items()},
            )
        )
    return groups.groups, places


def verdict(design: Design, score: Fraction, params: Mapping[str, Real] | None = None) -> bool:
    r"""Does its `correct:` take an answer of this score for a correct one? `params` are in place of its own.

    Raises:
      DesignError: `correct:` has no value for this score.

    Example:
      >>> from shaping import loads
      >>> verdict(loads("params: {least: 0.5}\ncorrect: score > least\nadvantage: correct"), Fraction(3, 4))
      True
    """
    names = design.constants(None) | dict(params or {})
    try:
        return real.sign(Group(names, [(1, {"score": score})]).value(design.verdict, 0)) != 0
    except (Undefined, Unusable) as error:
        raise DesignError(located(error.args[1], f"{error.args[0]} for score = {score}")) from None


def table(design: Design, N: int, moment: Moment | None = None) -> list[Pair]:
    """For n_pos = 0..N: what a correct and what a wrong answer gets. For designs that are `tabulated`."""
    with bounded(design.source.path):
        return [pair(design, N, n_pos, moment) for n_pos in range(N + 1)]


def verdict_pair(
    design: Design, N: int, n_pos: int, moment: Moment | None = None, params: Mapping[str, Real] | None = None
) -> Pair:
    """What a correct answer (reward and score 1) and a wrong one (both 0) get, of a design for any rewards too.

    `params` are in place of the design's own, such as {'k': Fraction(8)}.

    Raises:
      DesignError: the design has no value there; or its advantages are of rewards or scores, and its own `correct:`
        does not take 1 for correct and 0 for wrong.
      KeyError: it reads something that verdicts do not decide, such as `length`.
    """
    known = [{name: Fraction(right) for name in ("correct", "r", "score")} for right in (1, 0)]
    names = shared(design, N, n_pos, moment) | dict(params or {})
    if not design.tabulated:
        refuse_other_scores(design, names)
    group = Group(names, list(zip((n_pos, N - n_pos), known, strict=True)))
    with bounded(design.source.path):
        values = iter(_answers(design, group))
    return tuple(next(values) if count else None for count, _ in group.kinds)


def other_scores(design: Design, names: Mapping[str, Real]) -> str:
    r"""How its `correct:` reads the scores 1 and 0, in words; '' if as a correct and as a wrong answer.

    Args:
      names: what `correct:` reads besides the score: the values of parameters.

    Example:
      >>> from shaping import loads
      >>> other_scores(loads("correct: score < 0.5\nadvantage: r - mean(r)"), {})
      'its `correct:` takes an answer of score 1 for a wrong one'
    """
    if not design.graded:
        return ""
    for score, right in ((1, True), (0, False)):
        if verdict(design, Fraction(score), names) != right:
            return f"its `correct:` takes an answer of score {score} for a {'wrong' if right else 'correct'} one"
    return ""


def refuse_other_scores(design: Design, names: Mapping[str, Real]) -> None:
    """Raise the DesignError of what is worked out for scores of 1 and 0, and `correct:` reads them otherwise."""
    if why := other_scores(design, names):
        message = f"{why}; what is said of right and wrong answers is worked out for scores of 1 and 0"
        hint = "training needs no change; for this, let a correct answer score 1 and a wrong one 0"
        raise DesignError(located(design.verdict.span, message, hint))


@lru_cache(maxsize=8192)
def pair(design: Design, N: int, n_pos: int, moment: Moment | None = None) -> Pair:
    """One row of `table`."""
    return verdict_pair(design, N, n_pos, moment)


def counted_group(design: Design, N: int, n_pos: int, moment: Moment | None = None) -> Group:
    """N answers of which n_pos are correct; kind 0 is the correct ones, kind 1 the wrong ones."""
    kinds = [(n_pos, {"correct": Fraction(1)}), (N - n_pos, {"correct": Fraction(0)})]
    return Group(shared(design, N, n_pos, moment), kinds)


def shared(design: Design, N: int, n_pos: int, moment: Moment | None) -> dict[str, Real]:
    """Every name that is the same for all answers of a group."""
    counts = {"N": Fraction(N), "n_pos": Fraction(n_pos), "n_neg": Fraction(N - n_pos)}
    return counts | ({"p": Fraction(n_pos, N)} if N else {}) | design.constants(moment)


def _answers(design: Design, group: Group) -> list[Real]:
    case = f"for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
    try:
        return [group.value(design.advantage, kind) for kind in group.present()]
    except Undefined as error:
        hint = "say what such a group gets: `flat: 0` under `advantage:`"
        raise DesignError(located(error.args[1], f"{error.args[0]} {case}", hint)) from None
    except Unusable as error:
        raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
