"""What has to hold for any bytes: a value or the reader's own error, with its place, within LIMIT seconds.

    design     shaping.load gives a Design or a DesignError, `path:line:column: ...` with the line and carets. Without
               line and column, as `path: ...`, are only those of WITHOUT_PLACE: no place is to blame. A Design is then
               used: every mistake listed, claims read, checked for groups of 2 and of 5, its table, called on tensors.
    rewards    shaping.trials.records.read_records gives records or a DesignError `path:line...: ...`.
    metrics    passk_rlhf.history.read_history gives a History or a HistoryError.

An outcome is "accepted" or "refused"; anything else is raised as it is, or as `Broken`.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

import shaping
from passk_rlhf.history import HistoryError, read_history
from shaping.design import Design
from shaping.errors import DesignError, RewardError, Source
from shaping.groups.exact import table
from shaping.language.document import read_text
from shaping.language.sections import problems
from shaping.proofs.claims import read_claims
from shaping.trials.records import read_records

LIMIT = 4  # seconds on the CPU, for all that is done with an input: two, and atheris' bookkeeping takes as long again
SIZES = (2, 5)
WITHOUT_PLACE = re.compile(
    r"cannot read the (design|rewards)|longer than|more than [\d,]+ (steps|numbers)|nested too deep"
    r"|groups of|design '|there is no group|no metrics|no training step|step \d+ of"
)


class Broken(AssertionError):
    """The contract is."""


class TooSlow(BaseException):
    """Goes through every `except Exception`."""


def design(data: bytes, thorough: bool = True) -> str:
    """`thorough`: use the design, too."""
    path = _file(data)
    try:
        made = shaping.load(path)
    except DesignError as error:
        _placed(error, path)
        if thorough and "cannot read" not in str(error):
            _listed(path)
        return "refused"
    if thorough:
        used(made, path)
    return "accepted"


def used(made: Design, path: str) -> None:
    """What people do with a design; each step may end in an error of its own."""
    tensors = {name: torch.tensor([[1.0, 0.0], [0.5, 3.0]]) for name in made.inputs}
    steps: list[Callable[[], object]] = [lambda: read_claims(made), lambda: shaping.loads(made.resolved, path)]
    steps += [lambda N=N: made.check(N) for N in SIZES]
    steps += [lambda: table(made, 3, made.moment(1, 2) if made.clock else None)] if made.tabulated else []
    steps += [lambda: made(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), step=1, total_steps=2, **tensors)]
    steps += [lambda: made(torch.tensor([[0.5, float("nan")]]), step=0, total_steps=1)]
    for step in steps:
        try:
            step()
        except DesignError as error:
            _placed(error, path)
        except RewardError:
            continue  # the rewards are at fault
    if found := problems(Source(path, read_text(path)), {}):
        raise Broken(f"it loads, and is said to be wrong: {found[0]}")


def rewards(data: bytes) -> str:
    path = _file(data)
    try:
        records = read_records(path)
    except DesignError as error:
        _placed(error, path, r"(:\d+)+: ")
        return "refused"
    for record in records:
        if any(column.isinf().any() for column in (record.reward_PN, *record.signals.values())):  # NaN is null
            raise Broken("a number that is none")
    return "accepted"


def metrics(data: bytes) -> str:
    path = _file(data)
    try:
        history = read_history(path)
    except HistoryError as error:
        if not str(error).startswith(path):
            raise Broken(f"no file in {error}") from None
        return "refused"
    if not history.steps:
        raise Broken("no step")
    return "accepted"


TARGETS = {"design": design, "rewards": rewards, "metrics": metrics}


@contextmanager
def soon(data: bytes) -> Iterator[None]:
    """What is done within takes LIMIT seconds of this process at most."""

    def late(*_) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, LIMIT, 0.5)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except TooSlow:
        raise Broken(f"not done after {LIMIT} seconds: {data[:200]!r}") from None
    finally:
        signal.signal(signal.SIGPROF, before)


def _listed(path: str) -> None:
    """The mistakes that `shaping check` lists, of a file with one."""
    found = problems(Source(path, read_text(path)), {})
    if not found:
        raise Broken("refused, and nothing is said to be wrong")
    for error in found:
        _placed(error, path)


def _placed(error: DesignError, path: str, place: str = r":\d+:\d+: ") -> None:
    head, *rest = str(error).split("\n")
    if WITHOUT_PLACE.search(head):
        return
    if not re.match(re.escape(path) + place, head):
        raise Broken(f"no place in {head!r}")
    if place == r":\d+:\d+: " and "the file is empty" not in head and "^" not in "".join(rest):
        raise Broken(f"no caret under {head!r}")


@cache
def _memory() -> int:
    return os.memfd_create("input")


def _file(data: bytes) -> str:
    """A file of these bytes that is on no disk; the next call writes over it."""
    file = _memory()
    os.ftruncate(file, 0)
    os.pwrite(file, data, 0)
    return f"/proc/self/fd/{file}"
