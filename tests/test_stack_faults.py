"""What clusters do to a run, for real: processes are killed in the middle of a step, files change, the disk is full."""

import json
import math
import re
from pathlib import Path

import oracle
import pytest
from stack import Job, command, metrics

import shaping
from passk_rlhf.history import read_history
from passk_rlhf.resume import ResumeError, last_checkpoint

pytestmark = pytest.mark.stack

PROMPTS, STEPS, K, LAST_K = 8, 6, 6, 5
PATIENCE = 60  # seconds until a run that cannot go on has ended

# Who is killed → what the error says of it. There are two actors, so one is left waiting for the other.
KILLS = {
    "ray::PPOTrainer": "PPOTrainer (process ",
    "ray::PolicyModelActor": "PolicyModelActor (process ",
    "ray::RolloutRayActor": "RolloutRayActor (process ",
}


def training(run, *flags):
    """A group is a micro-batch, so every line of the record is a group."""
    flags = [
        "--actor.num_gpus_per_node",
        "2",
        "--rollout.micro_batch_size",
        "8",
        "--train.micro_batch_size",
        "8",
        *flags,
    ]
    flags += ["--ckpt.save_steps", "1", "--ckpt.load_enable", "--dump-rewards", f"{run}/rewards.jsonl"]
    return [*command(run, steps=STEPS, prompts=PROMPTS), *flags, "--advantage-design", f"{run}/passk_annealed.yaml"]


def write_design(run):
    for name in ("passk_annealed", "passk"):
        text = Path(f"configs/{name}.yaml").read_text().replace("k: {default: 8", f"k: {{default: {K}")
        (run / f"{name}.yaml").write_text(text)


def has_checkpoint(run):
    """Is there one that both actors have finished?"""
    try:
        return last_checkpoint(run / "checkpoints", 2) is not None
    except ResumeError:  # the first is being written
        return False


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def ends(run):
    """How each life of one run ended: it is killed three times, and goes on each time; the fourth may end by itself.

    Title of the process that was killed, or "nobody" → (exit status, seconds, what it printed, what was left of it).
    """
    found = {}
    for title in (*KILLS, "nobody"):
        write_design(run)
        change = ["--advantage-param", f"k={LAST_K}", "--allow-design-change"] if title == "nobody" else []
        done = len(metrics(run))
        length = len((run / "log").read_text()) if (run / "log").exists() else 0
        job = Job(training(run, *change), run)
        try:
            job.until(lambda job=job, length=length: "active in PPOTrainer" in job.text()[length:])
            (run / "passk.yaml").write_text("advantage: r\n")  # of no effect on a run that has begun
            if title != "nobody":
                job.until(lambda done=done: len(metrics(run)) > done)
                # A step's line of metrics comes before its checkpoint; the first life is to leave one to go on from.
                job.until(lambda: has_checkpoint(run))
                job.kill(title)
            status, seconds = job.end(seconds=300)
            found[title] = (status, seconds, job.text()[length:], job.left(seconds=30))
        finally:
            job.stop()
    return found


@pytest.mark.parametrize("title", KILLS)
def test_a_run_whose_process_is_killed_ends_within_a_minute_and_says_who_died_and_how_to_go_on(title, run, ends):
    status, seconds, printed, left = ends[title]
    assert status == 2 and seconds < PATIENCE
    said = printed[printed.rindex("python -m passk_rlhf.train_ppo_ray: error: ") :]
    assert KILLS[title] in said
    assert re.search(rf"To go on from checkpoint global_step\d in {run}/checkpoints: .* --ckpt.load_enable", said)
    assert left == []  # not even vLLM's engine, which would keep its memory


def test_a_run_that_was_killed_three_times_has_done_every_step(run, ends):
    status, _, printed, _ = ends["nobody"]
    assert status == 0, printed[-8000:]
    assert read_history(run).steps == list(range(1, STEPS + 1))
    assert all(line["kind"] == "train" for line in metrics(run))  # every line is whole: each was read as JSON


