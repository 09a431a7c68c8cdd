"""OpenRLHF's experiences → the design's advantages, in place of its own estimators.

    experiences, permuted and cut into micro-batches
      → what the design reads (signals.py) as (P, N), each group one row        groups.py, `gather`
      → advantage_PN                                                            the design
      → metrics of the step                                       `maker.passk_rlhf_metrics`; trainer.py logs them
      → every token gets its answer's advantage, or what `token:` makes of it   `scatter`, token_returns.py

The actors get no metrics: each would be a tensor more an experience, which costs Ray more than all of the above.

What OpenRLHF does around its estimators stays: float32 promotion and length penalties before, the KL penalty after.
What it does to an estimator's result does not: a designed advantage is not clamped to --reward.clip_range and not
whitened over the batch; what the design says is what the policy is trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from passk_rlhf.dump import dump_groups
from passk_rlhf.evaluation import has_verdicts
from passk_rlhf.explore import answer_ids, explore_metrics
from passk_rlhf.groups import Groups
from passk_rlhf.metrics import step_metrics
from passk_rlhf.missing import SHARE_FAILED, log_absent_as_mean, neutralized
from passk_rlhf.no_signal import StepSignal
from passk_rlhf.penalties import after_penalties, penalize
from passk_rlhf.signals import logprobs_kept, masks_of, signals, token_logprobs
from passk_rlhf.token_returns import token_returns
from shaping import Design, RewardError
from shaping.compiled.apply import evaluated, present, token_advantage, verdicts


def designed_advantages(
    design: Design, maker: Any, experiences: list, step: int | None = None, total_steps: int | None = None
) -> list:
    """What `RemoteExperienceMaker.compute_advantages_and_returns` does, with `design` as the estimator.

    Args:
      maker: the RemoteExperienceMaker; read are its `args` and `kl_ctl`. It keeps the advantages, the metrics of the
        step, and what it had to learn from.
      experiences: OpenRLHF's Experience list of one rollout, in any order; changed in place.
      step, total_steps: where in the run this is; needed by designs that change over it or draw at random.

    Raises:
      RewardError: a reward is missing, not finite, or no verdict where one is needed; or the groups are not whole.
      DesignError: a formula left the range of floats.
    """
    args = maker.args
    groups = Groups.of(experiences, args.rollout.n_samples_per_prompt)
    _say_once_if_mixed(groups, maker)
    read = read_batch(design, experiences, groups, args)
    if (path := getattr(args.algo.advantage, "dump", None)) is not None:
        columns = {"rewards": read.reward_PN, "scores": read.score_PN} | read.column_PN
        dump_groups(path, step, groups.prompts[:: groups.N], columns)
    moment = design.moment(step, total_steps)
    signal_PN = {name: read.column_PN[name] for name in design.inputs}
    try:
        # Draws are other ones in every step, and the same ones when a run is repeated.
        result = evaluated(design, read.reward_PN, read.score_PN, signal_PN, moment, _seed(args), step)
    except RewardError as error:
        raise groups.naming_the_prompt(after_penalties(error, read.reward_PN, read.raw_PN, args)) from None
    advantage_PN, *of_tokens_PN = result if design.token is not None else (result,)
    there_PN = present(design, read.reward_PN, read.score_PN, signal_PN, moment) if design.drop_missing else None
    measure(design, maker, experiences, groups, read, advantage_PN, there_PN)
    here_PN = torch.ones_like(advantage_PN).bool() if there_PN is None else there_PN
    log_absent_as_mean(experiences, groups.scatter(here_PN))

    if there_PN is not None:
        read.reward_PN = torch.where(there_PN & read.reward_PN.isfinite(), read.reward_PN, 0)
    spread_PN = read.reward_PN.std(-1, keepdim=True).expand_as(read.reward_PN)
    columns = [groups.scatter(value_PN) for value_PN in (here_PN, advantage_PN, spread_PN, *of_tokens_PN)]
    each = zip(experiences, read.masks, *columns, strict=True)
    for experience, mask_BT, here_B, advantage_B, spread_B, *of_tokens_B in each:
        # gamma = 1: each token gets the answer's advantage, less the KL penalty from there to the end.
        returns = token_returns(advantage_B, experience.kl, mask_BT, maker.kl_ctl.value)
        experience.returns, experience.info["return"] = returns
        if design.token is not None:
            logprob_BT, there_BT = token_logprobs(experience), mask_BT & here_B[:, None]
            token_BT = token_advantage(design, groups.N, logprob_BT, there_BT, of_tokens_B, moment)
            experience.returns += token_BT - torch.where(mask_BT, advantage_B[:, None], 0)
        experience.advantages = experience.returns.clone()
        experience.kl = None
        # Its own memory: of a view, Ray would send every actor the whole batch.
        experience.info["group_reward_std"] = spread_B.clone()
    return experiences


@dataclass
class Read:
    """What a step's answers bring, in prompt order."""

    raw_PN: Tensor  # as the reward function gave it
    reward_PN: Tensor  # after OpenRLHF's length penalties
    score_PN: Tensor
    column_PN: dict[str, Tensor]  # lengths, log-probabilities if there are any, and what the design reads besides
    masks: list[Tensor]  # of each experience, (B, T)


