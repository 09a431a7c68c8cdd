"""What a design is called with in Python: tensors, whole numbers, signals that it may read. Anything else is told."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import torch
from torch import Tensor

from shaping.design import Design
from shaping.errors import RewardError
from shaping.language.vocabulary import ANSWER, SIGNALS

GIVEN = {name for name, row in SIGNALS.items() if row.scope == ANSWER and not row.section}
GIVEN -= {"r", "score", "correct", "surprisal"}  # the rewards and scores themselves, and what is made of others
OTHERWISE = {
    "r": "rewards are the first argument: design(rewards)",
    "reward": "rewards are the first argument: design(rewards)",
    "rewards": "rewards are the first argument: design(rewards)",
    "score": "scores are the second argument: design(rewards, scores)",
    "scores": "scores are the second argument: design(rewards, scores)",
    "correct": "who is correct is decided by the scores: design(rewards, scores)",
    "surprisal": "it is -logprob: give logprob=",
}
LARGEST = 1 << 63  # of a seed or step: what 64 bits hold


def refuse_arguments(
    design: Design,
    reward_PN: object,
    score_PN: object | None,
    signal_PN: Mapping[str, object],
    numbers: Mapping[str, object],
) -> None:
    """
    Raises:
      RewardError: something is no tensor, a signal is none that this design may read, or a number is no whole one.

    Example:
      >>> from shaping import loads
      >>> refuse_arguments(loads("advantage: r"), [[1.0, 0.0]], None, {}, {})
      Traceback (most recent call last):
      shaping.errors.RewardError: design 'design': rewards are a list, not a tensor: torch.as_tensor(rewards)
    """
    known = sorted(GIVEN | design.sections.signals.keys())
    for name in signal_PN.keys() - set(known):
        if name in OTHERWISE:
            raise RewardError(f"design {design.name!r} takes no {name}=: {OTHERWISE[name]}")
        close = get_close_matches(name, known, n=1, cutoff=0.7)
        guess = f"did you mean {close[0]}=? " if close else ""
        listed = ", ".join(f"{each}=" for each in known)
        raise RewardError(f"design {design.name!r} takes no {name}=.\n{guess}It may be given {listed}.")
    what = {"rewards": reward_PN, "scores": score_PN, **signal_PN}
    for name, values in what.items():
        if values is None and name == "scores":
            continue
        if not isinstance(values, Tensor):
            kind = type(values).__name__
            usual = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
            shown = {"NoneType": "None", "ndarray": "a numpy array"}.get(kind, usual)
            told = f"{name} {_are(name)} {shown}, not a tensor"
            hint = "" if values is None else f": torch.as_tensor({name})"
            raise RewardError(f"design {design.name!r}: {told}{hint}")
        if values.layout != torch.strided or (values.is_complex() and name != "rewards"):
            told = f"{name} {_are(name)} {values.dtype}, {values.layout}"
            raise RewardError(f"design {design.name!r}: {told}; a design takes dense tensors of real numbers")
        if values.device != reward_PN.device:
            raise RewardError(
                f"design {design.name!r}: {name} {_are(name)} on {values.device}, rewards on {reward_PN.device}"
            )
    for name, value in numbers.items():
        if value is None and name != "seed":
            continue
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise RewardError(f"design {design.name!r}: {name}={value!r} is no whole number")
        if not -LARGEST <= int(value) < LARGEST:
            raise RewardError(f"design {design.name!r}: {name}={value} is larger than 64 bits hold")


def _are(name: str) -> str:
    return "are" if name in ("rewards", "scores") else "is"
