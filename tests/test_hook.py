"""The hook against OpenRLHF's own estimators, on OpenRLHF's own experiences, in one process."""

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
from passk_rlhf.hook import Groups, refuse_missing_rewards  # noqa: E402
from shaping import DesignError, RewardError  # noqa: E402

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


def test_the_metrics_of_the_step_reach_info_as_the_oracle_computes_them():
    rewards = [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0]
    args = arguments("design", CONFIGS["passk"].replace("default: 4", "default: 2"))
    experiences = maker(args).compute_advantages_and_returns(batch(rewards))
    verdicts = [[bool(r) for r in rewards[i : i + N]] for i in (0, 4, 8)]
    exact = oracle.batch_metrics(verdicts, [oracle.passk_by_enumeration(group, 2) for group in verdicts])
    names = {name: f"rollout/{name}" if name.startswith("pass") else f"design/{name}" for name in exact}
    assert set(names) >= {"pass1", "pass2", "pass4", "all_wrong", "too_easy", "effective", "abs_correct", "abs_max"}
    for experience in experiences:
        for name, ours in names.items():
            assert experience.info[ours].shape == experience.rewards.shape
            assert experience.info[ours][0].item() == pytest.approx(float(exact[name]), rel=1e-6), name


# ── What is refused ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": [1, 0, 0.5, 0]}, "score 0.5 at prompt 0, answer 2 is neither 0 nor 1"),
        ({"rewards": [1, 0, float("nan"), 0]}, "score nan at prompt 0, answer 2"),
        ({"rewards": [1, 0, 0, 0, 1, 0]}, "6 answers are not whole groups of 4"),
        (
            {"rewards": [1, 0, 0, 0], "prompts": ["a", "a", "b", "a"]},
            "group 0 mixes prompts: answer 0 is to 'a', answer 2 to 'b'",
        ),
        ({"rewards": [1, 0, 0, 0], "order": [0, 1, 1, 3]}, "no permutation of 0..3"),
    ],
)
def test_a_batch_that_cannot_be_trusted_is_refused_by_place(change, message):
    with pytest.raises(RewardError) as error:
        run(arguments("design", CONFIGS["passk"]), batch(change.pop("rewards"), **change))
    assert message in str(error.value)


def test_a_bad_reward_is_shown_with_the_text_of_its_prompt():
    with pytest.raises(RewardError, match="prompt 1: 'prompt 1'"):
        run(arguments("design", CONFIGS["passk"]), batch([1, 0, 0, 0, 0, 0.5, 0, 0]))


def test_an_advantage_that_overflows_is_refused_with_its_place():
    with pytest.raises(DesignError, match="prompt 0, answer 1 is inf"):
        run(arguments("design", "advantage: exp(r)"), batch([0, 1000, 0, 0]))


def test_an_answer_without_reward_is_named_before_openrlhf_fails_on_it():
    samples = [
        Experience(rewards=torch.tensor([1.0]), prompts=["a"]),
        Experience(rewards=None, prompts=["find the way"]),
    ]
    with pytest.raises(RewardError, match=r"no reward \(None\) for answer 1 .* 1 of 2(.|\n)*'find the way'"):
        refuse_missing_rewards(samples)


def test_scatter_undoes_gather_for_any_permutation_and_cut():
    rng = random.Random(1)
    for _ in range(20):
        experiences = batch(list(range(12)), order=rng.sample(range(12), 12), cut=rng.randint(1, 12))
        groups = Groups.of(experiences, N)
        value_PN = groups.gather(torch.cat([experience.rewards for experience in experiences]))
        assert value_PN.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        for experience, part in zip(experiences, groups.scatter(value_PN), strict=True):
            assert part.tolist() == experience.index
