"""What the package brings into a process: a laptop reads a design without torch, and no use of it needs the host."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ["torch", "matplotlib", "sympy"]
HOST = ["openrlhf", "ray", "vllm", "deepspeed", "transformers"]

# Runs in a fresh process: after each of the given stages, which of the given packages are there?
WATCH = """
import json, sys
stages, packages = json.loads(sys.argv[1])
names, seen = {}, []
for stage in stages:
    exec(stage, names)
    seen.append([package for package in packages if package in sys.modules])
print(json.dumps(seen))
"""

STAGES = {
    "import shaping": "import shaping",
    "read a design": "design = shaping.load('configs/passk.yaml', k=2)",
    "check a design": "design.check(8); shaping.load('configs/grpo.yaml').check(8)",
    "use a design": "import torch; assert design(torch.tensor([[1., 1., 0., 0.]])).any(); design.source_code(4)",
}


def loaded_after(*stages):
    """For each stage in turn, what it has left loaded, in one fresh process."""
    command = [sys.executable, "-W", "ignore", "-c", WATCH, json.dumps([stages, HEAVY + HOST])]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def loaded():
    return dict(zip(STAGES, loaded_after(*STAGES.values()), strict=True))


@pytest.mark.parametrize("stage", ["import shaping", "read a design", "check a design"])
def test_nothing_heavy_and_nothing_of_the_host_is_needed_to(stage, loaded):
    assert loaded[stage] == []


def test_a_design_in_use_needs_torch_and_nothing_of_the_host(loaded):
    assert "torch" in loaded["use a design"]
    assert not set(loaded["use a design"]) & set(HOST)


def test_the_check_can_fail():
    assert loaded_after("import shaping", "import ray", "import yaml") == [[], ["ray"], ["ray"]]
