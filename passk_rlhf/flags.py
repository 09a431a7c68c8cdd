"""The flags that OpenRLHF's command line gets from us."""

from __future__ import annotations

import argparse
from typing import Any

from passk_rlhf import reward_time


def add_flags(parser: Any) -> None:
    parser.add_argument(
        "--advantage-design", metavar="YAML", help="train on the advantage written in this file, see configs/"
    )
    parser.add_argument(
        "--advantage-param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a parameter of the design, such as k=8; may be given several times",
    )
    parser.add_argument(
        "--allow-design-change",
        action="store_true",
        help="go on from a checkpoint that was trained on another design or with other parameters",
    )
    parser.add_argument(
        "--dump-rewards",
        metavar="PATH",
        help="keep the rewards of every group in this file, for python -m shaping diagnose",
    )
    parser.add_argument(
        "--skip-silent-groups",
        action="store_true",
        help="do not train on answers whose advantage is zero; the gradient stays the same, or the run is refused",
    )
    parser.add_argument(
        "--filter-silent-groups",
        action="store_true",
        help="dynamic filtering drops the groups to which the design gives 0, in place of its range, and no others",
    )
    parser.add_argument(
        "--reward-timeout",
        metavar="SECONDS",
        type=seconds,
        default=reward_time.DEFAULT,
        help="how long a reward function in Python may take for one answer, which then has no reward (%(default)g)",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="auto: the CPU if neither this machine nor the Ray cluster has a GPU",
    )


def seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is no time; seconds, for example 60")
    return value
