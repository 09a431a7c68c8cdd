"""Carry trained weights from DeepSpeed's first rank to every vLLM engine, without NCCL.

In    one tensor per call, the same shape and dtype on every rank
Out   the receivers' tensors hold the sender's exact bytes

Both ends use this class: the policy actor through OpenRLHF's `stateless_init_process_group`, vLLM's worker through
`vllm_worker.py`. The group is made by hand because each end already has a default process group of its own, with
other members, and torch.distributed allows only one. Bytes are sent rather than numbers: gloo does not know every
dtype, and a weight must arrive unrounded.
"""

import atexit
from datetime import timedelta

import torch
from torch.distributed import ProcessGroupGloo, TCPStore

# vLLM answers only after its engine has loaded the model; OpenRLHF gives its own groups as long.
PATIENCE = timedelta(minutes=60)


class GlooBroadcast:
    def __init__(self, address: str, port: int, rank: int, world_size: int):
        store = TCPStore(address, port, world_size, is_master=rank == 0, timeout=PATIENCE)
        self._group = ProcessGroupGloo(store, rank, world_size, PATIENCE)
        # A gloo thread that outlives the interpreter aborts the process, one exit in ten on a busy machine.
        atexit.register(self.close)

    def close(self) -> None:
        self._group = None

    def broadcast(self, tensor: torch.Tensor, src: int, stream=None) -> None:
        """Fill `tensor` on every rank with rank `src`'s bytes. `stream` is NCCL's, and means nothing here."""
        # A copy of a strided tensor may be sent, but must not be received into: the caller would never see it.
        if self._group.rank() != src and not tensor.is_contiguous():
            raise ValueError("weights are received into a contiguous tensor only")
        as_bytes = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        self._group.broadcast(as_bytes, src).wait()
