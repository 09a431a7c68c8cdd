"""--skip-silent-groups: answers whose advantage is zero are not trained on, and the gradient stays what it was.

Late in training most groups are all right: each of their answers has advantage 0, adds 0 to the gradient, and costs
the actors a forward and a backward pass. Left out, they are missed in one place only, OpenRLHF's mean over tokens:

    gradient = Σ_kept ∇loss / T        T: tokens of all answers    (or answers, with seq-mean-token-mean and gspo)
    without them it would be Σ_kept ∇loss / T_kept,  so kept advantages are multiplied by T_kept / T

which puts it right because PPO's loss, clipped, dual-clipped, or weighted by importance, is proportional to a positive
factor of the advantage. Both gradients are equal to float32 rounding, and so is the optimizer's step.

Kept besides: as many silent answers as make the actors' shares even and full micro-batches; at least one each, so that
Adam's momentum and the learning rate move in a step where all are silent, too.

It needs one optimizer step a rollout, for else the answers of a step are drawn at random: --train.batch_size has to be
--rollout.batch_size × --rollout.n_samples_per_prompt. And nothing else that is trained on silent answers: a KL loss,
an entropy bonus, a balancing loss of experts (`refuse`). The metrics of a step are those of all answers, besides what
the actors measure as they train: ppo_kl, ppo_clip_ratio, vllm_kl and entropy are of the answers that are left, and
policy_loss is that of all but for OpenRLHF's weights, the tokens of each micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from passk_rlhf.sharing import actors_of

LEFT_OUT = "design/left_out"  # share of answers; in `info` of a rollout from which answers may have been left out


class CannotSkip(ValueError):
    """Leaving silent answers out would change what is trained; for whoever gave the flag."""


def refuse(args: Any) -> None:
    """
    Raises:
      CannotSkip: the gradient would not stay the same, or nothing could be left out; says why and what to change.
    """
    flag, answers = "--skip-silent-groups", args.rollout.batch_size * args.rollout.n_samples_per_prompt
    step = actors_of(args) * args.train.micro_batch_size
    for applies, why in (
        (
            not hasattr(args.actor, "loss_agg_mode"),
            "this OpenRLHF averages its loss in a way that was not read; OpenRLHF 0.11.2 has --actor.loss_agg_mode",
        ),
        (
            args.train.dynamic_batch_enable,
            "--train.dynamic_batch_enable plans its optimizer steps by the number of answers; leave it out",
        ),
        (
            args.train.batch_size != answers,
            f"a rollout of {answers} answers has to be one optimizer step; set --train.batch_size {answers}",
        ),
        (
            answers % step,
            f"a rollout of {answers} answers makes no whole micro-batches of {args.train.micro_batch_size} on "
            f"{actors_of(args)} actors; choose --train.micro_batch_size so that it does",
        ),
        (
            args.algo.kl.init_coef > 0,
            "the KL penalty trains silent answers, too; set --algo.kl.init_coef 0",
        ),
        (
            args.actor.entropy_coef,
            f"--actor.entropy_coef {args.actor.entropy_coef} trains silent answers, too; leave it out, or set it to 0",
        ),
        (
            args.actor.aux_loss_coef > 1e-8,
            f"--actor.aux_loss_coef {args.actor.aux_loss_coef:g} trains silent answers, too; leave it out",
        ),
        (
            args.train.enable_ema,
            "--train.enable_ema counts micro-batches to know when to average; leave it out",
        ),
    ):
        if applies:
            raise CannotSkip(f"{flag}: {why}")


def skipping(args: Any, dispatch: Callable) -> Callable:
    """`RayActorGroup.async_run_method_batch` of the policy's actors, with fewer answers for their replay buffers."""

    @wraps(dispatch)
    def dispatched(method_name: str, **columns: list) -> list:
        if method_name == "append":
            columns["experience"] = audible(args, columns["experience"])
        return dispatch(method_name, **columns)

    return dispatched


