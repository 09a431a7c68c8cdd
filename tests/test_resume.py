"""Going on from a checkpoint: which one, is it whole, and was it trained on the same design."""

import zipfile
from types import SimpleNamespace

import pytest
import torch

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer import ppo_trainer  # noqa: E402, F401  - so that trainer.py's imports are cheap

from passk_rlhf import resume, trainer  # noqa: E402
from passk_rlhf.resume import ResumeError, change_of_design, last_checkpoint, refuse_change  # noqa: E402

FOUR = "name: mine\nparams: {k: 4}\nadvantage: k * r\n"
EIGHT = FOUR.replace("4", "8")


def save(path, name, latest=True, processes=1):
    """What DeepSpeed leaves of one checkpoint."""
    folder = path / "_actor" / name
    folder.mkdir(parents=True)
    parts = [f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(processes)]
    for file in ("mp_rank_00_model_states.pt", *parts):
        torch.save({"weights": torch.ones(100)}, folder / file)
    if latest:
        (path / "_actor" / "latest").write_text(name)
    return folder


# ── Which checkpoint ────────────────────────────────────────────────────────


def test_without_any_checkpoint_there_is_nothing_to_go_on_from(tmp_path):
    assert last_checkpoint(tmp_path) is None
    (tmp_path / "_actor").mkdir()
    assert last_checkpoint(tmp_path) is None


def test_the_last_one_is_the_one_that_deepspeed_would_load(tmp_path):
    save(tmp_path, "global_step1")
    save(tmp_path, "global_step2")
    assert last_checkpoint(tmp_path) == "global_step2"


def test_a_run_killed_while_it_saved_for_the_first_time_has_no_checkpoint(tmp_path):
    half = tmp_path / "_actor" / "global_step1"
    half.mkdir(parents=True)
    (half / "mp_rank_00_model_states.pt").write_bytes(b"PK\x03\x04 and then the process was killed")
    assert last_checkpoint(tmp_path) is None


def test_a_run_killed_while_it_saved_again_goes_on_from_the_one_before(tmp_path):
    save(tmp_path, "global_step1")
    (tmp_path / "_actor" / "global_step2").mkdir()
    assert last_checkpoint(tmp_path) == "global_step1"


@pytest.mark.parametrize(
    ("latest", "message"),
    [
        (b"global_step9", "names checkpoint 'global_step9', which is not there"),
        (b"", "names checkpoint '', which is not there"),
        (b"../../etc", "names checkpoint '../../etc', which is not there"),
        (b"\xff\x00" + b"x" * 9999, "which is not there"),
    ],
)
def test_a_file_latest_that_names_none_is_refused_and_another_one_offered(tmp_path, latest, message):
    save(tmp_path, "global_step1")
    (tmp_path / "_actor" / "latest").write_bytes(latest)
    with pytest.raises(ResumeError) as error:
        last_checkpoint(tmp_path)
    assert message in str(error.value) and "To go on from global_step1: echo global_step1 > " in str(error.value)
    assert len(str(error.value)) < 900


def test_a_file_latest_that_is_gone_is_refused_and_a_checkpoint_offered(tmp_path):
    save(tmp_path, "global_step1", latest=False)
    with pytest.raises(ResumeError, match="the file 'latest' is gone(.|\n)*echo global_step1 >"):
        last_checkpoint(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -10])
def test_a_checkpoint_that_was_cut_off_is_refused_by_the_name_of_its_file_or_another_one_used(tmp_path, keep):
    file = save(tmp_path, "global_step2") / "mp_rank_00_model_states.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep)] if isinstance(keep, float) else whole[:keep])
    with pytest.raises(ResumeError, match=r"mp_rank_00_model_states.pt is damaged(.|\n)*No other checkpoint is whole"):
        last_checkpoint(tmp_path)
    save(tmp_path, "global_step1", latest=False)
    assert last_checkpoint(tmp_path) == "global_step1"


def test_a_run_killed_when_only_its_first_process_had_saved_goes_on_from_the_checkpoint_before(tmp_path):
    # The first process writes `latest`, then they wait for each other: the second has written nothing yet.
    save(tmp_path, "global_step1", processes=2)
    save(tmp_path, "global_step2", processes=1)
    assert last_checkpoint(tmp_path, processes=2) == "global_step1"
    assert resume.go_back_to(tmp_path, "global_step1") == "global_step2"
    assert (tmp_path / "_actor" / "latest").read_text() == "global_step1"
    assert resume.go_back_to(tmp_path, "global_step1") is None  # it is named already
    assert last_checkpoint(tmp_path, processes=1) == "global_step1"


