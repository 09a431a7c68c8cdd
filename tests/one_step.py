"""One step in one process, by OpenRLHF's own functions: its executors ask for rewards, its RolloutRayActor gathers
them, its generator and its experience maker make a batch, the hook computes advantages, its replay buffer takes them.

Only vLLM's text is written by hand: of each of two mazes the answers R, L, U and D, in this order.
"""

import asyncio
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from stack import POLICY, arguments
from transformers import AutoTokenizer

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_trainer import BasePPOTrainer  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.replay_buffer import NaiveReplayBuffer  # noqa: E402
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402
from openrlhf.trainer.ray import vllm_engine  # noqa: E402
from openrlhf.utils import agent  # noqa: E402

from passk_rlhf import patch, reward_time, rollouts  # noqa: E402
from passk_rlhf.no_signal import NoSignal  # noqa: E402

MAZES = ["****/*SE*/****>", "****/*ES*/****>"]
ANSWERS = "RLUD"
FETCH = "_fetch_rewards_via_func", "_fetch_rewards_via_http"


@contextmanager
def installed(monkeypatch, seconds="20"):
    """What worker.py puts into the workers of a run on a design."""
    monkeypatch.setenv(reward_time.ENVIRONMENT, seconds)
    for name in FETCH:  # undone at the end
        monkeypatch.setattr(agent.SingleTurnAgentExecutor, name, getattr(agent.SingleTurnAgentExecutor, name))
    monkeypatch.setattr(vllm_engine, "_load_agent_executor", vllm_engine._load_agent_executor)
    reward_time.install(agent)
    rollouts.install(agent)
    rollouts.install_watch(vllm_engine)
    patch.install()
    yield
    patch.uninstall()


class Worker:
    """RolloutRayActor without Ray and without vLLM's engine: `generate` gives the next answer to a prompt."""

    generate_responses = vllm_engine.RolloutRayActor.__ray_metadata__.modified_class.generate_responses

    def __init__(self, executor, tokenizer, answers=ANSWERS):
        self.executor, self.tokenizer, self.answers, self.given = executor, tokenizer, answers, 0

    async def generate(self, prompt_token_ids, sampling_params, multi_modal_data=None):
        text = self.answers[self.given % len(self.answers)]
        self.given += 1
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        logprobs = [{token: SimpleNamespace(logprob=-0.5)} for token in tokens] if sampling_params.logprobs else None
        output = SimpleNamespace(token_ids=tokens, text=text, finish_reason="stop", logprobs=logprobs)
        return SimpleNamespace(outputs=[output])


class Step:
    """A step on `design`: its samples as generated, and what becomes of them."""

    def __init__(self, design, executor, *, N=4, answers=ANSWERS, logprobs=None, dump=None, filtering=False, **keys):
        self.args, self.tokenizer = arguments(design, n_samples_per_prompt=N), AutoTokenizer.from_pretrained(POLICY)
        self.args.algo.advantage.dump = dump
        self.args.algo.dynamic_filtering_enable = filtering
        self.strategy = SimpleNamespace(args=self.args)
        worker = Worker(executor, self.tokenizer, answers)
        sampling = SimpleNamespace(max_tokens=6, logprobs=logprobs)
        asked = {"sampling_params": sampling, "max_length": 96, "hf_tokenizer": self.tokenizer, "num_samples": N}

        async def responses():
            return [
                each for maze in MAZES for each in await worker.generate_responses(prompt=maze, label=maze, **asked)
            ]

        generator = SamplesGenerator(self.strategy, None, None, self.tokenizer, [])
        self.responses = asyncio.run(responses())
        self.samples = [generator._process_response_into_experience(each, max_len=96) for each in self.responses]
        kl_ctl = SimpleNamespace(value=0.0)
        self.maker = RemoteExperienceMaker(None, None, None, None, kl_ctl, self.strategy, self.tokenizer)

    def advantages(self):
        """Of each answer, in prompt order."""
        self.experiences = self.maker.split_rollout_samples(self.samples)
        for experience in self.experiences:
            shape = experience.action_mask.shape
            experience.kl, experience.action_log_probs = torch.zeros(shape), torch.full(shape, -0.25)
        self.experiences = self.maker.compute_advantages_and_returns(self.experiences)
        found = [
            each.advantages[i][each.action_mask[i].bool()][0]
            for each in self.experiences
            for i in range(len(each.index))
        ]
        return [value.item() for value in found]

    def logged(self, name):
        """A metric of the design, or OpenRLHF's mean of one number over all answers, by its own replay buffer."""
        if name in self.maker.passk_rlhf_metrics:
            return self.maker.passk_rlhf_metrics[name]
        buffer = NaiveReplayBuffer(2, cpu_offload=False)
        for experience in self.experiences:
            buffer.append(experience)
        batches = [buffer.collate_fn(buffer.items[i : i + 2]) for i in range(0, len(buffer), 2)]
        values = [torch.stack(batch.info[name]).reshape(-1) for batch in batches]
        return torch.cat(values).mean().item()

    def trained(self, step=0):
        """BasePPOTrainer.train_step, up to where the actors would be asked."""
        trainer = BasePPOTrainer.__new__(type("Trainer", (BasePPOTrainer,), {"fit": None}))
        trainer.passk_rlhf_no_signal = NoSignal(print, print)
        trainer.args, trainer.experience_maker, trainer.tokenizer = self.args, self.maker, self.tokenizer
        return trainer.train_step(self.samples, step)


def reward_file(folder, body, kind="def", answer="D"):
    """A reward function that does `body` for the answer D, and is good for the others."""
    path = folder / "reward.py"
    path.write_text(
        "import asyncio, decimal, fractions, sys, time\nimport numpy as np\nimport torch\n\n"
        f"{kind} reward_func(queries, prompts, labels):\n"
        "    answer = queries[0][len(prompts[0]):]\n"
        f"    if any(each in answer for each in {answer!r}):\n        {body}\n"
        "    good = float('R' in answer)\n"
        "    return {'rewards': good, 'scores': good, 'extra_logs': {'moves': 1.0}}\n"
    )
    return path


def rewarded(design, folder, body, kind="def", answer="D", **options):
    executor = agent.SingleTurnAgentExecutor(str(reward_file(folder, body, kind, answer)))
    return Step(design, executor, **options)
