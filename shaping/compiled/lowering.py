"""Formulas → a graph of torch calls.

Whatever depends on counts alone becomes a table over n_pos = 0..N, each entry
the correctly rounded value of the exact one (counted.py). For a counting design
that is all there is: compare, count, look up. Only what depends on the rewards
themselves is computed in floats, each subexpression once. The result is a
`torch.fx` module: its `.code` can be read, torch.compile takes it whole, and no
Python loop runs over prompts or answers.
"""

from __future__ import annotations

import itertools
import operator
import pkgutil
from collections.abc import Sequence
from copy import copy

import torch
from torch import fx

from shaping import kernels
from shaping.compiled.conditioned import conditioned
from shaping.compiled.counted import Counted
from shaping.compiled.graph import Graph, Value
from shaping.compiled.hazards import SORTING, SWALLOWING, Hazards
from shaping.compiled.tokens import token_formula, token_inputs
from shaping.compiled.width import reads_more
from shaping.design import Design, Moment
from shaping.groups.check import draw_cases, draw_shape
from shaping.groups.facts import Case
from shaping.groups.gaps import safe
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, specialize, walk
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, GROUP, OPERATORS

_LOGICAL = {OPERATORS[name] for name in ("and", "or", "not")}
_COMPARING = {OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal")}


class Lowering(Graph):
    def __init__(self, design: Design, N: int, dtype: torch.dtype, moment: Moment | None, ragged: bool = False) -> None:
        super().__init__(dtype)
        self.design, self.N, self.moment, self.ragged = design, N, moment, ragged
        self.counts = Counted(design, N, dtype, moment, ragged)
        self.values: dict[Node, Value] = {}  # nodes are equal only to themselves
        self.special: dict[Node, Node] = {}  # formula → the same without the branches that are never taken
        self.cases = self.counts.cases
        self.signals: dict[str, fx.Node] = {}
        self.width = N  # values on the last axis
        self.memory: list[fx.Node] = []  # for the result and for what is on the way, if the caller has some
        self.hazards = Hazards(self.has_value)
        self.tables = True  # may n_pos be looked up? Not among the answers of a draw

    def module(self, with_none: Sequence[bool]) -> fx.GraphModule:
        """The whole design. `with_none`: which `draws:` sections say which answers have no value (`draws_module`)."""
        self.take_answers(self.design.inputs)
        looked_up = self.design.tabulated and self.design.counts and not self.ragged  # else scores may be anything
        if looked_up:
            self.take_memory()
        for i, node in enumerate(self.design.draws):
            drawn_PN = self.placeholder(f"drawn_{i}_PN")
            self.values[node] = Value(drawn_PN, self.placeholder(f"drawn_{i}_undefined_PN") if with_none[i] else None)
        if self.ragged:
            self.signals["present"] = self.placeholder("present_PN")
        if looked_up:
            # The score itself, where it has to be a verdict; a truth of `correct:` as a number.
            value = self.of_verdicts(self.counts.advantage(), self.correct_value())
        else:
            value = self.or_none(self.reached(self.design.advantage))
            if value in self.signals.values():  # the caller may write into the result, not into its own rewards
                value = self.call(torch.clone, value)
            value = self.spread(value)
        if self.ragged:
            value = self.call(torch.where, self.signals["present"], value, 0)
        if self.design.token is None:
            return self.finished(value, "Advantage")
        return self.finished((value, *self.read_by_tokens(value)), "Advantage")

    def inputs_module(self) -> fx.GraphModule:
        """What the `token:` section reads of an answer, where the advantages are there already."""
        self.take_answers(self.design.inputs)
        if self.ragged:
            self.signals["present"] = self.placeholder("present_PN")
        return self.finished(self.read_by_tokens(self.placeholder("advantage_PN")), "TokenInputs")

    def read_by_tokens(self, advantage: fx.Node) -> tuple[fx.Node, ...]:
        self.signals["A"] = advantage
        inputs = token_inputs(self.design, self.N, self.moment)
        return tuple(self.spread(self.or_none(self.reached(node))) for node in inputs)

    def verdicts_module(self, columns: list[list[float]]) -> fx.GraphModule:
        """Groups whose rewards are 0 and 1: verdict_PN → advantage_PN."""
        verdict = self.placeholder("verdict_PN")
        self.take_memory()
        return self.finished(self.of_verdicts(columns, verdict), "OfVerdicts")

    def take_memory(self) -> None:
        self.memory = [self.optional("out_PN"), self.optional("spare_PN")]

    def take_answers(self, inputs: Sequence[str]) -> None:
        for signal, name in (("r", "reward_PN"), ("score", "score_PN")):
            self.signals[signal] = self.placeholder(name)
        self.signals |= {name: self.placeholder(f"{name}_PN") for name in inputs}

    def draws_module(self, node: Draws) -> fx.GraphModule:
        """What answers get from their draws and, if that may be, which of them have no value."""
        self.take_answers(self.design.inputs)
        drawn = self.drawn(node, self.placeholder("member_PMk"))
        return self.finished(drawn.node if drawn.undefined is None else (drawn.node, drawn.undefined), "Draws")

    def token_module(self) -> fx.GraphModule:
        self.tables = False
        for signal, name in (("token_logprob", "token_logprob_BT"), ("position", "position_BT"), ("mask", "mask_BT")):
            self.signals[signal] = self.placeholder(name)
        root, inputs = token_formula(self.design, self.N, self.moment)
        self.values = {
            node: Value(self.placeholder(f"{getattr(node, 'name', f'answer_{i}')}_B1")) for i, node in enumerate(inputs)
        }
        value = self.or_none(self.lower(root))
        return self.finished(self.call(torch.where, self.signals["mask"], value, 0), "TokenAdvantage")

    def verdict_module(self) -> fx.GraphModule:
        self.take_answers([])
        return self.finished(self.correct(), "Verdict")

    # ── One expression ──────────────────────────────────────────────────────

    def reached(self, root: Node, name: str | None = None) -> Value:
        """`lower` of a whole formula, without the branches that are never taken."""
        return self.lower(specialize(root, self.counts.decide, self.special), name)

    def lower(self, node: Node, name: str | None = None) -> Value:
        if node not in self.values:
            by_count = node.counted and (self.tables or node.scope == CONSTANT)
            self.values[node] = (self.counted if by_count else self.computed)(node, name)
        return self.values[node]

    def computed(self, node: Node, name: str | None) -> Value:
        match node:
            case Name(name="P"):
                present = (self.signals["present"],) if self.ragged else ()
                return Value(self.call(kernels.how_many_groups, self.signals["r"], *present))
            case Name(name=signal):
                return Value(self.signals[signal])
            case Named(name=name, body=body):
                return self.lower(body, name)
            case Fallback(body=body, flat=flat):
                value = self.lower(body, name)
                if self.ragged and body.scope == BATCH:  # some of its groups may have no answer left
                    value = self.widened(value, GROUP)
                value = self.with_flat(value, flat)
                return value if body.scope == node.scope else self.widened(value, node.scope)
            case Choose(operands=parts):
                condition, then, otherwise = (self.lower(part) for part in parts)
                yes = self.truth(condition)
                taken = self.undefined_of_branches(yes, then.undefined, otherwise.undefined)
                lost = self.undefined_of_branches(yes, then.lost, otherwise.lost)
                return Value(
                    self.choose(yes, then, otherwise, name),
                    self.either(condition.undefined, taken),
                    lost=self.either(self.swallowed(parts[0], condition), lost),
                )
            case Apply():
                return self.applied(node, name)
            case Reduce():
                return self.reduced(node, name)

    def with_flat(self, body: Value, flat: Node) -> Value:
        """One answer without a value takes the whole group with it: no half-defined groups."""
        if body.undefined is None:
            return body
        undefined = self.both(self.signals["present"], body.undefined) if self.ragged else body.undefined
        flat_P1 = self.call(torch.any, undefined, -1, True, name="flat_P1")
        value = self.lower(flat)
        lost = self.undefined_of_branches(flat_P1, value.lost, body.lost)
        chosen = self.choose(flat_P1, value, Value(self.numeric(body)))
        return Value(chosen, self.both(flat_P1, value.undefined), lost=lost)

    def applied(self, node: Apply, name: str | None) -> Value:
        function, operands = node.function, node.operands
        values = [self.lower(operand) for operand in operands]
        inputs = [self.truth(v) if function in _LOGICAL else self.numeric(v) for v in values]
        if function.infix in ("and", "or"):
            undefined = self.undefined_of_sides(function.infix, inputs[0], *(value.undefined for value in values))
        else:
            undefined = None
            for value in values:
                undefined = self.either(undefined, value.undefined)
        lost = self.lost(node, inputs, values)
        if function.infix == "/" and isinstance(inputs[1], float):
            self.counts.refuse_vanished(operands[1], inputs[1])
        if all(isinstance(value, float) for value in inputs):  # fewer are counted than once were: see `specialize`
            inputs[0] = self.call(torch.full_like, self.any_signal(), inputs[0])
        if function.undefined and not self.has_value(node):
            undefined = self.either(undefined, self.call(pkgutil.resolve_name(function.undefined), *inputs))
        call = pkgutil.resolve_name(function.torch), inputs, {}
        kernel, arguments, options = conditioned(function.infix, call[0], inputs) or call
        result = self.call(kernel, *arguments, name=name, **options)
        return Value(result, undefined, truth=function in _LOGICAL | _COMPARING, lost=lost)

    # ── What is no number, and is taken for one ─────────────────────────────

    def lost(self, node: Apply, inputs: list, values: list[Value]) -> fx.Node | None:
        """Where this operation was given what is no number and hides it, or an operand did."""
        function = node.function
        hides = function in _LOGICAL | _COMPARING or function.name in SWALLOWING
        parts = [
            self.swallowed(operand, value) if hides else value.lost
            for operand, value in zip(node.operands, values, strict=True)
        ]
        if function.infix in ("and", "or"):
            return self.undefined_of_sides(function.infix, inputs[0], *parts)
        found = None
        for part in parts:
            found = self.either(found, part)
        return found

    def swallowed(self, node: Node, value: Value) -> fx.Node | None:
        """Where a value that is about to be taken for a truth, or put in order, is no number."""
        if isinstance(value.node, float) or value.truth or not self.hazards.of(node).be_none:
            return value.lost
        none = self.call(torch.isnan, value.node)
        if value.undefined is not None:  # 0 / 0 is no number either, and `flat` is for that
            none = self.both(self.call(torch.logical_not, value.undefined), none)
        return self.either(value.lost, none)

    def or_none(self, value: Value) -> fx.Node | float:
        """The value, and no number where it was made of what is none: who looks at the result finds it there."""
        number = self.numeric(value)
        if value.lost is None:
            return number
        return self.call(kernels.choose, value.lost, float("nan"), number, dtype=self.dtype)

    def has_value(self, node: Apply) -> bool:
        """Is this operation defined for all rewards, wherever its operands are?"""
        return safe(node, self.cases)

    def reduced(self, node: Reduce, name: str | None) -> Value:
        row, inner = node.reduction, self.lower(node.operand)
        where = None if node.where is None else self.lower(node.where)
        if node.operand.scope != node.of:  # the branch that was never taken was the wider one
            inner = self.widened(inner, node.of)
        value = self.numeric(inner)
        selected, counted = self.selected(node, value, where)
        undefined = self.both(selected, inner.undefined) if inner.undefined is not None else None
        undefined = self.either(undefined, self.both(counted, where.undefined) if where else None)
        shape = value
        if node.over == BATCH:
            if undefined is not None:
                selected, undefined = self.without(undefined, selected, shape), None
            value = self.call(kernels.as_one_group, value)
            selected = selected and self.call(kernels.as_one_group, selected)
        lost = self.lost_of_reduced(node, (inner, shape), where, counted, selected)
        undefined = undefined and self.call(torch.any, undefined, -1, True)
        if row.each:  # a value for each, and so none for one that has none
            undefined = self.either(undefined, inner.undefined)
        needed = node.needed
        if not row.empty and (selected is not None or (needed > 1 and (node.over == BATCH or self.width < needed))):
            few = (needed, value) if selected is None else (needed, value, selected)
            undefined = self.either(undefined, self.call(kernels.fewer_than, *few))
        if row.name in ("std", "var") and selected is None:
            # r - mean(r) stands beside std(r) in most designs: computed once for both.
            centred = self.call(kernels.centred, value)
            kernel = pkgutil.resolve_name(f"{row.torch}_of_centred")
            result = self.call(kernel, centred, name=name, **dict(node.options))
            return Value(self.beyond_rounding(node, result, value), undefined, lost=lost)
        arguments = []
        for argument in node.arguments:
            undefined = self.either(undefined, self.lower(argument).undefined)
            if self.counts.nowhere(argument):
                return self.widened(Value(0.0, undefined, lost=lost), node.scope)
            arguments = self.order_weights(row.name, argument) if row.arguments == ("k",) else self.share(argument)
        options = dict(node.options) | ({"where_PN": selected} if selected is not None else {})
        result = self.call(pkgutil.resolve_name(row.torch), value, *arguments, name=name, **options)
        if row.each and node.over == BATCH:
            result = self.call(kernels.as_groups, result, shape)
        if row.name in ("std", "var"):
            result = self.beyond_rounding(node, result, value, **options)
        return Value(result, undefined, lost=lost)

    def lost_of_reduced(
        self,
        node: Reduce,
        reduced: tuple[Value, fx.Node],
        where: Value | None,
        counted: fx.Node | None,
        selected: fx.Node | None,
    ) -> fx.Node | None:
        """For the whole group (batch, answer): did an order or a condition hide what is no number?

        `reduced`: what is reduced, and that in the shape in which masks are; over the batch `selected` is one row.
        """
        inner, shape = reduced
        operand = self.swallowed(node.operand, inner) if node.reduction.name in SORTING else inner.lost
        condition = None if where is None else self.swallowed(node.where, where)

        def row(mask: fx.Node) -> fx.Node:
            return self.call(kernels.as_one_group, self.call(kernels.spread, mask, shape))

        found = None
        for mask, among in ((operand, selected), (condition, counted)):
            if mask is not None:
                if node.over == BATCH:
                    mask, among = row(mask), among and (among if among is selected else row(among))
                found = self.either(found, self.call(torch.any, self.both(among, mask), -1, True))
        return found

    def beyond_rounding(self, node: Reduce, spread: fx.Node, value: fx.Node, **options) -> fx.Node:
        """0 for a spread that rounding alone makes: of success rates that are equal no digit of it is right.

        What is given, such as rewards, was not rounded on the way; and float32 would take true differences for it.
        """
        if value in self.signals.values() or not reads_more(self.design):
            return spread
        power, where = (1 if node.reduction.name == "std" else 2), options.get("where_PN")
        return self.call(kernels.beyond_rounding, spread, value, power, *([] if where is None else [where]))

    def without(self, undefined: fx.Node, selected: fx.Node | None, shape: fx.Node) -> fx.Node:
        """`selected` without the groups that have no value: one answer without takes its whole group along."""
        some_P1 = self.call(torch.any, self.call(kernels.spread, undefined, shape), -1, True)
        there = self.call(kernels.spread, self.call(torch.logical_not, some_P1), shape)
        return self.both(selected, there)

    def order_weights(self, name: str, k: Node) -> list[fx.Node]:
        """What the sorted values are multiplied with, for draws of k of them."""
        rows = [self.buffer(each, f"{name}_weights") for each in self.counts.weights(name, k, self.width)]
        return [self.call(operator.getitem, each, self.size_P()) for each in rows] if self.ragged else rows

    def share(self, q: Node) -> list[int | fx.Node]:
        """The q of a quantile as numerator and denominator: the place of q = 0.6 among 26 values is 15, and not
        15.000001."""
        if (exact := self.counts.everywhere(q)) is not None:
            return list(self.counts.ratio(exact))
        return [self.look_up([column], "q") for column in self.counts.ratios(q)]

    def selected(self, node: Reduce, value: fx.Node, where: Value | None) -> tuple[fx.Node | None, fx.Node | None]:
        """Which values `where`, and for statistics over the batch `keep`, let through; in the shape of the values.

        And the same without `where`, which has to have a value for those alone.
        """
        masks = []
        if node.over == BATCH and self.design.keep is not None and not node.everyone:
            kept = self.truth(self.reached(self.design.keep))
            wide = self.design.keep.scope == ANSWER and node.of == GROUP and not isinstance(kept, bool)
            masks.append(self.call(torch.any, kept, -1, True) if wide else kept)
        if node.over == ANSWER:
            masks.append(self.signals["mask"])
        elif self.ragged and node.of == ANSWER:
            masks.append(self.signals["present"])
        elif self.ragged:  # a group counts if any of its answers does
            masks.append(self.call(torch.any, self.signals["present"], -1, True))
        return self.mask([self.truth(where), *masks] if where else masks, value), self.mask(masks, value)

    def drawn(self, node: Draws, member: fx.Node) -> Value:
        """A lowering of its own for the answers of a draw, and one for the draws of a group.

        A draw without a reward has no advantage where the formula reads it, and an answer of such a draw none either.
        """
        count, size = draw_shape(self.design, node, self.N, self.moment)
        own = {signal: value for signal, value in self.signals.items()}
        needed = {part.name for part in walk(node.reward) if isinstance(part, Name) and part.scope == ANSWER}
        gathered = {}
        for signal in sorted(needed):
            value = self.numeric(Value(self.correct(), truth=True)) if signal == "correct" else own[signal]
            gathered[signal] = self.call(kernels.members, value, member)
        of_a_draw, of_all_draws = draw_cases(self.design, node, self.N, self.moment)
        answers = self.inside(gathered, size, of_a_draw)
        reward = answers.reached(node.reward)
        if isinstance(reward.node, float):  # a choice took the branch that reads no answer
            reward = answers.widened(reward, GROUP)
        reward_PM = self.call(torch.squeeze, answers.or_none(reward), -1)
        missing_PM = reward.undefined and self.call(torch.squeeze, reward.undefined, -1)
        draws = self.inside({"reward": reward_PM}, count, of_all_draws)
        names = (part for part in walk(node.advantage) if isinstance(part, Name) and part.name == "reward")
        draws.values |= {name: Value(reward_PM, missing_PM) for name in names}
        result = draws.reached(node.advantage)
        value = self.call(kernels.sum_of_draws, draws.spread(draws.or_none(result)), member, self.signals["r"])
        if result.undefined is None:
            return Value(value)
        undefined_PM = draws.spread(result.undefined)
        return Value(value, self.call(kernels.in_any_draw, undefined_PM, member, self.signals["r"]))

    def inside(self, signals: dict[str, fx.Node], width: int, cases: list[Case]) -> Lowering:
        """The same graph, other values under the names."""
        inner = copy(self)
        inner.signals, inner.values, inner.width, inner.tables, inner.cases = signals, {}, width, False, cases
        inner.hazards = Hazards(inner.has_value)
        return inner

    def any_signal(self) -> fx.Node:
        """Something of the full shape."""
        return next(iter(self.signals.values()))

    def spread(self, value: fx.Node | float) -> fx.Node:
        return self.call(kernels.spread, value, self.any_signal())

    def widened(self, value: Value, scope: str) -> Value:
        """As many values as the scope has: a formula is as wide as its widest part, whichever part decides it."""
        like = self.any_signal()
        if scope in (BATCH, GROUP):
            like = self.call(torch.narrow, like, -1, 0, 1)
        undefined = value.undefined and self.call(kernels.spread, value.undefined, like)
        lost = value.lost and self.call(kernels.spread, value.lost, like)
        return Value(self.call(kernels.spread, self.numeric(value), like), undefined, lost=lost)

    # ── Tables of what counts decide ────────────────────────────────────────

    def counted(self, node: Node, name: str | None) -> Value:
        name = node.name if isinstance(node, Named) else name
        if isinstance(node, Name) and node.name == "correct":
            return Value(self.correct(), truth=True)
        if node.scope == CONSTANT and (value := self.counts.everywhere(node)) is not None:
            return Value(self.counts.rounded(value, node.span))
        if not self.tables:  # among draws or tokens, and no constant has a value for some of them alone
            like = self.call(torch.narrow, self.any_signal(), -1, 0, 1)
            return Value(0.0, self.call(torch.ones_like, like, dtype=torch.bool))
        columns, absent = self.counts.columns(node)
        label = name or "value"
        value = self.look_up(columns, label, name)
        return Value(value, self.look_up(absent, f"{label}_undefined") if any(map(any, absent)) else None)

    def look_up(self, columns: list[list], label: str, name: str | None = None) -> fx.Node:
        """Columns indexed by n_pos, (N + 1,) each: one for correct and one for wrong answers, or one for both."""
        parts = []
        for kind, column in zip(("correct", "wrong") if len(columns) == 2 else ("group",), columns, strict=True):
            table = self.buffer(column, f"{label}_{kind}")
            own = name if len(columns) == 1 else f"{label}_{kind}_P1"
            parts.append(self.call(operator.getitem, table, self.n_pos(), name=own))
        if len(parts) == 1:
            return parts[0]
        right_P1, wrong_P1 = parts
        if isinstance(columns[0][0], bool) or _far_apart(columns):
            return self.call(torch.where, self.correct(), right_P1, wrong_P1, name=name)
        return self.call(kernels.pick, wrong_P1, right_P1, self.correct_value(), name=name)

    def of_verdicts(self, columns: list[list[float]], verdict: fx.Node) -> fx.Node:
        """The whole advantage, of groups of 0 and 1: count, look up, pick."""
        n_pos_P, parts = self.call(kernels.how_many_ones, verdict, name="n_pos_P"), []
        for kind, column in zip(("correct", "wrong"), columns, strict=True):
            entries = self.buffer(column, f"advantage_{kind}")
            parts.append(self.call(kernels.entry, entries, n_pos_P, name=f"advantage_{kind}_P1"))
        right_P1, wrong_P1 = parts
        if _far_apart(columns):
            correct = self.call(operator.ne, verdict, 0)
            return self.call(torch.where, correct, right_P1, wrong_P1, name="advantage_PN")
        return self.call(kernels.pick, wrong_P1, right_P1, verdict, *self.memory, name="advantage_PN")

    def correct(self) -> fx.Node:
        if "correct" not in self.signals:
            verdict = self.truth(self.reached(self.design.verdict, "correct_PN"))
            self.signals["correct"] = self.both(self.signals["present"], verdict) if self.ragged else verdict
        return self.signals["correct"]

    def correct_value(self) -> fx.Node:
        """1 for a correct answer, else 0, as numbers. The score itself where it has to be a verdict."""
        graded = self.design.graded or self.ragged
        return self.numeric(Value(self.correct(), truth=True)) if graded else self.signals["score"]

    def n_pos(self) -> fx.Node:
        """Where in a table a group is: at n_pos; with answers missing at (N + 1) * how many are there + n_pos."""
        n_pos_P1 = self.call(torch.Tensor.long, self.call(torch.sum, self.correct_value(), -1, True), name="n_pos_P1")
        if not self.ragged:
            return n_pos_P1
        size_P1 = self.call(torch.sum, self.signals["present"], -1, True)
        return self.call(operator.add, self.call(operator.mul, size_P1, self.N + 1), n_pos_P1)

    def size_P(self) -> fx.Node:
        return self.call(torch.sum, self.signals["present"], -1)


def _far_apart(columns: list[list[float]]) -> bool:
    """Between floats of half the range a difference is a float too; between these it may not be."""
    return max(map(abs, itertools.chain(*columns))) > 1e38
