"""Everything the launcher does before Ray starts, with OpenRLHF's real parser. Ray itself is not let start."""

import argparse
import sys
from pathlib import Path

import pytest

from passk_rlhf import train_ppo_ray
from passk_rlhf.cpu import replacements

replacements.register()

PASSK = "configs/passk.yaml"
GIVEN = ["--reward.remote_url", "reward.py", "--actor.model_name_or_path", "model", "--vllm.num_engines", "1"]
GROUPS = ["--rollout.n_samples_per_prompt", "8", "--actor.num_gpus_per_node", "1", "--algo.kl.init_coef", "0"]
GROUPS += ["--rollout.batch_size", "8"]


class RayStarted(BaseException):
    pass


@pytest.fixture
def launch(monkeypatch, capsys, tmp_path):
    """Run the launcher; return (exit status, standard output, error output, what ray.init was called with)."""
    import ray

    started = {}

    def init(**options):
        started.update(options)
        raise RayStarted

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(*argv):
        try:
            scored = tmp_path / "reward.py"
            scored.write_text("def reward_func(queries, prompts, labels): return {}\n")
            argv = [scored if word == "reward.py" else word for word in argv]
            folders = ["--ckpt.output_dir", tmp_path / "model", "--ckpt.path", tmp_path / "checkpoints"]
            status = train_ppo_ray.main([str(word) for word in [*folders, *argv]])
        except SystemExit as error:
            status = error.code
        except RayStarted:
            status = "ray started"
        captured = capsys.readouterr()
        return status, captured.out, captured.err, started

    return run


