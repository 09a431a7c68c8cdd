"""Metrics of runs, read back: tables and curves by hand, and files that are empty, cut off or no metrics."""

import json
import math

import pytest
import torch

from passk_rlhf.history import HistoryError, read_history
from passk_rlhf.inspect import main, read_runs, table
from passk_rlhf.metrics import MetricsFile, step_metrics
from passk_rlhf.run_plots import draw, smoothed


def line(step, kind="train", **numbers):
    return json.dumps({"kind": kind, "step": step, "time": 1.0, **numbers}) + "\n"


@pytest.fixture
def run(tmp_path):
    """Write a run: name, and the value of pass1 for each step."""

    def write(name, values, more=""):
        folder = tmp_path / name / "model"
        folder.mkdir(parents=True)
        names = ("rollout/pass1", "rollout/pass8", "design/effective", "timing/generation")
        steps = (line(i, **dict.fromkeys(names, value)) for i, value in enumerate(values, 1))
        (folder / "metrics.jsonl").write_text("".join(steps) + more)
        return str(tmp_path / name)

    return write


def test_the_first_and_the_last_steps_with_their_standard_error(run):
    runs = read_runs(run("a", [0.0, 1.0, *[0.5] * 18]))
    # first ten: 0, 1 and eight times 0.5: standard deviation sqrt(0.5 / 9), error sqrt(0.5 / 90)
    assert runs.mean("rollout/pass1", runs.steps[:10]) == (0.5, pytest.approx(math.sqrt(0.5 / 90)))
    text = table([runs])
    assert text.splitlines()[1].split() == ["steps", "1-10", "11-20"]
    assert text.splitlines()[2].split() == ["pass@1", "0.500", "±0.075", "0.500", "±0.000"]
    assert "all wrong" not in text  # a metric that the run does not have


def test_seeds_are_averaged_and_the_error_is_between_them(run):
    first, second = run("a", [0.2] * 12), run("b", [0.4] * 11)
    runs = read_runs(f"passk={first},{second}")
    assert runs.steps == list(range(1, 12))  # what both have done
    assert runs.mean("rollout/pass1", runs.steps) == (pytest.approx(0.3), pytest.approx(0.1))
    assert table([runs]).splitlines()[0].strip() == "passk, 2 seeds"


def test_exploration_stands_in_the_table_and_in_a_panel_of_its_own(tmp_path):
    names = {"explore/distinct_wrong": 0.75, "explore/surprisal_correct": 0.25, "explore/surprisal_wrong": None}
    (tmp_path / "metrics.jsonl").write_text("".join(line(i, **names) for i in (1, 2, 3)))
    runs = read_runs(str(tmp_path))
    assert [row.split() for row in table([runs]).splitlines()[2:]] == [
        ["distinct", "0.750", "±0.000", "0.750", "±0.000"],
        ["nats", "right", "0.250", "±0.000", "0.250", "±0.000"],
    ]
    panel = draw([runs]).axes[3]
    assert panel.get_ylabel() == "exploration"
    assert {drawn.get_label(): drawn.get_ydata()[0] for drawn in panel.get_lines()} == {
        "distinct wrong": 0.75,
        "nats right": 0.25,
    }


def test_runs_stand_side_by_side_on_the_same_axes(run):
    found = [read_runs(run("a", [0.1, 0.2, 0.3])), read_runs(run("b", [0.5, 0.6]))]
    figure = draw(found)
    assert len(figure.axes) == 8
    top = figure.axes[:2]
    assert [axes.get_title() for axes in top] == ["a", "b"] and top[0].get_ylim() == top[1].get_ylim()
    lines = {drawn.get_label(): drawn for drawn in top[0].get_lines()}
    assert list(lines["pass@1"].get_ydata()) == pytest.approx([0.1, 0.15, 0.2])  # of the window that ends there
    assert list(lines) == ["pass@1", "pass@8"]
    figure.draw_without_rendering()
    legends = [axes.get_legend().get_window_extent() for axes in figure.axes if axes.get_legend()]
    panels = [axes.get_window_extent() for axes in figure.axes]
    for legend in legends:
        assert not any(legend.x0 < panel.x1 and panel.x0 < legend.x1 and legend.overlaps(panel) for panel in panels)


