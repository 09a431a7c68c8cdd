"""Prompts with a handful of answers each, and a softmax policy over them: what simulate.py trains.

Every prompt can be answered in ANSWERS ways, the same ways for all prompts, such as methods of proof. RIGHT of them are
right, other ones at other prompts; some ways are right at many prompts, some at few. The policy has a parameter for
each way at each prompt, and one for each way that all prompts share:

    z_xa = sqrt((1 - shared) P) theta_xa + sqrt(shared) omega_a,      pi_x = softmax(z_x)

so that one step of SGD on the mean over P prompts moves the logits of prompt x by

    lr ((1 - shared) g_x + shared mean_y g_y),      g_xa = (1/N) sum_i A_i (1[answer i is a] - pi_x(a))

where g_x is the REINFORCE gradient of the sampled group. What is learnt at one prompt helps where the same way is right
and hurts where it is wrong. Only log pi is kept: theta and omega are not needed to make the step.

Constants were set before anything was trained, and stand here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

ANSWERS = 24  # ways to answer a prompt
RIGHT = 4  # of these are right
RATIO = 3  # each right way is this many times less likely than the one before: at first 68, 23, 8 and 3 % of p
HARDEST, EASIEST = -6.0, 2.0  # logits of p, evenly spaced over the prompts: 0.002 to 0.88
POPULARITY = 1.0  # spread of the log odds with which a way is right at a prompt
WRONG = 1.0  # spread of the logits of wrong ways
SHARED = 0.5  # how much of a step is the same for all prompts, if nothing else is asked for
LENGTHS = 100.0, 20.0  # tokens of the first way, and how many more of each next one


@dataclass(frozen=True)
class Answers:
    """A batch: R rows of N sampled answers, the rows of one seed after those of another."""

    way_RN: Tensor
    reward_RN: Tensor  # float32, 0 or 1
    signals: dict[str, Tensor]  # length, logprob, truncated

    def part(self, rows: slice) -> Answers:
        signals = {name: value_RN[rows] for name, value_RN in self.signals.items()}
        return Answers(self.way_RN[rows], self.reward_RN[rows], signals)


class Population:
    """P prompts for each of S seeds, R = S P rows. A seed's prompts and samples depend on that seed and on P alone."""

    def __init__(self, P: int, seeds: range, shared: float = SHARED) -> None:
        self.P, self.shared = P, shared
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        made = [_prompts(P, generator) for generator in self.generators]
        self.right_RC = torch.cat([right_PC for right_PC, _ in made])  # places of the right ways
        self.log_pi_RA = torch.cat([log_pi_PA for _, log_pi_PA in made])  # of the first policy
        self.right_RA = torch.zeros(self.log_pi_RA.shape).scatter_(-1, self.right_RC, 1)

    def uniforms(self, N: int) -> Tensor:
        """uniform_RN for the next step: shared by all designs, so that equal policies give equal answers."""
        return torch.cat([torch.rand(self.P, N, generator=each, dtype=torch.float64) for each in self.generators])

    def sample(self, log_pi_RA: Tensor, uniform_RN: Tensor) -> Answers:
        way_RN = torch.searchsorted(log_pi_RA.exp().cumsum(-1), uniform_RN, right=True).clamp(max=ANSWERS - 1)
        signals = {
            "length": LENGTHS[0] + LENGTHS[1] * way_RN.float(),
            "logprob": log_pi_RA.gather(-1, way_RN).float(),
            "truncated": torch.zeros(way_RN.shape),
        }
        return Answers(way_RN, self.right_RA.gather(-1, way_RN), signals)

    def step(self, log_pi_RA: Tensor, way_RN: Tensor, advantage_RN: Tensor, lr: float) -> Tensor:
        """log pi after one SGD step (see the head of the file)."""
        weight_RN = advantage_RN.double() / way_RN.shape[-1]
        g_RA = torch.zeros_like(log_pi_RA).scatter_add_(-1, way_RN, weight_RN)
        g_RA -= weight_RN.sum(-1, keepdim=True) * log_pi_RA.exp()
        g_SPA = g_RA.view(-1, self.P, ANSWERS)
        push_SPA = (1 - self.shared) * g_SPA + self.shared * g_SPA.mean(1, keepdim=True)
        return (log_pi_RA + lr * push_SPA.view_as(log_pi_RA)).log_softmax(-1)

    def measure(self, log_pi_RA: Tensor, k: int) -> dict[str, Tensor]:
        """Exact means over the prompts of each seed, nothing is sampled.

        pass@1   p, the chance of a right answer
        pass@k   1 - (1 - p)^k
        entropy  of the policy, in nats
        ways     how many right ways are in use: e to the entropy among them, 1 to RIGHT
        lost     share of prompts that are solved less than half as often as by the first policy
        """
        among_RC = log_pi_RA.gather(-1, self.right_RC)
        log_p_R = among_RC.logsumexp(-1)
        first_R = self.log_pi_RA.gather(-1, self.right_RC).logsumexp(-1)
        miss_R = (-log_p_R.expm1()).clamp(min=0)  # log p may be rounded to above 0
        found = {
            "pass@1": 1 - miss_R,
            f"pass@{k}": 1 - miss_R**k,
            "entropy": _entropy(log_pi_RA),
            "ways": _entropy(among_RC - log_p_R.unsqueeze(-1)).exp(),
            "lost": (log_p_R < first_R - log(2)).double(),
        }
        return {name: value_R.view(-1, self.P).mean(-1) for name, value_R in found.items()}


def _entropy(log_pi_RA: Tensor) -> Tensor:
    return -(log_pi_RA.exp() * log_pi_RA).sum(-1)


def _prompts(P: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """right_PC, and log_pi_PA of a policy to which some prompts are easy and some hard."""
    kind = {"generator": generator, "dtype": torch.float64}
    popular_A = POPULARITY * torch.randn(ANSWERS, **kind)
    gumbel_PA = -torch.rand(P, ANSWERS, **kind).log().neg().log()
    right_PC = (popular_A + gumbel_PA).topk(RIGHT).indices  # drawn without replacement, odds exp(popular)
    level_P1 = HARDEST + (EASIEST - HARDEST) * (torch.arange(P, dtype=torch.float64).unsqueeze(-1) + 0.5) / P
    wrong_PA = (WRONG * torch.randn(P, ANSWERS, **kind)).scatter(-1, right_PC, -torch.inf)
    modes_C = (-log(RATIO) * torch.arange(RIGHT, dtype=torch.float64)).log_softmax(-1)
    log_pi_PA = torch.nn.functional.logsigmoid(-level_P1) + wrong_PA.log_softmax(-1)
    log_pi_PA.scatter_(-1, right_PC, torch.nn.functional.logsigmoid(level_P1) + modes_C)
    return right_PC, log_pi_PA
