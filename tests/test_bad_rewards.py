"""A reward that is none, all the way: OpenRLHF's own executor asks a reward function, its own code makes experiences of
what it got, and the hook trains on them, or says which answer it was. Only vLLM's text is written by hand.

Each of two mazes gets four answers, R, L, U and D. R is right, L and U are wrong, and what the reward function does
with D is the subject.
"""

import asyncio
import http.server
import threading
from types import SimpleNamespace

import aiohttp
import pytest
import torch
from stack import POLICY, arguments
from transformers import AutoTokenizer

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402
from openrlhf.utils import agent  # noqa: E402

from passk_rlhf import patch, reward_time  # noqa: E402
from shaping import RewardError  # noqa: E402

MAZES = ["****/*SE*/****>", "****/*ES*/****>"]
ANSWERS = "RLUD"
GOOD = "{'rewards': float('R' in answer), 'scores': float('R' in answer), 'extra_logs': {'moves': 1.0}}"
KEPT = "advantage: (correct - p + r - mean(r)) / 2"
DROPPED = f"on_missing: drop\n{KEPT}"

# What the reward function does with D → what the error says of the answer.
BAD = {
    "gives NaN": ("return {'rewards': float('nan'), 'scores': 0.0}", "reward nan at prompt 0, answer 3"),
    "gives infinity": ("return {'rewards': float('inf'), 'scores': 0.0}", "reward inf at prompt 0, answer 3"),
    "gives a NaN score": ("return {'rewards': 0.0, 'scores': float('nan')}", "score nan at prompt 0, answer 3"),
    "gives None": ("return {'rewards': None, 'scores': None}", "no reward (None) at prompt 0, answer 3"),
    "gives a score alone": ("return {'scores': 0.0}", "no reward (None) at prompt 0, answer 3"),
    "gives nothing": ("return None", "no reward (None) at prompt 0, answer 3"),
    "raises": ("raise KeyError('no such label')", "no reward (None) at prompt 0, answer 3"),
    "runs out of its own iterator": ("next(iter([]))", "no reward (None) at prompt 0, answer 3"),
    "takes too long": ("time.sleep(60)", "no reward (None) at prompt 0, answer 3"),
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    theirs = agent.SingleTurnAgentExecutor._fetch_rewards_via_func
    monkeypatch.setenv(reward_time.ENVIRONMENT, "0.2")
    reward_time.install(agent)
    patch.install()
    yield
    patch.uninstall()
    agent.SingleTurnAgentExecutor._fetch_rewards_via_func = theirs


class Answers:
    """In place of vLLM's engine: the next answer to a prompt."""

    def __init__(self, tokenizer):
        self.tokenizer, self.given = tokenizer, 0

    async def generate(self, prompt_token_ids, sampling_params, multi_modal_data=None):
        text = ANSWERS[self.given % len(ANSWERS)]
        self.given += 1
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=tokens, finish_reason="stop", logprobs=None)])


def step(design, rewarded_by):
    """One step: (advantages in prompt order, the share of dropped answers). `rewarded_by` is a file or a URL."""
    args, tokenizer = arguments(design, n_samples_per_prompt=4), AutoTokenizer.from_pretrained(POLICY)
    executor, engine = agent.SingleTurnAgentExecutor(str(rewarded_by)), Answers(tokenizer)
    sampling = SimpleNamespace(max_tokens=6, logprobs=None)

    async def generated():
        asked = {"sampling_params": sampling, "max_length": 96, "hf_tokenizer": tokenizer, "llm_engine": engine}
        return [await executor.execute(prompt=maze, label=maze, **asked) for maze in MAZES for _ in ANSWERS]

    strategy = SimpleNamespace(args=args)
    generator = SamplesGenerator(strategy, None, None, tokenizer, [])
    samples = [generator._process_response_into_experience(each, max_len=96) for each in asyncio.run(generated())]
    maker = RemoteExperienceMaker(None, None, None, None, SimpleNamespace(value=0.0), strategy, tokenizer)
    experiences = maker.split_rollout_samples(samples)
    for experience in experiences:
        experience.kl = torch.zeros(experience.action_mask.shape)
    experiences = maker.compute_advantages_and_returns(experiences)
    found = [each.advantages[i][each.action_mask[i].bool()][0] for each in experiences for i in range(len(each.index))]
    return torch.stack(found), maker.passk_rlhf_metrics.get("design/dropped", 0.0)


def reward_file(folder, body):
    path = folder / "reward.py"
    path.write_text(
        "import time\n\ndef reward_func(queries, prompts, labels):\n"
        f"    answer = queries[0][len(prompts[0]):]\n    if 'D' in answer:\n        {body}\n    return {GOOD}\n"
    )
    return path


def test_good_rewards_give_the_design_its_advantages(tmp_path):
    found, dropped = step(KEPT, reward_file(tmp_path, "pass"))
    torch.testing.assert_close(found, torch.tensor([3 / 4, -1 / 4, -1 / 4, -1 / 4] * 2))
    assert dropped == 0


@pytest.mark.parametrize("bad", BAD)
def test_by_default_the_step_ends_with_prompt_answer_and_value(bad, tmp_path):
    body, message = BAD[bad]
    with pytest.raises(RewardError) as error:
        step(KEPT, reward_file(tmp_path, body))
    assert message in str(error.value)
    assert f"prompt 0: '{MAZES[0]}'" in str(error.value)


@pytest.mark.parametrize("bad", BAD)
def test_with_on_missing_drop_the_others_are_a_group_of_three_and_the_share_is_counted(bad, tmp_path):
    found, dropped = step(DROPPED, reward_file(tmp_path, BAD[bad][0]))
    torch.testing.assert_close(found, torch.tensor([2 / 3, -1 / 3, -1 / 3, 0] * 2))
    assert dropped == 1 / 4


class Server(http.server.BaseHTTPRequestHandler):
    """A reward server that answers with an error, or not at all."""

    mute = False

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.mute:
            self.server.closing.wait()
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(params=["answers with an error", "does not answer"])
def server(request, monkeypatch):
    """The URL of a server that OpenRLHF gives up on soon: its patience is minutes."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.closing, server.daemon_threads = threading.Event(), True
    monkeypatch.setattr(Server, "mute", request.param == "does not answer")
    patience = aiohttp.ClientTimeout
    monkeypatch.setattr(agent.aiohttp, "ClientTimeout", lambda total: patience(total=0.1))
    real_sleep = asyncio.sleep
    monkeypatch.setattr(agent.asyncio, "sleep", lambda _: real_sleep(0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.closing.set()
    server.shutdown()
    server.server_close()


def test_a_reward_server_that_fails_leaves_every_answer_without_reward(server):
    with pytest.raises(RewardError, match=r"no reward \(None\) at prompt 0, answer 0, and for 8 of 8 answers"):
        step(KEPT, server)
    found, dropped = step(DROPPED, server)
    assert found.tolist() == [0] * 8 and dropped == 1
