"""Files that are none, that lie elsewhere, or hold what no writer of theirs would write: designs, rewards, metrics."""

import json
import os
import re
import time

import pytest
from samples import CONFIGS

import shaping
from passk_rlhf import history, inspect
from passk_rlhf.history import HistoryError, read_history
from shaping.cli import main
from shaping.errors import DesignError
from shaping.groups.exact import advantages
from shaping.trials import records
from shaping.trials.records import read_records

DESIGN = "advantage: r - mean(r)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, with a secret outside of it."""
    (tmp_path / "secret.yaml").write_text("secret: 1\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def refused(path="d.yaml"):
    began = time.process_time()
    with pytest.raises(DesignError) as error:
        shaping.load(path)
    assert time.process_time() - began < 2 and "secret: 1" not in str(error.value)
    return str(error.value).split("\n")[0]


def uses(name):
    return f"use: {{x: {json.dumps(str(name))}}}\nadvantage: x\n"


# ---------------------------------------------------------------- what is opened


def test_a_device_is_not_read_and_a_pipe_is_not_waited_for(folder):
    os.mkfifo("pipe.yaml")
    assert refused("pipe.yaml") == "pipe.yaml: cannot read the design: it is no regular file"
    assert refused("/dev/zero") == "/dev/zero: cannot read the design: it is no regular file"


def test_a_pipe_that_is_used_or_claimed_about_is_not_waited_for(folder, capsys):
    os.mkfifo("pipe.yaml")
    (folder / "d.yaml").write_text(uses("pipe.yaml"))
    assert refused() == "d.yaml:1:11: there is no design 'pipe.yaml'"
    (folder / "d.yaml").write_text(DESIGN + "claims: [equals: pipe.yaml]\n")
    assert main(["test", "d.yaml"]) == 1
    assert "d.yaml:2:18: there is no design 'pipe.yaml'" in capsys.readouterr().out


def test_of_a_large_file_no_more_is_read_than_a_design_may_have(folder):
    with open("d.yaml", "wb") as file:
        file.truncate(10 * 2**30)  # ten gigabytes of zeros, of which the disk keeps none
    assert refused() == "d.yaml: longer than 64,000 characters; a design is a page of formulas"


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32-be", "latin-1"])
def test_text_in_another_coding_is_refused(coding, folder):
    (folder / "d.yaml").write_bytes((DESIGN + "# é").encode(coding))
    assert re.match(r"d.yaml(: cannot read the design: not a file of UTF-8 text|:1:\d: not YAML: )", refused())


def test_a_name_that_is_no_text_is_shown_as_far_as_it_can_be(folder, capsys):
    path = os.fsdecode(b"\xff.yaml")
    (folder / path).write_text("advantage: nope\n")
    assert main(["check", path]) == 1
    assert "unknown name 'nope' in 'advantage'" in capsys.readouterr().out


# ---------------------------------------------------------------- what is used


@pytest.mark.parametrize(
    "name", ["../secret.yaml", "../here/../secret.yaml", "/etc/passwd", "..", "link.yaml", "up/secret.yaml"]
)
@pytest.mark.parametrize("text", [uses, lambda name: f"{DESIGN}claims: [equals: {name}]\n"], ids=["use", "equals"])
def test_nothing_outside_the_folder_is_opened(name, text, folder, capsys):
    os.symlink("../secret.yaml", "link.yaml")
    os.symlink("..", "up")
    (folder / "d.yaml").write_text(text(name))
    assert main(["test", "d.yaml"]) == 1
    out = capsys.readouterr().out
    assert f"{name!r} is outside the folder of the design" in out and "secret: 1" not in out and "root:" not in out


def test_a_link_within_the_folder_is_followed_and_a_circle_of_links_is_no_file(folder):
    (folder / "below").mkdir()
    (folder / "below" / "base.yaml").write_text(DESIGN)
    os.symlink("below/base.yaml", "link.yaml")
    os.symlink("loop.yaml", "loop.yaml")
    (folder / "d.yaml").write_text(uses("link.yaml"))
    shaping.load("d.yaml").check(4)
    (folder / "d.yaml").write_text(uses("loop.yaml"))
    assert refused() == "d.yaml:1:11: there is no design 'loop.yaml'"


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5_000, "a/" * 3_000 + "b.yaml", "", ".", "below"])
def test_a_name_that_no_file_has_is_not_there(name, folder):
    (folder / "below").mkdir()
    (folder / "d.yaml").write_text(uses(name))
    assert re.match(r"d.yaml:1:\d+: there is no design ", refused())


