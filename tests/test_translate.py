"""Launch scripts with the flags of OpenRLHF before 0.10.2. What a script gives is asked of bash, which runs it with
programs that only write down their words, and of OpenRLHF's real parser."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from flags_of_0_9 import EARLIER, FLAGS, GONE, OF_THEIR_OWN, OTHERWISE
from hypothesis import given
from hypothesis import strategies as st
from openrlhf_parser import parsed, real_parser

from passk_rlhf.old_flags import CHANGED_DEFAULTS, OLD
from passk_rlhf.shell_words import ShellError
from passk_rlhf.translate import main
from passk_rlhf.translation import Translation

RUN = "python3 -m openrlhf.cli.train_ppo_ray"
NEW_RUN = "python3 -m passk_rlhf.train_ppo_ray"

STUB = """#!{python}
import json, os, sys
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
if name in ("ray", "srun") and ("--" in words or "bash" in words):
    words = words[words.index("--") + 1 :] if "--" in words else words[words.index("bash") :]
    os.execvp(words[0], words)
with open(os.environ["RUNS"], "a") as file:
    file.write(json.dumps([name, *words]) + "\\n")
"""


@pytest.fixture
def run(tmp_path):
    """Run a script in bash; the words of each command that starts a training, from the program on."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python", "python3", "deepspeed", "ray", "srun"):
        (programs / name).write_text(STUB.format(python=sys.executable))
        (programs / name).chmod(0o755)

    def execute(script, **variables):
        runs = tmp_path / "runs"
        runs.unlink(missing_ok=True)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [shutil.which("bash")],
            input=script.encode("utf-8", "surrogateescape"),
            cwd=tmp_path,  # scripts write logs
            env={"PATH": path, "RUNS": str(runs), "HOME": "/home/me", **variables},
            capture_output=True,
            timeout=60,
        )
        assert b"syntax error" not in done.stderr and b"unexpected" not in done.stderr, done.stderr.decode()
        lines = [json.loads(line) for line in runs.read_text().splitlines()] if runs.exists() else []
        return [words for words in lines if any("train_ppo" in word for word in words)]

    return execute


@pytest.fixture
def values(run):
    """What the one training of a script is given, by OpenRLHF's own parser, once the script is translated."""

    def parse(script, design=None, **variables):
        [words] = run(Translation(script, design).result, **variables)
        assert words[:3] == ["python3", "-m", "passk_rlhf.train_ppo_ray"]
        ours = [] if design is None else ["--advantage-design", design]
        at = words.index("--advantage-design") if design else 0
        assert words[at : at + len(ours)] == ours
        return parsed([*words[3:at], *words[at + 2 :]] if design else words[3:])

    return parse


def notes(script, design=None):
    return "\n".join(f"{line}: {what}" for line, what in Translation(script, design).notes)


# ── The table ───────────────────────────────────────────────────────────────


def test_every_flag_of_0_9_is_there_with_its_number_of_values():
    assert len(FLAGS) > 135
    for flag, (count, _) in (FLAGS | EARLIER).items():
        # the threshold took one value until 0.9.0, two after
        assert OLD[flag].values == (None if flag == "--vllm_is_truncated_threshold" else count), flag


def test_every_successor_is_a_flag_of_the_real_parser_and_takes_as_many_values():
    known = real_parser()._option_string_actions
    for flag, old in OLD.items():
        assert old.now or old.why, flag
        for now in old.now:
            name, *fixed = now.split()
            assert name in known, f"{flag}: {name}"
            if not fixed and flag != "--vllm_is_truncated_threshold":
                assert known[name].nargs == {0: 0, 1: None, 2: 2, None: "*"}[old.values], f"{flag}: {name}"
            if fixed:
                parsed([name, *fixed])


def expected(flag):
    """What it is called now, by rules that the table does not know: dots in the same words, or a group before them."""
    if flag in OTHERWISE:
        return OTHERWISE[flag]
    names = [name for name in real_parser()._option_string_actions if name.startswith("--")]
    dotted = [name for name in names if name.replace(".", "_") == flag]
    dotted = dotted or [name for name in names if name.rpartition(".")[2] == flag[2:]]
    return dotted or [name for name in names if name.replace(".", "_").endswith(f"_{flag[2:]}")] or [flag]


