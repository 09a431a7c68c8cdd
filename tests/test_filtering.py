"""Dynamic filtering through OpenRLHF's own generator: its range and the rewards, and filtering by the design.

Generation is written by hand, a group of four answers a prompt; what OpenRLHF makes of it, and which groups it keeps,
is OpenRLHF's own code.
"""

from types import SimpleNamespace

import pytest
import torch
from samples import CONFIGS
from stack import arguments

from passk_rlhf import patch
from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils import samples_generator  # noqa: E402

from passk_rlhf import trainer  # noqa: E402
from passk_rlhf.filtering import RANGE, Watch, misfit, refusal  # noqa: E402
from passk_rlhf.patch import IncompatibleOpenRLHF  # noqa: E402
from passk_rlhf.silent_groups import Asked, refuse_unasked  # noqa: E402
from shaping import RewardError, load, loads  # noqa: E402

GRPO = (CONFIGS / "grpo.yaml").read_text()
PASSK2 = load(CONFIGS / "passk.yaml", k=2).resolved


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The patch, and a generator whose engine has answered already when it is asked."""
    patch.install()
    here = SimpleNamespace(wait=lambda refs, **_: (refs[:1], refs[1:]), get=lambda ref: ref)
    monkeypatch.setattr(samples_generator, "ray", here)
    yield
    patch.uninstall()


@pytest.fixture
def warned(monkeypatch):
    lines = []
    log = SimpleNamespace(warning=lines.append, info=lambda line: None)
    monkeypatch.setattr(trainer, "logger", lambda: log)
    return lines


def response(prompt, reward, score, tokens=2, **more):
    """What vLLM's engine and the reward function give for an answer of so many tokens."""
    return {
        "prompt": prompt,
        "label": "",
        "observation_tokens": [1] * (1 + tokens),
        "action_ranges": [(1, 1 + tokens)],
        "reward": reward,
        "scores": score,
        "rollout_log_probs": None,
        "extra_logs": more,
    }


def generated(design, groups, *, by_design=True, filtering_range=(0, 1), **flags):
    """The groups that OpenRLHF keeps, as rows of scores, and the samples; groups are rewards, or responses."""
    args = arguments(design, n_samples_per_prompt=4)
    args.algo.dynamic_filtering_enable, args.algo.dynamic_filtering_range = True, filtering_range
    args.algo.advantage.filter_silent_groups = by_design
    vars(args.reward).update(flags)
    generator = samples_generator.SamplesGenerator(SimpleNamespace(args=args), None, None, None, [])
    answers = {
        f"prompt {i}": [each if isinstance(each, dict) else response(f"prompt {i}", each, each) for each in group]
        for i, group in enumerate(groups)
    }
    generator._dispatch_prompts_to_vllm = lambda prompts, *_, **__: [answers[prompt] for prompt in prompts]
    prompts = iter([([""], [prompt], [""], [None]) for prompt in answers])
    samples, _, _ = generator._generate_vllm(prompts, num_prompts=1, dynamic_filtering=True, max_len=96)
    while True:
        more, _, done = generator._generate_vllm(prompts, num_prompts=1, dynamic_filtering=True, max_len=96)
        samples += more
        if done:
            break
    scores = [None if each.scores is None else each.scores.item() for each in samples]
    return [scores[i : i + 4] for i in range(0, len(scores), 4)], samples


MIXED = [[1.0, 0, 0, 0], [1.0, 1, 0, 0], [1.0, 1, 1, 0]]
SAME = [[1.0] * 4, [0.0] * 4]


def test_openrlhfs_range_loses_half_of_the_groups_of_rewards_of_minus_one_and_one_and_keeps_graded_constants():
    signed = [[2 * reward - 1 for reward in group] for group in MIXED]
    found, _ = generated(GRPO, [*signed, [0.375] * 4, *SAME], by_design=False)
    assert found == [[1, 1, 1, -1], [0.375] * 4]


def test_by_the_design_grpo_keeps_every_mixed_group_of_any_rewards_and_no_constant_one():
    signed = [[2 * reward - 1 for reward in group] for group in MIXED]
    found, _ = generated(GRPO, [*signed, [0.375] * 4, [-1.0] * 4, *SAME, *MIXED])
    assert found == [*signed, *MIXED]


def test_by_the_design_a_mixed_group_in_a_dead_zone_is_dropped_and_one_that_is_pushed_down_kept():
    # Pass@2 of four: with three right no two are wrong. Nsr pushes an all-wrong group down.
    assert generated(PASSK2, [*MIXED, *SAME])[0] == MIXED[:2]
    assert generated((CONFIGS / "nsr.yaml").read_text(), [*MIXED, *SAME])[0] == [*MIXED, [0.0] * 4]


