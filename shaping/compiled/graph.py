"""A torch function while it is built: torch.fx nodes, each call once, numbers and truths told apart.

In    calls of torch functions and kernels, tables of numbers
Out   fx.GraphModule

Knows nothing of designs. A value may be a plain number (the same for all groups), and may be undefined
somewhere: `undefined` is a bool tensor that says where, and stays beside the value until a `flat` is found for it.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import fx

from shaping import kernels

_FRESH = {operator.add, operator.sub, operator.mul, operator.truediv}  # their results are nobody else's memory


@dataclass(frozen=True)
class Value:
    """A node of the graph (or a plain number), where it has no value, and where it was made of what is no number.

    `undefined` is mathematics, 0 / 0, and `flat` is found for it. `lost` is float arithmetic, inf - inf, that was taken
    for a number: there the result is none either, which is an error (apply.py).
    """

    node: fx.Node | float
    undefined: fx.Node | None = None
    truth: bool = False  # a bool tensor, to be turned into 0/1 before arithmetic
    lost: fx.Node | None = None


class Graph:
    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.fx = fx.Graph()
        self.root = torch.nn.Module()
        self.calls: dict[tuple, fx.Node] = {}  # the same call on the same operands is one node
        self.taken: set[str] = set()  # names of tables

    def finished(self, output: fx.Node | tuple, class_name: str) -> fx.GraphModule:
        self.fx.output(output)
        self.fx.eliminate_dead_code()
        self._share()
        return fx.GraphModule(self.root, self.fx, class_name=class_name)

    def placeholder(self, name: str) -> fx.Node:
        return self.fx.create_node("placeholder", name, name=name)

    def optional(self, name: str) -> fx.Node:
        """A placeholder that is None where the caller gives nothing."""
        return self.fx.create_node("placeholder", name, (None,), name=name)

    def call(self, function: Callable, *args, name: str | None = None, **kwargs) -> fx.Node:
        key = (function, args, tuple(kwargs.items()))
        if key not in self.calls:
            name = None if name == "self" else name  # the generated function's own first argument
            self.calls[key] = self.fx.create_node("call_function", function, args, kwargs, name)
        return self.calls[key]

    def buffer(self, column: list, label: str) -> fx.Node:
        """A table of floats, of rows of floats, or of truths."""
        attribute, more = label, itertools.count(2)
        while attribute in self.taken or hasattr(self.root, attribute):
            attribute = f"{label}_{next(more)}"
        self.taken.add(attribute)
        dtype = torch.bool if isinstance(column[0], bool) else self.dtype
        self.root.register_buffer(attribute, torch.tensor(column, dtype=dtype), persistent=False)
        return self.fx.get_attr(attribute)

    # ── Numbers and truths ──────────────────────────────────────────────────

    def numeric(self, value: Value) -> fx.Node | float:
        return self.call(torch.Tensor.to, value.node, self.dtype) if value.truth else value.node

    def truth(self, value: Value) -> fx.Node | bool:
        if isinstance(value.node, float):
            return value.node != 0
        return value.node if value.truth else self.call(operator.ne, value.node, 0)

    def either(self, a: fx.Node | None, b: fx.Node | None) -> fx.Node | None:
        if a is None or b is None or a is b:
            return b if a is None else a
        return self.call(operator.or_, a, b)

    def both(self, a: fx.Node | None, b: fx.Node | None) -> fx.Node | None:
        """Where both hold; where `b` does if there is no `a`, nowhere if there is no `b`."""
        return None if b is None else b if a is None else self.call(operator.and_, a, b)

    def mask(self, truths: list[fx.Node | bool], like: fx.Node) -> fx.Node | None:
        """Where all of these hold, in the shape of `like`; None where that is everywhere."""
        if any(truth is False for truth in truths):
            return self.call(torch.zeros_like, like, dtype=torch.bool)
        mask = None
        for truth in truths:
            if truth is not True:
                mask = truth if mask is None else self.both(mask, truth)
        return None if mask is None else self.call(kernels.spread, mask, like)

    def choose(self, yes: fx.Node, then: Value, otherwise: Value, name: str | None = None) -> fx.Node:
        return self.call(kernels.choose, yes, self.numeric(then), self.numeric(otherwise), dtype=self.dtype, name=name)

    def undefined_of_branches(
        self, condition: fx.Node, then: fx.Node | None, otherwise: fx.Node | None
    ) -> fx.Node | None:
        """Only the branch that is taken has to have a value."""
        if then is None and otherwise is None:
            return None
        no = self.call(torch.zeros_like, condition)
        return self.call(torch.where, condition, no if then is None else then, no if otherwise is None else otherwise)

    def undefined_of_sides(
        self, infix: str, first: fx.Node | bool, of_first: fx.Node | None, of_second: fx.Node | None
    ) -> fx.Node | None:
        """Of `and` and `or`: the second side has to have a value only where the first does not decide."""
        if of_second is None or first is (infix == "or"):
            return of_first
        if isinstance(first, bool):
            return self.either(of_first, of_second)
        open_ = first if infix == "and" else self.call(torch.logical_not, first)
        return self.either(of_first, self.both(open_, of_second))

    # ── What two calls can share ────────────────────────────────────────────

    def _share(self) -> None:
        """Where x - mean(x) is needed, mean(x) alone is taken from it; `flat` goes where the values are."""
        centred = {node.args: node for node in self.fx.nodes if node.target is kernels.centred and not node.kwargs}
        for node in list(self.fx.nodes):
            shared = node.target is kernels.mean and not node.kwargs and node.args in centred
            if shared and self.dtype != torch.float64:  # there the mean itself is the more exact one
                if node < centred[node.args]:
                    node.prepend(centred[node.args])
                node.target, node.args = kernels.mean_of_centred, (*node.args, centred[node.args])
            if node.target is kernels.choose and node.args[0].name.startswith("flat_P1"):
                flat_P1, flat, body = node.args
                fresh = isinstance(body, fx.Node) and body.target in _FRESH and len(body.users) == 1
                if isinstance(flat, float) and fresh:
                    node.target, node.args, node.kwargs = kernels.fill, (body, flat_P1, flat), {}
