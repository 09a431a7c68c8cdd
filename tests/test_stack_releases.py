"""Every release of OpenRLHF that patch.py calls known trains on a design; the installed one has all other tests."""

import importlib.metadata
import subprocess
import sys

import oracle
import pytest
from stack import answer_tokens, batches, command, groups, run_to_the_end

from passk_rlhf import patch

pytestmark = [pytest.mark.stack, pytest.mark.nightly]

OTHERS = {release for releases in patch.KNOWN_SOURCES.values() for release in releases}
OTHERS -= {importlib.metadata.version("openrlhf")}


@pytest.mark.parametrize("release", sorted(OTHERS))
def test_another_known_release_gives_the_actors_the_oracles_advantages(release, tmp_path, monkeypatch):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, f"openrlhf=={release}"]
    subprocess.run(pip, check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    job = [*command(tmp_path, steps=2), "--advantage-design", "configs/passk.yaml", "--advantage-param", "k=3"]
    at = job.index("--algo.advantage.is_correction_level")  # of 0.11.2
    del job[at : at + 2]
    status, log = run_to_the_end(job, tmp_path)
    assert status == 0, log[-8000:]
    assert f"groups of 8, OpenRLHF {release}" in log
    steps, nonzero = batches(tmp_path / "record"), 0
    for group in (group for batch in steps for group in groups(batch)):
        for sample, value in zip(group, oracle.passk_closed_form([s["scores"] == 1 for s in group], 3), strict=True):
            assert set(answer_tokens(sample, "advantages")) == {oracle.nearest_float32(value)}
            nonzero += value != 0
    assert len(steps) == 2 and nonzero >= 16
