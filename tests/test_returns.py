"""What a reward function returns: a number in any form is taken, None is a missing one, anything else ends the run.

Answers R, L, U and D of two mazes; R is right, L and U are wrong, and the reward function does something with D.
"""

import http.server
import json
import threading

import pytest
from one_step import MAZES, Step, agent, installed, rewarded

from shaping import RewardError

KEPT = "advantage: (correct - p + r - mean(r)) / 2"
DROPPED = f"on_missing: drop\n{KEPT}"
QUARTERS = [0.75, -0.25, -0.25, -0.25] * 2


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    with installed(monkeypatch):
        yield


# ── Taken: one number ───────────────────────────────────────────────────────

TAKEN = [
    "{'rewards': [0.0], 'scores': [0.0]}",
    "{'rewards': (0,), 'scores': [[0]]}",
    "{'rewards': torch.tensor(0.0), 'scores': torch.tensor([[0.0]])}",
    "{'rewards': torch.tensor([0], dtype=torch.bfloat16, requires_grad=False), 'scores': None}",
    "{'rewards': np.float32(0), 'scores': np.bool_(False)}",
    "{'rewards': np.array([0.0]), 'scores': np.int64(0)}",
    "{'rewards': False, 'scores': False}",
    "{'rewards': 0}",
    "{'rewards': fractions.Fraction(0), 'scores': 0.0, 'extra_logs': None}",
    "[{'rewards': 0.0, 'scores': 0.0}]",
    "{'rewards': 0.0, 'extra_logs': {'moves': [1]}}",
    "{'rewards': 0.0, 'extra_logs': [{'moves': np.array(1)}]}",
]


@pytest.mark.parametrize("returned", TAKEN)
@pytest.mark.parametrize("design", [KEPT, DROPPED])
def test_what_means_one_number_is_that_number_among_answers_that_return_floats(returned, design, tmp_path):
    step = rewarded(design, tmp_path, f"return {returned}")
    assert step.advantages() == QUARTERS
    for sample in step.samples:
        assert sample.rewards.shape == sample.scores.shape == sample.info["reward"].shape == (1,)
        assert str(sample.rewards.dtype) == str(sample.scores.dtype) == "torch.float32"
    assert step.logged("reward") == 0.25 and step.logged("moves") == 1


@pytest.mark.parametrize("number", ["[0.5]", "np.float64(0.5)", "torch.tensor([0.5])", "fractions.Fraction(1, 2)"])
def test_the_number_is_the_one_that_was_returned(number, tmp_path):
    step = rewarded("advantage: r", tmp_path, f"return {{'rewards': {number}, 'scores': True}}")
    assert step.advantages() == [1, 0, 0, 0.5] * 2


def test_none_beside_lists_of_one_leaves_three_of_four(tmp_path):
    body = "return None if 'D' in answer else {'rewards': [float('R' in answer)], 'scores': [float('R' in answer)]}"
    step = rewarded(DROPPED, tmp_path, body, answer="RLUD")
    assert step.advantages() == pytest.approx([2 / 3, -1 / 3, -1 / 3, 0] * 2)
    assert step.maker.passk_rlhf_metrics["design/dropped"] == 0.25


# ── Coroutines ──────────────────────────────────────────────────────────────


def test_a_coroutine_function_is_awaited(tmp_path):
    body = "await asyncio.sleep(0.01); return {'rewards': [0.0], 'scores': 0.0}"
    assert rewarded(KEPT, tmp_path, body, "async def").advantages() == QUARTERS


# ── Named: no number, or several ────────────────────────────────────────────

