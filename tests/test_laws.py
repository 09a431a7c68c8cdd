"""Laws that every design keeps, over every YAML in configs/: a design joins by existing.

Rewards are drawn from a few levels, as reward functions give them, so that groups with equal rewards are common.
A design that counts gets verdicts; one that reads rewards and counts gets both, as from a host with length penalties.
"""

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import shaping
from shaping import exact, real

DESIGNS = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.yaml"))
LEVELS = [0.0, 1.0, 0.5, -1.0, 0.1, 0.3, 0.7, 0.95, 2.0]
PUSHES_CONSTANT_GROUPS = set()  # designs that mean to: a new one is put here on purpose, not by accident

every_design = pytest.mark.parametrize("name", DESIGNS)
data = st.data()


@cache
def load(name):
    return shaping.load(Path(__file__).parents[1] / "configs" / f"{name}.yaml")


@cache
def sizes(name):
    """The group sizes up to 9 that the design with its defaults takes."""
    return [N for N in range(2, 10) if usable(load(name), N)]


def usable(design, N):
    try:
        design.check(N)
    except shaping.DesignError:
        return False
    return True


def batch(data, name, P, dtype=torch.float64):
    """P groups of a size that the design takes: rewards, and scores where the design tells them apart."""
    design, N = load(name), data.draw(st.sampled_from(sizes(name)), label="N")
    judged = design.counts and not design.graded  # every score has to be a verdict

    def draw(levels, label):
        rows = data.draw(st.lists(st.lists(levels, min_size=N, max_size=N), min_size=P, max_size=P), label=label)
        return torch.tensor(rows, dtype=dtype).reshape(P, N)

    verdicts, levels = st.sampled_from([0.0, 1.0]), st.sampled_from(LEVELS)
    score_PN = draw(verdicts if judged else levels, "scores")
    return (draw(levels, "rewards") if "r" in design.signals else score_PN), score_PN


def close(a, b, digits=1e-9):
    """Equal to `digits`, relative to the largest advantage of the batch."""
    return torch.allclose(a, b, rtol=0, atol=digits * max(1.0, float(b.abs().max()) if b.numel() else 0.0))


# ---------------------------------------------------------------- laws


def test_there_are_designs_to_keep_the_laws():
    assert {"passk", "grpo", "rloo"} <= set(DESIGNS)
    assert all(len(sizes(name)) >= 3 for name in DESIGNS)


@every_design
@given(data=data)
def test_permuting_answers_permutes_advantages(name, data):
    rewards, scores = batch(data, name, P=1)
    order = data.draw(st.permutations(range(rewards.shape[1])), label="order")
    assert close(load(name)(rewards[:, order], scores[:, order]), load(name)(rewards, scores)[:, order])


@every_design
@given(data=data)
def test_equal_answers_get_equal_credit(name, data):
    rewards, scores = batch(data, name, P=1)
    twins = data.draw(st.permutations(range(rewards.shape[1])), label="twins")[:2]
    rewards[:, twins[1]], scores[:, twins[1]] = rewards[:, twins[0]], scores[:, twins[0]]
    credit = load(name)(rewards, scores)[0]
    assert credit[twins[0]] == credit[twins[1]]


@every_design
@given(data=data)
def test_permuting_prompts_permutes_groups(name, data):
    rewards, scores = batch(data, name, P=4)
    order = data.draw(st.permutations(range(4)), label="order")
    assert torch.equal(load(name)(rewards[order], scores[order]), load(name)(rewards, scores)[order])


@every_design
@given(data=data)
def test_a_group_alone_gets_what_it_gets_among_others(name, data):
    rewards, scores = batch(data, name, P=3)
    together = load(name)(rewards, scores)
    for i in range(3):
        assert close(load(name)(rewards[i : i + 1], scores[i : i + 1]), together[i : i + 1], digits=1e-14)


@every_design
@given(data=data)
def test_float32_is_close_to_float64(name, data):
    rewards, scores = batch(data, name, P=2, dtype=torch.float32)
    single = load(name)(rewards, scores)
    assert single.dtype == torch.float32
    assert close(single.double(), load(name)(rewards.double(), scores.double()), digits=1e-5)