def test_every_flag_of_0_9_is_called_what_it_should_be():
    for flag in (FLAGS | EARLIER).keys() - set(OF_THEIR_OWN):
        assert list(OLD[flag].now) == ([] if flag in GONE else expected(flag)), flag


CHOSEN = {
    "--advantage_estimator": "rloo",
    "--kl_estimator": "k2",
    "--policy_loss_type": "gspo",
    "--param_dtype": "fp16",
}


@pytest.mark.parametrize("flag", sorted(set(FLAGS) - set(OF_THEIR_OWN) - set(GONE)))
def test_the_value_of_every_flag_of_0_9_arrives(flag):
    count, default = FLAGS[flag]
    given = {0: [], 1: [CHOSEN.get(flag, "7")], 2: ["0.25", "0.75"], None: ["q_proj", "v_proj"]}[count]
    words = Translation(
        " ".join([RUN, flag, *given, "--advantage_estimator gae" * (len(expected(flag)) > 1)])
    ).result.split()
    assert words[:3] == NEW_RUN.split()
    got = parsed(words[3:])
    for name in expected(flag):
        value = got[name]
        assert str(default) != str(value), f"{flag} says nothing of {name}"
        if count == 0:
            assert value is True
        elif count == 1:
            assert value == (given[0] if isinstance(value, str) else 7)
        else:
            assert list(value) == ([0.25, 0.75] if count == 2 else given)


def test_the_defaults_that_have_changed_since_0_9_10_are_the_parsers():
    new = {action.option_strings[0]: action.default for action in real_parser()._actions}
    differ = {}
    for flag, (count, default) in FLAGS.items():
        if flag in OF_THEIR_OWN or flag in GONE or count == 0 or flag == "--wandb_run_name":
            continue
        now = new[expected(flag)[0]]
        now = " ".join(map(str, now)) if isinstance(now, list | tuple) else "''" if now == "" else str(now)
        if now != default:
            differ[flag] = (default, now)
    assert differ == {"--micro_train_batch_size": ("4", "1"), "--micro_rollout_batch_size": ("8", "1")}
    told = {each.flag: (each.before, each.now) for each in CHANGED_DEFAULTS if each.until == "0.9.10"}
    assert told == differ


# ── A script as people write them ───────────────────────────────────────────

SCRIPT = r"""#!/bin/bash
# GRPO on two nodes; once with --perf
set -x
MODEL=Qwen/Qwen2.5-7B-Instruct   # the policy
SAVE="$HOME/runs/it's done"
PROMPT_LEN=1024; GEN_LEN=3072
EXTRA=""
if [ "$USE_KL" = 1 ]; then EXTRA="$EXTRA --use_kl_loss --kl_estimator k3"; fi

CKPT_ARGS=(
   --pretrain ${MODEL}
   # --reward_pretrain rm     not with a function
   --save_path "$SAVE"   # the model
   --perf

   --save_hf_ckpt
)

ray start --head --num-gpus 8
python -m openrlhf.cli.serve_rm --reward_pretrain rm --bf16 --max_len 100 &
sleep 0

ray job submit --address="http://127.0.0.1:8265" \
   --runtime-env-json='{"working_dir": "/openrlhf", "excludes": ["--pretrain"]}' \
   -- python3 -m openrlhf.cli.train_ppo_ray "${CKPT_ARGS[@]}" $EXTRA \
   --remote_rm_url reward.py --vllm_num_engines 2 \
   --prompt_max_len $PROMPT_LEN \
   --generate_max_len ${GEN_LEN} \
   --rollout_batch_size $((64 * 2)) --n_samples_per_prompt=8 \
   --micro_rollout_batch_size 4 --train_batch_size "1024" --micro_train_batch_size `echo 2` \
   --advantage_estimator group_norm \
   --l2 0.01 --max_norm 0.5 --adam_betas 0.9 0.98 \
   --bf16\
   --flash_attn --actor_init_on_gpu \
   --input_key "a key" --input_template $'User: {}\n' \
   --target_modules q_proj v_proj \
   --async-train ${W:+--use_wandb $W} \
   --enable_vllm_is_correction --vllm_is_correction_type icepop --vllm_is_truncated_threshold 0.5 3 \
   --ptx_coef 0.05 2>&1 | tee log.txt
"""


