"""OpenRLHF's length penalties (--reward.overlong_buffer_len, --reward.stop_properly_penalty_coef), which change rewards
before the design sees them. An answer without a reward gets none from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from shaping import RewardError

PENALTIES = ("overlong_buffer_len", "stop_properly_penalty_coef")  # of --reward


def penalize(experiences: Sequence[Any], args: Any) -> Tensor:
    """Change the rewards of the experiences as OpenRLHF does; (B,) the rewards before.

    A penalty that sets the reward of truncated answers would set one that is missing, NaN, too: it stays NaN.
    """
    from openrlhf.trainer.ppo_utils.length_penalty import apply_length_penalties

    raw_B = torch.cat([experience.rewards.reshape(-1) for experience in experiences]).clone()
    apply_length_penalties(experiences, args)
    for experience, raw in zip(experiences, raw_B.split([each.rewards.numel() for each in experiences]), strict=True):
        experience.rewards = torch.where(raw.isfinite(), experience.rewards.reshape(-1), raw)
        if "reward" in experience.info:
            experience.info["reward"] = torch.where(raw.isfinite(), experience.info["reward"].reshape(-1), raw)
    return raw_B


def after_penalties(error: RewardError, reward_PN: Tensor, raw_PN: Tensor, args: Any) -> RewardError:
    """The error; of a reward that a length penalty has changed, with what it was and the flag."""
    if error.kind != "reward" or error.answer is None:
        return error
    before, after = (each_PN[error.prompt, error.answer].item() for each_PN in (raw_PN, reward_PN))
    flags = [f"--reward.{name}" for name in PENALTIES if getattr(args.reward, name, None) is not None]
    if before == after or not flags:
        return error
    told = RewardError(f"{error}\nThe reward function gave {before:g}; after {' and '.join(flags)} it is {after:g}.")
    told.prompt, told.answer, told.kind = error.prompt, error.answer, error.kind
    return told
