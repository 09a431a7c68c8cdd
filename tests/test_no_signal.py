"""Steps that train nothing: what is said of them, when, and at the end. Signals come from designs and rewards."""

from types import SimpleNamespace

import pytest
import torch

import shaping
from passk_rlhf import patch, trainer
from passk_rlhf.cpu import replacements
from passk_rlhf.no_signal import Closing, NoSignal, StepSignal

replacements.register()

PASSK = shaping.load("configs/passk.yaml", k=2)


def signal(reward_PN, design=PASSK, there_PN=None):
    return StepSignal.of(design(reward_PN), reward_PN, there_PN)


def of(*rows):
    return signal(torch.tensor(rows))


MIXED = of([1.0, 0, 0, 0], [0.0, 0, 0, 0])
ALL_WRONG = of([0.0] * 4, [0.0] * 4)
DEAD = of([1.0, 1, 1, 0], [1.0, 1, 1, 1])  # fewer than k = 2 wrong answers


@pytest.fixture
def run():
    """A NoSignal, and what it said and warned of."""
    said, warned = [], []
    return NoSignal(said.append, warned.append), said, warned


def done(run, *signals):
    for number, each in enumerate(signals, run[0].steps + 1):
        run[0].step(number, each)


def test_what_a_step_had_to_learn_from():
    assert StepSignal(effective=1, groups=2, answers=8, constant=None) == MIXED
    assert StepSignal(effective=0, groups=2, answers=8, constant=0.0) == ALL_WRONG
    assert StepSignal(effective=0, groups=2, answers=8, constant=None) == DEAD
    left = signal(torch.tensor([[1.0, 1, 0, 0]]), there_PN=torch.tensor([[True, True, False, False]]))
    assert left.answers == 2 and left.constant == 1.0


def test_three_steps_in_a_row_without_signal_are_a_warning_and_two_are_not(run):
    done(run, ALL_WRONG, ALL_WRONG, MIXED, DEAD, DEAD)
    assert run[2] == []
    done(run, DEAD)
    (line,) = run[2]
    assert line.startswith("3 steps in a row have trained nothing, up to step 6: every advantage was 0.")
    assert "python -m shaping show" in line


def test_one_constant_reward_is_named_and_asked_after(run):
    done(run, *[ALL_WRONG] * 3)
    (line,) = run[2]
    assert "up to step 3: every advantage was 0, and every reward was 0. Does the reward function see" in line


def test_it_is_said_again_after_twice_as_many_steps_and_not_in_each(run):
    done(run, *[ALL_WRONG] * 50)
    assert [line.split(" ")[0] for line in run[2]] == ["3", "6", "12", "24", "48"]


def test_a_constant_reward_that_trains_all_the_same_is_said_too(run):
    # Nothing is right, and every answer is pushed down: nsr gives each -1.
    done(run, *[signal(torch.zeros(2, 4), shaping.load("configs/nsr.yaml"))] * 3)
    (line,) = run[2]
    assert line.startswith(
        "for 3 steps in a row every reward of a step has been the same number, in step 3 0: no answer"
    )
    run[0].end()
    assert run[1] == ["shaping: 0 of 3 steps trained nothing"]


def test_answers_that_were_all_left_out_and_steps_that_no_answer_reached_have_their_own_reason(run):
    nothing_left = signal(torch.zeros(2, 4), there_PN=torch.zeros(2, 4, dtype=torch.bool))
    done(run, nothing_left, nothing_left, nothing_left)
    assert "every answer was left out, for lack of a number that the design reads" in run[2][0]
    done(run, None, None, None)
    assert "6 steps in a row have trained nothing, up to step 6: no answer reached the design" in run[2][1]


def test_the_end_counts_them_and_says_what_was_trained_besides():
    said, warned = [], []
    counted = NoSignal(said.append, warned.append, "the KL penalty")
    for number, each in enumerate([MIXED, ALL_WRONG, None, MIXED, DEAD], 1):
        counted.step(number, each)
    closed = []
    Closing(SimpleNamespace(close=lambda: closed.append(1)), counted).close()
    assert warned == ["shaping: 3 of 5 steps trained nothing but the KL penalty"] and said == [] and closed == [1]


def test_a_process_that_trained_no_step_says_nothing(run):
    run[0].end()
    assert run[1] == run[2] == []


@pytest.mark.parametrize(("kl", "entropy", "said"), [(0, None, ""), (0.01, None, "the KL penalty"), (0, 0.1, "the en")])
def test_what_the_loss_has_besides_advantages(kl, entropy, said):
    args = SimpleNamespace(
        algo=SimpleNamespace(kl=SimpleNamespace(init_coef=kl)), actor=SimpleNamespace(entropy_coef=entropy)
    )
    assert trainer.trained_beside(args).startswith(said) and bool(trainer.trained_beside(args)) == bool(said)


def test_openrlhfs_own_train_step_is_counted_by_what_the_hook_saw(run):
    """OpenRLHF's train_step around it, its actors and its maker replaced: the step counts as the hook saw it."""
    maker = SimpleNamespace(reward_model_group="there")
    self = SimpleNamespace(
        experience_maker=maker,
        passk_rlhf_no_signal=run[0],
        args=SimpleNamespace(
            algo=SimpleNamespace(advantage=SimpleNamespace(estimator=patch.ESTIMATOR), dynamic_filtering_enable=True),
            rollout=SimpleNamespace(n_samples_per_prompt=4, micro_batch_size=4, batch_size=2),
            train=SimpleNamespace(dynamic_batch_enable=False, batch_size=8, micro_batch_size=4, max_epochs=1),
            actor=SimpleNamespace(num_nodes=1, num_gpus_per_node=2),
            ds=SimpleNamespace(ring_attn_size=1, tensor_parallel_size=1),
        ),
    )

    def original(_, samples, step):
        maker.passk_rlhf_signal = ALL_WRONG if step else MIXED
        return {}, step + 1

    for step, answers in enumerate((8, 8, 3)):  # three answers are too few for two actors
        assert (
            trainer.train_step(original, self, [SimpleNamespace(rewards=None, scores=None)] * answers, step)[1]
            == step + 1
        )
    run[0].end()
    assert run[2] == ["shaping: 2 of 3 steps trained nothing"]