def test_a_script_as_people_write_them_gives_the_parser_what_it_gave_before(values):
    got = values(SCRIPT, USE_KL="1", W="secret")
    assert got["--actor.model_name_or_path"] == "Qwen/Qwen2.5-7B-Instruct"
    assert got["--ckpt.output_dir"] == "/home/me/runs/it's done" and got["--ckpt.save_hf"] is True
    assert got["--algo.kl.use_loss"] is True and got["--algo.kl.estimator"] == "k3"
    assert (got["--data.max_len"], got["--rollout.max_new_tokens"]) == (4096, 3072)
    assert (got["--rollout.batch_size"], got["--rollout.n_samples_per_prompt"]) == (128, 8)
    assert (got["--rollout.micro_batch_size"], got["--train.batch_size"], got["--train.micro_batch_size"]) == (
        4,
        1024,
        2,
    )
    assert got["--algo.advantage.estimator"] == "group_norm" and got["--reward.remote_url"] == "reward.py"
    assert (got["--actor.adam.weight_decay"], got["--actor.max_norm"]) == (0.01, 0.5)
    assert got["--actor.adam.betas"] == [0.9, 0.98]
    assert got["--critic.max_norm"] == 1.0  # group_norm has no critic
    assert (got["--ds.param_dtype"], got["--ds.attn_implementation"]) == ("bf16", "flash_attention_2")
    assert (got["--data.input_key"], got["--data.input_template"]) == ("a key", "User: {}\n")
    assert got["--ds.lora.target_modules"] == ["q_proj", "v_proj"]
    assert got["--train.async_enable"] is True and got["--logger.wandb.key"] == "secret"
    assert (
        got["--algo.advantage.is_correction_level"] == "token" and got["--algo.advantage.is_correction_mode"] == "mask"
    )
    assert got["--algo.advantage.is_correction_threshold"] == [0.5, 3.0]


def test_without_the_variables_that_turn_flags_on_they_are_off(values):
    got = values(SCRIPT)
    assert got["--algo.kl.use_loss"] is False and got["--logger.wandb.key"] is None


def test_lines_without_flags_stay_byte_for_byte():
    before, after = SCRIPT.splitlines(), Translation(SCRIPT).result.splitlines()
    assert len(after) == len(before) - 1  # the line with --perf alone
    kept = [line for line in before if "--" not in line or line.lstrip().startswith("#") or "serve_rm" in line]
    assert [line for line in after if line in kept] == kept and len(kept) > 15
    assert '   --ckpt.output_dir "$SAVE"   # the model' in after
    assert [line for line in before if "runtime-env" in line] == [line for line in after if "runtime-env" in line]


def test_what_was_left_out_and_what_means_something_else_is_said_with_its_line():
    said = notes(SCRIPT)
    assert "14: --perf is left out: its timings are always logged" in said
    assert "34: --actor_init_on_gpu is left out: OpenRLHF had not read it for long" in said
    assert "39: --ptx_coef 0.05 is left out: the loss on pretraining data beside PPO was removed in 0.7.1" in said
    assert "27: --data.max_len $(($PROMPT_LEN + ${GEN_LEN})): prompt and answer together, and" in said
    assert "20: --reward_pretrain, --bf16, --max_len: no flag of passk_rlhf.train_ppo_ray here" in said
    assert "0: a design in place of estimator group_norm: configs/grpo_sample_std.yaml gives its numbers" in said
    assert "the loss is the mean over the tokens of an optimizer step; until 0.10.3 of a micro-batch" in said
    assert "0: comments keep the old names (lines 2, 12)" in said
    assert "--micro_train_batch_size was" not in said  # it is given


