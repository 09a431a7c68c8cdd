"""Formulas nobody would write: whatever the language can say, the tensor is the exact value, or both have none.

The formulas are drawn by a fixed seed. Rewards are halves and quarters, so that float64 decides every comparison as
exact numbers do, save where two irrational numbers are equal; none of these formulas compares such a pair.
"""

import random

import pytest
import torch

import shaping
from shaping import exact, real
from shaping.errors import DesignError

NAMES = ["r", "r", "score", "correct", "N", "n_pos", "n_neg", "p", "k", "share", "0", "1", "2", "0.5", "1/3"]
REWARDS, SCORES = [-1, 0, 0.25, 0.5, 1, 2], [0, 0.25, 0.5, 1]
TEXT = """
correct: score > 0.4
params: {{k: 2}}
let:
  share: "{}"
advantage:
  each: "{}"
"""


def formula(rng, depth, names):
    """Text of a random formula; a reduction may turn out to be over no answers, which is refused on reading."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(names)
    a, b, c = (formula(rng, depth - 1, names) for _ in range(3))
    shapes = [f"({a} {op} {b})" for op in "+-*/"] * 2 + [f"({a} {op} {b})" for op in ("<", "<=", "==", "and", "or")]
    shapes += [f"({a} ** {rng.choice(['2', '0.5', '-1', 'n_pos', b])})", f"(not {a})", f"({a} if {b} else {c})"] * 2
    shapes += [f"{name}({a})" for name in ("sqrt", "log", "exp", "abs")] + [f"min({a}, {b})", f"max({a}, {b})"]
    shapes += [f"{name}({a})" for name in ("mean", "sum", "std", "min", "max")]
    shapes += [f"binomial({rng.choice(['N', 'n_pos', 'n_neg'])}, k)"]
    return rng.choice(shapes)


def readable(rng):
    """Designs that the reader accepts, each with the text it was read from."""
    while True:
        share = formula(rng, 2, [name for name in NAMES if name != "share"])
        text = TEXT.format(share, formula(rng, rng.choice([2, 3, 4]), NAMES))
        text += rng.choice(["", "  flat: 0\n", "  flat: 7\n", "  flat: r - n_pos\n"])
        try:
            yield text, shaping.loads(text)
        except DesignError as error:
            assert "this is one value" in str(error), text  # a mean of something that is the same for all answers


def outcome(compute):
    """Its numbers, or None where it has none."""
    try:
        return compute()
    except DesignError:
        return None


@pytest.mark.parametrize("seed", range(8))
def test_the_tensor_is_the_exact_value_or_both_have_none(seed):
    rng = random.Random(seed)
    designs = readable(rng)
    agreed = passed = 0
    for _ in range(40):
        text, design = next(designs)
        N = rng.choice([2, 3, 5])
        rewards = [[rng.choice(REWARDS) for _ in range(N)] for _ in range(4)] + [[1] * N, [0] * N]
        scores = [[rng.choice(SCORES) for _ in range(N)] for _ in range(4)] + [[1] * N, [0] * N]
        checked = outcome(lambda: design.check(N) or "fine")
        passed += checked is not None
        for reward, score in zip(rewards, scores, strict=True):
            reward_1N, score_1N = (
                torch.tensor([reward], dtype=torch.float64),
                torch.tensor([score], dtype=torch.float64),
            )
            got = outcome(lambda: design(reward_1N, score_1N)[0].tolist())
            if checked is None:
                assert got is None, text
                continue
            reference = [real.nearest(a) for a in exact.advantages(design, reward, score)]  # has a value: check said so
            if got is None:  # then only because no float holds it
                assert max(map(abs, reference)) > 1e300, (text, reward, score)
            else:
                scale = max(1, *map(abs, reference))
                assert got == pytest.approx(reference, rel=1e-9, abs=1e-9 * scale), (text, reward, score)
                agreed += len(set(reference)) > 1
    assert passed > 20 and agreed > 20  # most are designs, and many tell answers apart
