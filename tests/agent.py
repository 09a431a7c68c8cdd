"""An agent function for the end-to-end tests: one turn in a maze, and the reward of the maze task."""

import importlib.util
from pathlib import Path

import torch
from openrlhf.utils.agent import AgentInstanceBase, MultiTurnAgentExecutor

MAZE = Path(__file__).parent.parent / "passk_rlhf" / "tasks" / "maze.py"
spec = importlib.util.spec_from_file_location("maze_reward", MAZE)
maze = importlib.util.module_from_spec(spec)
spec.loader.exec_module(maze)


class Walk(AgentInstanceBase):
    def __init__(self):
        pass

    async def step(self, state_dict, **kwargs):
        text, prompt, label = (state_dict[name] for name in ("action_text", "observation_text", "label"))
        result = maze.reward_func([prompt + text], [prompt], [label])
        return {
            "rewards": torch.tensor(result["rewards"]),
            "scores": torch.tensor(result["scores"]),
            "environment_feedback": "",
            "done": True,
        }


class AgentExecutor(MultiTurnAgentExecutor):
    def __init__(self):
        super().__init__(Walk)