MALFORMED = {
    "torch.tensor([1.0])": "reward_func returned a Tensor of shape (1,) at prompt",
    "[1.0]": "reward_func returned a list of 1 at prompt",
    "1.0": "reward_func returned a float at prompt",
    "True": "reward_func returned a bool at prompt",
    "np.array([0.0])": "reward_func returned an ndarray of shape (1,) at prompt",
    "(1.0, 1.0)": "reward_func returned a tuple of 2 at prompt",
    "'1.0'": "reward_func returned the text '1.0' at prompt",
    "[{'rewards': 1.0}, {'rewards': 0.0}]": "reward_func returned a list of 2 at prompt",
    "{'reward': 1}": "reward_func returned a dict with 'reward' and without 'rewards' at prompt",
    "{'score': 1, 'scores': 1}": "reward_func returned a dict with 'score' and without 'rewards' at prompt",
    "{'rewards': '1.0'}": "reward_func returned the text '1.0' as 'rewards', where one number is needed at prompt",
    "{'rewards': decimal.Decimal(1)}": "reward_func returned a Decimal as 'rewards'",
    "{'rewards': [1.0, 0.0]}": "reward_func returned a list of 2 as 'rewards'",
    "{'rewards': []}": "reward_func returned a list of 0 as 'rewards'",
    "{'rewards': torch.tensor([1.0, 0.0])}": "reward_func returned a Tensor of shape (2,) as 'rewards'",
    "{'rewards': {'value': 1}}": "reward_func returned a dict with 'value' as 'rewards'",
    "{'rewards': 1j}": "reward_func returned a complex as 'rewards'",
    "{'rewards': asyncio.sleep(0)}": "reward_func returned a coroutine as 'rewards'",
    "{'rewards': 1.0, 'scores': 'right'}": "reward_func returned the text 'right' as 'scores'",
    "{'rewards': 1.0, 'scores': np.zeros((2, 1))}": "reward_func returned an ndarray of shape (2, 1) as 'scores'",
    "(each for each in [1.0])": "reward_func returned a generator at prompt",
    "{'rewards': 1.0, 'extra_logs': {'moves': torch.tensor([1.0, 2.0])}}": "of shape (2,) in 'extra_logs' as 'moves'",
    "{'rewards': 1.0, 'extra_logs': {'moves': [1, 2]}}": "a list of 2 in 'extra_logs' as 'moves'",
    "{'rewards': 1.0, 'extra_logs': {'why': 'no path'}}": "the text 'no path' in 'extra_logs' as 'why'",
    "{'rewards': 1.0, 'extra_logs': {1: 2}}": "an int as a name in 'extra_logs'",
    "{'rewards': 1.0, 'extra_logs': 6}": "an int as 'extra_logs', where a dict of numbers is needed",
}


@pytest.mark.parametrize("returned", MALFORMED)
@pytest.mark.parametrize("design", [KEPT, DROPPED])
@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_is_no_number_ends_the_run_with_its_type_prompt_answer_and_what_to_return(returned, design, tmp_path):
    with pytest.raises(RewardError) as error:
        rewarded(design, tmp_path, f"return {returned}")
    said = str(error.value)
    assert MALFORMED[returned] in said
    assert f"at prompt '{MAZES[0]}'; return {{'rewards': number, 'scores': number}}" in said
    assert "answer: 'D'" in said and "on_missing: drop too" in said


def test_what_is_malformed_also_ends_an_evaluation_and_a_filtered_step(tmp_path):
    with pytest.raises(RewardError, match="returned a list of 1 at prompt"):
        rewarded(DROPPED, tmp_path, "return [0.0]", filtering=True)


# ── A reward server ─────────────────────────────────────────────────────────


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = asked["query"][0][len(asked["prompts"][0]) :]
        body = json.dumps(self.server.give("R" in answer, "D" in answer)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """A server that answers with give(R is in the answer, D is in the answer)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def url(give):
        server.give = give
        return agent.SingleTurnAgentExecutor(f"http://127.0.0.1:{server.server_port}")

    yield url
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "give",
    [
        lambda right, _: {"rewards": [float(right)], "scores": [float(right)], "extra_logs": {"moves": [1.0]}},
        lambda right, _: [{"rewards": right}],
        lambda right, bad: {"rewards": [0], "scores": None} if bad else {"rewards": float(right)},
    ],
)
def test_a_server_may_answer_with_lists_of_one_and_with_truth_values(give, serve):
    assert Step(KEPT, serve(give)).advantages() == QUARTERS


@pytest.mark.parametrize("nothing", [None, [None], {"rewards": None}, {"rewards": [None], "scores": [None]}])
def test_a_server_that_has_no_reward_for_an_answer_leaves_it_out(nothing, serve):
    def give(right, bad):
        return nothing if bad else {"rewards": [float(right)], "scores": [float(right)]}

    assert Step(DROPPED, serve(give)).advantages() == pytest.approx([2 / 3, -1 / 3, -1 / 3, 0] * 2)
    with pytest.raises(
        RewardError, match=r"no reward \(None\) at prompt 0, answer 3, and for 2 of 8(.|\n)*the reward server"
    ):
        Step(KEPT, serve(give)).advantages()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([1.0], "a list of 1"),
        (1.0, "a float"),
        ({"rewards": [1.0, 0.0]}, "a list of 2 as 'rewards'"),
        ({"error": "overloaded"}, "a dict with 'error' and without 'rewards'"),
        ({"rewards": ["1"]}, "the text '1' as 'rewards'"),
    ],
)
def test_a_server_whose_answer_cannot_be_read_ends_the_run_in_words(given, what, serve):
    with pytest.raises(RewardError) as error:
        Step(DROPPED, serve(lambda right, bad: given))
    assert f"the reward server returned {what}" in str(error.value) and f"at prompt '{MAZES[0]}'" in str(error.value)
