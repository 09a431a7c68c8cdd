"""Train a small policy on mazes with a design, on this machine, and say what it brought.

    bash scripts/quickstart.sh          installs, then runs this module

The command it starts is the one a cluster would run, `python -m passk_rlhf.train_ppo_ray`, with a policy small
enough for two CPU cores. Before and after, Pass@1 and Pass@k are measured on mazes that training never saw.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import shaping
from passk_rlhf.tasks import maze as task
from passk_rlhf.train_ppo_ray import PROGRAM, LaunchError
from shaping.errors import commanded
from shaping.groups.silent import refuse_silent
from shaping.language.params import assignments

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).parent
POLICY = PACKAGE / "tasks" / "maze_policy"
PROMPTS, ANSWERS = 32, 16  # of one training step
EVAL_EVERY = 20  # steps
K = 8  # of the Pass@k that is shown beside Pass@1
console = Console(highlight=False)


def main(argv: list[str] | None = None) -> int:
    options = read_options(argv)
    started = time.time()
    with commanded("--param"):
        design = shaping.load(options.design, **assignments(options.param, "--param"))
        design.check(ANSWERS)
        refuse_silent(design, ANSWERS)
    run = options.out / time.strftime("%Y%m%d-%H%M%S")
    run.mkdir(parents=True)

    size, openings = task.POLICY_SIZE, task.POLICY_OPENINGS
    seen = task.draw_distinct(size, openings=openings, **task.POLICY_WARM_UP)
    train = task.draw_distinct(size, options.steps * PROMPTS, seed=options.seed, openings=openings, exclude=seen)
    seen += train
    test = task.draw_distinct(size, options.mazes, seed=options.seed + 1, openings=openings, exclude=seen)
    write_prompts(run / "train.jsonl", train)
    write_prompts(run / "test.jsonl", test)

    before = measure("before", POLICY, test, options.seed)
    command = training_command(options, run)
    (run / "command.txt").write_text(shlex.join(command) + "\n")
    if not train_policy(command, run, options.steps):
        return 1
    after = measure("after", run / "model", test, options.seed)

    show(options, design, before, after, time.time() - started)
    plot(run, design.name, {k: passed_P.mean().item() for k, passed_P in before.items()})
    for name, path in (
        ("curves", "pass.png"),
        ("log", "openrlhf.log"),
        ("metrics", "model/metrics.jsonl"),
        ("design", "model/design.yaml"),
        ("rewards", "rewards.jsonl"),
        ("model", "model"),
        ("command", "command.txt"),
    ):
        console.print(f"{name:8} {run / path}", soft_wrap=True)
    return 0


def read_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart", description="Train a small maze policy with an advantage design."
    )
    parser.add_argument("--design", type=Path, default=Path("configs/passk.yaml"))
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the design")
    parser.add_argument(
        "--steps", type=int, default=60, help=f"training steps of {PROMPTS} mazes, {ANSWERS} answers each"
    )
    parser.add_argument("--mazes", type=int, default=256, help="held-out mazes that are measured before and after")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    return parser.parse_args(argv)


def training_command(options: argparse.Namespace, run: Path) -> list[str]:
    flags: dict[str, Any] = {
        "--actor.model_name_or_path": POLICY,
        "--reward.remote_url": PACKAGE / "tasks" / "maze.py",
        "--data.prompt_dataset": run / "train.jsonl",
        "--data.input_key": "input",
        "--data.label_key": "label",
        "--data.max_len": 96,
        "--rollout.max_new_tokens": 24,
        "--rollout.batch_size": PROMPTS,
        "--rollout.n_samples_per_prompt": ANSWERS,
        "--rollout.micro_batch_size": 64,
        "--train.batch_size": PROMPTS * ANSWERS,
        "--train.micro_batch_size": 64,
        "--train.seed": options.seed,
        "--actor.adam.lr": 3e-4,
        "--actor.lr_scheduler": "cosine_with_min_lr",
        "--actor.lr_warmup_ratio": 0.15,  # Adam's first full step would undo the warm start
        "--actor.num_gpus_per_node": 2,  # logical GPUs: one process for each core
        "--vllm.num_engines": 2,
        "--algo.kl.init_coef": 0,
        "--eval.dataset": run / "test.jsonl",
        "--eval.steps": EVAL_EVERY,
        "--eval.n_samples_per_prompt": K,
        "--eval.temperature": 1.0,
        "--ckpt.output_dir": run / "model",
        "--ckpt.path": run / "checkpoints",
        "--ckpt.best_metric_key": "none",
        "--logger.tensorboard_dir": run / "tensorboard",
        "--logger.wandb.run_name": "quickstart",
        "--dump-rewards": run / "rewards.jsonl",
    }
    command = [sys.executable, "-m", "passk_rlhf.train_ppo_ray", "--advantage-design", str(options.design)]
    for param in options.param:
        command += ["--advantage-param", param]
    for flag, value in flags.items():
        command += [flag, str(value)]
    return command


# ── Training, watched ───────────────────────────────────────────────────────


def train_policy(command: list[str], run: Path, steps: int) -> bool:
    """Run the job with its raw output in openrlhf.log, one line or a bar for the steps. False if it failed."""
    log = run / "openrlhf.log"
    with log.open("wb") as output:
        job = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            with progress(steps) as report:
                for line in follow(run / "model" / "metrics.jsonl", lambda: job.poll() is None):
                    report(line)
            failed = job.wait() != 0
        except BaseException:
            job.terminate()  # Ray ends the processes it started for this job
            job.wait()
            raise
    if failed:
        console.print("".join(f"  {line}\n" for line in last_words(log.read_text(errors="replace"))), markup=False)
        console.print(f"training failed; the whole log is {log}", soft_wrap=True)
    return not failed


def last_words(log: str, most: int = 15) -> list[str]:
    """The lines that say what ended the run. Other processes may have printed more below it.

    >>> last_words(f"step 1\\n{PROGRAM}: error: no free port\\nNo checkpoint was finished.\\n(raylet) bye\\n")
    ['python -m passk_rlhf.train_ppo_ray: error: no free port', 'No checkpoint was finished.']
    """
    lines = log.splitlines()
    said = [i for i, line in enumerate(lines) if line.startswith(f"{PROGRAM}: error: ")]
    if not said:  # it was killed from outside
        return lines[-most:]
    printed = lines[said[-1] :][:most]
    by_others = [i for i, line in enumerate(printed) if line.startswith(("(", "\x1b["))]
    return printed[: by_others[0]] if by_others else printed


def follow(path: Path, alive: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """Whole lines of a JSON-lines file as they are written, until the writer is gone."""
    done, rest = 0, b""
    while True:
        last = not alive()
        if path.exists():
            with path.open("rb") as file:
                file.seek(done)
                chunk = file.read()
            done += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)
        if last:
            return
        time.sleep(0.5)


class progress:
    """A bar on a terminal, a line a step elsewhere."""

    def __init__(self, steps: int) -> None:
        self.steps, self.bar = steps, None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=console)

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        message = "starting Ray, vLLM and DeepSpeed (about a minute)"
        if self.bar is None:
            console.print(message)
            return self.print_line
        self.bar.start()
        self.task = self.bar.add_task(message, total=self.steps)
        return self.move_bar

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def move_bar(self, line: dict[str, Any]) -> None:
        self.bar.update(self.task, description=describe(line))
        if line["kind"] == "train":
            self.bar.update(self.task, completed=line["step"])

    def print_line(self, line: dict[str, Any]) -> None:
        console.print(f"step {line['step']}/{self.steps}  {describe(line)}")


def describe(line: dict[str, Any]) -> str:
    if line["kind"] == "eval":
        passed = (f"pass@{k} {figure(line.get(f'eval_maze_pass{k}'))}" for k in (1, K))
        return f"held-out mazes: {'  '.join(passed)}"
    return (
        f"reward {figure(line.get('rollout/reward_mean'))}  pass@{K} {figure(line.get(f'rollout/pass{K}'))}  "
        f"effective groups {figure(line.get('design/effective'), '.0%')}"
    )


def figure(value: float | None, form: str = ".3f") -> str:
    """A step has no pass@8 if no group has 8 answers with a reward, and nothing at all if it trained nothing."""
    return "none" if value is None else format(value, form)


# ── Before and after ────────────────────────────────────────────────────────


def write_prompts(path: Path, mazes: list[str]) -> None:
    with path.open("w") as file:
        for maze in mazes:
            example = {"input": task.policy_prompt(maze), "label": "/".join(task.rows(maze)), "datasource": "maze"}
            file.write(json.dumps(example) + "\n")


def measure(when: str, model: Path, mazes: list[str], seed: int) -> dict[int, Tensor]:
    """For k = 1 and K: the unbiased pass@k of each maze."""
    from transformers.utils import logging

    from passk_rlhf.metrics import pass_at_k
    from passk_rlhf.tasks.evaluate import solve

    logging.disable_progress_bar()  # of loading 2 MB
    console.print(f"measuring the policy {when} training: {len(mazes)} held-out mazes, {ANSWERS} answers each")
    verdict_PN = solve(model, mazes, samples=ANSWERS, seed=seed)
    return {k: pass_at_k(verdict_PN, k) for k in (1, K)}


def show(
    options: argparse.Namespace,
    design: shaping.Design,
    before: dict[int, Tensor],
    after: dict[int, Tensor],
    seconds: float,
) -> None:
    """A table of means over the mazes; the change with the standard error of its mean, maze against same maze."""
    from passk_rlhf.resume import describe as design_line

    size = task.POLICY_SIZE
    table = Table()
    for name in ("", *(f"Pass@{k}" for k in before)):
        table.add_column(name, justify="right" if name else "left")
    for when, values in (("before", before), (f"after {options.steps} steps", after)):
        table.add_row(when, *(f"{passed_P.mean():.3f}" for passed_P in values.values()))
    gains_P = [after[k] - before[k] for k in before]
    mazes = len(gains_P[0])
    table.add_row("change", *(f"{gain_P.mean():+.3f} ± {gain_P.std() / mazes**0.5:.3f}" for gain_P in gains_P))
    console.print(
        f"\n{design_line(design)}: {mazes} held-out {size}×{size} mazes, {ANSWERS} answers each at temperature 1"
    )
    console.print(table)
    console.print(f"{seconds / 60:.1f} minutes, without the installation")


def plot(run: Path, name: str, before: dict[int, float]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in (run / "model" / "metrics.jsonl").read_text().splitlines()]
    evals = [line for line in lines if line["kind"] == "eval"]
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for k, colour, marker in ((1, "#0072b2", "o"), (K, "#d55e00", "s")):  # Okabe-Ito: seen by all
        steps = [0] + [line["step"] for line in evals]
        values = [before[k]] + [line[f"eval_maze_pass{k}"] for line in evals]
        axes.plot(steps, values, color=colour, marker=marker)
        axes.annotate(f"Pass@{k}", (steps[-1], values[-1]), textcoords="offset points", xytext=(8, -3), color=colour)
    axes.set(xlabel="training step", ylabel="share of held-out mazes", title=f"Training on {name}", ylim=(0, 1))
    last = max([line["step"] for line in evals], default=1)
    axes.set_xlim(-0.05 * last, 1.2 * last)  # room for the names of the curves
    axes.grid(alpha=0.3)
    figure.savefig(run / "pass.png", dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the job it started is ended too
    try:
        sys.exit(main())
    except (shaping.DesignError, LaunchError) as error:
        sys.exit(f"quickstart: {error}")
