"""The hook against OpenRLHF's own estimators, on OpenRLHF's own experiences, in one process."""

import json
import logging
import random
from pathlib import Path
from types import SimpleNamespace

import oracle
import pytest
import torch

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402

from passk_rlhf import patch  # noqa: E402
from passk_rlhf.groups import Groups  # noqa: E402
from passk_rlhf.hook import designed_advantages  # noqa: E402
from shaping import DesignError, RewardError, loads  # noqa: E402
from shaping.trials.records import read_records  # noqa: E402

CONFIGS = {name: Path(f"configs/{name}.yaml").read_text() for name in ("passk", "grpo_sample_std", "dr_grpo", "rloo")}
N = 4


@pytest.fixture(autouse=True)
def installed():
    patch.install()
    yield
    patch.uninstall()


def arguments(estimator, design=None, **changes):
    advantage = SimpleNamespace(estimator=estimator, design=design, gamma=1.0, lambd=1.0, no_std_norm=False)
    reward = SimpleNamespace(
        clip_range=changes.get("clip_range", (-10, 10)),
        overlong_buffer_len=changes.get("overlong_buffer_len"),
        overlong_penalty_factor=1.0,
        stop_properly_penalty_coef=None,
    )
    rollout = SimpleNamespace(n_samples_per_prompt=N, max_new_tokens=6)
    return SimpleNamespace(algo=SimpleNamespace(advantage=advantage), reward=reward, rollout=rollout, data=None)


def maker(args, kl_coefficient=0.0):
    strategy = SimpleNamespace(args=args)
    return RemoteExperienceMaker(None, None, None, None, SimpleNamespace(value=kl_coefficient), strategy, None)


def batch(rewards, *, scores=None, cut=3, order=None, kl=0.0, lengths=None, prompts=None):
    """One answer a reward, N a prompt, cut into micro-batches of `cut` that split groups; `order` permutes them."""
    B = len(rewards)
    order = list(range(B)) if order is None else order
    lengths = [2 + i % 4 for i in range(B)] if lengths is None else lengths
    experiences = []
    for start in range(0, B, cut):
        places = order[start : start + cut]
        mask = torch.tensor([[True] * lengths[i] + [False] * (6 - lengths[i]) for i in places])
        experiences.append(
            Experience(
                index=list(places),
                rewards=torch.tensor([float(rewards[i]) for i in places]),
                scores=None if scores == "none" else torch.tensor([float((scores or rewards)[i]) for i in places]),
                action_mask=mask,
                kl=torch.full((len(places), 6), kl),
                response_length=torch.tensor([lengths[i] for i in places]),
                truncated=torch.zeros(len(places)),
                prompts=[(prompts or [f"prompt {j // N}" for j in range(B)])[i] for i in places],
                info={"reward": torch.tensor([float(rewards[i]) for i in places])},
            )
        )
    return experiences


def advantages(experiences):
    """Place in prompt order → the advantages of the answer's tokens."""
    found = {}
    for experience in experiences:
        for i, place in enumerate(experience.index):
            found[place] = experience.advantages[i][experience.action_mask[i]]
    return [found[place] for place in sorted(found)]


def run(args, experiences, **kwargs):
    return advantages(maker(args, **kwargs).compute_advantages_and_returns(experiences))


def test_passk_gives_every_token_the_oracle_value_of_its_answer_in_any_order():
    rewards = [1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0]
    order = random.Random(7).sample(range(12), 12)
    found = run(
        arguments("design", CONFIGS["passk"].replace("default: 4", "default: 2")), batch(rewards, order=order, cut=5)
    )
    for group in range(3):
        exact = oracle.passk_by_enumeration([bool(r) for r in rewards[group * N : group * N + N]], 2)
        for answer, value in enumerate(exact):
            tokens = found[group * N + answer]
            assert (tokens == oracle.nearest_float32(value)).all(), (group, answer)
    assert found[0][0] > 0 > found[1][0]  # 2 of 4 right at k = 2: not a test that zeros would pass


