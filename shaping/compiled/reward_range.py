"""Which rewards of a batch a design is for: `rewards:`, compared with tensors.

The ends are rounded to the rewards' own float type, as the rewards were: 0.1 as a float32 is at most 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from shaping import real
from shaping.language.rewards import Rewards
from shaping.real import Real


def within(rewards: Rewards, values_PN: Tensor, names: Mapping[str, Real]) -> Tensor | None:
    r"""Which of these numbers are among `rewards`; None if all are, which two passes show. NaN is not among any.

    Args:
      names: the values of parameters.

    Example:
      >>> from shaping import loads
      >>> (rewards,) = loads("rewards: 0 to 1\nadvantage: r").rewards
      >>> within(rewards, torch.tensor([[0.5, -1.0, torch.nan]]), {})
      tensor([[ True, False, False]])
      >>> within(rewards, torch.tensor([[0.5, 1.0]]), {})
    """
    if not values_PN.numel():
        return None
    if rewards.is_list:
        fine_PN = torch.zeros_like(values_PN, dtype=torch.bool)
        for value in rewards.numbers(names):
            fine_PN |= values_PN == _rounded(value, values_PN)
        return None if fine_PN.all() else fine_PN
    low, high = (None if end is None else _rounded(end, values_PN) for end in rewards.ends(names))
    least, most = torch.aminmax(values_PN)  # NaN if there is one
    if _inside(least, low, high, rewards.open) and _inside(most, low, high, rewards.open):
        return None
    return _inside(values_PN, low, high, rewards.open)


def _inside(values: Tensor, low: Tensor | None, high: Tensor | None, is_open: bool) -> Tensor:
    fine = values == values
    if low is not None:
        fine = fine & (values > low if is_open else values >= low)
    if high is not None:
        fine = fine & (values < high if is_open else values <= high)
    return fine


def _rounded(value: Real, like: Tensor) -> Tensor:
    return torch.tensor(float(real.nearest(value)), dtype=like.dtype, device=like.device)
