"""What every training step reports about its rollouts and its advantages, and the file it goes to.

All of it is computed after the design, from verdicts and advantages of the same
batch: P prompts, N answers each.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from passk_rlhf.lines import LineFile
from passk_rlhf.loggers import Chained


def pass_at_k(correct_PN: Tensor, k: int, there_PN: Tensor | None = None) -> Tensor:
    """P(at least one of k answers drawn from the group is right), unbiased, for each prompt.

    1 - C(n_neg, k) / C(N, k), as a product of k ratios so that nothing overflows.
    0 without a correct answer, 1 with fewer than k wrong ones. Where answers are missing, N and n_neg are of those
    that are there; NaN if they are fewer than k.
    Source: Chen et al. 2021, arXiv:2107.03374.

    >>> pass_at_k(torch.tensor([[True, False, False, False]]), k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    N = correct_PN.shape[1]
    if not 1 <= k <= N:
        raise ValueError(f"pass@{k} of groups of {N} answers")
    draw = torch.arange(k, dtype=torch.float64, device=correct_PN.device)
    there_PN = torch.ones_like(correct_PN) if there_PN is None else there_PN
    there_P1 = there_PN.sum(-1, keepdim=True).double()
    n_neg_P1 = (there_PN & ~correct_PN).sum(-1, keepdim=True).double()
    left_P = 1 - ((n_neg_P1 - draw).clamp(min=0) / (there_P1 - draw)).prod(-1)
    return torch.where(there_P1[:, 0] < k, torch.nan, left_P)


def powers_of_two(N: int) -> list[int]:
    """The k worth reporting: 1, 2, 4 ... and N itself.

    >>> powers_of_two(12)
    [1, 2, 4, 8, 12]
    """
    return [2**i for i in range(N.bit_length()) if 2**i < N] + [N]


def step_metrics(correct_PN: Tensor, advantage_PN: Tensor, there_PN: Tensor | None = None) -> dict[str, float]:
    """The metrics of one batch, by the names they have in the log, TensorBoard and wandb.

    Args:
      there_PN: which answers a design with `on_missing: drop` has not left out; None: all are there. Neither a verdict
        nor a mean counts the others.

    Returns:
      rollout/pass{k}      unbiased pass@k of the rollouts, mean over prompts with k answers; k = 1, 2, 4 ... N; NaN if
                           no prompt has as many
      design/all_wrong     share of groups without a correct answer
      design/too_easy      share of which every answer is correct and no advantage is other than zero: nothing to learn
      design/dead_zone     share with correct and wrong answers and no advantage but zero: the design leaves them out
      design/effective     share of groups with an advantage that is not 0: those that train
      design/abs_correct   mean |A| of correct answers, 0 if there is none
      design/abs_wrong     mean |A| of wrong answers, 0 if there is none
      design/abs_max       largest |A|

    Example:
      >>> m = step_metrics(torch.tensor([[True, False], [False, False]]), torch.tensor([[1., -1.], [0., 0.]]))
      >>> m["rollout/pass2"], m["design/all_wrong"], m["design/effective"], m["design/abs_wrong"]
      (0.5, 0.5, 0.5, 0.3333333333333333)
    """
    N = correct_PN.shape[1]
    size_PN = advantage_PN.abs().double()
    there_PN = torch.ones_like(correct_PN) if there_PN is None else there_PN
    correct_PN, wrong_PN = correct_PN & there_PN, ~correct_PN & there_PN
    solved_P = correct_PN.any(-1)
    silent_P = (size_PN == 0).all(-1)
    result = {f"rollout/pass{k}": pass_at_k(correct_PN, k, there_PN).nanmean().item() for k in powers_of_two(N)}
    result["design/all_wrong"] = (~solved_P & there_PN.any(-1)).double().mean().item()
    mixed_P = solved_P & wrong_PN.any(-1)
    result["design/too_easy"] = (solved_P & ~mixed_P & silent_P).double().mean().item()
    result["design/dead_zone"] = (mixed_P & silent_P).double().mean().item()
    result["design/effective"] = (~silent_P).double().mean().item()
    for outcome, mask_PN in (("correct", correct_PN), ("wrong", wrong_PN)):
        result[f"design/abs_{outcome}"] = (size_PN * mask_PN).sum().item() / max(mask_PN.sum().item(), 1)
    result["design/abs_max"] = size_PN.max().item()
    return result


class MetricsFile(Chained):
    """The numbers of every step as JSON lines beside the model: one line a step, one an evaluation.

    Stands in front of the run's TensorBoard logger, so it sees exactly what that sees, whether there is one or not.
    """

    def __init__(self, path: Path, next_logger: Any = None) -> None:
        super().__init__(next_logger)
        self.file = LineFile(path)

    def log_train(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        self._write("train", global_step, logs_dict)
        super().log_train(global_step, logs_dict)

    def log_eval(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        self._write("eval", global_step, logs_dict)
        super().log_eval(global_step, logs_dict)

    def close(self) -> None:
        self.file.close()
        super().close()

    def _write(self, kind: str, step: int, logs: dict[str, Any]) -> None:
        # Seven digits are what float32 carries; NaN is no JSON, so it is written as null.
        numbers = {
            key: float(f"{value:.7g}") if math.isfinite(value) else None
            for key, value in logs.items()
            if isinstance(value, int | float)
        }
        self.file.append([{"kind": kind, "step": step, "time": round(time.time(), 3), **numbers}])
