"""What is no number in the middle of a formula, inf - inf or 0 / 0 of what float32 made 0, is no advantage: an error.

Each formula is one whose exact value is a plain number, and whose float32 arithmetic loses it on the way.
"""

import pytest
import torch

import shaping
from shaping.compiled.lower import lowered
from shaping.errors import DesignError

# exp(-200) and exp(200) are 0 and infinite in float32; each formula takes what comes of them for a truth or an order
HIDDEN = {
    "a comparison": "1 if exp(-r) / exp(-r) > 0 else -1",
    "an equality": "1 if exp(r) / exp(r) == 1 else -1",
    "a condition": "1 if exp(r) - exp(r) + 1 else -1",
    "not": "1 if not (exp(r) - exp(r)) else -1",
    "and": "1 if (exp(r) / exp(r) and r > 100) else -1",
    "or": "1 if (r < 0 or exp(r) / exp(r) > 0) else -1",
    "sign": "sign(exp(r) / exp(r))",
    "a power of 0": "(exp(r) / exp(r)) ** 0 * r",
    "rank": "rank(exp(r) / exp(r) + r)",
    "count": "count(exp(r) / exp(r) > 0) + 0 * r",
    "where": "r - sum(r, where=exp(r) / exp(r) > 0)",
    "quantile": "r - quantile(exp(r) / exp(r), 0.25)",
    "order statistics": "r - max_of(exp(r) / exp(r), 2)",
    "over the batch": "r - count(exp(r) / exp(r) > 0, over=batch)",
    "a let that is used twice": "1 if x > 0 and x < 2 else -1",
}
LET = "let: {x: exp(r) / exp(r)}\n"


@pytest.mark.parametrize("what", HIDDEN)
def test_what_is_no_number_is_not_taken_for_one(what):
    design = shaping.loads(f"{LET}advantage: {HIDDEN[what]}\n")
    fine = design(torch.tensor([[1.0, 2.0], [1.0, 0.0]]))
    assert fine.isfinite().all()
    prompt, large = (0, 800.0) if what == "over the batch" else (1, 200.0)  # read by every group, and in float64
    said = rf"of prompt {prompt}, answer \d is nan: a formula left the range of torch.float32"
    with pytest.raises(DesignError, match=said):
        design(torch.tensor([[1.0, 2.0], [large, 1.0]]))


def test_in_double_precision_the_same_formulas_have_their_values():
    design = shaping.loads("advantage: 1 if exp(-r) / exp(-r) > 0 else -1\n")
    assert design(torch.tensor([[200.0, 1.0]], dtype=torch.float64)).tolist() == [[1.0, 1.0]]


def test_a_branch_that_is_not_taken_may_lose_what_it_likes():
    design = shaping.loads("advantage: (1 if exp(r) - exp(r) == 0 else -1) if r < 50 else 7\n")
    assert design(torch.tensor([[200.0, 1.0]])).tolist() == [[7.0, 1.0]]
    design = shaping.loads("advantage: sum(r, where=(r < 50 and exp(r) / exp(r) > 0)) + 0 * r\n")
    assert design(torch.tensor([[200.0, 1.0]])).tolist() == [[1.0, 1.0]]


def test_an_infinity_that_is_compared_is_right():
    # exp(200) > 5, and 1 / exp(200) is 0 to all digits of float32
    design = shaping.loads("advantage: (1 if exp(r) > 5 else -1) + clip(exp(r), 0, 1) / exp(r)\n")
    assert design(torch.tensor([[200.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_what_has_no_value_in_mathematics_still_gets_flat():
    design = shaping.loads("advantage: {each: 1 if (r - mean(r)) / std(r) > 0 else -1, flat: 5}\n")
    assert design(torch.tensor([[1.0, 0.0], [3.0, 3.0]])).tolist() == [[1.0, -1.0], [5.0, 5.0]]


def test_tokens_and_draws_are_looked_at_too():
    design = shaping.loads(
        "draws: {size: 1, count: N, disjoint: yes, reward: 1 if max(exp(r)) / max(exp(r)) > 0 else -1,"
        " advantage: reward}\nadvantage: drawn\n"
    )
    assert design(torch.tensor([[1.0, 2.0]])).tolist() == [[1.0, 1.0]]
    with pytest.raises(DesignError, match="answer 0 is nan"):
        design(torch.tensor([[200.0, 1.0]]))


def test_where_nothing_can_get_lost_nothing_is_looked_for():
    for formula in ("r - mean(r)", "1 if r > 0.5 else -1", "rank(length) * (1 if r == max(r) else 0)", "sign(r)"):
        assert "isnan" not in lowered(shaping.loads(f"advantage: {formula}\n"), 4).code
    assert "isnan" in lowered(shaping.loads("advantage: 1 if exp(r) / exp(r) > 0 else -1\n"), 4).code
