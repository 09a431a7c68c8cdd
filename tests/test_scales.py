"""Rewards far from 0, close together, tiny and huge: the compiled advantage is the exact one of the same floats.

The oracle is exact.py, which takes the floats for the rationals they are, so that what float32 rounds away in the
rewards themselves is nobody's error. An error is measured against the largest advantage of its own group.
"""

import math
import random

import pytest
import torch
from samples import CONFIGS, design, fitting, rows

import shaping
from shaping import real
from shaping.compiled import draws
from shaping.errors import DesignError, RewardError
from shaping.groups import exact
from shaping.groups.check import draw_shape

DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
OFFSETS = [0, 1, -1, 50, -50, 1e4]
SCALES = [1e-6, 1e-3, 1, 1e3, 1e6]
LENGTHS = [(1, 8), (1, 32_768), (32_700, 32_768), (1_000, 1_003), (16_300, 20_500)]
LOGPROBS = [(-50, 0), (-1e-6, 0), (-50, -49.999), (-3, 0)]
# Exact arithmetic has no exp(-2,000,000); what such rewards get is a test of its own.
TOO_STEEP = {"rs_grpo": 1e6}
FIVE_DIGITS = 1e-5


def load(name):
    return shaping.load(CONFIGS / f"{name}.yaml")


def rewards(rng, offset, scale, P, N):
    """Any values, a few levels with ties, or some apart from equal ones."""
    share = rng.choice([rng.random, lambda: rng.choice([0, 0.1, 0.3, 1]), lambda: rng.random() < 0.2])
    return torch.tensor([[offset + scale * share() for _ in range(N)] for _ in range(P)], dtype=torch.float32)


def signal(rng, name, P, N):
    low, high = rng.choice(LENGTHS if name == "length" else LOGPROBS)
    draw = rng.randint if name == "length" else rng.uniform
    return torch.tensor([[draw(low, high) for _ in range(N)] for _ in range(P)], dtype=torch.float32)


def columns(made, offset, scale, N, seed, P=3):
    """Rewards, scores and signals; a design that counts gets verdicts for scores."""
    rng = random.Random(f"{offset} {scale} {N} {seed}")
    verdict_PN = torch.tensor([[float(rng.random() < 0.5) for _ in range(N)] for _ in range(P)])
    reward_PN = rewards(rng, offset, scale, P, N) if "r" in made.signals else verdict_PN
    score_PN = verdict_PN if made.counts and not made.graded else reward_PN
    return reward_PN, score_PN, {name: signal(rng, name, P, N) for name in made.inputs}


def exactly(made, reward_PN, score_PN=None, **signals):
    (P, N), moment, members = reward_PN.shape, made.moment(3, 10) if made.clock else None, {}
    for node in made.draws:
        count, size = draw_shape(made, node, N, moment)
        members[node] = draws.members(P, N, count, size, consecutive=node.consecutive, seed=0, step=0).tolist()
    score_PN = reward_PN if score_PN is None else score_PN
    signals = {name: values.tolist() for name, values in signals.items()}
    values = exact.batch(made, reward_PN.tolist(), score_PN.tolist(), signals=signals, draws=members, moment=moment)
    return torch.tensor([[real.nearest(value) for value in group] for group in values], dtype=torch.float64)


def off_by(found_PN, exact_PN):
    """The largest error of each group, as a share of its largest advantage; of 1 where all get 0."""
    largest_P1 = exact_PN.abs().amax(-1, keepdim=True)
    return ((found_PN.double() - exact_PN).abs() / torch.where(largest_P1 > 0, largest_P1, 1)).amax(-1)


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_is_right_to_five_digits_wherever_rewards_lie_and_however_far_apart_they_are(name):
    groups = said_something = 0
    for offset in OFFSETS:
        for scale in (scale for scale in SCALES if scale < TOO_STEEP.get(name, torch.inf)):
            for N, seed in ((4, 0), (4, 1), (8, 0), (8, 1), (13, 0)):
                made = fitting(name, N)
                time = {"step": 3, "total_steps": 10} if made.clock else {}
                reward_PN, score_PN, signals = columns(made, offset, scale, N, seed)
                try:
                    found = made(reward_PN, score_PN, **signals, **time)
                except (DesignError, RewardError):
                    continue
                expected = exactly(made, reward_PN, score_PN, **signals)
                assert (off_by(found, expected) <= FIVE_DIGITS).all(), (offset, scale, N, seed, found, expected)
                groups += len(found)
                said_something += expected.any(-1).sum().item()
    ends = any(not each.is_list for each in made.rewards)  # it refuses most of these rewards
    assert groups > (40 if ends else 300) and said_something > 30, (groups, said_something)


def test_bnpo_of_rates_between_four_and_six_tenths_is_at_most_a_twentieth():
    # the batch: float32 gave 127,199
    generator = torch.Generator().manual_seed(0)
    reward_PN = 0.4 + 0.2 * torch.rand(128, 8, generator=generator)
    found, expected = load("bnpo")(reward_PN), exactly(load("bnpo"), reward_PN)
    assert 0.02 < expected.abs().max() < 0.06
    assert (off_by(found, expected) <= 1e-6).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_bnpo_of_rates_that_are_equal_is_nothing_whichever_answer_was_right(dtype):
    # one of three is right in both groups: their means are both 1/3, and a spread of them is rounding
    assert not load("bnpo")(rows([1, 0, 0], [0, 1, 0], dtype=dtype)).any()
    assert not load("bnpo")(rows([0.1, 0.3, 0.7], [0.7, 0.1, 0.3], [0.3, 0.7, 0.1], dtype=dtype)).any()


CLOSE_TOGETHER = [(0.5, 1e-2), (0.5, 1e-4), (0.9, 1e-6), (0.3, 1e-7), (1e-6, 1e-7), (0, 1e-12)]


