"""Will this design have a value for every group of N answers? Settled before there are any rewards.

Where counts decide, every n_pos = 0..N is tried. A part that depends on the
rewards themselves passes if no rewards can break it: a division whose divisor
only counts enter, a whole power, an untaken branch. Anything else needs
`flat:`, and `flat` has to pass too. What passes here needs no look at run time.
"""

from __future__ import annotations

from fractions import Fraction

from shaping import real
from shaping.design import Design
from shaping.errors import DesignError, Span, located
from shaping.exact import Group, advantages, constant, counted_group, table
from shaping.expression import Apply, Choose, Named, Node, Reduce
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
        table(design, N)
        return
    if design.flat is None:
        _refuse_gap(design.advantage, cases, "say what such a group gets: `flat: 0` under `advantage:`")
    else:
        _refuse_gap(design.flat, cases, "`flat` itself must always have a value; 0 has")
    advantages(design, [1] + [0] * (N - 1))  # what no group of N can be computed with shows on any


def _refuse_gap(root: Node, cases: list[Case], hint: str) -> None:
    if (found := gap(root, cases)) is not None:
        span, what = found
        raise DesignError(located(span, what, hint))


def _check_ranges(design: Design, N: int) -> None:
    for param in design.params.values():
        if param.low is None:
            continue
        low, high = (constant(bound, {"N": Fraction(N)}) for bound in (param.low, param.high))
        if real.compare(param.value, low) < 0 or real.compare(param.value, high) > 0:
            value, low, high = (real.show(x) for x in (param.value, low, high))
            message = f"{param.name} = {value} is outside {low}..{high}, its range for groups of N = {N}"
            raise DesignError(located(param.span, message, f"set it with --advantage-param {param.name}=..."))


def gap(node: Node, cases: list[Case]) -> tuple[Span, str] | None:
    """The first place where `node` might have no value in one of these cases, and why; None if there is none."""
    if not cases:
        return None
    if node.counted:
        return _counted_gap(node, cases)
    match node:
        case Named(body=body):
            return gap(body, cases)
        case Choose(operands=(condition, then, otherwise)):
            chosen, rest = _split(condition, cases)
            return gap(condition, cases) or gap(then, chosen) or gap(otherwise, rest)
        case Apply(function=function, operands=operands):
            for operand in operands:
                if (found := gap(operand, cases)) is not None:
                    return found
            if function.undefined and not _safe(node, cases):
                return node.span, f"for some rewards this is {function.hazard}"
        case Reduce(operand=operand):
            groups = {id(group): group for group, _ in cases}.values()
            return gap(operand, [(g, kind) for g in groups for kind, (count, _) in enumerate(g.kinds) if count])
    return None


def _counted_gap(node: Node, cases: list[Case]) -> tuple[Span, str] | None:
    for group, kind in cases:
        try:
            group.value(node, kind)
        except Undefined as error:
            return error.args[1], f"{error.args[0]} for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
        except Unusable as error:
            raise DesignError(located(error.args[1], error.args[0])) from None
    return None


def _split(condition: Node, cases: list[Case]) -> tuple[list[Case], list[Case]]:
    """The cases in which a branch is taken, and the others; both are all of them if rewards decide."""
    if not condition.counted or _counted_gap(condition, cases) is not None:
        return cases, cases
    taken = [real.sign(group.value(condition, kind)) != 0 for group, kind in cases]
    return (
        [case for case, yes in zip(cases, taken, strict=True) if yes],
        [case for case, yes in zip(cases, taken, strict=True) if not yes],
    )


def _safe(node: Apply, cases: list[Case]) -> bool:
    """A division by, or a power with, something that only counts enter and that is fine in every case."""
    decisive = node.operands[-1]
    if node.function.name not in ("divide", "power") or not decisive.counted:
        return False
    values = [group.value(decisive, kind) for group, kind in cases]
    if node.function.name == "divide":
        return all(real.sign(value) for value in values)
    return all(isinstance(value, Fraction) and value.denominator == 1 and value >= 0 for value in values)
