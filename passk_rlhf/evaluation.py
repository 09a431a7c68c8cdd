"""What an evaluation reports under a design: pass@k means pass@k.

OpenRLHF calls the mean of all rewards `pass1`, and the mean of each prompt's highest reward `pass{n}`, whatever the
rewards are: with rewards up to 1.5 a pass4 of 1.5, with rewards of -1 and 1 a pass1 below zero. Under a design

    eval_{dataset}_pass{k}          unbiased pass@k of the design's verdicts, mean over prompts; k = 1, 2, 4 ... n
    eval_{dataset}_reward_mean      what OpenRLHF calls pass1
    eval_{dataset}_reward_max{n}    what OpenRLHF calls pass{n}; not for n = 1, where it is the mean

and the rest as it is. Rewards and scores of 0 and 1 give pass1 and pass{n} the numbers that they had. An answer without
a reward is a wrong one, as its reward counts 0. Scores that are no verdicts have no pass@k: see `has_verdicts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from passk_rlhf.metrics import pass_at_k, powers_of_two
from shaping import Design
from shaping.compiled.apply import verdicts


def has_verdicts(design: Design, score: Tensor) -> bool:
    """Do these scores say which answers are correct?

    They do if the design says how (`correct:`), or if all of them are -1, 0 or 1: then 1 is correct. Scores that are
    missing, NaN, say nothing.

    >>> from shaping import loads
    >>> said, unsaid = loads("{correct: score > 0.3, advantage: r}"), loads("advantage: r")
    >>> graded, signs = torch.tensor([1.0, 0.4]), torch.tensor([1.0, -1.0])
    >>> has_verdicts(said, graded), has_verdicts(unsaid, graded), has_verdicts(unsaid, signs)
    (True, False, True)
    """
    return design.graded or bool(((score.abs() == 1) | (score == 0) | score.isnan()).all())


def scores_given(samples: list) -> Tensor:
    """(B,) the score of each answer, its reward where the reward function gave no score; NaN without a reward."""
    found = []
    for sample in samples:
        given = sample.rewards if sample.scores is None else sample.scores
        there = sample.rewards is not None and bool(sample.rewards.isfinite().all())
        found.append(given.reshape(-1)[:1].float() if there else torch.tensor([torch.nan]))
    return torch.cat(found) if found else torch.zeros(0)


def with_pass_at_k(
    logs: dict[str, float], design: Design, samples: list, score_B: Tensor, n: int, datasets: Sequence[tuple]
) -> dict[str, float]:
    """OpenRLHF's numbers under names that say what they are, and pass@k beside them.

    Args:
      logs: what `compute_eval_metrics` returned for these samples.
      score_B: `scores_given`, from before missing rewards became 0.
      n: answers a prompt; those of a prompt stand together in `samples`.
      datasets: the batches of OpenRLHF's loader, (names of data sets, prompts, labels, images).
    """
    of_prompt = {prompt: name for names, prompts, *_ in datasets for prompt, name in zip(prompts, names, strict=True)}
    score_PN = score_B.reshape(-1, n)
    prompt_P = [sample.prompts[0] for sample in samples[::n]]
    rows: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompt_P):
        rows.setdefault(of_prompt.get(prompt, "unknown"), []).append(place)
    ours, theirs = {}, dict(logs)
    for name, places in rows.items():
        of_this = f"eval_{name}_"
        mean, most = theirs.pop(f"{of_this}pass1"), theirs.pop(f"{of_this}pass{n}", None)
        if has_verdicts(design, score_PN[places]):
            correct_PN = verdicts(design, score_PN[places])
            ours |= {f"{of_this}pass{k}": pass_at_k(correct_PN, k).mean().item() for k in powers_of_two(n)}
        ours[f"{of_this}reward_mean"] = mean
        if most is not None:
            ours[f"{of_this}reward_max{n}"] = most
    return ours | theirs


# ── The best checkpoint ─────────────────────────────────────────────────────


def best_metric(key: str, numbers: dict[str, float]) -> tuple[str, str | None]:
    """What the best checkpoint is judged by, and a warning if there is no such number.

    Args:
      key: `--ckpt.best_metric_key`, or what OpenRLHF has settled on before; empty: not yet settled.
      numbers: of this evaluation.

    OpenRLHF itself takes the first ..._pass1, and keeps no best checkpoint if there is none; then this is the first
    mean reward.

    >>> best_metric("", {"eval_math_reward_mean": 0.4, "eval_num_samples": 8.0})
    ('eval_math_reward_mean', None)
    """
    if not key and not any(name.endswith("_pass1") for name in numbers):
        return min((name for name in numbers if name.endswith("_reward_mean")), default=""), None
    if key in ("", "none") or key in numbers:
        return key, None
    return key, (
        f"this evaluation has no {key} (--ckpt.best_metric_key), so it keeps no best checkpoint; it has "
        f"{', '.join(sorted(numbers))}"
    )


def unknown_pass(args: SimpleNamespace) -> str | None:
    """What is wrong with a --ckpt.best_metric_key that names a pass@k which no evaluation of this run will report."""
    key, n = getattr(args.ckpt, "best_metric_key", None) or "", args.eval.n_samples_per_prompt
    found = re.search(r"_pass(\d+)$", key)
    if not args.eval.dataset or not found or found[1] in (known := [str(k) for k in powers_of_two(n)]):
        return None
    return (
        f"--ckpt.best_metric_key {key}: an evaluation with --eval.n_samples_per_prompt {n} reports "
        f"{', '.join(f'pass{k}' for k in known)}; name one of them"
    )


def remember_design(eval_dataloader: Any, design: Design) -> None:
    """OpenRLHF evaluates by a function that is given the loader and no arguments of the run."""
    if eval_dataloader is not None:
        eval_dataloader.passk_rlhf_design = design


def design_of_evaluation(eval_dataloader: Any) -> Design | None:
    return getattr(eval_dataloader, "passk_rlhf_design", None)
