"""The exact value of a formula for one group of answers, or for a batch of groups.

A group is a list of kinds of answers with how many there are of each: what
counts decide needs two kinds (correct, wrong), a group of real rewards has one
kind an answer. Sums over a group weigh each kind by its number, so this one
evaluator serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.errors import DesignError, located
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Number, Reduce
from shaping.language.reductions import REDUCE, Weighed, total
from shaping.language.vocabulary import ANSWER, BATCH
from shaping.real import Real, Undefined, Unusable
from shaping.work import TooMuch, located_limit, spend


@dataclass(eq=False)
class Group:
    shared: Mapping[str, Real]  # N, n_pos, parameters ...: the same for every answer
    kinds: Sequence[tuple[int, Mapping[str, Real]]]  # how many answers, and their signals
    batch: Batch | None = None  # the groups of the same step; needed by formulas that look at them
    draws: Mapping[Draws, Sequence[Sequence[int]]] = field(default_factory=dict)  # the kinds that each draw has
    known: dict[tuple[Node, int], Real] = field(default_factory=dict)

    def present(self) -> list[int]:
        return [kind for kind, (count, _) in enumerate(self.kinds) if count]

    def value(self, node: Node, kind: int) -> Real:
        """The value of `node` for answers of that kind; for the whole group if it is of group scope."""
        if self.batch is not None and _is_of_batch(node):
            return self.batch.value(node, self)
        key = (node, kind if node.scope == ANSWER else -1)
        if key not in self.known:
            self.known[key] = self.computed(node, kind)
        return self.known[key]

    def computed(self, node: Node, kind: int) -> Real:
        try:
            spend(1)
            return self.compute(node, kind)
        except TooMuch as error:
            raise located_limit(error, node.span) from None
        except (Undefined, Unusable) as error:
            if not error.args[1:]:  # the innermost node is the place to show
                error.args = (error.args[0], node.span)
            raise

    def compute(self, node: Node, kind: int) -> Real:
        match node:
            case Number(value=value):
                return value
            case Name(name=name):
                return self.kinds[kind][1][name] if node.scope == ANSWER else self.shared[name]
            case Named(body=body):
                return self.value(body, kind)
            case Apply(function=function, operands=(first, second)) if function.infix in ("and", "or"):
                holds = real.sign(self.value(first, kind)) != 0
                if holds == (function.infix == "or"):  # the first side decides, and the second needs no value
                    return Fraction(int(holds))
                return Fraction(int(real.sign(self.value(second, kind)) != 0))
            case Apply(function=function, operands=operands):
                return function.exact(*(self.value(operand, kind) for operand in operands))
            case Choose(operands=(condition, then, otherwise)):
                return self.value(then if real.sign(self.value(condition, kind)) else otherwise, kind)
            case Fallback(body=body, flat=flat):
                try:
                    for each in self.present():  # one answer without a value takes the whole group with it
                        self.value(body, each)
                    return self.value(body, kind)
                except Undefined:
                    return self.value(flat, kind)
            case Reduce(reduction=reduction, options=options):
                arguments = [self.value(argument, kind) for argument in node.arguments]
                values = self.weighed(node) if node.over != BATCH else self.batch.weighed(node)
                each = [self.value(node.operand, kind)] if reduction.each else []
                return REDUCE[reduction.name](*each, values, *arguments, **dict(options))
            case Draws():
                return self.drawn(node, kind)

    def drawn(self, node: Draws, kind: int) -> Real:
        """The sum of the advantages of the draws that this answer is in; here every answer is a kind of its own."""
        members = self.draws[node]
        draws = [Drawn(self.shared, [(1, self.kinds[answer][1]) for answer in each]) for each in members]
        results = Drawn(self.shared, [(1, {}) for _ in draws], of=draws, reward=node.reward)
        return total([(1, results.value(node.advantage, j)) for j, each in enumerate(members) if kind in each])

    def weighed(self, node: Reduce) -> Weighed:
        """(how many, value) of each kind that `where` selects."""
        self.refuse_too_few(node)
        chosen = [kind for kind in self.present() if node.where is None or real.sign(self.value(node.where, kind))]
        return [(self.kinds[kind][0], self.value(node.operand, kind)) for kind in chosen]

    def refuse_too_few(self, node: Reduce) -> None:
        """What has no value for any group of this size is a mistake, not a case for `flat`."""
        ddof = dict(node.options).get("ddof", 0)
        if node.where is None and ddof >= sum(count for count, _ in self.kinds):
            raise Unusable(f"{node.reduction.name}(..., ddof={ddof}) needs more than {ddof} answers in a group")


@dataclass(eq=False)
class Drawn(Group):
    """The answers of a draw; or the draws of a group, in which the name `reward` is a formula over those of each.

    A reward is computed where it is read, so that `flat` is found for one that has no value. How many there are is
    no size of a group: of too few there is no value.
    """

    of: Sequence[Group] = ()
    reward: Node | None = None

    def compute(self, node: Node, kind: int) -> Real:
        if self.of and isinstance(node, Name) and node.name == "reward":
            return self.of[kind].value(self.reward, 0)
        return super().compute(node, kind)

    def refuse_too_few(self, node: Reduce) -> None:
        pass


@dataclass(eq=False)
class Batch:
    """Groups of one step. `keep`, if the design has one, decides who counts in statistics over the batch.

    A group in which what is reduced has no value, for one answer that would count, is left out of that statistic. So
    one group without a spread does not take the value from all others.
    """

    groups: Sequence[Group]
    keep: Node | None = None
    known: dict[Node, Real] = field(default_factory=dict)

    def value(self, node: Node, group: Group) -> Real:
        if node not in self.known:
            self.known[node] = group.computed(node, -1) if isinstance(node, Reduce) else Fraction(len(self.groups))
        return self.known[node]

    def weighed(self, node: Reduce) -> Weighed:
        values: Weighed = []
        for group in self.groups:
            try:
                values += self.of_group(node, group)
            except Undefined:  # this group has no value, and is not counted
                continue
        return values

    def of_group(self, node: Reduce, group: Group) -> Weighed:
        """(how many, value) of each kind of its answers that counts; of a group's value once."""
        values = []
        for kind in group.present() if node.operand.scope == ANSWER else group.present()[:1]:
            count = group.kinds[kind][0] if node.operand.scope == ANSWER else 1
            if self.keep is not None and not node.everyone and not self.kept(group, node, kind):
                continue
            if node.where is not None and not real.sign(group.value(node.where, kind)):
                continue
            values.append((count, group.value(node.operand, kind)))
        return values

    def kept(self, group: Group, node: Reduce, kind: int) -> bool:
        """An answer is kept by itself; a group if any of its answers is."""
        kinds = [kind] if node.operand.scope == ANSWER else group.present()
        return any(real.sign(group.value(self.keep, each)) for each in kinds)


def _is_of_batch(node: Node) -> bool:
    """A statistic over the batch, or P. What is made of them may differ by N, where answers are missing."""
    return node.scope == BATCH and isinstance(node, Reduce | Name)


def constant(node: Node, names: Mapping[str, Real]) -> Real:
    """The value of a formula without answers, such as a bound of a range."""
    try:
        return Group(names, []).value(node, -1)
    except (Undefined, Unusable) as error:
        raise DesignError(located(error.args[1], error.args[0])) from None
