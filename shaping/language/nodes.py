"""What a formula becomes: a graph of eight kinds of nodes, every one knowing its place in the file.

A `let` that is used twice is one node with two parents, so nodes are compared
by identity and every walk over them remembers where it has been. `scope` is the
shape of a node's value (vocabulary.py); `counted` says that N, n_pos and the
parameters decide it, so that it can be tabulated exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from shaping.errors import Span
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, GROUP, OPERATORS, SCOPES, SIGNALS, Function, Reduction


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


class _Made:
    """A node made of others: as wide as the widest of them, counted if all of them are."""

    operands: tuple[Node, ...]

    @cached_property
    def scope(self) -> str:
        return max((operand.scope for operand in self.operands), key=SCOPES.index)

    @cached_property
    def counted(self) -> bool:
        return all(operand.counted for operand in self.operands)


@dataclass(frozen=True, eq=False)
class Apply(_Made):
    function: Function
    operands: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Choose(_Made):
    """`then if condition else otherwise`: only the chosen branch has to be defined."""

    operands: tuple[Node, Node, Node]  # condition, then, otherwise
    span: Span


@dataclass(frozen=True, eq=False)
class Reduce(_Made):
    """`mean(operand, where=..., over=...)`: over a group's answers, the whole batch, or an answer's tokens."""

    reduction: Reduction
    operand: Node
    span: Span
    where: Node | None = None
    arguments: tuple[Node, ...] = ()
    options: tuple[tuple[str, int], ...] = ()
    over: str = GROUP
    values: str = ""  # the scope of what is reduced, where `specialize` left a narrower operand
    everyone: bool = False  # over the batch: of every answer, whatever `keep` says; so in `keep` itself

    @cached_property
    def scope(self) -> str:
        return self.of if self.reduction.each else self.over

    @property
    def of(self) -> str:
        """The scope of the values that are reduced."""
        return self.values or self.operand.scope

    @property
    def needed(self) -> int:
        """With fewer values than these there is none."""
        return self.reduction.fewest + dict(self.options).get("ddof", 0)

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        return (self.operand, *((self.where,) if self.where else ()), *self.arguments)

    @cached_property
    def counted(self) -> bool:
        return self.over == GROUP and all(operand.counted for operand in self.operands)


@dataclass(frozen=True, eq=False)
class Fallback(_Made):
    """`body`; and for a group in which some answer's body has no value, `flat` for every answer."""

    body: Node
    flat: Node
    span: Span

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        return (self.body, self.flat)


@dataclass(frozen=True, eq=False)
class Draws:
    """The `draws:` section: `count` draws of `size` answers from each group; an answer gets the sum of its draws.

    `reward` is a formula over the drawn answers, `advantage` one over the draws,
    in which the name `reward` is a draw's reward. `consecutive`: the first `size`
    answers, the next, and so on; else at random (draws.py), none twice in one draw.
    """

    size: Node
    count: Node
    consecutive: bool
    reward: Node
    advantage: Node
    span: Span

    scope = ANSWER
    counted = False


Node = Number | Name | Named | Apply | Choose | Reduce | Fallback | Draws


def walk(root: Node, into_draws: bool = True) -> Iterator[Node]:
    """Every node of a formula, once, outermost first."""
    seen: set[Node] = set()
    left = [root]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            yield node
            left += parts(node) if into_draws or not isinstance(node, Draws) else []


def written(node: Node) -> str:
    """A formula as the file has it, for messages; a `let` by its name."""
    if isinstance(node, Name | Named):
        return node.name
    text = node.span.text()
    return text if len(text) <= 40 else f"{text[:37]}..."


def parts(node: Node) -> list[Node]:
    match node:
        case Named(body=body):
            return [body]
        case Apply() | Choose() | Reduce() | Fallback():
            return list(node.operands)
        case Draws():
            return [node.size, node.count, node.reward, node.advantage]
    return []


def with_parts(node: Node, new: list[Node]) -> Node:
    """The same operation on other parts, in the order of `parts`; of a node that has some, draws aside."""
    match node:
        case Named():
            return replace(node, body=new[0])
        case Reduce():
            where, arguments = (new[1], new[2:]) if node.where else (None, new[1:])
            return replace(node, operand=new[0], where=where, arguments=tuple(arguments))
        case Fallback():
            return replace(node, body=new[0], flat=new[1])
    return replace(node, operands=tuple(new))


def specialize(root: Node, decide: Callable[[Node], bool | None], known: dict[Node, Node] | None = None) -> Node:
    """The same formula without the branches that are never taken.

    Args:
      decide: a condition of constant scope → whether it holds; None if it cannot say.
      known: nodes that were done before; shared between formulas that share names.
    """
    known = {} if known is None else known
    if root not in known:

        def inner(node: Node) -> Node:
            return specialize(node, decide, known)

        match root:
            case Choose(operands=(condition, then, otherwise)):
                condition = inner(condition)
                holds = decide(condition) if condition.scope == CONSTANT else None
                if holds is None:
                    known[root] = with_parts(root, [condition, inner(then), inner(otherwise)])
                else:
                    known[root] = inner(then if holds else otherwise)
            case Reduce():  # arguments stay: counts decide them whole
                where = root.where and inner(root.where)
                known[root] = replace(root, operand=inner(root.operand), where=where, values=root.of)
            case Named() | Apply() | Fallback():
                known[root] = with_parts(root, [inner(part) for part in parts(root)])
            case _:
                known[root] = root
    return known[root]


def of_everyone(root: Node, known: dict[Node, Node] | None = None) -> Node:
    """The same formula, its statistics over the batch of every answer: what `keep` is made of.

    A `let` that `keep` and the advantage share becomes two: a copy for `keep`, and the one that counts what is kept.
    """
    known = {} if known is None else known
    if root not in known:
        old = [] if isinstance(root, Draws) else parts(root)  # draws look at no other group
        new = [of_everyone(part, known) for part in old]
        made = root if new == old else with_parts(root, new)
        of_batch = isinstance(root, Reduce) and root.over == BATCH
        known[root] = replace(made, everyone=True) if of_batch else made
    return known[root]


def signal(name: str, span: Span) -> Node:
    """A signal by its name; `surprisal` is -logprob, and `token_surprisal` -token_logprob."""
    for base in ("logprob", "token_logprob"):
        if name == base.replace("logprob", "surprisal"):
            return Named(name, Apply(OPERATORS["negate"], (signal(base, span),), span), span)
    row = SIGNALS[name]
    return Name(name, span, row.scope, row.counted)
