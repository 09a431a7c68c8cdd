"""`--filter-silent-groups`: dynamic filtering drops the groups in which the design gives every answer 0.

OpenRLHF asks each answer of a group for its score and compares the mean with a range. While it filters, `Asked` stands
in place of the scores: it gives what is kept a mean in the middle of the range, and what is dropped NaN, which is in no
range. Once all are asked, every answer has its own score again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch

from passk_rlhf.experiences import failed
from passk_rlhf.filtering import FLAG
from passk_rlhf.missing import own_signals
from passk_rlhf.patch import IncompatibleOpenRLHF
from passk_rlhf.penalties import penalize
from passk_rlhf.returns import short
from passk_rlhf.signals import signals
from shaping import Design, RewardError
from shaping.compiled.apply import evaluated


def is_silent(design: Design, experiences: Sequence[Any], args: Any, step: int | None, total_steps: int | None) -> bool:
    """Does the design give 0 to every answer of this group, length penalties counted?

    Args:
      experiences: the answers of one group, one experience each, as they were generated.

    Raises:
      RewardError: a reward that the design cannot use; names the prompt.
    """
    lacks = [each.rewards is None or failed(each) for each in experiences]
    unsaid = any(name not in each.info for name in own_signals(design) for each in experiences)
    if not design.drop_missing and (any(lacks) or unsaid):
        return False  # the step will name it
    rewards = [_number(None if lack else each.rewards) for each, lack in zip(experiences, lacks, strict=True)]
    scores = [
        reward if lack or each.scores is None else _number(each.scores)
        for each, reward, lack in zip(experiences, rewards, lacks, strict=True)
    ]
    reward_PN = _penalized(torch.stack(rewards, 1), experiences, args)
    signal_PN = {name: torch.stack([_signal(each, name) for each in experiences], 1) for name in design.inputs}
    try:
        advantage_PN = evaluated(
            design, reward_PN, torch.stack(scores, 1), signal_PN, design.moment(step, total_steps), seed=0, step=step
        )
    except RewardError as error:
        raise RewardError(f"{error}\nprompt: {short(experiences[0].prompts[0])}") from None
    return not bool(advantage_PN.any())


def _number(value: torch.Tensor | None) -> torch.Tensor:
    return torch.tensor([torch.nan]) if value is None else value.reshape(-1)[:1].float()


def _signal(experience: Any, name: str) -> torch.Tensor:
    """What signals.py reads of this answer; NaN if it has none."""
    if failed(experience) or (name not in ("length", "truncated") and name not in experience.info):
        return _number(None)
    return signals([SimpleNamespace(**vars(experience) | {"index": [0]})], [name])[name]


def _penalized(raw_PN: torch.Tensor, experiences: Sequence[Any], args: Any) -> torch.Tensor:
    """The rewards as the trainer will have them, after OpenRLHF's length penalties."""
    from openrlhf.trainer.ppo_utils import length_penalty

    group = SimpleNamespace(
        rewards=raw_PN[0].clone(),
        response_length=torch.cat([each.response_length.reshape(-1) for each in experiences]),
        truncated=torch.cat([each.truncated.reshape(-1) for each in experiences]),
        info={},
    )
    with _quiet(length_penalty.logger):  # the trainer's own call says it of the whole step
        penalize([group], args)
    return group.rewards[None]


@contextmanager
def _quiet(logger: Any) -> Iterator[None]:
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


class Asked:
    """In place of the scores of a group's answers while OpenRLHF filters: `scores[0].item()` says keep or drop."""

    def __init__(self, group: AskedGroup) -> None:
        self.group = group

    def __getitem__(self, _: int) -> Asked:
        return self

    def item(self) -> float:
        return self.group.asked_once()


class AskedGroup:
    """The answers of one group. Whether it is kept is decided when the first is asked, and all are there."""

    def __init__(self, silent: Callable[[list], bool], middle: float) -> None:
        self.silent, self.middle = silent, middle
        self.experiences: list[Any] = []
        self.scores: list[Any] = []
        self.answer: float | None = None
        self.asked = 0

    def add(self, experience: Any) -> None:
        self.experiences.append(experience)
        self.scores.append(experience.scores)
        experience.scores = Asked(self)

    def asked_once(self) -> float:
        if self.answer is None:
            self.give_back()
            self.answer = math.nan if self.silent(self.experiences) else self.middle
            for experience in self.experiences:
                experience.scores = Asked(self)
        self.asked += 1
        if self.asked == len(self.experiences):
            self.give_back()
        return self.answer

    def give_back(self) -> None:
        for experience, score in zip(self.experiences, self.scores, strict=True):
            experience.scores = score


class SilentGroups:
    """Filters by the design while one call of OpenRLHF's `_generate_vllm` runs.

    OpenRLHF makes the answers of a group one after the other, and asks them all before it makes the next group's.
    """

    def __init__(self, silent: Callable[[list], bool], low: float, high: float) -> None:
        self.silent, self.middle = silent, _between(low, high)
        self.open: AskedGroup | None = None

    def add(self, experience: Any) -> None:
        if self.open is None or self.open.answer is not None:
            self.open = AskedGroup(self.silent, self.middle)
        self.open.add(experience)


def _between(low: float, high: float) -> float:
    """
    >>> _between(-1, 1), _between(0, math.inf), _between(-math.inf, math.inf)
    (0.0, 1, 0)
    """
    if math.isinf(low) or math.isinf(high):
        return low + 1 if math.isfinite(low) else high - 1 if math.isfinite(high) else 0
    return (low + high) / 2


def refuse_unasked(experiences: Sequence[Any]) -> None:
    """Raise IncompatibleOpenRLHF if a group was kept that nobody asked about: then this OpenRLHF filters otherwise."""
    if any(isinstance(each.scores, Asked) for each in experiences):
        raise IncompatibleOpenRLHF(
            f"this OpenRLHF does not filter groups by the mean of their scores: leave out {FLAG}"
        )
