"""A run that learns nothing says so: after a few steps in the log, and at its end with how many of its steps.

    hook.py             what a step had for its design → StepSignal
    trainer.train_step  → NoSignal.step
    Closing             the end of the run: OpenRLHF closes its loggers

A step trains nothing if no answer reached the design, all were left out, or every advantage is 0. If every reward of a
step is the same number, that is said too: a reward function that always gives 0 is the usual reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from passk_rlhf.loggers import Chained

FIRST = 3  # steps in a row before it is said; then after twice as many, and so on


@dataclass(frozen=True)
class StepSignal:
    """What one step had to learn from."""

    effective: int  # groups with an advantage that is not 0
    groups: int
    answers: int  # that were not left out
    constant: float | None  # the one reward that all of these have

    @classmethod
    def of(cls, advantage_PN: Tensor, value_PN: Tensor | None, there_PN: Tensor | None) -> StepSignal:
        """
        Args:
          value_PN: what the design reads of rewards or scores; None if it reads neither.
          there_PN: the answers that were not left out; None: all.

        >>> import torch
        >>> StepSignal.of(torch.tensor([[0.0, 0.0], [1.0, -1.0]]), torch.ones(2, 2), None)
        StepSignal(effective=1, groups=2, answers=4, constant=1.0)
        """
        effective = int((advantage_PN != 0).any(-1).sum())
        answers = advantage_PN.numel() if there_PN is None else int(there_PN.sum())
        constant = None
        if value_PN is not None and answers > 1:
            values = value_PN.reshape(-1) if there_PN is None else value_PN[there_PN]
            constant = values[0].item() if bool((values == values[0]).all()) else None
        return cls(effective, len(advantage_PN), answers, constant)

    @property
    def why(self) -> str:
        """Why nothing is trained, in words; '' if something is."""
        if not self.answers:
            return "every answer was left out, for lack of a number that the design reads"
        if self.effective:
            return ""
        same = f", and every reward was {self.constant:g}" if self.constant is not None else ""
        return f"every advantage was 0{same}"


class NoSignal:
    """Counts the steps of this process that trained nothing.

    Args:
      say, warn: where a line of the log goes.
      beside: what is trained all the same, such as 'the KL penalty'; '' if nothing is.
    """

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None], beside: str = "") -> None:
        self.say, self.warn, self.beside = say, warn, f" but {beside}" if beside else ""
        self.steps = self.nothing = 0
        self.rows = {"nothing": _Row(), "constant": _Row()}

    def step(self, number: int, signal: StepSignal | None) -> None:
        """Step `number` is done; `signal` is None if no answer reached the design."""
        why = "no answer reached the design" if signal is None else signal.why
        self.steps += 1
        self.nothing += bool(why)
        if self.rows["nothing"].says(bool(why)):
            self.warn(
                f"{self.rows['nothing'].length} steps in a row have trained nothing{self.beside}, "
                f"up to step {number}: {why}.{_advice(signal)}"
            )
        constant = None if why or signal is None else signal.constant
        if self.rows["constant"].says(constant is not None):
            length = self.rows["constant"].length
            self.warn(
                f"for {length} steps in a row every reward of a step has been the same number, in step {number} "
                f"{constant:g}: no answer is better than another.{_advice(signal)}"
            )

    def end(self) -> None:
        """One line on the whole run."""
        if self.steps:
            line = f"shaping: {self.nothing} of {self.steps} steps trained nothing{self.beside if self.nothing else ''}"
            (self.warn if self.nothing else self.say)(line)


@dataclass
class _Row:
    """Steps in a row of which something holds."""

    length: int = 0
    next_at: int = FIRST

    def says(self, holds: bool) -> bool:
        """Has it held for so many steps that it is said, for the first time or once more?"""
        self.length = self.length + 1 if holds else 0
        if not holds or self.length < self.next_at:
            return False
        self.next_at = 2 * self.length
        return True


def _advice(signal: StepSignal | None) -> str:
    if signal is None:
        return " Their rewards are missing, or filtering has left too few of them to share."
    if not signal.answers:
        return " What the reward function raised is in the log, after 'Failed to fetch reward'."
    if signal.constant is not None:
        return " Does the reward function see the answer, and can a prompt be solved?"
    return " Which groups get 0: python -m shaping show DESIGN --n N"


class Closing(Chained):
    """Says at the end of a run what `NoSignal` has counted."""

    def __init__(self, next_logger: Any, no_signal: NoSignal) -> None:
        super().__init__(next_logger)
        self.no_signal = no_signal

    def close(self) -> None:
        self.no_signal.end()
        super().close()
