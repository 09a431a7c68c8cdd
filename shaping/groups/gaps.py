"""Where might a formula have no value?

Where counts decide, every case is tried. A part that depends on the rewards
themselves passes if no rewards can break it: a division whose divisor only
counts enter, a whole power, an untaken branch, a mean over a selection that
counts prove not to be empty. Anything else needs `flat:`, and `flat` has to
pass too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.errors import DesignError, Span, located
from shaping.groups.ranges import Case, all_answers, find_range
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, walk
from shaping.language.reductions import share, whole
from shaping.language.vocabulary import ANSWER, BATCH, GROUP
from shaping.real import Undefined, Unusable

Gap = tuple[Span, str] | tuple[Span, str, str]  # the place, what is missing there, and what to do if not the usual


def refuse_gap(gaps: Gaps, root: Node, cases: list[Case], hint: str) -> None:
    """
    Raises:
      DesignError: the formula has a gap; `hint` says what to do, unless the gap has better advice.
    """
    if (found := gaps.find(root, cases)) is not None:
        span, message, *better = found
        raise DesignError(located(span, message, better[0] if better else hint))


@dataclass
class Gaps:
    """Looks for a place where a formula might have no value. No part is looked at twice."""

    seen: dict[tuple[Node, int], Gap | None] = field(default_factory=dict)  # by node and identity of a list of cases
    split: dict[tuple[Node, int], tuple[list[Case], list[Case]]] = field(default_factory=dict)
    whole: dict[int, list[Case]] = field(default_factory=dict)
    filtered: bool = False  # does `keep` leave answers out of statistics over the batch?
    draws: Mapping[Draws, tuple[list[Case], list[Case]]] = field(default_factory=dict)  # see `draw_cases`
    batch: list[Case] = field(default_factory=list)  # what statistics over the batch count
    rewards: dict[Node, Gap | None] = field(default_factory=dict)  # the name `reward` → where a draw may have none

    def find(self, node: Node, cases: list[Case]) -> Gap | None:
        """The first such place among these cases, and what it would be; None if there is none."""
        key = (node, id(cases))
        if not cases:
            return None
        if key not in self.seen:
            self.seen[key] = self.counted(node, cases) if node.counted else self.rewarded(node, cases)
        return self.seen[key]

    def counted(self, node: Node, cases: list[Case]) -> Gap | None:
        for group, kind in cases:
            case = _in_words(group)
            try:
                group.value(node, kind)
            except Undefined as error:
                return error.args[1], f"{error.args[0]} {case}"
            except Unusable as error:
                raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
        return None

    def rewarded(self, node: Node, cases: list[Case]) -> Gap | None:
        match node:
            case Named(body=body):
                return self.find(body, cases)
            case Fallback(body=body, flat=flat):
                if self.find(body, cases) is None:
                    return None
                found = self.find(flat, self.all_answers(cases))
                return found and (*found[:2], "`flat` itself must always have a value; 0 has")
            case Choose(operands=(condition, then, otherwise)):
                found = self.find(condition, cases)
                chosen, rest = self.branches(condition, cases)
                return self.find(then, chosen) or self.find(otherwise, rest) or found
            case Apply(function=function, operands=operands):
                found = [self.find(operand, cases) for operand in operands]
                if first := next(filter(None, found), None):
                    return first
                if function.undefined and not safe(node, cases, self.batch):
                    return node.span, f"for some rewards this is {function.hazard}"
            case Name():
                return self.rewards.get(node)
            case Reduce():
                everyone = self.all_answers(cases if node.over != BATCH else self.batch)
                if everyone and not any(self.find(argument, everyone) for argument in node.arguments):
                    _refuse_arguments(node, everyone)
                for operand in node.operands:
                    if found := self.find(operand, everyone):
                        return found
                return self.empty(node, everyone)
            case Draws(reward=reward, advantage=advantage):
                answers, draws = self.draws[node]
                missing = self.find(reward, answers)
                self.rewards |= {part: missing for part in walk(advantage) if _is_reward(part)}
                found = self.find(advantage, draws)
                return found and (*found[:2], "say what such draws get: `flat: 0` under `draws:`")
        return None

    def empty(self, node: Reduce, cases: list[Case]) -> Gap | None:
        """Could there be too few values for this reduction?"""
        needed = node.needed
        if node.reduction.empty or (node.over == GROUP and node.where is None and self.sizes(node, cases) >= needed):
            return None
        if (
            node.over == GROUP
            and node.where is not None
            and node.where.counted
            and self.selected(node, cases) >= needed
        ):
            return None
        filtered = node.over == BATCH and self.filtered and not node.everyone
        if node.over != GROUP and node.where is None and needed == 1 and not filtered:
            return None  # a batch has an answer, an answer a token
        if node.over == GROUP and node.where is None:
            size = self.sizes(node, cases)
            if "n_pos" not in cases[0][0].shared:
                return node.span, f"this {node.reduction.name} needs {needed} values, and of these draws it gets {size}"
            few = f"groups of {size} have too few answers for this {node.reduction.name}"
            return node.span, few, f"it needs {needed}: take a smaller ddof, or larger groups"
        what = "is no value" if needed == 1 else f"are fewer than {needed} values"
        if node.over == ANSWER:
            return node.span, f"for some answers there {what} for this {node.reduction.name}", _OF_TOKENS[needed > 1]
        return node.span, f"for some rewards there {what} for this {node.reduction.name}"

    def sizes(self, node: Reduce, cases: list[Case]) -> int:
        return min(sum(count for count, _ in group.kinds) for group, _ in cases)

    def selected(self, node: Reduce, cases: list[Case]) -> int:
        """The fewest answers that `where` selects in any of these groups."""
        if self.find(node.where, cases):
            return 0
        return min(
            sum(
                count
                for kind, (count, _) in enumerate(group.kinds)
                if count and real.sign(group.value(node.where, kind))
            )
            for group, _ in cases
        )

    def all_answers(self, cases: list[Case]) -> list[Case]:
        if id(cases) not in self.whole:
            self.whole[id(cases)] = all_answers(cases)
            self.whole[id(self.whole[id(cases)])] = self.whole[id(cases)]
        return self.whole[id(cases)]

    def branches(self, condition: Node, cases: list[Case]) -> tuple[list[Case], list[Case]]:
        """The cases in which a branch is taken, and the others; both are all of them if rewards decide."""
        key = (condition, id(cases))
        if key not in self.split:
            self.split[key] = cases, cases
            if condition.counted and self.counted(condition, cases) is None:
                taken = [real.sign(group.value(condition, kind)) != 0 for group, kind in cases]
                pairs = list(zip(cases, taken, strict=True))
                self.split[key] = [case for case, yes in pairs if yes], [case for case, yes in pairs if not yes]
        return self.split[key]


_OF_TOKENS = (
    "sum and count always have a value: sum(x, where=c) / max(1, count(c)); so has max(x if c else 0)",
    "an answer may have a single token: take ddof=0",
)


def _refuse_arguments(node: Reduce, cases: list[Case]) -> None:
    """A q or k that no group, draw or answer of this size can be computed with."""
    group, _ = cases[0]
    for argument in node.arguments:
        value = group.value(argument, -1)
        try:
            if node.reduction.arguments == ("k",):
                size = sum(count for count, _ in group.kinds)
                whole(value, node.reduction.name, size - (node.reduction.name == "max_without"))
            else:
                share(value)
        except Unusable as error:
            raise DesignError(located(node.span, f"{error.args[0]} for N = {group.shared['N']}")) from None


def _in_words(group: Group) -> str:
    if "n_pos" in group.shared:
        return f"for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
    size = sum(count for count, _ in group.kinds)
    drawn = f", in a draw of {size} answers, {group.kinds[0][0]} of them correct" if len(group.kinds) > 1 else ""
    return f"for N = {group.shared['N']}{drawn}"


def _is_reward(node: Node) -> bool:
    return isinstance(node, Name) and node.name == "reward"


def safe(node: Apply, cases: list[Case], batch: list[Case] | None = None) -> bool:
    """Is it known that this operation has a value for all rewards? Its operands have. `batch`: see ranges.py."""
    try:
        return _safe(node, cases, batch)
    except (Undefined, Unusable):  # a part without a value for some counts, or of which nobody knows its sign
        return False


def _safe(node: Apply, cases: list[Case], batch: list[Case] | None) -> bool:
    last = find_range(node.operands[-1], cases, batch)
    match node.function.name:
        case "divide":
            return last.never_zero
        case "sqrt":
            return last.not_negative
        case "log" | "log_gamma":
            return last.above_zero
        case "power":
            base, exponent = find_range(node.operands[0], cases, batch), node.operands[-1]
            if base.above_zero or (base.not_negative and last.not_negative):
                return True
            values = [group.value(exponent, kind) for group, kind in cases] if exponent.counted else [None]
            return all(isinstance(value, Fraction) and value.denominator == 1 and value >= 0 for value in values)
    return False
