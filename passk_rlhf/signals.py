"""What a design reads of an answer besides its reward, from OpenRLHF's experiences.

    length      tokens of the answer: places where `action_mask` is true
    logprob     mean over them of `action_log_probs`, the actor's before this step's update (vLLM's own
                `rollout_log_probs` if the actor did not compute any); 0 for an answer without tokens
    truncated   `truncated`: cut off at the length limit
    others      what the reward function returned under that name in "extra_logs"; in `experience.info`

Each as (B,), in the order of the experiences.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from shaping import RewardError


def logprobs_kept(experiences: list) -> bool:
    return all(each.action_log_probs is not None or each.rollout_log_probs is not None for each in experiences)


def token_logprobs(experience) -> Tensor:
    """(B, T) log-probabilities of the answers' tokens; anything where `action_mask` is false."""
    found = experience.action_log_probs if experience.action_log_probs is not None else experience.rollout_log_probs
    if found is None:
        raise RewardError("this design reads log-probabilities, and OpenRLHF kept none for this batch")
    return found


def masks_of(experiences: list) -> list[Tensor]:
    """(B, T) of each: which places are tokens of the answer, as bool. OpenRLHF keeps eight bytes for each."""
    return [experience.action_mask.bool() for experience in experiences]


def signals(experiences: list, names: Iterable[str], masks: list[Tensor] | None = None) -> dict[str, Tensor]:
    """The signals of that name, for all experiences; `masks` are `masks_of` them.

    Raises:
      RewardError: there is none of that name.
    """
    pairs = list(zip(experiences, masks_of(experiences) if masks is None else masks, strict=True))
    return {name: torch.cat([_signal(experience, name, mask_BT) for experience, mask_BT in pairs]) for name in names}


def _signal(experience, name: str, mask_BT: Tensor) -> Tensor:
    if name == "length":
        return mask_BT.sum(-1).float()
    if name == "logprob":
        logprob_BT = torch.where(mask_BT, token_logprobs(experience).float(), 0)
        return logprob_BT.sum(-1) / mask_BT.sum(-1).clamp(min=1)
    found = experience.truncated if name == "truncated" else experience.info.get(name)
    if not isinstance(found, Tensor) or found.numel() != len(experience.index):
        returned = ", ".join(sorted(key for key, value in experience.info.items() if isinstance(value, Tensor)))
        raise RewardError(
            f"the design reads {name!r} of every answer, and there is none.\n"
            f'The reward function returns it in "extra_logs": {{"{name}": ...}}; there are: {returned or "none"}'
        )
    return found.reshape(-1).float()