def test_here_documents_deepspeed_and_text_for_another_shell(values):
    script = """
read -r -d '' training_commands <<EOF
openrlhf.cli.train_ppo_ray \\
   --pretrain $MODEL \\
   --prompt_max_len 512 --generate_max_len 1536 \\
   --bf16 \\
   --perf
EOF
if [[ ${1} != "slurm" ]]; then
    deepspeed --module $training_commands
fi
"""
    got = values(script, MODEL="m")
    assert (got["--actor.model_name_or_path"], got["--data.max_len"], got["--rollout.max_new_tokens"]) == (
        "m",
        2048,
        1536,
    )
    slurm = f"""srun --nodes=1 --ntasks=1 bash -c \\
"true \\
&& ray job submit --address=http://localhost:8265 \\
    --runtime-env-json='{{\\"pip\\": \\"/r.txt\\"}}' \\
    -- {RUN} \\
    --pretrain $MODEL --generate_max_len \\$LENGTH \\
    --use_wandb {{token}}" &>> /dev/null"""
    got = values(slurm, MODEL="m", LENGTH="100")
    assert (got["--data.max_len"], got["--rollout.max_new_tokens"], got["--logger.wandb.key"]) == (1124, 100, "{token}")


@pytest.mark.parametrize(
    "script",
    [
        f'ARGS="--pretrain m --bf16"\n{RUN} $ARGS --n_samples_per_prompt 3',
        f'ARGS="--pretrain m"\nARGS+=" --n_samples_per_prompt 3"\n{RUN} $ARGS',
        f'A="--pretrain m"; B="$A --n_samples_per_prompt 3"\nexport B\neval {RUN} $B',
        f'CMD="{RUN}"\n$CMD --pretrain m --n_samples_per_prompt 3',
        f'CMD="{RUN} --pretrain m"\nFULL="$CMD --n_samples_per_prompt 3"\neval "$FULL"',
        f"CMD=({RUN} --pretrain m)\nCMD+=(--n_samples_per_prompt 3)\n" + '"${CMD[@]}"',
        f'train() {{\n  {RUN} --pretrain "$1" "${{@:2}}"\n}}\ntrain m --n_samples_per_prompt 3',
        'MODULE=openrlhf.cli.train_ppo_ray\npython3 -m $MODULE --pretrain m --n_samples_per_prompt 3 "$@"',
        f'set -- --pretrain m\nset -- "$@" --n_samples_per_prompt 3\n{RUN} "$@"',
        f'case x in x) E="--n_samples_per_prompt 3";; *) E="";; esac\n[ -n "$E" ] && E="$E --pretrain m"\n{RUN} $E',
        f"bash <<EOF\n{RUN} --pretrain m \\\n --n_samples_per_prompt 3\nEOF",
        f"ARGS=$(cat <<EOF\n--pretrain m\n--n_samples_per_prompt 3\nEOF\n)\n{RUN} $ARGS",
        f"for n in 3; do\n  {RUN} --pretrain m --n_samples_per_prompt $n || exit 1\ndone",
        f"if ! ({RUN} --pretrain m --n_samples_per_prompt 3 > log 2>&1); then exit 1; fi",
        f"OUT=$({RUN} --pretrain m --n_samples_per_prompt 3)",
        "python3 ../openrlhf/cli/train_ppo_ray.py --pretrain m --n_samples_per_prompt 3",
        "nohup python3 -m openrlhf.cli.train_ppo_ray --pretrain=m '--n_samples_per_prompt' 3 & wait",
        f'{RUN} --pretrain m\\\n --n_samples_per_prompt "3"',
        "python3 -m passk_rlhf.train_ppo_ray --pretrain m --n_samples 3",
    ],
)
def test_wherever_a_shell_script_keeps_its_flags_they_are_found(values, script):
    got = values(script)
    assert (got["--actor.model_name_or_path"], got["--rollout.n_samples_per_prompt"]) == ("m", 3)


def test_two_commands_have_their_own_flags(run):
    script = f"{RUN} --prompt_max_len 10 --generate_max_len 20 --l2 1\n"
    script += f"{RUN} --generate_max_len 30 --advantage_estimator rloo"
    both = "--actor.adam.weight_decay 1 --critic.adam.weight_decay 1"
    assert run(Translation(script).result) == [
        [*NEW_RUN.split(), *f"--data.max_len 30 --rollout.max_new_tokens 20 {both}".split()],
        [*NEW_RUN.split(), *"--data.max_len 1054 --rollout.max_new_tokens 30 --algo.advantage.estimator rloo".split()],
    ]


