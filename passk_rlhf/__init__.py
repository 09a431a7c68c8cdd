"""Group advantages written as mathematics, run inside OpenRLHF."""

__version__ = "0.1.0"
