"""Every design, for rewards of any offset and size that float32 holds: five digits, or an error.

The oracle is exact.py, which evaluates the same YAML on the same floats as rationals. An error is measured against the
largest advantage of the group.
"""

import random

import pytest
import torch
from samples import CONFIGS, fitting

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
