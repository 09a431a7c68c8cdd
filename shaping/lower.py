"""A design → one vectorized torch function for groups of N answers.

In    Design, N, the moment of the run if the design sees it
Out   reward_PN, score_PN, what else it reads (`Design.inputs`) → advantage_PN

Whatever depends on counts alone becomes a table over n_pos = 0..N, each entry
the correctly rounded value of the exact one: binomials never overflow and
1 - (1 - x) loses nothing, because no float is involved before the last step.
For a counting design that is all there is: compare, count, look up. Only what
depends on the rewards themselves is computed in floats, each subexpression
once. The result is a `torch.fx` module: its `.code` can be read, torch.compile
takes it whole, and no Python loop runs over prompts or answers.
"""

from __future__ import annotations

import itertools
import math
import operator
import pkgutil
import re
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb

import torch
from torch import fx

from shaping import kernels, real
from shaping.check import check_moment, check_size, draw_shape, safe, usable_sizes
from shaping.design import Design, Moment
from shaping.errors import DesignError, Span, located
from shaping.exact import counted_group, table
from shaping.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, parts, specialize, walk
from shaping.real import Real, Undefined, Unusable
from shaping.reductions import whole
from shaping.vocabulary import ANSWER, BATCH, CONSTANT, GROUP, OPERATORS, TOKEN
from shaping.work import bounded, spend

