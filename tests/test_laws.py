"""Laws that every design keeps, over every YAML in configs/: a design joins by existing.

Rewards are drawn from a few levels, as reward functions give them, so that groups with equal rewards are common.
A design that counts gets verdicts; one that reads rewards and counts gets both, as from a host with length penalties.
Lengths and log-probabilities are drawn from a few levels too, so that ranks have ties.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import shaping
from shaping import real
from shaping.compiled import draws
from shaping.groups import exact
from shaping.groups.check import draw_shape, usable_sizes
from shaping.language.vocabulary import BATCH

DESIGNS = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.yaml"))
LEVELS = [0.0, 1.0, 0.5, -1.0, 0.1, 0.3, 0.7, 0.95, 2.0]
OF_SIGNAL = {"length": [0.0, 3.0, 900.0, 5000.0, 20000.0], "logprob": [-0.1, -1.0, -3.0], "truncated": [0.0, 1.0]}
NOT_NEGATIVE = [level for level in LEVELS if level >= 0]
UNIT = [level for level in NOT_NEGATIVE if level <= 1]
# Designs that are for such rewards alone.
DOMAIN = {"maxrl": NOT_NEGATIVE, "unlikeliness": NOT_NEGATIVE, "bnpo": UNIT, "a_grae": [0.0, 1.0]}
DOMAIN["ngrpo"] = [level for level in LEVELS if level <= 1]
# Designs that mean to: a new one is put here on purpose, not by accident.
PUSHES_CONSTANT_GROUPS = {"psr", "nsr", "w_reinforce", "pkpo", "pkpo_loo", "ngrpo", "reinforce_pp_baseline"}

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


@dataclass(frozen=True)
class Batch:
    """What a design is called with."""

    rewards: torch.Tensor
    scores: torch.Tensor
    signals: dict
    time: dict

    def credit(self, name):
        return load(name)(self.rewards, self.scores, **self.signals, **self.time)

    def map(self, change):
        """The same batch with every tensor changed."""
        signals = {name: change(values) for name, values in self.signals.items()}
        return replace(self, rewards=change(self.rewards), scores=change(self.scores), signals=signals)

    def exact(self, name):
        design, (P, N) = load(name), self.rewards.shape
        moment, members = design.moment(self.time.get("step"), self.time.get("total_steps")), {}
        for node in design.draws:
            count, size = draw_shape(design, node, N, moment)
            members[node] = draws.members(P, N, count, size, consecutive=node.consecutive, seed=0, step=0).tolist()
        signals = {name: values.tolist() for name, values in self.signals.items()}
        values = exact.batch(
            design, self.rewards.tolist(), self.scores.tolist(), signals=signals, draws=members, moment=moment
        )
        return [[real.nearest(value) for value in group] for group in values]


def batch(data, name, P, dtype=torch.float64):
    """P groups of a size that the design takes: rewards, and scores where the design tells them apart."""
    design, N = load(name), data.draw(st.sampled_from(sizes(name)), label="N")
    judged = design.counts and not design.graded  # every score has to be a verdict

    def draw(levels, label):
        levels = st.sampled_from(levels)
        rows = data.draw(st.lists(st.lists(levels, min_size=N, max_size=N), min_size=P, max_size=P), label=label)
        return torch.tensor(rows, dtype=dtype).reshape(P, N)

    levels = DOMAIN.get(name, LEVELS)
    score_PN = draw([0.0, 1.0] if judged else levels, "scores")
    reward_PN = draw(levels, "rewards") if "r" in design.signals else score_PN
    signals = {signal: draw(OF_SIGNAL[signal], signal) for signal in design.inputs}
    time = {"step": data.draw(st.integers(0, 10), label="step"), "total_steps": 10} if design.clock else {}
    return Batch(reward_PN, score_PN, signals, time)


def close(a, b, digits=1e-9):
    """Equal to `digits`, relative to the largest advantage of the batch."""
    return torch.allclose(a, b, rtol=0, atol=digits * max(1.0, float(b.abs().max()) if b.numel() else 0.0))


def looks_at_other_groups(name):
    return any(node.scope == BATCH for node in load(name).nodes)


every_design = pytest.mark.parametrize("name", DESIGNS)
every_design_without_draws = pytest.mark.parametrize("name", [name for name in DESIGNS if not load(name).draws])


# ---------------------------------------------------------------- laws


def test_there_are_designs_to_keep_the_laws():
    assert len(DESIGNS) >= 40 and {"passk", "grpo", "rloo", "bnpo", "gfpo", "passk_bootstrap"} <= set(DESIGNS)
    assert all(len(sizes(name)) >= 2 for name in DESIGNS)


@every_design_without_draws
@given(data=data)
def test_permuting_answers_permutes_advantages(name, data):
    given = batch(data, name, P=1)
    order = data.draw(st.permutations(range(given.rewards.shape[1])), label="order")
    assert close(given.map(lambda x: x[:, order]).credit(name), given.credit(name)[:, order])


@every_design_without_draws
@given(data=data)
def test_equal_answers_get_equal_credit(name, data):
    given = batch(data, name, P=1)
    one, other = data.draw(st.permutations(range(given.rewards.shape[1])), label="twins")[:2]
    given = given.map(lambda x: x.index_copy(1, torch.tensor([other]), x[:, [one]]))
    credit = given.credit(name)
    assert close(credit[:, one], credit[:, other], digits=1e-14)


@every_design_without_draws
@given(data=data)
def test_permuting_prompts_permutes_groups(name, data):
    given = batch(data, name, P=4)
    order = data.draw(st.permutations(range(4)), label="order")
    permuted, expected = given.map(lambda x: x[order]).credit(name), given.credit(name)[order]
    assert close(permuted, expected) if looks_at_other_groups(name) else torch.equal(permuted, expected)


@pytest.mark.parametrize("name", [name for name in DESIGNS if not looks_at_other_groups(name)])
@given(data=data)
def test_a_group_gets_what_it_gets_in_a_longer_batch(name, data):
    given = batch(data, name, P=3)
    together = given.credit(name)
    for P in (1, 2):  # the first ones: draws go by the place of the prompt
        assert torch.equal(given.map(lambda x, P=P: x[:P]).credit(name), together[:P])


@pytest.mark.parametrize("name", [name for name in DESIGNS if looks_at_other_groups(name)])
def test_a_design_that_looks_at_other_groups_is_seen_to(name):
    generator = torch.Generator().manual_seed(1)
    # the last two groups say nothing, and the first two are of the middle
    scores = (torch.rand(6, 8, generator=generator) > torch.tensor([0.4, 0.6, 0.5, 0.3, 0, 0])[:, None]).double()
    signals = {signal: -1 - 9 * torch.rand(6, 8, generator=generator).double() for signal in load(name).inputs}
    given = Batch(scores, scores, {key: x.abs() if key == "length" else x for key, x in signals.items()}, {})
    assert not close(given.map(lambda x: x[:2]).credit(name), given.credit(name)[:2])


@every_design
@given(data=data)
def test_float32_is_close_to_float64(name, data):
    given = batch(data, name, P=2, dtype=torch.float32)
    single = given.credit(name)
    assert single.dtype == torch.float32
    assert close(single.double(), given.map(torch.Tensor.double).credit(name), digits=1e-5)


@every_design
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@given(data=data)
def test_half_precision_comes_back_as_half_precision_of_the_float32_result(name, dtype, data):
    given = batch(data, name, P=2, dtype=dtype)
    half = given.credit(name)
    assert half.dtype == dtype
    assert torch.equal(half, given.map(torch.Tensor.float).credit(name).to(dtype))


@every_design
@given(data=data)
def test_every_advantage_is_a_finite_number_of_the_shape_of_the_rewards(name, data):
    given = batch(data, name, P=2, dtype=torch.float32)
    credit = given.credit(name)
    assert credit.shape == given.rewards.shape and credit.isfinite().all()


@every_design
@given(data=data)
def test_the_rewards_are_left_as_they_were(name, data):
    given = batch(data, name, P=2)
    before = given.map(torch.Tensor.clone)
    credit = given.credit(name)
    kept = credit.clone()
    credit += 1  # the caller may write into the result
    assert torch.equal(given.rewards, before.rewards) and torch.equal(given.scores, before.scores)
    assert torch.equal(given.credit(name), kept)


@every_design
@given(data=data)
def test_no_gradient_flows_into_the_rewards(name, data):
    given = batch(data, name, P=2).map(torch.Tensor.requires_grad_)
    assert not given.credit(name).requires_grad


@every_design
@given(data=data)
def test_no_prompts_give_no_advantages(name, data):
    given = batch(data, name, P=1).map(lambda x: x[:0])
    assert given.credit(name).shape == given.rewards.shape


@pytest.mark.parametrize("name", sorted(set(DESIGNS) - PUSHES_CONSTANT_GROUPS))
@given(data=data)
def test_a_constant_group_gives_exactly_nothing(name, data):
    given = batch(data, name, P=3).map(lambda x: x[:, :1].expand_as(x))
    for dtype in (torch.float64, torch.float32):
        assert not given.map(lambda x, dtype=dtype: x.to(dtype)).credit(name).any()


@every_design
@given(data=data)
def test_the_compiled_function_is_the_exact_one(name, data):
    given = batch(data, name, P=data.draw(st.sampled_from([1, 3]), label="P"))
    compiled, credit = given.credit(name), given.exact(name)
    if load(name).tabulated:
        assert compiled.tolist() == credit
    else:
        assert close(compiled, torch.tensor(credit, dtype=torch.float64))


@cache
def dropping(name):
    """The same design, leaving out answers of which a number is missing."""
    path = Path(__file__).parents[1] / "configs" / f"{name}.yaml"
    return shaping.loads(path.read_text() + "\non_missing: drop\n", str(path))


@pytest.mark.parametrize("name", [name for name in DESIGNS if not load(name).draws])
@given(data=data)
def test_with_answers_missing_the_others_get_what_they_would_get_alone(name, data):
    given, design = batch(data, name, P=3), dropping(name)
    rows = st.lists(st.booleans(), min_size=given.rewards.shape[1], max_size=given.rewards.shape[1])
    missing = torch.tensor(data.draw(st.lists(rows, min_size=3, max_size=3), label="missing"))
    holes = given.map(lambda x: x.masked_fill(missing, torch.nan))
    credit = design(holes.rewards, holes.scores, **holes.signals, **holes.time)

    # The oracle of this law: groups of the answers that are there, of which too small ones are no part of the batch.
    moment = design.moment(given.time.get("step"), given.time.get("total_steps"))
    takes = {*usable_sizes(design, given.rewards.shape[1], moment), given.rewards.shape[1]}
    there = [[i for i, gone in enumerate(row) if not gone] for row in missing.tolist()]
    left = [g for g in range(3) if len(there[g]) in takes]

    def only(x):
        return [[x[g, i].item() for i in there[g]] for g in left]

    signals = {signal: only(values) for signal, values in given.signals.items()}
    values = (
        exact.batch(design, only(given.rewards), only(given.scores), signals=signals, moment=moment) if left else []
    )
    expected = torch.zeros_like(credit)
    for g, row in zip(left, values, strict=True):
        expected[g, there[g]] = torch.tensor([real.nearest(value) for value in row], dtype=expected.dtype)
    assert close(credit, expected)


@pytest.mark.parametrize("name", [name for name in DESIGNS if not load(name).draws])
@given(data=data)
def test_with_no_answer_missing_leaving_out_changes_nothing(name, data):
    given = batch(data, name, P=2)
    assert torch.equal(dropping(name)(given.rewards, given.scores, **given.signals, **given.time), given.credit(name))


@pytest.mark.parametrize("name", [name for name in DESIGNS if load(name).tabulated])
def test_the_table_of_counts_is_what_verdicts_get(name):
    design = load(name)
    moment = design.moment(3, 10) if design.clock else None
    for N in sizes(name):
        for n_pos, (right, wrong) in enumerate(exact.table(design, N, moment)):
            group = [right] * n_pos + [wrong] * (N - n_pos)
            rewards = [1] * n_pos + [0] * (N - n_pos)
            assert None not in group and exact.advantages(design, rewards, moment=moment) == group


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
    credit = batch(data, "passk", P=1).credit("passk")
    assert close(credit, credit[:, :1].expand_as(credit))


@refuted
@given(data=data)
def test_wrong_answers_get_nothing(data):
    given = batch(data, "passk", P=1)
    assert not given.credit("passk")[given.scores == 0].any()


@refuted
@given(data=data)
def test_shifting_one_reward_changes_nothing(data):
    rewards = batch(data, "dr_grpo", P=1).rewards
    shifted = rewards + torch.eye(1, rewards.shape[1])
    assert close(load("dr_grpo")(rewards), load("dr_grpo")(shifted))


@refuted
@given(data=data)
def test_the_exact_value_of_one_design_is_the_compiled_one_of_another(data):
    rewards = batch(data, "grpo", P=1).rewards
    credit = [real.nearest(a) for a in exact.advantages(load("rloo"), rewards[0].tolist())]
    assert close(load("grpo")(rewards), torch.tensor([credit], dtype=torch.float64))
