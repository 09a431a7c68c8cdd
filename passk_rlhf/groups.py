"""Which answers of a batch are a group, whatever order and pieces OpenRLHF has them in.

experiences, each with `index`, the places of its samples in prompt order
  gather    (B,) in the order of the experiences → (P, N), each group one row
  scatter   (P, N) → one (B,) tensor an experience
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from passk_rlhf.returns import short
from shaping import RewardError


@dataclass(frozen=True)
class Groups:
    """Where the samples of a batch belong: `order[i]` is the place of sample i in prompt order."""

    order: Tensor  # (B,)
    sizes: list[int]  # samples of each experience
    N: int
    prompts: list[str]  # in prompt order
    mixed: str = ""  # where texts differ within a group, in words

    @classmethod
    def of(cls, experiences: list, N: int) -> Groups:
        """Raise RewardError unless the batch is made of whole groups, N answers each.

        Which answers are a group, `index` alone says: an executor may put a path, a date or a task into the text of a
        prompt, so that it differs within its group.
        """
        order = [place for experience in experiences for place in experience.index]
        texts = [text for experience in experiences for text in experience.prompts]
        B = len(order)
        if sorted(order) != list(range(B)):
            raise RewardError(
                f"the batch's `index` is no permutation of 0..{B - 1}: groups cannot be rebuilt from {order}"
            )
        if B % N:
            raise RewardError(f"{B} answers are not whole groups of {N}: the answers of some prompt are missing")
        if len(texts) != B:
            raise RewardError(f"{B} answers come with {len(texts)} prompts")
        prompts = [""] * B
        for place, text in zip(order, texts, strict=True):
            prompts[place] = text
        differing = (place for place in range(B) if prompts[place] != prompts[place // N * N])
        mixed = ""
        if (place := next(differing, None)) is not None:
            mixed = (
                f"the prompts of group {place // N} differ in their text: that of answer 0 is "
                f"{short(prompts[place // N * N])}, that of answer {place % N} {short(prompts[place])}"
            )
        return cls(torch.tensor(order), [len(experience.index) for experience in experiences], N, prompts, mixed)

    def gather(self, value_B: Tensor) -> Tensor:
        """Batch order → (P, N) in prompt order."""
        if value_B.numel() != self.order.numel():
            raise RewardError(
                f"{value_B.numel()} rewards for {self.order.numel()} answers: one number an answer is needed"
            )
        sorted_B = torch.empty_like(value_B)
        sorted_B[self.order.to(value_B.device)] = value_B
        return sorted_B.reshape(-1, self.N)

    def scatter(self, value_PN: Tensor) -> tuple[Tensor, ...]:
        """(P, N) → one (B,) tensor an experience, in its own order."""
        return value_PN.reshape(-1)[self.order.to(value_PN.device)].split(self.sizes)

    def naming_the_prompt(self, error: RewardError) -> RewardError:
        if error.prompt is None:
            return error
        return RewardError(f"{error}\nprompt {error.prompt}: {short(self.prompts[error.prompt * self.N])}")
