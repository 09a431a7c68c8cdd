import json
import subprocess
import threading
import time

import pytest

from passk_rlhf import quickstart

TRAIN = {
    "kind": "train",
    "step": 3,
    "rollout/reward_mean": 0.25,
    "rollout/pass8": 0.5,
    "design/effective": 0.375,
}
EVAL = {"kind": "eval", "step": 20, "eval_maze_pass8": 0.71, "eval_maze_pass1": 0.4, "eval_truncated_rate": 0.0}


def test_lines_are_followed_whole_while_they_are_written_and_to_the_end(tmp_path):
    path = tmp_path / "metrics.jsonl"

    def write():
        time.sleep(0.2)
        with path.open("w") as file:
            for part in ('{"a": 1}\n{"a"', ": 2}\n", '{"a": 3}\n'):
                file.write(part)
                file.flush()
                time.sleep(0.7)

    writer = threading.Thread(target=write)
    writer.start()
    assert [line["a"] for line in quickstart.follow(path, writer.is_alive)] == [1, 2, 3]


def test_a_job_that_ends_without_metrics_gives_no_lines(tmp_path):
    assert list(quickstart.follow(tmp_path / "none.jsonl", lambda: False)) == []


def test_a_step_and_an_evaluation_are_told_in_a_line_each():
    assert quickstart.describe(TRAIN) == "reward 0.250  pass@8 0.500  effective groups 38%"
    nothing = TRAIN | {"rollout/pass8": None, "rollout/reward_mean": None}  # null: answers were left out
    assert quickstart.describe(nothing) == "reward none  pass@8 none  effective groups 38%"
    assert quickstart.describe({"kind": "train"}) == "reward none  pass@8 none  effective groups none"
    assert quickstart.describe(EVAL) == "held-out mazes: pass@1 0.400  pass@8 0.710"


def test_the_plot_starts_at_the_measured_policy_and_follows_the_evaluations(tmp_path, monkeypatch):
    from matplotlib import pyplot

    (tmp_path / "model").mkdir()
    lines = [TRAIN, EVAL, EVAL | {"step": 40, "eval_maze_pass8": 0.8, "eval_maze_pass1": 0.5}]
    (tmp_path / "model" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn = []
    monkeypatch.setattr(pyplot, "close", drawn.append)
    quickstart.plot(tmp_path, "passk", {1: 0.3, 8: 0.6})
    (axes,) = drawn[0].axes
    curves = {
        text.get_text(): list(zip(*line.get_data(), strict=True))
        for line, text in zip(axes.lines, axes.texts, strict=True)
    }
    assert curves == {
        "Pass@1": [(0, 0.3), (20, 0.4), (40, 0.5)],
        "Pass@8": [(0, 0.6), (20, 0.71), (40, 0.8)],
    }
    assert (tmp_path / "pass.png").stat().st_size > 10_000


def test_the_command_is_the_launchers_with_a_design(tmp_path):
    options = quickstart.read_options(["--param", "k=2", "--steps", "5"])
    command = quickstart.training_command(options, tmp_path)
    assert command[1:7] == [
        "-m",
        "passk_rlhf.train_ppo_ray",
        "--advantage-design",
        "configs/passk.yaml",
        "--advantage-param",
        "k=2",
    ]
    assert command[command.index("--rollout.n_samples_per_prompt") + 1] == "16"


def test_a_wrong_parameter_is_said_before_anything_is_written(tmp_path):
    from shaping import DesignError

    with pytest.raises(DesignError, match="k = 17 is outside 1..16"):
        quickstart.main(["--param", "k=17", "--out", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


def test_the_command_that_is_kept_can_be_run_again_whatever_the_folders_name(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(quickstart, "measure", lambda *args: {})
    monkeypatch.setattr(quickstart, "train_policy", lambda command, run, steps: given.append((command, run)))
    assert quickstart.main(["--out", str(tmp_path / "it's $HOME"), "--steps", "1", "--mazes", "1"]) == 1
    ((command, run),) = given
    said = subprocess.run(["bash", "-c", f"printf '%s\\n' {(run / 'command.txt').read_text()}"], capture_output=True)
    assert said.stdout.decode().splitlines() == command and "it's $HOME" in str(run)
