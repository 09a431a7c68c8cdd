"""Every piece of OpenRLHF, vLLM and DeepSpeed that is replaced on a machine without a GPU, and why.

`register()` is called in the launcher and in every Ray worker. It imports nothing: each replacement waits for the
import of the module it changes, so a worker pays only for what it would import anyway. vLLM's own worker process,
which Ray does not start, is served by `vllm_worker.py`.

Replaced is only what cannot run as it is. What a flag can say is said by a flag (`settings.py`).
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType

import wrapt

REPLACEMENTS = []  # (module, function that changes it); the docstring of each says what is replaced, and why
_registered = False


def when_imported(module: str):
    def listed(change):
        REPLACEMENTS.append((module, change))
        return change

    return listed


def register() -> None:
    """Install everything in this process. Calling twice is calling once."""
    global _registered
    if _registered:
        return
    _registered = True
    _stand_in_for_flash_attn()
    for module, change in REPLACEMENTS:
        wrapt.register_post_import_hook(change, module)


# ---------------------------------------------------------------- flash-attn


def _stand_in_for_flash_attn() -> None:
    """`flash_attn`: `import openrlhf.models` needs four names of it, for packed samples and ring attention.

    Each has a real `__spec__`, because transformers asks `find_spec("flash_attn")`. There is no `flash_attn.ops`:
    OpenRLHF takes its plain cross entropy when that import fails.
    """
    used = {
        "flash_attn": [],
        "flash_attn.bert_padding": ["index_first_axis", "pad_input", "rearrange", "unpad_input"],
        "flash_attn.utils": [],
        "flash_attn.utils.distributed": ["all_gather"],
    }
    for name, functions in used.items():
        module = module_from_spec(ModuleSpec(name, loader=None, is_package=not functions))
        for function in functions:
            setattr(module, function, _unavailable(f"{name}.{function}"))
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def _unavailable(name: str):
    def stand_in(*args, **kwargs):
        raise NotImplementedError(f"{name} needs a GPU; on the CPU, train without packed samples and ring attention")

    return stand_in


# ---------------------------------------------------------------- torch


@when_imported("torch")
def torch_cuda(torch: ModuleType) -> None:
    """The device functions of `torch.cuda` that OpenRLHF calls everywhere, as `tensor.to(current_device())`."""
    cpu = torch.device("cpu")
    torch.cuda.current_device = lambda: cpu
    for name in ("set_device", "synchronize", "empty_cache", "current_stream"):
        setattr(torch.cuda, name, _nothing())


def _nothing():
    # A new function each time: Dynamo keeps a rule for each of these names, and refuses one object with two rules.
    return lambda *args, **kwargs: None


# ---------------------------------------------------------------- OpenRLHF


@when_imported("openrlhf.utils.utils")
def param_dtype(module: ModuleType) -> None:
    """`convert_to_torch_dtype`: knows bf16 and fp16; `settings.adapt` asks for fp32."""
    known = module.convert_to_torch_dtype

    def convert_to_torch_dtype(param_dtype: str):
        import torch

        return torch.float32 if param_dtype == "fp32" else known(param_dtype)

    module.convert_to_torch_dtype = convert_to_torch_dtype


@when_imported("openrlhf.utils.distributed_util")
def weight_group(module: ModuleType) -> None:
    """`stateless_init_process_group`: makes an NCCL group whatever `--vllm.sync_backend` says."""

    def stateless_init_process_group(master_address, master_port, rank, world_size, device):
        from passk_rlhf.cpu.broadcast import GlooBroadcast

        return GlooBroadcast(master_address, master_port, rank, world_size)

    module.stateless_init_process_group = stateless_init_process_group


@when_imported("openrlhf.trainer.ppo_utils.replay_buffer")
def replay_buffer(module: ModuleType) -> None:
    """`NaiveReplayBuffer.__init__`: builds the device name "cuda:" + current_device()."""

    def on_cpu(init, self, args, kwargs):
        import torch

        # The name of a GPU can be made without one, "cuda:cpu" cannot.
        current_device = torch.cuda.current_device
        torch.cuda.current_device = lambda: 0
        try:
            init(*args, **kwargs)
        finally:
            torch.cuda.current_device = current_device
        self.target_device = torch.device("cpu")

    wrapt.wrap_function_wrapper(module, "NaiveReplayBuffer.__init__", on_cpu)


# ---------------------------------------------------------------- DeepSpeed


@when_imported("deepspeed.ops")
def no_compiler(module: ModuleType) -> None:
    """`__compatible_ops__`: DeepSpeed would compile a shared-memory reduction at start, which training never calls."""
    module.__compatible_ops__["deepspeed_shm_comm"] = False


@when_imported("openrlhf.utils.deepspeed.deepspeed")
def strategy(module: ModuleType) -> None:
    """`DeepspeedStrategy.get_ds_train_config` and `.moving_average`.

    The first lets DeepSpeed compile its own AdamW, for a minute and with a compiler few laptops have; torch's is the
    same rule. The second is told to average weights on "cuda".
    """

    def torch_adam(get, self, args, kwargs):
        config = get(*args, **kwargs)
        if "optimizer" in config:  # Muon too has an Adam inside
            config["optimizer"]["params"]["torch_adam"] = True
        return config

    def on_cpu(average, self, args, kwargs):
        model, model_ema, beta, _device = args
        return average(model, model_ema, beta, "cpu")

    wrapt.wrap_function_wrapper(module, "DeepspeedStrategy.get_ds_train_config", torch_adam)
    wrapt.wrap_function_wrapper(module, "DeepspeedStrategy.moving_average", on_cpu)


# ---------------------------------------------------------------- vLLM


@when_imported("vllm.engine.arg_utils")
def engine_arguments(module: ModuleType) -> None:
    """`EngineArgs.__init__`: OpenRLHF asks for bfloat16 and for its CUDA worker extension, by constants.

    Changed here, in the engine's Ray worker, because `create_vllm_engines` writes both into a dictionary of its own
    and hands it straight to Ray.
    """

    def on_cpu(init, self, args, kwargs):
        kwargs.update(dtype="float32", worker_extension_cls="passk_rlhf.cpu.vllm_worker.CPUWorker")
        init(*args, **kwargs)

    wrapt.wrap_function_wrapper(module, "AsyncEngineArgs.__init__", on_cpu)
