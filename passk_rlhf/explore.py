"""Does the policy still try different things? What Chen et al. 2025 (arXiv:2508.10751) watch in their Fig. 7.

    explore/distinct_wrong      of a group's wrong answers, how many are different from each other
    explore/surprisal_correct   how unlikely its correct answers were to the policy, in nats a token
    explore/surprisal_wrong     and its wrong ones

A policy that has stopped exploring gives one wrong answer again and again, and is sure of it. The paper's Fig. 7a shows
the ratio of different answers among the wrong ones, its Fig. 7b the entropy of the policy; surprisal is the estimate of
that entropy which costs nothing, since OpenRLHF has computed the log-probabilities.

Two answers are the same if their tokens are; of an agent, the tokens that the policy wrote in all turns. Where answers
are long that says little, since hardly any two are alike in every word. There a reward function returns what it found,
"extra_logs": {"answer": 42}, a whole number or a float32, and answers are the same if these numbers are. NaN, where it
found nothing, is one of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ANSWER = "answer"  # in a reward function's "extra_logs"


def answer_ids(experiences: list, masks: list[Tensor]) -> Tensor | None:
    """(B,) whole numbers, equal where answers are, in the order of the experiences.

    `masks` are their action masks, as bool. None if the experiences have no sequences. Of answers that differ, one pair
    in 2^64 gets the same number.
    """
    found = [experience.info.get(ANSWER) for experience in experiences]
    if all(isinstance(value, Tensor) and value.numel() == len(mask) for value, mask in zip(found, masks, strict=True)):
        number_B = torch.cat([value.reshape(-1) for value in found])
        if not number_B.is_floating_point():
            return number_B.long()
        number_B = number_B.double() + 0.0  # -0.0 is 0.0
        return torch.where(number_B.isnan(), torch.nan, number_B).view(torch.int64)
    if any(experience.sequences is None for experience in experiences):
        return None
    of_each = (_of_tokens(experience.sequences, mask) for experience, mask in zip(experiences, masks, strict=True))
    return torch.tensor([id for ids in of_each for id in ids], dtype=torch.int64)


def _of_tokens(sequences: Tensor, mask_BT: Tensor) -> list[int]:
    # A place of the mask is that of the token after it in `sequences`.
    rows = zip(sequences[:, 1:].cpu().numpy(), mask_BT.cpu().numpy(), strict=True)
    return [hash(tokens[mask].tobytes()) for tokens, mask in rows]


def distinct_wrong(wrong_PN: Tensor, id_PN: Tensor) -> float:
    """The number of different wrong answers over the number of wrong answers, mean over the groups that have one.

    1 where no two of a group's wrong answers are alike, 1 / n_neg where all are. NaN if no answer is wrong.

    >>> distinct_wrong(torch.tensor([[True, True, True, False]]), torch.tensor([[7, 7, 8, 9]]))
    0.6666666666666666
    """
    groups = [ids[wrong].tolist() for wrong, ids in zip(wrong_PN.cpu(), id_PN.cpu(), strict=True)]
    shares = [len(set(ids)) / len(ids) for ids in groups if ids]
    return math.fsum(shares) / len(shares) if shares else math.nan


def explore_metrics(
    correct_PN: Tensor,
    id_PN: Tensor | None,
    surprisal_PN: Tensor | None,
    has_tokens_PN: Tensor,
    there_PN: Tensor | None = None,
) -> dict[str, float]:
    """The metrics of one batch, by the names they have in the log. NaN where there is nothing to take a mean of.

    Args:
      correct_PN: the design's verdicts.
      id_PN: `answer_ids` in prompt order.
      surprisal_PN: of each answer minus the mean log-probability of its tokens, in nats. Every answer counts once,
        however long; one without tokens does not count.
      there_PN: which answers a design with `on_missing: drop` has not left out; None: all are there.

    Example:
      >>> right, surprisal = torch.tensor([[True, False, False]]), torch.tensor([[0.5, 1.0, 2.0]])
      >>> explore_metrics(right, torch.tensor([[1, 2, 2]]), surprisal, surprisal > 0)
      {'explore/distinct_wrong': 0.5, 'explore/surprisal_correct': 0.5, 'explore/surprisal_wrong': 1.5}
    """
    there_PN = torch.ones_like(correct_PN) if there_PN is None else there_PN
    correct_PN, wrong_PN = correct_PN & there_PN, ~correct_PN & there_PN
    result = {"explore/distinct_wrong": math.nan if id_PN is None else distinct_wrong(wrong_PN, id_PN)}
    for outcome, mask_PN in (("correct", correct_PN), ("wrong", wrong_PN)):
        counted_PN = mask_PN & has_tokens_PN
        value = math.nan if surprisal_PN is None else surprisal_PN[counted_PN].double().mean().item()
        result[f"explore/surprisal_{outcome}"] = value
    return result
