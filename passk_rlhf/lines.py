"""A file of JSON lines that never holds half a line, whatever ends the process that writes it.

A line goes to the file in one call, and is taken back if the disk had no room for all of it. What a killed process
could still leave half written is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK = 1 << 16  # bytes looked at from the end, to find the last line break


class LineFile:
    """Append JSON lines to `path`; its folder is made if need be.

    Raises:
      OSError: it cannot be opened or written: names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        if self._regular():
            os.ftruncate(self.file, _end_of_last_line(self.file))

    def append(self, objects: Iterable[dict[str, Any]]) -> None:
        text = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in objects).encode("utf-8", "replace")
        before, written = os.fstat(self.file).st_size, 0
        try:
            while written < len(text):
                written += os.write(self.file, text[written:])
        except OSError as error:
            if self._regular():
                os.ftruncate(self.file, before)
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def close(self) -> None:
        os.close(self.file)

    def _regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self.file).st_mode)


def _end_of_last_line(file: int) -> int:
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - CHUNK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
