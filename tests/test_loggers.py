"""A line a step with the time left, and TensorBoard's histogram, read back from its files."""

from types import SimpleNamespace

import pytest
import torch

from passk_rlhf.loggers import Board, Progress, WandbHistogram, progress_line

LOGS = {"reward": 0.25, "rollout/pass1": 0.25, "rollout/pass4": 0.5, "rollout/pass8": 0.75, "design/effective": 0.5}


def test_the_time_left_is_that_of_the_steps_so_far():
    said, now = [], iter([100.0, 130.0, 160.0])
    progress = Progress(None, said.append, lambda step: 10, clock=lambda: next(now))
    for step in (4, 5, 6):  # resumed after step 3; the first took 30 s of its own
        progress.log_train(step, LOGS | {"timing/step_total": 30.0})
    assert said[0] == ("step 4/10  reward 0.250  pass@1 0.250  pass@8 0.750  effective groups 50%  3.0 min left")
    assert [line.split("  ")[-1] for line in said] == ["3.0 min left", "2.5 min left", "2.0 min left"]


def test_a_long_run_counts_hours_and_a_missing_number_is_left_out():
    assert progress_line(1, 2, {}, 7200) == "step 1/2  2.0 h left"
    assert progress_line(1, 2, {"rollout/pass1": 0.5}, 0) == "step 1/2  pass@1 0.500  0.0 min left"


def test_everything_is_passed_on_to_the_next():
    calls = []
    behind = SimpleNamespace(
        log_train=lambda *call: calls.append(call),
        log_eval=lambda *call: calls.append(call),
        close=lambda: calls.append("c"),
    )
    progress = Progress(behind, lambda line: None, lambda step: 5)
    progress.log_train(1, LOGS)
    progress.log_eval(2, {"a": 1})
    progress.close()
    assert calls == [(1, LOGS), (2, {"a": 1}), "c"]


def test_tensorboard_has_the_histogram_of_advantages_and_one_chart_of_pass_at_k(tmp_path):
    from openrlhf.utils.logging_utils import TensorboardLogger
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = SimpleNamespace(tensorboard_dir=str(tmp_path), wandb=SimpleNamespace(run_name="run"))
    maker = SimpleNamespace()
    board = Board(TensorboardLogger(SimpleNamespace(logger=logger)), maker)
    board.log_train(1, LOGS)  # before any batch: no histogram
    maker.passk_rlhf_advantage_PN = torch.tensor([[1.0, -1.0], [0.0, 3.0]])
    board.log_train(2, LOGS)
    board.close()
    events = EventAccumulator(str(tmp_path / "run"), size_guidance={"histograms": 0}).Reload()
    (histogram,) = events.Histograms("train/design/advantage")
    found = histogram.histogram_value
    assert (histogram.step, found.num, found.min, found.max, found.sum) == (2, 4, -1, 3, 3)
    assert events.Scalars("train/rollout/pass8")[0].value == pytest.approx(0.75)
    assert "custom_scalars__config__" in events.Tags()["tensors"]


def test_wandb_gets_the_histogram_beside_the_numbers_and_others_do_not():
    calls = []
    handle = SimpleNamespace(Histogram=lambda values: ("histogram", values))
    behind = SimpleNamespace(handle=handle, log_train=lambda *call: calls.append(call))
    maker = SimpleNamespace()
    logger = WandbHistogram(behind, maker)
    logger.log_train(1, LOGS)
    maker.passk_rlhf_advantage_PN = torch.tensor([[1.0, -1.0]])
    logger.log_train(2, LOGS)
    assert calls == [(1, LOGS), (2, LOGS | {"design/advantage": ("histogram", [1.0, -1.0])})]
    assert "design/advantage" not in LOGS
