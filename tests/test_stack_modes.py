"""Every mode of OpenRLHF that a CPU can run: the advantages that reach the actors are the design's, sample by sample.

A run combines modes that can be had together; docs/modes.md says which row of its matrix is held by which run. All
train on configs/passk_annealed.yaml, whose k falls step by step, so that a wrong step is a wrong advantage.
"""

import functools
import json
import math
import re
from types import SimpleNamespace

import oracle
import pytest
import torch
from stack import (
    ROOT,
    N,
    add_first_policy,
    answer_tokens,
    arguments,
    batches,
    command,
    gap,
    groups,
    metrics,
    ray_head,
    run_to_the_end,
    write_mazes,
)

from passk_rlhf import patch, trainer
from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils.experience import Experience, balance_experiences  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402

pytestmark = pytest.mark.stack

PROMPTS, STEPS, K = 9, 3, 6
DESIGN = ["--advantage-design", "configs/passk_annealed.yaml", "--advantage-param", f"k={K}"]
TWO_ACTORS = "--actor.num_gpus_per_node 2"

RUNS = {
    # Groups have 8 answers: micro-batches of 6 split them, and a rollout of 72 is trained on in 3 optimizer steps.
    "data parallel": f"{TWO_ACTORS} --ds.zero_stage 2 --vllm.num_engines 2 --rollout.micro_batch_size 6"
    " --train.batch_size 24 --train.micro_batch_size 4 --train.enable_ema"
    " --eval.dataset {run}/test.jsonl --eval.steps 2 --eval.n_samples_per_prompt 4 --eval.temperature 1",
    "sharded": f"{TWO_ACTORS} --ds.zero_stage 3 --ref.num_gpus_per_node 2 --train.colocate_actor_ref"
    " --algo.kl.init_coef 0.1 --algo.kl.use_loss --algo.kl.estimator k3",
    "async": "--train.async_enable --train.async_queue_size 2 --algo.dynamic_filtering_enable"
    " --train.partial_rollout_enable --rollout.vllm_generate_batch_size 18",
    "one machine": "--train.colocate_all --ref.num_gpus_per_node 1 --algo.kl.init_coef 0.2 --algo.kl.estimator k1",
    # The range filters nothing out: of 27 prompts the third step has one, too few answers for two actors to share.
    "last prompts": f"{TWO_ACTORS} --rollout.batch_size 13 --rollout.micro_batch_size 4 --train.batch_size 32"
    " --algo.dynamic_filtering_enable --algo.dynamic_filtering_range -1 2",
    # One optimizer step a rollout. What reaches the actor are not whole groups: a test of its own looks at it.
    "silent groups": "--skip-silent-groups --train.batch_size 72 --train.micro_batch_size 6"
    " --dump-rewards {run}/rewards.jsonl",
    "by the design": "--algo.dynamic_filtering_enable --filter-silent-groups",
    "agent and adapters": f"--train.agent_func_path {ROOT}/tests/agent.py"
    " --ds.lora.rank 8 --ds.lora.alpha 32 --actor.adam.lr 5e-3",
}


def k_of(step):
    """What configs/passk_annealed.yaml says of step 0, 1 ... of STEPS."""
    return max(1, K - math.floor(K * step / STEPS))


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """One Ray for all runs: its address, and the file that its workers record to."""
    record = tmp_path_factory.mktemp("head") / "record"
    with ray_head(record, gpus=4, cpus=5) as (address, _):
        yield address, record


@pytest.fixture(scope="module")
def trained(tmp_path_factory, head):
    """Name of a run → its folder and the samples of each step, once it has ended well. Each is done once."""
    address, record = head

    @functools.cache
    def run_of(name):
        run = tmp_path_factory.mktemp("run")
        write_mazes(run / "test.jsonl", 8, seed=9)
        flags = RUNS[name].format(run=run).split()
        job = [*command(run, steps=STEPS, prompts=PROMPTS), *flags, *DESIGN, "--device", "cpu"]
        status, log = run_to_the_end(job, run, RAY_ADDRESS=address)
        if record.exists():  # whatever became of the run: the next one's is not to begin with it
            record.rename(run / "record")
        assert status == 0, log[-8000:]
        return run, batches(run / "record")

    return run_of


@pytest.mark.parametrize("name", [name for name in RUNS if name != "silent groups"])
def test_the_advantages_equal_the_oracle_for_the_k_of_their_step(name, trained):
    nonzero, (_, steps) = 0, trained(name)
    for step, batch in enumerate(steps):
        if name == "one machine":
            add_first_policy(batch)
        for group in groups(batch):
            exact = oracle.passk_closed_form([sample["scores"] == 1 for sample in group], k_of(step))
            for sample, value in zip(group, exact, strict=True):
                expected = oracle.nearest_float32(value)
                nonzero += expected != 0
                if name != "one machine":
                    assert set(answer_tokens(sample, "advantages")) == {expected}
                    continue
                expected = with_penalty(sample, expected, coefficient=0.2)
                assert answer_tokens(sample, "advantages") == pytest.approx(expected, abs=1e-4)
    assert nonzero >= 16  # not a run without signal


