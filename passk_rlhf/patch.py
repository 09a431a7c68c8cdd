"""Put a design where OpenRLHF computes group advantages. OpenRLHF has no hook for it, so five functions are replaced:

    RemoteExperienceMaker.compute_advantages_and_returns   `--algo.advantage.estimator design` is answered by hook.py;
                                                           every other estimator goes to the original, untouched
    RemoteExperienceMaker.split_rollout_samples            looks for missing rewards first, then the original
    BasePPOTrainer.__init__                                the original, then: say that the design is active,
                                                           save it beside the model, put loggers.py's in front
    BasePPOTrainer.train_step                              tells the first which step this is, then the original
    ppo_trainer.prepare_datasets                           the original, then: how many steps there will be

Both trainers, sync and async, reach the first through BasePPOTrainer, in processes of their own: `worker.py` calls
`install_in_worker` there. Without the patch OpenRLHF refuses the estimator "design", so no run can silently train
on something else.

The design travels as text in `args.algo.advantage.design`; no node needs the file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
from functools import wraps
from pathlib import Path
from types import ModuleType

ESTIMATOR = "design"
METHOD = "compute_advantages_and_returns"
MODULE = "openrlhf.trainer.ppo_utils.experience_maker"

# Fingerprint of the replaced method → the releases it was read in.
KNOWN_SOURCES = {"8c6e146d214b6e2b": "0.11.2"}

_originals: dict[str, object] = {}


class IncompatibleOpenRLHF(RuntimeError):
    """The installed OpenRLHF computes advantages in a way that nobody has read; for whoever upgraded it."""


def check_openrlhf() -> str:
    """The installed release, if its method is known. Reads the source file, imports nothing of OpenRLHF.

    Raises:
      IncompatibleOpenRLHF: not installed, the method is missing, or its source is not in KNOWN_SOURCES.
    """
    supported = ", ".join(sorted(set(KNOWN_SOURCES.values())))
    try:
        release = importlib.metadata.version("openrlhf")
    except importlib.metadata.PackageNotFoundError:
        raise IncompatibleOpenRLHF(f"OpenRLHF is not installed; supported: {supported}") from None
    package = Path(importlib.util.find_spec("openrlhf").origin).parent
    path = package / Path(*MODULE.split(".")[1:]).with_suffix(".py")
    found = fingerprint(path.read_text(encoding="utf-8")) if path.exists() else None
    if found is None:
        raise IncompatibleOpenRLHF(f"OpenRLHF {release} has no {MODULE}: {METHOD}; supported: {supported}")
    if found not in KNOWN_SOURCES:
        known = ", ".join(f"{source} ({releases})" for source, releases in KNOWN_SOURCES.items())
        raise IncompatibleOpenRLHF(
            f"OpenRLHF {release} computes advantages in a way this version of passk_rlhf does not know.\n"
            f"{METHOD}: found {found}, known {known}\n"
            f"Install a supported release (openrlhf=={supported}), or a newer passk_rlhf."
        )
    return release


def fingerprint(source: str) -> str | None:
    """A short hash of the method's source without comment lines and indentation. None if it is not there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == METHOD:
            # Not ast.dump: what that prints depends on the version of Python.
            lines = [line.strip() for line in ast.get_source_segment(source, node).splitlines()]
            code = [line for line in lines if line and not line.startswith("#")]
            return hashlib.sha256("\n".join(code).encode()).hexdigest()[:16]
    return None


def install() -> None:
    """Replace them in this process. Calling twice is calling once; `uninstall` restores them.

    Raises:
      IncompatibleOpenRLHF: see `check_openrlhf`.
    """
    if _originals:
        return
    check_openrlhf()
    from openrlhf.trainer import ppo_trainer
    from openrlhf.trainer.ppo_trainer import BasePPOTrainer
    from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker

    for owner, name, replacement in (
        (RemoteExperienceMaker, METHOD, _compute_advantages_and_returns),
        (RemoteExperienceMaker, "split_rollout_samples", _split_rollout_samples),
        (BasePPOTrainer, "__init__", _init_trainer),
        (BasePPOTrainer, "train_step", _train_step),
        (ppo_trainer, "prepare_datasets", _prepare_datasets),
    ):
        original = getattr(owner, name)
        _originals[name] = (owner, original)
        setattr(owner, name, wraps(original)(replacement))


def uninstall() -> None:
    """Give OpenRLHF its own methods back."""
    for name, (owner, original) in _originals.items():
        setattr(owner, name, original)
    _originals.clear()


