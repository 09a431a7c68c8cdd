"""An agent for the end-to-end tests that raises: reset() for every third prompt, step() for every fourth answer."""

import importlib.util
import zlib
from pathlib import Path

from openrlhf.utils.agent import AgentInstanceBase, MultiTurnAgentExecutor

spec = importlib.util.spec_from_file_location("walk", Path(__file__).parent / "agent.py")
walk = importlib.util.module_from_spec(spec)
spec.loader.exec_module(walk)


def number(text):
    """The same in every process, as Python's own hash of a text is not."""
    return zlib.crc32(text.encode())


class Walk(AgentInstanceBase):
    def __init__(self):
        self.walk = walk.Walk()

    async def reset(self, states, **kwargs):
        if number(states["observation"]) % 3 == 0:
            raise OSError(f"no sandbox for {states['label']}")
        return states

    async def step(self, state_dict, **kwargs):
        if number(state_dict["action_text"]) % 4 == 0:
            raise RuntimeError("the sandbox was killed")
        return await self.walk.step(state_dict, **kwargs)


class AgentExecutor(MultiTurnAgentExecutor):
    def __init__(self):
        super().__init__(Walk)
