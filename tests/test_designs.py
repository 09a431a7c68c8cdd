"""The designs in configs/ give the numbers of the papers: each against the oracle, for groups up to eight."""

import random
import re
from fractions import Fraction as F
from pathlib import Path

import oracle
import pytest
import torch

import shaping
from shaping import real
from shaping.groups import exact

CONFIGS = Path(__file__).parents[1] / "configs"
REAL_VALUED = {
    "grpo": oracle.grpo,
    "grpo_sample_std": oracle.grpo_sample_std,
    "dr_grpo": oracle.dr_grpo,
    "rloo": oracle.rloo,
}
VERDICTS = [[1] * c + [0] * (N - c) for N in range(2, 9) for c in range(N + 1)]  # every 0/1 group, up to order
CONSTANTS = [0.1, 0.3, 0.7, 0.95]  # none of them is a float, so a careless mean leaves a residue
NEAREST = {torch.float64: oracle.nearest_float64, torch.float32: oracle.nearest_float32}
EPSILON = {torch.float64: 2e-15, torch.float32: 2e-6}


def load(name, **params):
    return shaping.load(CONFIGS / f"{name}.yaml", **params)


def seeded_groups(seed, count=40):
    """Rewards of many sizes: far from zero, close together, negative, with repeats."""
    rng = random.Random(seed)
    for _ in range(count):
        shift, scale = rng.choice([0, 0, 1, -3, 100]), rng.choice([1, 1, 0.01, 20])
        group = [shift + scale * rng.choice([rng.random(), rng.randint(0, 3) / 4]) for _ in range(rng.randint(2, 12))]
        if len(set(group)) > 1:
            yield group


# ---------------------------------------------------------------- pass@k


@pytest.mark.parametrize("k", range(1, 9))
def test_passk_is_the_mean_over_every_k_subset_to_the_last_bit(k):
    design, tried = load("passk", k=k), 0
    for group in VERDICTS:
        if k <= len(group):
            credit = oracle.passk_by_enumeration(group, k)
            for dtype, nearest in NEAREST.items():
                assert design(torch.tensor([group], dtype=dtype)).tolist() == [[nearest(a) for a in credit]], (
                    group,
                    dtype,
                )
            tried += any(credit)
    assert tried == {1: 28, 2: 21, 3: 15, 4: 10, 5: 6, 6: 3, 7: 1, 8: 0}[k]  # groups with something to learn


