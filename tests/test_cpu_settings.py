"""Flags of a machine without a GPU, read from OpenRLHF's own parser so that a renamed flag is noticed here."""

import argparse
import ast
import importlib.util
import shlex
from datetime import datetime
from pathlib import Path

import pytest

from passk_rlhf import placement
from passk_rlhf.cpu import settings


def _openrlhf(file):
    """A file of the installed OpenRLHF, found without importing what it imports (vLLM and DeepSpeed, ten seconds)."""
    return Path(importlib.util.find_spec("openrlhf").submodule_search_locations[0], file)


@pytest.fixture(scope="module")
def parser():
    main = ast.parse(_openrlhf("cli/train_ppo_ray.py").read_text()).body[-1].body
    parsed = next(i for i, node in enumerate(main) if ast.unparse(node) == "args = parser.parse_args()")
    names = {"argparse": argparse, "datetime": datetime}
    exec(compile(ast.Module(main[:parsed], type_ignores=[]), "train_ppo_ray", "exec"), names)
    return names["parser"]


@pytest.fixture
def flags(parser):
    spec = importlib.util.spec_from_file_location("openrlhf_config", _openrlhf("utils/config.py"))
    config = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(config)
    usual = "--algo.advantage.estimator group_norm --reward.remote_url reward.py --algo.kl.init_coef 0"
    small = "--actor.num_gpus_per_node 1 --ref.num_gpus_per_node 1 --vllm.num_engines 1"
    return lambda line="": config.hierarchize(parser.parse_args(shlex.split(f"{usual} {small} {line}")))


# ---------------------------------------------------------------- refused


REFUSED = [
    ("--ds.packing_samples", "flash-attn"),
    ("--train.dynamic_batch_enable", "packs samples"),
    ("--ds.ring_attn_size 2", "flash-attn"),
    ("--ds.param_dtype fp16", "bf16 is changed to fp32"),
    ("--ds.load_in_4bit", "bitsandbytes"),
    ("--ds.use_liger_kernel", "Triton"),
    ("--ds.experts_implementation deepgemm", "batched_mm"),
    ("--ds.deepcompile", "leave it out"),
    ("--ds.tensor_parallel_size 2", "--actor.num_gpus_per_node"),
    ("--vllm.tensor_parallel_size 2", "--vllm.num_engines"),
    ("--ds.lora.rank 4 --ds.zero_stage 3", "set --ds.zero_stage 2"),
    ("--vllm.sync_with_ray", "gloo"),
    ("--vllm.num_engines 0", "set it to 1"),
    ("--data.max_images_per_prompt 1", "text prompts"),
]


@pytest.mark.parametrize("line, way_out", REFUSED)
def test_a_flag_that_needs_a_gpu_is_refused_by_name_with_a_way_out(flags, line, way_out):
    with pytest.raises(settings.UnsupportedOnCPU) as refusal:
        settings.adapt(flags(line))
    message = str(refusal.value)
    assert line.split()[0] in message and way_out in message
    assert message.endswith(".") and "\n" not in message


def test_no_engine_at_all_is_refused_like_zero_engines(flags):
    args = flags()
    args.vllm.num_engines = None  # OpenRLHF's default
    with pytest.raises(settings.UnsupportedOnCPU, match="--vllm.num_engines"):
        settings.adapt(args)


def test_all_refused_flags_of_a_command_come_in_one_error(flags):
    with pytest.raises(settings.UnsupportedOnCPU) as refusal:
        settings.adapt(flags(" ".join(line for line, _ in REFUSED)))
    assert [sentence.split()[0] for sentence in str(refusal.value).splitlines()] == [
        line.split()[0] for line, _ in REFUSED
    ]


def test_a_refused_command_is_left_as_it_was(flags):
    args = flags("--ds.packing_samples")
    with pytest.raises(settings.UnsupportedOnCPU):
        settings.adapt(args)
    assert args == flags("--ds.packing_samples")


# ---------------------------------------------------------------- set


def test_defaults_meant_for_a_gpu_are_set_for_a_cpu(flags):
    args = flags()
    assert (args.ds.param_dtype, args.vllm.sync_backend) == ("bf16", "nccl")  # or this test shows nothing
    chosen = settings.adapt(args)
    assert (args.ds.param_dtype, args.vllm.sync_backend, args.ds.attn_implementation) == ("fp32", "gloo", "sdpa")
    assert args.vllm.enforce_eager is True
    assert chosen == ["fp32", "gloo", "sdpa attention", "eager vLLM"]


