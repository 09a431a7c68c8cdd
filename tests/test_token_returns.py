"""One number an answer spread over its tokens: against OpenRLHF's own loop, and against exact sums."""

import pickle
import random
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from test_hook import CONFIGS, arguments, batch, installed, maker  # noqa: F401

from passk_rlhf.cpu import replacements
from passk_rlhf.no_signal import NoSignal
from passk_rlhf.token_returns import token_returns

replacements.register()

from openrlhf.models.utils import compute_reward  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402


def openrlhf(advantage_B, kl_BT, mask_BT, kl_coefficient):
    """OpenRLHF's returns, and what it logs as `return`."""
    reward_BT = compute_reward(advantage_B, kl_coefficient, kl_BT, action_mask=mask_BT)
    return RemoteExperienceMaker.get_cumulative_returns(None, reward_BT, mask_BT, 1.0), reward_BT.sum(-1)


def answers(rng, B=6, T=17):
    """Random advantages and masks: holes as between two turns, an answer up to the end, one without any token."""
    mask_BT = torch.tensor([[rng.random() < 0.6 for _ in range(T)] for _ in range(B)])
    mask_BT[0], mask_BT[1, -3:], mask_BT[2, -1], mask_BT[3, :-1] = False, False, True, False
    return torch.tensor([rng.choice([-1.75, 0.1, 3.3e-5, -0.0, 1e20]) for _ in range(B)]), mask_BT


def bits(tensor):
    return tensor.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("kl", "coefficient"), [(0.0, 0.0), (0.0, 0.2), (0.7, 0.0), (0.7, -1.0)])
def test_without_a_penalty_the_returns_have_openrlhfs_own_bits(dtype, kl, coefficient):
    rng = random.Random(f"{dtype} {kl} {coefficient}")
    for _ in range(20):
        advantage_B, mask_BT = answers(rng)
        kl_BT = torch.full(mask_BT.shape, kl, dtype=dtype)
        for mask in (mask_BT, mask_BT.long()):
            ours, theirs = (
                token_returns(advantage_B, kl_BT, mask, coefficient),
                openrlhf(advantage_B, kl_BT, mask, coefficient),
            )
            for a, b in zip(ours, theirs, strict=True):
                assert a.dtype == b.dtype and torch.equal(bits(a), bits(b))


def test_with_a_penalty_a_return_is_the_float32_nearest_to_the_exact_sum():
    # OpenRLHF's rewards, whole 4096ths below 1024, are exact in float32, their sums in float64: one rounding is left.
    rng = random.Random(2)
    advantage_B, mask_BT = torch.tensor([0.125, -1.75, 1000, 3.0]), torch.rand(4, 300) < 0.7
    mask_BT[3] = False
    kl_BT = torch.tensor([[rng.randint(0, 2**14) / 1024 for _ in range(300)] for _ in range(4)])
    found_BT, sum_B = token_returns(advantage_B, kl_BT, mask_BT, 0.25)
    for b in range(4):
        tokens = [t for t in range(300) if mask_BT[b, t]]
        left = Fraction(0)
        for t in reversed(range(300)):
            left += Fraction(advantage_B[b].item()) if tokens and t == tokens[-1] else 0
            left -= Fraction(kl_BT[b, t].item()) / 4 if mask_BT[b, t] else 0
            assert found_BT[b, t].item() == torch.tensor(float(left)).item(), (b, t)
        assert sum_B[b].item() == pytest.approx(advantage_B[b].item() - kl_BT[b].double().sum().item() / 4, rel=1e-6)
    assert found_BT[0, 0] < -100  # not a test that zeros would pass


def test_with_a_penalty_the_returns_are_openrlhfs_to_rounding():
    rng = random.Random(3)
    for _ in range(20):
        advantage_B, mask_BT = answers(rng)
        advantage_B = advantage_B.clamp(max=5)
        kl_BT = torch.tensor([[rng.uniform(-0.1, 0.5) for _ in range(17)] for _ in range(6)])
        ours, theirs = token_returns(advantage_B, kl_BT, mask_BT, 0.3), openrlhf(advantage_B, kl_BT, mask_BT, 0.3)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_what_stands_where_there_is_no_token_costs_nothing():
    mask_BT = torch.tensor([[True, False, True, False]])
    kl_BT = torch.tensor([[0.5, torch.nan, 0.25, torch.inf]])
    found_BT, _ = token_returns(torch.tensor([1.0]), kl_BT, mask_BT, 1.0)
    assert found_BT.tolist() == [[0.25, 0.75, 0.75, 0]]


