"""Answers without a reward, from generation to the design.

OpenRLHF marks one by `rewards is None`: the reward function failed, returned None or took too long, or an agent raised.
A reward function may return NaN or an infinity, too, or leave out a number in "extra_logs" that the design reads. What
becomes of them is the design's to say: an error with the answer's prompt, or left out (`on_missing: drop`). In an
evaluation they count 0: a week of training is not ended by one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from passk_rlhf.experiences import failed, why_missing
from passk_rlhf.returns import short
from shaping import Design, RewardError

SHARE_FAILED = "design/failed"  # in `info`: the share of rollouts that were not finished


def unhide(experience: Any, design: Design) -> None:
    """A reward that is no number, seen while dynamic filtering is on: NaN lies in no range, so that OpenRLHF would
    throw the answer's whole group away, and nobody would hear of it.

    Args:
      experience: one answer, as it was generated. With `on_missing: drop` its reward and score become None: OpenRLHF
        filters no group that has such an answer, and the design leaves the answer out.

    Raises:
      RewardError: the design reads rewards and does not leave missing ones out.
    """
    given = [value for value in (experience.rewards, experience.scores) if value is not None]
    if all(value.isfinite().all() for value in given):
        return
    if design.drop_missing:
        experience.rewards = experience.scores = None
    elif design.reads("r") or design.reads("score"):
        bad = next(value for value in given if not value.isfinite().all())
        raise RewardError(
            f"reward {bad.item()} is not a finite number.\nprompt: {short(experience.prompts[0])}\n"
            "Return a number for every answer. To leave such answers out: a design with on_missing: drop"
        )


def settle_missing_rewards(samples: list, N: int, drop: bool, reads: Iterable[str] = (), scored: bool = True) -> None:
    """Name the answer that has no reward, or not every signal, before OpenRLHF fails on it without saying which; and
    let all answers log numbers of the same names, or OpenRLHF cannot batch them.

    Args:
      samples: one Experience an answer, as generated, N to a prompt; changed in place. What an answer does not have
        becomes NaN, which says so until the design.
      drop: the design leaves such answers out: reward, score and every other number of the reward function are NaN.
      reads: names in "extra_logs" that the design reads. If no answer has one of them, signals.py says so.
      scored: rewards come from the reward function. A reward model gives its own later.

    Raises:
      RewardError: an answer has no reward, or lacks a signal, and is not to be left out.
    """
    missing = [i for i, sample in enumerate(samples) if failed(sample) or (scored and sample.rewards is None)]
    if missing and not (drop and scored):
        raise _without_reward(samples, missing, N, scored)
    for i in missing:
        samples[i].rewards, samples[i].scores = _nothing(), _nothing()
        samples[i].info |= {"reward": _nothing(), "score": _nothing()}
    there = sorted(set(range(len(samples))) - set(missing))
    for name in reads:
        lacking = [i for i in there if name not in samples[i].info]
        if lacking and len(lacking) < len(there) and not drop:
            first = lacking[0]
            raise RewardError(
                f'no {name!r} (None, or not in "extra_logs") at prompt {first // N}, answer {first % N}, and for '
                f"{len(lacking)} of {len(samples)} answers in all; the design reads it of every answer.\n"
                f"prompt {first // N}: {short(samples[first].prompts[0])}\n"
                "Return a number for every answer. To leave such answers out: a design with on_missing: drop"
            )
    if any(failed(sample) for sample in samples):
        kept = any(sample.rollout_log_probs is not None for sample in samples if not failed(sample))
        for sample in samples:
            if failed(sample):
                sample.rollout_log_probs = torch.zeros(1, 1) if kept else None
            sample.info[SHARE_FAILED] = torch.tensor([float(failed(sample))])
    names = {name for sample in samples for name in sample.info}
    for sample in samples:
        sample.info |= {name: _nothing() for name in names - sample.info.keys()}


def _nothing() -> torch.Tensor:
    return torch.tensor([torch.nan])


def _without_reward(samples: list, missing: list[int], N: int, scored: bool) -> RewardError:
    first = missing[0]
    why = why_missing([samples[first]]) or (
        "the reward function returned None, failed or took too long; its own error is in the log, after 'Failed to "
        "fetch reward'"
    )
    left = "rollouts" if failed(samples[first]) else "answers"
    advice = f"To leave such {left} out: a design with on_missing: drop"
    if not scored:
        advice = "A reward model scores the answers of this run: it would score what stands in for a rollout, too"
    return RewardError(
        f"no reward (None) at prompt {first // N}, answer {first % N}, and for {len(missing)} of {len(samples)} "
        f"answers in all: {why}.\nprompt {first // N}: {short(samples[first].prompts[0])}\n{advice}"
    )


def nothing_to_train_on(samples: list, design: Design) -> bool:
    """Does every answer lack something that the design reads? Then `on_missing: drop` leaves all of them out."""
    if not design.drop_missing:
        return False
    own = own_signals(design)

    def there(sample: Any) -> bool:
        read = [sample.info[name] for name in own if name in sample.info]
        read += [sample.rewards] if design.reads("r") else []
        read += [sample.scores] if design.reads("score") else []
        return sample.rewards is not None and not failed(sample) and all(value.isfinite().all() for value in read)

    return not any(there(sample) for sample in samples)


def own_signals(design: Design) -> list[str]:
    """What it reads that only the reward function gives, in "extra_logs"."""
    return [name for name in design.inputs if name not in ("length", "logprob", "truncated")]


def neutralized(experience: Any) -> torch.Tensor:
    """Two tokens in place of a rollout say nothing of any policy: no KL between two of them, and none to vLLM's.

    Returns:
      (B,): which answers are such tokens.
    """
    failed_B = experience.info[SHARE_FAILED] > 0
    there_B1 = ~failed_B[:, None]
    experience.kl = torch.where(there_B1, experience.kl, 0)
    ours = experience.action_log_probs
    for name in ("base_action_log_probs", "rollout_log_probs"):
        theirs = getattr(experience, name)
        if theirs is not None and ours is not None:
            setattr(experience, name, torch.where(there_B1, theirs, ours.to(theirs.dtype)))
    return failed_B


def log_absent_as_mean(experiences: list, there: Sequence[torch.Tensor]) -> None:
    """A number that an answer does not have is logged as the mean of those that have it.

    OpenRLHF's means are over all answers; so they become the mean over those with a number.

    Args:
      there: (B,) of each experience: which answers the design has not left out. Others count in no mean.
    """
    infos = [experience.info for experience in experiences]
    for name in {name for info in infos for name, value in info.items() if _has_gap(value)}:
        known = torch.cat([info[name][here & info[name].isfinite()] for info, here in zip(infos, there, strict=True)])
        mean = known.mean() if len(known) else torch.zeros(())
        for info in infos:
            info[name] = torch.where(info[name].isnan(), mean.to(info[name].dtype), info[name])


def _has_gap(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and bool(value.isnan().any())


def count_missing_as_zero(samples: list) -> int:
    """Of an evaluation: its missing rewards become 0; how many there were."""
    missing = [sample for sample in samples if sample.rewards is None or not sample.rewards.isfinite().all()]
    for sample in missing:
        sample.rewards = torch.zeros(1)
    return len(missing)
