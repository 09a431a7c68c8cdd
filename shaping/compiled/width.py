"""How wide the floats are that a design is computed in.

Of `r - 0.001 * length`, and of success rates that nearly agree, float32 rounds away what they differ by: designs that
read more than a group's own rewards and scores are computed in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shaping.design import Design


def reads_more(design: Design) -> bool:
    """Does it read more than a group's own rewards and scores?"""
    return bool(design.inputs) or design.reads_batch


def dtype_of(design: Design, reward_PN: Tensor, score_PN: Tensor) -> torch.dtype:
    """Float32 or what rewards and scores are, if that is wider; float64 where it `reads_more`.

    Apple's GPUs have no float64: there float32 has to do.
    """
    given = torch.promote_types(torch.promote_types(reward_PN.dtype, score_PN.dtype), torch.float32)
    return torch.float64 if reads_more(design) and reward_PN.device.type != "mps" else given
