"""What every Ray worker runs before anything else: `ray.init(runtime_env={"worker_process_setup_hook": ...})`.

A patch made in the launcher does not reach the processes that train and generate; this does. Each worker, vLLM's
included, waits for what is imported here, so nothing is: the patches are registered by name, and applied in the
workers that import what they patch. The launcher says what it wants by two environment variables.
"""

import os

DEVICE = "PASSK_RLHF_DEVICE"
PATCH = "PASSK_RLHF_PATCH"


def ours() -> bool:
    """Does this process belong to a run that our launcher has started?"""
    return DEVICE in os.environ or PATCH in os.environ


def setup() -> None:
    import wrapt

    if os.environ.get(DEVICE) == "cpu":
        from passk_rlhf.cpu import replacements

        replacements.register()
    if os.environ.get(PATCH) == "1":
        wrapt.register_post_import_hook("passk_rlhf.patch:install_in_worker", "openrlhf.trainer.ppo_trainer")
        wrapt.register_post_import_hook("passk_rlhf.reward_time:install", "openrlhf.utils.agent")
        wrapt.register_post_import_hook("passk_rlhf.skip_silent:install", "openrlhf.trainer.ray.ppo_actor")
        wrapt.register_post_import_hook("passk_rlhf.rollouts:install", "openrlhf.trainer.ray.vllm_engine")
    if ours():
        wrapt.register_post_import_hook("passk_rlhf.lora:install", "openrlhf.trainer.ray.ppo_actor")
        wrapt.register_post_import_hook("passk_rlhf.ports:install_weights", "openrlhf.trainer.ray.ppo_actor")
        wrapt.register_post_import_hook("passk_rlhf.ports:install_rendezvous", "openrlhf.trainer.ray.launcher")
        wrapt.register_post_import_hook("passk_rlhf.ports:install_vllm", "vllm.utils.network_utils")
