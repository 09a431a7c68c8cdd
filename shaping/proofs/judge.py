"""Design files → a line of judgement on each of their claims: what `python -m shaping test` and pytest share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shaping.design import load
from shaping.errors import DesignError, located
from shaping.proofs.claims import Claim, read_claims
from shaping.proofs.decide import UP_TO, Verdict, decide


@dataclass(frozen=True)
class Judgement:
    """On one claim; or, with no `claim`, the error for which a file has none."""

    path: str
    claim: str
    passed: bool
    how: str  # proved, exhausted, searched, refuted
    over: str
    error: str = ""  # of one that did not pass: place, caret and counterexample

    @property
    def word(self) -> str:
        """How it came about, as people are told."""
        return "FAILED" if not self.passed else "breaks it" if self.how == "refuted" else self.how


def judge(path: str, up_to: int = UP_TO) -> list[Judgement]:
    """Every claim of a file decided; of a file with an error, that error."""
    try:
        design = load(path)
        claims = read_claims(design)
        return [judgement(path, verdict) for verdict in decide(design, claims, up_to)]
    except DesignError as error:
        return [Judgement(path, "", False, "", "", str(error))]


def judgement(path: str, verdict: Verdict) -> Judgement:
    claim = verdict.claim
    error = "" if verdict.passed else located(claim.span, message(claim, verdict))
    return Judgement(path, claim.text, verdict.passed, verdict.how, verdict.over, error)


def message(claim: Claim, verdict: Verdict) -> str:
    if claim.negated:
        return f"{claim.text}: it holds after all ({verdict.how}: {verdict.over})"
    return f"{claim.text} does not hold: {verdict.over}"


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
    return "\n".join(lines)


def summary(judgements: list[Judgement]) -> str:
    """'46 claims: 20 proved, ... '"""
    hows = Counter(each.how if each.passed else "FAILED" for each in judgements)
    names = {"proved": "proved", "exhausted": "exhausted", "searched": "searched", "refuted": "broken as said"}
    counts = ", ".join(f"{hows[how]} {name}" for how, name in (names | {"FAILED": "FAILED"}).items() if hows[how])
    designs, claims = len({each.path for each in judgements}), sum(1 for each in judgements if each.claim)
    return f"{_count(designs, 'design')}, {_count(claims, 'claim')}: {counts or 'none'}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