def test_a_checkpoint_without_an_optimizers_state_may_be_of_a_run_that_saves_none(tmp_path):
    save(tmp_path, "global_step1", processes=0)
    assert last_checkpoint(tmp_path, processes=2) == "global_step1"


def test_a_checkpoint_without_its_model_is_refused(tmp_path):
    (save(tmp_path, "global_step1") / "mp_rank_00_model_states.pt").unlink()
    with pytest.raises(ResumeError, match=r"has no model in it(.|\n)*No other checkpoint is whole: remove"):
        last_checkpoint(tmp_path)


def test_what_torch_saves_ends_with_its_table_of_contents(tmp_path):
    # the fact that `damaged` rests on; a torch that saves otherwise must not make every checkpoint look broken
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pt")
    assert zipfile.is_zipfile(tmp_path / "a.pt")


# ── The same design? ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "same",
    [
        FOUR,
        "# why\n" + FOUR,
        "name:   mine\nparams:\n  k: 4\nadvantage: k * r   # the reward\n",
        FOUR + "claims: [sign_correct]\n",
    ],
)
def test_comments_layout_and_claims_make_no_other_design(same):
    assert change_of_design(FOUR, same) is None


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (EIGHT, "was trained on design mine (k=4), and this command gives design mine (k=8)"),
        (
            FOUR.replace("k * r", "k * (r - mean(r))"),
            "was trained on design mine (k=4), and this command gives design mine (k=4), with other formulas",
        ),
        (None, "was trained on design mine (k=4), and this command gives an estimator of OpenRLHF's"),
    ],
)
def test_another_parameter_another_formula_and_no_design_at_all_are_changes(now, change):
    assert change_of_design(FOUR, now) == change
    with pytest.raises(ResumeError, match="--allow-design-change"):
        refuse_change("global_step4", FOUR, now, allowed=False)
    assert refuse_change("global_step4", FOUR, now, allowed=True) == change


@pytest.mark.parametrize("text", ["name: old\nadvantage: wigner(r)\n", "[", "", "\ufffd\0", "!!python/object:os"])
def test_a_design_that_cannot_be_read_any_more_is_a_change_and_no_crash(text):
    change = change_of_design(text, FOUR)
    assert change == "was trained on a design that cannot be read here, and this command gives design mine (k=4)"


# ── In the trainer ──────────────────────────────────────────────────────────


def at_the_start(tmp_path, states, design=FOUR, allow=False, dump=None, goes_on=True):
    """What the trainer does with the state of a checkpoint, before the first step."""
    advantage = SimpleNamespace(
        estimator="design", design=design, allow_change=allow, dump=dump and str(dump), goes_on=goes_on
    )
    args = SimpleNamespace(algo=SimpleNamespace(advantage=advantage), ckpt=SimpleNamespace(output_dir=str(tmp_path)))
    return trainer.init_checkpoint_states(lambda self: states, SimpleNamespace(args=args))


@pytest.fixture(autouse=True)
def job_of_nine_steps(monkeypatch):
    monkeypatch.setattr(trainer, "total_steps", lambda step: 9)


def test_a_checkpoint_of_the_same_design_is_gone_on_from(tmp_path):
    states = {"global_step": 3, resume.DESIGN: "# as before\n" + FOUR}
    assert at_the_start(tmp_path, states) is states
    assert (tmp_path / "design.yaml").read_text() == FOUR


@pytest.mark.parametrize("trained", [EIGHT, None])
def test_a_checkpoint_of_another_design_is_refused_and_nothing_is_overwritten(tmp_path, trained):
    (tmp_path / "design.yaml").write_text(EIGHT)
    with pytest.raises(ResumeError, match="checkpoint of step 3 was trained on"):
        at_the_start(tmp_path, {"global_step": 3} | ({resume.DESIGN: trained} if trained else {}))
    assert (tmp_path / "design.yaml").read_text() == EIGHT


def test_an_allowed_change_keeps_the_design_of_before_apart(tmp_path):
    # twice: the first run on the new design was killed before its first checkpoint
    for beside in (EIGHT, FOUR):
        (tmp_path / "design.yaml").write_text(beside)
        at_the_start(tmp_path, {"global_step": 3, resume.DESIGN: EIGHT}, allow=True)
        assert (tmp_path / "design.yaml").read_text() == FOUR
        assert (tmp_path / "design-until-step3.yaml").read_text() == EIGHT


