"""What the paper watches: how many of the wrong answers differ, and how unlikely answers are to the policy."""

import json
import math
import random
from fractions import Fraction

import pytest
import torch
from test_hook import N, batch, compute_and_keep, installed  # noqa: F401

from passk_rlhf.explore import distinct_wrong, explore_metrics
from passk_rlhf.metrics import MetricsFile
from passk_rlhf.missing import settle_missing_rewards

NAN = float("nan")
DESIGN = "advantage: r - mean(r)"
DROP = f"on_missing: drop\n{DESIGN}"


def written(rewards, texts, logprobs=None, **changes):
    """A batch whose answers are these tokens, after two of the prompt; `logprobs` one an answer, for all its tokens."""
    lengths = [len(text) for text in texts]
    experiences = batch(rewards, lengths=lengths, **changes)
    for experience in experiences:
        rows = [[7, *texts[place], *[0] * (6 - len(texts[place]))] for place in experience.index]
        experience.sequences = torch.tensor(rows)
        if logprobs:
            each = torch.tensor([logprobs[place] for place in experience.index])
            experience.action_log_probs = torch.where(experience.action_mask, each[:, None], torch.nan)
    return experiences


def kept(design, experiences, **changes):
    return compute_and_keep(design, experiences, **changes)[1]


def test_two_of_three_wrong_answers_alike_are_two_thirds_distinct_and_groups_count_alike():
    # Group 0: wrong 11, 11, 12: 2 of 3. Group 1: wrong 11 alone: 1 of 1. Group 2 has no wrong answer, and no say.
    texts = [[11], [11], [12], [11], [11], [11], [11], [11], [1], [1], [1], [1]]
    rewards = [0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1]
    order = random.Random(4).sample(range(12), 12)
    metrics = kept(DESIGN, written(rewards, texts, order=order, cut=5))
    assert metrics["explore/distinct_wrong"] == pytest.approx((2 / 3 + 1) / 2, rel=1e-12)


def test_answers_are_alike_only_if_all_their_tokens_are():
    # One is the beginning of another, one the same tokens the other way round, and one ends in the padding's token.
    texts = [[1, 2], [1, 2, 3], [2, 1], [1, 2, 0]]
    assert kept(DESIGN, written([0] * 4, texts))["explore/distinct_wrong"] == 1
    assert kept(DESIGN, written([0] * 4, [[1, 2]] * 4, cut=4))["explore/distinct_wrong"] == 0.25


def test_an_agents_answers_are_what_the_policy_wrote_whatever_its_tools_said():
    experiences = written([0] * 4, [[1, 9, 2], [1, 8, 2], [1, 2], [5]], cut=4)
    mask = experiences[0].action_mask
    mask[0, 1] = mask[1, 1] = False  # 9 and 8 came from a tool
    assert kept(DESIGN, experiences)["explore/distinct_wrong"] == 2 / 4  # 1 2 three times, and 5


@pytest.mark.parametrize(
    ("answers", "distinct"),
    [([42, 42, 7, 7], 2), ([0.5, 0.25, 0.5, 1.0], 3), ([NAN, NAN, 3.0, NAN], 2), ([0.0, -0.0, 2**20, 2**20], 2)],
)
def test_what_a_reward_function_returns_as_answer_decides_over_the_tokens(answers, distinct):
    experiences = written([0] * 4, [[1], [2], [3], [4]], cut=2)
    for experience in experiences:
        experience.info["answer"] = torch.tensor([answers[place] for place in experience.index])
    assert kept(DESIGN, experiences)["explore/distinct_wrong"] == distinct / 4


def test_whole_numbers_as_answers_are_told_apart_up_to_the_last():
    experiences = written([0] * 4, [[1]] * 4, cut=4)
    experiences[0].info["answer"] = torch.tensor([2**62, 2**62 + 1, 2**62, 5])
    assert kept(DESIGN, experiences)["explore/distinct_wrong"] == 3 / 4


