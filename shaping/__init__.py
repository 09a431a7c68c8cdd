"""Advantage designs: written in YAML, checked exactly, compiled to torch.

>>> import shaping, torch
>>> design = shaping.load("configs/passk.yaml", k=2)
>>> design(torch.tensor([[1., 1., 0., 0.]]))
tensor([[ 0.4472,  0.4472, -0.4472, -0.4472]])
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shaping.design import Design, load, loads
    from shaping.errors import DesignError, RewardError

__all__ = ["Design", "DesignError", "RewardError", "load", "loads"]


def __getattr__(name: str) -> object:
    """Imported when it is first asked for: pytest loads shaping.pytest_plugin in every run, also without designs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("shaping.errors" if name.endswith("Error") else "shaping.design"), name)
