"""Rewards that somebody already has: what designs would do with them, and what is wrong with the file."""

import json

import pytest
import torch
from samples import CONFIGS

import shaping
from passk_rlhf.dump import dump_groups
from shaping.cli import main
from shaping.errors import DesignError
from shaping.trials.diagnose import fails, use
from shaping.trials.records import read_records

GRPO, PASSK, RLOO = (CONFIGS / f"{name}.yaml" for name in ("grpo", "passk", "rloo"))
# p = 0, 1/4, 3/4 and 1
FOUR = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.fixture
def rewards(tmp_path):
    def write(lines):
        path = tmp_path / "rewards.jsonl"
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return str(path)

    return write


def test_shares_and_where_the_push_goes_by_hand(rewards):
    records = read_records(rewards([{"rewards": group} for group in FOUR]))
    found = use(shaping.load(RLOO), records, 1)
    # eta of RLOO = 2 n_pos n_neg / (N - 1) = 2 and 2; GRPO: 2 sqrt(n_pos n_neg) = 2 sqrt 3 each
    assert (found.all_wrong, found.silent, found.effective) == (0.25, 0.5, 0.5)
    assert found.spread == pytest.approx(16 / (4 * 8)) and found.scale == pytest.approx(3**-0.5)
    assert (found.hard, found.middle, found.easy) == (0, 1, 0)  # 1/4 and 3/4 are in the middle
    passk = use(shaping.load(PASSK, k=2), records, 1)
    assert passk.silent == 0.75 and passk.spread == 0.25  # n_pos = 3 has one wrong answer: no draw of 2 fails


def test_groups_of_one_step_are_a_batch_and_sizes_may_differ(rewards):
    lines = [{"rewards": [1, 0], "step": 0}, {"rewards": [1, 0, 0], "step": 0}, {"rewards": [1, 1], "step": 3}]
    records = read_records(rewards(lines))
    assert [(record.step, tuple(record.reward_PN.shape)) for record in records] == [
        (0, (1, 2)),
        (0, (1, 3)),
        (3, (1, 2)),
    ]
    assert use(shaping.load(GRPO), records, 4).effective == pytest.approx(2 / 3)


def test_the_command_prints_the_figures_and_what_stands_out(rewards, capsys):
    path = rewards([{"rewards": group} for group in [*FOUR, *[[0, 0, 0, 0]] * 4]])
    assert main(["diagnose", path, str(GRPO), str(PASSK), "--param", "k=2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"{path}: 8 groups of 4 answers\nrewards 0 and 1 alone, mean 0.25; all alike in 75% of the groups\n"
    )
    row = next(line.split() for line in out.splitlines() if line.startswith("passk"))
    assert row == ["passk", "62%", "88%", "12%", "12%", "0%", "100%", "0%", "0.289"]
    assert "- 62% of the groups have no correct answer" in out and "- grpo uses most of this data: 25%" in out


def test_a_script_can_fail_on_a_figure(rewards, capsys):
    path = rewards([{"rewards": group} for group in FOUR])
    assert main(["diagnose", path, str(GRPO), "--fail-on", "silent>0.4", "--fail-on", "scale<1"]) == 1
    assert capsys.readouterr().err == "failed: grpo: silent is 0.5, silent>0.4\n"
    assert main(["diagnose", path, str(GRPO), "--fail-on", "silent>0.5"]) == 0
    with pytest.raises(DesignError, match="^fail_on quiet>1: write all_wrong, silent, effective"):
        fails([], ["quiet>1"])


def test_a_design_of_lengths_reads_them_from_the_file(rewards, capsys):
    lines = [{"rewards": [1, 1, 0, 0], "lengths": [10, 20, 30, 40]}, {"rewards": [1, 1, 1, 1], "lengths": [9, 9, 9, 9]}]
    assert main(["diagnose", rewards(lines), str(CONFIGS / "kimi_length.yaml")]) == 0
    lines[1].pop("lengths")
    assert main(["diagnose", rewards(lines), str(CONFIGS / "kimi_length.yaml")]) == 1
    assert "design 'kimi_length' reads 'length' of every answer, and not every line has it" in capsys.readouterr().err


# ── Answers without a reward ────────────────────────────────────────────────

DROP = """name: {name}
on_missing: drop
{text}
"""


@pytest.fixture
def dropping(tmp_path):
    """GRPO, and one that reads lengths, with on_missing: drop."""
    found = []
    for name, text in (
        ("grpo_drop", "advantage: {each: (r - mean(r)) / std(r), flat: 0}"),
        ("short", "advantage: correct * (mean(length) - length)"),
    ):
        (tmp_path / f"{name}.yaml").write_text(DROP.format(name=name, text=text))
        found.append(str(tmp_path / f"{name}.yaml"))
    return found


def test_a_design_that_drops_leaves_out_the_answer_alone(rewards, dropping):
    # Of 1, 0, 0: eta = 2 sqrt(1 * 2) = 2 sqrt 2. Of two that are alike, of one and of none: nothing.
    groups = [[1, None, 0, 0], [1, 1, None, None], [None, None, 0, None], [None] * 4]
    found = use(shaping.load(dropping[0]), read_records(rewards([{"rewards": group} for group in groups])), 1)
    assert (found.silent, found.effective, found.left_out) == (0.75, 0.25, 0)
    assert found.all_wrong == 0.25  # the third; in the fourth nobody answered
    assert (found.hard, found.middle, found.easy) == (0, 1, 0)  # 1/3 of those that are there
    assert found.scale == 1 and found.spread == 0.25


def test_a_design_that_does_not_drop_is_shown_for_whole_groups_and_says_how_many_are_not(rewards, dropping, capsys):
    path = rewards([{"rewards": group} for group in [*FOUR, [1, None, 0, 0], [0, 0, None, None]]])
    assert main(["diagnose", path, str(GRPO), dropping[0]]) == 0
    out = capsys.readouterr().out
    assert f"{path}: 6 groups of 4 answers\nno reward (null): 3 of 24 answers, in 2 groups\n" in out
    assert "rewards 0 and 1 alone, mean 0.429; all alike in 50% of the groups" in out  # 9 of 21; two, and one of zeros
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith("grpo")}
    assert rows["grpo"][1:4] == ["25%", "50%", "50%"]  # of FOUR
    assert rows["grpo_drop"][1:4] == ["33%", "50%", "50%"]  # of all six
    assert "- grpo: 2 groups are not in its figures, an answer lacks what it reads. A run would end there" in out
    assert "grpo_drop: 2 groups" not in out


