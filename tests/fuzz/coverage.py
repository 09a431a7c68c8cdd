"""The entry point of atheris: PYTHONPATH=.:tests python -m fuzz.coverage TARGET FIGURES [flags of libFuzzer] CORPUS

TARGET is design, rewards or metrics. An input that breaks the contract is kept, one for each kind of break, in the
folder FIGURES.found, and the search goes on. FIGURES gets the counts as JSON, every thousand inputs and at the end.
A design is used (checked, called) if it is one of the first of its kind, by a checksum of its bytes: one in sixteen.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shaping", "passk_rlhf.history"]):
    from fuzz import contract

EVERY = 1_000  # inputs between two figures
USED = 16  # one design in so many is checked and called, too


class Search:
    """Counts what came of the inputs, and keeps those that broke something."""

    def __init__(self, target: str, figures: Path, last: int) -> None:
        self.target, self.figures, self.last, self.began = target, figures, last, time.time()
        self.found = Path(f"{figures}.found")
        self.counts = {"inputs": 0, "accepted": 0, "refused": 0, "failures": 0}
        self.kinds: dict[str, str] = {}

    def one(self, data: bytes) -> None:
        self.counts["inputs"] += 1
        more = {"thorough": zlib.crc32(data) % USED == 0} if self.target == "design" else {}
        try:
            with contract.soon(data):
                self.counts[contract.TARGETS[self.target](data, **more)] += 1
        except Exception as error:
            self.keep(error, data)
        if self.counts["inputs"] % EVERY == 0 or self.counts["inputs"] >= self.last:  # libFuzzer ends without a word
            self.write()

    def keep(self, error: Exception, data: bytes) -> None:
        """One input of each kind: the error and where it was raised."""
        self.counts["failures"] += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} {Path(place.filename).name}:{place.lineno} {str(error)[:80]}"
        if kind not in self.kinds and len(self.kinds) < 200:
            self.found.mkdir(exist_ok=True)
            name = f"{len(self.kinds):03}"
            (self.found / name).write_bytes(data)
            (self.found / f"{name}.txt").write_text("".join(traceback.format_exception(error))[-4_000:])
            self.kinds[kind] = name

    def write(self) -> None:
        seconds = round(time.time() - self.began, 1)
        figures = {"fuzzer": "atheris", "target": self.target, **self.counts, "seconds": seconds, "kinds": self.kinds}
        self.figures.write_text(json.dumps(figures, indent=2) + "\n")


def main() -> None:
    target, figures, *rest = sys.argv[1:]
    runs = [int(flag.removeprefix("-runs=")) for flag in rest if flag.startswith("-runs=")]
    search = Search(target, Path(figures), *(runs or [sys.maxsize]))
    atheris.Setup([sys.argv[0], *rest], search.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
