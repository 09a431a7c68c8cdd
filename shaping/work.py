"""How much work a design may be, so that a file from a stranger cannot occupy a machine.

Exact arithmetic is counted, not timed: a design is refused on every machine or on none. `spend` takes units from what
`bounded` allows, one for a sum of short numbers (about three microseconds), more as numbers get longer. What cannot be
counted, sympy in commands about single designs, is ended by the CPU's clock: `seconds`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shaping.errors import DesignError, Span, located

MAX_WORK = 500_000  # units: a second and a half; for groups of 1,024 all of configs/ but one need less than half
MAX_CALLS = 4_000_000  # of functions within sympy, to decide whether one number is zero: five seconds
MAX_N = 1_024  # answers in a group: four times what is common in training
MAX_SETTINGS = 10_000  # of the parameters of a claim, for one N: two that count to 64 have 4,096
MAX_SECONDS = 60  # on the CPU, for a file in commands that prove, search or draw; none of configs/ needs fifteen
AGAIN = 0.2  # seconds until it is tried again to end something: what a destructor raises, Python drops

_spent = [0]
_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


class TooMuch(DesignError):
    """A limit of this file, reached."""


class _Stopped(BaseException):
    """Goes through `except Exception` of the libraries it has to get out of."""


def spend(units: int) -> None:
    """Take from what is allowed; outside of `bounded` anything is."""
    _spent[0] += units
    left = _left.get()
    if left is not None:
        left[0] -= units
        if left[0] < 0:
            raise TooMuch(f"more than {MAX_WORK:,} steps of exact arithmetic")


def spent() -> int:
    """The units that were spent in this process."""
    return _spent[0]


def is_bounded() -> bool:
    return _left.get() is not None


@contextmanager
def bounded(path: str, most: int = MAX_WORK) -> Iterator[None]:
    """Allow so much to what is done here for the design at `path`; within another `bounded`, what that one has left.

    Raises:
      TooMuch: it is not enough, or formulas are nested deeper than Python's stack.
    """
    if _left.get() is not None:
        yield
        return
    token = _left.set([most])
    try:
        yield
    except TooMuch as error:
        if "\n" in str(error):  # it has a place already
            raise
        raise TooMuch(f"{path}: {error}\nhint: {HINT}") from None
    except RecursionError:
        raise TooMuch(f"{path}: formulas and names nested too deep to compute") from None
    finally:
        _left.reset(token)


def located_limit(error: TooMuch, span: Span) -> TooMuch:
    """The same error with a place, if it has none yet."""
    return error if "\n" in str(error) else TooMuch(located(span, str(error), HINT))


HINT = "smaller groups, shorter formulas, or smaller numbers in them"


class counted_calls:
    """A context that ends when Python functions were called too often in it: a call is a unit of what `bounded`
    allows, and outside of that MAX_CALLS are allowed.
    """

    def __enter__(self) -> None:
        left = _left.get()
        self.most, self.made = MAX_CALLS if left is None else left[0], 0
        self.before, self.unraisable = sys.getprofile(), sys.unraisablehook
        sys.unraisablehook = lambda args: None if args.exc_type is _Stopped else self.unraisable(args)
        sys.setprofile(self.count)

    def count(self, frame, event: str, argument) -> None:
        self.made += event == "call"
        if self.made > self.most:
            raise _Stopped

    def __exit__(self, kind, error, trace) -> bool:
        sys.setprofile(self.before)
        sys.unraisablehook = self.unraisable  # a generator that is closed on the way out would print what it drops
        spend(self.made)
        return kind is _Stopped


@contextmanager
def seconds(most: int, what: str) -> Iterator[None]:
    """End what takes more than `most` seconds of this process's time on the CPU.

    Only in a main thread, which is where commands run; elsewhere nothing is ended.

    Raises:
      TooMuch: it took longer; `what` says what did.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_) -> None:
        raise _Stopped

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, most, AGAIN)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _Stopped:
        raise TooMuch(f"{what}: not done after {most} seconds of computing\nhint: {HINT}") from None
    finally:
        signal.signal(signal.SIGVTALRM, before)
