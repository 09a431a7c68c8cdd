"""The flags of OpenRLHF's train_ppo_ray before its names had dots (until 0.10.1), and what each is called in 0.11.2.

    OLD["--pretrain"].now          ("--actor.model_name_or_path",)
    OLD["--bf16"].now              ("--ds.param_dtype bf16",)           a flag with its value
    OLD["--l2"].now                ("--actor.adam.weight_decay", "--critic.adam.weight_decay")     one value for both
    OLD["--perf"].now, .why        (), "its timings are always logged"  gone
    CHANGED_DEFAULTS               what a script gets that does not give a flag, then and now

Read off the parsers of every release from 0.3.6 to 0.11.2. Data only: translation.py writes scripts with it,
wrong_flags.py says it of a command line.
"""

from __future__ import annotations

from dataclasses import dataclass

LATEST = "0.10.1"  # the last release with these names
NEW = "0.11.2"  # the release whose names are `now`


@dataclass(frozen=True)
class Old:
    """A flag of before.

    Attributes:
      now: what it is called, each with its value if that is fixed. Empty: nothing does what it did.
      values: how many it takes; None: any number.
      since, until: the first and the last release that knew it.
      why: of a flag that is gone, or of a change in what it means.
      elsewhere: what other releases of now call it.
    """

    now: tuple[str, ...]
    values: int | None
    since: str
    until: str
    why: str = ""
    elsewhere: str = ""


OLD: dict[str, Old] = {}


def _row(old: str, now: str, values: int | None = 1, since: str = "0.3.6", until: str = LATEST, **more: str) -> None:
    OLD[old] = Old(tuple(now.split(" and ")) if now else (), values, since, until, **more)


SWITCH = 0  # values of a flag that is only there or not

# ── Placement, Ray, vLLM ────────────────────────────────────────────────────
for _group in ("ref", "reward", "actor", "critic"):
    _row(f"--{_group}_num_nodes", f"--{_group}.num_nodes")
    _row(f"--{_group}_num_gpus_per_node", f"--{_group}.num_gpus_per_node")
_row("--colocate_actor_ref", "--train.colocate_actor_ref", SWITCH)
_row("--colocate_critic_reward", "--train.colocate_critic_reward", SWITCH)
_row("--colocate_all_models", "--train.colocate_all", SWITCH, "0.5.8")
_row("--vllm_num_engines", "--vllm.num_engines")
_row("--vllm_tensor_parallel_size", "--vllm.tensor_parallel_size")
_row("--vllm_sync_backend", "--vllm.sync_backend")
_row("--vllm_sync_with_ray", "--vllm.sync_with_ray", SWITCH, "0.5.7")
_row("--enable_prefix_caching", "--vllm.enable_prefix_caching", SWITCH)
_row("--enforce_eager", "--vllm.enforce_eager", SWITCH, "0.4.4")
_row("--vllm_enable_sleep", "--vllm.enable_sleep", SWITCH, "0.5.8")
_row("--vllm_gpu_memory_utilization", "--vllm.gpu_memory_utilization", 1, "0.5.8")
_row("--async_train", "--train.async_enable", SWITCH, "0.8.0")
_row("--async_queue_size", "--train.async_queue_size", 1, "0.9.1")
_row("--partial_rollout", "--train.partial_rollout_enable", SWITCH, "0.9.7")
_row("--deepspeed_enable_sleep", "--ds.enable_sleep", SWITCH, "0.6.0")

