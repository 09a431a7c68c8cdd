"""What the package brings into a process: a laptop reads a design without torch, and no use of it needs the host.

And what its rooms may know of each other: those below, never those above.
"""

import ast
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


# ---------------------------------------------------------------- rooms

FROM_BELOW = ["errors", "work", "real", "kernels", "language", "design", "groups", "symbols", "compiled"]
FROM_BELOW += ["objectives", "proofs", "views", "trials", "cli", "pytest_plugin", "__main__", "__init__"]
LATE = {("design", "groups"), ("design", "compiled")}  # a Design's own methods, imported when they are called


def imported(text):
    """What a module imports of shaping, wherever it does: 'language', 'real'."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    names = [f"{node.module}.{alias.name}".split(".") for node in found for alias in node.names]
    return {name[1] for name in names if name[0] == "shaping" and name[1] in FROM_BELOW}


def upward(path, text):
    """(room, room above it that it imports) for a module of shaping/."""
    room = path.parent.name if path.parent.name in FROM_BELOW else path.stem
    return {(room, other) for other in imported(text) if FROM_BELOW.index(other) > FROM_BELOW.index(room)} - LATE


def test_no_room_imports_one_above_it():
    package = ROOT / "shaping"
    modules = {path: path.read_text() for path in package.rglob("*.py")}
    assert {path.relative_to(package).parts[0].removesuffix(".py") for path in modules} == set(FROM_BELOW)
    assert set().union(*(upward(path, text) for path, text in modules.items())) == set()


def test_an_import_from_above_is_noticed():
    text = "def f():\n    from shaping.views.show import description\n"
    assert upward(ROOT / "shaping" / "language" / "nodes.py", text) == {("language", "views")}
    assert upward(ROOT / "shaping" / "real" / "numbers.py", "from shaping import design") == {("real", "design")}
