"""`pytest my_designs/`: every claim is a test, told at its line, and folders without designs cost nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOCAL = """advantage: (1 - p) * (correct - p)
claims:
  - zero_sum
  - bounded: 1/2
  - bounded: {by: 1, when: {N: [2, 3]}}
"""


def run(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "shaping.pytest_plugin",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, str(folder), "--claims-up-to", "6", *arguments], capture_output=True, text=True, env=environment
    )
    return done.returncode, done.stdout


@pytest.fixture
def designs(tmp_path):
    (tmp_path / "focal.yaml").write_text(FOCAL)
    (tmp_path / "settings.yaml").write_text("name: no design\nlist: [1, 2]\n")
    return tmp_path


def test_every_claim_is_a_test_and_a_false_one_fails_at_its_line(designs):
    status, out = run(designs, "-v")
    assert status == 1 and "1 failed, 4 passed" in out
    for name in ("sound", "zero_sum", "bounded: {by: 1, when: {N: [2, 3]}}[N=2]"):
        assert f"focal.yaml::{name} PASSED" in out
    # p = 1/3: 2/3 * 2/3 = 4/9; N = 4, p = 1/4: 9/16
    assert "focal.yaml:4:5: bounded: 1/2 does not hold: N = 4, n_pos = 1: correct = 9/16, beyond 1/2" in out
    assert "  4 |   - bounded: 1/2\n          ^^^^^^^" in out and "settings.yaml" not in out


def test_claims_are_chosen_by_their_text(designs):
    status, out = run(designs, "-k", "zero_sum")
    assert status == 0 and "1 passed, 4 deselected" in out
    status, out = run(designs, "-x", "-k", "bounded and not when")
    assert status == 1 and "1 failed, 4 deselected" in out


def test_a_design_that_cannot_be_read_is_an_error_of_collection(designs):
    (designs / "broken.yaml").write_text("advantage: corect\n")
    status, out = run(designs)
    assert status == 2 and "broken.yaml:1:12: unknown name 'corect' in 'advantage'" in out


def test_a_file_of_someone_elses_that_has_an_objective_is_no_design(designs):
    (designs / "train.yaml").write_text("objective: binary\nmetric: auc\n")
    status, out = run(designs, "-k", "zero_sum")
    assert status == 0 and "1 passed, 4 deselected" in out and "train.yaml" not in out


def test_nothing_of_shaping_is_imported_where_there_is_no_design(tmp_path):
    (tmp_path / "settings.yaml").write_text("a: 1\n")
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    ours = {name for name in sys.modules if name.split('.')[0] in ('shaping', 'mpmath', 'sympy', 'torch')}\n"
        "    assert ours == {'shaping', 'shaping.pytest_plugin'}\n"
    )
    status, out = run(tmp_path)
    assert status == 0 and "1 passed" in out, out
