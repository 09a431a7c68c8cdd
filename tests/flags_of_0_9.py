"""Facts: every flag of OpenRLHF 0.9's train_ppo_ray, how many values it takes, and its default in 0.9.10.

Written off its parser, once; `name` is a switch, `name=default` takes one value, `name:2=default_default` two.
"""

# 0.9.10
_ALL = """
    ref_num_nodes=1 ref_num_gpus_per_node=8 reward_num_nodes=1 reward_num_gpus_per_node=8 colocate_actor_ref
    actor_num_nodes=1 actor_num_gpus_per_node=8 critic_num_nodes=1 critic_num_gpus_per_node=8
    colocate_critic_reward colocate_all_models vllm_num_engines=None vllm_tensor_parallel_size=1
    vllm_sync_backend=nccl vllm_sync_with_ray enable_prefix_caching enforce_eager vllm_enable_sleep
    vllm_gpu_memory_utilization=0.95 enable_vllm_is_correction vllm_is_truncated_threshold:2=0.5_5.0
    vllm_is_correction_type=tis async_train async_queue_size=1 partial_rollout eval_steps=-1 save_steps=-1
    logging_steps=1 ckpt_path=./ckpt/checkpoints_ppo_ray save_hf_ckpt disable_ds_ckpt max_ckpt_num=3
    max_ckpt_mem=inf load_checkpoint best_metric_key='' use_ds_universal_ckpt local_rank=-1 zero_stage=2
    gradient_checkpointing deepcompile param_dtype=bf16 enable_ema ema_beta=0.992 zpg=1 adam_offload
    actor_init_on_gpu attn_implementation=flash_attention_2 use_liger_kernel grad_accum_dtype=None overlap_comm
    gradient_checkpointing_use_reentrant disable_fast_tokenizer dataloader_num_workers=0 deepspeed_enable_sleep
    ds_tensor_parallel_size=1 packing_samples use_dynamic_batch rollout_max_tokens_per_gpu=None
    train_max_tokens_per_gpu=16192 load_in_4bit lora_rank=0 lora_alpha=16 target_modules:*=all-linear
    lora_dropout=0 save_path=./ckpt num_episodes=1 rollout_batch_size=1024 vllm_generate_batch_size=None
    micro_rollout_batch_size=8 max_epochs=1 max_len=2048 max_new_tokens=None max_samples=100000000 max_norm=1.0
    l2=0.0 ptx_coef=0.05 eps_clip=0.2 eps_clip_low_high:2=None dual_clip=None value_clip=0.5 lambd=1 gamma=1
    micro_train_batch_size=4 train_batch_size=128 normalize_reward top_p=1.0 temperature=1.0 seed=42
    full_determinism freezing_actor_steps=-1 n_samples_per_prompt=1 save_value_network actor_learning_rate=1e-06
    critic_learning_rate=9e-06 lr_warmup_ratio=0.03 lr_scheduler=cosine_with_min_lr kl_target=None
    kl_horizon=10000 init_kl_coef=0.01 policy_loss_type=ppo kl_estimator=k1 aux_loss_coef=0
    entropy_loss_coef=None adam_betas:2=0.9_0.95 reward_clip_range:2=-10_10 advantage_estimator=gae use_kl_loss
    no_advantage_std_norm overlong_buffer_len=None overlong_penalty_factor=1 stop_properly_penalty_coef=None
    ring_attn_size=1 ring_head_stride=1 pretrain=None reward_pretrain=None remote_rm_url=None
    critic_pretrain=None value_head_prefix=score ref_reward_offload agent_func_path=None prompt_data=None
    prompt_data_probs=None prompt_split=train eval_dataset=None eval_split=train eval_temperature=0.6
    eval_n_samples_per_prompt=4 input_key=input label_key=None input_template=None apply_chat_template
    use_wandb=None wandb_org=None wandb_group=None wandb_project=openrlhf_train_ppo wandb_run_name=of-the-day
    dynamic_filtering dynamic_filtering_reward_range:2=0_1 use_tensorboard=None perf use_ms
"""
# 0.9.0 to 0.9.7, at most
_EARLIER = "bf16 use_icepop prompt_max_len=1024 generate_max_len=1024"


