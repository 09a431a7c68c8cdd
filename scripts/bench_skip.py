"""Seconds of a training step with and without --skip-silent-groups, on a policy that solves much of what it is given.

    bash scripts/quickstart.sh
    python scripts/bench_skip.py runs/quickstart/20260101-120000 [--steps 8]

To be called where the quickstart was. It goes on from the trained policy with the same command, once without the flag
and once with it: OpenRLHF, Ray, vLLM and DeepSpeed as they are. Each number is the median over the steps but the
first, which warms up.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from passk_rlhf.quickstart import last_words

PARTS = {
    "timing/ppo_train": "training",
    "timing/make_experience": "log-probabilities",
    "timing/generation": "generation",
    "timing/step_total": "step",
}


def command(run: Path, out: Path, steps: int) -> list[str]:
    """The quickstart's own, from its trained policy, for fewer steps; nothing is evaluated or saved."""
    words = shlex.split((run / "command.txt").read_text())
    prompts = int(words[words.index("--rollout.batch_size") + 1])
    flags = {
        "--actor.model_name_or_path": run / "model",
        "--ckpt.output_dir": out / "model",
        "--ckpt.path": out / "checkpoints",
        "--logger.tensorboard_dir": out / "tensorboard",
        "--dump-rewards": out / "rewards.jsonl",
        "--eval.steps": -1,
        "--data.max_samples": steps * prompts,
        "--actor.adam.lr": 0,  # both see the same policy throughout
    }
    for flag, value in flags.items():
        if flag in words:
            words[words.index(flag) + 1] = str(value)
        else:
            words += [flag, str(value)]
    return [sys.executable, *words[1:]]


def measured(run: Path, steps: int, more: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        done = subprocess.run(
            [*command(run, out, steps), *more], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            sys.exit("\n".join(last_words(done.stderr)))
        lines = [json.loads(line) for line in (out / "model" / "metrics.jsonl").read_text().splitlines()][1:]
    names = [*PARTS, "design/left_out", "design/effective"]
    return {name: statistics.median(line.get(name, 0.0) for line in lines) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of a step with and without --skip-silent-groups.")
    parser.add_argument("run", type=Path, help="the folder of a quickstart that has ended")
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    all_answers = measured(options.run, options.steps, [])
    fewer = measured(options.run, options.steps, ["--skip-silent-groups"])
    effective, left_out = fewer["design/effective"], fewer["design/left_out"]
    print(f"{effective:.0%} of the groups have an advantage, {left_out:.0%} of the answers left out; seconds a step\n")
    print(f"{'':18} {'all answers':>12} {'left out':>12} {'ratio':>7}")
    for name, title in PARTS.items():
        before, after = all_answers[name], fewer[name]
        print(f"{title:18} {before:12.2f} {after:12.2f} {after / before:7.2f}")


if __name__ == "__main__":
    main()