def test_what_is_kept_has_its_own_scores_and_rewards_again():
    group = [
        response("prompt 0", reward, score) for reward, score in ((0.25, 1.0), (0.5, 1.0), (0.75, 0.0), (0.5, 0.0))
    ]
    _, samples = generated(GRPO, [group])
    assert [each.scores for each in samples] == [torch.tensor([score]) for score in (1.0, 1.0, 0.0, 0.0)]
    assert [each.rewards.item() for each in samples] == [0.25, 0.5, 0.75, 0.5]


def test_length_penalties_count_as_they_will_in_the_step():
    # Of 24 tokens 20 are free of penalty; the last answer has 22 of them and loses 2/4.
    lengths = [2, 2, 2, 22]
    group = [response("prompt 0", 1.0, 1.0, tokens) for tokens in lengths]
    assert generated(GRPO, [group])[0] == []
    found, samples = generated(GRPO, [group], overlong_buffer_len=4, overlong_penalty_factor=1.0)
    assert found == [[1.0] * 4]
    assert [each.rewards.item() for each in samples] == [1.0] * 4  # the trainer itself takes the penalty, once


def test_lengths_and_what_the_reward_function_returns_besides_are_known():
    by_length = "advantage: length - mean(length)"
    group = [response("prompt 0", 1.0, 1.0, tokens) for tokens in (2, 2, 2, 5)]
    assert generated(by_length, [group, *SAME])[0] == [[1.0] * 4]
    by_calls = "signals: {calls: of tools}\nadvantage: calls - mean(calls)"
    group = [response("prompt 0", 1.0, 1.0, calls=float(i)) for i in range(4)]
    same = [response("prompt 1", 1.0, 1.0, calls=3.0) for i in range(4)]
    assert len(generated(by_calls, [group, same])[0]) == 1


def test_an_answer_without_reward_is_left_out_or_named_by_the_step():
    group = [response("prompt 0", *pair) for pair in ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (None, None))]
    assert generated(f"on_missing: drop\n{GRPO}", [group])[0] == []  # the three that are left are alike
    group[0] = response("prompt 0", 0.0, 0.0)
    assert generated(f"on_missing: drop\n{GRPO}", [group])[0] == [[0.0, 1.0, 1.0, None]]
    assert generated(GRPO, [group])[0] == [[0.0, 1.0, 1.0, None]]  # which ends with its prompt and its place


def test_a_penalty_that_sets_the_reward_of_truncated_answers_gives_none_to_one_without_reward():
    group = [response("prompt 0", 1.0, 1.0) for _ in range(3)]
    truncated = response("prompt 0", None, None) | {"truncated": True}
    # As in the step the three that are left are alike, and not better than -1/2.
    assert generated(f"on_missing: drop\n{GRPO}", [[*group, truncated]], stop_properly_penalty_coef=-0.5)[0] == []
    truncated |= {"reward": 1.0, "scores": 1.0}
    found, _ = generated(f"on_missing: drop\n{GRPO}", [[*group, truncated]], stop_properly_penalty_coef=-0.5)
    assert found == [[1.0] * 4]


def test_an_answer_without_a_signal_is_left_out_or_named_by_the_step():
    by_calls = "signals: {calls: of tools}\nadvantage: calls - mean(calls)"
    same = [response("prompt 0", 1.0, 1.0, calls=3.0) for _ in range(3)] + [response("prompt 0", 1.0, 1.0)]
    assert generated(f"on_missing: drop\n{by_calls}", [same])[0] == []
    assert len(generated(by_calls, [same])[0]) == 1


def test_a_reward_that_the_design_is_not_for_ends_the_run_with_its_prompt():
    with pytest.raises(RewardError, match=r"(?s)reward -1.0 at .*outside of `rewards: >= 0`.*prompt: 'prompt 0'"):
        generated((CONFIGS / "maxrl.yaml").read_text(), [[1.0, -1.0, 0.0, 0.0]])


def test_evaluations_are_not_filtered_and_keep_their_scores():
    args = arguments(GRPO, n_samples_per_prompt=4)
    args.algo.dynamic_filtering_enable = args.algo.advantage.filter_silent_groups = True
    args.algo.dynamic_filtering_range = (0, 1)
    generator = samples_generator.SamplesGenerator(SimpleNamespace(args=args), None, None, None, [])
    generator._dispatch_prompts_to_vllm = lambda *_, **__: [[response("p", 1.0, 1.0)] * 4]
    prompts = iter([([""], ["p"], [""], [None])])
    samples, _, _ = generator._generate_vllm(prompts, num_prompts=1, dynamic_filtering=False, max_len=96)
    assert [each.scores.item() for each in samples] == [1.0] * 4


