"""Where might a formula have no value?

Where counts decide, every case is tried. A part that depends on the rewards
themselves passes if no rewards can break it: a division whose divisor only
counts enter, or is seen not to be 0 (ranges.py), a whole power, an untaken
branch, a mean over a selection that is seen not to be empty. Anything else
needs `flat:`, and `flat` has to pass too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from shaping import real
from shaping.errors import DesignError, Span, located
from shaping.groups.facts import Answers, Case
from shaping.groups.ranges import Ranges
from shaping.groups.witness import Witnesses
from shaping.language.evaluate import Group
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, walk, written
from shaping.language.reductions import share, whole
from shaping.language.vocabulary import ANSWER, BATCH, GROUP
from shaping.real import Undefined, Unusable


@dataclass(frozen=True)
class Gap:
    span: Span
    message: str  # what is missing there
    where: str  # in which groups, for a sentence about them
    hint: str = ""  # what to do, if not the usual
    unsure: str = ""  # what is not seen; the message instead, if no rewards are known that have no value
    scope: str = GROUP  # of what is missing
    guard: str = ""  # how a condition can exclude it: `... if std(r) > 0 else 0`


def refuse_gap(gaps: Gaps, root: Node, cases: list[Case], hint: str, witnesses: Witnesses | None = None) -> None:
    """
    Args:
      hint: what to do, unless the gap has better advice.
      witnesses: rewards to try; a gap that none of them shows is called what it is, one that is not excluded.

    Raises:
      DesignError: the formula has a gap.
    """
    gap = gaps.find(root, Answers(cases))
    if gap is None:
        return
    if gap.unsure and witnesses is not None and not witnesses.show(root, gap.span):
        hint = f"guard it, {gap.guard}; or {gap.hint or hint}" if gap.guard else gap.hint or hint
        raise DesignError(located(gap.span, gap.unsure, hint))
    raise DesignError(located(gap.span, gap.message, gap.hint or hint))


@dataclass
class Gaps:
    """Looks for a place where a formula might have no value. No part is looked at twice."""

    ranges: Ranges
    filtered: bool = False  # does `keep` leave answers out of statistics over the batch?
    draws: Mapping[Draws, tuple[list[Case], list[Case]]] = field(default_factory=dict)  # see `draw_cases`
    seen: dict[tuple[Node, Answers], Gap | None] = field(default_factory=dict)
    rewards: dict[Node, Gap | None] = field(default_factory=dict)  # the name `reward` → where a draw may have none
    smaller: dict[Reduce, Gap] = field(default_factory=dict)  # statistics over the batch that leave groups out, and why

    def find(self, node: Node, answers: Answers) -> Gap | None:
        """The first such place among these answers, and what it would be; None if there is none."""
        if not answers.cases:
            return None
        key = (node, answers)
        if key not in self.seen:
            self.seen[key] = self.counted(node, answers) if node.counted else self.rewarded(node, answers)
        return self.seen[key]

    def counted(self, node: Node, answers: Answers) -> Gap | None:
        for group, kind in answers.cases:
            case = _in_words(group)
            try:
                group.value(node, kind)
            except Undefined as error:
                return Gap(error.args[1], f"{error.args[0]} {case}", case.replace("for ", "of ", 1))
            except Unusable as error:
                raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
        return None

    def rewarded(self, node: Node, answers: Answers) -> Gap | None:
        match node:
            case Named(body=body):
                return self.find(body, answers)
            case Fallback(body=body, flat=flat):
                everyone = self.ranges.groups(answers)  # one answer without a value takes the whole group with it
                if self.find(body, everyone) is None:
                    return None
                found = self.find(flat, everyone)
                return found and replace(found, hint="`flat` itself must always have a value; 0 has")
            case Choose(operands=(condition, then, otherwise)):
                found = self.find(condition, answers)
                chosen, rest = self.ranges.split(condition, answers)
                return self.find(then, chosen) or self.find(otherwise, rest) or found
            case Apply(function=function, operands=(first, second)) if function.infix in ("and", "or"):
                holds, fails = self.ranges.split(first, answers)
                return self.find(first, answers) or self.find(second, holds if function.infix == "and" else fails)
            case Apply(function=function, operands=operands):
                found = [self.find(operand, answers) for operand in operands]
                if first := next(filter(None, found), None):
                    return first
                if function.undefined and not _known(self.ranges, node, answers):
                    return _of_operation(node, self.never_negative(operands[-1], answers))
            case Name():
                return self.rewards.get(node)
            case Reduce():
                return self.reduced(node, answers)
            case Draws(reward=reward, advantage=advantage):
                of_a_draw, of_all_draws = map(Answers, self.draws[node])
                missing = self.find(reward, of_a_draw)
                self.rewards |= {part: missing for part in walk(advantage) if _is_reward(part)}
                found = self.find(advantage, of_all_draws)
                return found and replace(found, hint="say what such draws get: `flat: 0` under `draws:`")
        return None

    def never_negative(self, node: Node, answers: Answers) -> bool:
        try:
            return self.ranges.find(node, answers).not_negative
        except (Undefined, Unusable):  # a part without a value for some counts
            return False

    def reduced(self, node: Reduce, answers: Answers) -> Gap | None:
        everyone = self.ranges.reduced_answers(node, answers)
        arguments = [self.find(argument, everyone) for argument in node.arguments]
        if everyone.cases and not any(arguments):
            _refuse_arguments(node, everyone.cases)
        if first := next(filter(None, arguments), None):
            return first
        found = self.find(node.where, everyone) if node.where is not None else None
        found = found or self.find(node.operand, self.ranges.selected(node, answers))
        if found is not None and node.over == BATCH:  # a group without a value is left out; perhaps every group is
            self.smaller[node] = found
            if node.reduction.each:
                return self.find(node.operand, answers)
            if node.reduction.empty or self.counts_itself(node, answers):
                return None
            message = f"a batch may have no value for {_this(node)}: groups {found.where} are left out"
            unsure = f"I cannot see that some group of every batch has a value for {_this(node)}"
            where = f"of a batch that has no value for '{written(node)}'"
            return Gap(node.span, message, where, unsure=unsure, scope=BATCH)
        return found or self.empty(node, everyone)

    def counts_itself(self, node: Reduce, answers: Answers) -> bool:
        """Has the group in which this statistic over the batch is read a value of its own, so that one is left?"""
        own = self.ranges.groups(answers)
        filtered = self.filtered and not node.everyone
        if node.where is not None or filtered or self.find(node.operand, own) is not None:
            return False
        return node.needed <= (_size(own.cases) if node.of == ANSWER else 1)

    def empty(self, node: Reduce, everyone: Answers) -> Gap | None:
        """Could there be too few values for this reduction?"""
        needed, cases = node.needed, everyone.cases
        if node.reduction.empty or not cases:
            return None
        filtered = node.over == BATCH and self.filtered and not node.everyone
        size = _size(cases)
        if node.where is None and not filtered:
            least = size if node.over == GROUP or (node.over == BATCH and node.of == ANSWER) else 1
            if least >= needed:
                return None  # a batch has a group of so many answers, an answer a token
        elif node.where is not None and not filtered and self.selected(node, everyone) >= needed:
            return None
        if node.over == GROUP and node.where is None:
            if "n_pos" not in cases[0][0].shared:
                few = f"{_this(node)} needs {needed} values, and of these draws it gets {size}"
                return Gap(node.span, few, f"of {size} draws")
            few = f"groups of {size} have too few answers for {_this(node)}"
            hint = f"it needs {needed}: take a smaller ddof, or larger groups"
            return Gap(node.span, few, f"of {size}", hint)
        what = "is no value" if needed == 1 else f"are fewer than {needed} values"
        where = f"where there {what} for '{written(node)}'"
        if node.over == ANSWER:
            hint = _OF_TOKENS[needed > 1]
            return Gap(node.span, f"for some answers there {what} for {_this(node)}", where, hint)
        message = f"for some rewards there {what} for {_this(node)}"
        many = "a value" if needed == 1 else f"{needed} values"
        unsure = f"I cannot see that there always {'is' if needed == 1 else 'are'} {many} for {_this(node)}"
        guard = ""
        if node.where is not None:
            few = "> 0" if needed == 1 else f">= {needed}"
            batch = ", over=batch" if node.over == BATCH else ""
            guard = f"`... if count({written(node.where)}{batch}) {few} else 0`"
        return Gap(node.span, message, where, unsure=unsure, guard=guard, scope=node.scope)

    def selected(self, node: Reduce, everyone: Answers) -> int:
        """The fewest values that `where` selects, as far as counts and conditions say."""
        known = everyone.fact(self.ranges.shapes.some(node, node.where))
        some = int(known.low) if isinstance(known.low, Fraction) else 0
        if node.over == GROUP:
            if self.ranges.shapes.selects_extreme(node.where):
                some = max(some, 1)
            if node.where.counted and not self.find(node.where, everyone):
                groups = {id(group): group for group, _ in everyone.cases}.values()
                some = max(some, min(_how_many(group, node.where) for group in groups))
        return some


_OF_TOKENS = (
    "sum and count always have a value: sum(x, where=c) / max(1, count(c)); so has max(x if c else 0)",
    "an answer may have a single token: take ddof=0",
)


def _this(node: Reduce) -> str:
    return f"this {node.reduction.name}"


def _size(cases: list[Case]) -> int:
    """The answers of the smallest of these groups."""
    return min(sum(count for count, _ in group.kinds) for group, _ in cases)


def _how_many(group: Group, where: Node) -> int:
    kinds = enumerate(group.kinds)
    return sum(count for kind, (count, _) in kinds if count and real.sign(group.value(where, kind)))


def _of_operation(node: Apply, never_negative: bool) -> Gap:
    """A division and the like whose operands may be such that it has no value; `never_negative`: the last of them."""
    operand, name = written(node.operands[-1]), node.function.name
    message = f"for some rewards this is {node.function.hazard}"
    if name == "power":
        base, exponent = map(written, node.operands)
        where = f"where '{written(node)}' has no value"
        unsure = f"I cannot see that '{base}' to the power of '{exponent}' always has a value"
        return Gap(node.span, message, where, unsure=unsure, guard=f"`... if {base} > 0 else 0`", scope=node.scope)
    never, is_so, guard = {
        "divide": ("is never 0", "is 0", "> 0" if never_negative else "!= 0"),
        "sqrt": ("is never negative", "is negative", ">= 0"),
    }.get(name, ("is always above 0", "is not above 0", "> 0"))
    unsure = f"I cannot see that '{operand}' {never}"
    guard = f"`... if {operand} {guard} else 0`"
    return Gap(node.span, message, f"where '{operand}' {is_so}", unsure=unsure, guard=guard, scope=node.scope)


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
    everyone = Answers(cases if batch is None else batch)
    return _known(Ranges(everyone, everyone), node, Answers(cases))


def _known(ranges: Ranges, node: Apply, answers: Answers) -> bool:
    try:
        return _safe(ranges, node, answers)
    except (Undefined, Unusable):  # a part without a value for some counts, or of which nobody knows its sign
        return False


def _safe(ranges: Ranges, node: Apply, answers: Answers) -> bool:
    last = ranges.find(node.operands[-1], answers)
    match node.function.name:
        case "divide":
            return last.never_zero
        case "sqrt":
            return last.not_negative
        case "log" | "log_gamma":
            return last.above_zero
        case "power":
            base, exponent = ranges.find(node.operands[0], answers), node.operands[-1]
            if base.above_zero or (base.not_negative and last.not_negative):
                return True
            values = [group.value(exponent, kind) for group, kind in answers.cases] if exponent.counted else [None]
            whole_numbers = all(isinstance(value, Fraction) and value.denominator == 1 for value in values)
            return whole_numbers and (base.never_zero or all(value >= 0 for value in values))
    return False
