"""A design → exact values, for given rewards or for every possible count of correct answers.

The one evaluator that checks, tables, claims and tests share. A group is a list of
kinds of answers with how many there are of each: a counting design needs two
kinds (correct, wrong), a group of real rewards has one kind an answer. Sums
over a group weigh each kind by its number, so one evaluator serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError, located
from shaping.expression import Apply, Choose, Name, Named, Node, Number, Reduce
from shaping.real import Real, Undefined, Unusable
from shaping.vocabulary import ANSWER

# An advantage for a correct and for a wrong answer; None where the group has no such answer.
Pair = tuple[Real | None, Real | None]


@dataclass
class Group:
    shared: Mapping[str, Real]  # N, n_pos, parameters ...: the same for every answer
    kinds: Sequence[tuple[int, Mapping[str, Real]]]  # how many answers, and their signals
    known: dict[tuple[int, int], Real] = field(default_factory=dict)

    def value(self, node: Node, kind: int) -> Real:
        """The value of `node` for answers of that kind; for the whole group if it is of group scope."""
        key = (id(node), kind if node.scope == ANSWER else -1)
        if key not in self.known:
            try:
                self.known[key] = self.compute(node, kind)
            except (Undefined, Unusable) as error:
                if not error.args[1:]:  # the innermost node is the place to show
                    error.args = (error.args[0], node.span)
                raise
        return self.known[key]

    def compute(self, node: Node, kind: int) -> Real:
        match node:
            case Number(value=value):
                return value
            case Name(name=name):
                return self.kinds[kind][1][name] if node.scope == ANSWER else self.shared[name]
            case Named(body=body):
                return self.value(body, kind)
            case Apply(function=function, operands=operands):
                return function.exact(*(self.value(operand, kind) for operand in operands))
            case Choose(operands=(condition, then, otherwise)):
                return self.value(then if real.sign(self.value(condition, kind)) else otherwise, kind)
            case Reduce(reduction=reduction, operand=operand, options=options):
                values = [(count, self.value(operand, i)) for i, (count, _) in enumerate(self.kinds) if count]
                return _REDUCE[reduction.name](values, **dict(options))


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
    verdicts = [_verdict(design, score) for score in scores]
    kinds = [
        (1, {"r": reward, "score": score, "correct": verdict})
        for reward, score, verdict in zip(rewards, scores, verdicts, strict=True)
    ]
    return _answers(design, Group(_shared(design, len(rewards), int(sum(verdicts))), kinds))


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


def constant(node: Node, names: Mapping[str, Real]) -> Real:
    """The value of a formula without answers, such as a bound of a range."""
    try:
        return Group(names, []).value(node, -1)
    except (Undefined, Unusable) as error:
        raise DesignError(located(error.args[1], error.args[0])) from None


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


# ── Reductions: lists of (how many, value) ──────────────────────────────────


def _sum(values: list[tuple[int, Real]]) -> Real:
    total: Real = Fraction(0)
    for count, value in values:
        total = real.add(total, real.multiply(Fraction(count), value))
    return total


def _mean(values: list[tuple[int, Real]]) -> Real:
    return real.divide(_sum(values), Fraction(sum(count for count, _ in values)))


def _std(values: list[tuple[int, Real]], *, ddof: int) -> Real:
    size = sum(count for count, _ in values)
    if size <= ddof:
        raise Unusable(f"std(..., ddof={ddof}) needs more than {ddof} answer{'s' * (ddof != 1)} in a group")
    mean = _mean(values)
    squares = [(count, real.power(real.subtract(value, mean), Fraction(2))) for count, value in values]
    return real.sqrt(real.divide(_sum(squares), Fraction(size - ddof)))


def _extreme(direction: int):
    def pick(values: list[tuple[int, Real]]) -> Real:
        best = values[0][1]
        for _, value in values[1:]:
            best = value if real.compare(value, best) == direction else best
        return best

    return pick


_REDUCE = {"sum": _sum, "mean": _mean, "std": _std, "min": _extreme(-1), "max": _extreme(1)}
