"""Formulas nobody would write: whatever the language can say, the tensor is the exact value, or both have none.

The formulas are drawn by a fixed seed. Rewards are halves and quarters, so that float64 decides every comparison as
exact numbers do, save where two irrational numbers are equal; none of these formulas compares such a pair.
"""

import random

import pytest
import torch

import shaping
from shaping import real
from shaping.errors import DesignError
from shaping.groups import exact

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


def passes(design, N):
    try:
        design.check(N)
    except DesignError:
        return False
    return True


def credit(design, rewards, scores):
    """What the tensors say, or None if they refuse."""
    try:
        return design(torch.tensor(rewards, dtype=torch.float64), torch.tensor(scores, dtype=torch.float64)).tolist()
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
        if not passes(design, N):
            assert credit(design, rewards, scores) is None, text
            continue
        passed += 1
        exactly = zip(rewards, scores, strict=True)  # each has a value: `check` said so
        reference = [[real.nearest(a) for a in exact.advantages(design, *pair)] for pair in exactly]
        got = credit(design, rewards, scores)
        if got is None:  # then only because no float holds it
            assert max(abs(a) for row in reference for a in row) > 1e300, text
            continue
        for row, expected, group in zip(got, reference, rewards, strict=True):
            assert row == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(1, *map(abs, expected))), (text, group)
            agreed += len(set(expected)) > 1
    assert passed > 20 and agreed > 20  # most are designs, and many tell answers apart