def test_a_step_that_was_done_again_after_a_resume_counts_once(run):
    history = read_history(run("a", [0.1, 0.2], more=line(2, **{"rollout/pass1": 0.9})))
    assert history.steps == [1, 2] and history.column("rollout/pass1") == [0.1, 0.9]


def test_a_step_without_a_number_is_no_point(run):
    runs = read_runs(run("a", [0.1], more=line(2) + line(3, **{"rollout/pass1": 0.3})))
    assert smoothed(runs, "rollout/pass1") == ([1, 2, 3], pytest.approx([0.1, 0.1, 0.2]), pytest.approx([0, 0, 0.1]))


def test_what_a_run_writes_of_steps_that_have_no_number_is_read_back(tmp_path, capsys):
    file = MetricsFile(tmp_path / "lr=1e-6,k=4" / "model" / "metrics.jsonl")
    correct_PN, none_PN = torch.tensor([[True, False], [False, False]]), torch.zeros(2, 2, dtype=torch.bool)
    file.log_train(1, step_metrics(correct_PN, torch.tensor([[1.0, -1.0], [0.0, 0.0]])))
    file.log_train(2, step_metrics(correct_PN, torch.zeros(2, 2), none_PN))  # every answer was left out: no pass@1
    file.log_train(3, {"rollout/num_samples": 0.0})  # trained nothing
    file.close()
    assert (
        json.loads((tmp_path / "lr=1e-6,k=4/model/metrics.jsonl").read_text().splitlines()[1])["rollout/pass1"] is None
    )
    assert main([str(tmp_path / "lr=1e-6,k=4"), "-o", str(tmp_path / "runs.html")]) == 0
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("pass@1"))
    assert row == ["pass@1", "0.250", "0.250"] and "lr=1e-6,k=4" in out  # of the one step that has it


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_the_command_prints_the_table_and_writes_curves(suffix, run, tmp_path, capsys):
    out = tmp_path / f"runs.{suffix}"
    assert main([run("a", [0.1, 0.2]), f"b={run('c', [0.3])}", "-o", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"\n\n{out}\n")
    text = out.read_bytes()
    assert text.startswith(b"\x89PNG" if suffix == "png" else b"<!doctype html>")
    assert suffix == "png" or (b"<pre>" in text and b"data:image/png;base64," in text and b"http" not in text)


def test_a_line_that_is_still_being_written_is_left_out_and_said(run, capsys):
    folder = run("a", [0.1, 0.2], more='{"kind": "train", "st')
    assert main([folder]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"{folder}/model/metrics.jsonl: its last line is only half there, and left out\n"
    assert "1-2" in captured.out


def test_what_cannot_be_read_is_one_line_and_nothing_is_overwritten(run, tmp_path, capsys):
    out = tmp_path / "old.png"
    out.write_text("old")
    empty, broken = run("empty", []), run("broken", [0.1], more="oh\n" + line(3))
    other = tmp_path / "other"
    other.mkdir()
    for arguments, expected in (
        ([empty], f"{empty}/model/metrics.jsonl: no training step in it yet\n"),
        ([broken], f"{broken}/model/metrics.jsonl:2: no metrics of a step: 'oh'\n"),
        ([str(other)], f"{other}: no metrics.jsonl here or in model/\n"),
        ([f"a={empty},"], f"a={empty},: write a folder, or NAME=FOLDER,FOLDER\n"),
    ):
        assert main([*arguments, "-o", str(out)]) == 1
        assert capsys.readouterr().err == expected
    assert main([run("fine", [0.1]), "-o", str(tmp_path / "none" / "x.png")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert out.read_text() == "old"
    with pytest.raises(HistoryError, match="no step that all of its seeds have done"):
        read_runs(f"x={run('one', [0.1])},{run('late', [], more=line(9))}")
