"""--skip-silent-groups: with OpenRLHF's own actor, loss and DeepSpeed, the step is that of all answers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stack import POLICY

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402

from passk_rlhf import ports, skip_silent  # noqa: E402


def arguments(**changed):
    flat = {
        "rollout.batch_size": 4,
        "rollout.n_samples_per_prompt": 4,
        "rollout.micro_batch_size": 3,
        "train.batch_size": 16,
        "train.micro_batch_size": 2,
        "train.dynamic_batch_enable": False,
        "train.enable_ema": False,
        "algo.kl.init_coef": 0.0,
        "actor.entropy_coef": None,
        "actor.aux_loss_coef": 0.0,
        "actor.loss_agg_mode": "token-mean",
        "actor.policy_loss_type": "ppo",
        "actor.num_nodes": 1,
        "actor.num_gpus_per_node": 2,
        "ds.ring_attn_size": 1,
        "ds.tensor_parallel_size": 1,
    } | {name.replace("__", "."): value for name, value in changed.items()}
    args = SimpleNamespace(algo=SimpleNamespace(kl=SimpleNamespace(), advantage=SimpleNamespace(skip_silent=True)))
    for name, value in flat.items():
        section, _, key = name.rpartition(".")
        if section == "algo.kl":
            setattr(args.algo.kl, key, value)
            continue
        if not hasattr(args, section):
            setattr(args, section, SimpleNamespace())
        setattr(getattr(args, section), key, value)
    return args


def experiences(advantages, lengths, micro=3):
    """Answers as the hook hands them on: `micro` in each experience, padded; token ids say which answer it is."""
    made = []
    for start in range(0, len(advantages), micro):
        part = range(start, min(start + micro, len(advantages)))
        width = max(lengths[i] for i in part)
        mask = torch.tensor([[j < lengths[i] for j in range(width)] for i in part])
        advantage = torch.tensor([[advantages[i]] * width for i in part]) * mask
        made.append(
            Experience(
                sequences=torch.tensor([[i] * (width + 1) for i in part]),
                attention_mask=torch.tensor([[j <= lengths[i] for j in range(width + 1)] for i in part]).long(),
                action_mask=mask,
                action_log_probs=torch.zeros(mask.shape),
                advantages=advantage,
                returns=advantage.clone(),
                rewards=torch.tensor([float(i) for i in part]),
                response_length=torch.tensor([lengths[i] for i in part]),
                truncated=torch.tensor([i == 0 for i in part]),
                total_length=torch.tensor([lengths[i] + 1.0 for i in part]),
                index=list(part),
                prompts=[f"prompt {i // 4}" for i in part],
                info={"reward": torch.tensor([float(i) for i in part])},
            )
        )
    return made


# 16 answers in 4 groups; the second and third say nothing.
ADVANTAGES = [1.0, -1, 0, 0] + [0.0] * 8 + [3, -1, -1, -1]
LENGTHS = [4, 5, 6, 7] + [2] * 8 + [3, 3, 5, 7]


def test_what_is_left_are_the_answers_with_an_advantage_and_enough_for_even_shares():
    kept = skip_silent.audible(arguments(), experiences(ADVANTAGES, LENGTHS))
    # six have an advantage; two actors with micro-batches of 2 need 8: the first two silent ones fill up
    assert [each.index for each in kept] == [[0, 1, 2], [3], [12, 13, 14], [15]]
    assert [each.sequences[:, 0].tolist() for each in kept] == [each.index for each in kept]
    tokens, all_tokens = sum(LENGTHS[i] for i in (0, 1, 2, 3, 12, 13, 14, 15)), sum(LENGTHS)
    assert (tokens, all_tokens) == (40, 56)
    found = torch.cat([each.advantages[:, 0] for each in kept])
    torch.testing.assert_close(found, torch.tensor([1, -1, 0, 0, 3, -1, -1, -1]) * 40 / 56)
    assert torch.cat([each.info[skip_silent.LEFT_OUT] for each in kept]).tolist() == [0.5] * 8


def test_where_sequences_count_alike_the_factor_is_of_answers():
    for changed in ({"actor__loss_agg_mode": "seq-mean-token-mean"}, {"actor__policy_loss_type": "gspo"}):
        kept = skip_silent.audible(arguments(**changed), experiences(ADVANTAGES, LENGTHS))
        assert kept[0].advantages[0, 0].item() == 0.5  # 8 of 16


def test_what_openrlhf_logs_are_means_over_all_answers():
    kept = skip_silent.audible(arguments(), experiences(ADVANTAGES, LENGTHS))
    for each in kept:
        assert set(each.info["reward"].tolist()) == {7.5}  # 0 .. 15
        assert set(each.info["response_length"].tolist()) == {56 / 16}
        assert set(each.info["truncated"].tolist()) == {1 / 16}


def test_where_all_are_silent_each_actor_keeps_a_micro_batch():
    kept = skip_silent.audible(arguments(), experiences([0.0] * 16, LENGTHS))
    assert [each.index for each in kept] == [[0, 1], [2, 3]]
    assert not any(each.advantages.any() for each in kept)


def test_where_all_have_an_advantage_nothing_changes_but_the_pieces():
    kept = skip_silent.audible(arguments(), experiences([2.0] * 16, LENGTHS))
    assert sorted(i for each in kept for i in each.index) == list(range(16))
    assert all(set(each.advantages[each.action_mask].tolist()) == {2.0} for each in kept)


def test_a_shorter_rollout_is_left_as_it_is():
    given = experiences(ADVANTAGES[:12], LENGTHS[:12])
    assert skip_silent.audible(arguments(), given) is given


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train__batch_size": 8}, "a rollout of 16 answers has to be one optimizer step; set --train.batch_size 16"),
        ({"train__batch_size": 32}, "set --train.batch_size 16"),
        ({"train__micro_batch_size": 3}, "makes no whole micro-batches of 3 on 2 actors"),
        ({"train__dynamic_batch_enable": True}, "--train.dynamic_batch_enable plans its optimizer steps"),
        ({"algo.kl.init_coef": 0.01}, "the KL penalty trains silent answers, too; set --algo.kl.init_coef 0"),
        ({"actor__entropy_coef": 0.01}, "--actor.entropy_coef 0.01 trains silent answers, too"),
        ({"actor__aux_loss_coef": 0.001}, "--actor.aux_loss_coef 0.001 trains silent answers, too"),
        ({"train__enable_ema": True}, "--train.enable_ema counts micro-batches"),
    ],
)
def test_what_would_change_the_gradient_is_refused(changed, message):
    skip_silent.refuse(arguments(actor__entropy_coef=0.0))  # is only measured
    with pytest.raises(skip_silent.CannotSkip) as error:
        skip_silent.refuse(arguments(**changed))
    assert str(error.value).startswith("--skip-silent-groups: ") and message in str(error.value)


def test_an_openrlhf_before_0_11_2_is_refused():
    args = arguments()
    del args.actor.loss_agg_mode
    with pytest.raises(skip_silent.CannotSkip, match="averages its loss in a way that was not read"):
        skip_silent.refuse(args)


class Engine:
    """Keeps what DeepSpeed was told of each micro-batch: does the optimizer step after it?"""

    def __init__(self):
        self.told = []

    def set_gradient_accumulation_boundary(self, steps):
        self.told.append(steps)


@pytest.mark.parametrize(("planned", "told", "loss"), [(True, [False, True], 0.5), (False, [False, False], 2.0)])
def test_the_optimizer_steps_at_the_end_of_a_planned_rollout_and_a_shorter_one_is_logged_as_it_is(planned, told, loss):
    def own_step(self, experience, kl_ctl, step, loss_batch_info=None):
        return {"metrics": {"policy_loss": 2.0}}

    module = SimpleNamespace(ActorPPOTrainer=type("ActorPPOTrainer", (), {"training_step": own_step}))
    skip_silent.install(module)
    trainer, engine = module.ActorPPOTrainer(), Engine()
    trainer.args, trainer.actor = arguments(), SimpleNamespace(model=engine)
    trainer.replay_buffer = type("Buffer", (list,), {"sample_batch_size": 2})([None] * 4)
    trainer.strategy = SimpleNamespace(accumulated_gradient=8)  # micro-batches, if none was left out
    info = {skip_silent.LEFT_OUT: torch.tensor([0.75])} if planned else {}
    said = [trainer.training_step(SimpleNamespace(info=info), 0.0, step) for step in range(2)]
    assert engine.told == told and [each["metrics"]["policy_loss"] for each in said] == [loss, loss]


# ── The gradient ────────────────────────────────────────────────────────────

RANK = Path(__file__).with_name("one_rank.py")


def trained(folder, arm, *flags):
    """(how the weights moved in two steps, what the first actor says of each step): two actors, for real."""
    given = f"""--actor.model_name_or_path {POLICY} --rollout.batch_size 8 --rollout.n_samples_per_prompt 4
        --train.batch_size 32 --train.micro_batch_size 2 --rollout.micro_batch_size 4 --actor.num_gpus_per_node 2
        --algo.kl.init_coef 0 --actor.adam.lr 1 --actor.adam.eps 1000 --ds.zero_stage 2 --vllm.num_engines 1"""
    env = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(ports.keep()),
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "ARM": arm,
    }
    env |= {"OUT": str(folder / "moved.pt")}
    ranks = [
        subprocess.Popen(
            [sys.executable, RANK, json.dumps(env | {"RANK": rank}), json.dumps([*given.split(), *flags])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for rank in "01"
    ]
    printed, errors = ranks[0].communicate(timeout=240)
    if ranks[0].returncode:  # the other would wait for it
        ranks[1].kill()
    ranks[1].communicate(timeout=60)
    assert ranks[0].returncode == 0, errors[-6000:]
    return torch.load(folder / "moved.pt"), json.loads(printed.splitlines()[-1])


@pytest.mark.stack
@pytest.mark.parametrize(
    "flags",
    [
        (),
        pytest.param(
            ("--actor.loss_agg_mode", "seq-mean-token-mean", "--ds.zero_stage", "3"), marks=pytest.mark.nightly
        ),
        pytest.param(("--actor.dual_clip", "3", "--train.max_epochs", "2"), marks=pytest.mark.nightly),
    ],
)
def test_two_optimizer_steps_of_two_actors_move_the_weights_as_all_answers_do(flags, tmp_path):
    # Adam with eps 1000 moves each weight by its gradient / 1000, so that the weights say what the gradient was.
    everything, said = trained(tmp_path, "all", *flags)
    fewer, also_said = trained(tmp_path, "skip", *flags)
    epochs = 2 if "--train.max_epochs" in flags else 1
    assert [step["steps"] for step in said] == [epochs, 2 * epochs] == [step["steps"] for step in also_said]
    assert [step["trained"] for step in said] == [16, 16] and [step["trained"] for step in also_said] == [4, 4]
    assert (everything - fewer).norm() / everything.norm() < 1e-5
    for one, other in zip(said, also_said, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=0.1) and other["reward"] == pytest.approx(15.5)
    if not flags:  # and the comparison would notice it
        off, _ = trained(tmp_path, "no factor")
        assert (everything - off).norm() / everything.norm() > 0.1
