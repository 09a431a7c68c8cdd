"""Rollouts that are not finished, and executors of a user's own: left out, named, or refused in words.

Through OpenRLHF's own loading of an agent file, its own executors and its own gathering of a prompt's rollouts.
Answers R, L, U and D of two mazes; R is right, L and U are wrong, and the agent does something with D.
"""

import json
import logging
import pickle
import textwrap

import pytest
import torch
from one_step import MAZES, Step, installed, reward_file, rewarded, vllm_engine

from passk_rlhf.missing import nothing_to_train_on
from shaping import RewardError, loads

KEPT = "advantage: (correct - p + r - mean(r)) / 2"
DROPPED = f"on_missing: drop\n{KEPT}"
THIRDS = [2 / 3, -1 / 3, -1 / 3, 0] * 2
QUARTERS = [0.75, -0.25, -0.25, -0.25] * 2


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    with installed(monkeypatch):
        yield


def loaded(folder, text):
    path = folder / "agent.py"
    path.write_text("import asyncio, copy, torch\nfrom openrlhf.utils.agent import *\n" + textwrap.dedent(text))
    return vllm_engine._load_agent_executor(str(path))


def agent(folder, step="", reset="", begin="pass"):
    """One turn; `step` is done for the answer D before anything else, `reset` and `begin` for every answer."""
    return loaded(
        folder,
        f"""
        class Walk(AgentInstanceBase):
            def __init__(self):
                {begin}

            async def reset(self, states, **kwargs):
                {reset or "return states"}

            async def step(self, states, **kwargs):
                good = torch.tensor(float("R" in states["action_text"]))
                fine = {{"rewards": good, "scores": good, "environment_feedback": "", "done": True}}
                if "D" in states["action_text"]:
                    {step or "pass"}
                return fine

        class AgentExecutor(MultiTurnAgentExecutor):
            def __init__(self):
                super().__init__(Walk)
        """,
    )


def test_an_agent_without_faults_trains_as_before(tmp_path):
    assert Step(KEPT, agent(tmp_path)).advantages() == QUARTERS


# ── An agent that raises ────────────────────────────────────────────────────

RAISES = {
    "raise KeyError('no such label')": "the agent raised KeyError('no such label')",
    "raise SystemExit(3)": "the agent raised SystemExit(3)",
    "raise asyncio.CancelledError('the tool')": "the agent raised CancelledError('the tool')",
    "await asyncio.wait_for(asyncio.sleep(9), 0.01)": "the agent raised TimeoutError()",
    "next(iter([]))": "the agent raised RuntimeError('coroutine raised StopIteration')",
    "return None": "step() returned None",
    "return fine | {'rewards': None}": "step() returned None as 'rewards'",
    "return {'rewards': [None], 'done': True}": "step() returned None as 'rewards'",
}


@pytest.mark.parametrize("step", RAISES)
def test_with_on_missing_drop_a_rollout_whose_step_raises_is_left_out(step, tmp_path):
    step = Step(DROPPED, agent(tmp_path, step), logprobs=1)
    assert step.advantages() == pytest.approx(THIRDS)
    assert step.logged("design/dropped") == step.logged("design/failed") == 0.25


@pytest.mark.parametrize("step", RAISES)
def test_without_it_prompt_answer_and_what_was_raised_are_named_and_how_to_go_on(step, tmp_path):
    with pytest.raises(RewardError) as error:
        Step(KEPT, agent(tmp_path, step)).advantages()
    first, prompt, advice = str(error.value).splitlines()
    assert first == f"no reward (None) at prompt 0, answer 3, and for 2 of 8 answers in all: {RAISES[step]}."
    assert prompt == f"prompt 0: '{MAZES[0]}'"
    assert advice == "To leave such rollouts out: a design with on_missing: drop"


def test_reset_and_the_agents_own_making_may_raise_too(tmp_path):
    for broken in ({"reset": "raise OSError('no sandbox')"}, {"begin": "raise OSError('no sandbox')"}):
        step = Step(DROPPED, agent(tmp_path, **broken))
        assert step.trained(4) == ({"rollout/num_samples": 0.0, "design/dropped": 1.0}, 5)
        with pytest.raises(RewardError, match=r"for 8 of 8 answers in all: the agent raised OSError\('no sandbox'\)"):
            Step(KEPT, agent(tmp_path, **broken)).advantages()


