"""Every design, for rewards of any offset and size that float32 holds: five digits, or an error.

The oracle is exact.py, which evaluates the same YAML on the same floats as rationals. An error is measured against the
largest advantage of the group.
"""

import random

import pytest
import torch
from samples import CONFIGS, fitting

import shaping
from shaping import real
from shaping.errors import DesignError, RewardError
from shaping.groups import exact

N, P = 8, 4
OFFSETS = (0.0, 1.0, -1.0, 50.0, -50.0, 1e4)
SCALES = (1e-6, 1e-3, 1.0, 1e3, 1e6)
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
DRAWN = {"passk_bootstrap", "passk_full_sampling"}  # of verdicts; their sums are test_library.py's
# Where two computed numbers are compared, those that are equal fall either way: which mean is larger, by rounding.
DIGITS = 1e-5


def signals(design, rng):
    found = {
        "length": [[float(rng.choice([1, 7, 300, 4_096, 20_000, 32_768])) for _ in range(N)] for _ in range(P)],
        "logprob": [[-rng.random() * rng.choice([1e-3, 1.0, 50.0]) for _ in range(N)] for _ in range(P)],
        "truncated": [[float(rng.randrange(2)) for _ in range(N)] for _ in range(P)],
    }
    return {name: torch.tensor(found[name]) for name in design.inputs}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DRAWN])
def test_a_design_is_right_to_five_digits_wherever_rewards_lie_or_refuses_them(name):
    design = fitting(name, N)
    judged = design.counts and not design.graded
    moment = {"step": 3, "total_steps": 16} if design.clock else {}
    right = refused = 0
    for offset in OFFSETS:
        for scale in SCALES:
            rng = random.Random(f"{name} {offset} {scale}")
            given = signals(design, rng)
            rewards = torch.tensor([[offset + scale * rng.random() for _ in range(N)] for _ in range(P)])
            rewards[0] = torch.tensor([offset, offset + scale] * (N // 2))  # many alike
            scores = (
                torch.tensor([[float(rng.randrange(2)) for _ in range(N)] for _ in range(P)]) if judged else rewards
            )
            rewards = rewards if "r" in design.signals else scores
            try:
                found = design(rewards, scores, **given, **moment)
                expected = exact.batch(
                    design,
                    rewards.tolist(),
                    scores.tolist(),
                    signals={each: values.tolist() for each, values in given.items()},
                    moment=design.moment(**moment) if moment else None,
                )
            except (DesignError, RewardError):
                refused += 1
                continue
            found = found[0] if isinstance(found, tuple) else found
            for got, wanted in zip(found.double(), expected, strict=True):
                want = torch.tensor([real.nearest(value) for value in wanted], dtype=torch.float64)
                size = max(want.abs().max().item(), 1e-30)
                assert (got - want).abs().max().item() <= DIGITS * size, (offset, scale, got, want)
            right += 1
    assert right >= 15, (right, refused)  # some refuse rewards below 0, or what is too large for their squares


def test_bnpo_where_the_means_of_groups_lie_close_together():
    # float32 makes the density 0 / 0 here; the exact weights are below 1
    design = shaping.load(CONFIGS / "bnpo.yaml")
    rewards = 0.4 + 0.2 * torch.rand(128, 8, generator=torch.Generator().manual_seed(0))
    assert 0.01 < design(rewards).abs().max() < 0.1
    # one of three right in both groups: 1/3 in whichever order it is added up, and nothing can be fitted
    assert design(torch.tensor([[1.0, 0, 0], [0, 1, 0]])).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_rs_grpo_far_below_zero():
    # exp(2 * -51) is 4e-45, two bits of float32; from the best answer on they are exp(-1.4) to 1
    got = shaping.load(CONFIGS / "rs_grpo.yaml")(torch.tensor([[-51.0, -50.9, -50.5, -50.3]]))
    torch.testing.assert_close(got, torch.tensor([[-0.277651, -0.228424, 0.104406, 0.401669]]), atol=2e-6, rtol=0)
