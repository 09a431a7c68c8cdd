"""What stands in front of OpenRLHF's TensorBoard logger, one after the other, each passing everything on:

    MetricsFile (metrics.py)   metrics.jsonl beside the model
    Progress                   one line a step in the log: step 12/60  reward 0.41  pass@1 0.41  pass@8 0.72 ...
    Board                      TensorBoard's histogram of advantages, and pass@k of all k in one chart

TensorBoard's own logger is the last, or there is none. Before OpenRLHF's logger for wandb stands WandbHistogram.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Chained:
    """OpenRLHF's logger interface, passed on."""

    def __init__(self, next_logger: Any = None) -> None:
        self.next = next_logger

    def log_train(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        if self.next:
            self.next.log_train(global_step, logs_dict)

    def log_eval(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        if self.next:
            self.next.log_eval(global_step, logs_dict)

    def close(self) -> None:
        if self.next:
            self.next.close()


class Progress(Chained):
    """Says a line a step.

    Args:
      say: where the line goes.
      total_steps: step → how many there will be.
      clock: seconds; of the time left.
    """

    def __init__(
        self,
        next_logger: Any,
        say: Callable[[str], None],
        total_steps: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(next_logger)
        self.say, self.total_steps, self.clock = say, total_steps, clock
        self.first: tuple[int, float] | None = None  # the step before the first one seen, and when it ended

    def log_train(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        now, total = self.clock(), self.total_steps(global_step)
        if self.first is None:
            self.first = global_step - 1, now - logs_dict.get("timing/step_total", 0.0)
        each = (now - self.first[1]) / max(1, global_step - self.first[0])
        self.say(progress_line(global_step, total, logs_dict, each * (total - global_step)))
        super().log_train(global_step, logs_dict)


def progress_line(step: int, total: int, logs: dict[str, Any], seconds_left: float) -> str:
    """
    >>> progress_line(3, 60, {"reward": 0.4, "rollout/pass1": 0.4, "rollout/pass8": 0.7, "design/effective": 0.5}, 90)
    'step 3/60  reward 0.400  pass@1 0.400  pass@8 0.700  effective groups 50%  1.5 min left'
    """
    ks = sorted(int(name.removeprefix("rollout/pass")) for name in logs if name.startswith("rollout/pass"))
    parts = [f"step {step}/{total}"]
    parts += [f"reward {logs['reward']:.3f}"] if "reward" in logs else []
    parts += [f"pass@{k} {logs[f'rollout/pass{k}']:.3f}" for k in dict.fromkeys(ks[:1] + ks[-1:])]
    parts += [f"effective groups {logs['design/effective']:.0%}"] if "design/effective" in logs else []
    left = f"{seconds_left / 3600:.1f} h" if seconds_left >= 5400 else f"{seconds_left / 60:.1f} min"
    return "  ".join([*parts, f"{left} left"])


class Board(Chained):
    """TensorBoard's histogram of this step's advantages, and a chart with pass@k for every k.

    `maker` is the trainer's RemoteExperienceMaker, which keeps the advantages of its last batch (hook.py).
    """

    def __init__(self, tensorboard: Any, maker: Any) -> None:
        super().__init__(tensorboard)
        self.maker, self.laid_out = maker, False

    def log_train(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        super().log_train(global_step, logs_dict)
        writer = self.next.writer
        names = [f"train/{name}" for name in logs_dict if name.startswith("rollout/pass")]
        if names and not self.laid_out:
            writer.add_custom_scalars({"rollouts": {"pass@k": ["Multiline", sorted(names)]}})
            self.laid_out = True
        advantage_PN = getattr(self.maker, "passk_rlhf_advantage_PN", None)
        if advantage_PN is not None:
            writer.add_histogram("train/design/advantage", advantage_PN.flatten(), global_step)


class WandbHistogram(Chained):
    """Adds the histogram of this step's advantages to what wandb logs; pass@k of every k is there as numbers."""

    def __init__(self, wandb_logger: Any, maker: Any) -> None:
        super().__init__(wandb_logger)
        self.maker = maker

    def log_train(self, global_step: int, logs_dict: dict[str, Any]) -> None:
        advantage_PN = getattr(self.maker, "passk_rlhf_advantage_PN", None)
        if advantage_PN is not None:
            logs_dict = logs_dict | {"design/advantage": self.next.handle.Histogram(advantage_PN.flatten().tolist())}
        super().log_train(global_step, logs_dict)