def with_penalty(sample, advantage, coefficient):
    """Of each token of the answer: the advantage, less coefficient x KL (k1) from there to the end."""
    ratios = zip(answer_tokens(sample, "action_log_probs"), answer_tokens(sample, "first_policy"), strict=True)
    kl = [ours - first for ours, first in ratios]
    return [advantage - coefficient * sum(kl[t:]) for t in range(len(kl))]


# What shows that the modes of a run were on, besides the flags.


def test_two_actors_split_groups_took_three_optimizer_steps_and_evaluated_once(trained):
    run, steps = trained("data parallel")
    assert all(len({sample["pid"] for sample in batch}) == 2 for batch in steps)
    lines = [json.loads(line) for line in (run / "record").read_text().splitlines()]
    assert any(len(set(line["prompts"])) == 2 for line in lines)  # an experience with answers of two groups
    assert [(line["kind"], line["step"]) for line in metrics(run)] == [
        ("train", 1),
        ("train", 2),
        ("eval", 2),
        ("train", 3),
    ]
    evaluation = metrics(run)[2]
    assert [name for name in evaluation if "_pass" in name] == [f"eval_maze_pass{k}" for k in (1, 2, 4)]
    assert 0 <= evaluation["eval_maze_pass1"] <= evaluation["eval_maze_pass2"] <= evaluation["eval_maze_pass4"] <= 1
    assert evaluation["eval_maze_reward_mean"] == evaluation["eval_maze_pass1"]  # mazes are right or wrong
    assert evaluation["eval_maze_reward_max4"] == evaluation["eval_maze_pass4"]
    log = (run / "log").read_text(errors="replace")
    assert len(set(re.findall(r"RolloutRayActor pid=(\d+)", log))) == 2


def test_exploration_is_counted_over_the_answers_that_reached_the_actors(trained):
    run, steps = trained("data parallel")
    logged = [line for line in metrics(run) if line["kind"] == "train"]
    for line, batch in zip(logged, steps, strict=True):
        shares, nats = [], {1: [], 0: []}
        for group in groups(batch):
            wrong = [written(sample) for sample in group if not sample["scores"]]
            shares += [len(set(wrong)) / len(wrong)] if wrong else []
            for sample in group:
                logprobs = answer_tokens(sample, "action_log_probs")
                nats[int(sample["scores"])].append(-math.fsum(logprobs) / len(logprobs))
        assert line["explore/distinct_wrong"] == pytest.approx(math.fsum(shares) / len(shares), rel=1e-6)
        assert line["explore/surprisal_correct"] == pytest.approx(math.fsum(nats[1]) / len(nats[1]), rel=1e-5)
        assert line["explore/surprisal_wrong"] == pytest.approx(math.fsum(nats[0]) / len(nats[0]), rel=1e-5)
        assert 0 < line["explore/surprisal_correct"] < line["explore/surprisal_wrong"]


def written(sample):
    """The answer's tokens. Place i of the mask is of token i + 1."""
    return tuple(token for token, mask in zip(sample["sequences"][1:], sample["action_mask"], strict=False) if mask)


def test_the_reference_model_was_there(trained):
    run, steps = trained("sharded")
    assert all(len({sample["pid"] for sample in batch}) == 2 for batch in steps)
    first, *_, last = (line["kl"] for line in metrics(run))
    assert first < 1e-6 < last  # the policy has left it


def test_filtering_by_the_design_leaves_the_groups_that_train_and_no_others(trained):
    run, steps = trained("by the design")
    for step, batch in enumerate(steps):
        right = [sum(sample["scores"] for sample in group) for group in groups(batch)]
        assert all(1 <= n <= N - k_of(step) for n in right), (
            step,
            right,
        )  # at least k wrong ones, or all draws succeed
    assert [line["design/effective"] for line in metrics(run)] == [1] * len(steps)
    log = (run / "log").read_text(errors="replace")
    assert "dropped, and another prompt in its place: the design gives every answer 0, rewards [" in log
    assert f"shaping: 0 of {len(steps)} steps trained nothing" in log


def test_groups_without_a_mixed_outcome_were_filtered_before_the_design_saw_them(trained):
    run, steps = trained("async")
    assert all(0 < sum(sample["scores"] for sample in group) < N for batch in steps for group in groups(batch))
    assert "active in TrainingActor" in (run / "log").read_text(errors="replace")


def test_a_step_with_too_few_answers_left_trains_nothing_and_the_run_ends_well(trained):
    run, steps = trained("last prompts")
    assert [len(batch) for batch in steps] == [104, 104]
    assert [(line["step"], line["rollout/num_samples"]) for line in metrics(run)] == [(1, 104), (2, 104), (3, 0)]
    assert "step 3 trains nothing: the 8 answers left are too few" in (run / "log").read_text(errors="replace")
    assert (run / "model" / "model.safetensors").exists()


