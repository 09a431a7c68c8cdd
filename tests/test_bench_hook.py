"""scripts/bench_hook.py on a rollout of eight answers: what it counts, not how long that took."""

import argparse
import importlib.util
from pathlib import Path

import pytest

import shaping
from passk_rlhf import patch
from passk_rlhf.cpu import replacements


@pytest.fixture
def bench():
    replacements.register()
    patch.install()
    found = importlib.util.spec_from_file_location("bench_hook", Path("scripts/bench_hook.py"))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module
    patch.uninstall()


def options(**changes):
    given = {"group": 4, "micro_batch": 8, "kl": 0.0, "dump": None, "overlong": False, "alone": False, "tokens": [1]}
    return argparse.Namespace(**given | changes)


@pytest.mark.parametrize("kl", [0.0, 0.1])
def test_experiences_hold_36_bytes_a_token_when_a_design_is_done(bench, kl):
    # sequences 8, two masks 8 each, log-probabilities, returns and advantages 4 each
    line = bench.measure(8, 4000, shaping.load("configs/grpo.yaml"), options(kl=kl, tokens=[4000]))
    assert line["held"] / (8 * (4000 + bench.PROMPT)) == pytest.approx(36, rel=0.01)
    assert set(line) == {"cut", "OpenRLHF", "design", "beyond", "held", "send"}


def test_a_length_penalty_and_a_dump_are_part_of_what_is_measured(bench, tmp_path):
    asked = options(alone=True, overlong=True, dump=str(tmp_path / "rewards.jsonl"), tokens=[20])
    line = bench.measure(8, 20, shaping.load("configs/grpo.yaml"), asked)
    assert "OpenRLHF" not in line and len((tmp_path / "rewards.jsonl").read_text().splitlines()) == 2
