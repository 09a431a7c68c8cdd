"""Ask a policy for several answers to each maze, and say how many are right.

In    a model folder, mazes
Out   verdict_PN: P mazes, N sampled answers each

Sampling is transformers' own, on the CPU: independent of the training stack whose
result it measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from passk_rlhf.tasks import maze as task

BATCH = 512  # answers generated at once


@torch.no_grad()
def solve(
    model_dir: str | Path,
    mazes: Sequence[str],
    *,
    samples: int,
    seed: int,
    temperature: float = 1.0,
    max_moves: int = 24,
) -> Tensor:
    """Sample `samples` answers to each maze at this temperature, from the whole vocabulary.

    Returns:
      Bool (mazes, samples). An answer that is cut off after `max_moves` tokens
      counts as it stands. The same seed gives the same answers.

    Raises:
      ValueError: the mazes are not all of one size.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    prompts = [task.policy_prompt(maze) for maze in mazes]
    if len({len(prompt) for prompt in prompts}) > 1:
        raise ValueError("mazes of one size only, so that no prompt needs padding")
    prompt_PT = torch.tensor(tokenizer(prompts, add_special_tokens=False)["input_ids"])
    torch.manual_seed(seed)
    answers = []
    for prompt_BT in prompt_PT.repeat_interleave(samples, dim=0).split(BATCH):
        output_BT = model.generate(
            prompt_BT,
            attention_mask=torch.ones_like(prompt_BT),
            do_sample=True,
            temperature=temperature,
            top_k=0,
            max_new_tokens=max_moves,
            pad_token_id=tokenizer.pad_token_id,
        )
        answers += tokenizer.batch_decode(output_BT[:, prompt_PT.shape[1] :])
    verdicts = [task.correct(answer, mazes[i // samples]) for i, answer in enumerate(answers)]
    return torch.tensor(verdicts).reshape(len(mazes), samples)