def design_file(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_a_good_command_reaches_ray_with_the_design_in_one_line(launch):
    status, out, _, ray_options = launch("--advantage-design", PASSK, "--advantage-param", "k=2", *GIVEN, *GROUPS)
    assert status == "ray started"
    assert "passk_rlhf: design passk (k=2) from configs/passk.yaml, groups of 8, OpenRLHF 0.11.2" in out
    assert "passk_rlhf: no GPU: OpenRLHF runs on the CPU (fp32, gloo" in out
    runtime = ray_options["runtime_env"]
    assert runtime["worker_process_setup_hook"] == "passk_rlhf.worker.setup"
    assert runtime["env_vars"]["PASSK_RLHF_PATCH"] == "1"
    assert runtime["env_vars"]["NCCL_DEBUG"] == "WARN"  # OpenRLHF's own settings are kept
    assert ray_options["num_gpus"] == 2  # one actor, one engine


def test_without_a_design_openrlhf_is_not_patched(launch):
    flags = ["--algo.advantage.estimator", "group_norm"]
    status, out, _, ray_options = launch(*flags, *GIVEN, *GROUPS)
    assert status == "ray started"
    assert "design" not in out
    assert "PASSK_RLHF_PATCH" not in ray_options["runtime_env"]["env_vars"]


def test_the_arguments_say_design_and_carry_it_resolved(monkeypatch, launch):
    seen = []
    prepare = train_ppo_ray.Launch.prepare
    monkeypatch.setattr(train_ppo_ray.Launch, "prepare", lambda self, flat: seen.append(prepare(self, flat)) or seen[0])
    launch("--advantage-design", PASSK, "--advantage-param", "k=3", *GIVEN, *GROUPS)
    advantage = seen[0].algo.advantage
    assert advantage.estimator == "design"
    assert "k: {default: 3, range: [1, N]}" in advantage.design and "# P(all k draws fail)" in advantage.design
    assert seen[0].critic.model_name_or_path is None  # no critic is loaded for it
    assert not hasattr(seen[0], "advantage_design")


def test_the_file_for_rewards_travels_by_its_whole_path(monkeypatch, launch, tmp_path):
    seen = []
    prepare = train_ppo_ray.Launch.prepare
    monkeypatch.setattr(train_ppo_ray.Launch, "prepare", lambda self, flat: seen.append(prepare(self, flat)) or seen[0])
    monkeypatch.chdir(tmp_path)
    launch("--advantage-design", str(Path(__file__).parents[1] / PASSK), "--dump-rewards", "r.jsonl", *GIVEN, *GROUPS)
    assert seen[0].algo.advantage.dump == str(tmp_path / "r.jsonl") and not hasattr(seen[0], "dump_rewards")


def test_a_file_for_rewards_that_cannot_be_written_is_told_before_ray_starts(launch, tmp_path):
    there = tmp_path / "r.jsonl"
    there.write_text("kept")
    for path, message in ((tmp_path / "none" / "r", "is no folder that can be written to"), (there, "it exists")):
        status, _, err, ray_options = launch("--advantage-design", PASSK, "--dump-rewards", str(path), *GIVEN, *GROUPS)
        assert status == 2 and message in err and not ray_options
    assert there.read_text() == "kept"
    status, _, err, _ = launch("--dump-rewards", "r", *GIVEN, *GROUPS)
    assert status == 2 and "name one with --advantage-design" in err


def test_our_flags_stand_in_openrlhfs_help(launch):
    status, out, _, _ = launch("--help")
    assert status == 0
    for flag in ("--advantage-design", "--advantage-param", "--device", "--rollout.n_samples_per_prompt"):
        assert flag in out


def test_everything_watched_is_given_back(launch):
    import ray
    from openrlhf.utils import config

    before = (argparse.ArgumentParser.parse_args, config.hierarchize, ray.init, sys.argv)
    launch("--advantage-design", PASSK, *GIVEN, *GROUPS)
    assert (argparse.ArgumentParser.parse_args, config.hierarchize, ray.init, sys.argv) == before


def test_a_run_requeued_before_its_first_checkpoint_begins_anew_with_its_file_of_rewards(monkeypatch, launch, tmp_path):
    seen = []
    prepare = train_ppo_ray.Launch.prepare
    monkeypatch.setattr(train_ppo_ray.Launch, "prepare", lambda self, flat: seen.append(prepare(self, flat)) or seen[0])
    (tmp_path / "r.jsonl").write_text('{"step": 0}\n')
    (tmp_path / "checkpoints" / "_actor" / "global_step1").mkdir(parents=True)
    flags = ["--advantage-design", PASSK, "--dump-rewards", tmp_path / "r.jsonl", "--ckpt.load_enable"]
    status, out, _, _ = launch(*flags, *GIVEN, *GROUPS)
    assert status == "ray started" and "no checkpoint" in out and seen[0].algo.advantage.goes_on
    assert not seen[0].ckpt.load_enable


@pytest.mark.parametrize(("design", "said"), [("passk_then_pass1", True), ("passk", False)])
def test_a_schedule_to_the_end_of_the_run_and_dynamic_filtering_are_said_to_disagree(launch, design, said):
    flags = ["--advantage-design", f"configs/{design}.yaml", "--algo.dynamic_filtering_enable"]
    status, out, _, _ = launch(*flags, *GIVEN, *GROUPS)
    assert status == "ray started" and ("fewer steps than total_steps says" in out) == said


def test_a_best_metric_that_no_evaluation_reports_is_refused(launch, tmp_path):
    flags = ["--advantage-design", PASSK, "--eval.dataset", tmp_path, "--eval.n_samples_per_prompt", "4"]
    status, _, err, _ = launch(*flags, "--ckpt.best_metric_key", "eval_maze_pass8", *GIVEN, *GROUPS)
    assert status == 2 and "--ckpt.best_metric_key eval_maze_pass8" in err and "reports pass1, pass2, pass4" in err
    status, *_ = launch(*flags, "--ckpt.best_metric_key", "eval_maze_pass2", *GIVEN, *GROUPS)
    assert status == "ray started"


# ── Bad input: one message, status 2, Ray not started, no traceback ─────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("advantage: r - men(r)", ":1:16: unknown function 'men' in 'advantage'"),
        ("advantage: r - n_total", ":1:16: unknown name 'n_total' in 'advantage'"),
        ("advantage: r\nadvantages: 1", ":2:1: unknown key 'advantages'"),
        ("advantage: r\nadvantage: 1", ":2:1: duplicate key 'advantage', first given on line 1"),
        ("advantage: {correct: 1 / n_neg, wrong: 0}", ":1:22: division by zero for N = 8, n_pos = 8"),
        ("params: {k: {default: 9, range: [1, N]}}\nadvantage: k * correct", ":1:23: k = 9 is outside 1..8"),
    ],
)
def test_a_mistake_in_the_yaml_is_shown_at_its_place(launch, tmp_path, text, message):
    path = design_file(tmp_path, text)
    status, _, err, started = launch("--advantage-design", path, *GIVEN, *GROUPS)
    assert (status, started) == (2, {})
    assert err.startswith(f"python -m passk_rlhf.train_ppo_ray: error: {path}{message}")
    assert "^" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--advantage-design", "none.yaml"], "none.yaml: cannot read the design: No such file or directory"),
        (
            ["--advantage-design", PASSK, "--advantage-param", "k=9"],
            "k = 9 is outside 1..8, its range for groups of N = 8",
        ),
        (["--advantage-design", PASSK, "--advantage-param", "j=2"], "no parameter 'j' to set"),
        (["--advantage-design", PASSK, "--advantage-param", "k"], "write NAME=VALUE, for example k=8"),
        (["--advantage-design", PASSK, "--advantage-param", "k=two"], "unknown name 'two' in 'params.k'"),
        (["--advantage-param", "k=2"], "name one with --advantage-design"),
        (
            ["--advantage-design", PASSK, "--algo.advantage.estimator", "rloo"],
            "--advantage-design replaces the estimator, so --algo.advantage.estimator rloo contradicts it",
        ),
        (
            ["--advantage-design", PASSK, "--rollout.n_samples_per_prompt", "1"],
            "--rollout.n_samples_per_prompt 1: design passk (k=4) compares answers to the same prompt",
        ),
        (["--advantage-design", PASSK, "--ds.packing_samples"], "--ds.packing_samples needs flash-attn"),
        (
            ["--advantage-design", PASSK, "--advantage-desing"],
            "error: unrecognized arguments: --advantage-desing; nearest to --advantage-desing: --advantage-design",
        ),
        # OpenRLHF's parser takes these, and would train on its own estimator, or with k = 4
        (["--advantage-desig", PASSK, "--algo.advantage.estimator", "rloo"], "write --advantage-design out"),
        (["--advantage-design", PASSK, "--advantage-par", "k=2"], "write --advantage-param out"),
        (["--advantage-design", PASSK, "--dump-r", "r.jsonl"], "write --dump-rewards out"),
        (
            ["--algo.advantage.estimator", "rloo", "--reward-timeout", "5"],
            "--reward-timeout belongs to a run on a design",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_said_before_ray_starts(launch, flags, message):
    status, _, err, started = launch(*GIVEN, *GROUPS, *flags)
    assert (status, started) == (2, {})
    assert message in err and "Traceback" not in err


def test_a_counting_design_with_a_reward_model_is_refused(launch):
    flags = [word for word in GIVEN if word not in ("--reward.remote_url", "reward.py")]
    status, _, err, started = launch("--advantage-design", PASSK, "--reward.model_name_or_path", "rm", *flags, *GROUPS)
    assert (status, started) == (2, {})
    assert "design passk counts correct answers, but a reward model gives no verdicts" in err


def test_a_worker_error_that_explains_itself_is_shown_without_a_traceback(monkeypatch, capsys):
    import ray

    from shaping import RewardError

    def failing(self):
        raise ray.exceptions.RayTaskError(
            "step", "a long traceback", RewardError("reward 0.5 at prompt 3")
        ).as_instanceof_cause()

    monkeypatch.setattr(train_ppo_ray.Launch, "run", failing)
    assert train_ppo_ray.main([]) == 2
    assert capsys.readouterr().err == "python -m passk_rlhf.train_ppo_ray: error: reward 0.5 at prompt 3\n"


def test_an_error_that_is_not_ours_keeps_its_traceback_and_ends_with_a_line(monkeypatch, capsys):
    def failing(self):
        raise KeyError("a bug")

    monkeypatch.setattr(train_ppo_ray.Launch, "run", failing)
    assert train_ppo_ray.main([]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last)") and ", in failing" in err
    assert "\npython -m passk_rlhf.train_ppo_ray: error: KeyError: 'a bug'\n" in err


def test_a_design_that_gives_every_0_1_group_0_is_refused_with_the_k_that_trains(launch):
    status, _, err, started = launch("--advantage-design", PASSK, "--advantage-param", "k=8", *GIVEN, *GROUPS)
    assert (status, started) == (2, {}) and "Traceback" not in err
    assert "for groups of 8 every 0/1 group gets 0: nothing would be trained; k must be below N\n" in err
    assert err.endswith("hint: for example --advantage-param k=4, or groups of 9 answers\n")
    annealed = ["--advantage-design", "configs/passk_annealed.yaml"]
    status, out, _, _ = launch(*annealed, *GIVEN, *GROUPS)
    assert status == "ray started" and "gets 0 in a part of the run: of 1,000 steps in step 0..124" in out


def test_a_range_of_dynamic_filtering_that_does_not_fit_the_designs_rewards_is_said(launch, tmp_path):
    signed = ["--advantage-design", design_file(tmp_path, "rewards: -1/1\nadvantage: r - mean(r)\n"), *GIVEN, *GROUPS]
    filters = "--algo.dynamic_filtering_enable"
    status, out, _, _ = launch(*signed, filters)
    assert status == "ray started"
    assert "of rewards -1/1 it drops mixed groups too, those with 1..4 of 8 answers at 1. Set --algo.dynamic" in out
    status, out, _, _ = launch(*signed, filters, "--algo.dynamic_filtering_range", "-1", "1")
    assert status == "ray started" and "dynamic filtering" not in out
    status, out, _, _ = launch(*signed, filters, "--filter-silent-groups")
    assert status == "ray started" and "dynamic filtering drops the groups to which the design gives 0" in out


def test_filtering_by_a_design_that_reads_the_batch_is_refused(launch):
    flags = ["--algo.dynamic_filtering_enable", "--filter-silent-groups", *GIVEN, *GROUPS]
    status, _, err, started = launch("--advantage-design", "configs/lite_ppo.yaml", *flags)
    assert (status, started) == (2, {})
    assert "--filter-silent-groups cannot be had with design lite_ppo: what a group gets depends on the other" in err
    status, _, err, _ = launch("--advantage-design", PASSK, "--filter-silent-groups", *GIVEN, *GROUPS)
    assert status == 2 and "it goes with --algo.dynamic_filtering_enable" in err
    status, _, err, _ = launch("--filter-silent-groups", *GIVEN, *GROUPS)
    assert status == 2 and "--filter-silent-groups asks a design which groups say nothing: name one with" in err


@pytest.mark.parametrize("active", [True, False])
def test_a_run_whose_trainer_never_said_that_the_design_is_active_is_an_error(launch, monkeypatch, active):
    monkeypatch.setattr(train_ppo_ray.runpy, "run_module", lambda *args, **kwargs: {})
    monkeypatch.setattr(train_ppo_ray.job, "is_active", lambda: active)
    status, _, err, _ = launch("--advantage-design", PASSK, *GIVEN, *GROUPS)
    assert status == (0 if active else 2)
    assert ("no trainer reported that design passk (k=4) was active" in err) is not active


def test_every_shipped_design_passes_the_launchers_checks(launch):
    for path in sorted(Path("configs").glob("*.yaml")):
        assert launch("--advantage-design", path, *GIVEN, *GROUPS)[0] == "ray started", path


@pytest.mark.parametrize("flag", ["--ckpt.output_dir", "--ckpt.path", "--logger.tensorboard_dir"])
def test_a_folder_that_cannot_be_written_to_is_said_before_ray_starts(launch, tmp_path, flag):
    (tmp_path / "file").write_text("")
    for place, reason in ((tmp_path / "file", "a folder is needed"), (tmp_path / "file" / "x", "a folder is needed")):
        status, _, err, started = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, flag, place)
        assert (status, started) == (2, {})
        assert f"error: {flag} {place} cannot be written to: {reason}" in err
    # sysfs takes no files, not even from root
    status, _, err, _ = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, flag, "/sys/passk_rlhf")
    assert status == 2 and f"error: {flag} /sys/passk_rlhf cannot be written to: " in err