def test_what_an_agent_raised_is_in_the_log_once_with_its_traceback(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("openrlhf"), "propagate", True)
    Step(DROPPED, agent(tmp_path, "raise KeyError('no such label')"))
    said = [each for each in caplog.records if "its rollout has no reward" in each.getMessage()]
    assert [bool(each.exc_info) for each in said] == [True, False]  # two of them raised


def test_an_engine_that_is_dead_is_no_fault_of_an_agent(tmp_path):
    dead = (
        "from vllm.v1.engine.exceptions import EngineDeadError; raise RuntimeError('no answer') from EngineDeadError()"
    )
    with pytest.raises(RuntimeError, match="no answer"):
        Step(DROPPED, agent(tmp_path, dead))


def test_what_stands_in_for_a_rollout_says_nothing_of_any_policy(tmp_path):
    step = Step(DROPPED, agent(tmp_path, "raise ValueError"), logprobs=1)
    step.advantages()
    for experience in step.experiences:
        for i, failed in enumerate(experience.info["design/failed"].tolist()):
            there = experience.action_mask[i].bool()
            policy, vllm = experience.action_log_probs[i][there], experience.rollout_log_probs[i][there]
            assert (vllm == (policy if failed else -0.5)).all()
            assert there.sum() == 1  # an answer of one token: OpenRLHF divides by how many there are
            assert not failed or (experience.advantages[i] == 0).all()


@pytest.mark.parametrize("design", ["advantage: length - mean(length)", "advantage: surprisal + r", "advantage: r"])
def test_a_design_that_reads_lengths_does_not_take_the_stand_in_for_an_answer(design, tmp_path):
    step = Step(f"on_missing: drop\n{design}", agent(tmp_path, "raise ValueError"))
    values = step.advantages()
    assert values[3] == values[7] == 0 and step.logged("design/dropped") == 0.25


@pytest.mark.parametrize("step", ["raise ValueError", "fine['rewards'] = float('nan')"])
def test_an_answer_that_is_left_out_gets_nothing_from_a_token_section_either(step, tmp_path):
    design = "on_missing: drop\nadvantage: r\ntoken: A + token_surprisal"
    assert Step(design, agent(tmp_path, step)).advantages() == [1.25, 0.25, 0.25, 0] * 2


# ── An agent whose returns have to be read ──────────────────────────────────

TAKEN = [
    "return fine | {'rewards': 0.0, 'scores': 0}",
    "return fine | {'rewards': torch.zeros(1, 1), 'scores': [False]}",
    "return [fine | {'rewards': [0]}]",
    "del fine['environment_feedback'], fine['scores']",
    "return fine | {'environment_feedback': None, 'extra_logs': None}",
]


@pytest.mark.parametrize("step", TAKEN)
def test_what_a_step_returns_may_have_any_form_that_means_one_number(step, tmp_path):
    assert Step(KEPT, agent(tmp_path, step)).advantages() == QUARTERS


def test_an_agents_functions_need_not_be_coroutines(tmp_path):
    executor = agent(tmp_path)
    walk = executor.agent_instance_cls().agent.__class__
    walk.step = lambda self, states: {"rewards": float("R" in states["action_text"]), "done": True}
    walk.reset = lambda self, states: states
    assert Step(KEPT, executor).advantages() == QUARTERS


MALFORMED = {
    "return 0.0": "step() returned a float",
    "return fine['rewards']": "step() returned a Tensor of shape ()",
    "return fine | {'rewards': torch.zeros(2)}": "step() returned a Tensor of shape (2,) as 'rewards'",
    "return fine | {'rewards': '1'}": "step() returned the text '1' as 'rewards'",
    "return fine | {'extra_logs': {'moves': [1, 2]}}": "step() returned a list of 2 in 'extra_logs' as 'moves'",
    "return {'reward': 1.0, 'done': True}": "step() returned a dict without 'rewards'",
    "del fine['done']": "step() returned a dict without 'done'",
    "return fine | {'environment_feedback': ['wall']}": "step() returned a list of 1 as 'environment_feedback'",
}


