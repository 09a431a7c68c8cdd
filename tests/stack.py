"""What the tests on the real stack share: the command of a small job, its environment, and what it recorded.

A job trains the bundled maze policy with OpenRLHF, Ray, vLLM and DeepSpeed. `recorder/sitecustomize.py` sits in its
processes and writes down every experience that reaches an actor; `batches` sorts that into steps and groups.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from passk_rlhf import ports
from passk_rlhf.tasks import maze as task

ROOT = Path(__file__).parent.parent
POLICY = ROOT / "passk_rlhf" / "tasks" / "maze_policy"
MAZE = ROOT / "passk_rlhf" / "tasks" / "maze.py"
RAY = Path(sys.executable).with_name("ray")
PROMPTS, N = 16, 8  # of a step
RECORDED = ("rewards", "scores", "advantages", "action_mask", "action_log_probs", "rollout_log_probs", "sequences")


def environment(record):
    """What the job runs with: the recorder before everything else, and no Ray cluster to join."""
    path = os.pathsep.join([str(ROOT / "tests" / "recorder"), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return kept | {"PYTHONPATH": path, "RECORD_EXPERIENCE": str(record), "RAY_worker_niceness": "0"}


def write_mazes(path, count, seed):
    mazes = task.draw_distinct(task.POLICY_SIZE, count, seed=seed, openings=task.POLICY_OPENINGS)
    lines = [{"input": task.policy_prompt(maze), "label": maze, "datasource": "maze"} for maze in mazes]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def command(run, *, steps, prompts=PROMPTS, reward=MAZE):
    """The OpenRLHF flags that the tests share; a flag given again after these counts instead.

    Long answers are penalized, so rewards differ from scores.
    """
    write_mazes(run / "train.jsonl", steps * prompts, seed=5)
    flags = f"""
        --actor.model_name_or_path {POLICY} --actor.num_gpus_per_node 1 --vllm.num_engines 1
        --data.prompt_dataset {run}/train.jsonl --data.input_key input --data.label_key label --data.max_len 96
        --reward.remote_url {reward} --reward.overlong_buffer_len 20 --reward.overlong_penalty_factor 0.5
        --rollout.batch_size {prompts} --rollout.n_samples_per_prompt {N} --rollout.max_new_tokens 24
        --rollout.micro_batch_size 12 --train.batch_size 64 --train.micro_batch_size 16
        --algo.kl.init_coef 0 --algo.advantage.is_correction_level token
        --actor.adam.lr 5e-4 --actor.lr_scheduler constant
        --ckpt.output_dir {run}/model --ckpt.path {run}/checkpoints
        --logger.tensorboard_dir {run}/tensorboard --logger.wandb.run_name test
    """
    return [sys.executable, "-m", "passk_rlhf.train_ppo_ray", *flags.split()]


def arguments(design, n_samples_per_prompt=N, actors=1):
    """OpenRLHF's arguments, as far as a step in one process reads them."""
    return SimpleNamespace(
        algo=SimpleNamespace(
            advantage=SimpleNamespace(estimator="design", design=design, dump=None), dynamic_filtering_enable=False
        ),
        reward=SimpleNamespace(clip_range=(-10, 10), overlong_buffer_len=None, stop_properly_penalty_coef=None),
        rollout=SimpleNamespace(n_samples_per_prompt=n_samples_per_prompt, max_new_tokens=24, micro_batch_size=3),
        train=SimpleNamespace(dynamic_batch_enable=False, micro_batch_size=1, seed=1),
        actor=SimpleNamespace(num_nodes=1, num_gpus_per_node=actors),
        ds=SimpleNamespace(ring_attn_size=1, tensor_parallel_size=1),
    )


def run_to_the_end(job, run, timeout=600, **variables):
    """Run the job with its output in RUN/log and its experiences in RUN/record; return (exit status, log)."""
    given = environment(run / "record") | variables
    with (run / "log").open("ab") as log:
        done = subprocess.run(job, cwd=ROOT, env=given, stdout=log, stderr=log, timeout=timeout, check=False)
    return done.returncode, (run / "log").read_text(errors="replace")