@pytest.mark.parametrize(
    ("design", "estimator"), [("grpo_sample_std", "group_norm"), ("dr_grpo", "dr_grpo"), ("rloo", "rloo")]
)
@pytest.mark.parametrize("kl_coefficient", [0.0, 0.05])
def test_a_design_gives_the_numbers_of_openrlhfs_own_estimator(design, estimator, kl_coefficient):
    rng = random.Random(3)
    rewards = [rng.choice([0.0, 1.0, 0.25, -1.0]) for _ in range(24)]
    order = rng.sample(range(24), 24)

    def computed(args):
        return run(args, batch(rewards, order=order, kl=0.3), kl_coefficient=kl_coefficient)

    theirs, ours = computed(arguments(estimator)), computed(arguments("design", CONFIGS[design]))
    assert max(tokens.abs().max() for tokens in theirs) > 0.5
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("design", ["grpo_sample_std", "dr_grpo", "rloo"])
@pytest.mark.parametrize("constant", [0.1, 0.3, 0.7, 0.95])
def test_a_constant_group_gets_exactly_zero(design, constant):
    for tokens in run(arguments("design", CONFIGS[design]), batch([constant] * 8, cut=4)):
        assert (tokens == 0).all()


def test_the_estimators_of_openrlhf_are_left_as_they_were():
    rewards = [1, 0, 0, 1, 0, 0, 1, 0]
    for estimator in ("rloo", "reinforce_baseline", "group_norm", "dr_grpo", "reinforce", "flash_reinforce"):
        patched = run(arguments(estimator), batch(rewards))
        patch.uninstall()
        original = run(arguments(estimator), batch(rewards))
        patch.install()
        assert all(torch.equal(a, b) for a, b in zip(patched, original, strict=True)), estimator


def test_openrlhf_without_the_patch_refuses_the_estimator():
    patch.uninstall()
    with pytest.raises(Exception, match="advantage_estimator design"):
        run(arguments("design", CONFIGS["passk"]), batch([1, 0, 0, 0]))


def test_an_advantage_beyond_the_clip_range_is_not_cut():
    args = arguments("design", "advantage: 100 * correct", clip_range=(-1, 1))
    assert [tokens[0].item() for tokens in run(args, batch([1, 0, 0, 0]))] == [100, 0, 0, 0]


def test_a_kl_penalty_is_taken_from_each_token_to_the_end_of_the_answer():
    # Three tokens, penalty 0.5 * 0.2 = 0.1 each: what is left to pay is 0.3, 0.2, 0.1.
    args = arguments("design", "advantage: correct")
    found = run(args, batch([1, 0, 0, 0], kl=0.2, lengths=[3, 3, 3, 3]), kl_coefficient=0.5)
    torch.testing.assert_close(found[0], torch.tensor([0.7, 0.8, 0.9]))


def test_who_is_correct_is_decided_before_length_penalties_change_the_reward():
    # Answer 0 is right but long: 6 tokens of 6 cost the whole penalty, its reward is 0, its score stays 1.
    args = arguments("design", "advantage: {correct: 1 + r, wrong: 0}", overlong_buffer_len=2)
    found = run(args, batch([1, 1, 0, 0], lengths=[6, 4, 2, 2]))
    assert [tokens[0].item() for tokens in found] == [1, 2, 0, 0]


def test_a_reward_models_reward_before_the_penalty_stands_in_for_missing_scores():
    args = arguments("design", "advantage: score", overlong_buffer_len=2)
    found = run(args, batch([1, 0.5, 0, 0], scores="none", lengths=[6, 4, 2, 2]))
    assert [tokens[0].item() for tokens in found] == [1, 0.5, 0, 0]


def test_the_trainer_keeps_the_metrics_of_the_step_as_the_oracle_computes_them():
    rewards = [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0]
    trainer = maker(arguments("design", CONFIGS["passk"].replace("default: 4", "default: 2")))
    experiences = trainer.compute_advantages_and_returns(batch(rewards))
    verdicts = [[bool(r) for r in rewards[i : i + N]] for i in (0, 4, 8)]
    exact = oracle.batch_metrics(verdicts, [oracle.passk_by_enumeration(group, 2) for group in verdicts])
    names = {name: f"rollout/{name}" if name.startswith("pass") else f"design/{name}" for name in exact}
    assert set(names) >= {"pass1", "pass2", "pass4", "all_wrong", "too_easy", "effective", "abs_correct", "abs_max"}
    for name, ours in names.items():
        assert trainer.passk_rlhf_metrics[ours] == pytest.approx(float(exact[name]), rel=1e-7), name
    for experience in experiences:  # OpenRLHF's own numbers alone go to the actors
        assert set(experience.info) == {"reward", "return", "group_reward_std"}