@pytest.mark.parametrize("step", MALFORMED)
@pytest.mark.parametrize("design", [KEPT, DROPPED])
def test_a_step_that_returns_what_nobody_can_read_ends_the_run(step, design, tmp_path):
    with pytest.raises(RewardError) as error:
        Step(design, agent(tmp_path, step))
    assert MALFORMED[step] in str(error.value)
    assert f"at prompt '{MAZES[0]}'; reset() returns" in str(error.value)


def test_a_reset_without_observation_ends_the_run(tmp_path):
    with pytest.raises(RewardError, match=r"reset\(\) returned a dict with 'maze', and not a dict whose 'observation'"):
        Step(DROPPED, agent(tmp_path, reset="return {'maze': 1}"))


# ── Executors of a user's own ───────────────────────────────────────────────


def own(folder, body):
    """An executor that generates as OpenRLHF's does, puts its own reward in, and does something with the answer D."""
    return loaded(
        folder,
        f"""
        class AgentExecutor(SingleTurnAgentExecutor):
            def __init__(self):
                super().__init__(None)
                self.calls = 0

            async def execute(self, prompt, label, **asked):
                response = await super().execute(prompt, label, **asked)
                self.calls += 1
                text = asked["hf_tokenizer"].decode(response["observation_tokens"])[len(prompt):]
                response["reward"] = torch.tensor([float("R" in text)])
                if "D" in text:
                    {body}
                return response
        """,
    )


def test_an_executors_reward_may_be_a_tensor_of_any_shape_with_one_number(tmp_path):
    step = Step(KEPT, own(tmp_path, "response.update(reward=0, scores=[False])"))
    assert step.advantages() == QUARTERS
    assert {sample.rewards.shape for sample in step.samples} == {(1,)}


@pytest.mark.parametrize("body", ["raise OSError('sandbox')", "return None", "response['reward'] = None"])
def test_an_executor_that_has_no_reward_for_a_rollout_leaves_it_out(body, tmp_path):
    assert Step(DROPPED, own(tmp_path, body), logprobs=1).advantages() == pytest.approx(THIRDS)
    with pytest.raises(RewardError, match="no reward .None. at prompt 0, answer 3, and for 2 of 8 answers in all"):
        Step(KEPT, own(tmp_path, body)).advantages()


UNREADABLE = {
    "return [response, response]": "AgentExecutor.execute returned 2 samples of one rollout at prompt",
    "return (response, response, response)": "AgentExecutor.execute returned 3 samples of one rollout at prompt",
    "return []": "AgentExecutor.execute returned 0 samples of one rollout at prompt",
    "return 'RRDD'": "AgentExecutor.execute returned the text 'RRDD' at prompt",
    "del response['observation_tokens']": "returned nothing as 'observation_tokens', where a list is needed at prompt",
    "response['observation_tokens'] = 'RRDD'": "returned the text 'RRDD' as 'observation_tokens'",
    "response['truncated'] = 'length'": "returned the text 'length' as 'truncated', where one number is needed",
    "response['action_ranges'] = [3, 4]": "returned an int in 'action_ranges', where pairs (start, end) are needed",
    "response['rollout_log_probs'] = [0.0]": "returned 1 'rollout_log_probs' for",
    "response['reward'] = torch.ones(2)": "returned a Tensor of shape (2,) as 'reward', where one number is needed",
    "response['rewards'] = response.pop('reward')": "returned a dict with 'rewards' and without 'reward'",
    "response['extra_logs'] = {'lock': asyncio.Lock()}": "returned a Lock in 'extra_logs' as 'lock'",
}


@pytest.mark.parametrize("body", UNREADABLE)
@pytest.mark.parametrize("design", [KEPT, DROPPED])
def test_a_response_that_openrlhf_cannot_train_on_is_refused_with_prompt_and_what_to_return(body, design, tmp_path):
    with pytest.raises(RewardError) as error:
        Step(design, own(tmp_path, body))
    assert UNREADABLE[body] in str(error.value)
    assert f"at prompt '{MAZES[0]}'; return" in str(error.value)


