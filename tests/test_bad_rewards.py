"""A reward that is none, all the way: OpenRLHF's own executor asks a reward function, its own code makes experiences of
what it got, and the hook trains on them, or says which answer it was. Only vLLM's text is written by hand.

Each of two mazes gets four answers, R, L, U and D. R is right, L and U are wrong, and what the reward function does
with D is the subject.
"""

import asyncio
import http.server
import threading

import aiohttp
import pytest
import torch
from one_step import MAZES, Step, agent, installed, reward_file

from shaping import RewardError

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
def worker(monkeypatch):
    with installed(monkeypatch, seconds="0.2"):
        yield


def step(design, rewarded_by):
    """One step: (advantages in prompt order, the share of dropped answers). `rewarded_by` is a file or a URL."""
    made = Step(design, agent.SingleTurnAgentExecutor(str(rewarded_by)))
    found = torch.tensor(made.advantages())
    return found, made.maker.passk_rlhf_metrics.get("design/dropped", 0.0)


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