def test_graded_scores_that_nobody_judges_have_no_pass_at_k_in_training_either():
    def names(design, rewards):
        _, metrics = compute_and_keep(design, batch(rewards))
        return [name for name in metrics if name.startswith("rollout/pass")]

    every_k = ["rollout/pass1", "rollout/pass2", "rollout/pass4"]
    plain = "advantage: r - mean(r)"
    assert names(plain, [1.5, 0, 1, 0.25]) == []
    assert names(plain, [1, 0, 0, 1]) == names(plain, [1, -1, 0, 1]) == every_k
    assert names(f"correct: score > 0.5\n{plain}", [1.5, 0, 1, 0.25]) == every_k
    assert names(f"on_missing: drop\n{plain}", [1, 0, float("nan"), 1]) == every_k


# ── What is refused ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": [1, 0, 0.5, 0]}, "score 0.5 at prompt 0, answer 2 is neither 0 nor 1"),
        ({"rewards": [1, 0, float("nan"), 0]}, "score nan at prompt 0, answer 2"),
        ({"rewards": [1, 0, 0, 0, 1, 0]}, "6 answers are not whole groups of 4"),
        ({"rewards": [1, 0, 0, 0], "order": [0, 1, 1, 3]}, "no permutation of 0..3"),
    ],
)
def test_a_batch_that_cannot_be_trusted_is_refused_by_place(change, message):
    with pytest.raises(RewardError) as error:
        run(arguments("design", CONFIGS["passk"]), batch(change.pop("rewards"), **change))
    assert message in str(error.value)


def test_groups_are_those_of_the_index_and_texts_that_differ_within_one_are_said_once(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("openrlhf"), "propagate", True)
    design = "advantage: r - mean(r)"
    texts = [f"in /tmp/run{i}: task {i // N}" for i in range(8)]
    made = maker(arguments("design", design))
    for _ in range(2):
        # by their text, these would be groups of one, each of which has the advantage 0
        found = made.compute_advantages_and_returns(
            batch([1, 0, 0, 0, 1, 1, 1, 0], prompts=texts, order=[6, 1, 0, 3, 2, 7, 5, 4])
        )
        values = [tokens[0].item() for tokens in advantages(found)]
        assert values == [0.75, -0.25, -0.25, -0.25, 0.25, 0.25, 0.25, -0.75]
    (said,) = [record.getMessage() for record in caplog.records if "differ in their text" in record.getMessage()]
    assert "group 0" in said and "'in /tmp/run0: task 0', that of answer 1 'in /tmp/run1: task 0'" in said


def test_groups_whose_texts_are_the_same_across_prompts_stay_apart():
    found = run(arguments("design", "advantage: r - mean(r)"), batch([1, 0, 0, 0, 1, 1, 0, 0], prompts=["go"] * 8))
    assert [tokens[0].item() for tokens in found] == [0.75, -0.25, -0.25, -0.25, 0.5, 0.5, -0.5, -0.5]


def test_a_bad_reward_is_shown_with_the_text_of_its_prompt():
    with pytest.raises(RewardError, match="prompt 1: 'prompt 1'"):
        run(arguments("design", CONFIGS["passk"]), batch([1, 0, 0, 0, 0, 0.5, 0, 0]))


def test_an_advantage_that_overflows_is_refused_with_its_place():
    with pytest.raises(DesignError, match="prompt 0, answer 1 is inf"):
        run(arguments("design", "advantage: exp(r)"), batch([0, 1000, 0, 0]))


def test_scatter_undoes_gather_for_any_permutation_and_cut():
    rng = random.Random(1)
    for _ in range(20):
        experiences = batch(list(range(12)), order=rng.sample(range(12), 12), cut=rng.randint(1, 12))
        groups = Groups.of(experiences, N)
        value_PN = groups.gather(torch.cat([experience.rewards for experience in experiences]))
        assert value_PN.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        for experience, part in zip(experiences, groups.scatter(value_PN), strict=True):
            assert part.tolist() == experience.index


# ---------------------------------------------------------------- what else a design reads


def compute(design, experiences, step=None, total_steps=None, **changes):
    return compute_and_keep(design, experiences, step, total_steps, **changes)[0]


def compute_and_keep(design, experiences, step=None, total_steps=None, **changes):
    """The experiences, and what the trainer keeps of the step for its log."""
    trainer = maker(arguments("design", design, **changes))
    experiences = designed_advantages(loads(design), trainer, experiences, step, total_steps)
    return experiences, trainer.passk_rlhf_metrics