def test_a_list_of_one_response_and_tokens_in_a_tensor_are_taken(tmp_path):
    body = "response['observation_tokens'] = torch.tensor(response['observation_tokens']); return [response]"
    body = "response['truncated'] = None; " + body
    assert Step(KEPT, own(tmp_path, body)).advantages() == QUARTERS


def test_of_several_turns_the_rewards_are_added_and_the_last_scores_and_logs_count(tmp_path):
    executor = agent(tmp_path, begin="self.turn = 0")
    walk = executor.agent_instance_cls().agent.__class__

    def step(self, states):
        self.turn += 1
        last = self.turn == 3
        logs = {"turns": [self.turn]} if last else {"state": "walking"}
        return {"rewards": [0.25], "scores": last, "environment_feedback": "/", "done": last, "extra_logs": logs}

    walk.step = step
    made = Step("advantage: r + 10 * score", executor)
    assert made.advantages() == [10.75] * 8
    assert made.logged("turns") == 3


def test_prompts_with_a_text_of_each_rollout_are_groups_by_their_place(tmp_path):
    body = "pass\n                response['prompt'] = f'in /tmp/run{self.calls}: {prompt}'"
    step = Step(KEPT, own(tmp_path, body))
    assert len({sample.prompts[0] for sample in step.samples}) == 8
    assert step.advantages() == QUARTERS


def test_an_executor_sees_what_its_reward_function_returned_and_raised(tmp_path):
    reward = reward_file(tmp_path, "raise KeyError('no such label')", answer="U")
    executor = loaded(
        tmp_path,
        f"""
        class AgentExecutor(SingleTurnAgentExecutor):
            def __init__(self):
                super().__init__({str(reward)!r})

            async def execute(self, prompt, label, **asked):
                response = await super().execute(prompt, label, **asked)
                query = asked["hf_tokenizer"].decode(response["observation_tokens"])
                try:
                    (found,) = await self._fetch_rewards_via_func([query], [prompt], [label])
                except KeyError:
                    found = {{"rewards": 0.5}}
                return response | {{"reward": found["rewards"], "scores": None}}
        """,
    )
    assert Step("advantage: r", executor).advantages() == [1, 0, 0.5, 0] * 2


# ── Nothing left of a step ──────────────────────────────────────────────────

NOTHING = {
    "every answer raises": "raise KeyError('no such label')",
    "every answer has None": "return {'rewards': None}",
    "every answer has NaN": "return {'rewards': float('nan'), 'scores': 1.0}",
}


@pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)
def test_a_step_whose_every_answer_is_left_out_trains_nothing_says_so_and_counts(body, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("openrlhf"), "propagate", True)
    step = rewarded(DROPPED, tmp_path, body, answer="RLUD", dump=str(tmp_path / "rewards.jsonl"))
    assert step.trained(2) == ({"rollout/num_samples": 0.0, "design/dropped": 1.0}, 3)
    assert step.maker.passk_rlhf_advantage_PN is None
    assert any("step 3 trains nothing: all 8 answers are left out" in record.getMessage() for record in caplog.records)
    lines = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    assert [(line["step"], line["prompt"], line["rewards"]) for line in lines] == [
        (2, maze, [None] * 4) for maze in MAZES
    ]


def test_a_step_with_some_answers_left_is_trained_on(tmp_path):
    step = rewarded("on_missing: drop\nadvantage: r", tmp_path, "return None", answer="UD")
    assert not nothing_to_train_on(step.samples, loads("on_missing: drop\nadvantage: r"))
    assert step.advantages() == [1, 0, 0, 0] * 2
    assert step.logged("reward") == 0.25 and step.logged("design/dropped") == 0.5


def test_without_drop_a_step_without_rewards_is_an_error(tmp_path):
    with pytest.raises(RewardError, match=r"answer 0, and for 8 of 8 answers in all: reward_func raised KeyError\('no"):
        rewarded(KEPT, tmp_path, "raise KeyError('no such label')", answer="RLUD").trained()


# ── Numbers that only some answers have ─────────────────────────────────────

