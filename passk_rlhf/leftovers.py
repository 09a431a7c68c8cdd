"""What is in a run's files from before it began or went on: metrics.jsonl and the file of --dump-rewards, JSON lines
with a "step" each. A run adds to them; what it will write again is cut off, what is not of its making is kept apart.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path

from passk_rlhf.resume import ResumeError


def drop_from_step(path: str | Path, step: int) -> None:
    """Cut off what was written at `step` and later: a run that goes on from before will write it again.

    Steps only grow from line to line. From step 0 on that is everything, whatever it is.

    Raises:
      ResumeError: a line has no step; names file and line.
    """
    path = Path(path)
    if not path.is_file():  # no pipe or device, either
        return
    if step == 0:
        os.truncate(path, 0)
        return
    kept = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n") or _step(path, number, line) >= step:
                break
            kept += len(line)
    os.truncate(path, kept)


def _step(path: Path, number: int, line: bytes) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        raise ResumeError(f"{path}:{number}: no line of a run, so none is added to it: move the file away") from None


def copy_apart(path: str | Path) -> Path | None:
    """Copy what is in the file into one of its own, metrics-1.jsonl or the first number that is free.

    None if nothing is in it.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        return None
    apart = next(
        free for i in itertools.count(1) if not (free := path.with_name(f"{path.stem}-{i}{path.suffix}")).exists()
    )
    shutil.copyfile(path, apart)
    return apart
