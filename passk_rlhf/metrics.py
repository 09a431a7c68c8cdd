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


def pass_at_k(correct_PN: Tensor, k: int) -> Tensor:
    """P(at least one of k answers drawn from the group is right), unbiased, for each prompt.

    1 - C(n_neg, k) / C(N, k), as a product of k ratios so that nothing overflows.
    0 without a correct answer, 1 with fewer than k wrong ones.
    Source: Chen et al. 2021, arXiv:2107.03374.

    >>> pass_at_k(torch.tensor([[True, False, False, False]]), k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    N = correct_PN.shape[1]
    if not 1 <= k <= N:
        raise ValueError(f"pass@{k} of groups of {N} answers")
    draw = torch.arange(k, dtype=torch.float64, device=correct_PN.device)
    n_neg_P1 = (~correct_PN).sum(-1, keepdim=True).double()
    return 1 - ((n_neg_P1 - draw).clamp(min=0) / (N - draw)).prod(-1)


def powers_of_two(N: int) -> list[int]:
    """The k worth reporting: 1, 2, 4 ... and N itself.

    >>> powers_of_two(12)
    [1, 2, 4, 8, 12]
    """
    return [2**i for i in range(N.bit_length()) if 2**i < N] + [N]


def step_metrics(correct_PN: Tensor, advantage_PN: Tensor) -> dict[str, float]:
    """The metrics of one batch, by the names they have in the log, TensorBoard and wandb.

    Returns:
      rollout/pass{k}      unbiased pass@k of the rollouts, mean over prompts; k = 1, 2, 4 ... N
      design/all_wrong     share of groups without a correct answer
      design/too_easy      share with correct answers and no advantage but zero: nothing left to learn
      design/effective     share of the others: the groups that train
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
    solved_P = correct_PN.any(-1)
    silent_P = (size_PN == 0).all(-1)
    result = {f"rollout/pass{k}": pass_at_k(correct_PN, k).mean().item() for k in powers_of_two(N)}
    result["design/all_wrong"] = (~solved_P).double().mean().item()
    result["design/too_easy"] = (solved_P & silent_P).double().mean().item()
    result["design/effective"] = 1 - result["design/all_wrong"] - result["design/too_easy"]
    for outcome, mask_PN in (("correct", correct_PN), ("wrong", ~correct_PN)):
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
