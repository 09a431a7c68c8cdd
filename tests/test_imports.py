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

ROOMS = ["language", "groups", "symbols", "compiled", "objectives", "proofs", "views", "trials"]  # from below
LATE = {("design", "groups"), ("design", "compiled")}  # a Design's own methods, imported when they are called


def imported(text):
    """The modules of shaping that a module imports, wherever it does: 'language.nodes', 'real'."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    names = [f"{node.module}.{alias.name}" for node in found for alias in node.names]
    return [name.split(".", 1)[1] for name in names if name.startswith("shaping.")]


def floor(room):
    """errors, real, work and kernels lie below all rooms; design above the language; the command line above all."""
    return {"design": 0.5, "cli": 9, "pytest_plugin": 9, "__main__": 10, "__init__": 10}.get(
        room, ROOMS.index(room) if room in ROOMS else -1
    )


def upward(path, text):
    room = path.parts[-2] if path.parts[-2] in ROOMS else path.stem
    used = {name.split(".")[0] for name in imported(text)}
    return {(room, other) for other in used if floor(other) > floor(room)} - LATE


def test_no_room_imports_one_above_it():
    package = ROOT / "shaping"
    assert {path.parent.name for path in package.glob("*/__init__.py")} == set(ROOMS)
    assert [upward(path, path.read_text()) for path in package.rglob("*.py") if upward(path, path.read_text())] == []


def test_an_import_from_above_is_noticed():
    text = "def f():\n    from shaping.views.show import description\n"
    assert upward(ROOT / "shaping" / "language" / "nodes.py", text) == {("language", "views")}
    assert upward(ROOT / "shaping" / "real.py", "from shaping import design") == {("real", "design")}
