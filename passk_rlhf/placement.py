"""How many GPUs and CPUs OpenRLHF's placement asks Ray for, and whether there is a Ray to ask.

Follows `train()` of openrlhf/cli/train_ppo_ray.py. Groups that are colocated share bundles of one GPU each; every
other group has one GPU a process. Without a GPU the count is of logical ones: Ray takes our word for them.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from types import SimpleNamespace

PATIENCE = 5.0  # seconds for a Ray head to answer


def gpus(args: SimpleNamespace) -> int:
    actor, critic, reward = (processes(group) for group in (args.actor, args.critic, args.reward))
    engines = args.vllm.num_engines * args.vllm.tensor_parallel_size
    has_critic = args.algo.advantage.estimator == "gae"
    has_reward = not args.reward.remote_url and not args.train.agent_func_path
    everything_shares = args.train.colocate_all
    critic_pair = has_critic and args.train.colocate_critic_reward

    total = actor
    if not everything_shares or args.train.async_enable:
        total += engines
    if args.algo.kl.init_coef > 0 and not (everything_shares or args.train.colocate_actor_ref):
        total += processes(args.ref)
    # The pair gets bundles of its own even when everything else shares.
    if critic_pair:
        return total + critic
    if not everything_shares:
        total += critic * has_critic + reward * has_reward
    return total


def cpus(args: SimpleNamespace) -> int:
    """One CPU for each GPU, and one more: Ray wants a free one to place OpenRLHF's trainer."""
    return gpus(args) + 1


def processes(group: SimpleNamespace) -> int:
    """Of a group, args.actor say: one a GPU."""
    return group.num_nodes * group.num_gpus_per_node


def begun_here() -> str | None:
    """The address of the cluster that `ray start` began or joined on this machine: `ray.init()` joins it, too.

    The file where Ray keeps it is looked at as Ray does, without importing Ray: what our settings say of it, it reads
    as it is imported. `ray stop` removes it.
    """
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        return Path(folder, "ray", "ray_current_cluster").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def answers(address: str) -> bool:
    """Does anything answer at RAY_ADDRESS? Ray itself would try for minutes. True for addresses that name no host.

    >>> answers("auto"), answers("127.0.0.1:1")
    (True, False)
    """
    found = re.fullmatch(r"(?:ray://)?(.+):(\d{1,5})", address)
    if not found:
        return True
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def no_address_of_ray(address: str) -> str | None:
    """Why RAY_ADDRESS cannot be one; None if it can. Ray itself ends in an assertion, or tries for minutes.

    >>> no_address_of_ray("10.0.0.7")
    'has no port: write HOST:PORT, for example 10.0.0.7:6379'
    """
    if re.match(r"https?://", address):
        return for_jobs(address)
    if address in ("", "auto", "local") or "://" in address:
        return None
    host, colon, port = address.rpartition(":")
    if not colon:
        return f"has no port: write HOST:PORT, for example {address}:6379"
    if not re.fullmatch(r"\d{1,5}", port) or not 0 < int(port) < 1 << 16:
        return f"has no port: {port[:20]!r} is none; write HOST:PORT, for example {host}:6379"
    return None


def for_jobs(address: str) -> str:
    """What to do with the address of Ray's dashboard, which takes jobs."""
    host = re.sub(r"^https?://|:\d+/*$|/+$", "", address) or "HOST"
    url = address if "://" in address else f"http://{address}"
    return (
        "is where `ray job submit` sends jobs, and not where Ray is: "
        f"set RAY_ADDRESS={host}:6379 or ray://{host}:10001, or send this command there with: "
        f"ray job submit --address {url} -- python3 -m passk_rlhf.train_ppo_ray ..."
    )


def speaks_http(address: str) -> bool:
    """Is it Ray's dashboard that answers at HOST:PORT? Ray would wait for it in vain.

    >>> speaks_http("auto")
    False
    """
    found = re.fullmatch(r"([^/]+):(\d{1,5})", address)
    if not found:
        return False
    try:
        with socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=1) as connection:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return connection.recv(7) == b"HTTP/1."
    except OSError:  # no answer to that: what Ray itself does
        return False


def cluster_has(resource: str) -> float:
    import ray

    return ray.cluster_resources().get(resource, 0)


def cluster_has_gpus() -> bool:
    """Does the cluster that RAY_ADDRESS names have real GPUs? Logical ones have no accelerator type."""
    if not os.environ.get("RAY_ADDRESS"):
        return False
    import ray

    ray.init(logging_level="ERROR")
    try:
        return any(resource.startswith("accelerator_type:") for resource in ray.cluster_resources())
    finally:
        ray.shutdown()
