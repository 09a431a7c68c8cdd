"""Actors that cannot share a rollout evenly would wait for each other forever: refused, with sizes that fit."""

from types import SimpleNamespace

import pytest

from passk_rlhf.sharing import UnevenBatch, even_part, left_over, refuse_uneven, shares


def args(actors=2, rollout_micro=6, train_micro=4, dynamic=False, ring=1, batch=8, prompts=8):
    return SimpleNamespace(
        actor=SimpleNamespace(num_nodes=1, num_gpus_per_node=actors),
        ds=SimpleNamespace(ring_attn_size=ring, tensor_parallel_size=1),
        rollout=SimpleNamespace(micro_batch_size=rollout_micro, n_samples_per_prompt=8, batch_size=prompts),
        train=SimpleNamespace(
            micro_batch_size=train_micro, dynamic_batch_enable=dynamic, batch_size=batch, max_epochs=1
        ),
    )


@pytest.mark.parametrize(("actors", "micro", "answers"), [(1, 6, 64), (2, 6, 64), (3, 5, 64), (4, 8, 8), (2, 12, 128)])
def test_shares_are_those_of_openrlhfs_own_dispatch(actors, micro, answers):
    # RayActorGroup.async_run_method_batch, on answers cut as RemoteExperienceMaker.split_rollout_samples cuts them
    pieces = [range(answers)[i : i + micro] for i in range(0, answers, micro)]
    each = len(pieces) // actors + bool(len(pieces) % actors)
    theirs = [sum(map(len, pieces[i * each : min((i + 1) * each, len(pieces))])) for i in range(actors)]
    assert shares(answers, micro, actors) == theirs


def test_a_rollout_whose_last_piece_is_short_is_refused_with_a_size_that_fits():
    with pytest.raises(UnevenBatch) as error:
        refuse_uneven(args(), 64)
    assert str(error.value) == (
        "2 actors cannot share a rollout of 64 answers: cut into pieces of 6 they would get 36 and 28, train on 9 and "
        "7 micro-batches of 4, and wait for each other forever; with --rollout.micro_batch_size 4 each gets 32"
    )
    refuse_uneven(args(rollout_micro=4), 64)


def test_fewer_pieces_than_actors_are_refused():
    with pytest.raises(UnevenBatch, match="they would get 8 and 0"):
        refuse_uneven(args(rollout_micro=8), 8)


def test_answers_that_are_no_multiple_of_the_actors_are_refused():
    with pytest.raises(UnevenBatch, match="its answers are no multiple of the actors"):
        refuse_uneven(args(actors=3, train_micro=1), 8)


@pytest.mark.parametrize(
    "even",
    [
        args(actors=1),
        args(rollout_micro=8),
        args(dynamic=True),  # OpenRLHF balances the answers itself
        args(ring=2),  # two processes that work on the same answers
        args(train_micro=20),  # 36 and 28 answers: one micro-batch each, the rest is left out on both
    ],
)
def test_rollouts_that_do_not_leave_an_actor_waiting_pass(even):
    refuse_uneven(even, 64)


def test_what_filtering_left_is_cut_to_whole_groups_that_can_be_shared():
    sizes = args(rollout_micro=8, train_micro=8)
    assert [even_part(sizes, answers) for answers in (64, 56, 24, 16)] == [64, 48, 16, 16]
    assert even_part(sizes, 8) == 0
    assert even_part(args(actors=1), 8) == 8
    assert even_part(args(actors=1, train_micro=16), 8) == 0


def test_a_rollout_that_would_train_nothing_is_refused():
    # 8 actors share the last 64 answers of an episode, 8 each, and a micro-batch takes 16
    last = args(actors=8, rollout_micro=8, train_micro=16)
    with pytest.raises(
        UnevenBatch, match=r"64 answers would train nothing(.|\n)*--train.micro_batch_size 8 or smaller"
    ):
        refuse_uneven(last, 64)
    with pytest.raises(UnevenBatch, match="8 answers would train nothing"):
        refuse_uneven(args(actors=1, train_micro=16), 8)


def test_gradients_that_wait_for_the_next_rollout_are_counted():
    # 2 actors, micro-batches of 8, optimizer steps of 64 answers: 4 micro-batches on each actor
    sizes = args(rollout_micro=8, train_micro=8, batch=64, prompts=16)
    assert [left_over(sizes, answers) for answers in (128, 112, 64, 48)] == [0, 48, 0, 48]
    sizes.train.max_epochs = 2  # 7 and 7 micro-batches: 14 are three steps and a half
    assert left_over(sizes, 112) == 32


def test_what_filtering_left_is_cut_to_whole_optimizer_steps_where_there_is_one():
    sizes = args(rollout_micro=8, train_micro=8, batch=64, prompts=16)
    assert [even_part(sizes, answers) for answers in (128, 120, 112, 64, 48)] == [128, 64, 64, 64, 48]
    # A planned rollout of one step and a half leaves gradients over anyway.
    assert even_part(args(rollout_micro=8, train_micro=8, batch=64, prompts=12), 80) == 80
