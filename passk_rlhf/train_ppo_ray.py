"""OpenRLHF's own PPO job, with an advantage of your own:

    python -m passk_rlhf.train_ppo_ray --advantage-design configs/passk.yaml [--advantage-param k=8] <OpenRLHF flags>

OpenRLHF's released command line runs as it is (`openrlhf.cli.train_ppo_ray` as `__main__`). Four of its calls are
watched while it does:

    ArgumentParser.parse_args   adds our flags to its --help, and `design` to its estimators
    hierarchize                 the arguments are known: check the design for this N, settle the device
    ray.init                    tell every worker what to patch (worker.py)
    (the end)                   no trainer said that the design was active: an error

Whatever the user can be told is told before Ray starts: design, parameters, flags, the release of OpenRLHF.
"""

from __future__ import annotations

import _thread
import argparse
import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import shaping
from passk_rlhf import (
    faults,
    filtering,
    flags,
    job,
    no_effect,
    patch,
    placement,
    resume,
    reward_time,
    sharing,
    skip_silent,
    user_code,
    watch,
    watch_actors,
    worker,
)
from passk_rlhf import wrong_flags as wrong
from shaping.errors import commanded
from shaping.groups.silent import refuse_silent, silent_notes
from shaping.language.nodes import Name, walk
from shaping.language.params import assignments
from shaping.proofs.written_out import self_contained

PROGRAM = "python -m passk_rlhf.train_ppo_ray"


class LaunchError(ValueError):
    """The command line asks for something that cannot be; for whoever typed it."""


def main(argv: list[str] | None = None) -> int:
    launch = Launch(sys.argv[1:] if argv is None else argv)
    try:
        with commanded("--advantage-param"):
            launch.run()
    except SystemExit:
        raise
    except Exception as error:
        said = faults.in_words(error, _told(), launch.args, launch.older)
        if said is None:
            traceback.print_exception(error)
            said = faults.unforeseen(error, launch.args, launch.older)
        print(f"{PROGRAM}: error: {said}", file=sys.stderr)
        return 2
    return 0


def _told() -> tuple[type[Exception], ...]:
    """Errors whose message is all that the user needs."""
    told = (shaping.DesignError, shaping.RewardError, patch.IncompatibleOpenRLHF, LaunchError)
    told += (resume.ResumeError, sharing.UnevenBatch, skip_silent.CannotSkip, user_code.UserCodeError)
    told += (no_effect.Contradiction,)
    settings = sys.modules.get("passk_rlhf.cpu.settings")
    return (*told, settings.UnsupportedOnCPU) if settings else told