GOOD = "'rewards': float('R' in answer), 'scores': float('R' in answer)"
MOVES = "signals: {moves: length of the way}\nadvantage: moves - mean(moves)"
LACKING = {
    "without the key": f"return {{{GOOD}}}",
    "with None": f"return {{{GOOD}, 'extra_logs': {{'moves': None}}}}",
    "without extra_logs": f"return {{{GOOD}, 'extra_logs': None}}",
    "with [None]": f"return {{{GOOD}, 'extra_logs': {{'moves': [None]}}}}",
}


@pytest.mark.parametrize("body", LACKING.values(), ids=LACKING)
def test_an_answer_without_a_signal_of_the_design_is_left_out_or_named(body, tmp_path):
    # moves are 1 of R, 1 of L, 7 of U: mean 3
    many = f"return {{{GOOD}, 'extra_logs': {{'moves': 7}}}}"
    body = f"\n            if 'D' in answer:\n                {body}\n            {many}"
    step = rewarded(f"on_missing: drop\n{MOVES}", tmp_path, body, answer="UD")
    assert step.advantages() == [-2, -2, 4, 0] * 2
    assert step.logged("design/dropped") == 0.25
    with pytest.raises(RewardError) as error:
        rewarded(MOVES, tmp_path, body, answer="UD").advantages()
    assert "no 'moves' (None, or not in \"extra_logs\") at prompt 0, answer 3, and for 2 of 8 answers" in str(
        error.value
    )
    assert f"prompt 0: '{MAZES[0]}'" in str(error.value)


@pytest.mark.parametrize("design", [MOVES, f"on_missing: drop\n{MOVES}"])
def test_a_rollout_in_which_no_answer_has_the_signal_is_still_an_error(design, tmp_path):
    with pytest.raises(RewardError, match="reads 'moves' of every answer, and there is none"):
        rewarded(design, tmp_path, f"return {{{GOOD}}}", answer="RLUD").advantages()


def test_numbers_that_only_some_answers_have_do_not_break_openrlhfs_buffer_and_their_mean_is_over_those(tmp_path):
    body = f"return {{{GOOD}, 'extra_logs': {{'length_of_proof': 8.0, 'moves': 3}}}}"
    step = rewarded(KEPT, tmp_path, body)
    assert step.advantages() == QUARTERS
    assert step.logged("length_of_proof") == 8  # only answer D has it
    assert step.logged("moves") == 1.5


def test_a_number_that_only_the_first_answer_lacks_does_not_break_it_either(tmp_path):
    step = rewarded(KEPT, tmp_path, "return {'rewards': 1.0}", answer="R")
    assert step.advantages() == QUARTERS and step.logged("moves") == 1


def test_why_an_answer_has_no_reward_survives_the_queue_of_async_training(tmp_path):
    step = Step(KEPT, agent(tmp_path, "raise KeyError('no such label')"))
    step.samples = pickle.loads(pickle.dumps(step.samples))
    with pytest.raises(RewardError, match="for 2 of 8 answers in all: the agent raised KeyError"):
        step.advantages()


def test_a_rollout_that_raised_cannot_be_left_to_a_reward_model(tmp_path):
    step = Step(DROPPED, agent(tmp_path, reset="raise OSError('no sandbox')"))
    step.maker.reward_model_group = "there is one"
    with pytest.raises(
        RewardError, match=r"OSError\('no sandbox'\)(.|\n)*A reward model scores the answers of this run"
    ):
        step.advantages()


def test_the_step_of_an_evaluation_takes_what_training_takes(tmp_path):
    from openrlhf.trainer import ppo_trainer

    step = rewarded(KEPT, tmp_path, "return {'rewards': [0.5], 'scores': torch.ones(1, 1)}")
    loader = [(["maze"] * 2, MAZES, [""] * 2, [None] * 2)]
    logs = ppo_trainer.compute_eval_metrics(loader, step.samples, 4)
    assert logs["eval_maze_pass1"] == pytest.approx(1.5 / 4) and logs["eval_maze_pass4"] == 1
    assert torch.cat([sample.rewards for sample in step.samples]).shape == (8,)
