"""OpenRLHF, Ray, vLLM and DeepSpeed for real: three steps of the bundled policy, with a recorder in the actor."""

import json
import math
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import oracle
import pytest
import torch

from passk_rlhf.tasks import maze as task

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parent.parent
POLICY = ROOT / "passk_rlhf" / "tasks" / "maze_policy"
STEPS, PROMPTS, N, K = 3, 16, 8, 3


def environment(record):
    """What the job runs with: the recorder before everything else, and no Ray cluster to join."""
    path = os.pathsep.join([str(ROOT / "tests" / "recorder"), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return kept | {"PYTHONPATH": path, "RECORD_EXPERIENCE": str(record)}


def command(run, *, steps=STEPS, reward=ROOT / "passk_rlhf" / "tasks" / "maze.py"):
    """The OpenRLHF flags that the tests share. Long answers are penalized, so rewards differ from scores."""
    mazes = task.draw_distinct(task.POLICY_SIZE, steps * PROMPTS, seed=5, openings=task.POLICY_OPENINGS)
    with (run / "train.jsonl").open("w") as file:
        for maze in mazes:
            file.write(json.dumps({"input": task.policy_prompt(maze), "label": maze}) + "\n")
    flags = f"""
        --actor.model_name_or_path {POLICY} --actor.num_gpus_per_node 1 --vllm.num_engines 1
        --data.prompt_dataset {run}/train.jsonl --data.input_key input --data.label_key label --data.max_len 96
        --reward.remote_url {reward} --reward.overlong_buffer_len 20 --reward.overlong_penalty_factor 0.5
        --rollout.batch_size {PROMPTS} --rollout.n_samples_per_prompt {N} --rollout.max_new_tokens 24
        --rollout.micro_batch_size 12 --train.batch_size 64 --train.micro_batch_size 16
        --algo.kl.init_coef 0 --algo.advantage.is_correction_level token
        --actor.adam.lr 5e-4 --actor.lr_scheduler constant
        --ckpt.output_dir {run}/model --ckpt.path {run}/checkpoints
        --logger.tensorboard_dir {run}/tensorboard --logger.wandb.run_name test
    """
    return [sys.executable, "-m", "passk_rlhf.train_ppo_ray", *flags.split()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run: log, recorded experiences, metrics, model."""
    run = tmp_path_factory.mktemp("run")
    design = ["--advantage-design", "configs/passk.yaml", "--advantage-param", f"k={K}"]
    design += ["--dump-rewards", f"{run}/rewards.jsonl"]
    with (run / "log").open("wb") as log:
        job = command(run) + design
        done = subprocess.run(job, cwd=ROOT, env=environment(run / "record"), stdout=log, stderr=log, timeout=600)
    assert done.returncode == 0, (run / "log").read_text(errors="replace")[-8000:]
    return run


@pytest.fixture(scope="module")
def steps(trained):
    """The recorded samples of each step, in prompt order."""
    lines = [json.loads(line) for line in (trained / "record").read_text().splitlines()]
    samples = [
        {"index": index, "prompt": line["prompts"][i]}
        | {name: line[name][i] for name in ("rewards", "scores", "advantages", "action_mask", "sequences")}
        | {name: line[name][i] for name in ("action_log_probs", "rollout_log_probs")}
        for line in lines
        for i, index in enumerate(line["index"])
    ]
    assert len(samples) == STEPS * PROMPTS * N
    batches = [samples[start : start + PROMPTS * N] for start in range(0, len(samples), PROMPTS * N)]
    return [sorted(batch, key=lambda sample: sample["index"]) for batch in batches]


def groups(batch):
    return [batch[start : start + N] for start in range(0, len(batch), N)]


def answer_tokens(sample, name):
    return [value for value, mask in zip(sample[name], sample["action_mask"], strict=True) if mask]


def test_the_advantages_in_the_replay_buffer_equal_the_oracle_for_the_recorded_scores(steps):
    nonzero = 0
    for batch in steps:
        for group in groups(batch):
            assert len({sample["prompt"] for sample in group}) == 1
            exact = oracle.passk_closed_form([sample["scores"] == 1 for sample in group], K)
            for sample, value in zip(group, exact, strict=True):
                expected = oracle.nearest_float32(value)
                assert set(answer_tokens(sample, "advantages")) == {expected}
                nonzero += expected != 0
    assert nonzero >= 32  # of 384: not a run without signal


def test_the_rewards_that_were_kept_are_those_that_were_recorded(trained, steps):
    lines = [json.loads(line) for line in (trained / "rewards.jsonl").read_text().splitlines()]
    assert len(lines) == STEPS * PROMPTS
    for i, (line, group) in enumerate(zip(lines, (group for batch in steps for group in groups(batch)), strict=True)):
        assert line["step"] == i // PROMPTS and line["prompt"] == group[0]["prompt"]
        for kept, recorded in (("rewards", "rewards"), ("scores", "scores")):
            assert line[kept] == pytest.approx([sample[recorded] for sample in group], abs=1e-6)
        assert line["length"] == [sum(sample["action_mask"]) for sample in group] and max(line["logprob"]) < 0


def test_length_penalties_had_changed_rewards_before_and_did_not_change_who_is_correct(steps):
    samples = [sample for batch in steps for sample in batch]
    assert {sample["scores"] for sample in samples} == {0, 1}
    assert any(sample["scores"] == 1 and sample["rewards"] < 1 for sample in samples)


def test_the_policy_that_was_saved_is_not_the_one_that_was_loaded(trained):
    from safetensors.torch import load_file

    before, after = load_file(POLICY / "model.safetensors"), load_file(trained / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert max((after[name] - before[name]).abs().max().item() for name in before) > 1e-3


def test_vllm_generated_with_the_new_weights_after_every_step(steps):
    # vLLM's own probabilities of what it sampled, against the actor's: equal when both hold the same weights.
    fresh = max(gap(batch, "action_log_probs") for batch in steps)
    # Two fp32 implementations of one model; vLLM's attention approximates exp on a CPU: 0.001 to 0.0025 was seen.
    assert fresh < 0.005
    # The first policy gives the last step's answers other probabilities, so equal ones were not for want of change.
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(POLICY, dtype=torch.float32)
    for sample in steps[-1]:
        with torch.no_grad():
            ids = torch.tensor([sample["sequences"]])
            log_probs = model(ids).logits.log_softmax(-1)[0, :-1]
        sample["first_policy"] = log_probs.gather(1, ids[0, 1:, None])[:, 0].tolist()
    assert gap(steps[-1], "first_policy") > max(0.02, 8 * fresh)


def test_every_character_survives_the_way_through_vllm(steps):
    from transformers import AutoTokenizer
    from vllm.tokenizers import get_tokenizer

    theirs, ours = get_tokenizer(str(POLICY)), AutoTokenizer.from_pretrained(POLICY)
    for character in "*.SE/>LRUD":
        (token,) = theirs.encode(character, add_special_tokens=False)
        assert theirs.decode([token]) == character == ours.decode([token])
    for sample in steps[0]:
        text = ours.decode(sample["sequences"])
        assert text.startswith(sample["prompt"])
        assert set(text[len(sample["prompt"]) :].replace("</s>", "").replace("<pad>", "")) <= set("*.SE/>LRUD")


def gap(batch, name):
    """Mean distance to vLLM's log-probabilities over all answer tokens, in nats."""
    return statistics.mean(
        abs(a - b)
        for sample in batch
        for a, b in zip(answer_tokens(sample, name), answer_tokens(sample, "rollout_log_probs"), strict=True)
    )


def test_tensorboard_has_the_metrics_of_every_step_as_the_oracle_computes_them(trained, steps):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard" / "test"))
    events.Reload()
    written = [json.loads(line) for line in (trained / "model" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in written] == [1, 2, 3]
    for i, batch in enumerate(steps):
        correct = [[sample["scores"] == 1 for sample in group] for group in groups(batch)]
        exact = oracle.batch_metrics(correct, [oracle.passk_closed_form(group, K) for group in correct])
        for name, value in exact.items():
            tag = f"rollout/{name}" if name.startswith("pass") else f"design/{name}"
            assert events.Scalars(f"train/{tag}")[i].value == pytest.approx(float(value), rel=1e-5, abs=1e-7), tag
            assert written[i][tag] == pytest.approx(float(value), rel=1e-5, abs=1e-7), tag
    assert all(math.isfinite(line["policy_loss"]) for line in written)


def test_the_log_says_once_that_the_design_is_active_and_the_run_holds_it(trained):
    import shaping

    log = (trained / "log").read_text(errors="replace")
    assert log.count("shaping: design passk (k=3) active in PPOTrainer pid") == 1
    assert log.count("passk_rlhf: design passk (k=3) from configs/passk.yaml, groups of 8, OpenRLHF 0.11.2") == 1
    for folder in ("model", "checkpoints"):
        assert shaping.load(trained / folder / "design.yaml").params["k"].value == K
    assert re.findall(rf"step (\d)/{STEPS}  reward \d\.\d+  pass@1 .* min left", log) == [
        str(i + 1) for i in range(STEPS)
    ]


def test_a_reward_that_is_no_verdict_ends_the_first_step_with_prompt_answer_and_value(tmp_path):
    (tmp_path / "half.py").write_text(
        "def reward_func(queries, prompts, labels):\n    return {'rewards': 0.5, 'scores': 0.5, 'extra_logs': {}}\n"
    )
    job = [*command(tmp_path, steps=1, reward=tmp_path / "half.py"), "--advantage-design", "configs/passk.yaml"]
    done = subprocess.run(
        job, cwd=ROOT, env=environment(tmp_path / "record"), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 2
    last = done.stderr[done.stderr.index("python -m passk_rlhf.train_ppo_ray: error: ") :]
    assert "design 'passk': score 0.5 at prompt 0, answer 0 is neither 0 nor 1." in last
    assert "prompt 0: '*******/" in last
    assert not (tmp_path / "record").exists()  # nothing reached the actor
