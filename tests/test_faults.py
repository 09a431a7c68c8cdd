"""What ended a run is said in words: with Ray's own exceptions, as they reach the launcher."""

import errno
import os
from types import SimpleNamespace

import pytest
import ray

from passk_rlhf import faults, resume, sharing, train_ppo_ray
from shaping import RewardError


def in_words(error, path=None, older=None):
    return faults.in_words(error, train_ppo_ray._told(), SimpleNamespace(ckpt=SimpleNamespace(path=path)), older)


def wrapped(cause, times=2):
    """What `ray.get` raises for what a worker, called by a worker, raised."""
    for _ in range(times):
        cause = ray.exceptions.RayTaskError("fit", "a long traceback", cause).as_instanceof_cause()
    return cause


def died(message="Worker unexpectedly exits with a connection error code 2. End of file."):
    error = ray.exceptions.ActorDiedError()
    error.error_msg = f"{error}\n\tclass_name: PolicyModelActor\n\tpid: 812\n\tip: 10.0.0.7\n{message}"
    return error


NO_CHECKPOINT = "No checkpoint was finished; --ckpt.save_steps 20 would keep one every 20 steps."


def test_an_error_of_ours_is_its_own_message_however_deep_it_was_wrapped():
    assert in_words(wrapped(RewardError("reward 0.5 at prompt 3"), times=3)) == "reward 0.5 at prompt 3"


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
def test_a_process_that_is_gone_is_named_with_its_number_and_its_machine(wrap):
    said = in_words(wrap(died()))
    assert said.startswith("PolicyModelActor (process 812 on 10.0.0.7) died in the middle of a step: it was killed, or")
    assert said.endswith(NO_CHECKPOINT)


def test_a_process_that_rays_memory_monitor_killed_says_so():
    said = in_words(died("Task was killed due to the node running low on memory (OOM), by Ray's memory monitor."))
    assert said.startswith(
        "PolicyModelActor (process 812 on 10.0.0.7) was killed by Ray: the machine ran out of memory"
    )


@pytest.mark.parametrize("kind", ["ActorUnavailableError", "NodeDiedError", "LocalRayletDiedError"])
def test_a_machine_that_is_gone_is_said(kind):
    error = getattr(ray.exceptions, kind)
    said = in_words(wrapped(error("the actor is unavailable", b"0" * 16) if kind[0] == "A" else error("gone")))
    assert said.startswith("a machine of the run is gone, or Ray's process on it (the raylet): ")


def test_an_actor_that_failed_while_it_was_made_says_what_it_raised():
    traceback = "ray::PPOTrainer.__init__() (pid=1)\n  File ...\npasskrlhf\n"
    ours = f"{traceback}passk_rlhf.sharing.UnevenBatch: 2 actors cannot share a rollout of 8 answers"
    error = ray.exceptions.ActorDiedError(ray.exceptions.RayTaskError("PPOTrainer.__init__", ours, None))
    assert sharing.UnevenBatch in train_ppo_ray._told()
    assert in_words(error) == "2 actors cannot share a rollout of 8 answers"
    system = f"{traceback}OSError: [Errno 30] Read-only file system: '/data/model'"
    error = ray.exceptions.ActorDiedError(ray.exceptions.RayTaskError("PPOTrainer.__init__", system, None))
    assert in_words(error) == "the file system is read-only: /data/model"
    bug = f"{traceback}KeyError: 'a bug'"
    error = ray.exceptions.ActorDiedError(ray.exceptions.RayTaskError("__init__", bug, None))
    assert in_words(error) == "PPOTrainer failed while it was made: KeyError: 'a bug'"


def test_an_actor_that_failed_on_a_file_says_what_and_where():
    text = (
        "The actor died because of an error raised in its creation task, \x1b[36mray::RolloutRayActor.__init__()"
        '\x1b[39m (pid=7)\n  File "/ray/actor.py", line 9, in method\n    return method()\n           ^^^^^^^^\n'
        '  File "/data/reward.py", line 3, in <module>\n    import sympyy\nModuleNotFoundError: No module named '
        "'sympyy'\nis it installed?\n"
    )
    error = ray.exceptions.ActorDiedError(ray.exceptions.RayTaskError("__init__", text, None))
    assert in_words(error) == (
        "RolloutRayActor failed while it was made: ModuleNotFoundError: No module named 'sympyy'\nis it installed?\n"
        "  /data/reward.py, line 3"
    )