def audible(args: Any, experiences: list) -> list:
    """The experiences to train on: answers with an advantage, scaled, and as few others as even shares need.

    Args:
      experiences: OpenRLHF's, with advantages; of a whole rollout. Not changed.

    Returns:
      Experiences of at most --rollout.micro_batch_size answers, each actor's share one after the other. The given ones
      if the rollout is shorter than planned: the actors then wait for the next one with their optimizer step.
    """
    from openrlhf.trainer.ppo_utils.experience import Experience

    total = sum(len(experience.index) for experience in experiences)
    if total != args.train.batch_size:
        return experiences
    step = actors_of(args) * args.train.micro_batch_size
    heard_B = torch.cat([_heard(experience) for experience in experiences])
    kept = int(-(-max(int(heard_B.sum()), 1) // step) * step)
    # Stable: those that are heard, then the first of the silent ones; in the order of the rollout.
    places = (~heard_B).long().argsort(stable=True)[:kept].sort().values.tolist()
    weight_B = _weights(args, experiences)
    factor = (weight_B[places].sum() / weight_B.sum()).item() if weight_B.sum() else 1.0

    means = _means(experiences)
    rows = [(experience, i) for experience in experiences for i in range(len(experience.index))]
    answers = [_answer(*rows[place], factor, means, 1 - kept / total) for place in places]
    share, most = kept // actors_of(args), args.rollout.micro_batch_size
    starts = [start for first in range(0, kept, share) for start in range(first, first + share, most)]
    ends = [min(start + most, (start // share + 1) * share) for start in starts]
    # Padding is behind a mask; what fills it is never read.
    return [
        Experience.concat_experiences(answers[start:end], pad_token_id=0)
        for start, end in zip(starts, ends, strict=True)
    ]


def _heard(experience: Any) -> Tensor:
    return ((experience.advantages != 0) & experience.action_mask.bool()).any(-1)


def _weights(args: Any, experiences: list) -> Tensor:
    """What OpenRLHF's mean counts of each answer: its tokens, or 1 if it has any."""
    tokens_B = torch.cat([experience.action_mask.sum(-1) for experience in experiences]).double()
    by_token = args.actor.loss_agg_mode == "token-mean" and args.actor.policy_loss_type != "gspo"
    return tokens_B if by_token else (tokens_B > 0).double()


def _means(experiences: list) -> dict[str, Tensor]:
    """Means over all answers of what OpenRLHF logs; it would log those of the kept ones."""
    names = experiences[0].info.keys() | {"response_length", "truncated", "total_length"}
    means = {}
    for name in names:
        columns = [experience.info.get(name, getattr(experience, name, None)) for experience in experiences]
        if all(isinstance(column, Tensor) and column.dim() == 1 for column in columns):
            means[name] = torch.cat(columns).float().mean()
    return means


def _answer(experience: Any, i: int, factor: float, means: dict[str, Tensor], left_out: float) -> Any:
    """One answer of an experience, as an experience of its own."""
    taken = {}
    for name in (each.name for each in fields(experience)):
        value = getattr(experience, name)
        taken[name] = value[i : i + 1] if isinstance(value, Tensor | list) and len(value) else value
    taken["advantages"] = taken["advantages"] * factor
    info = {name: value[i : i + 1] for name, value in experience.info.items()}
    info |= {name: mean.reshape(1) for name, mean in means.items()}
    taken["info"] = info | {LEFT_OUT: torch.tensor([left_out])}
    return type(experience)(**taken)


# ── In the actors ───────────────────────────────────────────────────────────


def install(module: ModuleType) -> None:
    """Change `openrlhf.trainer.ray.ppo_actor`: DeepSpeed is told where the optimizer steps, at a rollout's last
    micro-batch, since it would count as many as --train.batch_size makes.
    """
    trainer = module.ActorPPOTrainer
    original = trainer.training_step

    @wraps(original)
    def training_step(self, experience, kl_ctl, step, *more):
        if not getattr(self.args.algo.advantage, "skip_silent", False):
            return original(self, experience, kl_ctl, step, *more)
        micro_batches = len(self.replay_buffer) // self.replay_buffer.sample_batch_size
        # A rollout that is shorter than planned leaves its gradient to the next one, as without the flag.
        planned = LEFT_OUT in experience.info
        self.actor.model.set_gradient_accumulation_boundary(planned and step + 1 == micro_batches)
        status = original(self, experience, kl_ctl, step, *more)
        if planned:  # OpenRLHF logs the mean over micro-batches; of those that are left out it would have been 0
            status["metrics"]["policy_loss"] *= micro_batches / self.strategy.accumulated_gradient
        return status

    trainer.training_step = training_step