def _read(text: str) -> dict[str, tuple[int | None, str]]:
    found = {}
    for word in text.split():
        name, equals, default = word.partition("=")
        name, _, values = name.partition(":")
        count = {"": 1 if equals else 0, "2": 2, "*": None}[values]
        found[f"--{name}"] = count, default.replace("_", " ") if values == "2" else default
    return found


FLAGS = _read(_ALL)
EARLIER = _read(_EARLIER)

# What 0.11.2 calls them, where it is neither the same words with a dot in them nor the same name in a group.
OTHERWISE = """
    pretrain                        actor.model_name_or_path
    reward_pretrain                 reward.model_name_or_path
    critic_pretrain                 critic.model_name_or_path
    remote_rm_url                   reward.remote_url
    prompt_data                     data.prompt_dataset
    prompt_data_probs               data.prompt_probs
    colocate_all_models             train.colocate_all
    async_train                     train.async_enable
    partial_rollout                 train.partial_rollout_enable
    use_dynamic_batch               train.dynamic_batch_enable
    full_determinism                train.full_determinism_enable
    micro_train_batch_size          train.micro_batch_size
    micro_rollout_batch_size        rollout.micro_batch_size
    save_path                       ckpt.output_dir
    save_hf_ckpt                    ckpt.save_hf
    disable_ds_ckpt                 ckpt.disable_ds
    max_ckpt_num                    ckpt.max_num
    max_ckpt_mem                    ckpt.max_mem
    load_checkpoint                 ckpt.load_enable
    use_ds_universal_ckpt           ds.use_universal_ckpt
    deepspeed_enable_sleep          ds.enable_sleep
    ring_head_stride                ds.ring_attn_head_stride
    gradient_checkpointing          actor.gradient_checkpointing_enable
    gradient_checkpointing_use_reentrant    actor.gradient_checkpointing_reentrant
    actor_learning_rate             actor.adam.lr
    critic_learning_rate            critic.adam.lr
    adam_betas                      actor.adam.betas  critic.adam.betas
    l2                              actor.adam.weight_decay  critic.adam.weight_decay
    max_norm                        actor.max_norm  critic.max_norm
    lr_scheduler                    actor.lr_scheduler  critic.lr_scheduler
    lr_warmup_ratio                 actor.lr_warmup_ratio  critic.lr_warmup_ratio
    ref_reward_offload              ref.offload  reward.offload
    freezing_actor_steps            critic.freezing_steps
    entropy_loss_coef               actor.entropy_coef
    normalize_reward                reward.normalize_enable
    no_advantage_std_norm           algo.advantage.no_std_norm
    advantage_estimator             algo.advantage.estimator
    use_kl_loss                     algo.kl.use_loss
    init_kl_coef                    algo.kl.init_coef
    dynamic_filtering               algo.dynamic_filtering_enable
    dynamic_filtering_reward_range  algo.dynamic_filtering_range
    vllm_is_truncated_threshold     algo.advantage.is_correction_threshold
    use_wandb                       logger.wandb.key
    use_tensorboard                 logger.tensorboard_dir
    n_samples_per_prompt            rollout.n_samples_per_prompt
    temperature                     rollout.temperature
    save_steps                      ckpt.save_steps
    agent_func_path                 train.agent_func_path
    input_template                  data.input_template
"""
OTHERWISE = {f"--{old}": [f"--{name}" for name in now] for old, *now in map(str.split, OTHERWISE.strip().split("\n"))}
# These become other flags, or values: by name in test_translate.py.
OF_THEIR_OWN = ("--enable_vllm_is_correction", "--vllm_is_correction_type", "--use_icepop", "--bf16")
OF_THEIR_OWN += ("--prompt_max_len", "--generate_max_len")
GONE = ("--actor_init_on_gpu", "--perf", "--ptx_coef")