@pytest.mark.parametrize("middle, width", CLOSE_TOGETHER)
def test_bnpo_keeps_its_digits_however_close_together_the_rates_are(middle, width):
    # the density's exponent is as large as 1e13 there, of both signs
    reward_PN = middle + width * torch.rand(5, 6, generator=torch.Generator().manual_seed(1))
    expected = exactly(load("bnpo"), reward_PN)
    assert expected.any(-1).all() and (off_by(load("bnpo")(reward_PN), expected) <= FIVE_DIGITS).all()


def test_rs_grpo_far_below_0_is_what_it_is_at_0():
    # exp(2 r) at -51, -50.9, -50.5, -50.3 is exp(-102) times (1, 1.2214, 2.7183, 4.0552), whose mean is 2.2487
    found = load("rs_grpo")(rows([-51, -50.9, -50.5, -50.3]))
    assert found.tolist() == [pytest.approx([-0.2777, -0.2284, 0.1044, 0.4017], abs=5e-5)]


def test_rs_grpo_of_rewards_whose_exponential_no_float_holds_is_of_the_best_alone():
    # (exp(beta (r - max)) / mean - 1) / beta: 1 of 4 counts, (4 - 1) / 2 and (0 - 1) / 2
    assert load("rs_grpo")(rows([0, 1e6, 2e6, 3e6])).tolist() == [[-0.5, -0.5, -0.5, 1.5]]


def test_rs_grpo_of_a_small_beta_is_dr_grpo():
    steep, group = shaping.load(CONFIGS / "rs_grpo.yaml", beta=0.01), rows([5000, 5000.001953125, 5000.00390625])
    # by r - mean(r) = -1/512, 0, 1/512; the next term of exp is beta / 512 / 2 of it
    assert steep(group).tolist() == [pytest.approx([-1 / 512, 0, 1 / 512], abs=1e-7)]


FAR_APART = {
    "exp(r) - 1": [[1e-6, 2e-6, -3e-7]],
    "1 - exp(r)": [[1e-6, 2e-6, -3e-7]],
    "log(1 + r)": [[1e-6, 2e-6, -3e-7]],
    "log(r + 1)": [[1e-6, 2e-6, -3e-7]],
    "log(1 - r)": [[1e-6, 2e-6, -3e-7]],
    "r - others_mean(r)": [[10_000, 10_000.001, 10_000.002]],
    "max_with(r, 2) - max_without(r, 1)": [[10_000, 10_000.001, 10_000.002]],
    "max_with(r, 2) - max_without(r, 2)": [[10_000, 10_000.001, 10_000.002]],
    "2 * (max_with(-r, 3) - max_without(-r, 2))": [[-10_000, -10_000.001, -9_999.99]],
}


@pytest.mark.parametrize("formula", FAR_APART)
def test_a_difference_of_nearly_equal_numbers_keeps_its_digits(formula):
    made, group = design(formula, flat=0), rows(*FAR_APART[formula])
    expected = exactly(made, group)
    assert expected.any() and (off_by(made(group), expected) <= 1e-6).all()


ALIKE = {
    "r / 2 - exp(r)": 0.5 - math.e,
    "exp(r) - 2": math.e - 2,
    "log(2 + r)": math.log(3),
    "r - others_mean(1 - r)": 1 - (0 + 1) / 2,
    "r - others_mean(r ** 2 - r)": 1 - 0,
    "max_with(r, 2) - max_without(1 - r, 1)": 1 - (0 + 1) / 2,
    "log_gamma(r + 1) - (r - 1/2) * log(r + 1) + r + 1": 2 - math.log(2) / 2,
}


@pytest.mark.parametrize("formula", ALIKE)
def test_what_only_looks_like_such_a_difference_is_computed_as_it_is_written(formula):
    # of the first answer of rewards 1, 1, 0
    got = design(formula, flat=9)(rows([1, 1, 0], dtype=torch.float64))
    assert got[0, 0].item() == pytest.approx(ALIKE[formula], abs=1e-12)


@pytest.mark.parametrize("x", [1, 1.5, 3, 15.9, 16, 16.1, 100, 1e6, 1e12])
def test_stirling_s_rest_is_that_of_the_exact_value(x):
    made = design("log_gamma(r) - (r - 1/2) * log(r) + r", flat=0)
    group = rows([x, x + 0.25], dtype=torch.float64)
    assert made(group).tolist() == [pytest.approx(exactly(made, group)[0].tolist(), abs=3e-14)]


def test_a_spread_that_only_rounding_makes_is_none():
    # both groups' mean is 0.1 exactly in tenths; in floats the last digit differs with the order
    made = design("r / std(a, over=batch)", let={"a": "mean(r) + mean(r ** 2)"}, flat=0)
    groups = rows([0.1, 0.3, 0.7, 0.95], [0.95, 0.7, 0.1, 0.3], dtype=torch.float64)
    assert not made(groups).any()
    assert made(groups + torch.tensor([[0.0], [1e-9]], dtype=torch.float64)).any()  # but this one was given


def test_lengths_and_rewards_meet_without_losing_the_smaller_one():
    # l1_exact: 1 - 0.0003 * |1024 - L|; of 0.0003 * 31,700 float32 keeps 1e-6, the spread here is 0.0003
    made = load("l1_exact")
    score, length = rows([1, 1, 1, 1]), rows([32_700, 32_701, 32_702, 32_703])
    found = made(score, length=length)
    assert found.dtype == torch.float32
    # of four equal steps: (1.5, 0.5, -0.5, -1.5) / sqrt(5 / 4)
    assert found.tolist() == [pytest.approx([1.3416408, 0.4472136, -0.4472136, -1.3416408], abs=1e-6)]