def test_lengths_are_those_of_each_answer_also_when_the_batch_is_permuted_and_cut_across_groups():
    lengths = [1, 2, 3, 4, 5, 6, 2, 2]
    order = [5, 0, 7, 2, 6, 1, 4, 3]
    found = advantages(compute("advantage: length - mean(length)", batch([0] * 8, lengths=lengths, order=order)))
    for place, length in enumerate(lengths):
        mean = sum(lengths[:4]) / 4 if place < 4 else sum(lengths[4:]) / 4
        assert found[place].tolist() == [length - mean] * length


def test_logprob_is_the_mean_over_the_answers_own_tokens():
    experiences = batch([0] * 4, lengths=[1, 2, 4, 6])
    for experience in experiences:  # token t has log-probability -(t + 1); what is masked is far away
        row = torch.tensor([-1.0, -2, -3, -4, -5, -6]).expand(experience.action_mask.shape)
        experience.action_log_probs = torch.where(experience.action_mask, row, -1e9)
    found = advantages(compute("advantage: surprisal", experiences))
    assert [found[i][0].item() for i in range(4)] == [1, 1.5, 2.5, 3.5]


def test_vllms_own_log_probabilities_serve_where_the_actor_computed_none():
    experiences = batch([0] * 4)
    for experience in experiences:
        experience.rollout_log_probs = torch.full(experience.action_mask.shape, -0.5)
    assert advantages(compute("advantage: logprob", experiences))[0][0] == -0.5


def test_log_probabilities_that_are_not_there_are_an_error():
    with pytest.raises(RewardError, match="OpenRLHF kept none"):
        compute("advantage: logprob", batch([0] * 4))


def test_truncated_answers_are_known():
    experiences = batch([0] * 4, cut=4)
    experiences[0].truncated = torch.tensor([0.0, 1.0, 0.0, 0.0])
    found = advantages(compute("advantage: -truncated", experiences))
    assert [found[i][0].item() for i in range(4)] == [0, -1, 0, 0]


def test_what_the_reward_function_returns_besides_is_a_signal_of_the_design():
    design = "signals: {distinct: share of the answers that differ}\nadvantage: distinct"
    experiences = batch([0] * 8, order=[7, 6, 5, 4, 3, 2, 1, 0])
    for experience in experiences:
        experience.info["distinct"] = torch.tensor([place / 8 for place in experience.index])
    found = advantages(compute(design, experiences))
    assert [found[i][0].item() for i in range(8)] == [i / 8 for i in range(8)]
    with pytest.raises(RewardError, match=r"reads 'distinct' .* there is none.\n.*there are: reward"):
        compute(design, batch([0] * 8))


def test_a_schedule_sees_the_step_of_the_trainer():
    design = "params: {k: {default: 8, schedule: k if progress < 0.5 else 1}}\nadvantage: r * k"
    for step, k in ((0, 8), (4, 8), (5, 1), (10, 1)):
        assert advantages(compute(design, batch([1] * 4), step, 10))[0][0] == k


def test_tokens_get_what_the_token_section_says_and_the_kl_penalty_beside_it():
    design = "advantage: r - mean(r)\ntoken: A + position / 10 + token_surprisal"
    plain = batch([1, 0, 0, 0], lengths=[3, 2, 2, 2])
    for experience in plain:
        experience.action_log_probs = torch.full(experience.action_mask.shape, -1.0)
        experience.action_log_probs[~experience.action_mask] = torch.nan
    found = advantages(designed_advantages(loads(design), maker(arguments("design", design), 0.0), plain))
    assert found[0].tolist() == pytest.approx([1.75, 1.85, 1.95])
    assert found[1].tolist() == pytest.approx([0.75, 0.85])
    punished = batch([1, 0, 0, 0], lengths=[3, 2, 2, 2], kl=2.0)
    for experience in punished:
        experience.action_log_probs = torch.full(experience.action_mask.shape, -1.0)
    found = advantages(designed_advantages(loads(design), maker(arguments("design", design), 0.1), punished))
    # the penalty of a token is 0.1 * 2, and each token bears that of all from it on
    assert found[0].tolist() == pytest.approx([1.75 - 0.6, 1.85 - 0.4, 1.95 - 0.2])


def test_draws_differ_from_step_to_step_and_can_be_repeated():
    design = Path("configs/passk_bootstrap.yaml").read_text().replace("default: 4", "default: 2")

    def credit(step):
        found = advantages(compute(design, batch([1, 0, 0, 0] * 8), step))
        return [found[i][0].item() for i in range(32)]

    assert credit(3) == credit(3) != credit(4)


