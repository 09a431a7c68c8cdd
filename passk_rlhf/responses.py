"""A whole response of an executor: the dict of which OpenRLHF makes an Experience.

    {"prompt", "label", "observation_tokens": [token, ...], "action_ranges": [(start, end), ...],
     "rollout_log_probs": [number, ...] or None, "reward": number, "scores": number, "extra_logs": {name: number}, ...}

OpenRLHF's own executors return such dicts, and so does an `AgentExecutor.execute` that a user wrote. Knows nothing of
OpenRLHF's classes; imported by vLLM's workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from passk_rlhf.returns import Malformed, MalformedReturn, described, number_at, numbers_of, shape_of

RETURN_RESPONSE = "return a dict with 'observation_tokens', 'action_ranges', 'reward': number and 'scores': number"
RETURN_ONE = (
    "return one response, a dict: OpenRLHF trains on exactly one sample of each call, and calls the executor "
    "--rollout.n_samples_per_prompt times for a prompt"
)
FAILED = "passk_rlhf_failed"  # a key of a response whose rollout was not finished (rollouts.py)


def read_response(response: Any, who: str = "the executor") -> dict[str, Any]:
    """A whole response of an executor, as OpenRLHF makes an Experience of it, with numbers and marks as above.

    Its "reward" becomes a float, a Missing or a Malformed, "scores" a float (the reward, where the executor gives none)
    or None, "extra_logs" a dict of floats; "observation_tokens" becomes a list. Reading what was read changes nothing.
    """
    if isinstance(response, list | tuple) and len(response) == 1:
        response = response[0]
    if isinstance(response, list | tuple):
        what = f"{who} returned {len(response)} samples of one rollout"
        return _unreadable(response[0] if response else None, Malformed(what, RETURN_ONE))
    try:
        if not isinstance(response, Mapping):
            raise MalformedReturn(described(response))
        found = {"rollout_log_probs": None} | dict(response)
        if not isinstance(found.get("reward"), Malformed):  # then nothing else of it is read
            found |= _trajectory(found)
        if "rewards" in found and "reward" not in found:
            raise MalformedReturn("a dict with 'rewards' and without 'reward'")
        numbers = numbers_of(found.get("reward"), found.get("scores"), found.get("extra_logs"), who, "reward")
        truncated = number_at(found.get("truncated"), "as 'truncated'")
    except MalformedReturn as error:
        return _unreadable(response, Malformed(f"{who} returned {error}", RETURN_RESPONSE))
    reward, score = numbers["rewards"], numbers["scores"]
    has_reward = isinstance(reward, float)
    score = reward if has_reward and score is None else score
    read = {"reward": reward, "scores": score, "extra_logs": numbers["extra_logs"], "truncated": bool(truncated)}
    return found | read


def _unreadable(response: Any, mark: Malformed) -> dict[str, Any]:
    """Of such a response only the prompt is kept, if it has one."""
    prompt = response.get("prompt") if isinstance(response, Mapping) else None
    return {"reward": mark} | ({} if prompt is None else {"prompt": prompt})


def _trajectory(response: dict[str, Any]) -> dict[str, list]:
    """The tokens of a response and which of them the policy wrote.

    Raises:
      MalformedReturn: they are not there, or do not fit each other.
    """
    found = {}
    for name in ("observation_tokens", "action_ranges", "rollout_log_probs"):
        value = response.get(name)
        value = value.tolist() if shape_of(value) is not None else list(value) if isinstance(value, tuple) else value
        if value is None and name == "rollout_log_probs":
            continue
        if not isinstance(value, list):
            what = described(response[name]) if name in response else "nothing"
            raise MalformedReturn(f"{what} as {name!r}, where a list is needed")
        found[name] = value
    tokens, logprobs = found["observation_tokens"], found.get("rollout_log_probs")
    if len(tokens) < 2 or not isinstance(tokens[0], Integral):
        raise MalformedReturn("'observation_tokens' that are no list of two or more token numbers")
    for each in found["action_ranges"]:
        if shape_of(each) != (2,) and not (isinstance(each, list | tuple) and len(each) == 2):
            raise MalformedReturn(f"{described(each)} in 'action_ranges', where pairs (start, end) are needed")
    if logprobs is not None and len(logprobs) != len(tokens):
        raise MalformedReturn(f"{len(logprobs)} 'rollout_log_probs' for {len(tokens)} 'observation_tokens'")
    return found
