"""Can the actors share a rollout evenly? Data-parallel actors that train on different numbers of micro-batches wait for
each other forever: DeepSpeed averages gradients after each, and one of them has none left. And does a rollout train
anything at all?

OpenRLHF cuts a rollout of B answers into ceil(B / --rollout.micro_batch_size) pieces, gives each actor as many whole
pieces as the others (the last one fewer), and each trains on floor(answers / --train.micro_batch_size) micro-batches.
With dynamic batches it balances answers over the actors instead.
"""

from __future__ import annotations

from typing import Any

from passk_rlhf import placement


class UnevenBatch(ValueError):
    """The actors cannot share a rollout; for whoever chose the batch sizes."""


def actors_of(args: Any) -> int:
    """Data-parallel actors: those that share a sequence or a layer count once."""
    return placement.processes(args.actor) // args.ds.ring_attn_size // args.ds.tensor_parallel_size


def shares(answers: int, rollout_micro: int, actors: int) -> list[int]:
    """Answers that each actor gets.

    >>> shares(64, rollout_micro=6, actors=2)    # 11 pieces: 6 of 6 answers; 4 of 6 and one of 4
    [36, 28]
    >>> shares(64, rollout_micro=8, actors=2)
    [32, 32]
    >>> shares(8, rollout_micro=8, actors=2)
    [8, 0]
    """
    pieces = -(-answers // rollout_micro)
    each = -(-pieces // actors)
    ends = [min(answers, rollout_micro * min(pieces, each * (i + 1))) for i in range(actors)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def refuse_uneven(args: Any, answers: int) -> None:
    """
    Raises:
      UnevenBatch: a rollout of that many answers would leave an actor waiting, or train nothing; says which sizes
        would not.
    """
    actors = actors_of(args)
    if args.train.dynamic_batch_enable:
        return
    each = shares(answers, args.rollout.micro_batch_size, actors)
    batches = [share // args.train.micro_batch_size for share in each]
    if not any(batches):
        raise UnevenBatch(
            f"a rollout of {answers} answers would train nothing: no actor gets the {args.train.micro_batch_size} of a "
            f"micro-batch; choose --train.micro_batch_size {max(min(each), 1)} or smaller, or the number of prompts, "
            "--rollout.batch_size and --rollout.n_samples_per_prompt so that every rollout is larger"
        )
    if len(set(batches)) == 1 and all(each):
        return
    fits = [size for size in range(1, args.rollout.micro_batch_size + 1) if answers % (size * actors) == 0]
    advice = (
        f"with --rollout.micro_batch_size {fits[-1]} each gets {answers // actors}"
        if fits
        else "its answers are no multiple of the actors: choose the number of prompts, --rollout.batch_size and "
        "--rollout.n_samples_per_prompt so that they are"
    )
    raise UnevenBatch(
        f"{actors} actors cannot share a rollout of {answers} answers: cut into pieces of "
        f"{args.rollout.micro_batch_size} they would get {_listed(each)}, train on {_listed(batches)} micro-batches of "
        f"{args.train.micro_batch_size}, and wait for each other forever; {advice}"
    )


def even_part(args: Any, answers: int) -> int:
    """The most of these answers, in whole groups, that the actors can share: where filtering left fewer than planned.
    0 if they are too few for all actors to train on something.

    If a planned rollout makes whole optimizer steps and some part of what is left does, too, it is such a part.
    """
    N = args.rollout.n_samples_per_prompt
    parts = [part for part in range(answers, 0, -N) if is_even(args, part)]
    if not left_over(args, args.rollout.batch_size * N):
        parts = [part for part in parts if not left_over(args, part)] or parts
    return parts[0] if parts else 0


def is_even(args: Any, answers: int) -> bool:
    """Can the actors share a rollout of so many answers, and train on it?"""
    try:
        refuse_uneven(args, answers)
    except UnevenBatch:
        return False
    return True


def left_over(args: Any, answers: int) -> int:
    """Answers of a rollout whose gradients wait for the next one's: DeepSpeed counts micro-batches, steps the optimizer
    after --train.batch_size answers, and does not know where a rollout ends. Of a rollout that the actors can share.
    """
    if args.train.dynamic_batch_enable:
        return 0
    actors, micro = actors_of(args), args.train.micro_batch_size
    trained = shares(answers, args.rollout.micro_batch_size, actors)[0] // micro * args.train.max_epochs
    return trained % max(args.train.batch_size // (micro * actors), 1) * micro * actors


def _listed(numbers: list[int]) -> str:
    """
    >>> _listed([36, 28, 28])
    '36, 28 and 28'
    """
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
