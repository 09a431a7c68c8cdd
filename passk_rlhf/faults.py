"""What ended a run, in words, and what to do next.

In    the exception that reached the launcher. What a worker raised comes wrapped in Ray's RayTaskError; of a process
      that is gone comes an ActorDiedError, and of one that failed while it was made only the text of its traceback
Out   a few lines. Where only the traceback says more, it is shown as well
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from types import SimpleNamespace

from passk_rlhf import placement, resume
from shaping import RewardError

GO_ON = "To go on from checkpoint"
# "ray::RolloutRayActor.__init__() (pid=27761, ip=10.0.0.7 ...": Ray's title of a constructor.
MAKING = re.compile(r"ray::(\w+)\.__init__\(\)")

# What an operating system refuses; the file or the port that it refused is in the message.
REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file may not grow any further",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.ENOTDIR: "a folder is needed, and a file is in its place",
    errno.EEXIST: "a folder is needed, and a file is in its place",
    errno.EADDRINUSE: "no free port",
    errno.EADDRNOTAVAIL: "no free port",
    errno.EMFILE: "too many open files",
}


def in_words(
    error: BaseException, told: Sequence[type[Exception]], args: SimpleNamespace, older: int | None = None
) -> str | None:
    """What the user is told; None if nobody has foreseen this error, so that its traceback has to be shown, too.

    Args:
      told: errors whose own message is all that the user needs.
      args: OpenRLHF's, as far as they are known; they say where checkpoints are.
      older: the stamp of an earlier run's last checkpoint (resume.stamp), if this run began anew beside it.
    """
    meant = innermost(error)
    if isinstance(meant, tuple(told)):
        go_on = next_step(args, older) if isinstance(meant, RewardError) else ""
        if not go_on.startswith(GO_ON):
            return str(meant)
        return f"{meant}\n{go_on}, and --allow-design-change if the design was changed"
    if MAKING.search(text := _plain(meant)):  # nothing was trained yet, so there is nothing to go on from
        return _of_its_making(text, told)
    what = _what_broke(meant)
    return what and f"{what}\n{next_step(args, older)}"


def unforeseen(error: BaseException, args: SimpleNamespace, older: int | None = None) -> str:
    """The line below the traceback of an error that `in_words` has no words for."""
    meant = innermost(error)
    first = (str(meant).strip() or "no message").splitlines()[0]
    return f"{type(meant).__name__}: {first}\n{next_step(args, older)}"


def _what_broke(error: BaseException) -> str | None:
    """In the middle of a run, in one line; None if only a traceback can say."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return refusal(error)
    name, text = type(error).__name__, str(error)
    if name == "ActorDiedError":
        return _who_died(text)
    if name in ("ActorUnavailableError", "NodeDiedError", "LocalRayletDiedError", "OwnerDiedError"):
        return f"a machine of the run is gone, or Ray's process on it (the raylet): {text.splitlines()[0]}"
    if "EADDRINUSE" in text:
        port = re.search(r"port: (\d+)", text)
        which = f"port {port[1]}" if port else "a port"
        return f"{which} of this run was taken by another program before it was opened; the same command takes another."
    if name == "EngineDeadError":
        return "vLLM's engine died in the middle of the run; what it said last is in the log."
    if "PytorchStreamWriter failed" in text:  # torch.save says no more, whatever the reason
        return f"a checkpoint could not be written: {text.splitlines()[0]}. Is the disk full?"
    return None


def innermost(error: BaseException) -> BaseException:
    """The exception that was raised, without what each process on its way here has wrapped around it."""
    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    return error


def next_step(args: SimpleNamespace, older: int | None = None) -> str:
    """What is lost, and how to go on; `older` as for `in_words`."""
    path = getattr(getattr(args, "ckpt", None), "path", None)
    none = "No checkpoint was finished; --ckpt.save_steps 20 would keep one every 20 steps."
    if path and older is not None and resume.stamp(path) == older:
        return f"{none} (What is in {path} is of an earlier run.)"
    try:
        actor = getattr(args, "actor", None)
        name = resume.last_checkpoint(path, actor and placement.processes(actor)) if path else None
    except resume.ResumeError as error:
        return f"The checkpoint is not one to go on from: {error}"
    if name is None:
        return none
    return f"{GO_ON} {name} in {path}: the same command with --ckpt.load_enable"


def refusal(error: OSError) -> str:
    """What the operating system refuses, and where: 'the disk is full: runs/a/metrics.jsonl'."""
    said = REFUSALS.get(error.errno, error.strerror or str(error))
    return said + (f": {error.filename}" if error.filename else "")


def _who_died(text: str) -> str:
    """'PPOTrainer (process 27761) died ...', from what Ray says of an actor."""
    fields = dict(re.findall(r"^\s*(class_name|pid|ip): (.*)$", text, re.MULTILINE))
    who = fields.get("class_name", "a process of the run")
    where = f" (process {fields['pid']} on {fields['ip']})" if {"pid", "ip"} <= fields.keys() else ""
    if "OOM" in text and "memory monitor" in text:
        return f"{who}{where} was killed by Ray: the machine ran out of memory."
    if code := re.search(r"Worker exits with an exit code (.+?)\.?\s*$", text, re.MULTILINE):
        return f"{who}{where} ended itself, with exit code {code[1]}: does a reward function or an agent call sys.exit?"
    if "never ran" in text:
        return f"{who}{where} died as it was made: it was killed, or crashed; the log has what it said last."
    return (
        f"{who}{where} died in the middle of a step: it was killed, or crashed. If nobody killed it, the machine may "
        "have run out of memory: see dmesg, and the log for what it said last."
    )


def _of_its_making(text: str, told: Sequence[type[Exception]]) -> str:
    """Of an actor that failed while it was made: the message of an error that one of ours, or the operating system,
    raised; else what was raised, and where."""
    for kind in told:
        _, found, message = text.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
        if found:
            return message.strip()
    refused = re.findall(r"^\w*Error: \[Errno (\d+)\] [^:\n]*(?:: '(.*)')?$", text, re.MULTILINE)
    if refused and int(refused[-1][0]) in REFUSALS:
        number, place = refused[-1]
        return refusal(OSError(int(number), "", place or None))
    frames = [*re.finditer(r'^  File "(.*)", line (\d+), in .*\n(?:    .*\n)*', text, re.MULTILINE)]
    raised = text[frames[-1].end() :].strip() if frames else text.strip().splitlines()[-1]
    where = f"\n  {frames[-1][1]}, line {frames[-1][2]}" if frames else ""
    return f"{MAKING.search(text)[1]} failed while it was made: {raised}{where}"


def _plain(error: BaseException) -> str:
    """The message without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
