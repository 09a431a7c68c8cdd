"""What runs in place of OpenRLHF's own functions, in the processes that train. Each is given the original first.

RemoteExperienceMaker.compute_advantages_and_returns   `--algo.advantage.estimator design` is answered by hook.py;
                                                       every other estimator goes to the original, untouched
RemoteExperienceMaker.split_rollout_samples            looks for missing rewards, then the original
SamplesGenerator._process_response_into_experience     the original, then: dynamic filtering may not hide a reward
                                                       that is no number
BasePPOTrainer.__init__                                the original, then: say that the design is active, and put
                                                       loggers.py's in front
BasePPOTrainer.train_step                              tells the first which step this is, cuts a rollout that was
                                                       not foreseen to what the actors can share, then the original;
                                                       adds the design's metrics to what is logged
BasePPOTrainer.init_checkpoint_states                  the original, then: was this checkpoint trained on the same
                                                       design? Cut off what the run will write again, save the
                                                       design beside the model
BasePPOTrainer.save_logs_and_checkpoints,              put the design into the checkpoint, then the original, then
BasePPOTrainer.save_best_checkpoint                    into its folder, too; the best is judged by a number that the
                                                       evaluation has
ppo_trainer.prepare_datasets                           the original, then: how many steps there will be, and can the
                                                       actors share the last one
ppo_trainer.compute_eval_metrics                       missing rewards count 0, then the original, then: pass@k of the
                                                       design's verdicts, and OpenRLHF's numbers by names of their own
"""

from __future__ import annotations

import os
from pathlib import Path

from passk_rlhf import resume
from passk_rlhf.job import report_active, report_total_steps, total_steps
from passk_rlhf.patch import ESTIMATOR, METHOD
from passk_rlhf.sharing import even_part, is_even, left_over, refuse_uneven


def replacements() -> list[tuple[object, str, object]]:
    """(owner, name, what runs instead of it)."""
    from openrlhf.trainer import ppo_trainer
    from openrlhf.trainer.ppo_trainer import BasePPOTrainer
    from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
    from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator

    return [
        (RemoteExperienceMaker, METHOD, compute_advantages_and_returns),
        (RemoteExperienceMaker, "split_rollout_samples", split_rollout_samples),
        (SamplesGenerator, "_process_response_into_experience", response_into_experience),
        (BasePPOTrainer, "__init__", init_trainer),
        (BasePPOTrainer, "train_step", train_step),
        (BasePPOTrainer, "init_checkpoint_states", init_checkpoint_states),
        (BasePPOTrainer, "save_logs_and_checkpoints", save_logs_and_checkpoints),
        (BasePPOTrainer, "save_best_checkpoint", save_best_checkpoint),
        (ppo_trainer, "prepare_datasets", prepare_datasets),
        (ppo_trainer, "compute_eval_metrics", compute_eval_metrics),
    ]


def logger():
    """OpenRLHF's own."""
    from openrlhf.trainer import ppo_trainer

    return ppo_trainer.logger


def designed(args) -> bool:
    return args.algo.advantage.estimator == ESTIMATOR


# ── Every step ──────────────────────────────────────────────────────────────


def train_step(original, self, rollout_samples, global_step):
    maker, args, left = self.experience_maker, self.args, len(rollout_samples)
    maker.passk_rlhf_step = global_step  # steps done before this one; goes on after a resume
    maker.passk_rlhf_metrics = {}  # of this step; hook.py fills it
    # Rollouts that can be foreseen were refused before. What filtering, or a resume after over-sampling, leaves at the
    # end of an episode cannot.
    if designed(args) and (args.algo.dynamic_filtering_enable or not is_even(args, left)):
        kept = even_part(args, left)
        if kept == 0:  # without us one actor would train on nothing, too, and several would fail
            logger().warning(f"step {global_step + 1} trains nothing: the {left} answers left are too few to share")
            maker.passk_rlhf_advantage_PN = None
            return {"rollout/num_samples": 0.0}, global_step + 1
        if kept < left:
            logger().warning(f"step {global_step + 1} trains on {kept} of {left} answers: the actors cannot share all")
        rollout_samples = rollout_samples[:kept]
    status, done = original(self, rollout_samples, global_step)
    return status | maker.passk_rlhf_metrics, done