def test_a_design_that_leaves_missing_answers_out_trains_on_the_rest_and_counts_them():
    design = "on_missing: drop\nadvantage: r - mean(r)"
    experiences = batch([1, float("nan"), 0, 0, 1, 1, 0, 0], order=[3, 1, 0, 2, 7, 5, 4, 6])
    experiences, metrics = compute_and_keep(design, experiences)
    found = advantages(experiences)
    assert [found[i][0].item() for i in range(4)] == pytest.approx([2 / 3, 0, -1 / 3, -1 / 3])
    assert metrics["design/dropped"] == 1 / 8
    assert [found[i][0].item() for i in range(4, 8)] == [0.5, 0.5, -0.5, -0.5]
    for experience in experiences:
        assert experience.info["reward"].isfinite().all() and experience.info["group_reward_std"].isfinite().all()


def test_a_signal_is_missing_with_the_reward_that_it_comes_with_and_logged_as_zero():
    experiences = batch([1, 0, 0, 0], cut=4)
    experiences[0].info["moves"] = torch.tensor([6.0, 8.0, 10.0, torch.nan])
    design = "on_missing: drop\nsignals: {moves: length}\nadvantage: moves - mean(moves)"
    experiences, metrics = compute_and_keep(design, experiences)
    found = advantages(experiences)
    assert [found[i][0].item() for i in range(4)] == [-2, 0, 2, 0]
    assert experiences[0].info["moves"].tolist() == [6, 8, 10, 0]
    assert metrics["design/dropped"] == 0.25


def test_a_penalty_that_sets_the_reward_of_truncated_answers_gives_none_to_an_answer_without_one():
    args = arguments("design", "on_missing: drop\nadvantage: r - mean(r)")
    args.reward.stop_properly_penalty_coef = -0.5
    experiences = batch([1, float("nan"), 0, 1], cut=4)
    experiences[0].truncated = torch.tensor([0.0, 1.0, 0.0, 1.0])  # ProRL's penalty makes the last reward -0.5
    found = run(args, experiences)
    assert [tokens[0].item() for tokens in found] == pytest.approx([5 / 6, 0, -1 / 6, -4 / 6])
    assert experiences[0].info["reward"].tolist() == [1, 0, 0, -0.5]


def test_an_infinite_reward_that_is_left_out_is_logged_as_zero():
    experiences = batch([1, float("inf"), 0, 0], cut=4)
    _, metrics = compute_and_keep("on_missing: drop\nadvantage: r - mean(r)", experiences)
    assert experiences[0].info["reward"].tolist() == [1, 0, 0, 0]
    assert metrics["rollout/pass1"] == pytest.approx(1 / 3)  # of the three that are there


# ── --dump-rewards ──────────────────────────────────────────────────────────


def test_the_groups_of_every_step_are_kept_in_prompt_order_as_diagnose_reads_them(tmp_path):
    args = arguments("design", CONFIGS["rloo"])
    args.algo.advantage.dump = str(tmp_path / "rewards.jsonl")
    rewards = [1, 0, 0, 1, 0.25, 0, 0, 1]
    for step in (0, 1):
        order = random.Random(step).sample(range(8), 8)
        experiences = batch(rewards, scores=[float(r == 1) for r in rewards], order=order)
        designed_advantages(loads(CONFIGS["rloo"]), maker(args), experiences, step)
    lines = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 0, 1, 1]
    assert (
        lines[0]
        == lines[2] | {"step": 0}
        == {
            "step": 0,
            "prompt": "prompt 0",
            "rewards": [1, 0, 0, 1],
            "scores": [1, 0, 0, 1],
            "length": [2, 3, 4, 5],
        }
    )
    assert lines[1]["rewards"] == [0.25, 0, 0, 1] and lines[1]["scores"] == [0, 0, 0, 1]
    assert [tuple(record.reward_PN.shape) for record in read_records(args.algo.advantage.dump)] == [(2, 4), (2, 4)]


def test_the_rewards_of_a_step_that_fails_are_kept_too(tmp_path):
    args = arguments("design", CONFIGS["passk"])
    args.algo.advantage.dump = str(tmp_path / "rewards.jsonl")
    with pytest.raises(RewardError, match="score nan"):
        run(args, batch([1, 0, float("nan"), 0]))
    assert json.loads((tmp_path / "rewards.jsonl").read_text())["rewards"] == [1, 0, None, 0]
