"""The time limit of a reward function is of each call, and of nothing else."""

import asyncio
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from passk_rlhf import reward_time
from passk_rlhf.reward_time import RewardTimeout, within


def run(limit, function, *args):
    return asyncio.run(within(limit, function, *args))


def test_what_a_function_returns_and_raises_comes_back():
    assert run(30, lambda a, b: a + b, 2, 3) == 5
    with pytest.raises(KeyError, match="no such label"):
        run(30, {}.__getitem__, "no such label")
    with pytest.raises(RuntimeError, match="the reward function raised StopIteration"):
        run(30, lambda: next(iter([])))
    with pytest.raises(RuntimeError, match=r"the reward function raised SystemExit\(3\)"):
        run(30, sys.exit, 3)


def test_a_function_that_never_returns_is_given_up():
    never = threading.Event()
    with pytest.raises(RewardTimeout, match=r"the reward function took longer than 0.1 s for one answer"):
        run(0.1, never.wait)
    never.set()


def test_a_timeout_of_the_functions_own_is_not_taken_for_ours():
    def asks_a_server():
        raise TimeoutError("the judge did not answer")

    with pytest.raises(TimeoutError, match="the judge did not answer") as error:
        run(30, asks_a_server)
    assert not isinstance(error.value, RewardTimeout)


def test_a_call_that_hangs_does_not_keep_the_process_alive():
    never = threading.Event()
    with pytest.raises(RewardTimeout):
        run(0.05, never.wait)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "reward function")
    assert thread.daemon
    never.set()


def test_waiting_for_a_turn_is_not_counted(monkeypatch):
    # 8 calls of 0.8 s, 2 at once: the last ones have waited for 2.4 s when they begin
    monkeypatch.setattr(reward_time, "AT_ONCE", 2)
    monkeypatch.setenv(reward_time.ENVIRONMENT, "2.4")
    module = SimpleNamespace(SingleTurnAgentExecutor=type("Executor", (), {}))
    reward_time.install(module)
    executor = module.SingleTurnAgentExecutor()

    def reward_func(queries, prompts, labels):
        time.sleep(0.8)
        return {"rewards": float(queries[0])}

    executor.reward_func = reward_func

    async def all_of_them():
        return await asyncio.gather(*(executor._fetch_rewards_via_func([i], [""], [""]) for i in range(8)))

    assert asyncio.run(all_of_them()) == [[{"rewards": float(i)}] for i in range(8)]
