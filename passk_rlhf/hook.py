"""OpenRLHF's experiences → the design's advantages, in place of its own estimators.

    experiences, permuted and cut into micro-batches
      → what the design reads (signals.py) as (P, N), each group one row        gather, by `index`
      → advantage_PN                                                            the design
      → every token gets its answer's advantage, or what `token:` makes of it   scatter
      → metrics of the step                                       `experience.info`, OpenRLHF's own channel

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
from passk_rlhf.metrics import step_metrics
from passk_rlhf.missing import SHARE_FAILED, log_absent_as_mean, neutralized
from passk_rlhf.returns import short
from passk_rlhf.signals import logprobs_kept, signals, token_logprobs
from shaping import Design, RewardError
from shaping.compiled.apply import evaluated, present, token_advantage, verdicts


def designed_advantages(
    design: Design, maker: Any, experiences: list, step: int | None = None, total_steps: int | None = None
) -> list:
    """What `RemoteExperienceMaker.compute_advantages_and_returns` does, with `design` as the estimator.

    Args:
      maker: the RemoteExperienceMaker; read are its `args` and `kl_ctl`, called is `get_cumulative_returns`;
        it keeps the advantages.
      experiences: OpenRLHF's Experience list of one rollout, in any order; changed in place.
      step, total_steps: where in the run this is; needed by designs that change over it or draw at random.

    Raises:
      RewardError: a reward is missing, not finite, or no verdict where one is needed; or the groups are not whole.
      DesignError: a formula left the range of floats.
    """
    from openrlhf.models.utils import compute_reward
    from openrlhf.trainer.ppo_utils.length_penalty import apply_length_penalties

    args, N = maker.args, maker.args.rollout.n_samples_per_prompt
    for experience in experiences:
        experience.rewards = experience.rewards.to(torch.promote_types(experience.rewards.dtype, torch.float32))
    raw_B = torch.cat([experience.rewards.reshape(-1) for experience in experiences]).clone()
    apply_length_penalties(experiences, args)
    _keep_missing(experiences, raw_B)

    groups = Groups.of(experiences, N)
    if groups.mixed and not getattr(maker, "passk_rlhf_told_mixed", False):
        from openrlhf.trainer.ppo_trainer import logger

        logger.warning(f"{groups.mixed}. Groups are made by index, so this changes nothing; it is said once")
        maker.passk_rlhf_told_mixed = True
    reward_PN = groups.gather(torch.cat([experience.rewards.reshape(-1) for experience in experiences]))
    # Without scores (a reward model) the reward before the length penalties is the raw score.
    scored = all(experience.scores is not None for experience in experiences)
    score_B = torch.cat([experience.scores.reshape(-1) for experience in experiences]) if scored else raw_B
    score_PN = groups.gather(score_B).to(reward_PN.dtype)

    signal_PN = {name: groups.gather(value) for name, value in signals(experiences, design.inputs).items()}
    if SHARE_FAILED in experiences[0].info:
        failed_PN = groups.gather(torch.cat([neutralized(experience) for experience in experiences]))
        signal_PN = {name: torch.where(failed_PN, torch.nan, value) for name, value in signal_PN.items()}
    if (path := getattr(args.algo.advantage, "dump", None)) is not None:
        known = ["length", *(["logprob"] if logprobs_kept(experiences) else [])]
        columns = {name: groups.gather(value) for name, value in signals(experiences, known).items()} | signal_PN
        dump_groups(path, step, groups.prompts[::N], {"rewards": reward_PN, "scores": score_PN} | columns)
    moment = design.moment(step, total_steps)
    try:
        # Draws are other ones in every step, and the same ones when a run is repeated.
        result = evaluated(design, reward_PN, score_PN, signal_PN, moment, _seed(args), step)
    except RewardError as error:
        raise groups.naming_the_prompt(error) from None
    advantage_PN, *read_PN = result if design.token is not None else (result,)
    maker.passk_rlhf_advantage_PN = advantage_PN  # for TensorBoard's histogram (loggers.py)
    there_PN = present(design, reward_PN, score_PN, signal_PN, moment) if design.drop_missing else None
    metrics = step_metrics(verdicts(design, score_PN), advantage_PN, there_PN)
    if there_PN is not None:
        metrics["design/dropped"] = (~there_PN).float().mean().item()
        reward_PN = torch.where(there_PN & reward_PN.isfinite(), reward_PN, 0)
        for experience, there_B in zip(experiences, groups.scatter(there_PN), strict=True):
            _log_nothing_as_zero(experience.info, there_B)
    all_PN = torch.ones_like(reward_PN).bool() if there_PN is None else there_PN
    log_absent_as_mean(experiences, groups.scatter(all_PN))
    spread_PN = reward_PN.std(-1, keepdim=True).expand_as(reward_PN)
    columns = [groups.scatter(value_PN) for value_PN in (all_PN, advantage_PN, spread_PN, *read_PN)]
    for experience, here_B, advantage_B, spread_B, *read_B in zip(experiences, *columns, strict=True):
        reward_BT = compute_reward(advantage_B, maker.kl_ctl.value, experience.kl, action_mask=experience.action_mask)
        # gamma = 1: each token gets the answer's advantage, less the KL penalty from there to the end.
        experience.returns = maker.get_cumulative_returns(reward_BT, experience.action_mask, 1.0)
        if design.token is not None:
            there_BT = experience.action_mask.bool() & here_B[:, None]
            token_BT = token_advantage(design, N, token_logprobs(experience), there_BT, read_B, moment)
            experience.returns += token_BT - torch.where(experience.action_mask.bool(), advantage_B[:, None], 0)
        experience.advantages = experience.returns.clone()
        experience.kl = None
        experience.info["return"] = reward_BT.sum(dim=-1)
        experience.info["group_reward_std"] = spread_B
        for name, value in metrics.items():
            # OpenRLHF reports the mean over samples; the same value for each makes that the batch's value.
            experience.info[name] = torch.full_like(spread_B, value)
    return experiences


def _keep_missing(experiences: list, raw_B: Tensor) -> None:
    """A penalty that sets the reward of truncated answers gives none to an answer that has no reward."""
    for experience, raw in zip(experiences, raw_B.split([each.rewards.numel() for each in experiences]), strict=True):
        experience.rewards = torch.where(raw.isfinite(), experience.rewards.reshape(-1), raw)
        if "reward" in experience.info:
            experience.info["reward"] = torch.where(raw.isfinite(), experience.info["reward"].reshape(-1), raw)


def _log_nothing_as_zero(info: dict[str, Any], there_B: Tensor) -> None:
    """What an answer that is left out does not have counts 0 in OpenRLHF's own means, which would be NaN with it."""
    for key, value in info.items():
        if isinstance(value, Tensor) and value.shape == there_B.shape and value.is_floating_point():
            info[key] = torch.where(there_B.to(value.device) | value.isfinite(), value, 0)