def test_an_attention_that_runs_on_a_cpu_is_kept(flags):
    args = flags("--ds.attn_implementation eager")
    assert "eager attention" in settings.adapt(args)
    assert args.ds.attn_implementation == "eager"


def test_moving_things_between_memories_is_switched_off_and_said(flags):
    moves = [
        "vllm.enable_sleep",
        "ds.enable_sleep",
        "ds.adam_offload",
        "ds.overlap_comm",
        "ref.offload",
        "reward.offload",
    ]
    args = flags("--train.colocate_all " + " ".join(f"--{move}" for move in moves))
    chosen = settings.adapt(args)
    for move in moves:
        section, flag = move.split(".")
        assert getattr(getattr(args, section), flag) is False
        assert f"no --{move}" in chosen


def test_adapting_twice_is_adapting_once(flags):
    args = flags("--ds.adam_offload")
    settings.adapt(args)
    settings.adapt(args)
    once = flags("--ds.adam_offload")
    settings.adapt(once)
    assert args == once


# ---------------------------------------------------------------- what Ray is asked for


@pytest.mark.parametrize(
    "line, gpus",
    [
        ("", 2),  # one actor, one engine
        ("--algo.kl.init_coef 0.01", 3),  # and a reference model
        ("--actor.num_gpus_per_node 2 --vllm.num_engines 3", 5),
        ("--actor.num_gpus_per_node 2 --actor.num_nodes 2", 5),
        ("--train.colocate_actor_ref --algo.kl.init_coef 0.01", 2),  # the reference shares the actor's
        ("--train.colocate_all --algo.kl.init_coef 0.01", 1),
        ("--train.colocate_all --train.async_enable", 2),  # async training gives vLLM its own
        ("--train.async_enable", 2),
        # With a critic: as many as its own flag says, unless it shares.
        ("--algo.advantage.estimator gae --critic.num_gpus_per_node 2", 4),
        ("--algo.advantage.estimator gae --train.colocate_all", 1),
        # The critic and reward pair has its own place, even when everything else is colocated.
        ("--algo.advantage.estimator gae --critic.num_gpus_per_node 1 --train.colocate_critic_reward", 3),
        (
            "--algo.advantage.estimator gae --critic.num_gpus_per_node 1 --train.colocate_critic_reward"
            " --train.colocate_all",
            2,
        ),
        # A reward model instead of a reward function.
        ("--reward.remote_url '' --reward.num_gpus_per_node 3", 5),
        ("--reward.remote_url '' --reward.num_gpus_per_node 3 --train.agent_func_path agent.py", 2),
        ("--reward.remote_url '' --reward.num_gpus_per_node 3 --train.colocate_critic_reward", 5),  # no critic: no pair
        (
            "--reward.remote_url '' --reward.num_gpus_per_node 1 --algo.advantage.estimator gae"
            " --critic.num_gpus_per_node 1 --train.colocate_critic_reward",
            3,
        ),
        ("--reward.remote_url '' --reward.num_gpus_per_node 1 --train.colocate_all", 1),
    ],
)
def test_the_gpus_asked_of_ray_are_those_openrlhf_places(flags, line, gpus):
    args = flags(line)
    assert placement.gpus(args) == gpus
    assert placement.cpus(args) == gpus + 1


# ---------------------------------------------------------------- the workers' environment


def test_workers_are_told_that_there_is_no_gpu(monkeypatch):
    for name in ("VLLM_CPU_KVCACHE_SPACE", "DS_ACCELERATOR"):
        monkeypatch.delenv(name, raising=False)
    env = settings.worker_env()
    assert env["PASSK_RLHF_DEVICE"] == env["DS_ACCELERATOR"] == "cpu"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert env["VLLM_NO_USAGE_STATS"] == env["DO_NOT_TRACK"] == "1"
    assert all(isinstance(value, str) for value in env.values())  # Ray takes nothing else


def test_what_the_user_set_stays_except_the_device(monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "8")
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.setenv("DS_ACCELERATOR", "cuda")
    env = settings.worker_env()
    assert (env["VLLM_CPU_KVCACHE_SPACE"], env["OMP_NUM_THREADS"], env["DS_ACCELERATOR"]) == ("8", "16", "cpu")
