"""A file of JSON lines holds whole lines only: after a full disk, a kill in the middle of a write, and a resume."""

import errno
import json
import multiprocessing
import os
import resource
import signal
import time

import pytest

from passk_rlhf.history import read_history
from passk_rlhf.leftovers import copy_apart, drop_from_step
from passk_rlhf.lines import CHUNK, LineFile
from passk_rlhf.metrics import MetricsFile
from passk_rlhf.resume import ResumeError


def test_lines_are_appended_to_what_is_there(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    for text in ("é\n", "b"):
        file = LineFile(path)
        file.append([{"x": text}, {"y": 1}])
        file.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"x": "é\n"},
        {"y": 1},
        {"x": "b"},
        {"y": 1},
    ]


@pytest.mark.parametrize("whole", [b"", b'{"step": 1}\n'])
@pytest.mark.parametrize("half", [b"", b'{"st', b"x" * (2 * CHUNK + 5)])
def test_half_a_line_at_the_end_is_cut_off_when_the_file_is_opened(tmp_path, whole, half):
    path = tmp_path / "a.jsonl"
    path.write_bytes(whole + half)
    LineFile(path).close()
    assert path.read_bytes() == whole


def write_beyond_the_limit(path, outcome):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = LineFile(path)
    file.append([{"step": 1}])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # room for a part of the next line, as on a full disk
    try:
        file.append([{"step": 2, "text": "x" * 200}])
    except OSError as error:
        outcome.put((error.errno, error.filename))
    file.append([{"step": 3}])


def test_a_line_that_the_disk_has_no_room_for_is_taken_back_and_the_file_is_named(tmp_path):
    path, context = tmp_path / "a.jsonl", multiprocessing.get_context("fork")
    outcome = context.Queue()
    process = context.Process(target=write_beyond_the_limit, args=(path, outcome))
    process.start()
    assert outcome.get(timeout=30) == (errno.EFBIG, str(path))
    process.join()
    assert path.read_text() == '{"step": 1}\n{"step": 3}\n'


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as error:
        MetricsFile(tmp_path / "metrics.jsonl").log_train(1, {"reward": 0.5})
    assert error.value.filename == str(tmp_path / "metrics.jsonl")


def write_without_end(path):
    file = MetricsFile(path)
    for step in range(1, 10**9):
        file.log_train(step, {f"metric {i}": step / 7 for i in range(400)})


def test_metrics_of_a_process_that_was_killed_in_the_middle_of_writing_are_whole_after_the_next_start(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for life in range(5):
        process = multiprocessing.get_context("fork").Process(target=write_without_end, args=(path,))
        process.start()
        while not path.exists() or path.stat().st_size < 20_000 * (life + 1):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    MetricsFile(path).close()
    history = read_history(path)
    assert not history.cut_off and len(history.steps) > 1
    assert all(len(numbers) == 401 for numbers in history.train.values())


def test_steps_are_dropped_from_the_first_line_of_them(tmp_path):
    path = tmp_path / "a.jsonl"
    drop_from_step(path, 3)  # nothing there, nothing to drop
    path.write_text("".join(f'{{"step": {step}}}\n' for step in (1, 2, 2, 3, 4)))
    drop_from_step(path, 9)
    assert path.read_text().count("\n") == 5
    drop_from_step(path, 2)
    assert path.read_text() == '{"step": 1}\n'
    drop_from_step(path, 0)
    assert path.read_text() == ""


@pytest.mark.parametrize("line", ["[1]", "{}", '{"step": null}', "step 2", '{"step": "two"}'])
def test_a_file_that_is_no_runs_is_not_cut(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(ResumeError, match=r"a.jsonl:2: no line of a run(.|\n)*move the file away"):
        drop_from_step(path, 5)
    assert path.read_text().endswith(f"{line}\n")


def test_what_another_run_wrote_is_copied_to_the_first_name_that_is_free(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert copy_apart(path) is None
    path.write_text("")
    assert copy_apart(path) is None
    for number in (1, 2):
        path.write_text(f"{number}\n")
        assert copy_apart(path) == tmp_path / f"metrics-{number}.jsonl"
    assert [(tmp_path / f"metrics-{number}.jsonl").read_text() for number in (1, 2)] == ["1\n", "2\n"]