@contextmanager
def ray_head(record, gpus, cpus):
    """A Ray head of our own in a folder of its own, whose workers record: (its address, its address for jobs)."""
    # Ray's sockets live in its folder, and the path of a socket may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    port, jobs = ports.keep(), ports.keep()
    options = f"--head --block --num-gpus={gpus} --num-cpus={cpus} --port={port} --dashboard-port={jobs}"
    options += f" --dashboard-agent-listen-port={ports.keep()}"  # its default may still be held by the head before
    log = (folder / "head.log").open("wb")
    process = subprocess.Popen(
        [RAY, "start", *options.split(), f"--temp-dir={folder}", "--node-ip-address=127.0.0.1"],
        cwd=folder,
        env=environment(record) | {"RAY_USAGE_STATS_ENABLED": "0", "DS_ACCELERATOR": "cpu"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        deadline = time.time() + 60
        while time.time() < deadline:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", jobs)) == 0:
                    break
            assert process.poll() is None, (folder / "head.log").read_text()
            time.sleep(0.5)
        yield f"127.0.0.1:{port}", f"http://127.0.0.1:{jobs}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the head and what it started, nothing else
        process.wait(timeout=60)
        shutil.rmtree(folder)


def batches(record):
    """Step → its samples in prompt order, of everything that reached an actor.

    Within a step every place of the batch occurs once, and no step begins before the one before it has ended; so the
    first sample with place 7 is of the first step that was recorded, the second of the second.
    """
    steps, seen = {}, Counter()
    for line in map(json.loads, record.read_text().splitlines()):
        for i, index in enumerate(line["index"]):
            sample = {"index": index, "prompt": line["prompts"][i], "pid": line["pid"]}
            sample |= {name: line[name][i] for name in RECORDED if name in line}
            sample |= {name: value[i] for name, value in line["info"].items()}
            steps.setdefault(seen[index], []).append(sample)
            seen[index] += 1
    return [sorted(steps[i], key=lambda sample: sample["index"]) for i in sorted(steps)]


def groups(batch, n=N):
    """The groups of a step, each of one prompt."""
    found = [batch[start : start + n] for start in range(0, len(batch), n)]
    for group in found:
        assert len(group) == n and len({sample["prompt"] for sample in group}) == 1
    return found


def answer_tokens(sample, name):
    return [value for value, mask in zip(sample[name], sample["action_mask"], strict=True) if mask]


def add_first_policy(samples):
    """Put the log-probability of each token under the policy that the job started from into each sample."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(POLICY, dtype=torch.float32)
    for sample in samples:
        with torch.no_grad():
            ids = torch.tensor([sample["sequences"]])
            log_probs = model(ids).logits.log_softmax(-1)[0, :-1]
        sample["first_policy"] = log_probs.gather(1, ids[0, 1:, None])[:, 0].tolist()


def gap(batch, name):
    """The distance to vLLM's log-probabilities, in nats, that nine in ten answer tokens stay below.

    Not the mean: two fp32 implementations of one model, vLLM's with an attention that approximates exp on a CPU, agree
    to 0.0006 in nine of ten tokens, and now and then are a tenth of a nat apart in a few.
    """
    distances = sorted(
        abs(a - b)
        for sample in batch
        for a, b in zip(answer_tokens(sample, name), answer_tokens(sample, "rollout_log_probs"), strict=True)
    )
    return distances[int(0.9 * len(distances))]


class Job:
    """A job in the background, with its processes: each of them carries the path of its record in its environment."""

    def __init__(self, job, run, **variables):
        self.run = run
        self.log = (run / "log").open("ab")
        given = environment(run / "record") | variables
        self.process = subprocess.Popen(
            job, cwd=ROOT, env=given, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def until(self, seen, seconds=180):
        """Wait until `seen()`; fail if the job ends before."""
        deadline = time.time() + seconds
        while not seen():
            assert self.process.poll() is None, self.text()[-8000:]
            assert time.time() < deadline, self.text()[-8000:]
            time.sleep(0.1)

    def until_step(self, step):
        self.until(lambda: any(line["step"] >= step for line in metrics(self.run)))

    def kill(self, title):
        """SIGKILL to one process of that title; which titles there are is Ray's and vLLM's choice."""
        pids = [pid for pid, name in self.processes() if title in name.split(" ")[0]]
        assert pids, self.processes()
        os.kill(pids[-1], signal.SIGKILL)

    def processes(self):
        """(process, title) of everything that the job has started and that is still there, zombies aside."""
        mark, found = f"RECORD_EXPERIENCE={self.run}/record\0".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes() and (title := (folder / "cmdline").read_bytes()):
                    found.append((int(folder.name), title.replace(b"\0", b" ").decode()))
            except OSError:  # it has just ended
                continue
        return sorted(found)

    def end(self, seconds):
        """(exit status, how many seconds it took); TimeoutExpired if it does not end."""
        started = time.time()
        status = self.process.wait(timeout=seconds)
        return status, time.time() - started

    def left(self, seconds):
        """What is still there of it after so many seconds."""
        deadline = time.time() + seconds
        while (found := self.processes()) and time.time() < deadline:
            time.sleep(0.5)
        return [title for _, title in found]

    def text(self):
        return (self.run / "log").read_text(errors="replace")

    def stop(self):
        """Whatever happened, leave nothing behind."""
        for pid, _ in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


def metrics(run):
    """The whole lines of metrics.jsonl; a half one would not be JSON."""
    path = run / "model" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
