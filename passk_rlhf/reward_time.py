"""A time limit for a reward function in Python: --reward-timeout, in seconds for one answer.

OpenRLHF gives a reward server 180 seconds and tries it five times; a function it awaits forever, and one answer on
which a parser or a sympy call never returns stops the whole run. Here such a call counts as failed: OpenRLHF logs it
and leaves the answer without reward, which ends the step with the answer's prompt, or is left out by a design with
`on_missing: drop`.

A thread cannot be ended from outside, so the call goes on in the background and keeps a core busy. Threads are our own
and daemonic: those of asyncio's pool are few, so some hanging calls would block all others, and are waited for at exit.

A coroutine function (`async def reward_func`) is awaited, with the same limit: OpenRLHF itself would take its coroutine
for the return. A coroutine that is too late is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from types import ModuleType

from passk_rlhf import coroutines
from passk_rlhf.coroutines import RewardTimeout

ENVIRONMENT = "PASSK_RLHF_REWARD_TIMEOUT"
DEFAULT = 180.0  # seconds
AT_ONCE = 32  # calls; asyncio's own pool has at most as many


def install(module: ModuleType) -> None:
    """Change `openrlhf.utils.agent`: OpenRLHF's SingleTurnAgentExecutor calls the reward function there, and reads what
    it returned (rollouts.py)."""
    limit = float(os.environ.get(ENVIRONMENT, DEFAULT))
    free = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, queries: list, prompts: list, labels: list) -> list:
        results = []
        for one in zip(queries, prompts, labels, strict=True):
            async with free:  # the limit is of the call alone, not of the time it waits for its turn
                results.append(await within(limit, self.reward_func, *([each] for each in one)))
        return results

    module.SingleTurnAgentExecutor._fetch_rewards_via_func = fetch
    if hasattr(module.SingleTurnAgentExecutor, "execute"):
        from passk_rlhf.rollouts import read_rewards

        read_rewards(module)


async def within(limit: float, function, *args):
    """function(*args) in a thread of its own; what it returns is awaited, if it can be, in `coroutines`' loop.

    Raises:
      RewardTimeout: there was no result after `limit` seconds. What the function raises is raised.
    """
    loop = asyncio.get_running_loop()
    result = loop.create_future()
    begun = []  # the coroutine that the function returned, if any

    def settle(set_it, value) -> None:
        if not result.done():  # too late otherwise
            set_it(value)

    def call() -> None:
        try:
            value, set_it = function(*args), result.set_result
            if inspect.isawaitable(value):
                begun.append(coroutines.begin(value))
                value = begun[0].result()
        except StopIteration as error:  # no future may carry it
            value, set_it = coroutines.RewardExit(f"the reward function raised {error!r}"), result.set_exception
        except Exception as error:
            value, set_it = error, result.set_exception
        except BaseException as error:  # SystemExit, say, would end the worker
            value, set_it = coroutines.RewardExit(f"the reward function raised {error!r}"), result.set_exception
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, set_it, value)

    threading.Thread(target=call, daemon=True, name="reward function").start()
    try:
        return await asyncio.wait_for(result, limit)
    except TimeoutError:
        if not result.cancelled():  # the function's own
            raise
        if begun:
            begun[0].cancel()
            await coroutines.replace_if_stuck()
        raise RewardTimeout(f"the reward function took longer than {limit:g} s for one answer") from None
