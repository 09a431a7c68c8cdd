"""One advantage an answer → OpenRLHF's returns, one a token, without its loop over the places of a token.

What OpenRLHF computes (`compute_reward`, then `get_cumulative_returns` with gamma = 1): the advantage stands at the
answer's last token, every token of the answer pays its KL penalty, and a place gets the sum from itself to the end.

    without a penalty   one number an answer: its advantage up to its last token, 0 after it
    with a penalty      a running sum from the end, kept in float64 and rounded once a place

So the former has OpenRLHF's own bits, and the latter is the float32 nearest to the exact sum of OpenRLHF's rewards.
"""

from __future__ import annotations

import torch
from torch import Tensor


def token_returns(advantage_B: Tensor, kl_BT: Tensor, mask_BT: Tensor, kl_coefficient: float) -> tuple[Tensor, Tensor]:
    r"""What `experience.returns` and `experience.info["return"]` are under a design.

        penalty_t = kl_coefficient * kl_t            of a token of the answer, 0 elsewhere
        return_t  = [t <= last] A - sum_{u >= t} penalty_u

    A place before the last token has a return whether it is a token of the answer or not (what a tool said between two
    turns is none); the loss masks it. At most one tensor of the result's size stands beside the result.

    Args:
      advantage_B: the design's, finite.
      kl_BT: OpenRLHF's KL estimate of each token; its dtype is the result's. Zero where there is no penalty, and
        anything where there is no token.
      mask_BT: which places are tokens of the answer (`action_mask`); bool, or 0 and 1.
      kl_coefficient: OpenRLHF's `kl_ctl.value`; below zero it counts as zero.

    Returns:
      (B, T) returns, and (B,) the sum of what OpenRLHF calls the rewards: A less the penalty of the whole row. An
      answer without tokens returns 0 everywhere, and its sum is A.

    Example:
      >>> mask = torch.tensor([[False, True, True, False]])
      >>> token_returns(torch.tensor([2.0]), torch.zeros(1, 4), mask, 0.1)
      (tensor([[2., 2., 2., 0.]]), tensor([2.]))
      >>> token_returns(torch.tensor([2.0]), torch.full((1, 4), 5.0), mask, 0.1)
      (tensor([[1.0000, 1.0000, 1.5000, 0.0000]]), tensor([0.]))

    Source: OpenRLHF 0.11.2, openrlhf/models/utils.py and trainer/ppo_utils/experience_maker.py.
    """
    mask_BT = mask_BT.bool()
    advantage_B = advantage_B.to(kl_BT.dtype) + 0.0  # -0.0 becomes 0.0, as in OpenRLHF's sum
    T = mask_BT.shape[1]
    place_T = torch.arange(T, dtype=torch.int32, device=mask_BT.device)
    end_B1 = (mask_BT * (place_T + 1)).amax(-1, keepdim=True) if T else place_T.new_zeros(len(mask_BT), 1)
    if kl_coefficient <= 0 or not kl_BT.any():
        return torch.where(place_T < end_B1, advantage_B[:, None], 0), advantage_B
    reward_BT = kl_BT * -kl_coefficient
    return_B = advantage_B + reward_BT.sum(-1)
    reward_BT.masked_fill_(~mask_BT, 0)
    last_B1 = (end_B1 - 1).clamp(min=0).long()
    reward_BT.scatter_add_(1, last_B1, torch.where(end_B1 > 0, advantage_B[:, None], 0))
    backward_BT = reward_BT.flip(-1)
    del reward_BT
    # torch adds float32 up in float64 here on a CPU.
    return backward_BT.cumsum_(-1).flip(-1), return_B