# ── Old and mistyped flags ──────────────────────────────────────────────────


def test_flags_of_before_0_10_are_called_what_they_are_now_in_a_few_lines(launch):
    old = "--pretrain m --advantage_estimator group_norm --n_samples_per_prompt 8 --bf16 --remote_rm_url reward.py"
    old += " --prompt_max_len 64 --perf --micro_train_batch_size=2 --use-kl-loss --rollout_batch 8"
    status, _, err, started = launch("--advantage-design", PASSK, *old.split())
    assert (status, started) == (2, {}) and len(err.splitlines()) < 10 and "usage:" not in err
    assert err.startswith(
        "python -m passk_rlhf.train_ppo_ray: error: 10 flags have the names of OpenRLHF before 0.10.2, and are called "
        "otherwise now:\n  --pretrain -> --actor.model_name_or_path, --advantage_estimator -> --algo.advantage."
    )
    for said in (
        "--bf16 -> --ds.param_dtype bf16",
        "--micro_train_batch_size -> --train.micro_batch_size",
        "--prompt_max_len -> --data.max_len (--data.max_len is prompt and answer together)",
        "--use-kl-loss -> --algo.kl.use_loss",  # dashes
        "--rollout_batch -> --rollout.batch_size",  # shortened
        "--perf: gone, its timings are always logged",
        "The whole command with today's names: python -m passk_rlhf.translate old.sh > new.sh",
    ):
        assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--rollout.batchsize 8",
            "unrecognized arguments: --rollout.batchsize; nearest to --rollout.batchsize: --rollout.batch_size",
        ),
        (
            "--rollout.n-samples-per-prompt=8",
            "nearest to --rollout.n-samples-per-prompt: --rollout.n_samples_per_prompt",
        ),
        (
            "--advantage_design x",
            "unrecognized arguments: --advantage_design; nearest to --advantage_design: --advantage-design",
        ),
        (
            "--rollout.max 8",
            "unrecognized arguments: --rollout.max; nearest to --rollout.max: --rollout.max_tokens_per_gpu",
        ),
        ("-rollout.batch_size 8", "nearest to -rollout.batch_size: --rollout.batch_size"),
        ("--learning_rate 1", "unrecognized arguments: --learning_rate"),
        ("--zzz", "unrecognized arguments: --zzz\n"),
        ("stray", "unrecognized arguments: stray\n"),
        ("--rollout.batch_size", "argument --rollout.batch_size: expected one argument"),
        ("--rollout.batch_size eight", "argument --rollout.batch_size: invalid int value: 'eight'"),
        ("--algo.kl.estimator k4", "argument --algo.kl.estimator: invalid choice: 'k4'"),
        ("--device tpu", "argument --device: invalid choice: 'tpu'"),
        ("--reward-timeout -1", "argument --reward-timeout: -1 is no time"),
    ],
)
def test_a_mistyped_flag_is_a_line_and_not_190_lines_of_usage(launch, flags, message):
    status, _, err, started = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, *flags.split())
    assert (status, started) == (2, {}) and err.startswith("python -m passk_rlhf.train_ppo_ray: error: ")
    assert message in err and "usage:" not in err and len(err.splitlines()) <= 3


