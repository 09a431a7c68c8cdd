"""Small batches and designs, as the tests write them."""

from pathlib import Path

import pytest
import torch

import shaping
from shaping.errors import DesignError

CONFIGS = Path(__file__).parents[1] / "configs"


def rows(*groups, dtype=torch.float32):
    return torch.tensor(groups, dtype=dtype)


def design(advantage, *, flat=None, correct=None, let=None, **params):
    """A design of one formula; `params` are its defaults."""
    lines = [f"correct: {correct}"] if correct else []
    lines += ["params:", *(f"  {name}: {value}" for name, value in params.items())] if params else []
    lines += ["let:", *(f"  {name}: {body}" for name, body in let.items())] if let else []
    lines += ["advantage:", f"  each: {advantage}"] + ([f"  flat: {flat}"] if flat is not None else [])
    return shaping.loads("\n".join(lines), "d.yaml")


def passk(k=2):
    return shaping.load(CONFIGS / "passk.yaml", k=k)


def grpo():
    return shaping.load(CONFIGS / "grpo.yaml")


def message(text, path="d.yaml", **params):
    with pytest.raises(DesignError) as error:
        shaping.loads(text, path, **params)
    return str(error.value)
