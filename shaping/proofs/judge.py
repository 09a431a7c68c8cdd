"""Design files → a line of judgement on each of their claims: what `python -m shaping test` and pytest share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shaping.design import Design, load
from shaping.errors import DesignError, located
from shaping.groups.rows import in_range
from shaping.groups.run_points import moments
from shaping.proofs.claims import Claim, read_claims
from shaping.proofs.decide import Verdict, decide
from shaping.proofs.exhaust import UP_TO
from shaping.work import MAX_N

SOUND_N = 16  # answers of the groups for which a design is checked before its claims are decided


@dataclass(frozen=True)
class Judgement:
    """On one claim; or, with no `claim`, the error for which a file has none."""

    path: str
    claim: str
    passed: bool
    how: str  # proved, exhausted, searched, refuted, undecided
    over: str
    error: str = ""  # of one that did not pass: place, caret and counterexample
    unseen: str = ""  # what was not looked at

    @property
    def word(self) -> str:
        """How it came about, as people are told."""
        if not self.passed:
            return "undecided" if self.how == "undecided" else "FAILED"
        return "breaks it" if self.how == "refuted" else self.how


def judge(path: str, up_to: int = UP_TO) -> list[Judgement]:
    """Every claim of a file decided; of a file with an error, or without a claim, that."""
    try:
        design = load(path)
        claims = read_claims(design)
        if not claims:
            raise DesignError(f"{path}: no claims, so nothing is tested\nhint: add `claims:`, for example [zero_sum]")
        refuse_unsound(design)
        return [judgement(path, verdict) for verdict in decide(design, claims, up_to)]
    except DesignError as error:
        return [Judgement(path, "", False, "", "", str(error))]


def refuse_unsound(design: Design) -> None:
    """Raise the DesignError that groups of 16 meet; where ranges forbid 16, of the next size that they allow."""
    moment = next(moments(design))
    sizes = (N for N in (*range(SOUND_N, MAX_N + 1), *range(SOUND_N, 1, -1)) if in_range(design, N, {}, moment))
    design.check(next(sizes, SOUND_N))


def judgement(path: str, verdict: Verdict) -> Judgement:
    claim = verdict.claim
    error = "" if verdict.passed else message(claim, verdict)
    unseen = ", ".join(verdict.unseen) if verdict.holds else ""
    return Judgement(path, claim.text, verdict.passed, verdict.how, verdict.over, error, unseen)


def message(claim: Claim, verdict: Verdict) -> str:
    """Why the claim did not pass: place, caret, and the group or the reason."""
    if verdict.how == "undecided":
        return verdict.over
    if not claim.negated:
        return located(claim.span, f"{claim.text} does not hold: {verdict.over}")
    if verdict.how == "proved" or (verdict.how == "exhausted" and "N" in claim.when):
        return located(claim.span, f"{claim.text}: it holds after all ({verdict.how}: {verdict.over})")
    hint = "`not:` needs a group that breaks the claim: say where it is, with `when:`"
    return located(claim.span, f"{claim.text}: not decided, no group breaks it ({verdict.how}: {verdict.over})", hint)


def files(paths: Iterable[str]) -> list[str]:
    """The YAML files among these files and folders, sorted.

    Raises:
      DesignError: there is none.
    """
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(path.rglob("*.yaml"))
        else:
            found.append(path)
    if not found:
        raise DesignError(f"no design (*.yaml) in {', '.join(paths)}")
    return [str(path) for path in found]


def judge_all(paths: list[str], up_to: int = UP_TO) -> Iterator[list[Judgement]]:
    """The judgements on each file, in order; on as many processes as there are cores."""
    workers = min(len(paths), os.cpu_count() or 1)
    if workers == 1:
        yield from (judge(path, up_to) for path in paths)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(partial(judge, up_to=up_to), paths)


def report(judgements: list[Judgement]) -> str:
    """One file, in words."""
    path = judgements[0].path if judgements else ""
    lines = [path]
    for each in judgements:
        if not each.passed:
            lines.append(each.error)
        else:
            lines.append(f"  {each.word:10} {each.claim}\n{'':13}{each.over}")
            lines += [f"{'':13}not looked at: {each.unseen}"] if each.unseen else []
    return "\n".join(lines)


def summary(judgements: list[Judgement]) -> str:
    """'46 claims: 20 proved, ... '"""
    hows = Counter(each.how if each.passed or each.how == "undecided" else "FAILED" for each in judgements)
    names = {"proved": "proved", "exhausted": "exhausted", "searched": "searched", "refuted": "broken as said"}
    names |= {"FAILED": "FAILED", "undecided": "NOT DECIDED"}
    counts = ", ".join(f"{hows[how]} {name}" for how, name in names.items() if hows[how])
    designs, claims = len({each.path for each in judgements}), sum(1 for each in judgements if each.claim)
    return f"{_count(designs, 'design')}, {_count(claims, 'claim')}: {counts or 'none'}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
