"""From the response of an executor to OpenRLHF's Experience of one answer, and what is kept on it until the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from passk_rlhf.responses import FAILED, read_response
from passk_rlhf.returns import Malformed, Missing, short
from shaping import RewardError

WHY = "passk_rlhf_why"  # why it has no reward
STAND_IN = "passk_rlhf_stand_in"  # its rollout was not finished


def experience_of(make: Callable[[dict], Any], response: Any, tokenizer: Any) -> Any:
    """OpenRLHF's Experience of one answer, by its own `make`, from a response whose numbers have been read.

    Raises:
      RewardError: reward, score or extra_logs cannot be read (returns.py). With `on_missing: drop` too: what returns
        such a thing is broken for every answer.
    """
    response = read_response(response)
    reward = response["reward"]
    if isinstance(reward, Malformed):
        answer = ""
        if response.get("action_ranges") and not response.get(FAILED):
            tokens = [t for start, end in response["action_ranges"] for t in response["observation_tokens"][start:end]]
            answer = f"\nanswer: {short(tokenizer.decode(tokens))}"
        raise RewardError(
            f"{reward.what} at prompt {short(response.get('prompt', 'unknown'))}; {reward.advice}.{answer}\n"
            "This ends a run with on_missing: drop too: not one answer is at fault, but what returns this"
        )
    if isinstance(reward, Missing):
        response |= {"reward": None, "scores": None}
    experience = make(response)
    if isinstance(reward, Missing):
        setattr(experience, WHY, reward.why)
    if response.get(FAILED):
        setattr(experience, STAND_IN, True)
    return experience


def why_missing(samples: list) -> str:
    """Why the first of them that has no reward has none, as far as it is known."""
    return next((why for sample in samples if (why := getattr(sample, WHY, ""))), "")


def failed(sample: Any) -> bool:
    """Its rollout was not finished (rollouts.py): the two tokens in its place are nobody's answer."""
    return getattr(sample, STAND_IN, False)
