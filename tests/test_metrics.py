import json
import math
import random

import oracle
import pytest
import torch

import shaping
from passk_rlhf.metrics import MetricsFile, pass_at_k, powers_of_two, step_metrics


def test_pass_at_k_equals_the_share_of_all_subsets_with_a_success():
    for N in range(1, 8):
        for n_pos in range(N + 1):
            group = [True] * n_pos + [False] * (N - n_pos)
            for k in range(1, N + 1):
                exact = float(oracle.pass_at_k(group, k))
                assert pass_at_k(torch.tensor([group]), k).item() == pytest.approx(exact, abs=1e-15)


def test_pass_at_k_of_a_thousand_answers_does_not_overflow():
    # One right answer of 1024: the chance to draw it in 512 is one half.
    group = torch.zeros(1, 1024, dtype=torch.bool)
    group[0, 17] = True
    assert pass_at_k(group, 512).item() == pytest.approx(0.5, abs=1e-12)


def test_pass_at_more_than_the_group_has_is_refused():
    with pytest.raises(ValueError, match="pass@5 of groups of 4 answers"):
        pass_at_k(torch.zeros(1, 4, dtype=torch.bool), 5)


def test_the_reported_k_are_powers_of_two_and_the_group_itself():
    assert [powers_of_two(N) for N in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_answers_that_are_left_out_are_neither_right_nor_wrong():
    correct = torch.tensor([[True, True, False, False], [False, True, False, False], [False] * 4])
    there = torch.tensor([[True, True, False, False], [True, True, True, False], [False] * 4])
    assert pass_at_k(correct, 2, there)[:2].tolist() == [1, 1 - 1 / 3]  # 2 of 2 right; 1 of 3: one pair in three fails
    metrics = step_metrics(correct, torch.tensor([[0.0] * 4, [-0.5, 1.0, -0.5, 0.0], [0.0] * 4]), there)
    assert metrics["rollout/pass1"] == pytest.approx((1 + 1 / 3) / 2) and math.isnan(metrics["rollout/pass4"])
    shares = {"design/all_wrong": 0, "design/too_easy": 1 / 3, "design/effective": 1 / 3, "design/abs_wrong": 0.5}
    assert {name: metrics[name] for name in shares} == pytest.approx(shares)


def test_a_mixed_group_that_gets_0_is_in_a_dead_zone_and_only_an_all_right_one_is_too_easy():
    # Pass@2 of 4: three right of four leave one wrong, fewer than k = 2.
    groups = [[True] * n + [False] * (4 - n) for n in range(5)]
    advantage = shaping.load("configs/passk.yaml", k=2)(torch.tensor(groups).float())
    metrics = step_metrics(torch.tensor(groups), advantage)
    shares = {name: metrics[f"design/{name}"] for name in ("all_wrong", "dead_zone", "too_easy", "effective")}
    assert shares == {"all_wrong": 1 / 5, "dead_zone": 1 / 5, "too_easy": 1 / 5, "effective": 2 / 5}


def test_of_answers_that_are_left_out_nothing_is_known():
    # Both that are there are right; the group has nothing to learn, and is in no dead zone.
    correct, there = torch.tensor([[True, True, False, False]]), torch.tensor([[True, True, False, False]])
    metrics = step_metrics(correct, torch.zeros(1, 4), there)
    assert (metrics["design/too_easy"], metrics["design/dead_zone"]) == (1, 0)


def test_an_all_wrong_group_that_a_design_pushes_down_is_one_that_trains():
    metrics = step_metrics(torch.tensor([[False, False]]), torch.tensor([[-1.0, -1.0]]))
    assert metrics["design/all_wrong"] == metrics["design/effective"] == 1


def test_step_metrics_equal_the_oracle_on_random_batches():
    rng = random.Random(5)
    for _ in range(30):
        P, N = rng.randint(1, 5), rng.randint(2, 6)
        correct = [[rng.random() < 0.4 for _ in range(N)] for _ in range(P)]
        advantage = [[rng.choice([0.0, 0.5, -1.25]) for _ in range(N)] for _ in range(P)]
        advantage[0] = [0.0] * N  # a silent group is always among them
        exact = oracle.batch_metrics(correct, advantage)
        ours = step_metrics(torch.tensor(correct), torch.tensor(advantage))
        by_name = {name.partition("/")[2]: value for name, value in ours.items()}
        assert by_name == {name: pytest.approx(float(value), abs=1e-12) for name, value in exact.items()}


class Recorder:
    def __init__(self):
        self.calls = []

    def log_train(self, *call):
        self.calls.append(("train", *call))

    def log_eval(self, *call):
        self.calls.append(("eval", *call))

    def close(self):
        self.calls.append("close")


def test_the_metrics_file_holds_whole_json_lines_and_passes_everything_on(tmp_path):
    behind = Recorder()
    file = MetricsFile(tmp_path / "new" / "metrics.jsonl", behind)
    file.log_train(3, {"loss": 0.1, "bad": math.nan, "generated_samples": ["text", 1.0]})
    file.log_eval(4, {"pass1": 1 / 3})
    lines = [json.loads(line) for line in (tmp_path / "new" / "metrics.jsonl").read_text().splitlines()]
    file.close()
    assert [(line["kind"], line["step"]) for line in lines] == [("train", 3), ("eval", 4)]
    assert lines[0]["loss"] == 0.1 and lines[0]["bad"] is None and "generated_samples" not in lines[0]
    assert lines[1]["pass1"] == 0.3333333
    assert behind.calls[0][2]["generated_samples"] == ["text", 1.0]
    assert [call[0] for call in behind.calls] == ["train", "eval", "c"]