def test_what_a_run_keeps_of_answers_without_reward_is_read_back(tmp_path, dropping, capsys):
    nan, path = float("nan"), tmp_path / "rewards.jsonl"
    columns = {
        "rewards": torch.tensor([[1.0, nan, 0.0], [float("inf"), nan, nan]]),
        "scores": torch.tensor([[1.0, nan, 0.0], [1.0, nan, nan]]),
        "length": torch.tensor([[10.0, 20.0, 30.0], [1.0, 2.0, 3.0]]),
        "logprob": torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -2.0, nan]]),
    }
    dump_groups(str(path), 3, ["one", "two"], columns)
    [record] = read_records(str(path))
    assert record.step == 3 and record.signals.keys() == {"length", "logprob"}
    assert record.reward_PN.nan_to_num(-1).tolist() == [[1, -1, 0], [-1, -1, -1]]
    assert record.score_PN.nan_to_num(-1).tolist() == [[1, -1, 0], [1, -1, -1]]
    assert main(["diagnose", str(path), *dropping]) == 0
    assert "no reward (null): 4 of 6 answers, in 2 groups" in capsys.readouterr().out


def test_a_signal_that_an_answer_lacks_counts_only_for_designs_that_read_it(rewards, dropping):
    lines = [{"rewards": [1, 1, 0], "length": [10, None, 40]}, {"rewards": [1, 1, 0], "length": [10, 30, 50]}]
    records = read_records(rewards(lines))
    assert use(shaping.load(GRPO), records, 1).left_out == 0
    assert use(shaping.load(dropping[1]), records, 1).effective == 1
    assert use(shaping.load(CONFIGS / "kimi_length.yaml"), records, 1).left_out == 1


def test_the_half_line_of_a_run_that_was_killed_is_left_out_and_said(rewards, tmp_path, capsys):
    path = rewards([{"rewards": [1, 0, 0, 0]}])
    with open(path, "a") as file:
        file.write('{"rewards": [1, 1, 0')
    assert main(["diagnose", path, str(GRPO)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{path}: 1 groups of 4 answers")
    assert captured.err == f"{path}:2: the last line is only half there, and left out\n"


BROKEN = {
    "nothing": ([], ": there is no group in it"),
    "a cut line": (
        ['{"rewards": [1, 0]}', '{"rewards": [1,'],
        ":2:16: the line is cut off: is a run still writing it?",
    ),
    "no JSON": (["rewards", '{"rewards": [1, 0]}'], ":1:1: not JSON"),
    "no rewards": ([{"reward": [1, 0]}], ':1: a group is {"rewards": [...]}'),
    "one answer": ([{"rewards": [1]}], ":1: 1 rewards: a group has at least two answers"),
    "no answer has a number": (
        [{"rewards": [None, None]}],
        ": design 'passk': in each of the 1 groups an answer lacks",
    ),
    "a word": ([{"rewards": [1, "x"]}], ':1: rewards[1] is "x", not a number'),
    "not a number": (['{"rewards": [1, NaN]}'], ":1: rewards[1] is NaN, not a number"),
    "too few lengths": ([{"rewards": [1, 0], "length": [3]}], ":1: 'length' is no list of 2 numbers"),
    "a step that is none": ([{"rewards": [1, 0], "step": -1}], ":1: step is -1, not a whole number"),
    "graded rewards of a counting design": ([{"rewards": [0.5, 0]}], ": design 'passk': reward 0.5"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line_that_names_its_place(case, rewards, capsys):
    lines, expected = BROKEN[case]
    path = rewards(lines)
    assert main(["diagnose", path, str(PASSK), "--param", "k=2"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{path}{expected}") and captured.out == ""


def test_a_file_that_is_not_there_is_named(capsys):
    assert main(["diagnose", "none.jsonl", str(GRPO)]) == 1
    assert capsys.readouterr().err == "none.jsonl: cannot read the rewards: No such file or directory\n"
