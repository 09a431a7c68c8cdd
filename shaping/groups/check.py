"""Will this design have a value for every group of N answers? Settled before there are any rewards.

Where counts decide, every n_pos = 0..N is tried. A part that depends on the
rewards themselves passes if no rewards can break it: a division whose divisor
only counts enter, a whole power, an untaken branch, a mean over a selection
that counts prove not to be empty. Anything else needs `flat:`, and `flat` has
to pass too. What passes here needs no look at run time. A design that changes
over a run is checked at points of a short and of a long one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from shaping import real
from shaping.design import Design, Moment
from shaping.errors import DesignError, Span, located
from shaping.groups.exact import advantages, counted_group, table
from shaping.groups.ranges import all_answers, find_range
from shaping.language.evaluate import Drawn, Group, constant
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce, parts, walk
from shaping.language.params import Bound
from shaping.language.reductions import share, whole
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, GROUP
from shaping.real import Real, Undefined, Unusable
from shaping.work import MAX_N, TooMuch, spend

RUNS, MOMENTS = (16, 1_000), 16  # steps of the runs that are looked at, and at how many points of each
MAX_DRAWN = 65_536  # answers in all draws of a group, each with a place in memory: of 256 answers 256 draws of all
Case = tuple[Group, int]  # a group of N by its counts, and which kind of its answers: 0 correct, 1 wrong


def check(design: Design, N: int) -> None:
    """Raise the DesignError that groups of N answers would meet: a parameter out of range, no value somewhere."""
    check_size(design, N)
    for moment in moments(design):
        check_moment(design, N, moment)
        for fewer in usable_sizes(design, N, moment):
            check_moment(design, fewer, moment)


def check_size(design: Design, N: int) -> None:
    """Raise the DesignError of groups that are too small, or too large to look at each of their counts."""
    if not 2 <= N <= MAX_N:
        shown = f"more than {MAX_N:,} answers" if N > MAX_N else f"{max(N, -1)} answer{'s' * (N != 1)}"
        raise DesignError(f"{design.source.path}: groups of {shown}: {_LIMITS[N > MAX_N].format(design.name)}")


_LIMITS = (
    "design {!r} compares answers to the same prompt\nhint: sample at least 2 answers a prompt",
    "design {!r} is looked at for every number of correct ones\nhint: sample fewer answers a prompt",
)


def moments(design: Design) -> Iterator[Moment | None]:
    """The points of a short and of a long run to look at: those that the design tells apart."""
    if not design.clock:
        return iter([None])
    places = [(steps * i // MOMENTS, steps) for steps in RUNS for i in range(MOMENTS + 1)]
    return iter(dict.fromkeys(design.moment(*place) for place in places))


def usable_sizes(design: Design, N: int, moment: Moment | None) -> list[int]:
    """How many of N answers may be left where some are missing: at least 2, and the parameters keep their ranges.

    Empty if a missing answer is an error. Groups of which fewer are left get 0.
    """
    sizes: list[int] = []
    if not design.drop_missing:
        return sizes
    check_size(design, N)
    for size in range(2, N):
        try:
            check_ranges(design, size, moment)
            sizes.append(size)
        except TooMuch:
            raise
        except DesignError:  # a range that N answers keep and these do not: such a group is left out
            continue
    return sizes


def check_moment(design: Design, N: int, moment: Moment | None) -> None:
    """`check` at one point of a run."""
    check_ranges(design, N, moment)
    spend(8 * (N + 1))
    groups = [counted_group(design, N, n_pos, moment) for n_pos in range(N + 1)]
    cases = [(group, kind) for group in groups for kind in group.present()]
    _refuse_gap(Gaps(), design.verdict, cases[:1], "`correct` must have a value for every score")
    draws = {node: draw_cases(design, node, N, moment) for node in design.draws}
    _refuse_huge_constants(design, groups[0])
    kept = cases
    if design.keep is not None:
        hint = "`keep` must have a value for every group"
        _refuse_gap(Gaps(draws=draws, batch=cases), design.keep, cases, hint)
        kept, _ = Gaps().branches(design.keep, cases)
    gaps = Gaps(filtered=design.keep is not None, draws=draws, batch=kept)
    if design.tabulated:
        for value in (value for pair in table(design, N, moment) for value in pair if value is not None):
            try:
                real.nearest(value)
            except (OverflowError, Unusable):
                message = f"an advantage of {real.show(value)} for N = {N}"
                raise DesignError(located(design.advantage.span, message)) from None
    else:
        _refuse_gap(gaps, design.advantage, cases, "say what such a group gets: `flat: 0` under `advantage:`")
        if not design.draws:
            _try_a_group(design, N, moment)
    if design.token is not None:
        _refuse_gap(gaps, design.token, cases, "a token has to have a value whatever its answer is")


def _refuse_huge_constants(design: Design, group: Group) -> None:
    """A number that meets rewards has to be a float; between constants it may be of any size."""
    for node in design.nodes:
        for part in parts(node) if node.scope != CONSTANT and not node.counted else ():
            if part.scope == CONSTANT:
                try:
                    value = group.value(part, -1)
                except (Undefined, Unusable):  # not reached, or told where it is
                    continue
                try:
                    real.nearest(value)
                except (OverflowError, Unusable):
                    raise DesignError(located(part.span, f"{real.show(value)} does not fit a float")) from None


def _try_a_group(design: Design, N: int, moment: Moment | None) -> None:
    """What no group of N can be computed with, such as max_of(r, N + 1), shows on any."""
    rewards = [1] + [0] * (N - 1)
    signals = dict.fromkeys(design.inputs, rewards)
    advantages(design, rewards, signals=signals, moment=moment)


def check_ranges(design: Design, N: int, moment: Moment | None) -> None:
    """Raise the DesignError of a parameter that is out of its range for groups of N."""
    broken = broken_bound(design, N, design.constants(moment))
    if broken is None:
        return
    bound, *numbers = broken
    value, low, high = map(real.show, numbers)
    when = f", at step {moment.step} of a run of {moment.total_steps}" if moment else ""
    message = f"{bound.name} = {value} is outside {low}..{high}, its range for groups of N = {N}{when}"
    own = bound.name in design.params and bound.span.source == design.source
    hint = f"set it with --param {bound.name}=..., in a run --advantage-param" if own else "set it under `use:`"
    if own and design.params[bound.name].schedule is not None:
        hint = f"keep it there: schedule: clip(..., {low}, {high})"
    raise DesignError(located(bound.span, message, hint))


def broken_bound(design: Design, N: int, constants: Mapping[str, Real]) -> tuple[Bound, Real, Real, Real] | None:
    """The first parameter that is out of its range for groups of N: its bound, value, low and high."""
    names = {**constants, "N": Fraction(N)}
    for bound in design.bounds:
        value, low, high = (constant(node, names) for node in (bound.value, bound.low, bound.high))
        try:
            outside = real.compare(value, low) < 0 or real.compare(value, high) > 0
        except Unusable as error:
            raise DesignError(located(bound.span, f"the range of {bound.name!r}: {error.args[0]}")) from None
        if outside:
            return bound, value, low, high
    return None


def draw_shape(design: Design, node: Draws, N: int, moment: Moment | None) -> tuple[int, int]:
    """How many draws of how many answers.

    Raises:
      DesignError: these are no whole numbers, or a draw would need more answers than there are.
    """
    names = design.constants(moment) | {"N": Fraction(N)}
    size, count = (constant(part, names) for part in (node.size, node.count))
    whole_numbers = all(isinstance(x, Fraction) and x.denominator == 1 and x >= 1 for x in (size, count))
    if not whole_numbers or size > N or count > (N // size if node.consecutive else 4 * N):
        message = f"{real.show(count)} draws of {real.show(size)} answers each, from groups of {N}"
        hint = "size is 1..N; count is 1..4*N, and at most floor(N / size) of disjoint draws"
        raise DesignError(located(node.span, message, hint))
    if count * size > MAX_DRAWN:
        message = f"{count} draws of {size} answers each are more than {MAX_DRAWN:,} answers in all, a group"
        raise DesignError(located(node.span, message, "fewer draws, or smaller ones"))
    return int(count), int(size)


def draw_cases(design: Design, node: Draws, N: int, moment: Moment | None) -> tuple[list[Case], list[Case]]:
    """The answers of a draw, of which 0 to all may be correct; and the draws of a group, which are of one kind.

    Raises:
      DesignError: see `draw_shape`.
    """
    count, size = draw_shape(design, node, N, moment)
    names = design.constants(moment) | {"N": Fraction(N)}
    verdicts = [{"correct": Fraction(1)}, {"correct": Fraction(0)}]
    draws = [Drawn(names, list(zip((right, size - right), verdicts, strict=True))) for right in range(size + 1)]
    return [(draw, kind) for draw in draws for kind in draw.present()], [(Drawn(names, [(count, {})]), 0)]


def _refuse_gap(gaps: Gaps, root: Node, cases: list[Case], hint: str) -> None:
    if (found := gaps.find(root, cases)) is not None:
        span, message, *better = found
        raise DesignError(located(span, message, better[0] if better else hint))


Gap = tuple[Span, str] | tuple[Span, str, str]  # the place, what is missing there, and what to do if not the usual


@dataclass
class Gaps:
    """Looks for a place where a formula might have no value. No part is looked at twice."""

    seen: dict[tuple[Node, int], Gap | None] = field(default_factory=dict)  # by node and identity of a list of cases
    split: dict[tuple[Node, int], tuple[list[Case], list[Case]]] = field(default_factory=dict)
    whole: dict[int, list[Case]] = field(default_factory=dict)
    filtered: bool = False  # does `keep` leave answers out of statistics over the batch?
    draws: Mapping[Draws, tuple[list[Case], list[Case]]] = field(default_factory=dict)  # see `draw_cases`
    batch: list[Case] = field(default_factory=list)  # what statistics over the batch count
    rewards: dict[Node, Gap | None] = field(default_factory=dict)  # the name `reward` → where a draw may have none

    def find(self, node: Node, cases: list[Case]) -> Gap | None:
        """The first such place among these cases, and what it would be; None if there is none."""
        key = (node, id(cases))
        if not cases:
            return None
        if key not in self.seen:
            self.seen[key] = self.counted(node, cases) if node.counted else self.rewarded(node, cases)
        return self.seen[key]

    def counted(self, node: Node, cases: list[Case]) -> Gap | None:
        for group, kind in cases:
            case = _in_words(group)
            try:
                group.value(node, kind)
            except Undefined as error:
                return error.args[1], f"{error.args[0]} {case}"
            except Unusable as error:
                raise DesignError(located(error.args[1], f"{error.args[0]} {case}")) from None
        return None

    def rewarded(self, node: Node, cases: list[Case]) -> Gap | None:
        match node:
            case Named(body=body):
                return self.find(body, cases)
            case Fallback(body=body, flat=flat):
                if self.find(body, cases) is None:
                    return None
                found = self.find(flat, self.all_answers(cases))
                return found and (*found[:2], "`flat` itself must always have a value; 0 has")
            case Choose(operands=(condition, then, otherwise)):
                found = self.find(condition, cases)
                chosen, rest = self.branches(condition, cases)
                return self.find(then, chosen) or self.find(otherwise, rest) or found
            case Apply(function=function, operands=operands):
                found = [self.find(operand, cases) for operand in operands]
                if first := next(filter(None, found), None):
                    return first
                if function.undefined and not safe(node, cases, self.batch):
                    return node.span, f"for some rewards this is {function.hazard}"
            case Name():
                return self.rewards.get(node)
            case Reduce():
                everyone = self.all_answers(cases if node.over != BATCH else self.batch)
                if everyone and not any(self.find(argument, everyone) for argument in node.arguments):
                    _refuse_arguments(node, everyone)
                for operand in node.operands:
                    if found := self.find(operand, everyone):
                        return found
                return self.empty(node, everyone)
            case Draws(reward=reward, advantage=advantage):
                answers, draws = self.draws[node]
                missing = self.find(reward, answers)
                self.rewards |= {part: missing for part in walk(advantage) if _is_reward(part)}
                found = self.find(advantage, draws)
                return found and (*found[:2], "say what such draws get: `flat: 0` under `draws:`")
        return None

    def empty(self, node: Reduce, cases: list[Case]) -> Gap | None:
        """Could there be too few values for this reduction?"""
        needed = node.needed
        if node.reduction.empty or (node.over == GROUP and node.where is None and self.sizes(node, cases) >= needed):
            return None
        if (
            node.over == GROUP
            and node.where is not None
            and node.where.counted
            and self.selected(node, cases) >= needed
        ):
            return None
        filtered = node.over == BATCH and self.filtered and not node.everyone
        if node.over != GROUP and node.where is None and needed == 1 and not filtered:
            return None  # a batch has an answer, an answer a token
        if node.over == GROUP and node.where is None:
            size = self.sizes(node, cases)
            if "n_pos" not in cases[0][0].shared:
                return node.span, f"this {node.reduction.name} needs {needed} values, and of these draws it gets {size}"
            few = f"groups of {size} have too few answers for this {node.reduction.name}"
            return node.span, few, f"it needs {needed}: take a smaller ddof, or larger groups"
        what = "is no value" if needed == 1 else f"are fewer than {needed} values"
        if node.over == ANSWER:
            return node.span, f"for some answers there {what} for this {node.reduction.name}", _OF_TOKENS[needed > 1]
        return node.span, f"for some rewards there {what} for this {node.reduction.name}"

    def sizes(self, node: Reduce, cases: list[Case]) -> int:
        return min(sum(count for count, _ in group.kinds) for group, _ in cases)

    def selected(self, node: Reduce, cases: list[Case]) -> int:
        """The fewest answers that `where` selects in any of these groups."""
        if self.find(node.where, cases):
            return 0
        return min(
            sum(
                count
                for kind, (count, _) in enumerate(group.kinds)
                if count and real.sign(group.value(node.where, kind))
            )
            for group, _ in cases
        )

    def all_answers(self, cases: list[Case]) -> list[Case]:
        if id(cases) not in self.whole:
            self.whole[id(cases)] = all_answers(cases)
            self.whole[id(self.whole[id(cases)])] = self.whole[id(cases)]
        return self.whole[id(cases)]

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


_OF_TOKENS = (
    "sum and count always have a value: sum(x, where=c) / max(1, count(c)); so has max(x if c else 0)",
    "an answer may have a single token: take ddof=0",
)


def _refuse_arguments(node: Reduce, cases: list[Case]) -> None:
    """A q or k that no group, draw or answer of this size can be computed with."""
    group, _ = cases[0]
    for argument in node.arguments:
        value = group.value(argument, -1)
        try:
            if node.reduction.arguments == ("k",):
                size = sum(count for count, _ in group.kinds)
                whole(value, node.reduction.name, size - (node.reduction.name == "max_without"))
            else:
                share(value)
        except Unusable as error:
            raise DesignError(located(node.span, f"{error.args[0]} for N = {group.shared['N']}")) from None


def _in_words(group: Group) -> str:
    if "n_pos" in group.shared:
        return f"for N = {group.shared['N']}, n_pos = {group.shared['n_pos']}"
    size = sum(count for count, _ in group.kinds)
    drawn = f", in a draw of {size} answers, {group.kinds[0][0]} of them correct" if len(group.kinds) > 1 else ""
    return f"for N = {group.shared['N']}{drawn}"


def _is_reward(node: Node) -> bool:
    return isinstance(node, Name) and node.name == "reward"


def safe(node: Apply, cases: list[Case], batch: list[Case] | None = None) -> bool:
    """Is it known that this operation has a value for all rewards? Its operands have. `batch`: see ranges.py."""
    try:
        return _safe(node, cases, batch)
    except (Undefined, Unusable):  # a part without a value for some counts, or of which nobody knows its sign
        return False


def _safe(node: Apply, cases: list[Case], batch: list[Case] | None) -> bool:
    last = find_range(node.operands[-1], cases, batch)
    match node.function.name:
        case "divide":
            return last.never_zero
        case "sqrt":
            return last.not_negative
        case "log" | "log_gamma":
            return last.above_zero
        case "power":
            base, exponent = find_range(node.operands[0], cases, batch), node.operands[-1]
            if base.above_zero or (base.not_negative and last.not_negative):
                return True
            values = [group.value(exponent, kind) for group, kind in cases] if exponent.counted else [None]
            return all(isinstance(value, Fraction) and value.denominator == 1 and value >= 0 for value in values)
    return False
