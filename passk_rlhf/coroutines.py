"""Where reward functions that are coroutines run: one event loop for all of them, in a daemonic thread.

Not vLLM's own loop: a coroutine that blocks would stop generation, and no time limit would end it. Not a loop for each
call either: clients that a module keeps, of a judge say, belong to the loop in which they were first used.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import Future

PATIENCE = 1.0  # seconds for a loop to say that it is there

_lock = threading.Lock()
_running: list[tuple[asyncio.AbstractEventLoop, threading.Thread]] = []


class RewardTimeout(TimeoutError):
    """A reward function took too long for one answer; for whoever wrote it."""


class RewardExit(RuntimeError):
    """A reward function raised what would end the process, or what no future carries; for whoever wrote it."""


def begin(awaitable: Awaitable) -> Future:
    """Let it run in that loop; its result, or what it raises."""
    return asyncio.run_coroutine_threadsafe(_awaited(awaitable), _loop())


async def replace_if_stuck() -> None:
    """After a coroutine was late: if it blocks the loop, the next ones get another loop."""
    loop = _loop()
    try:
        await asyncio.wait_for(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)), PATIENCE)
    except TimeoutError:
        with _lock:
            _running[:] = [each for each in _running if each[0] is not loop]


async def _awaited(awaitable: Awaitable):
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:  # would end the loop
        raise RewardExit(f"the reward function raised {error!r}") from error


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _running or not _running[0][1].is_alive():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, daemon=True, name="reward coroutines")
            thread.start()
            _running[:] = [(loop, thread)]
        return _running[0][0]