def test_answers_of_no_token_at_all_are_no_error():
    for kl in (0.0, 0.5):
        found_BT, sum_B = token_returns(torch.tensor([2.0]), torch.full((1, 3), kl), torch.zeros(1, 3), 1.0)
        assert found_BT.tolist() == [[0, 0, 0]] and sum_B.tolist() == [2 - 3 * kl]
    found_BT, sum_B = token_returns(torch.tensor([2.0]), torch.zeros(1, 0), torch.zeros(1, 0), 1.0)
    assert found_BT.shape == (1, 0) and sum_B.tolist() == [2]


# ── In the hook ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("coefficient", [0.0, 0.25])
def test_advantages_and_returns_of_a_step_are_two_tensors_of_the_same_numbers(coefficient):
    for experience in maker(arguments("design", CONFIGS["rloo"]), coefficient).compute_advantages_and_returns(
        batch([1, 0, 0, 0], kl=0.5)
    ):
        assert torch.equal(experience.advantages, experience.returns) and experience.advantages.any()
        experience.advantages.zero_()  # what a loss may do to one
        assert experience.returns.any() and experience.kl is None


def test_a_designs_experiences_are_as_openrlhf_makes_them_in_every_field_that_both_have():
    # rloo of 1, 0, 0, 0: 1 and three times -1/3, by OpenRLHF and by the design of that name.
    theirs = maker(arguments("rloo"), 0.25).compute_advantages_and_returns(batch([1, 0, 0, 0], kl=0.5))
    ours = maker(arguments("design", CONFIGS["rloo"]), 0.25).compute_advantages_and_returns(batch([1, 0, 0, 0], kl=0.5))
    for a, b in zip(ours, theirs, strict=True):
        assert a.info.keys() == b.info.keys()
        for name in b.info:
            torch.testing.assert_close(a.info[name], b.info[name])
        for name in ("advantages", "returns", "rewards"):
            torch.testing.assert_close(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("design", ["rloo", "passk"])
def test_what_ray_sends_of_an_experience_does_not_grow_with_the_batch(design):
    def sent(groups):
        experiences = batch([1, 0, 0, 0] * groups, cut=4)
        trainer = maker(arguments("design", CONFIGS[design].replace("default: 4", "default: 2")))
        return len(pickle.dumps(trainer.compute_advantages_and_returns(experiences)[0]))

    # A view would bring its whole batch along: 4 bytes for each of 1,020 answers more.
    assert sent(256) <= sent(1) + 16


def test_the_metrics_of_a_step_are_logged_by_the_trainer_without_the_actors():
    from passk_rlhf import trainer

    args = arguments("design", CONFIGS["rloo"])
    args.algo.dynamic_filtering_enable, args.actor = False, SimpleNamespace(num_nodes=1, num_gpus_per_node=1)
    args.rollout.micro_batch_size, args.rollout.batch_size = 1, 1
    args.train = SimpleNamespace(dynamic_batch_enable=False, micro_batch_size=1, batch_size=4)
    args.ds = SimpleNamespace(ring_attn_size=1, tensor_parallel_size=1)
    this = SimpleNamespace(experience_maker=maker(args), args=args, passk_rlhf_no_signal=NoSignal(print, print))

    def one_step(self, samples, step):
        self.experience_maker.compute_advantages_and_returns(samples)
        return {"reward": 0.25}, step + 1

    status, step = trainer.train_step(one_step, this, batch([1, 0, 0, 0], cut=1), 6)
    assert step == 7 and status["reward"] == 0.25
    assert status["rollout/pass1"] == 0.25 and status["rollout/pass2"] == 0.5 and status["design/effective"] == 1
    status, _ = trainer.train_step(lambda self, samples, step: ({}, step + 1), this, batch([1, 0, 0, 0], cut=1), 7)
    assert status == {}  # nothing of the step before