class Launch:
    def __init__(self, argv: list[str]) -> None:
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        wrong.say_errors_in_a_line(parser, PROGRAM)
        flags.add_flags(parser)
        self.argv = argv
        self.ours, _ = parser.parse_known_args(argv)
        self.device = self.ours.device
        self.design = None
        self.args = SimpleNamespace()  # OpenRLHF's, once it has read them
        self.older = None  # the last checkpoint of an earlier run, if this one begins anew beside it
        self.head_watch = self.actor_watch = None
        self.lost: Exception | None = None  # of an actor that nobody waits for

    def run(self) -> None:
        if self.ours.advantage_design:
            self.design = shaping.load(
                self.ours.advantage_design, **assignments(self.ours.advantage_param, "--advantage-param")
            )
            self.release = patch.check_openrlhf()
        for flag, given, what in (
            ("--advantage-param", self.ours.advantage_param, "sets a parameter of a design"),
            ("--dump-rewards", self.ours.dump_rewards, "keeps what a design is given"),
            ("--skip-silent-groups", self.ours.skip_silent_groups, "leaves out what a design gives no advantage"),
            (filtering.FLAG, self.ours.filter_silent_groups, "asks a design which groups say nothing"),
            ("--reward-timeout", self.ours.reward_timeout != reward_time.DEFAULT, "belongs to a run on a design"),
        ):
            if given and self.design is None:
                raise LaunchError(f"{flag} {what}: name one with --advantage-design")
        if not {"-h", "--help"} & set(self.argv):
            self.settle_device()
        if not os.environ.get("RAY_ADDRESS"):  # for a Ray of our own
            # What a killed worker has started, vLLM's engine say, is killed too.
            os.environ.setdefault("RAY_process_group_cleanup_enabled", "1")
            os.environ.setdefault(watch.PATIENCE, "20")  # its head is on this machine: gone is gone
        if self.device == "cpu":
            from passk_rlhf.cpu import replacements, settings

            os.environ.update(settings.worker_env())  # before torch, DeepSpeed and vLLM read it
            replacements.register()

        import ray
        from openrlhf.utils import config

        self.openrlhf = {
            "parse": argparse.ArgumentParser.parse_args,
            "hierarchize": config.hierarchize,
            "init": ray.init,
        }
        watched = (
            (argparse.ArgumentParser, "parse_args", lambda parser, *a, **k: self.parse(parser, *a, **k)),
            (config, "hierarchize", self.prepare),
            (ray, "init", self.start_ray_and_watch_it),
            (sys, "argv", [PROGRAM, *self.argv]),
        )
        with replaced(*watched):
            try:
                runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
                took = self.design is None or job.is_active()
            except Exception as error:
                # An OpenRLHF without the patch does not know the estimator.
                took = f"advantage_estimator {patch.ESTIMATOR}" not in str(error)
                if took:
                    raise
            except KeyboardInterrupt:
                if self.lost is None:
                    raise
                raise self.lost from None
            finally:
                for each in (self.head_watch, self.actor_watch):
                    if each:
                        each.stop()
        if not took:
            raise LaunchError(
                f"no trainer reported that {resume.describe(self.design)} was active: nothing was trained on it.\n"
                "Its processes must be able to import passk_rlhf: install it on every node of the cluster."
            )

    def settle_device(self) -> None:
        """GPU if there is one here or in the cluster that this job joins; else the CPU, said in one line."""
        address = os.environ.get("RAY_ADDRESS", "")
        if wrong_address := placement.no_address_of_ray(address):
            raise LaunchError(f"RAY_ADDRESS={address} {wrong_address}")
        if not address and (begun := placement.begun_here()):
            if not placement.answers(begun):
                raise LaunchError(
                    f"'ray start' was called here for a cluster at {begun}, where nothing answers any more. End what "
                    "is left of it with: ray stop"
                )
            # Ray would join it without a word; what it has counts as if its address had been given.
            os.environ["RAY_ADDRESS"] = address = begun
            say(f"joining the Ray cluster at {begun}, which 'ray start' began or joined on this machine")
        if not placement.answers(address):
            raise LaunchError(
                f"RAY_ADDRESS={address}: no Ray answers there. Start one with: ray start --head, or unset RAY_ADDRESS "
                "to let this job start its own"
            )
        if placement.speaks_http(address):
            raise LaunchError(f"RAY_ADDRESS={address} {placement.for_jobs(address)}")
        if self.device != "auto":
            return
        import torch

        self.device = "gpu" if torch.cuda.is_available() or placement.cluster_has_gpus() else "cpu"

    # ── What OpenRLHF calls ─────────────────────────────────────────────────

    def parse(self, parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> argparse.Namespace:
        estimator = parser._option_string_actions.get("--algo.advantage.estimator")
        if estimator is None:  # some library's own parser
            return self.openrlhf["parse"](parser, args, namespace)
        parser.prog = PROGRAM
        flags.add_flags(parser.add_argument_group("passk_rlhf"))
        if self.design is not None:
            estimator.choices = [*estimator.choices, patch.ESTIMATOR]
            estimator.default = patch.ESTIMATOR
        self.defaults = {action.dest: action.default for action in parser._actions}
        wrong.say_errors_in_a_line(parser, PROGRAM)
        words = sys.argv[1:] if args is None else args
        if not {"-h", "--help"} & set(words) and (said := wrong.wrong_flags(words, parser._option_string_actions)):
            parser.error(said)
        return self.openrlhf["parse"](parser, args, namespace)

    def prepare(self, flat: argparse.Namespace) -> SimpleNamespace:
        args = self.args = self.openrlhf["hierarchize"](flat)
        for name, value in vars(self.ours).items():
            if getattr(args, name) != value:  # its parser takes `--advantage-par`, ours has left it alone
                raise LaunchError(f"write --{name.replace('_', '-')} out: it was given in a shortened form")
            delattr(args, name)  # ours, and the design may be a path that only this machine knows
        goes_on = args.ckpt.load_enable  # as asked; there may be nothing to go on from
        if self.design is not None:
            self.prepare_design(args, goes_on)
            for line in no_effect.without_effect(no_effect.changed(vars(flat), self.defaults), args):
                say(line)
        self.prepare_checkpoint(args)
        if not os.environ.get("RAY_ADDRESS"):  # else they lie where the trainer runs, and it will say the same
            check_folders(args)
        if self.device == "cpu":
            from passk_rlhf.cpu import settings

            say(f"no GPU: OpenRLHF runs on the CPU ({', '.join(settings.adapt(args))})")
        for line in user_code.refuse_broken(args, on_cluster=bool(os.environ.get("RAY_ADDRESS"))):
            say(line)
        return args

    def prepare_design(self, args: SimpleNamespace, goes_on: bool) -> None:
        estimator, N = args.algo.advantage.estimator, args.rollout.n_samples_per_prompt
        if estimator != patch.ESTIMATOR:
            raise LaunchError(
                f"--advantage-design replaces the estimator, so --algo.advantage.estimator {estimator} contradicts it; "
                "leave one of the two out"
            )
        if N < 2:
            raise LaunchError(
                f"--rollout.n_samples_per_prompt {N}: {resume.describe(self.design)} compares answers to the same "
                "prompt; sample at least 2, for example 8"
            )
        self.design.check(N)
        refuse_silent(self.design, N)
        for note in silent_notes(self.design, N):
            say(note)
        if self.design.counts and not args.reward.remote_url and not args.train.agent_func_path:
            raise LaunchError(
                f"design {self.design.name} counts correct answers, but a reward model gives no verdicts; "
                "score answers with --reward.remote_url <file.py or URL> or --train.agent_func_path"
            )
        if args.ds.lora.rank > 0 and args.ds.zero_stage == 3:
            raise LaunchError("--ds.lora.rank needs whole weights to be sent to vLLM; set --ds.zero_stage 2")
        sharing.refuse_uneven(args, args.rollout.batch_size * N)
        from passk_rlhf.evaluation import unknown_pass  # it imports torch

        if why := unknown_pass(args):
            raise LaunchError(why)
        given = args.algo.advantage
        # Whole by itself: it is saved beside the model, far from the files that its claims name.
        given.design, given.allow_change = self_contained(self.design), self.ours.allow_design_change
        given.skip_silent = self.ours.skip_silent_groups
        if given.skip_silent:
            skip_silent.refuse(args)
        given.dump, given.goes_on = self.dump_path(goes_on), goes_on
        say(f"{resume.describe(self.design)} from {self.design.source.path}, groups of {N}, OpenRLHF {self.release}")
        self.prepare_filtering(args)
        read = {part.name for node in self.design.clock for part in walk(node) if isinstance(part, Name)}
        if args.algo.dynamic_filtering_enable and {"progress", "total_steps"} & read:
            say(
                "dynamic filtering replaces prompts, so the run will have fewer steps than total_steps says, and end "
                "before progress is 1: let the schedule count `step`"
            )

    def prepare_filtering(self, args: SimpleNamespace) -> None:
        """Which groups dynamic filtering drops: does its range fit the rewards that the design is for?"""
        args.algo.advantage.filter_silent_groups = self.ours.filter_silent_groups
        if self.ours.filter_silent_groups:
            if why := filtering.refusal(self.design, args):
                raise LaunchError(why)
            say(f"dynamic filtering drops the groups to which the design gives 0, whatever {filtering.RANGE} says")
        elif args.algo.dynamic_filtering_enable:
            low, high = args.algo.dynamic_filtering_range
            if said := filtering.misfit(self.design, args.rollout.n_samples_per_prompt, low, high):
                say(said)

    def dump_path(self, goes_on: bool) -> str | None:
        """Where rewards are kept, by its whole path; an earlier run's file is only written to by one that goes on."""
        path = self.ours.dump_rewards
        if not path:
            return None
        folder = Path(path).absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise LaunchError(f"--dump-rewards {path}: {folder} is no folder that can be written to")
        if Path(path).exists() and not goes_on:
            raise LaunchError(f"--dump-rewards {path}: it exists; name a new file, or remove it")
        return str(Path(path).absolute())

    def prepare_checkpoint(self, args: SimpleNamespace) -> None:
        """What --ckpt.load_enable will find, as far as this machine can see the folder of the checkpoints."""
        path, goes_on = args.ckpt.path, args.ckpt.load_enable
        if not goes_on and (older := resume.stamp(path)):
            self.older = older
            say(f"beginning anew beside the checkpoints in {path}; to go on: --ckpt.load_enable")
        if not goes_on or not (Path(path) / "_actor").exists():
            return
        name = resume.last_checkpoint(path, placement.processes(args.actor))
        if name is None:
            args.ckpt.load_enable = False  # OpenRLHF would fail on a folder without a finished checkpoint
            say(f"no checkpoint in {path} was ever finished: beginning anew")
            return
        if unfinished := resume.go_back_to(path, name):
            say(f"checkpoint {unfinished} in {path} is not whole, the run was killed while it saved it: using {name}")
        trained, change = resume.design_of(path, name), None
        if trained is not None:  # else the trainer will know, from the checkpoint itself
            now = self.design.resolved if self.design else None
            change = resume.refuse_change(f"{name} in {path}", trained, now, self.ours.allow_design_change)
        say(f"going on from checkpoint {name} in {path}" + (f", which {change}" if change else ""))

    def start_ray_and_watch_it(self, **options: Any) -> Any:
        import ray

        context = self.start_ray(**options)
        self.head_watch = watch.HeadWatch(ray.get_runtime_context().gcs_address, self.head_is_gone)
        self.head_watch.start()
        self.actor_watch = watch_actors.ActorWatch(watch_actors.actors_of_this_job, self.actor_is_gone, say)
        self.actor_watch.start()
        return context

    def actor_is_gone(self, error: Exception) -> None:
        """In the watching thread: end what the main thread waits for."""
        self.lost = error
        _thread.interrupt_main()

    def head_is_gone(self, seconds: float) -> None:
        said = f"Ray's head has not answered for {seconds:.0f} s: it was stopped or killed, or its machine is gone."
        watch.end_with(f"{PROGRAM}: error: {said}\n{faults.next_step(self.args, self.older)}")

    def start_ray(self, **options: Any) -> Any:
        """OpenRLHF's `ray.init(runtime_env=...)`, with what the workers need added to it."""
        environment = options.setdefault("runtime_env", {})
        variables = environment.setdefault("env_vars", {})
        environment["worker_process_setup_hook"] = "passk_rlhf.worker.setup"
        if self.design is not None:
            variables[worker.PATCH] = "1"
            variables[reward_time.ENVIRONMENT] = str(self.ours.reward_timeout)
        gpus, cpus = placement.gpus(self.args), placement.cpus(self.args)
        if self.device != "cpu":
            context = self.openrlhf["init"](**options)
            if (there := placement.cluster_has("GPU")) < gpus:
                say(f"this job places {gpus} GPUs and the Ray cluster has {there:g}: it waits until there are more")
            return context
        from passk_rlhf.cpu import settings

        variables.update(settings.worker_env())
        try:
            return self.openrlhf["init"](**options, num_gpus=gpus, num_cpus=cpus, include_dashboard=False)
        except ValueError as error:
            if "existing cluster" not in str(error):
                raise
        context = self.openrlhf["init"](**options)  # Ray was there before us, with the resources it was started with
        gpus_there, cpus_there = placement.cluster_has("GPU"), placement.cluster_has("CPU")
        if gpus_there < gpus or cpus_there < cpus:
            raise LaunchError(
                f"this job places {gpus} logical GPUs and {cpus} CPUs, the Ray cluster has {gpus_there:g} and "
                f"{cpus_there:g}; start it with: ray start --head --num-gpus={gpus} --num-cpus={cpus}"
            )
        return context


def check_folders(args: SimpleNamespace) -> None:
    """Make the folders that a run writes to, and write to them."""
    for flag, folder in (
        ("--ckpt.output_dir", args.ckpt.output_dir),
        ("--ckpt.path", args.ckpt.path),
        ("--logger.tensorboard_dir", args.logger.tensorboard_dir),
    ):
        if not folder:
            continue
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
        except OSError as error:
            raise LaunchError(f"{flag} {folder} cannot be written to: {faults.refusal(error)}") from None


def say(line: str) -> None:
    print(f"passk_rlhf: {line}", flush=True)


@contextmanager
def replaced(*attributes: tuple[Any, str, Any]) -> Iterator[None]:
    """Set (owner, name, value) for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in attributes]
    for owner, name, value in attributes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


if __name__ == "__main__":
    sys.exit(main())