def split_rollout_samples(original, self, rollout_samples):
    if not designed(self.args):
        return original(self, rollout_samples)
    from passk_rlhf.missing import settle_missing_rewards

    if self.reward_model_group is None:
        N = self.args.rollout.n_samples_per_prompt
        settle_missing_rewards(rollout_samples, N, drop=design_of(self.args).drop_missing)
    return original(self, rollout_samples)


def response_into_experience(original, self, response, **kwargs):
    experience = original(self, response, **kwargs)
    if designed(self.args) and self.args.algo.dynamic_filtering_enable:
        from passk_rlhf.missing import unhide

        unhide(experience, design_of(self.args))
    return experience


def compute_eval_metrics(original, eval_dataloader, samples, n_samples_per_prompt):
    from passk_rlhf.evaluation import design_of_evaluation, scores_given, with_pass_at_k
    from passk_rlhf.missing import count_missing_as_zero

    score_B = scores_given(samples)
    if missing := count_missing_as_zero(samples):
        logger().warning(f"evaluation: {missing} of {len(samples)} answers have no reward; they count 0")
    design = design_of_evaluation(eval_dataloader)
    if design is None or not samples:
        return original(eval_dataloader, samples, n_samples_per_prompt)
    datasets = list(eval_dataloader)  # read once, by both
    logs = original(datasets, samples, n_samples_per_prompt)
    return with_pass_at_k(logs, design, samples, score_B, n_samples_per_prompt, datasets)


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
        from passk_rlhf.evaluation import remember_design

        remember_design(result[1], design_of(args))
        # A step trains on one rollout batch; a last one that is not full counts too.
        full, rest = divmod(len(result[0].dataset), args.rollout.batch_size)
        report_total_steps((full + bool(rest)) * args.train.num_episodes)
        if rest and not args.algo.dynamic_filtering_enable:  # then what will be left at the end is not known
            answers = rest * args.rollout.n_samples_per_prompt
            refuse_uneven(args, answers)
            if part := left_over(args, answers):
                logger().warning(
                    f"the last step of an episode has {answers} answers; the gradients of {part} of them make no whole "
                    f"--train.batch_size {args.train.batch_size}: DeepSpeed adds them to the next step's, so that each "
                    "optimizer step after it ends a little earlier in its rollout"
                )
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
    from passk_rlhf.leftovers import copy_apart, drop_from_step

    given, output = self.args.algo.advantage, Path(self.args.ckpt.output_dir)
    metrics, step, change = output / "metrics.jsonl", states["global_step"], None
    if step:
        trained = states.get(resume.DESIGN)
        change = resume.refuse_change(f"of step {step}", trained, given.design, given.allow_change)
        if change and trained:
            resume.save_design(output, trained, f"design-until-step{step}.yaml")
        logger().info(f"shaping: going on after step {step}, at step {step} of {total_steps(step)} for schedules")
    # What a run on another design, or an earlier one, has written of later steps is kept, but not among ours.
    if (change or not step) and (apart := copy_apart(metrics)):
        logger().info(f"shaping: the metrics of the run before are in {apart}")
    drop_from_step(metrics, step and step + 1)  # a line of metrics has the number of the step that it ends
    if given.dump and given.goes_on:  # else the launcher has seen that there is no such file yet
        if not step:
            copy_apart(given.dump)
        drop_from_step(given.dump, step)  # a line of rewards has the number of the steps before it
    resume.save_design(output, given.design)
    return states


def save_logs_and_checkpoints(original, self, global_step, logs_dict=None, client_states=None):
    if not designed(self.args):
        return original(self, global_step, logs_dict, client_states)
    text = self.args.algo.advantage.design
    original(self, global_step, logs_dict, {**(client_states or {}), resume.DESIGN: text})
    if global_step % self.args.ckpt.save_steps == 0:
        resume.save_design_of(self.args.ckpt.path, f"global_step{global_step}", text)


def save_best_checkpoint(original, self, eval_metrics, global_step, client_states=None):
    if not designed(self.args):
        return original(self, eval_metrics, global_step, client_states)
    from passk_rlhf.evaluation import best_metric

    if eval_metrics:
        self.best_eval_metric_key, warning = best_metric(self.best_eval_metric_key, eval_metrics)
        if warning:
            logger().warning(warning)
    text = self.args.algo.advantage.design
    original(self, eval_metrics, global_step, {**(client_states or {}), resume.DESIGN: text})
    resume.save_design_of(self.args.ckpt.path, f"best_global_step{global_step}", text)
