import importlib.metadata
import importlib.util
import pickle
from pathlib import Path

import pytest

from passk_rlhf import patch
from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer import ppo_trainer  # noqa: E402
from openrlhf.trainer.ppo_trainer import BasePPOTrainer  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402

METHODS = (
    (RemoteExperienceMaker, "compute_advantages_and_returns"),
    (RemoteExperienceMaker, "split_rollout_samples"),
    (SamplesGenerator, "_process_response_into_experience"),
    (SamplesGenerator, "_generate_vllm"),
    (BasePPOTrainer, "__init__"),
    (BasePPOTrainer, "train_step"),
    (BasePPOTrainer, "init_checkpoint_states"),
    (BasePPOTrainer, "save_logs_and_checkpoints"),
    (BasePPOTrainer, "save_best_checkpoint"),
    (ppo_trainer, "prepare_datasets"),
    (ppo_trainer, "compute_eval_metrics"),
)


def source_of_the_maker():
    package = Path(importlib.util.find_spec("openrlhf").origin).parent
    return (package / "trainer" / "ppo_utils" / "experience_maker.py").read_text()


def test_installing_twice_is_installing_once_and_uninstalling_restores():
    before = [getattr(owner, name) for owner, name in METHODS]
    patch.install()
    once = [getattr(owner, name) for owner, name in METHODS]
    patch.install()
    twice = [getattr(owner, name) for owner, name in METHODS]
    patch.uninstall()
    assert all(a is not b for a, b in zip(before, once, strict=True))
    assert twice == once
    assert [getattr(owner, name) for owner, name in METHODS] == before


def test_the_installed_openrlhf_is_one_that_was_read():
    assert patch.check_openrlhf() == importlib.metadata.version("openrlhf")


def test_comments_and_indentation_do_not_change_the_fingerprint_but_one_operator_does():
    source = source_of_the_maker()
    known = patch.fingerprint(source)
    assert known in patch.KNOWN_SOURCES
    line = "            rewards = rewards - baseline\n"
    assert line in source
    assert patch.fingerprint(source.replace(line, f"            # why\n{line}")) == known
    assert patch.fingerprint(source.replace(line, line.replace("-", "+"))) != known


@pytest.mark.parametrize("change", ["", "changed", "removed"])
def test_an_unread_openrlhf_is_refused_with_both_fingerprints(monkeypatch, tmp_path, change):
    package = tmp_path / "openrlhf"
    maker = package / "trainer" / "ppo_utils" / "experience_maker.py"
    maker.parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    source = source_of_the_maker()
    if change == "changed":
        source = source.replace("rewards = rewards - baseline", "rewards = rewards + baseline")
    if change == "removed":
        source = source.replace(patch.METHOD, "something_else")
    maker.write_text(source)
    spec = importlib.util.spec_from_file_location("openrlhf", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    if not change:
        patch.check_openrlhf()
        return
    with pytest.raises(patch.IncompatibleOpenRLHF) as error:
        patch.check_openrlhf()
    if change == "changed":
        for known in (*patch.KNOWN_SOURCES, patch.fingerprint(source)):
            assert known in str(error.value)
        assert "supported release of openrlhf (0.10.2, 0.10.3, 0.10.4, 0.11.0, 0.11.1, 0.11.2)" in str(error.value)
    else:
        assert "has no" in str(error.value) and patch.METHOD in str(error.value)


def test_a_release_that_nobody_has_run_is_refused_though_its_method_is_known(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.11.3")
    with pytest.raises(patch.IncompatibleOpenRLHF, match="OpenRLHF 0.11.3 was not run with this version(.|\n)*0.11.2"):
        patch.check_openrlhf()


def test_everything_that_is_replaced_is_named_here():
    patch.install()
    assert set(METHODS) == set(patch._originals)
    patch.uninstall()


def test_no_openrlhf_at_all_is_said(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(patch.IncompatibleOpenRLHF, match="not installed; supported: 0.10.2, 0.10.3, .* 0.11.2"):
        patch.check_openrlhf()


def test_errors_survive_the_way_from_a_ray_worker():
    import shaping

    for kind in (shaping.DesignError, shaping.RewardError, patch.IncompatibleOpenRLHF):
        error = pickle.loads(pickle.dumps(kind("what happened\nand what to do")))
        assert type(error) is kind and str(error) == "what happened\nand what to do"
