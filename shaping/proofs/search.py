"""Groups that 0/1 rewards do not show: claims are tried on batches of exact numbers (cases.py), all claims on the same.

What breaks a claim is made smaller before it is shown (shrink.py). A batch that cannot be computed exactly, such as one
with exp(1000000), is left out of the count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from itertools import product

from shaping.design import Design, Moment, with_params
from shaping.errors import DesignError, located
from shaping.groups import exact
from shaping.groups.rows import in_range
from shaping.proofs.case import Case
from shaping.proofs.cases import Cases
from shaping.proofs.claims import OF_RIGHT_AND_WRONG, Claim
from shaping.proofs.rules import other_params
from shaping.proofs.shrink import smallest
from shaping.proofs.statements import Answers, breaks, could_break, related
from shaping.real import Real, Undefined, Unusable
from shaping.work import TooMuch, bounded

WORK = 100_000  # steps of exact arithmetic for one claim on one batch: what sympy does not see by then is left out
SECONDS = 10  # on the CPU, for the claims of a file that share batches; then fewer batches are told


@dataclass
class Outcome:
    """What came of one claim: `refuted` and `undecided` say why; else what was looked at."""

    refuted: str = ""
    undecided: str = ""
    groups: int = 0
    sizes: set[int] = field(default_factory=set)
    points: set[Moment | None] = field(default_factory=set)
    could: bool = False  # could a tried group have broken it?
    factors: dict[tuple, tuple[Real, Case]] = field(default_factory=dict)  # of proportional_to, by size and parameters

    @property
    def closed(self) -> bool:
        return bool(self.refuted or self.undecided)

    def looked_at(self, asked: bool) -> str:
        sizes = ", ".join(map(str, sorted(self.sizes))) if asked else f"up to {max(self.sizes)}"
        return f"groups of {sizes} answers"


def search(
    design: Design, claims: Sequence[Claim], others: Mapping[Claim, Design], most: int = 0
) -> dict[Claim, Outcome]:
    """An outcome for each claim. `most`: of so many batches at most."""
    found = {claim: Outcome() for claim in claims}
    together: dict[tuple, list[Claim]] = {}
    for claim in claims:
        together.setdefault(tuple((name, tuple(values)) for name, values in claim.when.items()), []).append(claim)
    for when, group in together.items():
        values = {name: list(each) for name, each in when}
        sizes = [int(N) for N in values.pop("N", [])]
        for setting in product(*values.values()):
            fixed = dict(zip(values, setting, strict=True))
            _search(with_params(design, fixed), group, others, found, fixed, sizes, most)
    for outcome in found.values():
        if not outcome.sizes and not outcome.closed:
            outcome.undecided = "`when` leaves no group to look at: the ranges forbid it"
    return found


def _search(
    design: Design,
    claims: Sequence[Claim],
    others: Mapping[Claim, Design],
    found: dict[Claim, Outcome],
    fixed: dict[str, Fraction],
    sizes: list[int],
    most: int,
) -> None:
    formulas = [claim.formula for claim in claims if claim.kind in ("holds", "bounded", "zero_when")]
    beside = list({id(others[claim]): others[claim] for claim in claims if claim in others}.values())
    verdicts = any(claim.verdicts_alone or claim.kind in OF_RIGHT_AND_WRONG for claim in claims)
    cases = Cases(design, beside, formulas, {*fixed}, sizes, verdicts)
    compute = _Batches(design)
    shown = "".join(f", {name} = {value}" for name, value in fixed.items())
    began = time.process_time()
    for number, case in enumerate(cases):
        left = [claim for claim in claims if not found[claim].closed]
        if not left or (most and number >= most) or time.process_time() - began > SECONDS:
            break
        batch = compute(case)
        for claim in left if batch is not None else []:
            if is_about(claim, case, design):
                _try(claim, case, batch, found[claim], compute, others.get(claim), cases, shown)


def is_about(claim: Claim, case: Case, design: Design) -> bool:
    """Is the claim about such rewards? About those that the design is for; some about right and wrong answers alone."""
    if not case.is_for(design):
        return False
    if claim.verdicts_alone:
        return case.of_verdicts
    if claim.kind in OF_RIGHT_AND_WRONG:
        return case.of_verdicts or (design.graded and case.reward_PN == case.score_PN)
    return True


def _try(
    claim: Claim,
    case: Case,
    batch: Sequence[Answers],
    outcome: Outcome,
    compute: _Batches,
    other: Design | None,
    cases: Cases,
    shown: str,
) -> None:
    """One claim on one case, into its outcome."""
    key = case.N, tuple(case.params.items()), case.moment
    known = outcome.factors.get(key)

    def fails(tried: Case) -> str | None:
        return compute.failure(claim, tried, other)

    try:
        with bounded(cases.design.source.path, WORK):
            if other is None:
                failure = breaks(claim, batch)
            else:
                failure, factor = compute.compared(claim, case, other, known[0] if known else None)
                if factor is not None and known is None and not claim.per_group:
                    outcome.factors[key] = factor, case
            could = outcome.could or could_break(claim, batch)
    except Undefined as error:
        outcome.undecided = located(claim.span, f"{claim.text}: {error.args[0]}, for {case}{shown}")
        return
    except (Unusable, TooMuch, OverflowError):  # not decided for these numbers
        return
    except DesignError as error:
        outcome.undecided = str(error)
        return
    if failure is not None:
        if known is not None and fails(case) is None:  # another factor than a group of before has
            case = replace(case, after=known[1])
        case = smallest(case, fails, cases)
        outcome.refuted = f"{case}{shown}: {fails(case)}"
        return
    outcome.groups += len(batch)
    outcome.sizes.add(case.N)
    outcome.points.add(case.moment)
    outcome.could = could


class _Batches:
    """A case → what its answers get; of one design at each setting of its whole parameters."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.with_whole = lru_cache(maxsize=256)(lambda items: with_params(design, dict(items)))

    def __call__(self, case: Case) -> list[Answers] | None:
        """None where the numbers are too large, or too many, to compute with.

        Raises:
          DesignError: the design has no value for a group.
        """
        design = self.with_whole(tuple(case.params.items()))
        return answers(design, case)

    def failure(self, claim: Claim, case: Case, other: Design | None) -> str | None:
        """How the case breaks the claim, if it is known to."""
        if not (in_range(self.design, case.N, case.params, case.moment) and is_about(claim, case, self.design)):
            return None
        try:
            with bounded(self.design.source.path, WORK):
                batch = self(case)
                if batch is None:
                    return None
                if other is None:
                    return breaks(claim, batch)
                factor = None
                if case.after is not None:
                    before, factor = self.compared(claim, case.after, other, None)
                    if before is not None or factor is None:
                        return before
                return self.compared(claim, case, other, factor)[0]
        except (DesignError, Undefined, Unusable, OverflowError):
            return None

    def compared(self, claim: Claim, case: Case, other: Design, factor: Real | None) -> tuple[str | None, Real | None]:
        """What breaks a claim about two designs, and the factor between them."""
        design = self.with_whole(tuple(case.params.items()))
        names = design.constants(None) | {"N": Fraction(case.N)}
        other = with_params(other, other_params(claim, names))
        if not in_range(other, case.N, {}, case.moment):
            raise Unusable("no group of the other design")
        mine, theirs = answers(design, case), answers(other, case)
        if mine is None or theirs is None:
            raise Unusable("too large to compute")
        for a, b in zip(mine, theirs, strict=True):
            failure, factor = related(claim, a.values, b.values, None if claim.per_group else factor)
            if failure is not None:
                return failure, factor
        return None, factor


def answers(design: Design, case: Case) -> list[Answers] | None:
    """What the answers of a case get; None where that cannot be computed exactly."""
    signals = {name: case.signals[name] for name in design.inputs}
    try:
        with bounded(design.source.path):
            groups, kinds_PN = exact.groups_of(
                design, case.reward_PN, case.score_PN, signals, case.draws(design), case.moment
            )
            values = [
                [group.value(design.advantage, kind) for kind in kinds]
                for group, kinds in zip(groups, kinds_PN, strict=True)
            ]
    except (Unusable, TooMuch, OverflowError):
        return None
    except Undefined as error:
        raise DesignError(located(error.args[1], f"{error.args[0]}, for {case}")) from None
    found = []
    for p, (group, kinds) in enumerate(zip(groups, kinds_PN, strict=True)):
        columns = {"r": case.reward_PN[p], "score": case.score_PN[p]}
        columns |= {name: values_PN[p] for name, values_PN in case.signals.items()}
        correct = [bool(group.kinds[kind][1]["correct"]) for kind in kinds]
        found.append(Answers(design.constants(None), columns, correct, values[p]))
    return found