def read_batch(design: Design, experiences: list, groups: Groups, args: Any) -> Read:
    """Applies the length penalties, to the experiences too. Of a rollout that was not finished every column is NaN."""
    for experience in experiences:
        experience.rewards = experience.rewards.to(torch.promote_types(experience.rewards.dtype, torch.float32))
    raw_B = penalize(experiences, args)
    reward_PN = groups.gather(torch.cat([experience.rewards.reshape(-1) for experience in experiences]))
    # Without scores (a reward model) the reward before the length penalties is the raw score.
    scored = all(experience.scores is not None for experience in experiences)
    score_B = torch.cat([experience.scores.reshape(-1) for experience in experiences]) if scored else raw_B

    masks = masks_of(experiences)
    known = ["length", *(["logprob"] if logprobs_kept(experiences) else [])]
    names = [*known, *(name for name in design.inputs if name not in known)]
    column_PN = {name: groups.gather(value) for name, value in signals(experiences, names, masks).items()}
    if SHARE_FAILED in experiences[0].info:
        failed_PN = groups.gather(torch.cat([neutralized(experience) for experience in experiences]))
        column_PN = {name: torch.where(failed_PN, torch.nan, value) for name, value in column_PN.items()}
    return Read(groups.gather(raw_B), reward_PN, groups.gather(score_B).to(reward_PN.dtype), column_PN, masks)


def measure(
    design: Design,
    maker: Any,
    experiences: list,
    groups: Groups,
    read: Read,
    advantage_PN: Tensor,
    there_PN: Tensor | None,
) -> None:
    """The metrics of the step, kept on the maker.

    Args:
      there_PN: which answers a design with `on_missing: drop` has not left out; None: all are there.
    """
    maker.passk_rlhf_advantage_PN = advantage_PN  # for TensorBoard's histogram (loggers.py)
    reads = (("r", read.reward_PN), ("score", read.score_PN))
    given_PN = next((each for name, each in reads if design.reads(name)), None)
    maker.passk_rlhf_signal = StepSignal.of(advantage_PN, given_PN, there_PN)

    correct_PN = verdicts(design, read.score_PN)
    metrics = step_metrics(correct_PN, advantage_PN, there_PN)
    if not has_verdicts(design, read.score_PN if there_PN is None else torch.where(there_PN, read.score_PN, torch.nan)):
        metrics = {name: value for name, value in metrics.items() if not name.startswith("rollout/pass")}
    id_B = answer_ids(experiences, read.masks)
    surprisal_PN = -read.column_PN["logprob"] if logprobs_kept(experiences) else None
    id_PN = None if id_B is None else groups.gather(id_B)
    metrics |= explore_metrics(correct_PN, id_PN, surprisal_PN, read.column_PN["length"] > 0, there_PN)
    if there_PN is not None:
        metrics["design/dropped"] = (~there_PN).float().mean().item()
        for experience, there_B in zip(experiences, groups.scatter(there_PN), strict=True):
            _log_nothing_as_zero(experience.info, there_B)
    maker.passk_rlhf_metrics = metrics


def _say_once_if_mixed(groups: Groups, maker: Any) -> None:
    if groups.mixed and not getattr(maker, "passk_rlhf_told_mixed", False):
        from openrlhf.trainer.ppo_trainer import logger

        logger.warning(f"{groups.mixed}. Groups are made by index, so this changes nothing; it is said once")
        maker.passk_rlhf_told_mixed = True


def _log_nothing_as_zero(info: dict[str, Any], there_B: Tensor) -> None:
    """What an answer that is left out does not have counts 0 in OpenRLHF's own means, which would be NaN with it."""
    for key, value in info.items():
        if isinstance(value, Tensor) and value.shape == there_B.shape and value.is_floating_point():
            info[key] = torch.where(there_B.to(value.device) | value.isfinite(), value, 0)


def _seed(args: Any) -> int:
    return getattr(getattr(args, "train", None), "seed", 0)
