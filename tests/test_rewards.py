"""Which rewards and scores a design takes, who counts as correct, and what is told about the others."""

import math
import re

import pytest
import torch
from samples import CONFIGS, design, grpo, passk, rows

import shaping
from shaping.compiled import apply
from shaping.errors import DesignError, RewardError
from shaping.groups import exact

NAN, INF = math.nan, math.inf

# ---------------------------------------------------------------- who is correct


def test_a_penalised_reward_does_not_make_an_answer_wrong():
    # OpenRLHF takes half a point off for length; the score stays 1
    rewards, scores = rows([0.5, 0, 0, 0]), rows([1, 0, 0, 0])
    assert torch.equal(passk()(rewards, scores), passk()(scores))
    # and r is still the penalised reward
    assert design("r + correct")(rewards, scores).tolist() == [[1.5, 0, 0, 0]]
    assert design("score - r")(rewards, scores).tolist() == [[0.5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        ("score >= 1", [0, 0, 1, 1]),
        ("score > 0.5", [0, 0, 1, 1]),
        ("score >= 0.5", [0, 1, 1, 1]),
        ("0.25 < score < 2", [0, 1, 1, 0]),
        ("not (score == 0 or score == 1)", [0, 1, 0, 1]),
        ("score", [0, 1, 1, 1]),
        ("score - 1", [1, 1, 0, 1]),
        ("score > t", [0, 0, 0, 1]),
    ],
)
def test_the_file_says_which_graded_scores_are_correct(correct, verdict):
    scores = rows([0, 0.5, 1, 2])
    judged = design("correct * N + n_pos", correct=correct, t="3/2")
    assert judged(scores).tolist() == [[4 * v + sum(verdict) for v in verdict]]
    assert exact.advantages(judged, [0, 0.5, 1, 2]) == [4 * v + sum(verdict) for v in verdict]
    assert apply.verdicts(judged, scores).tolist() == [[bool(v) for v in verdict]]


@pytest.mark.parametrize("correct", ["score >= 1", "not score < 1", "score != 0", "not (score > 0)"])
def test_nan_is_never_correct(correct):
    assert apply.verdicts(design("r", correct=correct), rows([NAN])).tolist() == [[False]]


@pytest.mark.parametrize("correct", ["1 / score > 2", "log(score) > 0", "sqrt(score) > 0.5", "score ** -1 > 2"])
def test_a_verdict_without_a_value_for_some_score_is_refused(correct):
    judged = design("correct", correct=correct)
    with pytest.raises(DesignError, match=r"^d\.yaml:1:\d+: "):
        judged.check(2)
    with pytest.raises(DesignError, match=r"^d\.yaml:1:\d+: "):
        exact.advantages(judged, [-1, 0])


def test_scores_finer_than_the_rewards_are_not_rounded_before_they_are_judged():
    scores = rows([1 - 1e-12, 1], dtype=torch.float64)
    assert design("correct", correct="score >= 1")(rows([0, 0]), scores).tolist() == [[0, 1]]


def test_scores_may_be_whole_numbers_or_booleans():
    for dtype in (torch.int64, torch.bool, torch.float64, torch.bfloat16):
        assert design("correct + r")(rows([3, 3]), rows([1, 0], dtype=dtype)).tolist() == [[4, 3]]


# ---------------------------------------------------------------- refused rewards

COUNTS = (
    "This design counts correct answers; round the reward in your reward function, say in the design\n"
    "which scores are correct (`correct: score > 0.5`), or use a design for graded rewards."
)
FINITE = "Return a number for every answer."


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (NAN, "nan"), (INF, "inf"), (-INF, "-inf"), (-1, "-1.0"), (2, "2.0")]
)
def test_a_counting_design_names_the_reward_that_is_no_verdict(value, shown):
    with pytest.raises(RewardError) as error:
        passk()(rows([1, 0, 0, 0], [1, 0, value, value]))
    assert str(error.value) == f"design 'passk': reward {shown} at prompt 1, answer 2 is neither 0 nor 1.\n{COUNTS}"
    assert error.value.prompt == 1


@pytest.mark.parametrize("value", [1 - 2**-24, 1 + 2**-23, 2**-60])
def test_a_reward_that_is_almost_a_verdict_is_not_shown_as_one(value):
    with pytest.raises(RewardError) as error:
        passk()(rows([1, value, 0, 0]))
    shown = re.search(r"reward (\S+) at prompt 0, answer 1 is neither 0 nor 1", str(error.value)).group(1)
    assert float(shown) == pytest.approx(value, rel=1e-8) and float(shown) not in (0, 1)


def test_a_score_is_called_a_score():
    with pytest.raises(RewardError, match=r"^design 'passk': score 0.25 at prompt 0, answer 3 is neither 0 nor 1\.\n"):
        passk()(rows([1, 0, 0, 0]), rows([1, 0, 0, 0.25]))


@pytest.mark.parametrize(("value", "shown"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")])
def test_a_reward_that_is_no_number_is_named(value, shown):
    with pytest.raises(RewardError) as error:
        grpo()(rows([1, 2], [3, 4], [5, value]))
    assert str(error.value) == f"design 'grpo': reward {shown} at prompt 2, answer 1 is not a finite number.\n{FINITE}"


def test_a_graded_score_that_is_no_number_is_named():
    for formula in ("correct + r", "score"):
        with pytest.raises(RewardError, match="score nan at prompt 0, answer 1 is not a finite number"):
            design(formula, correct="score > 0.5")(rows([1, 2]), rows([0.3, NAN]))


def test_what_a_design_does_not_read_may_be_anything():
    assert torch.equal(passk()(rows([NAN, INF, 0.5, 7]), rows([1, 0, 0, 0])), passk()(rows([1, 0, 0, 0])))
    assert torch.equal(grpo()(rows([1, 0]), rows([NAN, 0.5])), grpo()(rows([1, 0])))


@pytest.mark.parametrize("shape", [(4,), (), (1, 2, 2)])
def test_rewards_of_another_shape_are_refused(shape):
    with pytest.raises(RewardError) as error:
        grpo()(torch.zeros(shape))
    assert str(error.value) == (
        f"design 'grpo' takes float rewards of shape (prompts, answers), got torch.float32 of shape {shape}"
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_rewards_of_another_kind_are_refused(dtype):
    with pytest.raises(RewardError, match=f"takes float rewards .* got {dtype} of shape"):
        passk()(torch.zeros(2, 4, dtype=dtype))


def test_scores_of_another_shape_are_refused():
    with pytest.raises(RewardError, match=r"^scores have shape \(1, 3\), rewards \(1, 4\)$"):
        passk()(rows([1, 0, 0, 0]), rows([1, 0, 0]))


@pytest.mark.parametrize("N", [0, 1])
def test_groups_of_fewer_than_two_answers_are_refused(N):
    for name in ("grpo", "rloo", "dr_grpo", "passk"):
        path = CONFIGS / f"{name}.yaml"
        with pytest.raises(DesignError) as error:
            shaping.load(path)(torch.zeros(3, N))
        assert str(error.value) == (
            f"{path}: groups of {N} answer{'s' if N == 0 else ''}: "
            f"design '{name}' compares answers to the same prompt\n"
            "hint: sample at least 2 answers a prompt"
        )


def test_draws_outside_the_group_are_refused_even_for_no_prompts():
    for k, P in [(5, 2), (0, 2), (5, 0)]:
        with pytest.raises(
            DesignError, match=rf"passk\.yaml:\d+:\d+: k = {k} is outside 1\.\.4, its range for groups of N = 4"
        ):
            passk(k=k)(torch.zeros(P, 4))
