"""LoRA adapters on the way to vLLM: OpenRLHF 0.11 sends the wrapped model's own names, which vLLM does not know.

    base_model.model.model.layers.0.mlp.up_proj.base_layer.weight       W
    base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight   A
    base_model.model.model.layers.0.mlp.up_proj.lora_B.default.weight   B
    → model.layers.0.mlp.up_proj.weight                                 W + s·B·A,  s = alpha / rank

What is sent is a sum made for the purpose; W itself is never touched, so no rounding gathers in it from step to step.
It costs a copy of the adapted layers while weights are sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from types import ModuleType

from torch import Tensor, nn

ADAPTER = "default"  # the name that peft gives the only one


def install(module: ModuleType) -> None:
    """Change `openrlhf.trainer.ray.ppo_actor`: ActorPPOTrainer sends weights there, parameter by parameter."""
    trainer = module.ActorPPOTrainer
    original = trainer.broadcast_to_vllm

    @wraps(original)
    def broadcast_to_vllm(self):
        model = self.actor.model.module
        if not hasattr(model, "peft_config"):
            return original(self)
        merged = list(merged_parameters(model))
        model.named_parameters = lambda: iter(merged)  # hides the method of its class while weights are sent
        try:
            return original(self)
        finally:
            del model.named_parameters

    trainer.broadcast_to_vllm = broadcast_to_vllm


def merged_parameters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(name, weight) of the model as it was before peft wrapped it, with the adapters added to its weights."""
    for name, weight in model.named_parameters():
        if ".lora_" in name:
            continue
        layer_name, adapted, parameter = name.rpartition(".base_layer.")
        if adapted and parameter == "weight":
            weight = weight.data + model.get_submodule(layer_name).get_delta_weight(ADAPTER).to(weight.dtype)
        yield name.removeprefix("base_model.model.").replace(".base_layer.", "."), weight
