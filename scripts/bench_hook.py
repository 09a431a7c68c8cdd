"""Seconds of the trainer's process that a design costs a step, beside OpenRLHF's own estimator, and its memory.

    python scripts/bench_hook.py                                  256 prompts × 16 answers, 2,048 and 8,192 tokens
    python scripts/bench_hook.py --answers 1024 32768 --tokens 1024 --group 1024 --alone
    python scripts/bench_hook.py --design configs/lite_ppo.yaml --kl 0.05

The experiences are OpenRLHF's, cut by OpenRLHF into micro-batches; one line for each number of answers and of tokens:

    cut        OpenRLHF's own: answers → micro-batches (`split_rollout_samples`)
    OpenRLHF   its own method with the estimator `group_norm`
    design     the same method under a design, metrics included
    send       pickling the design's experiences for the actors, as Ray does
    held       what the experiences hold when the design is done
    beyond     the highest that memory rose above what was there before, in sizes of `returns` (two are the result)

Seconds are the process's own on one thread, whatever else the machine does. Of the formulas alone:
`python -m shaping bench`.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle
import time
from pathlib import Path
from types import SimpleNamespace

import torch

import shaping
from passk_rlhf import patch
from passk_rlhf.cpu import replacements

PROMPT = 64  # tokens
COLUMNS = "{:>8} {:>8} {:>8} {:>9} {:>8} {:>7} {:>8} {:>9} {:>7}"


def rollout(answers: int, tokens: int, group: int) -> list:
    """OpenRLHF's samples before they are cut: answers of a quarter to all of `tokens`, three in ten correct."""
    from openrlhf.trainer.ppo_utils.experience import Experience

    samples, draw = [], torch.Generator().manual_seed(1)
    for i in range(answers):
        length = tokens if i == 0 else int(torch.randint(tokens // 4, tokens + 1, (), generator=draw))
        mask = torch.zeros(1, PROMPT + length - 1, dtype=torch.long)
        mask[:, PROMPT - 1 :] = 1
        reward = (torch.rand(1, generator=draw) < 0.3).float()
        samples.append(
            Experience(
                sequences=torch.randint(0, 50_000, (1, PROMPT + length), generator=draw),
                attention_mask=torch.ones(1, PROMPT + length, dtype=torch.long),
                action_mask=mask,
                prompts=[f"prompt {i // group} " * 8],
                labels=[""],
                rewards=reward,
                scores=reward.clone(),
                response_length=torch.tensor([length]),
                truncated=torch.tensor([False]),
                total_length=torch.tensor([float(PROMPT + length)]),
                info={"reward": reward.clone(), "score": reward.clone()},
            )
        )
    return samples


def maker(design: shaping.Design | None, options: argparse.Namespace):
    from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker

    estimator, text = (patch.ESTIMATOR, design.resolved) if design else ("group_norm", None)
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=SimpleNamespace(estimator=estimator, design=text, gamma=1.0, dump=options.dump)),
        reward=SimpleNamespace(
            clip_range=(-10, 10), overlong_buffer_len=8 if options.overlong else None, overlong_penalty_factor=0.1
        ),
        rollout=SimpleNamespace(
            n_samples_per_prompt=options.group,
            micro_batch_size=options.micro_batch,
            max_new_tokens=max(options.tokens),
        ),
        train=SimpleNamespace(dynamic_batch_enable=False, seed=1),
    )
    tokenizer, control = SimpleNamespace(pad_token_id=0), SimpleNamespace(value=options.kl)
    made = RemoteExperienceMaker(None, None, None, None, control, SimpleNamespace(args=args), tokenizer)
    made.reward_model_group, made.passk_rlhf_step = None, 0
    return made


def cut(made, samples: list, options: argparse.Namespace) -> list:
    """Micro-batches, and what actors would have answered: log-probabilities, a KL estimate if there is a penalty."""
    experiences = made.split_rollout_samples(samples)
    for each in experiences:
        each.action_log_probs = -torch.rand(each.action_mask.shape)
        each.kl = torch.rand(each.action_mask.shape) * (0.1 if options.kl else 0.0)
        each.info["kl"] = each.kl.mean(-1)
    return experiences


