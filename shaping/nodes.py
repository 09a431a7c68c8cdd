"""What a formula becomes: a graph of six kinds of nodes, every one knowing its place in the file.

A `let` that is used twice is one node with two parents, so nodes are compared
by identity and every walk over them remembers where it has been. `scope` is the
shape of a node's value (vocabulary.py); `counted` says that N, n_pos and the
parameters decide it, so that it can be tabulated exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from shaping.errors import Span
from shaping.vocabulary import CONSTANT, Function, Reduction


@dataclass(frozen=True, eq=False)
class Number:
    value: Fraction
    span: Span
    scope: str = CONSTANT
    counted: bool = True


@dataclass(frozen=True, eq=False)
class Name:
    """A signal of the group (`n_pos`, `r`) or a parameter of the design."""

    name: str
    span: Span
    scope: str
    counted: bool


@dataclass(frozen=True, eq=False)
class Named:
    """A `let`: its name is kept for messages and for the compiled code."""

    name: str
    body: Node
    span: Span

    @property
    def scope(self) -> str:
        return self.body.scope

    @property
    def counted(self) -> bool:
        return self.body.counted


@dataclass(frozen=True, eq=False)
class Apply:
    function: Function
    operands: tuple[Node, ...]
    span: Span
    scope: str
    counted: bool


@dataclass(frozen=True, eq=False)
class Choose:
    """`then if condition else otherwise`: only the chosen branch has to be defined."""

    operands: tuple[Node, Node, Node]  # condition, then, otherwise
    span: Span
    scope: str
    counted: bool


@dataclass(frozen=True, eq=False)
class Reduce:
    reduction: Reduction
    operand: Node
    options: tuple[tuple[str, int], ...]
    span: Span
    scope: str
    counted: bool


Node = Number | Name | Named | Apply | Choose | Reduce


def walk(root: Node) -> Iterator[Node]:
    """Every node of a formula, once, outermost first."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            left += _parts(node)


def _parts(node: Node) -> list[Node]:
    match node:
        case Named(body=body):
            return [body]
        case Apply(operands=operands) | Choose(operands=operands):
            return list(operands)
        case Reduce(operand=operand):
            return [operand]
    return []