# ── Flags that are gone ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN \\\n  --perf \\\n  --seed 1\necho", "RUN \\\n  --train.seed 1\necho"),
        ("RUN \\\n  --seed 1 \\\n  --perf\necho", "RUN \\\n  --train.seed 1 \\\n\necho"),
        ("RUN \\\n  --seed 1 \\\n  --perf", "RUN \\\n  --train.seed 1 \\\n"),
        ("RUN --perf \\\n  --seed 1", "RUN \\\n  --train.seed 1"),
        ("RUN \\\n  --perf --seed 1", "RUN \\\n  --train.seed 1"),
        ("RUN --seed 1 --perf # why\necho", "RUN --train.seed 1 # why\necho"),
        ("RUN --ptx_coef 0.1 --seed 1", "RUN --train.seed 1"),
        ("RUN --ptx_coef=0.1 --seed 1", "RUN --train.seed 1"),
        ("RUN \\\n  --ptx_coef \\\n  0.1 \\\n  --seed 1", "RUN \\\n  --train.seed 1"),
        ("RUN --seed 1 --perf && echo", "RUN --train.seed 1 && echo"),
        ("A=(\n  --perf\n  --seed 1\n)\nRUN ${A[@]}", "A=(\n  --train.seed 1\n)\nRUN ${A[@]}"),
        ("A=(--seed 1 --perf)\nRUN ${A[@]}", "A=(--train.seed 1)\nRUN ${A[@]}"),
        ('bash -c "RUN \\\n --seed 1 \\\n --perf"', 'bash -c "RUN \\\n --train.seed 1 \\\n "'),
        ("RUN \\\r\n  --perf \\\r\n  --seed 1\r\n", "RUN \\\r\n  --train.seed 1\r\n"),
        ("RUN --perf --actor_init_on_gpu --seed 1", "RUN --train.seed 1"),
    ],
)
def test_a_flag_that_is_gone_leaves_the_command_whole(before, after):
    assert Translation(before.replace("RUN", RUN)).result == after.replace("RUN", NEW_RUN)


# ── Flags that mean something else ──────────────────────────────────────────


@pytest.mark.parametrize(
    ("flags", "total", "answer"),
    [
        ("--prompt_max_len 512 --generate_max_len 256", 768, 256),
        ("--generate_max_len=256 --prompt_max_len=512", 768, 256),
        ("--prompt_max_len 512", 1536, 1024),  # the other one was 1024
        ("--generate_max_len 256", 1280, 256),
        ("--prompt_max_len 512 --generate_max_len 256 --max_len 4096", 768, 256),  # was only vLLM's limit
        ("--max_len 4096", 4096, None),
        ("--max_len 4096 --max_new_tokens 3000", 4096, 3000),
        ('--prompt_max_len "$P" --generate_max_len ${A:-256}', 768, 256),
    ],
)
def test_the_length_of_prompt_and_answer_are_one_now(values, flags, total, answer):
    got = values(f"{RUN} {flags}", P="512")
    assert (got["--data.max_len"], got["--rollout.max_new_tokens"]) == (total, answer)


@pytest.mark.parametrize(
    ("flags", "level", "mode", "threshold"),
    [
        ("--enable_vllm_is_correction", "token", "clip", [0.5, 5.0]),
        ("--enable_vllm_is_correction --vllm_is_correction_type tis", "token", "clip", [0.5, 5.0]),
        ("--vllm_is_correction_type icepop --enable_vllm_is_correction", "token", "mask", [0.5, 5.0]),
        ("--enable_vllm_is_correction --vllm_is_correction_type seq-mask-tis", "seq", "mask", [0.5, 5.0]),
        ("--enable_vllm_is_correction --vllm_is_correction_type mis", "seq", "mask", [0.5, 5.0]),  # 0.9.3
        ("--enable_vllm_is_correction --use_icepop --vllm_is_truncated_threshold 0.4 4", "token", "mask", [0.4, 4.0]),
        ("--enable_vllm_is_correction --vllm_is_truncated_threshold 2", "token", "clip", [2.0]),  # 0.9.0: from above
        ("--vllm_is_correction_type icepop", "off", "mask", [0.5, 5.0]),
        (
            "--algo.advantage.is_correction_enable --algo.advantage.is_correction_type icepop",
            "token",
            "mask",
            [0.5, 5.0],
        ),
    ],
)
def test_the_correction_is_a_level_and_a_mode_now(values, flags, level, mode, threshold):
    got = values(f"{RUN} {flags}")
    names = ("level", "mode", "threshold")
    assert [got[f"--algo.advantage.is_correction_{name}"] for name in names] == [level, mode, threshold]


