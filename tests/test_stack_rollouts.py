"""Rollouts that raise and returns that cannot be read, on the real stack: Ray, vLLM and DeepSpeed in their processes.

The first run trains with micro-batches of one answer, by whose number of tokens OpenRLHF divides.
"""

import pytest
from failing_agent import number
from stack import ROOT, N, answer_tokens, batches, command, groups, metrics, ray_head, run_to_the_end, write_mazes

pytestmark = pytest.mark.stack

DROPPED = "on_missing: drop\nadvantage: r - mean(r)\n"
PROMPTS = 8


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    record = tmp_path_factory.mktemp("head") / "record"
    with ray_head(record, gpus=2, cpus=4) as (address, _):
        yield address, record, tmp_path_factory


@pytest.fixture(scope="module")
def trained(head):
    address, record, folders = head
    run = folders.mktemp("run")
    (run / "dropped.yaml").write_text(DROPPED)
    write_mazes(run / "test.jsonl", 6, seed=9)
    flags = f"--train.agent_func_path {ROOT}/tests/failing_agent.py --train.micro_batch_size 1 --device cpu"
    flags += f" --advantage-design {run}/dropped.yaml --eval.dataset {run}/test.jsonl --eval.steps 2"
    status, log = run_to_the_end([*command(run, steps=2, prompts=PROMPTS), *flags.split()], run, RAY_ADDRESS=address)
    assert status == 0, log[-8000:]
    steps = batches(record)
    record.unlink()
    return run, steps, log


def test_rollouts_that_raised_are_left_out_of_their_groups_and_the_others_are_trained_on(trained):
    _, steps, _ = trained
    nonzero = whole = some = 0
    assert [len(batch) for batch in steps] == [PROMPTS * N] * 2
    for group in (group for batch in steps for group in groups(batch)):
        there = [sample["rewards"] for sample in group if not sample["design/failed"]]
        assert (not there) == (number(group[0]["prompt"]) % 3 == 0)
        whole, some = whole + (not there), some + (0 < len(there) < N)
        for sample in group:
            expected = 0 if sample["design/failed"] else sample["rewards"] - sum(there) / len(there)
            assert answer_tokens(sample, "advantages") == pytest.approx(
                [expected] * sum(sample["action_mask"]), abs=1e-6
            )
            nonzero += expected != 0
    assert whole >= 2 and some >= 4 and nonzero >= 16  # prompts whose reset() raised, answers whose step() did


def test_every_number_of_such_a_step_is_finite_and_the_share_is_counted(trained):
    run, steps, _ = trained
    lines = [line for line in metrics(run) if line["kind"] == "train"]
    for line, batch in zip(lines, steps, strict=True):
        share = sum(sample["design/failed"] for sample in batch) / len(batch)
        assert 0.2 < share < 0.8 and line["design/dropped"] == pytest.approx(share) == line["design/failed"]
        # A group may have no k answers that are there, and no group a wrong one: then there is no such mean.
        means = {name for name in line if name.startswith(("rollout/pass", "explore/"))}
        assert {name for name, value in line.items() if value is None} <= means and abs(line["vllm_kl"]) < 0.01


def test_the_log_says_what_was_raised_and_an_evaluation_counts_it_zero(trained):
    run, _, log = trained
    assert "the agent raised RuntimeError('the sandbox was killed'); its rollout has no reward" in log
    assert "the agent raised OSError('no sandbox for" in log
    assert "answers have no reward; they count 0 (the first: the agent raised" in log
    (line,) = (line for line in metrics(run) if line["kind"] == "eval")
    assert 0 <= line["eval_maze_pass1"] <= 1


def test_a_return_that_cannot_be_read_reaches_the_launcher_in_words_from_the_generator_of_async_training(head):
    address, _record, folders = head
    run = folders.mktemp("run")
    (run / "dropped.yaml").write_text(DROPPED)
    (run / "reward.py").write_text(
        "import asyncio\n\nasked = 0\n\n"
        "async def reward_func(queries, prompts, labels):\n"
        "    global asked\n"
        "    asked += 1\n"
        "    await asyncio.sleep(0)\n"
        f"    if asked > {PROMPTS * N}:\n        return [1.0]\n"
        "    return {'rewards': [float(len(queries[0]) % 2)]}\n"
    )
    flags = f"--train.async_enable --advantage-design {run}/dropped.yaml --device cpu"
    job = [*command(run, steps=3, prompts=PROMPTS, reward=run / "reward.py"), *flags.split()]
    status, log = run_to_the_end(job, run, RAY_ADDRESS=address)
    assert status == 2, log[-8000:]
    said = log.rpartition("python -m passk_rlhf.train_ppo_ray: error: ")[2]
    assert said.startswith("reward_func returned a list of 1 at prompt '")
    assert "; return {'rewards': number, 'scores': number}.\nanswer: '" in said
    assert "Traceback" not in said
