"""Differences whose parts are nearly equal, in a form that keeps their digits.

In    what is subtracted, added or taken the logarithm of, as calls of the graph that is being built
Out   one kernel in place of both, or None

Of 10000.25 and a mean of 10000.24 float32 keeps one digit of the difference, though both are right to the last bit.
What is subtracted is recognized in the graph, so that a design may write the formula of its paper.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import fx

from shaping import kernels

Form = tuple[Callable, tuple, dict]  # function, arguments, keyword arguments


def conditioned(infix: str, function: Callable, inputs: list[fx.Node | float]) -> Form | None:
    """How `function` of these is computed without losing what its parts have in common."""
    if infix == "-" and len(inputs) == 2:
        return _difference(*inputs)
    if infix == "+" and len(inputs) == 2:
        return _stirling(*inputs)
    return _logarithm(*inputs) if function is torch.log else None


def _difference(a: fx.Node | float, b: fx.Node | float) -> Form | None:
    if _calls(b, kernels.mean) and b.args == (a,):
        return kernels.centred, (a,), b.kwargs  # x - mean(x), which stands in most designs: also half the work
    if _calls(b, kernels.others_mean) and b.args == (a,) and not b.kwargs:
        return kernels.above_others, (a,), {}
    if _calls(a, torch.exp) and b == 1:
        return torch.expm1, a.args, {}
    if _calls(b, torch.exp) and a == 1:
        return kernels.missing_of_exp, b.args, {}
    same = _calls(a, kernels.max_with) and _calls(b, kernels.max_without) and a.kwargs == b.kwargs
    if same and a.args[0] is b.args[0]:
        return kernels.raise_of_max, (*a.args, *b.args[1:]), a.kwargs
    return None


def _logarithm(x: fx.Node | float) -> Form | None:
    """log(1 + x) and log(1 - x)."""
    for one, rest in (x.args, x.args[::-1]) if _calls(x, operator.add) else ():
        if one == 1:
            return torch.log1p, (rest,), {}
    if _calls(x, operator.sub) and x.args[0] == 1:
        return kernels.log_of_rest, (x.args[1],), {}
    return None


def _stirling(a: fx.Node | float, b: fx.Node | float) -> Form | None:
    """log_gamma(x) - (x - 1/2) * log(x) + x: of terms that grow with x, a number near 0.92."""
    if not (_calls(a, operator.sub) and _calls(a.args[0], torch.lgamma) and a.args[0].args == (b,)):
        return None
    factors = a.args[1].args if _calls(a.args[1], operator.mul) else ()
    less_half = len(factors) == 2 and _calls(factors[0], operator.sub) and factors[0].args == (b, 0.5)
    return (kernels.stirling_rest, (b,), {}) if less_half and _is_logarithm(factors[1], b) else None


def _is_logarithm(node: fx.Node | float, x: fx.Node | float) -> bool:
    if _calls(node, torch.log):
        return node.args == (x,)
    form = _logarithm(x) if isinstance(x, fx.Node) else None
    return form is not None and isinstance(node, fx.Node) and (node.target, node.args) == form[:2]


def _calls(node: fx.Node | float, function: Callable) -> bool:
    return isinstance(node, fx.Node) and node.target is function