def test_a_chain_of_a_thousand_designs_ends_at_the_ninth(folder):
    for i in range(1_000):
        (folder / f"c{i}.yaml").write_text(uses(f"c{i + 1}.yaml"))
    assert refused("c0.yaml") == "c8.yaml:1:11: more than 8 designs, each using the next"


def test_a_chain_of_eight_is_a_design_and_so_is_what_it_is_resolved_to(folder):
    text = "params: {{k: 1}}\nuse: {{x: {{design: c{}.yaml, params: {{k: k + 1}}}}}}\nadvantage: x + k\n"
    for i in range(8):
        (folder / f"c{i}.yaml").write_text(text.format(i + 1))
    (folder / "c8.yaml").write_text("params: {k: 1}\nadvantage: k * correct\n")
    design = shaping.load("c0.yaml", k=2)
    for each in (design, shaping.loads(design.resolved, "c0.yaml")):
        # k is 2 in the first, 3 in the next .., 10 in the last: 2 + 3 + .. + 9 = 44, and 10 for a correct answer
        assert advantages(each, [1, 0]) == [54, 44]


def test_designs_that_use_the_next_twice_are_counted(folder):
    for i in range(8):
        (folder / f"c{i}.yaml").write_text(f"use: {{x: c{i + 1}.yaml, y: c{i + 1}.yaml}}\nadvantage: x + y\n")
    (folder / "c8.yaml").write_text(DESIGN)
    assert re.match(r"c\d.yaml:1:\d+: more than 64 used designs in all", refused("c0.yaml"))


def test_used_designs_are_no_longer_than_a_design_together(folder):
    (folder / "long.yaml").write_text(DESIGN + "#" * 40_000)
    (folder / "d.yaml").write_text("use: {x: long.yaml, y: long.yaml}\nadvantage: x + y\n")
    assert refused() == "d.yaml:1:24: the designs that it uses have more than 64,000 characters in all"


def test_what_a_run_would_send_on_is_no_longer_than_a_design(folder):
    # A short line of the used file is twice as long once it stands in quotes.
    (folder / "many.yaml").write_text("let:\n" + "".join(f" a{i}: {'1' * 17}\n" for i in range(2_400)) + DESIGN)
    (folder / "d.yaml").write_text(uses("many.yaml"))
    assert refused() == "d.yaml: longer than 64,000 characters with the designs that it uses written into it"


# ---------------------------------------------------------------- rewards and metrics

DEEP = "[" * 100_000
REWARDS = {
    "brackets in brackets": ('{"rewards": ' + DEEP, ":1: brackets nested too deep"),
    "a whole number of 5,000 digits": (
        '{"rewards": [1, ' + "9" * 5_000 + "]}",
        ":1: a whole number of thousands of digits",
    ),
    "a whole number no float holds": ('{"rewards": [1, ' + "9" * 400 + "]}", ":1: rewards[1] is 9999"),
    "infinity": ('{"rewards": [1, -Infinity]}', ":1: rewards[1] is -Infinity, not a number"),
    "a number that is infinite": ('{"rewards": [1, 1e400]}', ":1: rewards[1] is Infinity, not a number"),
    "a list for a number": ('{"rewards": [1, [[2]]]}', ":1: rewards[1] is [[2]], not a number"),
    "a long word for a number": ('{"rewards": [1, "' + "x" * 10**5 + '"]}', ':1: rewards[1] is "xxx'),
    "a list for a group": ("[1, 0]", ':1: a group is {"rewards": [...]}'),
    "half of a character for a name": ('{"rewards": [1, 0], "\\ud800": [1]}', ":1: '\\ud800' is no list of 2 numbers"),
    "the same twice": ('{"rewards": [1, 0], "length": [1, 2], "lengths": [1, 2]}', ":1: 'lengths' is there besides"),
    "rewards under two names": ('{"rewards": [1, 0], "reward": [1, 2]}', ":1: 'reward' is there besides"),
    "a step of 400 digits": ('{"rewards": [1, 0], "step": ' + "9" * 400 + "}", ":1: step is 9999"),
    "a step that is a list": ('{"rewards": [1, 0], "step": [1]}', ":1: step is [1], not a whole number"),
    "a zero byte": ('{"rewards": [1, 0]}\0', ":1:20: the line is cut off"),
    "zero bytes alone": ("\0" * 5_000, ":1:1: the line is cut off"),
    "a byte order mark": ('\ufeff{"rewards": [1, 0]}', ":1:1: "),
    "a long line": ('{"rewards": [' + "1," * 10**6, ":1: a line of more than 1,000,000 characters"),
    "nothing": ("", ": there is no group in it"),
}


