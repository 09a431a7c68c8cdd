"""Make the bundled maze policy: a small Llama, warmed up on shortest paths.

    python scripts/make_policy.py                    # about four minutes on two cores

In    a seed; mazes from passk_rlhf/tasks/maze.py, of POLICY_SIZE and POLICY_OPENINGS
Out   passk_rlhf/tasks/maze_policy/: config, weights, tokenizer, README with what was measured

The policy shall be half trained: right about one time in three, so that groups of
answers disagree and reinforcement learning has something to raise, and wrong in
many ways, so that more answers solve more mazes. So STEPS is small. It sees WARM_UP
mazes only; what is measured is measured on others.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from passk_rlhf.tasks import maze as task  # noqa: E402

PAD, END = "<pad>", "</s>"
CHARACTERS = "*.SE/>LRUD"
MAX_ANSWER = 17  # 8 cells beyond S, two moves each, and END: the longest shortest path of a 7 x 7 maze

WARM_UP = {"count": 4000, "seed": 1000}
HELD_OUT = {"count": 512, "seed": 2000}
SAMPLES = 8
STEPS = 400
BATCH = 128
LEARNING_RATE = 1e-3
LEARNING_RATE_RAMP = 20


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character, nothing added on either side.

    A character outside CHARACTERS is an error, not a silent gap.
    """
    vocabulary = {token: number for number, token in enumerate([PAD, END, *CHARACTERS])}
    backend = Tokenizer(models.WordLevel(vocabulary))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r".|\n"), "isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token=END, padding_side="left", clean_up_tokenization_spaces=False
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def warm_up(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, mazes: list[str], seed: int) -> None:
    """Next-token prediction of the shortest path, the loss on the answer alone."""
    prompts = [task.policy_prompt(maze) for maze in mazes]
    prompt_BT = torch.tensor(tokenizer(prompts, add_special_tokens=False)["input_ids"])
    answers = [task.shortest_path(maze) + END for maze in mazes]
    tokenizer.padding_side = "right"
    answer_BT = tokenizer(answers, padding=True, return_tensors="pt", add_special_tokens=False)["input_ids"]
    tokenizer.padding_side = "left"
    token_BT = torch.cat([prompt_BT, answer_BT], dim=1)
    label_BT = torch.cat([torch.full_like(prompt_BT, -100), answer_BT.masked_fill(answer_BT == tokenizer.pad_token_id, -100)], dim=1)

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / LEARNING_RATE_RAMP))
    rng = random.Random(seed)
    model.train()
    for step in range(1, STEPS + 1):
        rows = rng.sample(range(len(mazes)), BATCH)
        loss = model(input_ids=token_BT[rows], labels=label_BT[rows]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == STEPS:
            print(f"step {step:4d}  loss {loss.item():.3f}", flush=True)
