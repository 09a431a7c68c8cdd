"""Answers without a reward, from generation to the design.

OpenRLHF marks one by `rewards is None`: the reward function failed, returned None or took too long. A reward function
may return NaN or an infinity, too. What becomes of them is the design's to say: an error with the answer's prompt, or
left out (`on_missing: drop`). In an evaluation they count 0: a week of training is not ended by one of them.
"""

from __future__ import annotations

from typing import Any

import torch

from shaping import Design, RewardError


def unhide(experience: Any, design: Design) -> None:
    """A reward that is no number, seen while dynamic filtering is on: NaN lies in no range, so that OpenRLHF would
    throw the answer's whole group away, and nobody would hear of it.

    Args:
      experience: one answer, as it was generated. With `on_missing: drop` its reward and score become None: OpenRLHF
        filters no group that has such an answer, and the design leaves the answer out.

    Raises:
      RewardError: the design reads rewards and does not leave missing ones out.
    """
    given = [value for value in (experience.rewards, experience.scores) if value is not None]
    if all(value.isfinite().all() for value in given):
        return
    if design.drop_missing:
        experience.rewards = experience.scores = None
    elif design.counts or {"r", "score"} & set(design.signals):
        bad = next(value for value in given if not value.isfinite().all())
        raise RewardError(
            f"reward {bad.item()} is not a finite number.\nprompt: {short(experience.prompts[0])}\n"
            "Return a number for every answer. To leave such answers out: a design with on_missing: drop"
        )


def settle_missing_rewards(samples: list, N: int, drop: bool) -> None:
    """Name the answer whose reward OpenRLHF did not get, before it fails on it without saying which.

    Args:
      samples: one Experience an answer, as generated, N to a prompt.
      drop: the design leaves such answers out: their reward, score and every other number of the reward function
        become NaN, which says so until the design.

    Raises:
      RewardError: there is one, and it is not to be left out.
    """
    missing = [i for i, sample in enumerate(samples) if sample.rewards is None]
    if drop:
        logged = {key for sample in samples for key in sample.info}
        scored = any(sample.scores is not None for sample in samples)
        for i in missing:
            nothing = torch.tensor([torch.nan])
            samples[i].rewards, samples[i].scores = nothing, nothing if scored else None
            samples[i].info |= {key: nothing for key in logged - samples[i].info.keys()}  # all log the same
    elif missing:
        first = missing[0]
        raise RewardError(
            f"no reward (None) at prompt {first // N}, answer {first % N}, and for {len(missing)} of {len(samples)} "
            f"answers in all.\nprompt {first // N}: {short(samples[first].prompts[0])}\n"
            "The reward function returned None, failed or took too long; its own error is in the log, after "
            "'Failed to fetch reward'. To leave such answers out: a design with on_missing: drop"
        )


def count_missing_as_zero(samples: list) -> int:
    """Of an evaluation: its missing rewards become 0; how many there were."""
    missing = [sample for sample in samples if sample.rewards is None or not sample.rewards.isfinite().all()]
    for sample in missing:
        sample.rewards = torch.zeros(1)
    return len(missing)


def short(text: str, most: int = 200) -> str:
    """A prompt's text for an error message, in quotes."""
    return repr(text if len(text) <= most else f"{text[: most - 40]} ... {text[-35:]}")
