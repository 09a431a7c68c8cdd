"""Which answers each draw of a `draws:` section has.

Drawn by counting, not by a generator with a state: the place of an answer in
its draw is decided by a hash of (seed, step, prompt, draw, answer), so the same
seed and step give the prompt at the same place of a batch the same draws on
every device, in every process, and whatever the other prompts are.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ODD = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # SplitMix64 (Steele et al. 2014), signed


def members(
    P: int, N: int, count: int, size: int, *, consecutive: bool, seed: int, step: int, first: int = 0, device="cpu"
) -> Tensor:
    """member_PMk: for each of `count` draws the places of its `size` answers, all different.

    `consecutive`: answers 0..size-1, then size..2*size-1, and so on; what is left over is in no draw.
    Else every subset is equally likely, in every draw anew. The P prompts are those from `first` on.

    >>> members(1, 5, 2, 2, consecutive=True, seed=0, step=0)
    tensor([[[0, 1],
             [2, 3]]])
    """
    if consecutive:
        member_Mk = torch.arange(count * size, device=device).reshape(count, size)
        return member_Mk.expand(P, count, size)
    start = _mixed(torch.tensor([seed], device=device)) + step
    prompt_P = _mixed(_mixed(start) + torch.arange(first, first + P, device=device))
    draw_PM = _mixed(prompt_P[:, None] + torch.arange(count, device=device))
    key_PMN = _mixed(draw_PM[..., None] + torch.arange(N, device=device))
    return key_PMN.topk(size, largest=False, sorted=True).indices


def _mixed(x: Tensor) -> Tensor:
    """SplitMix64's step and finalizer on int64, where overflow wraps and shifts are made unsigned by a mask."""
    x = x + _ODD[0]
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _ODD[1]
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _ODD[2]
    return x ^ ((x >> 31) & ((1 << 33) - 1))
