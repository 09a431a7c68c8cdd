"""Where rollouts are generated, in vLLM's Ray worker: every return is read before anything is done with it.

    SingleTurnAgentExecutor._fetch_rewards_via_func, _via_http   what they fetch becomes numbers, Missing or Malformed
                                                                 (returns.py), also where they raise
    vllm_engine._load_agent_executor                             the executor that it makes is watched: what raises
                                                                 becomes a rollout without reward

OpenRLHF gathers the rollouts of a prompt, so one that raises would take the others with it, and catches what reading a
reward raises, so that a broken reward function would look like one without a reward.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

import torch

from passk_rlhf.coroutines import RewardExit, RewardTimeout
from passk_rlhf.responses import FAILED, read_response
from passk_rlhf.returns import Malformed, MalformedReturn, Missing, alone, described, number, reading

STEP = "step() returned"
RETURN_STEP = (
    "reset() returns {'observation': text, ...}, "
    "step() {'rewards': number, 'scores': number, 'environment_feedback': text, 'done': True or False}"
)


class NoReward(ValueError):
    """A step() gave no reward: the whole rollout has none; for whoever wrote the agent."""


def read_rewards(module: ModuleType) -> None:
    """Change `openrlhf.utils.agent`; reward_time.py calls this, once it has put its time limit there."""
    executor = module.SingleTurnAgentExecutor
    own_execute = executor.execute
    for name, who in (("_fetch_rewards_via_func", "reward_func"), ("_fetch_rewards_via_http", "the reward server")):
        setattr(executor, name, _read(getattr(executor, name), own_execute, who, module.logger))


def _read(fetch: Callable, own_execute: Callable, who: str, logger: Any) -> Callable:
    @wraps(fetch)
    async def fetch_and_read(self, queries: list, prompts: list, labels: list) -> list:
        if type(self).execute is not own_execute:  # an executor that makes its own of what was returned
            return await fetch(self, queries, prompts, labels)
        try:
            returned = await fetch(self, queries, prompts, labels)
        except Exception as error:
            logger.info(f"[SingleTurnExecutor] Failed to fetch reward from remote RM: {error!r}")
            ours = isinstance(error, RewardTimeout | RewardExit)
            return [{"rewards": Missing(str(error) if ours else f"{who} raised {error!r}")}]
        return [reading(returned[0] if returned else None, who)]

    return fetch_and_read


def install(module: ModuleType) -> None:
    """Change `openrlhf.trainer.ray.vllm_engine`."""
    load = module._load_agent_executor

    @wraps(load)
    def load_and_watch(agent_func_path: str):
        return watched(load(agent_func_path))

    module._load_agent_executor = load_and_watch


def watched(executor: Any) -> Any:
    """The same executor, whose `execute` returns a response that can be trained on, or says why there is none.

    An agent's steps are read too, if OpenRLHF's own `execute` runs it: there a reward is a tensor, and nothing else.
    """
    from openrlhf.utils.agent import MultiTurnAgentExecutor, logger

    execute, theirs, shown = executor.execute, type(executor).execute, set()
    if stepped := theirs is MultiTurnAgentExecutor.execute:
        make = executor.agent_instance_cls
        executor.agent_instance_cls = lambda: _Steps(make())
    who = "the agent" if stepped else "AgentExecutor.execute"

    @wraps(execute)
    async def execute_and_watch(prompt, label, **asked):
        try:
            response = await execute(prompt=prompt, label=label, **asked)
        except MalformedReturn as error:
            return stand_in(prompt, label, asked, Malformed(str(error), RETURN_STEP))
        except NoReward as error:
            return stand_in(prompt, label, asked, Missing(str(error)))
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if of_the_machine(error) or asyncio.current_task().cancelling():
                raise
            why = f"{who} raised {error!r}"
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = type(error), place.filename, place.lineno
            logger.warning(f"{why}; its rollout has no reward", exc_info=None if fault in shown else error)
            shown.add(fault)  # one traceback of a fault, not of each rollout
            return stand_in(prompt, label, asked, Missing(why))
        if response is None:
            return stand_in(prompt, label, asked, Missing(f"{who} returned None"))
        if isinstance(response, Mapping):
            response = {"prompt": prompt, "label": label} | dict(response)
            response["prompt"] = response["prompt"] if isinstance(response["prompt"], str) else prompt
            if asked["sampling_params"].logprobs is None:  # nobody will read them, and some may have none
                response["rollout_log_probs"] = None
        response = read_response(response, "step()" if stepped else who)
        if isinstance(broken := response["reward"], Malformed):
            broken = Malformed(broken.what, RETURN_STEP) if stepped else broken
            return stand_in(prompt, label, asked, broken)
        return response

    executor.execute = execute_and_watch
    return executor


def of_the_machine(error: BaseException | None) -> bool:
    """Is it vLLM's engine or the memory that failed, and no single rollout?"""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or type(error).__name__ == "EngineDeadError":
            return True
        error = error.__cause__ or error.__context__
    return False


def stand_in(prompt: str, label: Any, asked: Mapping[str, Any], mark: Missing | Malformed) -> dict[str, Any]:
    """In place of a rollout that was not finished: a group keeps its N answers, and each actor its share.

    Two tokens of which the policy "wrote" the second, as OpenRLHF divides by the number of such tokens of a micro-batch
    and by that of an answer. It is left out by the design, so that nothing is learned from it (missing.py).
    """
    token = getattr(asked.get("hf_tokenizer"), "eos_token_id", None) or 0
    kept = getattr(asked.get("sampling_params"), "logprobs", None) is not None
    return {
        "prompt": prompt,
        "label": label,
        "images": asked.get("images"),
        "mm_train_inputs": None,
        "observation_tokens": [token, token],
        "action_ranges": [(1, 2)],
        "rollout_log_probs": [0.0, 0.0] if kept else None,
        "truncated": False,
        "reward": mark,
        "scores": None,
        "extra_logs": {},
        FAILED: True,
    }


class _Steps:
    """An agent whose reset() and step() return what OpenRLHF's MultiTurnAgentExecutor can read."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    async def reset(self, states: dict, **kwargs: Any) -> Mapping:
        returned = await _awaited(self.agent.reset(states, **kwargs))
        if not isinstance(returned, Mapping) or not isinstance(returned.get("observation"), str):
            what = described(returned)
            raise MalformedReturn(f"reset() returned {what}, and not a dict whose 'observation' is text")
        return returned

    async def step(self, states: dict, **kwargs: Any) -> dict[str, Any]:
        returned = alone(await _awaited(self.agent.step(states, **kwargs)))
        if returned is None:
            raise NoReward(f"{STEP} None")
        if not isinstance(returned, Mapping):
            raise MalformedReturn(f"{STEP} {described(returned)}")
        if missing := {"rewards", "done"} - returned.keys():
            raise MalformedReturn(f"{STEP} a dict without {min(missing)!r}")
        feedback = returned.get("environment_feedback")
        if not isinstance(feedback, str | None):
            raise MalformedReturn(f"{STEP} {described(feedback)} as 'environment_feedback', where text is needed")
        try:
            reward = number(returned["rewards"])
        except MalformedReturn as error:
            raise MalformedReturn(f"{STEP} {error} as 'rewards', where one number is needed") from None
        if reward is None:
            raise NoReward(f"{STEP} None as 'rewards'")
        # OpenRLHF takes "scores" and "extra_logs" of the last step into the response, where they are read.
        read = {"rewards": torch.tensor(reward, dtype=torch.float64), "environment_feedback": feedback or ""}
        return dict(returned) | read


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