def test_vllm_generated_with_the_adapters_of_every_step(trained):
    run, steps = trained("agent and adapters")
    fresh = max(gap(batch, "action_log_probs") for batch in steps)
    add_first_policy(steps[-1])
    assert fresh < 0.005 and gap(steps[-1], "first_policy") > max(0.02, 8 * fresh)
    assert {path.name for path in (run / "model").glob("adapter*")} >= {"adapter_config.json"}


def test_silent_answers_did_not_reach_the_actor_and_the_others_make_up_for_their_share(trained):
    run, _ = trained("silent groups")
    dumped = [json.loads(line) for line in (run / "rewards.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in (run / "record").read_text().splitlines()]
    left_out = [line["design/left_out"] for line in metrics(run)]
    assert len(left_out) == STEPS and max(left_out) > 0
    for step, share in enumerate(left_out):
        given = [group for group in dumped if group["step"] == step]
        answers = sum(len(group["scores"]) for group in given)
        kept = []
        while len(kept) < round(answers * (1 - share)):
            line = lines.pop(0)
            kept += [
                (index, [a for a, there in zip(*tokens, strict=True) if there])
                for index, *tokens in zip(line["index"], line["advantages"], line["action_mask"], strict=True)
            ]
        exact = [oracle.passk_closed_form([score == 1 for score in group["scores"]], k_of(step)) for group in given]
        exact = [oracle.nearest_float32(value) for group in exact for value in group]
        factor = sum(len(row) for _, row in kept) / sum(length for group in given for length in group["length"])
        assert {i for i, value in enumerate(exact) if value} <= {index for index, _ in kept}
        for index, row in kept:
            assert row == pytest.approx([exact[index] * factor] * len(row), rel=1e-6)
    assert lines == []


# ── Dynamic batches ─────────────────────────────────────────────────────────
# They pack samples, which needs flash-attn. What they do to a batch before and after the hook does not: OpenRLHF cuts
# it by length, which permutes it, and balances it over the actors afterwards. Its own functions do so here, on answers
# of a real run.


def test_dynamic_batches_permute_recorded_answers_and_each_still_gets_the_advantage_of_its_group(trained, monkeypatch):
    run, (recorded, *_) = trained("data parallel")
    args = arguments((run / "model" / "design.yaml").read_text(), actors=2)
    args.train.dynamic_batch_enable, args.rollout.max_tokens_per_gpu = True, 300
    monkeypatch.setattr(trainer, "total_steps", lambda step: STEPS)
    patch.install()
    try:
        strategy, tokenizer = SimpleNamespace(args=args), SimpleNamespace(pad_token_id=0)
        maker = RemoteExperienceMaker(None, None, None, None, SimpleNamespace(value=0.0), strategy, tokenizer)
        maker.passk_rlhf_step = 0
        experiences = maker.split_rollout_samples([as_generated(sample) for sample in recorded])
        order = [index for experience in experiences for index in experience.index]
        assert order != sorted(order) == list(range(len(recorded)))
        for experience in experiences:
            experience.kl = torch.zeros(experience.action_mask.shape)
        balanced = balance_experiences(maker.compute_advantages_and_returns(experiences), args)
    finally:
        patch.uninstall()

    expected = {}
    for group in groups(recorded):
        exact = oracle.passk_closed_form([sample["scores"] == 1 for sample in group], k_of(0))
        for sample, value in zip(group, exact, strict=True):
            expected[tokens(sample["sequences"], sample["action_mask"])] = oracle.nearest_float32(value)
    found = [
        (tokens(batch.sequences[i].tolist(), mask.tolist()), set(batch.advantages[i][mask.bool()].tolist()))
        for batch in balanced
        for i, mask in enumerate(batch.action_mask)
    ]
    assert len(balanced) == 2 and len(found) == len(recorded)  # every answer, on one actor or the other
    assert all(advantages == {expected[answer]} for answer, advantages in found)


def tokens(sequence, mask):
    """Prompt and answer without padding. Place i of the mask is of token i + 1."""
    return tuple(sequence[: max(i for i, there in enumerate(mask) if there) + 2])


def as_generated(sample):
    """A recorded answer as OpenRLHF's generator would hand it on."""
    sequence = torch.tensor([tokens(sample["sequences"], sample["action_mask"])])
    length = sequence.shape[1]
    return Experience(
        sequences=sequence,
        attention_mask=torch.ones_like(sequence),
        action_mask=torch.tensor([sample["action_mask"][: length - 1]]),
        action_log_probs=torch.tensor([sample["action_log_probs"][: length - 1]]),
        rewards=torch.tensor([sample["scores"]]),
        scores=torch.tensor([sample["scores"]]),
        total_length=torch.tensor([float(length)]),
        response_length=torch.tensor([sum(sample["action_mask"])]),
        truncated=torch.tensor([False]),
        prompts=[sample["prompt"]],
        info={"reward": torch.tensor([sample["scores"]])},
    )
