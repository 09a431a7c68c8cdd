"""Between which numbers a formula must lie, whatever the rewards: enough to see that a divisor is never 0.

In    a formula, the answers that it is asked of (facts.py), with what conditions say of them
Out   Range

Every part of the formula has a value there. Ends are exact numbers. What a condition says is used where the same
formula stands again: in `x / std(r) if std(r) > 0 else 0` the divisor is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from shaping import real
from shaping.groups.facts import Answers, Shapes, all_answers, joined, learn
from shaping.groups.interval import EVERYTHING, Range, applied, either, meet, point, vanishing
from shaping.language.nodes import Apply, Choose, Fallback, Name, Named, Node, Reduce
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, GROUP
from shaping.real import Undefined, Unusable

ZERO, ONE = Fraction(0), Fraction(1)
_SIGNALS = {
    "length": Range(ZERO),
    "truncated": Range(ZERO, ONE),
    "logprob": Range(None, ZERO),
    "token_logprob": Range(None, ZERO),
    "position": Range(ZERO),
    "P": Range(ONE),
}
_WITHIN = ("mean", "min", "max", "quantile", "others_mean", "max_of", "max_with", "max_without")  # of their values
_ONE_OF = ("min", "max")  # and one of them
_NO_CONDITION = ("and", "or", "not")


@dataclass(eq=False)
class Ranges:
    """No part is looked at twice for the same answers; a `let` has one range wherever it is used.

    `batch`: the answers that statistics over the batch count; `everyone`: those of statistics that `keep` is made of.
    """

    batch: Answers
    everyone: Answers
    shapes: Shapes = field(default_factory=Shapes)
    known: dict[tuple[Node, Answers], Range] = field(default_factory=dict)
    halves: dict[tuple[Node, Answers], tuple[Answers, Answers]] = field(default_factory=dict)
    reduced: dict[tuple[str, Answers], Answers] = field(default_factory=dict)

    def find(self, node: Node, answers: Answers) -> Range:
        key = (node, answers)
        if key not in self.known:
            found = self.found(node, answers) if answers.cases else EVERYTHING
            self.known[key] = meet(found, answers.fact(self.shapes.of(node)))
        return self.known[key]

    def found(self, node: Node, answers: Answers) -> Range:
        if node.counted:
            return vanishing(point([group.value(node, kind) for group, kind in answers.cases]))
        match node:
            case Name(name=name):
                return _SIGNALS.get(name, EVERYTHING)
            case Named(body=body):
                return self.find(body, answers)
            case Choose(operands=(condition, then, otherwise)):
                halves = zip((then, otherwise), self.split(condition, answers), strict=True)
                return either([self.find(part, half) for part, half in halves if half.cases])
            case Fallback(body=body, flat=flat):
                return either([self.find(body, answers), self.find(flat, answers)])
            case Reduce():
                return self.of_reduction(node, answers)
            case Apply():
                return self.of_operation(node, answers)
        return EVERYTHING

    def of_reduction(self, node: Reduce, answers: Answers) -> Range:
        name = node.reduction.name
        if name in ("std", "var"):
            return Range(ZERO, hole=answers.fact(self.shapes.spread(node)).never_zero)
        if name == "rank":
            return Range(ZERO)
        if name == "count":
            some = answers.fact(self.shapes.some(node, node.operand)) if node.where is None else None
            return meet(Range(ZERO), some)
        values = self.find(node.operand, self.selected(node, answers))
        if name == "sum":
            some = node.where is None and node.over == GROUP
            if values.not_negative:
                return Range(ZERO, hole=some and values.above_zero)
            return Range(None, ZERO, hole=some and values.never_zero) if values.not_positive else EVERYTHING
        if name in _WITHIN:
            return values if name in _ONE_OF else replace(values, hole=False)
        return EVERYTHING

    def of_operation(self, node: Apply, answers: Answers) -> Range:
        name, operands = node.function.name, node.operands
        parts = [self.find(operand, answers) for operand in operands]
        if name in ("multiply", "subtract") and self.shapes.of(operands[0]) == self.shapes.of(operands[1]):
            return applied("abs_power", [parts[0], point([Fraction(2)])]) if name == "multiply" else point([ZERO])
        if name == "subtract" and (pair := self.shapes.extremes(*operands)):
            return Range(ZERO, hole=answers.fact(pair).never_zero)
        if name == "power" and operands[1].counted:
            values = [group.value(operands[1], kind) for group, kind in answers.cases]
            return either([applied("power", [parts[0], point([value])]) for value in dict.fromkeys(values)])
        return applied(name, parts)

    # ── Which answers ───────────────────────────────────────────────────────

    def reduced_answers(self, node: Reduce, answers: Answers) -> Answers:
        """What a reduction looks at, whichever answers get the formula that it stands in."""
        kind = "everyone" if node.everyone else f"{node.over} {node.of}" if node.over == BATCH else node.over
        if (kind, answers) not in self.reduced:
            self.reduced[kind, answers] = self.made(node, answers)
        return self.reduced[kind, answers]

    def made(self, node: Reduce, answers: Answers) -> Answers:
        if node.over == ANSWER:
            return answers.of_scopes((CONSTANT, BATCH, GROUP, ANSWER))
        if node.over == GROUP:
            return self.groups(answers)
        base = self.everyone if node.everyone else self.batch
        known = base if node.of == ANSWER else base.of_scopes((CONSTANT, BATCH, GROUP))
        return Answers(all_answers(base.cases) if node.of != ANSWER else base.cases, known.facts).and_also(
            answers.of_scopes((CONSTANT, BATCH))
        )

    def selected(self, node: Reduce, answers: Answers) -> Answers:
        """What a reduction reduces: of what it looks at, what `where` selects."""
        everyone = self.reduced_answers(node, answers)
        if node.where is None or node.reduction.each:
            return everyone
        return self.split(node.where, everyone)[0]

    def groups(self, answers: Answers) -> Answers:
        """All answers of their groups."""
        if ("groups", answers) not in self.reduced:
            made = Answers(all_answers(answers.cases), answers.of_scopes((CONSTANT, BATCH, GROUP)).facts)
            self.reduced["groups", answers] = self.reduced["groups", made] = made
        return self.reduced["groups", answers]

    def split(self, condition: Node, answers: Answers) -> tuple[Answers, Answers]:
        """The answers for which a condition holds, and the others, each with what that says of them.

        Both are all of them where rewards decide.
        """
        key = (condition, answers)
        if key not in self.halves:
            try:
                self.halves[key] = self.halved(condition, answers)
            except (Undefined, Unusable):  # a part without a value for some counts: found where it is looked for
                self.halves[key] = answers, answers
        return self.halves[key]

    def halved(self, condition: Node, answers: Answers) -> tuple[Answers, Answers]:
        if condition.counted:
            holds = [real.sign(group.value(condition, kind)) != 0 for group, kind in answers.cases]
            pairs = list(zip(answers.cases, holds, strict=True))
            return tuple(Answers([case for case, yes in pairs if yes is half], answers.facts) for half in (True, False))
        match condition:
            case Named(body=body):
                return self.split(body, answers)
            case Apply(function=function, operands=operands) if function.name in _NO_CONDITION:
                yes, no = self.split(operands[0], answers)
                if function.name == "not":
                    return no, yes
                if function.name == "and":
                    both, not_second = self.split(operands[1], yes)
                    return both, joined(no, not_second)
                second, neither = self.split(operands[1], no)
                return joined(yes, second), neither
        return learn(self, condition, answers, True), learn(self, condition, answers, False)