def test_passk_of_real_size_is_the_closed_form_to_the_last_bit():
    # At N = 128, k = 32, C(128, 32) has 101 bits, and 1 - (1 - miss) in floats would lose what is left at n_pos = 90.
    for N, k in [(16, 4), (32, 8), (128, 32)]:
        design = load("passk", k=k)
        for c in range(0, N + 1, 1 + N // 32):
            credit = oracle.passk_closed_form([1] * c + [0] * (N - c), k)
            row = design(torch.tensor([[1.0] * c + [0.0] * (N - c)]))
            assert row.tolist() == [[oracle.nearest_float32(a) for a in credit]]


def test_three_of_eight_correct_at_k_4_is_one_over_root_thirteen():
    # miss = C(5,4)/C(8,4) = 1/14, sigma = sqrt(13)/14: correct 1/sqrt(13), wrong -(3/5)/sqrt(13)
    row = load("passk")(torch.tensor([[1.0, 0, 0, 1, 0, 0, 0, 1]]))[0]
    right, wrong = 0.2773501, -0.1664101
    assert row.tolist() == pytest.approx([right, wrong, wrong, right, wrong, wrong, wrong, right], abs=1e-7)


def test_passk_with_one_draw_is_grpo():
    passk, grpo = load("passk", k=1), load("grpo")
    for group in VERDICTS:
        assert exact.advantages(passk, group) == exact.advantages(grpo, group)


@pytest.mark.parametrize(
    ("k", "peak", "eta"), [(1, 16, 32.0), (2, 12, 18.91), (4, 8, 10.36), (8, 4, 5.18), (16, 2, 2.26)]
)
def test_of_thirty_two_answers_the_push_is_strongest_where_the_paper_says(k, peak, eta):
    # eta = n_pos |A_correct| + n_neg |A_wrong|, arXiv:2508.10751, Eq 16 and Fig 9
    push = []
    for n_pos, (right, wrong) in enumerate(exact.table(load("passk", k=k), 32)):
        push.append(n_pos * abs(real.nearest(right or F(0))) + (32 - n_pos) * abs(real.nearest(wrong or F(0))))
    assert max(push) == push[peak] and push.count(max(push)) == 1
    assert round(push[peak], 2) == eta


# ---------------------------------------------------------------- designs for any rewards


@pytest.mark.parametrize("name", REAL_VALUED)
def test_on_verdicts_the_exact_value_is_the_oracles(name):
    design = load(name)
    for group in VERDICTS:
        got = [real.nearest(a) for a in exact.advantages(design, group)]
        assert got == [oracle.nearest_float64(a) for a in REAL_VALUED[name](group)], group


@pytest.mark.parametrize("name", REAL_VALUED)
def test_on_graded_rewards_the_exact_value_is_the_oracles(name):
    design = load(name)
    for group in seeded_groups(seed=1):
        got = [real.nearest(a) for a in exact.advantages(design, group)]
        assert got == [oracle.nearest_float64(a) for a in REAL_VALUED[name](group)], group


@pytest.mark.parametrize("dtype", EPSILON, ids=str)
@pytest.mark.parametrize("name", REAL_VALUED)
def test_on_verdicts_the_tensor_is_the_oracles(name, dtype):
    design = load(name)
    for group in VERDICTS:
        reference = [float(a) for a in REAL_VALUED[name](group)]
        assert design(torch.tensor([group], dtype=dtype))[0].tolist() == pytest.approx(
            reference, rel=EPSILON[dtype], abs=1e-300
        )


@pytest.mark.parametrize("dtype", EPSILON, ids=str)
@pytest.mark.parametrize("name", REAL_VALUED)
def test_on_graded_rewards_the_tensor_is_as_good_as_its_rewards(name, dtype):
    # r - mean cancels: of rewards near 100 that differ by 0.01, four digits fewer are left.
    design = load(name)
    for group in seeded_groups(seed=2):
        reward_PN = torch.tensor([group], dtype=dtype)
        stored = reward_PN[0].tolist()
        reference = [float(a) for a in REAL_VALUED[name](stored)]
        lost = 8 * max(map(abs, stored)) / (max(stored) - min(stored))
        largest = max(map(abs, reference))
        assert design(reward_PN)[0].tolist() == pytest.approx(reference, abs=EPSILON[dtype] * largest * lost), group


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", REAL_VALUED)
def test_a_constant_group_gives_exactly_nothing(name, dtype):
    design = load(name)
    for N in (*range(2, 9), 16, 31):
        rewards = torch.tensor([[c] * N for c in CONSTANTS], dtype=dtype)
        assert torch.equal(design(rewards), torch.zeros_like(rewards)), N
        # and beside it a group that does vary is credited as ever
        mixed = torch.cat([rewards, torch.eye(1, N, dtype=dtype)])
        assert design(mixed)[-1, 0] > 0 and torch.equal(design(mixed)[:-1], torch.zeros_like(rewards))


@pytest.mark.parametrize("name", REAL_VALUED)
def test_a_constant_group_is_exactly_nothing_before_any_rounding_too(name):
    for c in CONSTANTS:
        assert exact.advantages(load(name), [c] * 7) == [0] * 7


def test_worked_groups_of_every_design():
    # rewards 1, 0, 0, 0: mean 1/4, population std sqrt(3)/4, sample std 1/2
    root = 3**0.5
    worked = {
        "grpo": [root, -1 / root],
        "grpo_sample_std": [1.5, -0.5],
        "dr_grpo": [0.75, -0.25],
        "rloo": [1, -1 / 3],
    }
    for name, (right, wrong) in worked.items():
        row = load(name)(torch.tensor([[1.0, 0, 0, 0]]))[0].tolist()
        assert row == pytest.approx([right, wrong, wrong, wrong], rel=1e-6), name


# ---------------------------------------------------------------- the library itself


def test_every_design_is_named_after_its_file_and_says_where_it_comes_from():
    for path in CONFIGS.glob("*.yaml"):
        text = path.read_text()
        assert shaping.load(path).name == path.stem
        assert f"--advantage-design configs/{path.name}" in text
        assert re.search(r"^# Source:.*arXiv", text, re.M) and re.search(r"^#.*\bNot \w", text, re.M), path