# ── Models, DeepSpeed ───────────────────────────────────────────────────────
_row("--pretrain", "--actor.model_name_or_path")
_row("--reward_pretrain", "--reward.model_name_or_path")
_row("--critic_pretrain", "--critic.model_name_or_path")
_row("--value_head_prefix", "--ds.value_head_prefix")
_row("--ref_reward_offload", "--ref.offload and --reward.offload", SWITCH)
_row("--save_value_network", "--critic.save_value_network", SWITCH)
_row("--freeze_visual_encoder", "--actor.freeze_visual_encoder", SWITCH, "0.10.0")
_row("--local_rank", "--local_rank")
_row("--zero_stage", "--ds.zero_stage")
_row("--zpg", "--ds.zpg")
_row("--adam_offload", "--ds.adam_offload", SWITCH)
_row("--bf16", "--ds.param_dtype bf16", SWITCH, until="0.9.1")
_row("--param_dtype", "--ds.param_dtype", 1, "0.9.2")
_row("--flash_attn", "--ds.attn_implementation flash_attention_2", SWITCH, until="0.8.9")
_row("--attn_implementation", "--ds.attn_implementation", 1, "0.8.10")
_row("--use_liger_kernel", "--ds.use_liger_kernel", SWITCH, "0.6.2")
_row("--grad_accum_dtype", "--ds.grad_accum_dtype")
_row("--overlap_comm", "--ds.overlap_comm", SWITCH, "0.5.5")
_row("--deepcompile", "--ds.deepcompile", SWITCH, "0.7.1")
_row("--ds_tensor_parallel_size", "--ds.tensor_parallel_size", 1, "0.7.4")
_row("--ring_attn_size", "--ds.ring_attn_size", 1, "0.6.0")
_row("--ring_head_stride", "--ds.ring_attn_head_stride", 1, "0.6.0")
_row("--packing_samples", "--ds.packing_samples", SWITCH, "0.4.4")
_row("--gradient_checkpointing", "--actor.gradient_checkpointing_enable", SWITCH)
_row("--gradient_checkpointing_use_reentrant", "--actor.gradient_checkpointing_reentrant", SWITCH)
_row("--load_in_4bit", "--ds.load_in_4bit", SWITCH)
_row("--lora_rank", "--ds.lora.rank")
_row("--lora_alpha", "--ds.lora.alpha")
_row("--lora_dropout", "--ds.lora.dropout")
_row("--target_modules", "--ds.lora.target_modules", None)
_row("--use_ds_universal_ckpt", "--ds.use_universal_ckpt", SWITCH, "0.6.4")
_row("--universal_ckpt", "--ds.use_universal_ckpt", SWITCH, "0.6.3", "0.6.3")

# ── Optimizer ───────────────────────────────────────────────────────────────
_row("--actor_learning_rate", "--actor.adam.lr")
_row("--critic_learning_rate", "--critic.adam.lr")
_row("--adam_betas", "--actor.adam.betas and --critic.adam.betas", 2)
_row("--l2", "--actor.adam.weight_decay and --critic.adam.weight_decay")
_row("--max_norm", "--actor.max_norm and --critic.max_norm")
_row("--lr_scheduler", "--actor.lr_scheduler and --critic.lr_scheduler", 1, "0.8.5")
_row("--lr_warmup_ratio", "--actor.lr_warmup_ratio and --critic.lr_warmup_ratio", 1, "0.5.3")
_row("--enable_ema", "--train.enable_ema", SWITCH)
_row("--ema_beta", "--train.ema_beta", 1, "0.7.1")

# ── Training, rollouts ──────────────────────────────────────────────────────
_row("--num_episodes", "--train.num_episodes")
_row("--max_epochs", "--train.max_epochs")
_row("--train_batch_size", "--train.batch_size")
_row("--micro_train_batch_size", "--train.micro_batch_size")
_row("--rollout_batch_size", "--rollout.batch_size")
_row("--micro_rollout_batch_size", "--rollout.micro_batch_size")
_row("--vllm_generate_batch_size", "--rollout.vllm_generate_batch_size", 1, "0.8.1")
_row("--n_samples_per_prompt", "--rollout.n_samples_per_prompt")
_row("--temperature", "--rollout.temperature", 1, "0.4.6")
_row("--top_p", "--rollout.top_p")
_row("--use_dynamic_batch", "--train.dynamic_batch_enable", SWITCH, "0.8.6")
_row("--rollout_max_tokens_per_gpu", "--rollout.max_tokens_per_gpu", 1, "0.8.6")
_row("--train_max_tokens_per_gpu", "--train.max_tokens_per_gpu", 1, "0.8.6")
_row("--freezing_actor_steps", "--critic.freezing_steps")
_row("--seed", "--train.seed")
_row("--full_determinism", "--train.full_determinism_enable", SWITCH, "0.6.2")
_row("--agent_func_path", "--train.agent_func_path", 1, "0.8.0")
_row("--prompt_max_len", "--data.max_len", until="0.9.7", why="--data.max_len is prompt and answer together")
_row("--generate_max_len", "--rollout.max_new_tokens", until="0.9.7", why="belongs to --data.max_len, the two together")
_row("--max_len", "--data.max_len")
_row("--max_new_tokens", "--rollout.max_new_tokens", 1, "0.9.8")

