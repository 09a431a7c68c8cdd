"""A run whose actors cannot be made ends within a minute, with their own error; and one that can be made is, whoever
takes ports beside it."""

import os
import socket
import subprocess
import sys
import time

import pytest
from stack import MAZE, ROOT, command, environment, metrics, run_to_the_end

pytestmark = pytest.mark.stack

DESIGN = ["--advantage-design", "configs/passk.yaml", "--advantage-param", "k=4", "--device", "cpu"]
PATIENCE = 60  # seconds from the error to the end

# Imported well before Ray starts, and not in vLLM's actors: as where the machines of a cluster differ.
FAILS_THERE = (
    "import os\nif 'PASSK_RLHF_PATCH' in os.environ:\n    {}\ndef reward_func(queries, prompts, labels): return\n"
)
BROKEN = {
    "an import": (
        "import not_installed",
        "error: RolloutRayActor failed while it was made: ModuleNotFoundError: No module named 'not_installed'",
    ),
    "a crash": ("os.abort()", "died as it was made: it was killed, or crashed"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_engine_that_cannot_be_made_ends_the_run_within_a_minute_with_its_own_error(how, tmp_path):
    body, message = BROKEN[how]
    reward = tmp_path / "reward.py"
    reward.write_text(FAILS_THERE.format(body))
    job = [*command(tmp_path, steps=1, reward=reward), *DESIGN]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(job, cwd=ROOT, env=environment(tmp_path / "record"), stdout=log, stderr=log)
        started = None
        while process.poll() is None:
            text = (tmp_path / "log").read_text(errors="replace")
            failed = "ray::RolloutRayActor.__init__" in text or "worker died or was killed" in text
            started = started or (time.time() if failed else None)
            assert started is None or time.time() - started < PATIENCE, text[-4000:]
            time.sleep(0.5)
    text = (tmp_path / "log").read_text(errors="replace")
    assert process.returncode == 2 and message in text, text[-4000:]


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path):
    job = [*command(tmp_path, steps=1), *DESIGN, "--actor.model_name_or_path", str(tmp_path / "no_model")]
    status, log = run_to_the_end(job, tmp_path, timeout=180, HF_HUB_OFFLINE="1")
    assert status == 2
    said = log[log.rindex("train_ppo_ray: error: ") :]
    assert "failed while it was made" in said and "no_model" in said


# ── Ports ───────────────────────────────────────────────────────────────────

# Programs that take ports as they come, hold each for a while, and give them back: three at a time, 4,000 ports.
THIEF = """
import random, socket, time
held = []
while True:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, random.randrange(2))
    try:
        sock.bind(("", random.choice([0, random.randrange(32768, 61000)])))
        sock.listen()
        held.append(sock)
    except OSError:
        sock.close()
    if len(held) > 4000:
        held.pop(random.randrange(len(held))).close()
    time.sleep(0.002)
"""


@pytest.mark.nightly
def test_fifty_starts_beside_programs_that_take_ports_all_train(tmp_path):
    resources = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))\n"
    thieves = [subprocess.Popen([sys.executable, "-c", resources + THIEF]) for _ in range(3)]
    try:
        for i in range(int(os.environ.get("STARTS", "50"))):
            run = tmp_path / str(i)
            run.mkdir()
            job = [*command(run, steps=1, prompts=2), *DESIGN, "--train.batch_size", "16", "--rollout.micro_batch_size"]
            job += ["4", "--train.micro_batch_size", "4", "--actor.num_gpus_per_node", "2", "--reward.remote_url", MAZE]
            status, log = run_to_the_end([*map(str, job)], run, timeout=300)
            assert status == 0 and len(metrics(run)) == 1, f"start {i}: {log[-6000:]}"
            print(f"start {i}: trained", flush=True)
    finally:
        for thief in thieves:
            thief.kill()
            thief.wait()


def test_a_port_is_free_again_when_the_process_that_kept_it_has_ended():
    keeps = "from passk_rlhf import ports; print(ports.keep(), ports.serve())"
    kept = subprocess.run([sys.executable, "-c", keeps], capture_output=True, text=True, check=True).stdout
    for port in kept.split():
        with socket.create_server(("", int(port))):
            pass
