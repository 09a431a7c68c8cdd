"""What OpenRLHF calls inside vLLM's worker: join the weight group, then take one weight at a time.

vLLM loads the model in a process of its own, where Ray's setup hook does not run; it finds this class by its dotted
name (`worker_extension_cls`) and mixes it into its worker. The method names and arguments are those of
`openrlhf.trainer.ray.vllm_worker_wrap.WorkerWrap`, which allocates on "cuda" and speaks NCCL.
"""

import torch
import wrapt

from passk_rlhf.cpu.broadcast import GlooBroadcast


@wrapt.when_imported("vllm._custom_ops")
def keep_weights_as_they_are(ops) -> None:
    """vLLM packs each linear weight for oneDNN when it loads the model and drops the original: no later weight could
    take effect. This module is imported before that."""
    ops._supports_onednn = False


class CPUWorker:
    def init_process_group(
        self, master_address, master_port, rank_offset, world_size, group_name, backend="gloo", use_ray=False
    ):
        rank = torch.distributed.get_rank() + rank_offset
        self._weights = GlooBroadcast(master_address, master_port, rank, world_size)

    def update_weight(self, name, dtype, shape, empty_cache=False):
        expected = self.model_config.dtype
        if dtype != expected:
            raise TypeError(f"weight {name!r} is trained as {dtype}, but vLLM runs the model as {expected}")
        weight = torch.empty(shape, dtype=dtype)
        self._weights.broadcast(weight, src=0)
        self.model_runner.model.load_weights(weights=[(name, weight)])
