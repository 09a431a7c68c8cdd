"""A job submitted to a running Ray head, as on a cluster, with a design that only the submitter's folder holds."""

import json
import os
import subprocess
import time

import pytest
from stack import PROMPTS, RAY, ROOT, N, command, ray_head

from passk_rlhf import placement

pytestmark = pytest.mark.stack

# No estimator of OpenRLHF, and no file of configs/; it sees how far the run is, lengths and log-probabilities.
DESIGN = """name: mine
use: {base: rest.yaml}
advantage:
  correct: n_neg / N + progress
  wrong: base + surprisal / 1000
"""
REST = "name: rest\nadvantage: -length / 10\n"


@pytest.fixture
def head(tmp_path):
    """The address for jobs of a Ray head of our own."""
    with ray_head(tmp_path / "record", gpus=2, cpus=4) as (address, jobs):
        # RAY_ADDRESS=http://... is refused before it is tried; without http:// the two are told apart by their answer.
        assert placement.speaks_http(jobs.removeprefix("http://")) and not placement.speaks_http(address)
        yield jobs


def submit(head, *entrypoint):
    """Run `ray job submit` to its end: (exit status, everything it printed)."""
    given = {"env": os.environ | {"RAY_ADDRESS": head}, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    deadline = time.time() + 60
    while True:
        job = [RAY, "job", "submit", "--", *entrypoint]
        done = subprocess.run(job, **given, text=True, timeout=600)
        # The head answers before it can take a job.
        if "No available agent to submit job" not in done.stdout or time.time() > deadline:
            return done.returncode, done.stdout


def test_a_submitted_job_trains_on_a_design_that_no_worker_can_read(head, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "mine.yaml").write_text(DESIGN)
    (mine / "rest.yaml").write_text(REST)
    entrypoint = " ".join(command(tmp_path, steps=2)) + " --advantage-design mine.yaml"
    status, log = submit(head, "sh", "-c", f"cd {mine} && exec {entrypoint}")
    assert status == 0, log[-8000:]
    assert "passk_rlhf: design mine from mine.yaml, groups of 8, OpenRLHF 0.11.2" in log
    assert "shaping: design mine active in PPOTrainer" in log

    lines = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    names = ("prompts", "scores", "advantages", "action_mask", "action_log_probs")
    samples = [{name: line[name][i] for name in names} for line in lines for i in range(len(line["index"]))]
    assert len(samples) == 2 * PROMPTS * N
    seen = set()
    for step in (0, 1):
        of_step = samples[step * PROMPTS * N : (step + 1) * PROMPTS * N]
        for prompt in {sample["prompts"] for sample in of_step}:
            group = [sample for sample in of_step if sample["prompts"] == prompt]
            n_pos = sum(sample["scores"] for sample in group)
            for sample in group:
                mask = sample["action_mask"]
                logprobs = [value for value, there in zip(sample["action_log_probs"], mask, strict=True) if there]
                correct, length = sample["scores"] == 1, len(logprobs)
                expected = (N - n_pos) / N + step / 2 if correct else -length / 10 - sum(logprobs) / length / 1000
                found = {value for value, there in zip(sample["advantages"], mask, strict=True) if there}
                assert len(found) == 1 and found.pop() == pytest.approx(expected, abs=1e-6)
                seen.add((step, correct))
    assert seen == {(0, True), (0, False), (1, True), (1, False)}


def test_a_cluster_with_too_few_gpus_is_refused_by_number(head, tmp_path):
    entrypoint = [*command(tmp_path, steps=1), "--actor.num_gpus_per_node", "4", "--rollout.micro_batch_size", "8"]
    status, log = submit(head, *entrypoint, "--advantage-design", f"{ROOT}/configs/passk.yaml")
    assert status != 0
    assert "this job places 5 logical GPUs and 6 CPUs, the Ray cluster has 2 and 4" in log