def test_without_a_known_estimator_the_critic_gets_what_both_had(values):
    for estimator in ("", "--advantage_estimator gae", '--advantage_estimator "$E"'):
        got = values(f"{RUN} --lr_warmup_ratio 0.5 {estimator}", E="gae")
        assert got["--actor.lr_warmup_ratio"] == got["--critic.lr_warmup_ratio"] == 0.5


@pytest.mark.parametrize(
    ("flags", "told", "untold"),
    [
        ("--pretrain m", "--flash_attn was off until 0.8.9, now --ds.attn_implementation flash_attention_2", "--lambd"),
        ("--pretrain m", "--value_clip was 0.2 until 0.8.1, now --critic.value_clip 0.5", "--value_head_prefix"),
        (
            "--pretrain m --advantage_estimator rloo",
            "--bf16 was off until 0.9.1, now --ds.param_dtype bf16",
            "--value_clip",
        ),
        (
            "--best_metric_key x",
            "--micro_rollout_batch_size was 8 until 0.9.10, now --rollout.micro_batch_size 1",
            "--bf16",
        ),
        (
            "--pretrain_data x --use_kl_estimator_k3",
            "--lambd was 0.95 until 0.6.3, now --algo.advantage.lambd 1",
            "--input_template",
        ),
        ("--enable_vllm_is_correction", "--vllm_is_truncated_threshold was 2, from above only until 0.9.0", "--lambd"),
    ],
)
def test_defaults_that_have_changed_are_told_if_the_script_can_be_as_old(flags, told, untold):
    said = "\n".join(line for line in notes(f"{RUN} {flags}").splitlines() if "default has changed" in line)
    assert told in said and untold not in said


# ── With a design ───────────────────────────────────────────────────────────


def test_a_design_takes_the_place_of_the_estimator_and_of_what_it_makes_meaningless(run):
    flags = "--pretrain m --advantage_estimator group_norm --gamma 0.9 --critic_pretrain c --max_norm 2 --value_clip 1"
    translation = Translation(f"{RUN} {flags}", "my designs/k.yaml", ["k=8"])
    [words] = run(translation.result)
    assert words[3:] == [
        *("--actor.model_name_or_path", "m", "--advantage-design", "my designs/k.yaml", "--advantage-param", "k=8"),
        *("--actor.max_norm", "2"),
    ]
    said = notes(f"{RUN} {flags}", "d.yaml")
    for flag in ("--gamma 0.9", "--critic_pretrain c", "--value_clip 1"):
        assert f"{flag} is left out: it has no effect with a design" in said
    assert "in place of estimator" not in said


def test_a_design_stands_after_the_module_where_no_estimator_was_given(run):
    script = f"{RUN} \\\n  --pretrain m\n{RUN} --advantage_estimator rloo"
    assert [words[3:] for words in run(Translation(script, "d.yaml").result)] == [
        ["--advantage-design", "d.yaml", "--actor.model_name_or_path", "m"],
        ["--advantage-design", "d.yaml"],
    ]


# ── The command ─────────────────────────────────────────────────────────────


@pytest.fixture
def translate(tmp_path, capfdbinary):
    def call(script, *flags):
        path = tmp_path / "old.sh"
        path.write_bytes(script.encode() if isinstance(script, str) else script)
        status = main([str(path), *flags])
        out, err = capfdbinary.readouterr()
        return status, out, err.decode().replace(str(path), "old.sh")

    return call