def test_a_port_that_was_taken_is_named():
    said = "The server socket has failed to listen. port: 41927, useIpv6: false, code: -98, name: EADDRINUSE, message"
    assert in_words(wrapped(RuntimeError(said))).startswith(
        "port 41927 of this run was taken by another program before it was opened; the same command takes another."
    )


def test_an_actor_that_was_killed_as_it_was_made_says_so():
    said = in_words(died("The actor never ran - it was cancelled before it started running."))
    assert said.startswith("PolicyModelActor (process 812 on 10.0.0.7) died as it was made: it was killed, or crashed")


def test_an_actor_that_ended_itself_says_with_what():
    said = in_words(died("Worker exits unexpectedly. Worker exits with an exit code no licence."))
    assert said.startswith("PolicyModelActor (process 812 on 10.0.0.7) ended itself, with exit code no licence: does a")


def test_what_nobody_has_foreseen_ends_with_a_line_too():
    args = SimpleNamespace(ckpt=SimpleNamespace(path=None))
    said = faults.unforeseen(wrapped(KeyError("a bug")), args)
    assert said == f"KeyError: 'a bug'\n{NO_CHECKPOINT}"
    assert faults.unforeseen(ValueError(), args).startswith("ValueError: no message\n")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full: /data/metrics.jsonl"),
        (errno.EROFS, "the file system is read-only: /data/metrics.jsonl"),
        (errno.EACCES, "permission denied: /data/metrics.jsonl"),
        (errno.EADDRINUSE, "no free port"),
    ],
)
def test_what_the_operating_system_refuses_is_one_line(number, said):
    place = None if number == errno.EADDRINUSE else "/data/metrics.jsonl"
    assert in_words(wrapped(OSError(number, "...", place))) == f"{said}\n{NO_CHECKPOINT}"


def test_torchs_word_for_a_full_disk_is_said_in_ours():
    error = RuntimeError(
        "[enforce fail at inline_container.cc:862] . PytorchStreamWriter failed writing file data/7: f"
    )
    assert "a checkpoint could not be written: [enforce fail" in in_words(wrapped(error))
    assert "Is the disk full?" in in_words(wrapped(error))


def test_a_bug_keeps_its_traceback():
    for error in (KeyError("a bug"), wrapped(KeyError("a bug")), OSError("no number"), ValueError("[Errno 28]")):
        assert in_words(error) is None


def test_the_next_step_names_the_checkpoint_to_go_on_from(tmp_path):
    import torch

    folder = tmp_path / "_actor" / "global_step40"
    folder.mkdir(parents=True)
    torch.save({}, folder / "mp_rank_00_model_states.pt")
    (tmp_path / "_actor" / "latest").write_text("global_step40")
    expected = f"To go on from checkpoint global_step40 in {tmp_path}: the same command with --ckpt.load_enable"
    assert in_words(died(), str(tmp_path)).endswith(expected)
    bad = f"reward 0.5 at prompt 3\n{expected}, and --allow-design-change if the design was changed"
    assert in_words(wrapped(RewardError("reward 0.5 at prompt 3")), str(tmp_path)) == bad
    older = resume.stamp(tmp_path)
    assert in_words(died(), str(tmp_path), older) == (
        f"{in_words(died())} (What is in {tmp_path} is of an earlier run.)"
    )
    os.utime(tmp_path / "_actor" / "latest", ns=(older + 1, older + 1))  # this run has saved one, too
    assert in_words(died(), str(tmp_path), older).endswith(expected)
    (tmp_path / "_actor" / "latest").write_text("global_step41")
    assert "The checkpoint is not one to go on from: " in in_words(died(), str(tmp_path))
