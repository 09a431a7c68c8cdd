"""Make the bundled maze policy: a small Llama, warmed up on careless demonstrations.

    python scripts/make_policy.py                    # four minutes, one core

In    a seed; mazes of POLICY_SIZE and POLICY_OPENINGS (passk_rlhf/tasks/maze.py)
Out   passk_rlhf/tasks/maze_policy/: config, weights, tokenizer, README with what was measured

The policy stands where a pretrained model stands before RL: it knows more than it
shows. A demonstration is a shortest path of which each move is, with probability
SLIP, replaced by any of the four; next-token prediction learns the paths and the
carelessness alike. Right about one time in three, its groups of answers disagree,
so there is something to learn from; what RL can take away is the carelessness, most
of all on long paths, so Pass@1 and Pass@k can both rise. It has seen the
POLICY_WARM_UP mazes and no others; Pass@k is measured on mazes that are not among them.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from passk_rlhf.metrics import pass_at_k  # noqa: E402
from passk_rlhf.tasks import maze as task  # noqa: E402
from passk_rlhf.tasks.evaluate import MAX_ANSWER, sample, verdicts  # noqa: E402

FOLDER = ROOT / "passk_rlhf" / "tasks" / "maze_policy"

PAD, END = "<pad>", "</s>"
CHARACTERS = "*.SE/>LRUD"
CONTEXT = 256

HELD_OUT = {"count": 512, "seed": 2000}
SAMPLES = 8
SLIP = 0.2
STEPS = 750
BATCH = 64
LEARNING_RATE = 1e-3
LEARNING_RATE_RAMP = 20
COOL_DOWN = 0.3  # the share of the steps, at the end, in which the learning rate falls to a twentieth


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character, nothing added on either side.

    There is no token for the unknown: any other character is an error, not a gap.
    """
    backend = Tokenizer(models.WordLevel({token: i for i, token in enumerate([PAD, END, *CHARACTERS])}))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r".|\n"), "isolated")
    backend.decoder = decoders.Fuse()  # without it, a space between any two tokens
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def demonstration(maze: str, rng: random.Random) -> str:
    """A shortest path of which each move is, with probability SLIP, replaced by one drawn from all four."""
    return "".join(rng.choice("LRUD") if rng.random() < SLIP else move for move in task.shortest_path(maze))


def examples(tokenizer: PreTrainedTokenizerFast, mazes: Sequence[str], rng: random.Random) -> tuple[Tensor, Tensor]:
    """Tokens of prompt, demonstration and END, and labels that are -100 but for the moves and END; each (B, T)."""
    prompts = [task.policy_prompt(maze) for maze in mazes]
    texts = [prompt + demonstration(maze, rng) + END for prompt, maze in zip(prompts, mazes, strict=True)]
    token_BT = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")["input_ids"]
    label_BT = token_BT.masked_fill(token_BT == tokenizer.pad_token_id, -100)
    label_BT[:, : len(prompts[0])] = -100  # mazes of one size have prompts of one length
    return token_BT, label_BT


def warm_up(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, mazes: Sequence[str], *, steps: int, seed: int
) -> None:
    """Next-token prediction of the demonstration and END, the loss on these alone."""
    rng = random.Random(seed)
    token_BT, label_BT = examples(tokenizer, mazes, rng)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / LEARNING_RATE_RAMP, 0.05 + (steps - step) / (COOL_DOWN * steps)),
    )
    model.train()
    for step in range(1, steps + 1):
        batch = rng.sample(range(len(mazes)), BATCH)
        loss = model(input_ids=token_BT[batch], labels=label_BT[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step:4d}  loss {loss.item():.3f}", flush=True)


README = """\
# Maze policy

A language model of {parameters:,} weights (Llama style, 3 layers of width 128, one token a character) that
answers a {size} x {size} maze with moves: `{prompt}` is continued by `{answer}{end}`.

It is a starting point for reinforcement learning that fits on a CPU: it knows more than it shows. It learnt by
next-token prediction on one careless demonstration of each of {count:,} mazes, {steps} steps of {batch}: a shortest
path of which each move is, with probability {slip}, replaced by one drawn from all four. Made by

    python scripts/make_policy.py --seed {seed}

Measured on {held_out} other mazes of the same kind (openings {openings}), {samples} answers each, temperature 1,
at most {max_answer} tokens:

| Pass@1 | Pass@2 | Pass@4 | Pass@8 | ends by itself | different answers in {samples} |
|---|---|---|---|---|---|
| {pass1:.3f} | {pass2:.3f} | {pass4:.3f} | {pass8:.3f} | {ended:.1%} | {different:.1f} |

Of {held_out} mazes, by the number of right answers among {samples}:

| {header} |
|{rule}|
| {histogram} |

Mazes from the same distribution, in the format it reads:

    python -m passk_rlhf.tasks.maze --count 2000 --seed 1 -o train.jsonl

The mazes it has seen, for `--exclude`:

    python -m passk_rlhf.tasks.maze --count {count} --seed {warm_seed} -o seen.jsonl
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train, measure and save the bundled maze policy.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    args = parser.parse_args()

    began = time.monotonic()
    torch.set_num_threads(1)  # so that sums do not depend on how many cores share them
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(args.seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    seen = task.draw_distinct(task.POLICY_SIZE, openings=task.POLICY_OPENINGS, **task.POLICY_WARM_UP)
    held_out = task.draw_distinct(task.POLICY_SIZE, openings=task.POLICY_OPENINGS, exclude=seen, **HELD_OUT)
    warm_up(model, tokenizer, seen, steps=args.steps, seed=args.seed)

    torch.manual_seed(args.seed)
    answers = sample(model, tokenizer, held_out, SAMPLES)
    verdict_PN = verdicts(held_out, answers)
    right_P = verdict_PN.sum(dim=1).tolist()
    pass_k = {k: pass_at_k(verdict_PN, k).mean().item() for k in (1, 2, 4, 8)}

    model.save_pretrained(args.output)
    tokenizer.save_pretrained(args.output)
    readme = README.format(
        parameters=model.num_parameters(),
        size=task.POLICY_SIZE,
        openings=task.POLICY_OPENINGS,
        prompt=task.policy_prompt(held_out[0]),
        answer=task.shortest_path(held_out[0]),
        end=END,
        steps=args.steps,
        slip=SLIP,
        batch=BATCH,
        count=task.POLICY_WARM_UP["count"],
        warm_seed=task.POLICY_WARM_UP["seed"],
        seed=args.seed,
        held_out=len(held_out),
        samples=SAMPLES,
        max_answer=MAX_ANSWER,
        ended=sum(END in answer for group in answers for answer in group) / verdict_PN.numel(),
        different=sum(len(set(group)) for group in answers) / len(answers),
        header=" | ".join(map(str, range(SAMPLES + 1))),
        rule="---|" * SAMPLES + "---",
        histogram=" | ".join(str(right_P.count(c)) for c in range(SAMPLES + 1)),
        **{f"pass{k}": value for k, value in pass_k.items()},
    )
    (args.output / "README.md").write_text(readme, encoding="utf-8")
    print(", ".join(f"Pass@{k} {value:.3f}" for k, value in pass_k.items()), f"on {len(held_out)} held-out mazes")
    print(f"saved to {args.output} after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