def test_a_shortened_flag_and_values_that_look_like_flags_are_left_to_openrlhfs_parser(launch):
    flags = ["--rollout.temp", "0.5", "--data.input_template=--pretrain {}", "--data.input_key", "--a b"]
    assert launch("--advantage-design", PASSK, *GIVEN, *GROUPS, *flags)[0] == "ray started"


# ── Flags that a design makes meaningless ───────────────────────────────────


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            "--algo.advantage.gamma 0.9",
            "--algo.advantage.gamma 0.9 has no effect with a design: a designed advantage is not discounted",
        ),
        ("--algo.advantage.lambd 0.95", "--algo.advantage.lambd 0.95 has no effect with a design: it belongs to GAE"),
        (
            "--algo.advantage.no_std_norm",
            "--algo.advantage.no_std_norm has no effect with a design: a designed advantage is",
        ),
        (
            "--reward.clip_range -1 1",
            "--reward.clip_range -1 1 has no effect with a design: a designed advantage is not clipped",
        ),
        ("--critic.adam.lr 1e-5", "--critic.adam.lr 1e-05 has no effect with a design: no critic is trained"),
        (
            "--critic.value_clip 0.2 --train.colocate_critic_reward",
            "--train.colocate_critic_reward, --critic.value_clip 0.2 have no effect with a design: no critic",
        ),
        (
            "--reward.model_name_or_path rm --reward.normalize_enable",
            "--reward.model_name_or_path rm has no effect: --reward.remote_url reward.py gives the rewards",
        ),
        ("--reward.normalize_enable", "--reward.normalize_enable has no effect: --reward.remote_url reward.py gives"),
    ],
)
def test_a_flag_that_changes_nothing_with_a_design_is_named(launch, flags, line, tmp_path):
    status, out, _, _ = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, *flags.split())
    out = out.replace(str(tmp_path / "reward.py"), "reward.py")
    assert status == "ray started" and f"passk_rlhf: {line}" in out


