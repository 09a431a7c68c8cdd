"""The groups of a run, kept for later: --dump-rewards PATH, one JSON line a group, as `shaping diagnose` reads them.

    {"step": 12, "prompt": "...", "rewards": [...], "scores": [...], "length": [...], "logprob": [...]}

Written by the process that trains, before the design is looked at, so that rewards that a design refuses are there.
A reward that is no finite number is null, and so is one that a design with `on_missing: drop` leaves out; without it a
step with an answer that has none ends before anything is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from passk_rlhf.lines import LineFile


def dump_groups(path: str, step: int | None, prompts: Sequence[str], columns: Mapping[str, Tensor]) -> None:
    """Append a step's groups: `prompts` one a group, `columns` name → (P, N)."""
    groups = []
    for i, prompt in enumerate(prompts):
        group = {"step": step, "prompt": prompt}
        group |= {name: [_number(value) for value in values_PN[i].tolist()] for name, values_PN in columns.items()}
        groups.append({key: value for key, value in group.items() if value is not None})
    file = LineFile(path)
    file.append(groups)
    file.close()


def _number(value: float) -> float | int | None:
    """Seven digits, which is what float32 carries."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.7g}")
