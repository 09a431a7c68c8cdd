"""The torch forms of the vocabulary that torch itself does not have.

Every group reduction subtracts the group's first answer before it sums. Of a
constant group that leaves zeros, so its mean is the constant itself and its
standard deviation is 0 to the last bit. Without it eight rewards of 0.1 have a
float32 std of about 1e-9, and dividing by that gives advantages of order 1.

Shapes: x_PN (prompts, answers) in, (P, 1) out.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor


def group_sum(x_PN: Tensor) -> Tensor:
    return group_mean(x_PN) * x_PN.shape[-1]


def group_mean(x_PN: Tensor) -> Tensor:
    """
    >>> group_mean(torch.full((1, 8), 0.1)) == 0.1
    tensor([[True]])
    """
    first_P1 = x_PN[:, :1]
    return first_P1 + (x_PN - first_P1).mean(-1, keepdim=True)


def group_std(x_PN: Tensor, *, ddof: int) -> Tensor:
    """sqrt(sum((x - mean)^2) / (N - ddof)).

    >>> group_std(torch.tensor([[1., 1., 0., 0.]]), ddof=0)
    tensor([[0.5000]])
    >>> group_std(torch.full((1, 8), 0.1), ddof=1)
    tensor([[0.]])
    """
    shifted_PN = x_PN - x_PN[:, :1]
    return shifted_PN.std(-1, correction=ddof, keepdim=True)


def group_min(x_PN: Tensor) -> Tensor:
    return x_PN.amin(-1, keepdim=True)


def group_max(x_PN: Tensor) -> Tensor:
    return x_PN.amax(-1, keepdim=True)


def smallest(*values: Tensor | float) -> Tensor:
    return reduce(lambda a, b: torch.minimum(*_alike(a, b)), values)


def largest(*values: Tensor | float) -> Tensor:
    return reduce(lambda a, b: torch.maximum(*_alike(a, b)), values)


def choose(condition: Tensor, then: Tensor | float, otherwise: Tensor | float, *, dtype: torch.dtype) -> Tensor:
    """`torch.where`; for two plain numbers in `dtype`, where torch alone would take float32."""
    if isinstance(then, float) and isinstance(otherwise, float):
        then = torch.tensor(then, dtype=dtype, device=condition.device)
    return torch.where(condition, then, otherwise)


def _alike(a: Tensor | float, b: Tensor | float) -> tuple[Tensor, Tensor]:
    like = a if isinstance(a, Tensor) else b
    return torch.as_tensor(a, dtype=like.dtype, device=like.device), torch.as_tensor(
        b, dtype=like.dtype, device=like.device
    )


# ── Where an operation has no value ─────────────────────────────────────────


def divides_by_zero(a: Tensor | float, b: Tensor | float) -> Tensor:
    return (
        torch.full_like(a, True, dtype=torch.bool) if isinstance(b, float) else b == 0
    )  # a number comes here only as 0


def is_negative(a: Tensor) -> Tensor:
    return a < 0


def is_not_positive(a: Tensor) -> Tensor:
    return a <= 0


def has_no_power(a: Tensor | float, b: Tensor | float) -> Tensor | bool:
    whole = torch.floor(b) == b if isinstance(b, Tensor) else float(b).is_integer()
    return ((a < 0) & (not whole if isinstance(whole, bool) else ~whole)) | ((a == 0) & (b < 0))