def dumped(run):
    """Prompt → the step it was trained in."""
    lines = [json.loads(line) for line in (run / "rewards.jsonl").read_text().splitlines()]
    assert len(lines) == STEPS * PROMPTS and [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    return {line["prompt"]: line["step"] for line in lines}


def test_no_prompt_was_left_out_and_none_was_kept_twice(run, ends):
    given = {json.loads(line)["input"] for line in (run / "train.jsonl").read_text().splitlines()}
    assert dumped(run).keys() == given and len(given) == STEPS * PROMPTS


def test_every_step_was_trained_with_its_own_k_whatever_became_of_the_file_of_the_design(run, ends):
    resumed = re.findall(r"going on after step (\d), at step (\d) of 6 for schedules", ends["nobody"][2])
    assert len(resumed) == 1 and resumed[0][0] == resumed[0][1]
    first_of_last_life, step_of, seen = int(resumed[0][0]), dumped(run), set()
    for line in map(json.loads, (run / "record").read_text().splitlines()):
        step = step_of[line["prompts"][0]]
        correct = [score == 1 for score in line["scores"]]
        candidates = {K, LAST_K} if step >= first_of_last_life else {K}  # the last life may do a lost step again
        ks = {max(1, k - math.floor(k * step / STEPS)) for k in candidates}
        exact = [[oracle.nearest_float32(value) for value in oracle.passk_closed_form(correct, k)] for k in ks]
        found = [
            {value for value, there in zip(*tokens, strict=True) if there}
            for tokens in zip(line["advantages"], line["action_mask"], strict=True)
        ]
        assert [{value} for value in exact[0]] == found or [{value} for value in exact[-1]] == found, step
        seen |= {step} if any(exact[0]) else set()
    assert len(seen) >= 3  # of 6: not a run without signal


def test_going_on_with_another_k_says_so_and_keeps_both_designs(run, ends):
    said = f"was trained on design passk_annealed (k={K}), and this command gives design passk_annealed (k={LAST_K})"
    assert said in ends["nobody"][2]
    step = int(re.search(r"going on after step (\d)", ends["nobody"][2])[1])
    assert shaping.load(run / "model" / f"design-until-step{step}.yaml").params["k"].value == K
    for folder in ("model", f"checkpoints/_actor/global_step{STEPS}"):
        assert shaping.load(run / folder / "design.yaml").params["k"].value == LAST_K


def test_going_on_with_another_k_is_refused_before_ray_starts(run, ends):
    write_design(run)
    job = Job(training(run, "--advantage-param", "k=2"), run)
    try:
        length = len(job.text())
        assert job.end(seconds=60)[0] == 2
    finally:
        job.stop()
    assert (
        f"checkpoint global_step{STEPS} in {run}/checkpoints was trained on design passk_annealed (k={LAST_K}), and"
        in (job.text()[length:])
    )
    assert "Started a local Ray instance" not in job.text()[length:]


# ── Other faults, each of a run of its own ──────────────────────────────────


@pytest.fixture
def small(tmp_path):
    """Start a job of one actor: small(flags, environment variables) → Job."""
    jobs = []

    def start(*flags, **variables):
        job = [*command(tmp_path, steps=20, prompts=PROMPTS), "--ckpt.save_steps", "1", "--train.batch_size", "64"]
        jobs.append(Job([*job, "--advantage-design", "configs/passk.yaml", *flags], tmp_path, **variables))
        return jobs[-1]

    yield start
    for job in jobs:
        job.stop()


def error_of(job, seconds=180):
    """What the launcher said when the job had ended with 2."""
    status, _ = job.end(seconds)
    assert status == 2, job.text()[-8000:]
    return job.text().rpartition("python -m passk_rlhf.train_ppo_ray: error: ")[2]


def test_a_disk_that_is_full_in_the_middle_of_a_run_is_one_clear_line(small, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "metrics.jsonl").symlink_to("/dev/full")
    said = error_of(small())
    assert said.startswith(f"the disk is full: {tmp_path}/model/metrics.jsonl\n")


@pytest.mark.nightly
def test_vllms_engine_killed_ends_the_run_within_a_minute(small):
    job = small()
    job.until_step(2)
    job.kill("VLLM::EngineCore")
    assert error_of(job, seconds=PATIENCE).startswith("vLLM's engine died in the middle of the run")
    assert job.left(seconds=30) == []


@pytest.mark.nightly
def test_a_machine_without_a_free_port_is_one_clear_line(small):
    assert error_of(small(NO_FREE_PORT="1")).startswith("no free port")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("gcs_server", "Ray's head has not answered for "),
        ("raylet/raylet", "a machine of the run is gone, or Ray's process on it (the raylet): "),
    ],
)
def test_ray_itself_killed_ends_the_run_within_a_minute(small, title, said):
    job = small()
    job.until_step(2)
    job.kill(title)
    assert error_of(job, seconds=PATIENCE).startswith(said)
    assert job.left(seconds=60) == []


@pytest.mark.nightly
@pytest.mark.parametrize(
    "title", ["ray::TrainingActor", "ray::GenerateSamplesActor", "ray::RolloutRayActor", "ray::PPOTrainerAsync"]
)
def test_async_training_ends_within_a_minute_whoever_is_killed(small, title):
    job = small("--train.async_enable")
    job.until_step(2)
    job.kill(title)
    assert f"{title.removeprefix('ray::')} (process " in error_of(job, seconds=PATIENCE)
    assert job.left(seconds=30) == []


@pytest.mark.nightly
def test_a_launcher_that_is_killed_leaves_nothing_behind(small):
    job = small()
    job.until_step(1)
    job.process.kill()
    assert job.left(seconds=60) == []
