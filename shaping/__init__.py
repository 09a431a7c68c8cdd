"""Advantage designs: written in YAML, checked exactly, compiled to torch.

>>> import shaping, torch
>>> design = shaping.load("configs/passk.yaml", k=2)
>>> design(torch.tensor([[1., 1., 0., 0.]]))
tensor([[ 0.4472,  0.4472, -0.4472, -0.4472]])

From the ground up; nothing imports what stands below it in this list:

    errors, work          what a user is told, and how much work a file may be
    real/, kernels        exact arithmetic; what torch lacks
    language/             YAML → formulas, and what they mean
    design                a file that was read whole
    groups/               its exact advantage in every group
    symbols/              its formulas in sympy
    compiled/             its torch function
    objectives/           what it climbs, and the design that climbs what one wants
    proofs/               what it claims, decided
    views/                tables, curves, pages
    trials/               what it would have done
    cli, pytest_plugin
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