@every_design
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@given(data=data)
def test_half_precision_comes_back_as_half_precision_of_the_float32_result(name, dtype, data):
    rewards, scores = batch(data, name, P=2, dtype=dtype)
    half = load(name)(rewards, scores)
    assert half.dtype == dtype
    assert torch.equal(half, load(name)(rewards.float(), scores.float()).to(dtype))


@every_design
@given(data=data)
def test_every_advantage_is_a_finite_number_of_the_shape_of_the_rewards(name, data):
    rewards, scores = batch(data, name, P=2, dtype=torch.float32)
    credit = load(name)(rewards, scores)
    assert credit.shape == rewards.shape and credit.isfinite().all()


@every_design
@given(data=data)
def test_the_rewards_are_left_as_they_were(name, data):
    rewards, scores = batch(data, name, P=2)
    before = rewards.clone(), scores.clone()
    credit = load(name)(rewards, scores)
    kept = credit.clone()
    credit += 1  # the caller may write into the result
    assert torch.equal(rewards, before[0]) and torch.equal(scores, before[1])
    assert torch.equal(load(name)(rewards, scores), kept)


@every_design
def test_no_gradient_flows_into_the_rewards(name):
    rewards = torch.eye(2, sizes(name)[0], requires_grad=True)
    assert not load(name)(rewards).requires_grad


@every_design
def test_no_prompts_give_no_advantages(name):
    for N in sizes(name):
        assert load(name)(torch.zeros(0, N)).shape == (0, N)


@every_design
@given(data=data)
def test_a_constant_group_gives_exactly_nothing(name, data):
    assume(name not in PUSHES_CONSTANT_GROUPS)
    rewards, scores = batch(data, name, P=3)
    rewards, scores = rewards[:, :1].expand_as(rewards), scores[:, :1].expand_as(scores)
    for dtype in (torch.float64, torch.float32):
        assert not load(name)(rewards.to(dtype), scores.to(dtype)).any()


@every_design
@given(data=data)
def test_the_compiled_function_is_the_exact_one(name, data):
    rewards, scores = batch(data, name, P=1)
    credit = [real.nearest(a) for a in exact.advantages(load(name), rewards[0].tolist(), scores[0].tolist())]
    compiled = load(name)(rewards, scores)
    if load(name).tabulated:
        assert compiled.tolist() == [credit]
    else:
        assert close(compiled, torch.tensor([credit], dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name in DESIGNS if load(name).tabulated])
def test_the_table_of_counts_is_what_verdicts_get(name):
    for N in sizes(name):
        for n_pos, (right, wrong) in enumerate(exact.table(load(name), N)):
            group = [right] * n_pos + [wrong] * (N - n_pos)
            assert None not in group and exact.advantages(load(name), [1] * n_pos + [0] * (N - n_pos)) == group


# ---------------------------------------------------------------- false laws, which the suite must be able to notice


def refuted(law):
    """The law fails on some example; which one, and how small, is not asked."""
    law = settings(phases=[Phase.generate])(law)

    def test():
        with pytest.raises(AssertionError):
            law()

    test.__name__ = law.__name__
    return test


@refuted
@given(data=data)
def test_every_answer_gets_the_same_credit(data):
    credit = load("passk")(*batch(data, "passk", P=1))
    assert close(credit, credit[:, :1].expand_as(credit))


@refuted
@given(data=data)
def test_wrong_answers_get_nothing(data):
    rewards, scores = batch(data, "passk", P=1)
    assert not load("passk")(rewards, scores)[scores == 0].any()


@refuted
@given(data=data)
def test_shifting_one_reward_changes_nothing(data):
    rewards, _ = batch(data, "dr_grpo", P=1)
    shifted = rewards + torch.eye(1, rewards.shape[1])
    assert close(load("dr_grpo")(rewards), load("dr_grpo")(shifted))


@refuted
@given(data=data)
def test_the_exact_value_of_one_design_is_the_compiled_one_of_another(data):
    rewards, _ = batch(data, "grpo", P=1)
    credit = [real.nearest(a) for a in exact.advantages(load("rloo"), rewards[0].tolist())]
    assert close(load("grpo")(rewards), torch.tensor([credit], dtype=torch.float64))
