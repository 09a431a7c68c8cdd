"""OpenRLHF, Ray, vLLM and DeepSpeed for real: three steps of the bundled policy, with a recorder in the actor."""

import json
import math
import re

import oracle
import pytest
from stack import POLICY, PROMPTS, N, add_first_policy, answer_tokens, batches, command, gap, groups, run_to_the_end

pytestmark = pytest.mark.stack

STEPS, K = 3, 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run: log, recorded experiences, metrics, model."""
    run = tmp_path_factory.mktemp("run")
    design = ["--advantage-design", "configs/passk.yaml", "--advantage-param", f"k={K}"]
    design += ["--dump-rewards", f"{run}/rewards.jsonl"]
    status, log = run_to_the_end(command(run, steps=STEPS) + design, run)
    assert status == 0, log[-8000:]
    return run


@pytest.fixture(scope="module")
def steps(trained):
    """The recorded samples of each step, in prompt order."""
    found = batches(trained / "record")
    assert [len(batch) for batch in found] == STEPS * [PROMPTS * N]
    return found


def test_the_advantages_in_the_replay_buffer_equal_the_oracle_for_the_recorded_scores(steps):
    nonzero = 0
    for batch in steps:
        for group in groups(batch):
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
    assert fresh < 0.005
    # The first policy gives the last step's answers other probabilities, so equal ones were not for want of change.
    add_first_policy(steps[-1])
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
    assert shaping.load(trained / "model" / "design.yaml").params["k"].value == K
    assert re.findall(rf"step (\d)/{STEPS}  reward \d\.\d+  pass@1 .* min left", log) == [
        str(i + 1) for i in range(STEPS)
    ]