def memory(name: str) -> int:
    """Bytes of this process: VmRSS now, or VmHWM, the highest since `forget_the_highest`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def forget_the_highest() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def held(experiences: list) -> int:
    tensors = [getattr(each, field.name) for each in experiences for field in dataclasses.fields(each)]
    return sum(value.nbytes for value in tensors if isinstance(value, torch.Tensor))


def timed(call, *args) -> tuple[float, object]:
    begin = time.process_time()
    result = call(*args)
    return time.process_time() - begin, result


def measure(answers: int, tokens: int, design: shaping.Design, options: argparse.Namespace) -> dict[str, float]:
    """One line of the table; seconds and bytes."""
    made, samples = maker(design, options), rollout(answers, tokens, options.group)
    line = {"cut": timed(made.split_rollout_samples, samples)[0]}
    if not options.alone:
        theirs = maker(None, options)
        line["OpenRLHF"] = timed(theirs.compute_advantages_and_returns, cut(theirs, samples, options))[0]
    experiences = cut(made, samples, options)
    forget_the_highest()
    before = memory("VmRSS")
    line["design"] = timed(made.compute_advantages_and_returns, experiences)[0]
    line["beyond"] = (memory("VmHWM") - before) / sum(each.returns.nbytes for each in experiences)
    line["held"] = held(experiences)
    line["send"] = timed(lambda: [len(pickle.dumps(each, protocol=5)) for each in experiences])[0]
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory of the trainer's process for a design.")
    parser.add_argument("--answers", type=int, nargs="+", default=[4096], help="of a step, all prompts together")
    parser.add_argument("--tokens", type=int, nargs="+", default=[2048, 8192], help="of the longest answer")
    parser.add_argument("--group", type=int, default=16, help="answers a prompt")
    parser.add_argument("--micro-batch", type=int, default=8, help="--rollout.micro_batch_size")
    parser.add_argument("--design", type=Path, default=Path("configs/passk.yaml"))
    parser.add_argument("--kl", type=float, default=0.0, help="coefficient of a KL penalty in the reward")
    parser.add_argument("--overlong", action="store_true", help="with OpenRLHF's length penalty")
    parser.add_argument("--dump", metavar="PATH", help="with --dump-rewards PATH")
    parser.add_argument("--alone", action="store_true", help="without OpenRLHF's own method, which takes long")
    options = parser.parse_args()
    torch.set_num_threads(1)
    replacements.register()
    patch.install()
    design = shaping.load(options.design)
    made = maker(design, options)
    two_groups = cut(made, rollout(2 * options.group, 4, options.group), options)
    once, _ = timed(made.compute_advantages_and_returns, two_groups)
    print(
        f"{design.name}, groups of {options.group}, micro-batches of {options.micro_batch}, KL {options.kl:g}, "
        f"seconds a step, and once a run {once:.2f} to compile the design\n"
    )
    print(COLUMNS.format("answers", "tokens", "cut", "OpenRLHF", "design", "ratio", "send", "held", "beyond"))
    for answers in options.answers:
        for tokens in options.tokens:
            line = measure(answers, tokens, design, options)
            theirs = f"{line['OpenRLHF']:.2f}" if "OpenRLHF" in line else ""
            ratio = f"1/{line['OpenRLHF'] / line['design']:.0f}" if theirs else ""
            seconds = [f"{line[name]:.2f}" for name in ("cut", "design", "send")]
            size = f"{line['held'] / 2**20:,.0f} MB"
            cells = [f"{answers:,}", f"{tokens:,}", seconds[0], theirs, seconds[1], ratio, seconds[2], size]
            print(COLUMNS.format(*cells, f"{line['beyond']:.2f}"), flush=True)


if __name__ == "__main__":
    main()
