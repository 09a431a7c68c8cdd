"""A design → one vectorized torch function for groups of N answers.

In    Design, N
Out   reward_PN, score_PN → advantage_PN

Whatever depends on counts alone becomes a table over n_pos = 0..N, each entry
the correctly rounded value of the exact one: binomials never overflow and
1 - (1 - x) loses nothing, because no float is involved before the last step.
For a counting design that is all there is: compare, count, look up. Only what
depends on the rewards themselves is computed in floats, each subexpression
once. The result is a `torch.fx` module: its `.code` can be read, torch.compile
takes it whole, and no Python loop runs over prompts or answers.
"""

from __future__ import annotations

import math
import operator
import pkgutil
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import fx

from shaping import kernels, real
from shaping.check import check
from shaping.design import Design
from shaping.errors import DesignError, Span, located
from shaping.exact import counted_group, table
from shaping.nodes import Apply, Choose, Name, Named, Node, Reduce, specialize
from shaping.real import Real, Undefined, Unusable
from shaping.vocabulary import ANSWER, CONSTANT, OPERATORS

_LOGICAL = {OPERATORS[name] for name in ("and", "or", "not")}
_COMPARING = {OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal")}


@lru_cache(maxsize=64)
def lowered(
    design: Design, N: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> fx.GraphModule:
    """The function for groups of N, with its tables on `device`. Takes only rewards that were checked.

    Raises:
      DesignError: a parameter is out of range, or the design has no value for some n_pos.
    """
    try:
        check(design, N)
        return _Lowering(design, N, dtype).module().to(device)
    except RecursionError:
        raise DesignError(f"{design.source.path}: formulas and names nested too deep to compute") from None


@lru_cache(maxsize=64)
def verdict_function(design: Design, dtype: torch.dtype) -> fx.GraphModule:
    """score_PN, score_PN → whether each answer is correct; NaN is not looked for."""
    lowering = _Lowering(design, 2, dtype)  # the predicate looks at one score, whatever the group's size
    lowering.graph.output(lowering.correct())
    return fx.GraphModule(lowering.root, lowering.graph, class_name="Verdict")


def source_code(design: Design, N: int) -> str:
    """What `Design.source_code` documents."""
    code = lowered(design, N).code
    return re.sub(r";  [\w= ]+ = None", "", code).strip() + "\n"


@dataclass(frozen=True)
class _Value:
    """A node of the graph (or a plain number), and where it has no value."""

    node: fx.Node | float
    undefined: fx.Node | None = None
    truth: bool = False  # a bool tensor, to be turned into 0/1 before arithmetic


class _Lowering:
    def __init__(self, design: Design, N: int, dtype: torch.dtype) -> None:
        self.design, self.N, self.dtype = design, N, dtype
        self.graph = fx.Graph()
        self.root = torch.nn.Module()
        self.groups = [counted_group(design, N, n_pos) for n_pos in range(N + 1)]
        self.values: dict[Node, _Value] = {}  # nodes are equal only to themselves
        self.calls: dict[tuple, fx.Node] = {}  # the same call on the same operands is one node
        self.signals = {
            signal: self.graph.create_node("placeholder", name, name=name)
            for signal, name in (("r", "reward_PN"), ("score", "score_PN"))
        }

    def module(self) -> fx.GraphModule:
        if self.design.tabulated:
            span = self.design.advantage.span
            columns = zip(*table(self.design, self.N), strict=True)
            value = self.look_up([[self.rounded(x, span) for x in column] for column in columns], "advantage")
        else:
            value = self.with_flat()
        self.graph.output(value)
        self.graph.eliminate_dead_code()
        return fx.GraphModule(self.root, self.graph, class_name="Advantage")

    def with_flat(self) -> fx.Node:
        known: dict[Node, Node] = {}
        result = self.lower(specialize(self.design.advantage, self.decide, known))
        value = self.numeric(result)
        if result.undefined is not None and self.design.flat is not None:  # without flat, `check` proved it is never so
            # One answer without a value takes the whole group with it: no half-defined groups.
            flat_P1 = self.call(torch.any, result.undefined, -1, True, name="flat_P1")
            flat = self.lower(specialize(self.design.flat, self.decide, known))
            value = self.choose(flat_P1, flat, _Value(value))
        if isinstance(value, float):
            return self.call(torch.full_like, self.signals["r"], value)
        return self.call(torch.Tensor.expand_as, value, self.signals["r"])

    def decide(self, condition: Node) -> bool | None:
        """What N and the parameters say, the same for every group."""
        value = self.entry(condition, 0, 0)
        return None if value is None else real.sign(value) != 0

    # ── One expression ──────────────────────────────────────────────────────

    def lower(self, node: Node, name: str | None = None) -> _Value:
        if node not in self.values:
            self.values[node] = (self.counted if node.counted else self.computed)(node, name)
        return self.values[node]

    def computed(self, node: Node, name: str | None) -> _Value:
        match node:
            case Name(name=signal):
                return _Value(self.signals[signal])
            case Named(name=name, body=body):
                return self.lower(body, name)
            case Choose(operands=parts):
                condition, then, otherwise = (self.lower(part) for part in parts)
                yes = self.truth(condition)
                taken = self.undefined_of_branches(yes, then.undefined, otherwise.undefined)
                return _Value(self.choose(yes, then, otherwise, name), self.either(condition.undefined, taken))
            case Apply(function=function, operands=operands):
                values = [self.lower(operand) for operand in operands]
                inputs = [self.truth(v) if function in _LOGICAL else self.numeric(v) for v in values]
                undefined = None
                for value in values:
                    undefined = self.either(undefined, value.undefined)
                if function.infix == "/" and isinstance(inputs[1], float):
                    self.refuse_vanished(operands[1], inputs[1])
                if function.undefined and not (function.infix == "/" and isinstance(inputs[1], float) and inputs[1]):
                    undefined = self.either(undefined, self.call(pkgutil.resolve_name(function.undefined), *inputs))
                result = self.call(pkgutil.resolve_name(function.torch), *inputs, name=name)
                return _Value(result, undefined, truth=function in _LOGICAL | _COMPARING)
            case Reduce(reduction=reduction, operand=operand, options=options):
                inner = self.lower(operand)
                undefined = inner.undefined and self.call(torch.any, inner.undefined, -1, True)
                result = self.call(
                    pkgutil.resolve_name(reduction.torch), self.numeric(inner), name=name, **dict(options)
                )
                return _Value(result, undefined)

    def refuse_vanished(self, divisor: Node, rounded: float) -> None:
        exact = self.entry(divisor, 0, 0)
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
        if isinstance(node, Name) and node.name == "correct":
            return _Value(self.correct(), truth=True)
        if node.scope == CONSTANT and (value := self.entry(node, 0, 0)) is not None:
            return _Value(self.rounded(value, node.span))
        kinds = (0, 1) if node.scope == ANSWER else (0,)  # correct, wrong; or one value for the group
        columns = [[self.entry(node, n_pos, kind) for n_pos in range(self.N + 1)] for kind in kinds]
        label = name or "value"
        value = self.look_up([[self.rounded(x, node.span) for x in column] for column in columns], label, name)
        if all(x is not None for column in columns for x in column):
            return _Value(value)
        return _Value(value, self.look_up([[x is None for x in column] for column in columns], f"{label}_undefined"))

    def entry(self, node: Node, n_pos: int, kind: int) -> Real | None:
        """The exact value, or None where there is none. What the group has no answer for counts as 0."""
        group = self.groups[n_pos]
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
            attribute = f"{label}_{kind}"
            while hasattr(self.root, attribute):
                attribute += "_"
            dtype = torch.bool if isinstance(column[0], bool) else self.dtype
            self.root.register_buffer(attribute, torch.tensor(column, dtype=dtype), persistent=False)
            parts.append(self.call(operator.getitem, self.graph.get_attr(attribute), self.n_pos()))
        return parts[0] if len(parts) == 1 else self.call(torch.where, self.correct(), *parts, name=name)

    def correct(self) -> fx.Node:
        if "correct" not in self.signals:
            self.signals["correct"] = self.truth(self.lower(specialize(self.design.verdict, self.decide), "correct_PN"))
        return self.signals["correct"]

    def n_pos(self) -> fx.Node:
        return self.call(torch.sum, self.correct(), -1, True, name="n_pos_P1")

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
        return self.call(operator.or_, a, b) if a is not None and b is not None else a if b is None else b

    def numeric(self, value: _Value) -> fx.Node | float:
        return self.call(torch.Tensor.to, value.node, self.dtype) if value.truth else value.node

    def truth(self, value: _Value) -> fx.Node | bool:
        if isinstance(value.node, float):
            return value.node != 0
        return value.node if value.truth else self.call(operator.ne, value.node, 0)