def test_a_design_that_changes_over_the_run_is_asked_for_the_step_that_comes_next(monkeypatch):
    monkeypatch.setattr(trainer, "total_steps", lambda step: 8)
    annealed = load(CONFIGS / "passk_annealed.yaml", k=4).resolved
    for steps, kept in ((0, []), (2, MIXED[:1]), (6, MIXED)):  # k is 4 of 4, 3, 1
        monkeypatch.setitem(trainer._done, "steps", steps)
        assert generated(annealed, MIXED)[0] == kept


def test_a_host_that_does_not_ask_is_noticed():
    refuse_unasked([SimpleNamespace(scores=torch.ones(1))])
    with pytest.raises(IncompatibleOpenRLHF, match="does not filter groups by the mean of their scores"):
        refuse_unasked([SimpleNamespace(scores=Asked(None))])


# ── What is said ────────────────────────────────────────────────────────────


def test_the_first_score_outside_the_range_is_said_with_the_range_that_has_it(warned):
    generated(GRPO, [[1.0, -1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, 1.0]], by_design=False)
    (line,) = warned
    assert "keeps groups whose mean score is between 0 and 1, and a score is -1, below that" in line
    assert "groups whose mean is 0 or less are dropped" in line
    assert "Set --algo.dynamic_filtering_range to the least and the largest score, such as -1 1" in line
    assert line.endswith("or let the design say: --filter-silent-groups")


def test_scores_inside_the_range_are_not_said_and_neither_is_anything_where_the_design_filters(warned):
    generated(GRPO, [*MIXED, *SAME], by_design=False)
    generated(GRPO, [[2.0, -1.0, 0.0, 0.0]], by_design=True)
    assert warned == []


def test_a_constant_group_that_was_kept_is_said_once():
    lines = []
    watch = Watch(lines.append)
    samples = [SimpleNamespace(scores=torch.tensor([score])) for score in (0.0, 1.0, 0.37, 0.37, 0.5, 0.5)]
    watch.groups(samples, 2)
    watch.groups(samples, 2)
    assert len(lines) == 1 and "has kept a group whose scores are all 0.37: its mean lies in the range" in lines[0]
    watch = Watch(lines.append)
    watch.groups([SimpleNamespace(scores=None)] * 4, 2)
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("rewards", "given", "said"),
    [
        ("-1/1", (0, 1), f"drops mixed groups too, those with 1..4 of 8 answers at 1. Set {RANGE} -1 1"),
        ("-1/1", (-1, 1), None),
        ("0/2", (0, 1), f"drops mixed groups too, those with 4..7 of 8 answers at 2. Set {RANGE} 0 2"),
        ("0/1", (0, 1), None),
        ("0/1", (0.2, 0.8), None),  # a range of one's own
        ("0/1", (-1, 2), "keeps groups that are all 0 or all 1. Set --algo.dynamic_filtering_range 0 1"),
        ("0 to 1", (0, 1), "keeps groups that are all alike, all 0.5 say. Let the design say: --filter-silent-groups"),
        (">= 0", (0, 1), "drops every group whose mean is 1 or more, mixed ones too. Let the design say"),
        ("-1 to 1", (0, 1), "drops every group whose mean is 0 or less, mixed ones too. Set --algo"),
        ("any", (0, 1), None),
    ],
)
def test_a_range_that_does_not_fit_the_rewards_of_the_design_is_said_before_the_run(rewards, given, said):
    found = misfit(loads(f"rewards: {rewards}\nadvantage: r - mean(r)"), 8, *given)
    assert found is None if said is None else f"of rewards {rewards} it {said}" in found


def refused(design, **flags):
    given = {"dynamic_filtering_enable": True, "async_enable": False} | flags
    args = SimpleNamespace(algo=SimpleNamespace(**given), train=SimpleNamespace(**given))
    return refusal(design, args)


def test_designs_whose_groups_are_not_known_alone_cannot_filter_and_the_reason_is_said():
    annealed = load(CONFIGS / "passk_annealed.yaml")
    assert refused(annealed) is None and refused(load(CONFIGS / "grpo.yaml"), async_enable=True) is None
    assert "before its step is known" in refused(annealed, async_enable=True)
    for name, why in {
        "lite_ppo": "depends on the other groups of its step",
        "passk_bootstrap": "draws at random",
        "unlikeliness": "reads log-probabilities",
        "entropy_tokens": "`token:` section may train",
    }.items():
        assert f"cannot be had with design {name}: " in refused(load(CONFIGS / f"{name}.yaml")), name
        assert why in refused(load(CONFIGS / f"{name}.yaml"))
    assert "goes with --algo.dynamic_filtering_enable" in refused(annealed, dynamic_filtering_enable=False)
