"""Rewards in, advantages out: what is looked at before and after the compiled function.

Before: every number that the design reads is finite, and a verdict where it
counts correct answers. After: nothing left the range of floats. The function
itself (lower.py) takes both for granted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shaping.design import Design
from shaping.errors import DesignError, RewardError
from shaping.lower import lowered, verdict_function


def advantage(design: Design, reward_PN: Tensor, score_PN: Tensor | None = None) -> Tensor:
    """What `Design.__call__` documents."""
    if reward_PN.dim() != 2 or not reward_PN.is_floating_point():
        raise RewardError(
            f"design {design.name!r} takes float rewards of shape (prompts, answers), "
            f"got {reward_PN.dtype} of shape {tuple(reward_PN.shape)}"
        )
    if score_PN is not None and score_PN.shape != reward_PN.shape:
        raise RewardError(f"scores have shape {tuple(score_PN.shape)}, rewards {tuple(reward_PN.shape)}")
    _refuse_unusable(design, reward_PN, score_PN)
    score_PN = reward_PN if score_PN is None else score_PN
    dtype = torch.promote_types(torch.promote_types(reward_PN.dtype, score_PN.dtype), torch.float32)
    function = lowered(design, reward_PN.shape[1], dtype, reward_PN.device)
    advantage_PN = function(reward_PN.detach().to(dtype), score_PN.detach().to(dtype)).to(reward_PN.dtype)
    # A table's entries fit float32; what is computed, or cast to a narrower type, may leave its range.
    if (not design.tabulated or reward_PN.dtype != dtype) and not advantage_PN.isfinite().all():
        prompt, answer = (~advantage_PN.isfinite()).nonzero()[0].tolist()
        raise DesignError(
            f"design {design.name!r}: the advantage of prompt {prompt}, answer {answer} is "
            f"{advantage_PN[prompt, answer].item()}: a formula left the range of {reward_PN.dtype}.\n"
            f"Rewards of the group: {reward_PN[prompt].tolist()}"
        )
    return advantage_PN


def verdicts(design: Design, score_PN: Tensor) -> Tensor:
    """Which answers the design counts as correct, by its `correct:` predicate. NaN is never correct.

    >>> from shaping import loads
    >>> verdicts(loads("advantage: 0"), torch.tensor([[1., 0.5]]))
    tensor([[ True, False]])
    """
    return verdict_function(design, score_PN.dtype)(score_PN, score_PN) & ~score_PN.isnan()


def _refuse_unusable(design: Design, reward_PN: Tensor, score_PN: Tensor | None) -> None:
    checks = []
    if "r" in design.signals:
        checks.append((reward_PN, reward_PN.isfinite(), "is not a finite number", "Return a number for every answer."))
    if design.counts or "score" in design.signals:
        score = reward_PN if score_PN is None else score_PN
        if design.counts and not design.graded:
            hint = (
                "This design counts correct answers; round the reward in your reward function, say in the design\n"
                "which scores are correct (`correct: score > 0.5`), or use a design for graded rewards."
            )
            checks.append((score, (score == 0) | (score == 1), "is neither 0 nor 1", hint))
        else:
            checks.append((score, score.isfinite(), "is not a finite number", "Return a number for every answer."))
    for values_PN, fine_PN, what, hint in checks:
        if not fine_PN.all():
            prompt, answer = (~fine_PN).nonzero()[0].tolist()
            kind = "reward" if values_PN is reward_PN else "score"
            value = values_PN[prompt, answer].item()
            message = f"design {design.name!r}: {kind} {value} at prompt {prompt}, answer {answer} {what}.\n{hint}"
            error = RewardError(message)
            error.prompt = prompt
            raise error