_LOGICAL = {OPERATORS[name] for name in ("and", "or", "not")}
_COMPARING = {OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal")}

_FRESH = {operator.add, operator.sub, operator.mul, operator.truediv}  # their results are nobody else's memory


@lru_cache(maxsize=1024)
def lowered(
    design: Design,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
    ragged: bool = False,
) -> fx.GraphModule:
    """The function for groups of N, with its tables on `device`. Takes only rewards that were checked.

    After `design.inputs` it takes what `lowered_draws` gives for each `draws:` section, (P, N);
    `ragged`, present_PN: which answers count. The others get 0, and N is how many do.
    With a `token:` section it returns a tuple: the advantages, then what that
    section reads of an answer (`token_inputs`).

    Raises:
      DesignError: a parameter is out of range, or the design has no value for some n_pos.
    """
    with bounded(design.source.path):
        check_size(design, N)
        check_moment(design, N, moment)
        return _Lowering(design, N, dtype, moment, ragged).module().to(device)


@lru_cache(maxsize=1024)
def lowered_draws(
    design: Design,
    node: Draws,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
) -> fx.GraphModule:
    """One `draws:` section: reward_PN, score_PN, `design.inputs`, member_PMk → drawn_PN.

    A function of its own, because P * draws * size is what a large batch has no memory for: apply.py calls it
    with as many prompts at a time as it has room for, which nothing else of another group enters.
    """
    with bounded(design.source.path):
        return _Lowering(design, N, dtype, moment).draws_module(node).to(device)


@lru_cache(maxsize=1024)
def lowered_token(
    design: Design, N: int, dtype: torch.dtype = torch.float32, moment: Moment | None = None
) -> fx.GraphModule:
    """The `token:` section: token_logprob_BT, position_BT, mask_BT, then `token_inputs` as (B, 1) → advantage_BT."""
    with bounded(design.source.path):
        return _Lowering(design, N, dtype, moment).token_module()


def token_inputs(design: Design) -> list[Node]:
    """The widest parts of the `token:` formula that are the same for all tokens of an answer, `A` among them."""
    found, seen, left = [], set(), [design.token]
    while left:
        node = left.pop()
        if node in seen or node.scope == CONSTANT:
            continue
        seen.add(node)
        if any(part.scope == TOKEN for part in walk(node)):
            left += parts(node)
        else:
            found.append(node)
    return found


@lru_cache(maxsize=1024)
def verdict_function(design: Design, dtype: torch.dtype) -> fx.GraphModule:
    """score_PN, score_PN → whether each answer is correct; NaN is not looked for."""
    with bounded(design.source.path):
        lowering = _Lowering(design, 2, dtype, None)  # the predicate looks at one score, whatever the group's size
        lowering.signals = {"r": lowering.placeholder("reward_PN"), "score": lowering.placeholder("score_PN")}
        lowering.graph.output(lowering.correct())
        return fx.GraphModule(lowering.root, lowering.graph, class_name="Verdict")


def source_code(design: Design, N: int) -> str:
    """What `Design.source_code` documents; of a design that changes over a run, its beginning."""
    moment = design.moment(0, 1) if design.clock else None
    modules = [lowered_draws(design, node, N, moment=moment) for node in design.draws]
    modules.append(lowered(design, N, moment=moment))
    return "\n\n".join(re.sub(r";  [\w= ]+ = None", "", module.code).strip() + "\n" for module in modules)


@dataclass(frozen=True)
class _Value:
    """A node of the graph (or a plain number), and where it has no value."""

    node: fx.Node | float
    undefined: fx.Node | None = None
    truth: bool = False  # a bool tensor, to be turned into 0/1 before arithmetic


class _Lowering:
    def __init__(self, design: Design, N: int, dtype: torch.dtype, moment: Moment | None, ragged: bool = False) -> None:
        self.design, self.N, self.dtype, self.moment = design, N, dtype, moment
        self.graph = fx.Graph()
        self.root = torch.nn.Module()
        self.ragged = ragged
        sizes = [*usable_sizes(design, N, moment), N] if ragged else [N]
        self.groups = {size: [counted_group(design, size, n, moment) for n in range(size + 1)] for size in sizes}
        self.cases = [(group, kind) for groups in self.groups.values() for group in groups for kind in group.present()]
        self.values: dict[Node, _Value] = {}  # nodes are equal only to themselves
        self.calls: dict[tuple, fx.Node] = {}  # the same call on the same operands is one node
        self.signals: dict[str, fx.Node] = {}
        self.taken: set[str] = set()  # names of tables
        self.width = N  # values on the last axis
        self.out: fx.Node | None = None  # memory for the result, if the caller has some
        self.tables = True  # may n_pos be looked up? Not among the answers of a draw

    def module(self) -> fx.GraphModule:
        self.take_answers()
        looked_up = self.design.tabulated and self.design.counts and not self.ragged  # else scores may be anything
        if looked_up:
            self.out = self.graph.create_node("placeholder", "out_PN", (None,), name="out_PN")
        drawn = ((node, self.placeholder(f"drawn_{i}_PN")) for i, node in enumerate(self.design.draws))
        self.values |= {node: _Value(drawn_PN) for node, drawn_PN in drawn}
        if self.ragged:
            self.signals["present"] = self.placeholder("present_PN")
        if looked_up:
            span = self.design.advantage.span
            columns = zip(*table(self.design, self.N, self.moment), strict=True)
            value = self.look_up([[self.rounded(x, span) for x in column] for column in columns], "advantage")
        else:
            root = specialize(self.design.advantage, self.decide)
            value = self.numeric(self.lower(root))
            if value in self.signals.values():  # the caller may write into the result, not into its own rewards
                value = self.call(torch.clone, value)
            value = self.spread(value)
        if self.ragged:
            value = self.call(torch.where, self.signals["present"], value, 0)
        if self.design.token is None:
            self.graph.output(value)
        else:
            self.signals["A"] = value
            read = [self.spread(self.numeric(self.lower(node))) for node in token_inputs(self.design)]
            self.graph.output((value, *read))
        self.graph.eliminate_dead_code()
        self.share()
        return fx.GraphModule(self.root, self.graph, class_name="Advantage")

    def take_answers(self) -> None:
        for signal, name in (("r", "reward_PN"), ("score", "score_PN")):
            self.signals[signal] = self.placeholder(name)
        self.signals |= {name: self.placeholder(f"{name}_PN") for name in self.design.inputs}

    def share(self) -> None:
        """Where x - mean(x) is needed, mean(x) alone is taken from it; `flat` goes where the values are."""
        centred = {node.args: node for node in self.graph.nodes if node.target is kernels.centred and not node.kwargs}
        for node in list(self.graph.nodes):
            if node.target is kernels.mean and not node.kwargs and node.args in centred:
                if node < centred[node.args]:
                    node.prepend(centred[node.args])
                node.target, node.args = kernels.mean_of_centred, (*node.args, centred[node.args])
            if node.target is kernels.choose and node.args[0].name.startswith("flat_P1"):
                flat_P1, flat, body = node.args
                if isinstance(flat, float) and body.target in _FRESH and len(body.users) == 1:
                    node.target, node.args, node.kwargs = kernels.fill, (body, flat_P1, flat), {}

    def draws_module(self, node: Draws) -> fx.GraphModule:
        self.take_answers()
        self.graph.output(self.drawn(node, self.placeholder("member_PMk")))
        self.graph.eliminate_dead_code()
        return fx.GraphModule(self.root, self.graph, class_name="Draws")

    def token_module(self) -> fx.GraphModule:
        self.tables = False
        for signal, name in (("token_logprob", "token_logprob_BT"), ("position", "position_BT"), ("mask", "mask_BT")):
            self.signals[signal] = self.placeholder(name)
        self.values = {
            node: _Value(self.placeholder(f"{getattr(node, 'name', f'answer_{i}')}_B1"))
            for i, node in enumerate(token_inputs(self.design))
        }
        value = self.numeric(self.lower(self.design.token))
        self.graph.output(self.call(torch.where, self.signals["mask"], value, 0))
        self.graph.eliminate_dead_code()
        return fx.GraphModule(self.root, self.graph, class_name="TokenAdvantage")

    def placeholder(self, name: str) -> fx.Node:
        return self.graph.create_node("placeholder", name, name=name)

    def decide(self, condition: Node) -> bool | None:
        """What N and the parameters say, the same for every group."""
        value = self.everywhere(condition)
        return None if value is None else real.sign(value) != 0

    # ── One expression ──────────────────────────────────────────────────────

    def lower(self, node: Node, name: str | None = None) -> _Value:
        if node not in self.values:
            by_count = node.counted and (self.tables or node.scope == CONSTANT)
            self.values[node] = (self.counted if by_count else self.computed)(node, name)
        return self.values[node]

    def computed(self, node: Node, name: str | None) -> _Value:
        match node:
            case Name(name="P"):
                present = (self.signals["present"],) if self.ragged else ()
                return _Value(self.call(kernels.how_many_groups, self.signals["r"], *present))
            case Name(name=signal):
                return _Value(self.signals[signal])
            case Named(name=name, body=body):
                return self.lower(body, name)
            case Fallback(body=body, flat=flat):
                return self.with_flat(self.lower(body, name), flat)
            case Choose(operands=parts):
                condition, then, otherwise = (self.lower(part) for part in parts)
                yes = self.truth(condition)
                taken = self.undefined_of_branches(yes, then.undefined, otherwise.undefined)
                return _Value(self.choose(yes, then, otherwise, name), self.either(condition.undefined, taken))
            case Apply():
                return self.applied(node, name)
            case Reduce():
                return self.reduced(node, name)

    def with_flat(self, body: _Value, flat: Node) -> _Value:
        """One answer without a value takes the whole group with it: no half-defined groups."""
        if body.undefined is None:
            return body
        undefined = self.both(self.signals["present"], body.undefined) if self.ragged else body.undefined
        flat_P1 = self.call(torch.any, undefined, -1, True, name="flat_P1")
        value = self.lower(flat)
        return _Value(self.choose(flat_P1, value, _Value(self.numeric(body))), self.both(flat_P1, value.undefined))

    def applied(self, node: Apply, name: str | None) -> _Value:
        function, operands = node.function, node.operands
        values = [self.lower(operand) for operand in operands]
        inputs = [self.truth(v) if function in _LOGICAL else self.numeric(v) for v in values]
        undefined = None
        for value in values:
            undefined = self.either(undefined, value.undefined)
        if function.infix == "/" and isinstance(inputs[1], float):
            self.refuse_vanished(operands[1], inputs[1])
        if all(isinstance(value, float) for value in inputs):  # fewer are counted than once were: see `specialize`
            inputs[0] = self.call(torch.full_like, self.any_signal(), inputs[0])
        if function.undefined and not self.has_value(node):
            undefined = self.either(undefined, self.call(pkgutil.resolve_name(function.undefined), *inputs))
        if function.infix == "-" and len(inputs) == 2 and self.is_mean_of(inputs[1], inputs[0]):
            return _Value(self.call(kernels.centred, inputs[0], name=name, **inputs[1].kwargs), undefined)
        result = self.call(pkgutil.resolve_name(function.torch), *inputs, name=name)
        return _Value(result, undefined, truth=function in _LOGICAL | _COMPARING)

    def is_mean_of(self, value: fx.Node | float, operand: fx.Node | float) -> bool:
        """x - mean(x) stands in most designs; together they are half the work, and lose nothing to rounding."""
        return isinstance(value, fx.Node) and (value.target, value.args) == (kernels.mean, (operand,))

    def has_value(self, node: Apply) -> bool:
        """Is this operation defined for all rewards, wherever its operands are?"""
        return safe(node, self.cases)

    def reduced(self, node: Reduce, name: str | None) -> _Value:
        row, inner = node.reduction, self.lower(node.operand)
        where = None if node.where is None else self.lower(node.where)
        value = self.numeric(inner)
        if node.operand.scope not in {GROUP: (ANSWER,), ANSWER: (TOKEN,), BATCH: (GROUP, ANSWER)}[node.over]:
            value = self.spread(value)  # the branch that was never taken was the wider one
        selected = self.selected(node, value, where)
        undefined = self.both(selected, inner.undefined) if inner.undefined is not None else None
        undefined = self.either(undefined, where.undefined if where else None)
        shape = value
        if node.over == BATCH:
            value = self.call(kernels.as_one_group, value)
            selected = selected and self.call(kernels.as_one_group, selected)
            undefined = undefined and self.call(kernels.as_one_group, self.call(kernels.spread, undefined, shape))
        undefined = undefined and self.call(torch.any, undefined, -1, True)
        needed = 1 + dict(node.options).get("ddof", 0)
        if not row.empty and (selected is not None or (node.over == BATCH and needed > 1)):
            few = (needed, value) if selected is None else (needed, value, selected)
            undefined = self.either(undefined, self.call(kernels.fewer_than, *few))
        if row.name in ("std", "var") and selected is None:
            # r - mean(r) stands beside std(r) in most designs: computed once for both.
            centred = self.call(kernels.centred, value)
            kernel = pkgutil.resolve_name(f"{row.torch}_of_centred")
            return _Value(self.call(kernel, centred, name=name, **dict(node.options)), undefined)
        arguments = [self.lower(argument).node for argument in node.arguments]
        if row.arguments == ("k",):
            arguments = self.weights(row.name, node.arguments[0])
        options = dict(node.options) | ({"where_PN": selected} if selected is not None else {})
        if row.arguments == ("k",) and self.ragged:
            arguments = [self.call(operator.getitem, rows, self.size_P()) for rows in arguments]
        result = self.call(pkgutil.resolve_name(row.torch), value, *arguments, name=name, **options)
        if row.each and node.over == BATCH:
            result = self.call(kernels.as_groups, result, shape)
        return _Value(result, undefined)

    def selected(self, node: Reduce, value: fx.Node, where: _Value | None) -> fx.Node | None:
        """Which values `where`, and for statistics over the batch `keep`, let through; in the shape of the values."""
        masks = [self.truth(where)] if where else []
        if node.over == BATCH and self.design.keep is not None and node not in self.design.before_keep:
            kept = self.truth(self.lower(self.design.keep))
            wide = self.design.keep.scope == ANSWER and node.operand.scope == GROUP
            masks.append(self.call(torch.any, kept, -1, True) if wide else kept)
        if node.over == ANSWER:
            masks.append(self.signals["mask"])
        elif self.ragged and node.operand.scope == ANSWER:
            masks.append(self.signals["present"])
        elif self.ragged:  # a group counts if any of its answers does
            masks.append(self.call(torch.any, self.signals["present"], -1, True))
        mask = None
        for each in masks:
            mask = self.both(mask, each) if mask is not None else each
        return None if mask is None else self.call(kernels.spread, mask, value)

    def weights(self, name: str, argument: Node) -> list[fx.Node]:
        """What the sorted values are multiplied with, for draws of k answers; a row for each size of a ragged batch."""
        rows = {size: self.weights_of(name, argument, size) for size in self.groups} if self.ragged else {}
        vectors = rows[self.N] if rows else self.weights_of(name, argument, self.width)
        label = f"{name}_weights"
        if not rows:
            return [self.buffer([self.rounded(x, argument.span) for x in vector], label) for vector in vectors]
        found = []
        for i in range(len(vectors)):  # what is missing sorts first, and weighs nothing
            padded = [[0] * (self.N - size) + rows[size][i] if size in rows else [0] * self.N for size in self.sizes()]
            found.append(
                self.buffer([[self.rounded(Fraction(x), argument.span) for x in row] for row in padded], label)
            )
        return found

    def weights_of(self, name: str, argument: Node, n: int) -> list[list[Fraction]]:
        group = self.groups[n if self.ragged else self.N][0]
        spend(n + n * n // 50)  # n ratios of numbers of up to n bits
        k = whole(group.value(argument, 0), name, n - (name == "max_without"))
        match name:
            case "max_of":
                return [[Fraction(comb(j, k - 1), comb(n, k)) for j in range(n)]]
            case "max_with":
                own = [Fraction(comb(j, k - 1), comb(n - 1, k - 1)) for j in range(n)]
                return [own, [Fraction(comb(j - 1, k - 2) if k > 1 and j else 0, comb(n - 1, k - 1)) for j in range(n)]]
            case "max_without":
                below = [Fraction(comb(j, k - 1), comb(n - 1, k)) for j in range(n)]
                return [below, [Fraction(comb(j - 1, k - 1) if j else 0, comb(n - 1, k)) for j in range(n)]]

    def drawn(self, node: Draws, member: fx.Node) -> fx.Node:
        """A lowering of its own for the answers of a draw, and one for the draws of a group."""
        count, size = draw_shape(self.design, node, self.N, self.moment)
        own = {signal: value for signal, value in self.signals.items()}
        needed = {part.name for part in walk(node.reward) if isinstance(part, Name) and part.scope == ANSWER}
        gathered = {}
        for signal in sorted(needed):
            value = self.numeric(_Value(self.correct(), truth=True)) if signal == "correct" else own[signal]
            gathered[signal] = self.call(kernels.members, value, member)
        answers = self.inside(gathered, size)
        reward_PM = self.call(torch.squeeze, answers.numeric(answers.lower(node.reward)), -1)
        draws = self.inside({"reward": reward_PM}, count)
        advantage_PM = draws.spread(draws.numeric(draws.lower(node.advantage)))
        return self.call(kernels.sum_of_draws, advantage_PM, member, self.signals["r"])

    def inside(self, signals: dict[str, fx.Node], width: int) -> _Lowering:
        """The same graph, other values under the names."""
        inner = copy(self)
        inner.signals, inner.values, inner.width, inner.tables = signals, {}, width, False
        return inner

    def any_signal(self) -> fx.Node:
        """Something of the full shape."""
        return next(iter(self.signals.values()))

    def spread(self, value: fx.Node | float) -> fx.Node:
        return self.call(kernels.spread, value, self.any_signal())

    def refuse_vanished(self, divisor: Node, rounded: float) -> None:
        exact = self.everywhere(divisor)
        if rounded == 0 and exact is not None and real.sign(exact):
            raise DesignError(located(divisor.span, f"{real.show(exact)} does not fit {self.dtype}"))

    def choose(self, yes: fx.Node, then: _Value, otherwise: _Value, name: str | None = None) -> fx.Node:
        return self.call(kernels.choose, yes, self.numeric(then), self.numeric(otherwise), dtype=self.dtype, name=name)

    def undefined_of_branches(
        self, condition: fx.Node, then: fx.Node | None, otherwise: fx.Node | None
    ) -> fx.Node | None:
        """Only the branch that is taken has to have a value."""
        if then is None and otherwise is None:
            return None
        no = self.call(torch.zeros_like, condition)
        return self.call(torch.where, condition, no if then is None else then, no if otherwise is None else otherwise)

    # ── Tables of what counts decide ────────────────────────────────────────

    def counted(self, node: Node, name: str | None) -> _Value:
        name = node.name if isinstance(node, Named) else name
        if isinstance(node, Name) and node.name == "correct":
            return _Value(self.correct(), truth=True)
        if node.scope == CONSTANT and (value := self.everywhere(node)) is not None:
            return _Value(self.rounded(value, node.span))
        kinds = (0, 1) if node.scope == ANSWER else (0,)  # correct, wrong; or one value for the group
        columns = [[self.entry(node, size, n_pos, kind) for size, n_pos in self.places()] for kind in kinds]
        label = name or "value"
        value = self.look_up([[self.rounded(x, node.span) for x in column] for column in columns], label, name)
        absent = [[x is None for x in column] for column in columns]
        return _Value(value, self.look_up(absent, f"{label}_undefined") if any(map(any, absent)) else None)

    def sizes(self) -> range:
        """Every number of answers that a table has rows for."""
        return range(self.N + 1) if self.ragged else range(self.N, self.N + 1)

    def places(self) -> list[tuple[int, int]]:
        """(answers, correct ones among them) of each entry of a table."""
        return [(size, n_pos) for size in self.sizes() for n_pos in range(self.N + 1)]

    def everywhere(self, node: Node) -> Real | None:
        """The value of a constant, if it has one and all sizes of groups have the same."""
        values = [self.entry(node, size, 0, 0) for size in self.groups]
        if any(value is None or real.compare(value, values[0]) for value in values):
            return None
        return values[0]

    def entry(self, node: Node, size: int, n_pos: int, kind: int) -> Real | None:
        """The exact value, or None where there is none. What the group has no answer for counts as 0."""
        if size not in self.groups or n_pos > size:
            return Fraction(0)
        group = self.groups[size][n_pos]
        if node.scope == ANSWER and not group.kinds[kind][0]:
            return Fraction(0)
        try:
            return group.value(node, kind)
        except (Undefined, Unusable):  # not reached, or covered by `flat`: `check` has looked
            return None

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
        # Between floats of half the range a difference is a float too.
        if isinstance(columns[0][0], bool) or max(map(abs, itertools.chain(*columns))) > 1e38:
            return self.call(torch.where, self.correct(), right_P1, wrong_P1, name=name)
        return self.call(kernels.pick, wrong_P1, right_P1, self.correct_value(), self.out, name=name)

    def buffer(self, column: list, label: str) -> fx.Node:
        attribute, more = label, itertools.count(2)
        while attribute in self.taken or hasattr(self.root, attribute):
            attribute = f"{label}_{next(more)}"
        self.taken.add(attribute)
        dtype = torch.bool if isinstance(column[0], bool) else self.dtype
        self.root.register_buffer(attribute, torch.tensor(column, dtype=dtype), persistent=False)
        return self.graph.get_attr(attribute)

    def correct(self) -> fx.Node:
        if "correct" not in self.signals:
            verdict = self.truth(self.lower(specialize(self.design.verdict, self.decide), "correct_PN"))
            self.signals["correct"] = self.both(self.signals["present"], verdict) if self.ragged else verdict
        return self.signals["correct"]

    def correct_value(self) -> fx.Node:
        """1 for a correct answer, else 0, as numbers. The score itself where it has to be a verdict."""
        graded = self.design.graded or self.ragged
        return self.numeric(_Value(self.correct(), truth=True)) if graded else self.signals["score"]

    def n_pos(self) -> fx.Node:
        """Where in a table a group is: at n_pos; with answers missing at (N + 1) * how many are there + n_pos."""
        n_pos_P1 = self.call(torch.Tensor.long, self.call(torch.sum, self.correct_value(), -1, True), name="n_pos_P1")
        if not self.ragged:
            return n_pos_P1
        size_P1 = self.call(torch.sum, self.signals["present"], -1, True)
        return self.call(operator.add, self.call(operator.mul, size_P1, self.N + 1), n_pos_P1)

    def size_P(self) -> fx.Node:
        return self.call(torch.sum, self.signals["present"], -1)

    def rounded(self, value: Real | None, span: Span) -> float:
        if value is None:  # never read: masked as undefined, or the group has no such answer
            return 0.0
        wide = self.dtype == torch.float64
        try:
            result = real.nearest(value) if wide else real.nearest(value, mantissa=24, min_exponent=-149)
        except (OverflowError, Unusable):
            result = math.inf
        if math.isinf(result):
            raise DesignError(located(span, f"{real.show(value)} does not fit {self.dtype}"))
        return result

    # ── Graph ───────────────────────────────────────────────────────────────

    def call(self, function, *args, name: str | None = None, **kwargs) -> fx.Node:
        key = (function, args, tuple(kwargs.items()))
        if key not in self.calls:
            name = None if name == "self" else name  # the generated function's own first argument
            self.calls[key] = self.graph.create_node("call_function", function, args, kwargs, name)
        return self.calls[key]

    def either(self, a: fx.Node | None, b: fx.Node | None) -> fx.Node | None:
        if a is None or b is None or a is b:
            return b if a is None else a
        return self.call(operator.or_, a, b)

    def both(self, a: fx.Node | None, b: fx.Node | None) -> fx.Node | None:
        """Where both hold; where `b` does if there is no `a`, nowhere if there is no `b`."""
        return None if b is None else b if a is None else self.call(operator.and_, a, b)

    def numeric(self, value: _Value) -> fx.Node | float:
        return self.call(torch.Tensor.to, value.node, self.dtype) if value.truth else value.node

    def truth(self, value: _Value) -> fx.Node | bool:
        if isinstance(value.node, float):
            return value.node != 0
        return value.node if value.truth else self.call(operator.ne, value.node, 0)