def steps_in(*files):
    return [[int(line[9]) for line in file.read_text().splitlines()] for file in files]


def lines_of(*steps):
    return "".join(f'{{"step": {step}, "rewards": [1, 0]}}\n' for step in steps)


def test_a_run_that_goes_on_cuts_the_metrics_of_the_steps_that_it_will_do_again(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines_of(1, 2, 3, 4, 5))
    at_the_start(tmp_path, {"global_step": 3, resume.DESIGN: FOUR})
    assert steps_in(metrics) == [[1, 2, 3]] and not (tmp_path / "metrics-1.jsonl").exists()


def test_later_steps_of_another_design_are_kept_in_a_file_of_their_own(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines_of(1, 2, 3, 4, 5))
    at_the_start(tmp_path, {"global_step": 3, resume.DESIGN: EIGHT}, allow=True)
    assert steps_in(metrics, tmp_path / "metrics-1.jsonl") == [[1, 2, 3], [1, 2, 3, 4, 5]]


def test_a_run_that_begins_anew_in_the_same_folder_has_metrics_of_its_own(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(lines_of(1, 2))
    at_the_start(tmp_path, {"global_step": 0}, goes_on=False)
    assert steps_in(metrics, tmp_path / "metrics-1.jsonl") == [[], [1, 2]]


def test_a_run_that_should_go_on_and_finds_no_checkpoint_begins_its_rewards_anew(tmp_path):
    dump = tmp_path / "rewards.jsonl"
    dump.write_text(lines_of(0, 1))
    at_the_start(tmp_path, {"global_step": 0}, dump=dump)
    assert steps_in(dump, tmp_path / "rewards-1.jsonl") == [[], [0, 1]]


def test_a_run_that_goes_on_drops_the_rewards_of_the_steps_it_will_do_again(tmp_path):
    dump = tmp_path / "rewards.jsonl"
    lines = [f'{{"step": {step}, "rewards": [1, 0]}}\n' for step in (0, 0, 1, 1, 2)]
    dump.write_text("".join(lines) + '{"step": 3, "rew')
    at_the_start(tmp_path, {"global_step": 2, resume.DESIGN: FOUR}, dump=str(dump))
    assert dump.read_text() == "".join(lines[:4])


@pytest.mark.parametrize("step", [20, 21])
def test_every_checkpoint_carries_its_design_and_has_it_in_its_folder(tmp_path, step):
    saved = {}
    advantage = SimpleNamespace(estimator="design", design=FOUR)
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=advantage), ckpt=SimpleNamespace(path=str(tmp_path), save_steps=20)
    )
    self = SimpleNamespace(args=args, best_eval_metric_key="")

    def original(self, *given):
        saved.update(given[-1])  # the states of the client
        if step == 20:
            save(tmp_path, "global_step20")

    trainer.save_logs_and_checkpoints(original, self, step, {}, {"episode": 1})
    assert saved == {"episode": 1, resume.DESIGN: FOUR}
    assert resume.design_of(tmp_path, f"global_step{step}") == (FOUR if step == 20 else None)

    def best(self, *given):
        saved.update(given[-1])
        save(tmp_path, f"best_global_step{step}")

    saved.clear()
    trainer.save_best_checkpoint(best, self, {"eval_pass1": 1.0}, step)
    assert saved == {resume.DESIGN: FOUR} and resume.design_of(tmp_path, f"best_global_step{step}") == FOUR


def test_the_design_of_a_checkpoint_is_that_of_the_checkpoint_and_not_of_the_last_run(tmp_path):
    # 20 on one design, 40 after a change, then a run on an estimator of OpenRLHF's in the same folder
    for name, text in (("global_step20", FOUR), ("global_step40", EIGHT), ("global_step5", None)):
        save(tmp_path, name)
        if text:
            resume.save_design_of(tmp_path, name, text)
    found = [resume.design_of(tmp_path, name) for name in ("global_step20", "global_step40", "global_step5")]
    assert found == [FOUR, EIGHT, None]
    resume.save_design_of(tmp_path, "global_step9", FOUR)  # saved where this process does not see it
    assert not (tmp_path / "_actor" / "global_step9").exists()
