"""Will this design have a value for every group of N answers? Settled before there are any rewards.

Where counts decide, every n_pos = 0..N is tried. A part that depends on the
rewards themselves passes if no rewards can break it: a division whose divisor
only counts enter, a whole power, an untaken branch. Anything else needs
`flat:`, and `flat` has to pass too. What passes here needs no look at run time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError, Span, located
from shaping.evaluate import Group, constant
from shaping.exact import advantages, counted_group, table
from shaping.nodes import Apply, Choose, Named, Node, Reduce
from shaping.real import Undefined, Unusable

Case = tuple[Group, int]  # a group of N by its counts, and which kind of its answers: 0 correct, 1 wrong


def check(design: Design, N: int) -> None:
    """Raise the DesignError that groups of N answers would meet: a parameter out of range, no value somewhere."""
    if N < 2:
        message = f"groups of {N} answer{'s' * (N != 1)}: design {design.name!r} compares answers to the same prompt"
        raise DesignError(f"{design.source.path}: {message}\nhint: sample at least 2 answers a prompt")
    _check_ranges(design, N)
    groups = [counted_group(design, N, n_pos) for n_pos in range(N + 1)]
    cases = [(group, kind) for group in groups for kind, (count, _) in enumerate(group.kinds) if count]
    _refuse_gap(design.verdict, cases[:1], "`correct` must have a value for every score")
    if design.tabulated:
        for value in (value for pair in table(design, N) for value in pair if value is not None):
            try:
                real.nearest(value)
            except (OverflowError, Unusable):
                message = f"an advantage of {real.show(value)} for N = {N}"
                raise DesignError(located(design.advantage.span, message)) from None
        return
    found = Gaps().find(design.advantage, cases)
    if found and design.flat is None:
        raise DesignError(located(*found, "say what such a group gets: `flat: 0` under `advantage:`"))
    if design.flat is not None:
        _refuse_gap(design.flat, cases, "`flat` itself must always have a value; 0 has")
    advantages(design, [1] + [0] * (N - 1))  # what no group of N can be computed with shows on any


def _refuse_gap(root: Node, cases: list[Case], hint: str) -> None:
    if (found := Gaps().find(root, cases)) is not None:
        raise DesignError(located(*found, hint))


def _check_ranges(design: Design, N: int) -> None:
    for param in design.params.values():
        if param.low is None:
            continue
        low, high = (constant(bound, {"N": Fraction(N)}) for bound in (param.low, param.high))
        if real.compare(param.value, low) < 0 or real.compare(param.value, high) > 0:
            value, low, high = (real.show(x) for x in (param.value, low, high))
            message = f"{param.name} = {value} is outside {low}..{high}, its range for groups of N = {N}"
            raise DesignError(located(param.span, message, f"set it with --advantage-param {param.name}=..."))


@dataclass
class Gaps:
    """Looks for a place where a formula might have no value. A part that was found sound is not looked at again."""

    sound: set[tuple[Node, int]] = field(default_factory=set)  # a node, and the identity of a list of cases
    split: dict[tuple[Node, int], tuple[list[Case], list[Case]]] = field(default_factory=dict)
    whole: dict[int, list[Case]] = field(default_factory=dict)

    def find(self, node: Node, cases: list[Case]) -> tuple[Span, str] | None:
        """The first such place among these cases, and what it would be; None if there is none."""
        key = (node, id(cases))
        if key in self.sound or not cases:
            return None
        found = self.counted(node, cases) if node.counted else self.rewarded(node, cases)
        if found is None:
            self.sound.add(key)
        return found

    def counted(self, node: Node, cases: list[Case]) -> tuple[Span, str] | None:
        for group, kind in cases:
            case = f"for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
            try:
                group.value(node, kind)
            except Undefined as error:
                return error.args[1], f"{error.args[0]} {case}"
            except Unusable as error:
                raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
        return None

    def rewarded(self, node: Node, cases: list[Case]) -> tuple[Span, str] | None:
        match node:
            case Named(body=body):
                return self.find(body, cases)
            case Choose(operands=(condition, then, otherwise)):
                found = self.find(condition, cases)
                chosen, rest = self.branches(condition, cases)
                return self.find(then, chosen) or self.find(otherwise, rest) or found
            case Apply(function=function, operands=operands):
                found = [self.find(operand, cases) for operand in operands]
                if first := next(filter(None, found), None):
                    return first
                if function.undefined and not _safe(node, cases):
                    return node.span, f"for some rewards this is {function.hazard}"
            case Reduce(operand=operand):
                groups = {id(group): group for group, _ in cases}.values()
                every = [(group, kind) for group in groups for kind, (count, _) in enumerate(group.kinds) if count]
                return self.find(operand, self.whole.setdefault(id(cases), every))
        return None

    def branches(self, condition: Node, cases: list[Case]) -> tuple[list[Case], list[Case]]:
        """The cases in which a branch is taken, and the others; both are all of them if rewards decide."""
        key = (condition, id(cases))
        if key not in self.split:
            self.split[key] = cases, cases
            if condition.counted and self.counted(condition, cases) is None:
                taken = [real.sign(group.value(condition, kind)) != 0 for group, kind in cases]
                pairs = list(zip(cases, taken, strict=True))
                self.split[key] = [case for case, yes in pairs if yes], [case for case, yes in pairs if not yes]
        return self.split[key]


def _safe(node: Apply, cases: list[Case]) -> bool:
    """A division by, or a power with, something that only counts enter and that is fine in every case."""
    decisive = node.operands[-1]
    if node.function.name not in ("divide", "power") or not decisive.counted:
        return False
    values = [group.value(decisive, kind) for group, kind in cases]
    if node.function.name == "divide":
        return all(real.sign(value) for value in values)
    return all(isinstance(value, Fraction) and value.denominator == 1 and value >= 0 for value in values)