def _seed(args: Any) -> int:
    return getattr(getattr(args, "train", None), "seed", 0)


@dataclass(frozen=True)
class Groups:
    """Where the samples of a batch belong: `order[i]` is the place of sample i in prompt order."""

    order: Tensor  # (B,)
    sizes: list[int]  # samples of each experience
    N: int
    prompts: list[str]  # in prompt order
    mixed: str = ""  # where texts differ within a group, in words

    @classmethod
    def of(cls, experiences: list, N: int) -> Groups:
        """Raise RewardError unless the batch is made of whole groups, N answers each.

        Which answers are a group, `index` alone says: an executor may put a path, a date or a task into the text of a
        prompt, so that it differs within its group.
        """
        order = [place for experience in experiences for place in experience.index]
        texts = [text for experience in experiences for text in experience.prompts]
        B = len(order)
        if sorted(order) != list(range(B)):
            raise RewardError(
                f"the batch's `index` is no permutation of 0..{B - 1}: groups cannot be rebuilt from {order}"
            )
        if B % N:
            raise RewardError(f"{B} answers are not whole groups of {N}: the answers of some prompt are missing")
        if len(texts) != B:
            raise RewardError(f"{B} answers come with {len(texts)} prompts")
        prompts = [""] * B
        for place, text in zip(order, texts, strict=True):
            prompts[place] = text
        differing = (place for place in range(B) if prompts[place] != prompts[place // N * N])
        mixed = ""
        if (place := next(differing, None)) is not None:
            mixed = (
                f"the prompts of group {place // N} differ in their text: that of answer 0 is "
                f"{short(prompts[place // N * N])}, that of answer {place % N} {short(prompts[place])}"
            )
        return cls(torch.tensor(order), [len(experience.index) for experience in experiences], N, prompts, mixed)

    def gather(self, value_B: Tensor) -> Tensor:
        """Batch order → (P, N) in prompt order."""
        if value_B.numel() != self.order.numel():
            raise RewardError(
                f"{value_B.numel()} rewards for {self.order.numel()} answers: one number an answer is needed"
            )
        sorted_B = torch.empty_like(value_B)
        sorted_B[self.order.to(value_B.device)] = value_B
        return sorted_B.reshape(-1, self.N)

    def scatter(self, value_PN: Tensor) -> tuple[Tensor, ...]:
        """(P, N) → one (B,) tensor an experience, in its own order."""
        return value_PN.reshape(-1)[self.order.to(value_PN.device)].split(self.sizes)

    def naming_the_prompt(self, error: RewardError) -> RewardError:
        if error.prompt is None:
            return error
        return RewardError(f"{error}\nprompt {error.prompt}: {short(self.prompts[error.prompt * self.N])}")
