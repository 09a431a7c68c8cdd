"""Both fuzzers for a given number of inputs, and a table: bash scripts/fuzz.sh [INPUTS] [FIGURES] [--seed NUMBER]"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz import contract
from fuzz.grammar import files
from shaping.language.vocabulary import FUNCTIONS, OPERATORS, REDUCTIONS, SIGNALS

ROOT = Path(__file__).parents[2]
SEEDS = {
    "rewards": [
        '{"rewards": [1, 0, 0.5], "scores": [1, 0, 0], "lengths": [3, 4, 5], "step": 2}\n{"rewards": [1, 0]}\n',
        '{"rewards": [1e3, -0.0], "logprob": [-1, -2], "prompt": "x", "total_steps": 9}\n',
    ],
    "metrics": [
        '{"kind": "train", "step": 1, "time": 1.5, "rollout/pass1": 0.5}\n{"kind": "eval", "step": 1, "a": 1}\n'
    ],
}
TOKENS = [
    "default: ",
    "range: [1, N]",
    "schedule: ",
    "each: ",
    "flat: 0",
    "where=",
    "over=batch",
    "ddof=",
    "**",
    " if ",
    " else ",
]
TOKENS += ['{"rewards": [', "1e400", "NaN", "-Infinity", '\\"step\\": ', "[[[[", "9" * 20]
SHARES = {"design": 0.5, "rewards": 0.25, "metrics": 0.25}  # of atheris' inputs


def grammar(inputs: int, number: int = 0) -> dict[str, object]:
    """So many designs by hypothesis, from a fixed seed: the figures, with the first failure of each run of 10,000."""
    counts = {"inputs": 0, "accepted": 0, "refused": 0, "failures": 0}
    began, failures = time.time(), []

    def run(examples: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(files())
        def fuzzed(data: bytes) -> None:
            counts["inputs"] += 1
            with contract.soon(data):
                counts[contract.design(data)] += 1

        try:
            fuzzed()
        except Exception as error:
            counts["failures"] += 1
            failures.append(f"{type(error).__name__}: {error}\n{''.join(getattr(error, '__notes__', []))}"[:2_000])

    while counts["inputs"] < inputs:
        run(min(10_000, inputs - counts["inputs"]), number)
        number += 1
    seconds = round(time.time() - began, 1)
    return {"fuzzer": "hypothesis", "target": "design", **counts, "seconds": seconds, "kinds": failures}


def coverage(target: str, inputs: int, folder: Path, number: int = 1) -> dict[str, object]:
    """So many inputs by atheris, in a process of its own; with the lines it reached."""
    corpus = folder / target
    corpus.mkdir()
    for i, text in enumerate(SEEDS.get(target) or map(_short, sorted((ROOT / "configs").glob("*.yaml")))):
        (corpus / f"{i}").write_text(text)
    words = [*SIGNALS, *FUNCTIONS, *REDUCTIONS, *(row.infix for row in OPERATORS.values()), *TOKENS]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words if '"' not in word or "\\" in word))
    figures = folder / f"{target}.json"
    flags = [
        f"-runs={inputs}",
        "-max_len=600",
        "-rss_limit_mb=6000",
        "-timeout=60",
        f"-dict={folder / 'words'}",
        f"-seed={number}",
    ]
    command = [sys.executable, "-m", "fuzz.coverage", target, str(figures), *flags, str(corpus)]
    said = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True).stderr.splitlines()
    reached = [line for line in said if " cov: " in line]
    found = json.loads(figures.read_text())
    return found | {"coverage": int(reached[-1].split(" cov: ")[1].split()[0]) if reached else None}


def _short(path: Path) -> str:
    """A design of configs/ without comments and claims: short enough for many to be tried."""
    text = path.read_text().partition("claims:")[0]
    return re.sub(r"(^|\s+)#.*|\n(?=\n)", "", text, flags=re.M)


def rows(found: list[dict]) -> str:
    names = ("fuzzer", "target", "inputs", "accepted", "refused", "failures", "seconds", "coverage")
    lines = [[str(figures.get(name) or 0) for name in names] for figures in found]
    widths = [max(map(len, column)) + 2 for column in zip(names, *lines, strict=True)]
    return "\n".join("".join(f"{cell:>{w}}" for cell, w in zip(line, widths, strict=True)) for line in (names, *lines))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz.sh", description="Fuzz designs, rewards and metrics.")
    parser.add_argument("inputs", nargs="?", type=int, default=100_000, help="over both fuzzers (default 100,000)")
    parser.add_argument("figures", nargs="?", help="a JSON file for the figures")
    parser.add_argument("--seed", type=int, default=1, help="other inputs (default 1)")
    options = parser.parse_args()
    by_grammar = options.inputs // 20
    found: list[dict] = []

    def done(figures: dict) -> None:
        """What there is so far is kept, should the campaign be ended."""
        found.append(figures)
        if options.figures:
            Path(options.figures).write_text(json.dumps(found, indent=2) + "\n")

    done(grammar(by_grammar, 1_000 * (options.seed - 1)))  # a number for each 10,000
    with tempfile.TemporaryDirectory() as folder:
        for target, share in SHARES.items():
            done(coverage(target, round((options.inputs - by_grammar) * share), Path(folder), options.seed))
    print(rows(found))
    return 1 if any(figures["failures"] for figures in found) else 0


if __name__ == "__main__":
    sys.exit(main())
