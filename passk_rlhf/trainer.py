"""What runs in place of OpenRLHF's own functions, in the processes that train. Each is given the original first.

RemoteExperienceMaker.compute_advantages_and_returns   `--algo.advantage.estimator design` is answered by hook.py;
                                                       every other estimator goes to the original, untouched
RemoteExperienceMaker.split_rollout_samples            looks for missing rewards, then the original
SamplesGenerator._process_response_into_experience     reads the reward and what comes with it (returns.py), then the
                                                       original, then: dynamic filtering may not hide a reward that is
                                                       no number; does its range fit the scores, or does the design say
                                                       which groups are dropped
SamplesGenerator._generate_vllm                        is it filtering? Then the original
BasePPOTrainer.__init__                                the original, then: say that the design is active, and put
                                                       loggers.py's in front; with --skip-silent-groups, skip_silent.py
                                                       stands before the actors' replay buffers
BasePPOTrainer.train_step                              tells the first which step this is, cuts a rollout that was
                                                       not foreseen to what the actors can share, leaves a step whose
                                                       every answer is left out, then the original; adds the design's
                                                       metrics to what is logged; counts steps that train nothing
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
        (SamplesGenerator, "_generate_vllm", generate_vllm),
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
    self.experience_maker.passk_rlhf_signal = None  # what the hook will see; None if no answer reaches it
    status, step = train_on_what_can_be_shared(original, self, rollout_samples, global_step)
    if designed(self.args):
        self.passk_rlhf_no_signal.step(step, self.experience_maker.passk_rlhf_signal)
        _done["steps"] = step
    return status, step


_done: dict[str, int] = {}  # steps of the run, in the process that trains


def train_on_what_can_be_shared(original, self, rollout_samples, global_step):
    maker, args, left = self.experience_maker, self.args, len(rollout_samples)
    maker.passk_rlhf_step = global_step  # steps done before this one; goes on after a resume
    maker.passk_rlhf_metrics = {}  # of this step; hook.py fills it
    # Rollouts that can be foreseen were refused before. What filtering, or a resume after over-sampling, leaves at the
    # end of an episode cannot.
    if designed(args) and args.algo.dynamic_filtering_enable and not filters_silent(args):
        watch_of(self).groups(rollout_samples, args.rollout.n_samples_per_prompt)
    if designed(args) and (args.algo.dynamic_filtering_enable or not is_even(args, left)):
        kept = even_part(args, left)
        if kept == 0:  # without us one actor would train on nothing, too, and several would fail
            logger().warning(f"step {global_step + 1} trains nothing: the {left} answers left are too few to share")
            maker.passk_rlhf_advantage_PN = None
            return {"rollout/num_samples": 0.0}, global_step + 1
        if kept < left:
            logger().warning(f"step {global_step + 1} trains on {kept} of {left} answers: the actors cannot share all")
        rollout_samples = rollout_samples[:kept]
    if designed(args) and rewarded_by_function(maker, rollout_samples):
        from passk_rlhf.experiences import why_missing
        from passk_rlhf.missing import nothing_to_train_on

        if nothing_to_train_on(rollout_samples, design_of(args)):
            why = f" (the first: {why})" if (why := why_missing(rollout_samples)) else ""
            logger().warning(
                f"step {global_step + 1} trains nothing: all {len(rollout_samples)} answers are left out{why}"
            )
            keep_unused(args, rollout_samples, global_step)
            maker.passk_rlhf_advantage_PN = None
            return {"rollout/num_samples": 0.0, "design/dropped": 1.0}, global_step + 1
    status, done = original(self, rollout_samples, global_step)
    return status | maker.passk_rlhf_metrics, done


def rewarded_by_function(maker, samples) -> bool:
    """Or by an agent. A reward model gives rewards later, to answers that have none."""
    return maker.reward_model_group is None or any(sample.rewards is not None for sample in samples)


def keep_unused(args, samples, step) -> None:
    """--dump-rewards of a step that is not trained on."""
    if (path := getattr(args.algo.advantage, "dump", None)) is None:
        return
    import torch

    from passk_rlhf.dump import dump_groups

    N = args.rollout.n_samples_per_prompt
    nothing_PN = torch.full((len(samples) // N, N), torch.nan)
    length_PN = torch.tensor([float(sample.action_mask.sum()) for sample in samples]).reshape(-1, N)
    prompts = [sample.prompts[0] for sample in samples[::N]]
    dump_groups(path, step, prompts, {"rewards": nothing_PN, "scores": nothing_PN, "length": length_PN})


def split_rollout_samples(original, self, rollout_samples):
    if not designed(self.args):
        return original(self, rollout_samples)
    from passk_rlhf.missing import own_signals, settle_missing_rewards

    design, N = design_of(self.args), self.args.rollout.n_samples_per_prompt
    scored = rewarded_by_function(self, rollout_samples)
    settle_missing_rewards(rollout_samples, N, design.drop_missing, own_signals(design), scored)
    return original(self, rollout_samples)


def response_into_experience(original, self, response, **kwargs):
    if not designed(self.args):
        return original(self, response, **kwargs)
    from passk_rlhf.experiences import experience_of
    from passk_rlhf.missing import unhide

    experience = experience_of(lambda read: original(self, read, **kwargs), response, self.tokenizer)
    if self.args.algo.dynamic_filtering_enable:
        unhide(experience, design_of(self.args))
        if (silent_groups := getattr(self, "passk_rlhf_silent_groups", None)) is not None:
            silent_groups.add(experience)
        elif getattr(self, "passk_rlhf_filters", False) and experience.scores is not None:
            low, high = self.args.algo.dynamic_filtering_range
            watch_of(self).score(experience.scores.reshape(-1)[0].item(), low, high)
    return experience


def generate_vllm(original, self, *args, **kwargs):
    filters = bool(kwargs.get("dynamic_filtering", args[2] if len(args) > 2 else False))
    if not (designed(self.args) and filters):  # an evaluation
        return original(self, *args, **kwargs)
    from passk_rlhf.silent_groups import SilentGroups, refuse_unasked

    self.passk_rlhf_filters = True
    if filters_silent(self.args):
        self.passk_rlhf_silent_groups = SilentGroups(
            lambda group: drops(self.args, group), *self.args.algo.dynamic_filtering_range
        )
    try:
        result = original(self, *args, **kwargs)
    finally:
        self.passk_rlhf_filters, self.passk_rlhf_silent_groups = False, None
    refuse_unasked(result[0])
    return result


def filters_silent(args) -> bool:
    return getattr(args.algo.advantage, "filter_silent_groups", False)


def drops(args, group) -> bool:
    """Is this group dropped, by what the design gives it in the step that comes next?"""
    from passk_rlhf.silent_groups import is_silent

    design, step = design_of(args), _done.get("steps", 0)
    silent = is_silent(design, group, args, step, total_steps(step) if design.clock else None)
    if silent:
        rewards = [None if each.rewards is None else round(each.rewards.reshape(-1)[0].item(), 4) for each in group]
        logger().info(f"dropped, and another prompt in its place: the design gives every answer 0, rewards {rewards}")
    return silent


def watch_of(owner):
    """Of a generator or a trainer: what it has warned of."""
    if not hasattr(owner, "passk_rlhf_watch"):
        from passk_rlhf.filtering import Watch

        owner.passk_rlhf_watch = Watch(logger().warning)
    return owner.passk_rlhf_watch


def compute_eval_metrics(original, eval_dataloader, samples, n_samples_per_prompt):
    from passk_rlhf.evaluation import design_of_evaluation, scores_given, with_pass_at_k
    from passk_rlhf.experiences import why_missing
    from passk_rlhf.missing import count_missing_as_zero

    score_B = scores_given(samples)
    if missing := count_missing_as_zero(samples):
        why = f" (the first: {why})" if (why := why_missing(samples)) else ""
        logger().warning(f"evaluation: {missing} of {len(samples)} answers have no reward; they count 0{why}")
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
    from passk_rlhf.no_signal import Closing, NoSignal

    metrics = Path(self.args.ckpt.output_dir) / "metrics.jsonl"
    board = Board(self.tensorboard_logger, self.experience_maker) if self.tensorboard_logger else None
    if self.wandb_logger:
        self.wandb_logger = WandbHistogram(self.wandb_logger, self.experience_maker)
    self.passk_rlhf_no_signal = NoSignal(logger().info, logger().warning, trained_beside(self.args))
    closing = Closing(board, self.passk_rlhf_no_signal)
    self.tensorboard_logger = MetricsFile(metrics, Progress(closing, logger().info, total_steps))
    if self.args.algo.advantage.skip_silent:
        from passk_rlhf.skip_silent import skipping

        group = self.actor_model_group
        group.async_run_method_batch = skipping(self.args, group.async_run_method_batch)
    low, high = self.args.reward.clip_range
    logger().info(
        f"shaping: {resume.describe(design_of(self.args))} active in {type(self).__name__} pid {os.getpid()}; "
        f"advantages are neither clipped to ({low:g}, {high:g}) nor whitened; metrics in {metrics}"
    )
    report_active()


def trained_beside(args) -> str:
    """What the loss has besides advantages, in words; '' if nothing."""
    kl = ["the KL penalty"] if args.algo.kl.init_coef > 0 else []
    entropy = ["the entropy bonus"] if getattr(args.actor, "entropy_coef", None) else []
    return " and ".join(kl + entropy)


# ── Checkpoints ─────────────────────────────────────────────────────────────


def init_checkpoint_states(original, self):
    states = original(self)
    if not designed(self.args):
        return states
    from passk_rlhf.leftovers import copy_apart, drop_from_step

    given, output = self.args.algo.advantage, Path(self.args.ckpt.output_dir)
    metrics, step, change = output / "metrics.jsonl", states["global_step"], None
    _done["steps"] = step
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
