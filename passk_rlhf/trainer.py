"""What runs in place of OpenRLHF's own functions, in the processes that train. Each is given the original first.

RemoteExperienceMaker.compute_advantages_and_returns   `--algo.advantage.estimator design` is answered by hook.py;
                                                       every other estimator goes to the original, untouched
RemoteExperienceMaker.split_rollout_samples            looks for missing rewards and for batches that the actors
                                                       cannot share, then the original
BasePPOTrainer.__init__                                the original, then: say that the design is active, and put
                                                       loggers.py's in front
BasePPOTrainer.train_step                              tells the first which step this is, then the original
BasePPOTrainer.init_checkpoint_states                  the original, then: was this checkpoint trained on the same
                                                       design? Save the design beside the model
BasePPOTrainer.save_logs_and_checkpoints,              put the design into the checkpoint, then the original, then
BasePPOTrainer.save_best_checkpoint                    beside the checkpoints, too
ppo_trainer.prepare_datasets                           the original, then: how many steps there will be, and can the
                                                       actors share the last one
"""

from __future__ import annotations

import os
from pathlib import Path

from passk_rlhf import resume
from passk_rlhf.job import report_active, report_total_steps, total_steps
from passk_rlhf.patch import ESTIMATOR, METHOD
from passk_rlhf.sharing import even_part, refuse_uneven


def replacements() -> list[tuple[object, str, object]]:
    """(owner, name, what runs instead of it)."""
    from openrlhf.trainer import ppo_trainer
    from openrlhf.trainer.ppo_trainer import BasePPOTrainer
    from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker

    return [
        (RemoteExperienceMaker, METHOD, compute_advantages_and_returns),
        (RemoteExperienceMaker, "split_rollout_samples", split_rollout_samples),
        (BasePPOTrainer, "__init__", init_trainer),
        (BasePPOTrainer, "train_step", train_step),
        (BasePPOTrainer, "init_checkpoint_states", init_checkpoint_states),
        (BasePPOTrainer, "save_logs_and_checkpoints", save_logs_and_checkpoints),
        (BasePPOTrainer, "save_best_checkpoint", save_best_checkpoint),
        (ppo_trainer, "prepare_datasets", prepare_datasets),
    ]


def logger():
    """OpenRLHF's own."""
    from openrlhf.trainer import ppo_trainer

    return ppo_trainer.logger


def designed(args) -> bool:
    return args.algo.advantage.estimator == ESTIMATOR


# ── Every step ──────────────────────────────────────────────────────────────


def train_step(original, self, rollout_samples, global_step):
    self.experience_maker.passk_rlhf_step = global_step  # steps done before this one; goes on after a resume
    return original(self, rollout_samples, global_step)


def split_rollout_samples(original, self, rollout_samples):
    if not designed(self.args):
        return original(self, rollout_samples)
    from passk_rlhf.hook import settle_missing_rewards

    if self.reward_model_group is None:
        N = self.args.rollout.n_samples_per_prompt
        settle_missing_rewards(rollout_samples, N, drop=design_of(self.args).drop_missing)
    kept = len(rollout_samples)
    if self.args.algo.dynamic_filtering_enable:
        kept = even_part(self.args, kept)
        if kept < len(rollout_samples):
            logger().warning(f"{len(rollout_samples) - kept} answers left out: the actors could not share them")
    refuse_uneven(self.args, kept)
    return original(self, rollout_samples[:kept])


def compute_advantages_and_returns(original, self, experiences):
    if not designed(self.args):
        return original(self, experiences)
    from passk_rlhf.hook import designed_advantages

    design, step = design_of(self.args), getattr(self, "passk_rlhf_step", None)
    return designed_advantages(design, self, experiences, step, total_steps(step) if design.clock else None)


def design_of(args):
    """The design that the launcher put into the arguments, read once a process."""
    if "design" not in _loaded or _loaded["text"] != args.algo.advantage.design:
        from shaping import loads

        _loaded.update(text=args.algo.advantage.design, design=loads(args.algo.advantage.design, "design.yaml"))
    return _loaded["design"]


_loaded: dict[str, object] = {}


# ── The beginning of a run ──────────────────────────────────────────────────


def prepare_datasets(original, strategy, tokenizer):
    result = original(strategy, tokenizer)
    args = strategy.args
    if designed(args):
        # A step trains on one rollout batch; a last one that is not full counts too.
        full, rest = divmod(len(result[0].dataset), args.rollout.batch_size)
        report_total_steps((full + bool(rest)) * args.train.num_episodes)
        if rest:
            refuse_uneven(args, rest * args.rollout.n_samples_per_prompt)
    return result


def init_trainer(original, self, *args, **kwargs):
    original(self, *args, **kwargs)
    if not designed(self.args):
        return
    from passk_rlhf.loggers import Board, Progress, WandbHistogram
    from passk_rlhf.metrics import MetricsFile

    metrics = Path(self.args.ckpt.output_dir) / "metrics.jsonl"
    board = Board(self.tensorboard_logger, self.experience_maker) if self.tensorboard_logger else None
    if self.wandb_logger:
        self.wandb_logger = WandbHistogram(self.wandb_logger, self.experience_maker)
    self.tensorboard_logger = MetricsFile(metrics, Progress(board, logger().info, total_steps))
    low, high = self.args.reward.clip_range
    logger().info(
        f"shaping: {resume.describe(design_of(self.args))} active in {type(self).__name__} pid {os.getpid()}; "
        f"advantages are neither clipped to ({low:g}, {high:g}) nor whitened; metrics in {metrics}"
    )
    report_active()


# ── Checkpoints ─────────────────────────────────────────────────────────────


def init_checkpoint_states(original, self):
    states = original(self)
    if not designed(self.args):
        return states
    from passk_rlhf.lines import drop_from_step

    given, output = self.args.algo.advantage, Path(self.args.ckpt.output_dir)
    if step := states["global_step"]:
        trained = states.get(resume.DESIGN)
        change = resume.refuse_change(f"of step {step}", trained, given.design, given.allow_change)
        if change:
            resume.keep_apart(output, step)
        logger().info(f"shaping: going on after step {step}, at step {step} of {total_steps(step)} for schedules")
        if given.dump:
            drop_from_step(given.dump, step)
    resume.save_design(output, given.design)
    return states


def save_logs_and_checkpoints(original, self, global_step, logs_dict=None, client_states=None):
    if not designed(self.args):
        return original(self, global_step, logs_dict, client_states)
    text = self.args.algo.advantage.design
    original(self, global_step, logs_dict, {**(client_states or {}), resume.DESIGN: text})
    if global_step % self.args.ckpt.save_steps == 0:
        resume.save_design(self.args.ckpt.path, text)


def save_best_checkpoint(original, self, eval_metrics, global_step, client_states=None):
    if not designed(self.args):
        return original(self, eval_metrics, global_step, client_states)
    text = self.args.algo.advantage.design
    original(self, eval_metrics, global_step, {**(client_states or {}), resume.DESIGN: text})
    if (Path(self.args.ckpt.path) / "_actor" / f"best_global_step{global_step}").exists():
        resume.save_design(self.args.ckpt.path, text)