# ── Advantage, loss ─────────────────────────────────────────────────────────
_row("--advantage_estimator", "--algo.advantage.estimator", 1, "0.5.1")
_row("--gamma", "--algo.advantage.gamma")
_row("--lambd", "--algo.advantage.lambd")
_row("--no_advantage_std_norm", "--algo.advantage.no_std_norm", SWITCH, "0.6.4")
_row("--init_kl_coef", "--algo.kl.init_coef")
_row("--kl_target", "--algo.kl.target")
_row("--kl_horizon", "--algo.kl.horizon", 1, "0.7.1")
_row("--kl_estimator", "--algo.kl.estimator", 1, "0.6.0")
_row("--use_kl_estimator_k3", "--algo.kl.estimator k3", SWITCH, "0.4.6", "0.6.0")
_row("--use_kl_loss", "--algo.kl.use_loss", SWITCH, "0.6.0")
_row("--policy_loss_type", "--actor.policy_loss_type", 1, "0.8.8")
_row("--eps_clip", "--actor.eps_clip")
_row("--eps_clip_low_high", "--actor.eps_clip_low_high", 2, "0.8.2")
_row("--dual_clip", "--actor.dual_clip", 1, "0.8.6")
_row("--value_clip", "--critic.value_clip")
_row("--aux_loss_coef", "--actor.aux_loss_coef")
_row("--entropy_loss_coef", "--actor.entropy_coef", 1, "0.7.2")
_row("--dynamic_filtering", "--algo.dynamic_filtering_enable", SWITCH, "0.8.1")
_row("--dynamic_filtering_reward_range", "--algo.dynamic_filtering_range", 2, "0.8.1")
_LEVEL, _MODE = "--algo.advantage.is_correction_level", "--algo.advantage.is_correction_mode"
_BEFORE = "in OpenRLHF 0.10.2 to 0.11.1: --algo.advantage.is_correction_enable and .is_correction_type"
_row("--enable_vllm_is_correction", f"{_LEVEL} token and {_MODE} clip", SWITCH, "0.8.9", elsewhere=_BEFORE)
_row("--use_icepop", f"{_LEVEL} token and {_MODE} mask", SWITCH, "0.9.1", "0.9.2", elsewhere=_BEFORE)
_row("--vllm_is_correction_type", f"{_LEVEL} and {_MODE}", 1, "0.9.3", elsewhere=_BEFORE)
_row("--vllm_is_truncated_threshold", "--algo.advantage.is_correction_threshold", None, "0.8.9")
_row("--algo.advantage.is_correction_enable", f"{_LEVEL} token and {_MODE} clip", SWITCH, "0.10.2", "0.11.1")
_row("--algo.advantage.is_correction_type", f"{_LEVEL} and {_MODE}", 1, "0.10.2", "0.11.1")

# ── Rewards ─────────────────────────────────────────────────────────────────
_row("--remote_rm_url", "--reward.remote_url", 1, "0.4.0")
_row("--normalize_reward", "--reward.normalize_enable", SWITCH)
_row("--reward_clip_range", "--reward.clip_range", 2, "0.4.6")
_row("--overlong_buffer_len", "--reward.overlong_buffer_len", 1, "0.8.7")
_row("--overlong_penalty_factor", "--reward.overlong_penalty_factor", 1, "0.8.7")
_row("--stop_properly_penalty_coef", "--reward.stop_properly_penalty_coef", 1, "0.9.2")

# ── Data, evaluation ────────────────────────────────────────────────────────
_row("--prompt_data", "--data.prompt_dataset")
_row("--prompt_data_probs", "--data.prompt_probs")
_row("--prompt_split", "--data.prompt_split")
_row("--input_key", "--data.input_key")
_row("--label_key", "--data.label_key", 1, "0.6.0")
_row("--input_template", "--data.input_template")
_row("--apply_chat_template", "--data.apply_chat_template", SWITCH)
_row("--max_samples", "--data.max_samples")
_row("--disable_fast_tokenizer", "--data.disable_fast_tokenizer", SWITCH)
_row("--dataloader_num_workers", "--data.dataloader_num_workers", 1, "0.9.10")
_row("--image_key", "--data.image_key", 1, "0.10.0")
_row("--max_images_per_prompt", "--data.max_images_per_prompt", 1, "0.10.0")
_row("--eval_dataset", "--eval.dataset", 1, "0.7.0")
_row("--eval_split", "--eval.split", 1, "0.7.4")
_row("--eval_steps", "--eval.steps")
_row("--eval_temperature", "--eval.temperature", 1, "0.7.0")
_row("--eval_n_samples_per_prompt", "--eval.n_samples_per_prompt", 1, "0.7.0")