@pytest.mark.parametrize("what", REWARDS)
def test_rewards_that_cannot_be_are_one_line_with_their_place(what, tmp_path, capsys):
    text, expected = REWARDS[what]
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    began = time.process_time()
    assert main(["diagnose", str(path), str(CONFIGS / "grpo.yaml")]) == 1
    assert time.process_time() - began < 2
    error = capsys.readouterr().err
    assert error.startswith(f"{path}{expected}") and error.count("\n") == 1 and len(error) < 400


@pytest.mark.parametrize("path", ["/dev/zero", "."])
def test_rewards_and_metrics_are_read_from_files_alone(path):
    with pytest.raises(DesignError, match="cannot read the rewards: (it is no regular file|Is a directory)"):
        read_records(path)
    with pytest.raises(HistoryError, match="no metrics.jsonl here or in model/"):
        read_history(path)


def test_a_file_of_more_numbers_than_fit_is_refused_where_they_become_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_NUMBERS", 10)
    path = tmp_path / "r.jsonl"
    path.write_text('{"rewards": [1, 0, 1, 0]}\n' * 4)
    with pytest.raises(DesignError, match=r"r\.jsonl:3: more than 10 numbers: take fewer lines of it$"):
        read_records(str(path))


METRICS = {
    "brackets in brackets": ('{"kind": "train", "step": ' + DEEP + "\n", ":1: no metrics of a step: "),
    "an infinite step": ('{"kind": "train", "step": 1e999}\n', ":1: no metrics of a step: "),
    "a step of 400 digits": ('{"kind": "train", "step": ' + "9" * 400 + "}\n", ":1: no metrics of a step: "),
    "a step of 5,000 digits": ('{"kind": "train", "step": ' + "9" * 5_000 + "}\n", ":1: no metrics of a step: "),
    "a negative step": ('{"kind": "train", "step": -1}\n', ":1: no metrics of a step: "),
    "a step that is no number": ('{"kind": "train", "step": null}\n', ":1: no metrics of a step: "),
    "a list": ("[1]\n", ":1: no metrics of a step: '[1]'"),
    "a word": ('"train"\n', ":1: no metrics of a step: "),
    "zero bytes": ("\0\0\n", ":1: no metrics of a step: "),
    "a long line": ("[" + "1," * 10**6, ":1: a line of more than 1,000,000 characters"),
    "nothing": ("", ": no training step in it yet"),
    "an evaluation alone": ('{"kind": "eval", "step": 1}\n', ": no training step in it yet"),
}


@pytest.mark.parametrize("what", METRICS)
def test_metrics_that_cannot_be_are_one_line_with_their_place(what, tmp_path, capsys):
    text, expected = METRICS[what]
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    began = time.process_time()
    assert inspect.main([str(path)]) == 1
    assert time.process_time() - began < 2
    error = capsys.readouterr().err
    assert error.startswith(f"{path}{expected}") and error.count("\n") == 1


def test_metrics_beyond_every_float_are_left_out_of_means_as_infinite_ones_are(tmp_path, capsys):
    lines = [
        '{"kind": "train", "step": 1, "rollout/pass1": ' + "9" * 400 + ', "timing/step_total": -1e308, "x": [1]}',
        '{"kind": "train", "step": 2, "rollout/pass1": 0.5, "timing/step_total": 1e308, "rollout/passing": 1}',
        '{"kind": ["train"], "step": 2, "rollout/pass1": NaN}',
        '{"kind": "train", "step": 3, "rollout/pass' + "9" * 5_000 + '": 1, "rollout/pass1": 0.25}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert inspect.main([str(tmp_path), "-o", str(tmp_path / "x.svg")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[2].split() == ["pass@1", "0.375", "±0.125", "0.375", "±0.125"]
    assert not any("pass@9" in line or "passing" in line for line in shown)


def test_metrics_of_more_numbers_than_fit_are_refused_where_they_become_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "MAX_NUMBERS", 3)
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "a": 1, "b": 2}\n' * 4)
    with pytest.raises(HistoryError, match=r"metrics\.jsonl:2: more than 3 numbers: take a part of it$"):
        read_history(tmp_path)
