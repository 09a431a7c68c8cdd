"""The time limit of a reward function is of each call, and of nothing else."""

import asyncio
import functools
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from passk_rlhf import coroutines, reward_time
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
    never, before = threading.Event(), threading.enumerate()
    with pytest.raises(RewardTimeout):
        run(0.05, never.wait)
    new = set(threading.enumerate()) - set(before)
    (thread,) = (thread for thread in new if thread.name == "reward function")
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


# ── Coroutine functions ─────────────────────────────────────────────────────


async def doubled(number, after=0.0):
    await asyncio.sleep(after)
    return 2 * number


class Judge:
    """A client that belongs to the loop in which it was first used, as clients of servers do."""

    def __init__(self):
        self.loop = None

    async def __call__(self, number):
        here = asyncio.get_running_loop()
        self.loop = self.loop or here
        assert here is self.loop
        return 2 * number


def test_a_coroutine_function_is_awaited_whatever_kind_of_function_it_is():
    for function in (doubled, functools.partial(doubled, after=0.01), lambda number: doubled(number), Judge()):
        assert run(30, function, 3) == 6

    async def fails():
        raise KeyError("no such label")

    with pytest.raises(KeyError, match="no such label"):
        run(30, fails)


def test_all_coroutines_share_a_loop_that_is_not_the_callers():
    judge = Judge()
    assert [run(30, judge, i) for i in range(3)] == [0, 2, 4]  # each run has a loop of its own


def test_a_coroutine_that_takes_too_long_is_cancelled():
    ended = threading.Event()

    async def waits():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(RewardTimeout, match=r"took longer than 0.1 s for one answer"):
        run(0.1, waits)
    assert ended.wait(5)


def test_a_coroutine_that_blocks_its_loop_is_given_up_and_the_next_one_gets_another(monkeypatch):
    monkeypatch.setattr(coroutines, "PATIENCE", 0.1)
    never = threading.Event()

    async def blocks():
        never.wait(60)

    with pytest.raises(RewardTimeout):
        run(0.1, blocks)
    assert run(5, doubled, 3) == 6
    never.set()


def test_a_coroutine_that_exits_ends_neither_the_worker_nor_the_loop():
    async def exits():
        sys.exit(3)

    with pytest.raises(RuntimeError, match=r"the reward function raised SystemExit\(3\)"):
        run(30, exits)
    assert run(30, doubled, 3) == 6


def test_an_exception_that_is_no_error_is_not_waited_for():
    def cancelled():
        raise asyncio.CancelledError("by the judge")

    with pytest.raises(RuntimeError, match=r"raised CancelledError\('by the judge'\)"):
        run(30, cancelled)
