"""Ports that are chosen early and opened late, kept from being taken in between.

OpenRLHF and vLLM ask the system for a free port, close it again, tell others its number, and open it when a model has
been loaded, a minute later. Every program that asks for any port may have been given it by then, another process of
the same run too: the run ends with EADDRINUSE.

    for                     chosen in                                      opened by                    here
    actors' rendezvous      BaseDistributedActor._get_free_port            torch's TCPStore, rank 0     `serve`
    weights to vLLM         ActorPPOTrainer._init_vllm_sync_group          TCPStore, at once            `KeptSocket`
    vLLM's tensor parallel  vllm.utils.network_utils.get_open_port         TCPStore or ZeroMQ           `keep`
                            (an engine on one device needs no port)

`serve`: the store itself is opened at once; torch finds it again in its own process, by its port.
`keep`: the port stays bound and does not listen. The system gives a bound port to nobody who asks for any port or for
this one; TCPStore and ZeroMQ may open it, since they and we set SO_REUSEADDR.
"""

from __future__ import annotations

import socket
from types import ModuleType, SimpleNamespace
from typing import Any

from passk_rlhf import worker

_kept: list[Any] = []  # as long as the process lives


def serve() -> int:
    """The port of a new torch TCPStore in this process: `init_process_group` of rank 0 with MASTER_PORT set to it uses
    this store instead of opening one.

    Raises:
      torch.distributed.DistNetworkError: the machine has no free port.
    """
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, multi_tenant=True)
    _kept.append(store)
    return store.port


def keep() -> int:
    """A free port that nobody else is given while this process lives.

    Raises:
      OSError: the machine has none.
    """
    with KeptSocket() as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


class KeptSocket(socket.socket):
    """As `socket.socket()` in OpenRLHF's `with socket.socket() as sock: sock.bind(("", 0))`; stays bound after it."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def __exit__(self, *_: object) -> None:
        _kept.append(self)


# ── What worker.py registers ────────────────────────────────────────────────


def install_rendezvous(module: ModuleType) -> None:
    """Change `openrlhf.trainer.ray.launcher`."""
    module.BaseDistributedActor._get_free_port = staticmethod(serve)


def install_weights(module: ModuleType) -> None:
    """Change `openrlhf.trainer.ray.ppo_actor`, which needs its `socket` for nothing else."""
    module.socket = SimpleNamespace(socket=KeptSocket)


def install_vllm(module: ModuleType) -> None:
    """Change `vllm.utils.network_utils`. A port that VLLM_PORT sets stays as it is."""
    chosen = getattr(module, "_get_open_port", None)
    if chosen is None:  # another vLLM, which may choose in a better way
        return

    def get_open_port(start_port: int | None = None, max_attempts: int | None = None) -> int:
        if start_port is None and module.envs.VLLM_PORT is None:
            return keep()
        return chosen(start_port, max_attempts)

    module._get_open_port = get_open_port


def vllm_plugin() -> None:
    """Entry point of the group `vllm.general_plugins`: vLLM calls it in each of its processes, those too that Ray does
    not start. In a vLLM that is no part of a run of ours it does nothing, and needs nothing of ours installed.
    """
    if not worker.ours():
        return
    import wrapt

    wrapt.register_post_import_hook(install_vllm, "vllm.utils.network_utils")
