"""What one process of a Ray job tells the others: small facts, kept by the head under the job's own name."""

from __future__ import annotations

import os


def _key(what: str) -> bytes:
    import ray

    return f"passk_rlhf {what} {ray.get_runtime_context().get_job_id()}".encode()


def _tell(what: str, value: object) -> None:
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(_key(what), str(value).encode())


def _told(what: str) -> str | None:
    from ray.experimental.internal_kv import _internal_kv_get

    value = _internal_kv_get(_key(what))
    return value.decode() if value is not None else None


def report_active() -> None:
    """Tell the job that the design is active in this process."""
    _tell("active", os.getpid())


def is_active() -> bool:
    """Has any process of this job reported it?"""
    return _told("active") is not None


def report_total_steps(steps: int) -> None:
    """Tell the job how long it is: with async training another process reads the prompts than trains on them."""
    _tell("total_steps", steps)


def total_steps(step: int) -> int:
    """How many steps the job has; never fewer than are done."""
    return max(step, int(_told("total_steps") or 0))
