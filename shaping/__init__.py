"""Advantage designs: written in YAML, checked exactly, compiled to torch.

>>> import shaping, torch
>>> design = shaping.load("configs/passk.yaml", k=2)
>>> design(torch.tensor([[1., 1., 0., 0.]]))
tensor([[ 0.4472,  0.4472, -0.4472, -0.4472]])
"""

from shaping.design import Design, load, loads
from shaping.errors import DesignError, RewardError

__all__ = ["Design", "DesignError", "RewardError", "load", "loads"]