def test_surprisal_is_the_mean_over_an_answers_tokens_and_then_over_answers():
    # Right: 0.5 and 1.5 nats a token, however long; wrong: 2 and 3. In the order of the batch or another.
    texts, logprobs = [[1], [1, 2, 3, 4], [3, 3], [5]], [-0.5, -1.5, -2.0, -3.0]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        metrics = kept(DESIGN, written([1, 1, 0, 0], texts, logprobs, order=order))
        assert metrics["explore/surprisal_correct"] == 1.0 and metrics["explore/surprisal_wrong"] == 2.5


def test_an_answer_without_tokens_has_no_surprisal():
    metrics = kept(DESIGN, written([1, 0, 0, 0], [[1], [], [2], [3]], [-1.0, -9.0, -2.0, -4.0]))
    assert metrics["explore/surprisal_wrong"] == 3.0


def test_answers_that_are_left_out_are_not_counted():
    # Without answer 3 two wrong ones are left, alike; its surprisal is not that of a wrong answer either.
    metrics = kept(DROP, written([1, 0, 0, NAN], [[1], [2], [2], [3]], [-1.0, -2.0, -4.0, -100.0], cut=4))
    assert metrics["explore/distinct_wrong"] == 0.5 and metrics["explore/surprisal_wrong"] == 3.0


def test_an_answer_that_has_no_reward_has_no_answer_either():
    samples = written([1, 0, 0, 0], [[1], [2], [2], [3]], cut=1)
    for i, sample in enumerate(samples):
        sample.info["answer"] = torch.tensor([[1, 2, 2, 3][i]])
    samples[3].rewards, samples[3].info = None, {}
    settle_missing_rewards(samples, 4, drop=True)
    samples[3].scores = torch.tensor([NAN])
    assert kept(DROP, samples)["explore/distinct_wrong"] == 0.5


@pytest.mark.parametrize(("rewards", "missing"), [([1] * 4, "wrong"), ([0] * 4, "correct")])
def test_where_no_answer_is_wrong_there_is_no_number_and_metrics_have_null(tmp_path, rewards, missing):
    metrics = kept(DESIGN, written(rewards, [[1], [2], [3], [4]], [-1.0] * 4))
    assert math.isnan(metrics[f"explore/surprisal_{missing}"])
    assert math.isnan(metrics["explore/distinct_wrong"]) == (missing == "wrong")
    MetricsFile(tmp_path / "metrics.jsonl").log_train(1, metrics)
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert line[f"explore/surprisal_{missing}"] is None
    other = {"wrong": "correct", "correct": "wrong"}[missing]
    assert line[f"explore/surprisal_{other}"] == 1.0


def test_without_log_probabilities_and_sequences_there_is_no_number_and_no_error():
    metrics = kept(DESIGN, batch([1, 0, 0, 0]))
    assert all(math.isnan(metrics[name]) for name in metrics if name.startswith("explore/"))


def test_random_batches_equal_counting_by_hand():
    rng = random.Random(9)
    for _ in range(20):
        rewards = [rng.randint(0, 1) for _ in range(5 * N)]
        texts = [[rng.randint(1, 2) for _ in range(rng.randint(0, 3))] for _ in rewards]
        metrics = kept(DESIGN, written(rewards, texts, cut=rng.randint(1, 20), order=rng.sample(range(20), 20)))
        shares = []
        for start in range(0, 20, N):
            wrong = [tuple(texts[i]) for i in range(start, start + N) if not rewards[i]]
            shares += [Fraction(len(set(wrong)), len(wrong))] if wrong else []
        assert metrics["explore/distinct_wrong"] == pytest.approx(float(sum(shares) / len(shares)), rel=1e-12)


def test_the_functions_take_a_batch_on_its_own():
    wrong = torch.tensor([[True, True], [False, False]])
    assert distinct_wrong(wrong, torch.tensor([[1, 1], [2, 3]])) == 0.5
    assert math.isnan(distinct_wrong(torch.zeros(1, 2, dtype=torch.bool), torch.tensor([[1, 1]])))
    metrics = explore_metrics(~wrong, None, None, wrong)
    assert len(metrics) == 3 and all(math.isnan(value) for value in metrics.values())
