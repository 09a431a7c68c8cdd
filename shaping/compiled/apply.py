"""Rewards in, advantages out: what is looked at before and after the compiled function.

Before: every number that the design reads is there and finite, and a verdict
where it counts correct answers. After: nothing left the range of floats. The
function itself (lowering.py) takes both for granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shaping import kernels
from shaping.compiled.draws import members
from shaping.compiled.looked_up import columns_read, looks_up, of_each_group, table
from shaping.compiled.lower import (
    lowered,
    lowered_draws,
    lowered_inputs,
    lowered_token,
    may_have_none,
    verdict_function,
)
from shaping.compiled.pieces import in_pieces
from shaping.compiled.reward_range import within
from shaping.compiled.tokens import token_inputs
from shaping.compiled.width import dtype_of
from shaping.design import Design, Moment
from shaping.errors import DesignError, RewardError, names_hint
from shaping.groups.check import draw_shape, usable_sizes
from shaping.language.nodes import Draws

DRAWN_AT_ONCE = 1 << 18  # answers that draws choose from: a few tensors of 2 MB, which stay in a cache


def evaluated(
    design: Design,
    reward_PN: Tensor,
    score_PN: Tensor | None,
    signal_PN: Mapping[str, Tensor],
    moment: Moment | None,
    seed: int,
    step: int | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """What `Design.__call__` documents; with a `token:` section a tuple of it and of `token_inputs`, each (P, N).

    `step` is that of the draws: None, where nobody says which it is, counts as 0.
    """
    _refuse_shapes(design, reward_PN, score_PN, signal_PN)
    present_PN = None
    what, score_PN = ("reward", reward_PN) if score_PN is None else ("score", score_PN)
    if design.drop_missing:
        present_PN = present(design, reward_PN, score_PN, signal_PN, moment)
    if design.rewards:
        _refuse_out_of_range(design, reward_PN, what, score_PN, present_PN)
    if design.drop_missing:
        same, reward_PN = score_PN is reward_PN, torch.where(present_PN, reward_PN, 0)
        score_PN = reward_PN if same else torch.where(present_PN, score_PN, 0)
        signal_PN = {name: torch.where(present_PN, signal_PN[name], 0) for name in design.inputs}
    dtype = dtype_of(design, reward_PN, score_PN)
    ragged = present_PN is not None and not present_PN.all()
    given = design, reward_PN, what, score_PN, signal_PN
    if of_each_group(design) and not ragged:
        parts, fine = in_pieces(design, reward_PN, score_PN, moment, dtype)
        if not fine:
            _refuse_unusable(*given)
            for part in parts:
                _refuse_overflow(design, part, reward_PN)
        return parts if design.token is not None else parts[0]
    _refuse_unusable(*given)
    columns = [reward_PN, score_PN, *(signal_PN[name] for name in design.inputs)]
    # Sums go along memory: of values that lie otherwise they would come out with other last bits.
    columns = [column.detach().to(dtype).contiguous() for column in columns]
    if ragged:
        parts = _with_some_missing(design, columns, present_PN, moment)
    else:
        P, N = reward_PN.shape
        function = lowered(design, N, dtype, reward_PN.device, moment)
        if not P:
            empty_PN = torch.empty_like(reward_PN)
            return empty_PN if design.token is None else (empty_PN,) * (1 + len(token_inputs(design, N, moment)))
        more = [part for node in design.draws for part in drawn(design, node, columns, moment, seed, step)]
        parts = _parts(function(*columns, *more))
    at_least = torch.promote_types(reward_PN.dtype, torch.float32)  # half precision is that of the float32 result
    parts = tuple(part.to(at_least).to(reward_PN.dtype) for part in parts)
    for part in parts:
        _refuse_overflow(design, part, reward_PN)
    return parts if design.token is not None else parts[0]


def _parts(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _with_some_missing(
    design: Design, columns: Sequence[Tensor], present_PN: Tensor, moment: Moment | None
) -> tuple[Tensor, ...]:
    """Whole groups by the function for whole groups, so that they get the same bits whatever others miss.

    A formula that reads the batch reads all groups at once: there one function computes them all.
    """
    N, some_P = present_PN.shape[1], ~present_PN.all(-1)
    kind = design, N, columns[0].dtype, columns[0].device, moment
    with_gaps = lowered(*kind, ragged=True)
    if design.reads_batch:
        return _parts(with_gaps(*columns, present_PN))
    some, present_SN = [column[some_P] for column in columns], present_PN[some_P]
    found = _parts(with_gaps(*some, present_SN))
    if looks_up(design):
        found = _with_verdicts(design, some, present_SN, moment, found)
    if some_P.all():
        return found
    others = [column[~some_P] for column in columns]
    if of_each_group(design):
        whole, _ = in_pieces(design, *others, moment, others[0].dtype)  # what leaves the floats, the caller looks for
    else:
        whole = _parts(lowered(*kind)(*others))
    parts = tuple(torch.empty_like(columns[0]) for _ in found)
    for part, of_some, of_whole in zip(parts, found, whole, strict=True):
        part[some_P], part[~some_P] = of_some, of_whole
    return parts


def _with_verdicts(
    design: Design, columns: Sequence[Tensor], present_PN: Tensor, moment: Moment | None, parts: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """What is left of a group is a group of verdicts: that is looked up, among so many answers as are left."""
    read, size_P, advantage_PN = columns_read(design, *columns), present_PN.sum(-1), parts[0].clone()
    for size in size_P[size_P > 0].unique().tolist():
        known = table(design, size, columns[0].dtype, columns[0].device, moment)
        place_H = ((size_P == size) & known.holds(read)).nonzero().squeeze(-1)
        advantage_PN[place_H] = torch.where(present_PN[place_H], known.function(read[0][place_H]), 0)
    if design.token is None:
        return (advantage_PN,)
    inputs = lowered_inputs(design, present_PN.shape[1], columns[0].dtype, columns[0].device, moment, ragged=True)
    return (advantage_PN, *inputs(*columns, present_PN, advantage_PN))


def drawn(
    design: Design,
    node: Draws,
    columns: Sequence[Tensor],
    moment: Moment | None,
    seed: int,
    step: int | None = None,
) -> tuple[Tensor, ...]:
    """drawn_PN of one `draws:` section, for so many prompts at a time that memory for their draws is small.

    And undefined_PN, which answers have no value, if that can be.
    """
    (P, N), device = columns[0].shape, columns[0].device
    count, size = draw_shape(design, node, N, moment)
    function = lowered_draws(design, node, N, columns[0].dtype, device, moment)
    kind = {"consecutive": node.consecutive, "seed": seed, "step": step or 0, "device": device}
    drawn_PN, rows = torch.empty_like(columns[0]), max(1, DRAWN_AT_ONCE // (count * N))
    parts = (drawn_PN, torch.empty_like(drawn_PN, dtype=torch.bool)) if may_have_none(function) else (drawn_PN,)
    for first in range(0, P, rows):
        part = slice(first, min(first + rows, P))
        member_PMk = members(part.stop - first, N, count, size, first=first, **kind)
        found = _parts(function(*(column[part] for column in columns), member_PMk))
        for whole_PN, some_PN in zip(parts, found, strict=True):
            whole_PN[part] = some_PN
    return parts


def present(
    design: Design, reward_PN: Tensor, score_PN: Tensor, signal_PN: Mapping[str, Tensor], moment: Moment | None = None
) -> Tensor:
    r"""Which answers count under `on_missing: drop`: all that the design reads is a finite number.

    None of a group of which so few are left that the design cannot be computed (check.py).

    >>> from shaping import loads
    >>> one_is_nan = torch.tensor([[1., 0., torch.nan]])
    >>> present(loads("on_missing: drop\nadvantage: r - mean(r)"), one_is_nan, one_is_nan, {})
    tensor([[ True,  True, False]])
    """
    read = [signal_PN[name] for name in design.inputs]
    read += [reward_PN] if design.reads("r") else []
    read += [score_PN] if design.reads("score") else []
    present_PN = torch.ones_like(reward_PN, dtype=torch.bool)
    for values_PN in read:
        present_PN &= values_PN.isfinite()
    N = reward_PN.shape[1]
    usable = torch.zeros(N + 1, dtype=torch.bool, device=reward_PN.device)
    usable[[*usable_sizes(design, N, moment), N]] = True
    return present_PN & usable[present_PN.sum(-1, keepdim=True)]


def _refuse_overflow(design: Design, advantage_PN: Tensor, reward_PN: Tensor) -> None:
    if not kernels.finite(advantage_PN):
        prompt, answer = (~advantage_PN.isfinite()).nonzero()[0].tolist()
        raise DesignError(
            f"design {design.name!r}: the advantage of prompt {prompt}, answer {answer} is "
            f"{advantage_PN[prompt, answer].item()}: a formula left the range of {reward_PN.dtype}.\n"
            f"Rewards of the group: {reward_PN[prompt].tolist()}"
        )


def verdicts(design: Design, score_PN: Tensor) -> Tensor:
    """Which answers the design counts as correct, by its `correct:` predicate. NaN is never correct.

    >>> from shaping import loads
    >>> verdicts(loads("advantage: 0"), torch.tensor([[1., 0.5]]))
    tensor([[ True, False]])
    """
    return verdict_function(design, score_PN.dtype)(score_PN, score_PN) & ~score_PN.isnan()


def _refuse_shapes(design: Design, reward_PN: Tensor, score_PN: Tensor | None, signal_PN: Mapping[str, Tensor]) -> None:
    if reward_PN.dim() != 2 or not reward_PN.is_floating_point():
        raise RewardError(
            f"design {design.name!r} takes float rewards of shape (prompts, answers), "
            f"got {reward_PN.dtype} of shape {tuple(reward_PN.shape)}"
        )
    if score_PN is not None and score_PN.shape != reward_PN.shape:
        raise RewardError(f"scores have shape {tuple(score_PN.shape)}, rewards {tuple(reward_PN.shape)}")
    for name in design.inputs:
        if name not in signal_PN:
            given = names_hint(name, signal_PN, "given")
            raise RewardError(f"design {design.name!r} reads {name!r} of every answer, and it is not given.\n{given}")
        if signal_PN[name].shape != reward_PN.shape:
            shape = tuple(signal_PN[name].shape)
            raise RewardError(f"{name!r} has shape {shape}, rewards {tuple(reward_PN.shape)}")


def _refuse_unusable(
    design: Design, reward_PN: Tensor, what: str, score_PN: Tensor, signal_PN: Mapping[str, Tensor]
) -> None:
    """Raise the RewardError of the first number that cannot be used; `what` scores are called."""
    if not reward_PN.numel():
        return
    finite = "Return a number for every answer."
    if design.reads("r") and not kernels.finite(reward_PN):
        _refuse(design, "reward", reward_PN, reward_PN.isfinite(), "is not a finite number", finite)
    if design.counts and not design.graded:
        fine_PN = (score_PN == 0) | (score_PN == 1)
        if not fine_PN.all():
            hint = (
                "This design counts correct answers; round the reward in your reward function, say in the design\n"
                "which scores are correct (`correct: score > 0.5`), or use a design for graded rewards."
            )
            _refuse(design, what, score_PN, fine_PN, "is neither 0 nor 1", hint)
    elif design.reads("score") and not kernels.finite(score_PN):
        _refuse(design, what, score_PN, score_PN.isfinite(), "is not a finite number", finite)
    for name in design.inputs:
        if not kernels.finite(signal_PN[name]):
            _refuse(design, name, signal_PN[name], signal_PN[name].isfinite(), "is not a finite number", finite)


def _refuse_out_of_range(
    design: Design, reward_PN: Tensor, what: str, score_PN: Tensor, present_PN: Tensor | None
) -> None:
    """Raise the RewardError of the first number that the design's `rewards:` excludes; `what` scores are called.

    What is no finite number is left to others, and so are answers that are left out.
    """
    judged = design.counts and not design.graded  # then a score that is neither 0 nor 1 is told as that
    for each in design.rewards:
        given = {"score": (what, score_PN), "r": ("reward", reward_PN)}
        columns = [given[name] for name in design.looked_at(each) if not (name == "score" and judged and each.is_list)]
        if len(columns) == 2 and score_PN is reward_PN:
            columns = columns[:1]
        for kind, values_PN in columns:
            fine_PN = within(each, values_PN, design.constants(None))
            if fine_PN is None:
                continue
            fine_PN |= ~values_PN.isfinite() if present_PN is None else ~present_PN
            if not fine_PN.all():
                says = f"is outside of `rewards: {each.shown(design.constants(None))}`"
                hint = f"The design says so at {each.span}. Return such rewards, or train on a design for others."
                _refuse(design, kind, values_PN, fine_PN, says, hint)


def _refuse(design: Design, kind: str, values_PN: Tensor, fine_PN: Tensor, what: str, hint: str) -> None:
    prompt, answer = (~fine_PN).nonzero()[0].tolist()
    value = values_PN[prompt, answer].item()
    error = RewardError(f"design {design.name!r}: {kind} {value} at prompt {prompt}, answer {answer} {what}.\n{hint}")
    error.prompt, error.answer, error.kind = prompt, answer, kind
    raise error


def token_advantage(
    design: Design,
    N: int,
    token_logprob_BT: Tensor,
    mask_BT: Tensor,
    answer_B: Sequence[Tensor],
    moment: Moment | None = None,
) -> Tensor:
    """What each token gets, by the `token:` section; 0 where `mask_BT` says that there is no token of the answer.

    Args:
      token_logprob_BT: log-probability of each token, B answers of at most T tokens.
      mask_BT: which places are tokens of the answer.
      answer_B: what `evaluated` returned after the advantages, for these B answers.

    Raises:
      DesignError: a token's value left the range of floats; names answer, token and value.
    """
    mask_BT = mask_BT.bool()
    dtype = torch.promote_types(token_logprob_BT.dtype, torch.float32)
    position_BT = (mask_BT.cumsum(-1) - 1).to(dtype)
    # What stands outside the answer may be anything; it must not turn a selected sum into NaN.
    token_logprob_BT = torch.where(mask_BT, token_logprob_BT.detach().to(dtype), 0)
    function = lowered_token(design, N, dtype, moment)
    answer_B1 = [value.to(dtype).unsqueeze(-1) for value in answer_B]
    token_BT = function(token_logprob_BT, position_BT, mask_BT, *answer_B1)
    if token_BT.numel() and not kernels.finite(token_BT):
        answer, token = (~token_BT.isfinite()).nonzero()[0].tolist()
        raise DesignError(
            f"design {design.name!r}: the value of token {token}, answer {answer} of these {len(token_BT)} is "
            f"{token_BT[answer, token].item()}: `token:` left the range of {dtype}.\n"
            f"Log-probability of the token: {token_logprob_BT[answer, token].item()}"
        )
    return token_BT