def install_in_worker(_module: ModuleType) -> None:
    """What `worker.py` registers: called in a Ray worker once it has imported OpenRLHF's trainer."""
    install()


# ── The replacements ────────────────────────────────────────────────────────


def _compute_advantages_and_returns(self, experiences):
    if self.args.algo.advantage.estimator != ESTIMATOR:
        return _originals[METHOD][1](self, experiences)
    from passk_rlhf.hook import designed_advantages

    design, step = _design(self.args), getattr(self, "passk_rlhf_step", None)
    return designed_advantages(design, self, experiences, step, total_steps(step) if design.clock else None)


def _train_step(self, rollout_samples, global_step):
    self.experience_maker.passk_rlhf_step = global_step  # steps done before this one; goes on after a resume
    return _originals["train_step"][1](self, rollout_samples, global_step)


def _prepare_datasets(strategy, tokenizer):
    result = _originals["prepare_datasets"][1](strategy, tokenizer)
    args = strategy.args
    if args.algo.advantage.estimator == ESTIMATOR:
        # A step trains on one rollout batch; a last one that is not full counts too.
        batches = -(-len(result[0].dataset) // args.rollout.batch_size)
        report_total_steps(batches * args.train.num_episodes)
    return result


def _split_rollout_samples(self, rollout_samples):
    if self.args.algo.advantage.estimator == ESTIMATOR and self.reward_model_group is None:
        from passk_rlhf.hook import settle_missing_rewards

        settle_missing_rewards(rollout_samples, drop=_design(self.args).drop_missing)
    return _originals["split_rollout_samples"][1](self, rollout_samples)


def _init_trainer(self, *args, **kwargs):
    _originals["__init__"][1](self, *args, **kwargs)
    if self.args.algo.advantage.estimator != ESTIMATOR:
        return
    from openrlhf.trainer.ppo_trainer import logger

    from passk_rlhf.loggers import Board, Progress, WandbHistogram
    from passk_rlhf.metrics import MetricsFile

    design = _design(self.args)
    for folder in {self.args.ckpt.output_dir, self.args.ckpt.path}:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "design.yaml").write_text(design.source.text, encoding="utf-8")
    metrics = Path(self.args.ckpt.output_dir) / "metrics.jsonl"
    board = Board(self.tensorboard_logger, self.experience_maker) if self.tensorboard_logger else None
    if self.wandb_logger:
        self.wandb_logger = WandbHistogram(self.wandb_logger, self.experience_maker)
    self.tensorboard_logger = MetricsFile(metrics, Progress(board, logger.info, total_steps))
    low, high = self.args.reward.clip_range
    logger.info(
        f"shaping: {describe(design)} active in {type(self).__name__} pid {os.getpid()}; "
        f"advantages are neither clipped to ({low:g}, {high:g}) nor whitened; metrics in {metrics}"
    )
    report_active()


def describe(design) -> str:
    """'design passk (k=4)', for one line of log."""
    params = ", ".join(f"{param.name}={param.value}" for param in design.params.values())
    return f"design {design.name}" + (f" ({params})" if params else "")


def _design(args):
    """The design that the launcher put into the arguments, read once a process."""
    if "design" not in _loaded or _loaded["text"] != args.algo.advantage.design:
        from shaping import loads

        _loaded.update(text=args.algo.advantage.design, design=loads(args.algo.advantage.design, "design.yaml"))
    return _loaded["design"]


_loaded: dict[str, object] = {}

# ── From one process of the job to the others ───────────────────────────────


def _mark(what: str = "active") -> bytes:
    import ray

    return f"passk_rlhf {what} {ray.get_runtime_context().get_job_id()}".encode()


def report_active() -> None:
    """Tell the job that the design is active in this process."""
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(_mark(), str(os.getpid()).encode())


def is_active() -> bool:
    """Has any process of this Ray job reported it?"""
    from ray.experimental.internal_kv import _internal_kv_get

    return _internal_kv_get(_mark()) is not None


def report_total_steps(steps: int) -> None:
    """Tell the job how long it is: with async training another process reads the prompts than trains on them."""
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(_mark("total_steps"), str(steps).encode())


def total_steps(step: int) -> int:
    """How many steps the job has; never fewer than are done."""
    from ray.experimental.internal_kv import _internal_kv_get

    return max(step, int(_internal_kv_get(_mark("total_steps"))))