def test_the_script_goes_to_standard_output_and_the_notes_to_the_other(translate):
    status, out, err = translate(
        f"# mine\n{RUN} --pretrain m --perf\n", "--design", "configs/passk.yaml", "--param", "k=2"
    )
    flags = "--advantage-design configs/passk.yaml --advantage-param k=2 --actor.model_name_or_path m"
    assert (status, out.decode()) == (0, f"# mine\n{NEW_RUN} {flags}\n")
    assert err.startswith("old.sh: a command starts passk_rlhf.train_ppo_ray; 2 flags have the names of 0.11.2\n")
    assert "old.sh:2: --perf is left out" in err


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        ("echo --pretrain m", (), "old.sh: no command in it starts openrlhf.cli.train_ppo_ray"),
        (b"\x7fELF\0\0", (), "old.sh: is no script: it has bytes of zero in it"),
        (RUN, ("--design", "none.yaml"), "none.yaml: cannot read the design"),
        (RUN, ("--design", "configs/passk.yaml", "--param", "j=1"), "no parameter 'j' to set"),
        (RUN, ("--param", "k=1"), "--param sets a parameter of a design: name one with --design"),
        (f"{RUN} {'${' * 4000}", (), "line 1: commands or quoted text more than 12 deep in each other"),
        (f"{RUN} {'A=(' * 4000}", (), "line 1: commands or quoted text more than 12 deep in each other"),
        ("$(" * 200, (), "line 1: commands or quoted text more than 12 deep in each other"),
        (" " * 100_001, (), "old.sh: longer than 100,000 bytes"),
    ],
)
def test_what_cannot_be_translated_is_said_in_a_line_and_nothing_is_written(translate, script, flags, message):
    status, out, err = translate(script, *flags)
    assert (status, out) == (1, b"") and err.startswith("python -m passk_rlhf.translate: error: ") and message in err


def test_a_file_that_is_not_there_is_said(capsys):
    assert main(["none.sh"]) == 1
    assert "none.sh: No such file or directory" in capsys.readouterr().err


def test_bytes_that_are_no_text_and_ends_of_lines_come_out_as_they_were(translate):
    script = f"# caf\xe9\r\n{RUN} --pretrain \\\r\n m\r\n".encode("latin-1")
    _, out, _ = translate(script)
    assert out == script.replace(b"openrlhf.cli", b"passk_rlhf").replace(b"--pretrain", b"--actor.model_name_or_path")


def test_a_fork_keeps_its_module_and_a_flag_of_its_own_stays(translate):
    _, out, err = translate("python -m my_fork.cli.train_ppo_ray_vl --pretrain m --their_own 3 --advantage-param k=1\n")
    assert out.decode() == (
        "python -m my_fork.cli.train_ppo_ray_vl --actor.model_name_or_path m --their_own 3 --advantage-param k=1\n"
    )
    assert "my_fork.cli.train_ppo_ray_vl is no module of OpenRLHF's: it stays" in err
    assert "--their_own is no flag of OpenRLHF's, then or now; it stays" in err and "--advantage-param is" not in err


def test_a_script_with_todays_flags_changes_in_its_module_alone(translate):
    script = f"{RUN} --actor.model_name_or_path m --algo.advantage.estimator rloo --use_ms --local_rank 0\n"
    status, out, err = translate(script)
    assert (status, out.decode()) == (0, script.replace(RUN, NEW_RUN)) and "; 0 flags have" in err


# Pieces of which scripts are made, well or badly.
PIECES = [
    RUN,
    "--pretrain m",
    "--perf",
    "--l2",
    "--bf16",
    "'",
    '"',
    "$(",
    ")",
    "${",
    "}",
    "`",
    "\\\n",
    "\n",
    "<<EOF",
    "EOF",
]
PIECES += ["A=(", 'A="', "$A", "#", ";", "&&", "((", "))", "<(", "|", "--max_norm=1", "read A", "\\", " ", "\r\n", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))
def test_whatever_the_script_is_it_is_translated_or_refused_in_a_line(script):
    try:
        translation = Translation(script)
    except ShellError as error:
        assert "\n" not in str(error)
        return
    if not translation.commands:
        assert translation.result == script
    # Nothing but flags, their values and the module is changed: what is left without them is the same.
    quiet = [word for word in script.split() if word in ("A=(", "$A", "EOF", "&&", "((", "|")]
    assert [word for word in translation.result.split() if word in quiet] == quiet