# ── Checkpoints, logs ───────────────────────────────────────────────────────
_row("--save_path", "--ckpt.output_dir")
_row("--ckpt_path", "--ckpt.path", 1, "0.4.0")
_row("--save_steps", "--ckpt.save_steps")
_row("--save_hf_ckpt", "--ckpt.save_hf", SWITCH, "0.5.7")
_row("--disable_ds_ckpt", "--ckpt.disable_ds", SWITCH, "0.5.7")
_row("--max_ckpt_num", "--ckpt.max_num", 1, "0.4.0")
_row("--max_ckpt_mem", "--ckpt.max_mem", 1, "0.4.0")
_row("--load_checkpoint", "--ckpt.load_enable", SWITCH)
_row("--best_metric_key", "--ckpt.best_metric_key", 1, "0.9.9")
_row("--logging_steps", "--logger.logging_steps")
_row("--use_wandb", "--logger.wandb.key")
_row("--wandb_org", "--logger.wandb.org")
_row("--wandb_group", "--logger.wandb.group")
_row("--wandb_project", "--logger.wandb.project")
_row("--wandb_run_name", "--logger.wandb.run_name")
_row("--use_tensorboard", "--logger.tensorboard_dir", 1, "0.4.4")
_row("--use_ms", "--use_ms", SWITCH, "0.5.9")

# ── Gone ────────────────────────────────────────────────────────────────────
_NO_PRETRAINING = "the loss on pretraining data beside PPO was removed in 0.7.1"
_row("--actor_init_on_gpu", "", SWITCH, why="OpenRLHF had not read it for long: actors always load on their GPU")
_row("--perf", "", SWITCH, why="its timings are always logged")
_row("--ptx_coef", "", 1, why=_NO_PRETRAINING)
_row("--pretrain_data", "", 1, until="0.7.0", why=_NO_PRETRAINING)
_row("--pretrain_data_probs", "", 1, until="0.7.0", why=_NO_PRETRAINING)
_row("--pretrain_split", "", 1, until="0.7.0", why=_NO_PRETRAINING)
_row("--torch_compile", "", SWITCH, "0.6.2", "0.7.0", why="removed in 0.7.1; the nearest is --ds.deepcompile")
_row(
    "--disable_trace_cache", "", SWITCH, until="0.5.4", why="a setting of DeepSpeed ZeRO-3 that OpenRLHF no longer has"
)


@dataclass(frozen=True)
class Default:
    """What a script that does not give the flag got until then, and gets now.

    Attributes:
      matters: it only does with a critic, with a correction, or where no length is given; "": always.
      about: what it is about, where that is not plain.
    """

    flag: str
    before: str
    until: str
    now: str
    matters: str = ""
    about: str = ""


# --max_ckpt_mem was 1e8 GB until 0.9.8: no limit either.
CHANGED_DEFAULTS = (
    Default("--micro_train_batch_size", "4", "0.9.10", "1", about="speed and memory"),
    Default("--micro_rollout_batch_size", "8", "0.9.10", "1", about="speed and memory"),
    Default("--max_len", "1024 for the prompt and 1024 for the answer", "0.9.7", "2048 together", matters="length"),
    Default("--bf16", "off", "0.9.1", "--ds.param_dtype bf16"),
    Default("--vllm_is_truncated_threshold", "2, from above only", "0.9.0", "0.5 5.0", matters="correction"),
    Default("--flash_attn", "off", "0.8.9", "--ds.attn_implementation flash_attention_2"),
    Default("--entropy_loss_coef", "0: entropy was logged", "0.8.2", "none: not logged"),
    Default("--value_clip", "0.2", "0.8.1", "0.5", matters="critic"),
    Default("--vllm_gpu_memory_utilization", "0.9", "0.6.3", "0.95"),
    Default("--lambd", "0.95", "0.6.3", "1", matters="critic"),
    Default("--vllm_sync_backend", "gloo from 0.5.2", "0.5.4", "nccl"),
    Default("--value_head_prefix", "value_head", "0.5.2", "score", matters="critic"),
    Default("--input_template", "'User: {}\\nAssistant: '", "0.4.0", "none"),
)


def number(version: str) -> tuple[int, ...]:
    """Releases in order: 0.9.10 comes after 0.9.2."""
    return tuple(int(part) for part in version.split("."))
