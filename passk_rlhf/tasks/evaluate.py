"""Ask a policy for several answers to each maze, and say how many are right.

In    a policy, mazes
Out   verdict_PN: P mazes, N sampled answers each

Sampling is transformers' own, on the CPU: independent of the training stack whose
result it measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from passk_rlhf.tasks import maze as task

BATCH = 512  # answers generated at once
MAX_ANSWER = 24  # tokens; the longest shortest path of a 7×7 maze has 16 moves, the rest is room for detours


@torch.no_grad()
def sample(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, mazes: Sequence[str], n: int) -> list[list[str]]:
    """For each maze n answers at temperature 1 from the whole vocabulary, special tokens included.

    Raises:
      ValueError: the mazes are not all of one size.
    """
    prompts = [task.policy_prompt(maze) for maze in mazes]
    if len({len(prompt) for prompt in prompts}) > 1:
        raise ValueError("mazes of one size only, so that no prompt needs padding")
    prompt_PT = torch.tensor(tokenizer(prompts, add_special_tokens=False)["input_ids"])
    model.eval()
    answers: list[str] = []
    for prompt_BT in prompt_PT.repeat_interleave(n, dim=0).split(BATCH):
        token_BT = model.generate(
            prompt_BT,
            attention_mask=torch.ones_like(prompt_BT),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=MAX_ANSWER,
            pad_token_id=tokenizer.pad_token_id,
        )
        answers += tokenizer.batch_decode(token_BT[:, prompt_PT.shape[1] :])
    return [answers[i : i + n] for i in range(0, len(answers), n)]


def verdicts(mazes: Sequence[str], answers: Sequence[Sequence[str]]) -> Tensor:
    """Bool (P, N): is the answer right? One that was cut off counts as it stands."""
    return torch.tensor(
        [[task.correct(answer, maze) for answer in group] for maze, group in zip(mazes, answers, strict=True)]
    )


def solve(model_dir: str | Path, mazes: Sequence[str], *, samples: int, seed: int) -> Tensor:
    """The verdicts on `samples` answers of the policy saved in `model_dir`. The same seed gives the same answers."""
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    torch.manual_seed(seed)
    return verdicts(mazes, sample(model, tokenizer, mazes, samples))