def test_flags_that_have_their_effect_and_values_that_are_the_default_are_not_named(launch):
    flags = (
        "--algo.advantage.gamma 1.0 --reward.clip_range -10 10 --algo.kl.estimator k2 --reward.overlong_buffer_len 20"
    )
    flags += " --algo.advantage.is_correction_level token --actor.eps_clip 0.1 --critic.freezing_steps -1"
    status, out, _, _ = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, *flags.split())
    assert status == "ray started" and "no effect" not in out
    _, out, _, _ = launch("--algo.advantage.estimator", "reinforce", "--algo.advantage.gamma", "0.9", *GIVEN, *GROUPS)
    assert "no effect" not in out  # OpenRLHF's own estimator


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--critic.model_name_or_path c",
            "--critic.model_name_or_path c contradicts --advantage-design: a design needs no critic",
        ),
        ("--critic.freezing_steps 10", "--critic.freezing_steps 10: the policy would not be trained for 11 steps"),
    ],
)
def test_a_critic_contradicts_a_design(launch, flags, message):
    status, _, err, started = launch("--advantage-design", PASSK, *GIVEN, *GROUPS, *flags.split())
    assert (status, started) == (2, {}) and f"error: {message}" in err


def test_the_policy_is_frozen_for_one_step_more_than_the_flag_says():
    # What the message counts: OpenRLHF numbers steps from 0, and trains the policy in those above the flag.
    import inspect

    from openrlhf.trainer.ppo_trainer import BasePPOTrainer

    source = inspect.getsource(BasePPOTrainer)
    assert "run_actor = global_steps > self.args.critic.freezing_steps" in source
    assert "self.ppo_train(global_step)" in source and "global_step + 1" in source
