"""Answers without a reward: named, left out, or counted 0 in an evaluation."""

import pytest
import torch

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer import ppo_trainer  # noqa: E402
from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402

from passk_rlhf import trainer  # noqa: E402
from passk_rlhf.missing import settle_missing_rewards, unhide  # noqa: E402
from shaping import RewardError, loads  # noqa: E402

KEPT, DROPPED = loads("advantage: r - mean(r)"), loads("on_missing: drop\nadvantage: r - mean(r)")
NAN, INF = float("nan"), float("inf")


def answer(reward, prompt="find the way", **info):
    given = None if reward is None else torch.tensor([float(reward)])
    info = {name: torch.tensor([value]) for name, value in info.items()} | ({} if given is None else {"reward": given})
    return Experience(rewards=given, scores=given, prompts=[prompt], info=info)


# ── Before training ─────────────────────────────────────────────────────────


def test_an_answer_without_reward_is_named_before_openrlhf_fails_on_it():
    with pytest.raises(RewardError, match=r"at prompt 0, answer 1, and for 1 of 2(.|\n)*'find the way'"):
        settle_missing_rewards([answer(1), answer(None)], 2, drop=False)


def test_an_answer_whose_reward_call_failed_becomes_one_whose_every_number_is_missing():
    samples = [answer(1, moves=6.0), answer(None)]
    settle_missing_rewards(samples, 2, drop=True)
    assert samples[1].rewards.isnan().all() and samples[1].scores.isnan().all()
    assert samples[0].info.keys() == samples[1].info.keys()
    assert all(value.isnan().all() for value in samples[1].info.values())


# ── While groups are filtered ───────────────────────────────────────────────


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_reward_that_is_no_number_ends_the_step_before_filtering_throws_its_group_away(bad):
    with pytest.raises(RewardError, match=rf"reward {bad} is not a finite number(.|\n)*'find the way'"):
        unhide(answer(bad), KEPT)
    unhide(answer(bad), loads("signals: {moves: length}\nadvantage: moves - mean(moves)"))  # reads no reward


def test_with_on_missing_drop_it_is_missing_and_its_group_is_not_filtered():
    bad, good = answer(NAN), answer(0.5)
    unhide(bad, DROPPED)
    unhide(good, DROPPED)
    assert bad.rewards is None and bad.scores is None  # OpenRLHF filters groups in which every answer has a score
    assert good.rewards.item() == 0.5


# ── In an evaluation ────────────────────────────────────────────────────────


@pytest.mark.parametrize("missing", [None, NAN, INF])
def test_a_missing_reward_counts_zero_in_an_evaluation_and_ends_nothing(missing):
    samples = [answer(1, "a"), answer(missing, "a"), answer(missing, "b"), answer(0, "b")]
    loader = [(["maze", "maze"], ["a", "b"], ["", ""], [None, None])]
    logs = trainer.compute_eval_metrics(ppo_trainer.compute_eval_metrics, loader, samples, 2)
    assert logs["eval_maze_pass1"] == 0.25 and logs["eval_maze_pass2"] == 0.5
