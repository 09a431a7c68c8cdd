"""One of two actors of a job without Ray: OpenRLHF's own actor trainer, loss and DeepSpeed, on answers made here.

    python one_rank.py ENVIRONMENT FLAGS       both as JSON; ENVIRONMENT has RANK, MASTER_PORT, ..., OUT, and

    ARM    all         the answers as they are
           skip        as --skip-silent-groups leaves them
           no factor   the same without the factor that puts OpenRLHF's mean right

The first rank prints a line of JSON, one entry an optimizer step, and saves how far each weight moved into OUT.
"""

import json
import os
import random
import runpy
import sys

from passk_rlhf.cpu import replacements, settings

if __name__ == "__main__":  # before torch and DeepSpeed read it
    os.environ.update(json.loads(sys.argv[1]))
    os.environ.update(settings.worker_env())
replacements.register()

import deepspeed  # noqa: E402
import torch  # noqa: E402
from openrlhf.models import Actor  # noqa: E402
from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402
from openrlhf.trainer.ray import ppo_actor  # noqa: E402
from openrlhf.utils import config, get_strategy  # noqa: E402

from passk_rlhf import skip_silent  # noqa: E402

ARM, RANK, ACTORS, STEPS = os.environ.get("ARM"), int(os.environ.get("RANK", "0")), 2, 2


class Known(Exception):
    """The arguments, before OpenRLHF would train on them."""


def read_arguments(flags):
    def stop(flat):
        raise Known(hierarchize(flat))

    hierarchize, config.hierarchize, sys.argv = config.hierarchize, stop, ["train", *flags]
    try:
        runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
    except Known as known:
        args = known.args[0]
    settings.adapt(args)
    args.actor.eps_clip_low_high = (0.2, 0.2)
    args.algo.advantage.skip_silent = ARM != "all"
    return args


def draw_rollout(model, draw, answers, step):
    """One answer in four has an advantage; the policy has moved since it was sampled."""
    rollout = []
    for i in range(answers):
        length = draw.randrange(3, 12)
        ids = torch.tensor([[draw.randrange(3, 10) for _ in range(length + 4)]])
        mask = torch.tensor([[j >= 3 for j in range(length + 3)]])
        with torch.no_grad():
            old = model(ids, mask, attention_mask=torch.ones_like(ids)) + draw.uniform(-0.4, 0.4)
        advantage = torch.where(mask, draw.choice([-2.0, -1.0, 1.5]) * (i % 4 == step), 0.0)
        rollout.append(
            Experience(
                sequences=ids,
                attention_mask=torch.ones_like(ids),
                action_mask=mask,
                action_log_probs=old,
                advantages=advantage,
                returns=advantage,
                index=[i],
                prompts=[""],
                rewards=torch.ones(1),
                total_length=torch.tensor([length + 4.0]),
                info={"reward": torch.tensor([float(i)])},
            )
        )
    return rollout


def weights(model, zero_stage):
    parameters = list(model.parameters())
    with deepspeed.zero.GatheredParameters(parameters, enabled=zero_stage == 3):
        return torch.cat([each.detach().flatten().clone() for each in parameters])


def main(args):
    skip_silent.install(ppo_actor)
    if ARM == "no factor":
        skip_silent._weights = lambda args, experiences: torch.zeros(args.train.batch_size)
    strategy = get_strategy(args)
    strategy.setup_distributed()
    model = Actor(
        args.actor.model_name_or_path,
        attn_implementation="sdpa",
        param_dtype="fp32",
        ds_config=strategy.get_ds_train_config(),
    )
    optimizer = dict(optim="adam", muon=vars(args.actor.muon), adam=vars(args.actor.adam), max_norm=0.0)
    schedule = dict(lr_scheduler="constant", lr_warmup_ratio=0.0, min_lr_ratio=1.0, scheduler_steps=10)
    model, optimizer, scheduler = strategy.prepare((model, optimizer | schedule))
    before = weights(model, args.ds.zero_stage)
    size, micro = args.rollout.micro_batch_size, args.train.micro_batch_size
    trainer = ppo_actor.ActorPPOTrainer(
        strategy, model, None, optimizer, scheduler, micro_train_batch_size=micro, dataloader_pin_memory=False
    )
    draw, said = random.Random(3), []
    for step in range(STEPS):
        rollout = draw_rollout(model, draw, args.train.batch_size, step)
        pieces = [Experience.concat_experiences(rollout[i : i + size], 0) for i in range(0, len(rollout), size)]
        if ARM != "all":
            pieces = skip_silent.audible(args, pieces)
        share = -(-len(pieces) // ACTORS)
        for each in pieces[RANK * share : (RANK + 1) * share]:
            trainer.replay_buffer.append(each)
        trained = len(trainer.replay_buffer)
        status = trainer.ppo_train(0.0)
        trainer.replay_buffer.clear()
        said.append({"trained": trained, "steps": model.model.global_steps})
        said[-1] |= {"reward": status["reward"], "loss": status["policy_loss"]}
    after = weights(model, args.ds.zero_stage)
    if RANK == 0:
        torch.save(after - before, os.environ["OUT"])
        print(json.dumps(said), flush=True)
    torch.distributed.barrier()


if __name__ == "__main__":
    main(read_arguments(json.loads(sys.argv[2])))
