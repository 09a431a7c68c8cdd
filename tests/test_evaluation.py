"""pass@k of an evaluation, through OpenRLHF's own function: verdicts alone are counted, and only they."""

import os
import random
import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace

import oracle
import pytest
import torch

from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer import ppo_trainer  # noqa: E402
from openrlhf.trainer.ppo_trainer import BasePPOTrainer  # noqa: E402
from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402

from passk_rlhf import trainer  # noqa: E402
from passk_rlhf.evaluation import remember_design, unknown_pass  # noqa: E402
from shaping import loads  # noqa: E402

NAN, INF = float("nan"), float("inf")
PLAIN, PASSK = "advantage: r - mean(r)", "advantage: {correct: n_neg, wrong: 0 - n_pos}"
HALF = "correct: score > 0.5\nadvantage: r - mean(r)"


class Loader(list):
    """OpenRLHF's batches of one prompt: names of data sets, prompts, labels, images."""


def loader(datasets, design):
    """`datasets`: name → prompts."""
    batches = Loader(([name], [prompt], [""], [None]) for name, prompts in datasets.items() for prompt in prompts)
    if design:
        remember_design(batches, loads(design))
    return batches


def answers(groups, scores=None):
    """prompt → rewards; `scores` likewise, or the rewards, or "none"."""
    samples = []
    for prompt, rewards in groups.items():
        given = rewards if scores is None else None if scores == "none" else scores[prompt]
        for i, reward in enumerate(rewards):
            score = None if given is None or given[i] is None else torch.tensor([given[i]])
            reward = None if reward is None else torch.tensor([reward])
            length, cut_off = torch.tensor([5]), torch.tensor([False])
            samples.append(
                Experience(rewards=reward, scores=score, prompts=[prompt], response_length=length, truncated=cut_off)
            )
    return samples


def evaluate(design, groups, n, scores=None, datasets=None):
    batches = loader(datasets or {"maze": list(groups)}, design)
    return trainer.compute_eval_metrics(ppo_trainer.compute_eval_metrics, batches, answers(groups, scores), n)


def pass_names(logs):
    return [name for name in logs if "_pass" in name]


def test_one_right_of_four_is_a_quarter_a_half_and_one():
    # pass@2 of one right answer in four: 1 - C(3, 2) / C(4, 2) = 1/2; the other prompt is never solved.
    logs = evaluate(PASSK, {"a": [0.0, 1.0, 0.0, 0.0], "b": [0.0, 0.0, 0.0, 0.0]}, 4)
    assert [logs[f"eval_maze_pass{k}"] for k in (1, 2, 4)] == [0.125, 0.25, 0.5]
    assert logs["eval_maze_reward_mean"] == 0.125 and logs["eval_maze_reward_max4"] == 0.5
    assert logs["eval_num_samples"] == 8 and logs["eval_maze_response_length_mean"] == 5


def test_rewards_of_0_and_1_keep_the_numbers_that_openrlhf_calls_pass_1_and_pass_n():
    rng = random.Random(3)
    groups = {f"p{i}": [float(rng.random() < 0.3) for _ in range(8)] for i in range(12)}
    theirs, ours = evaluate(None, groups, 8), evaluate(PASSK, groups, 8)
    assert theirs["eval_maze_pass1"] > 0.1
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_every_k_equals_counting_all_subsets_for_each_data_set(n):
    rng = random.Random(n)
    groups = {f"p{i}": [float(rng.random() < 0.4) for _ in range(n)] for i in range(10)}
    datasets = {"easy": [f"p{i}" for i in range(6)], "hard set": [f"p{i}" for i in range(6, 9)]}  # p9 is in neither
    logs = evaluate(PASSK, groups, n, datasets=datasets)
    datasets["unknown"] = ["p9"]
    for name, prompts in datasets.items():
        ks = [int(key.rpartition("pass")[2]) for key in pass_names(logs) if key.startswith(f"eval_{name}_")]
        assert ks == [k for k in (1, 2, 4) if k < n] + [n]
        for k in ks:
            exact = sum(Fraction(oracle.pass_at_k([r == 1 for r in groups[p]], k)) for p in prompts) / len(prompts)
            assert logs[f"eval_{name}_pass{k}"] == pytest.approx(float(exact), abs=1e-12)


def test_rewards_up_to_one_and_a_half_with_scores_beside_them_are_counted_by_the_scores():
    rewards = {"a": [1.5, 0.25, 1.5, 0.0]}
    logs = evaluate(PASSK, rewards, 4, scores={"a": [1.0, 0.0, 1.0, 0.0]})
    # 2 of 4: pass@2 is 1 - 1/6
    assert [logs[f"eval_maze_pass{k}"] for k in (1, 2, 4)] == [0.5, pytest.approx(5 / 6), 1]
    assert logs["eval_maze_reward_mean"] == pytest.approx(3.25 / 4) and logs["eval_maze_reward_max4"] == 1.5


def test_the_designs_own_correct_decides():
    logs = evaluate(HALF, {"a": [0.9, 0.6, 0.5, 0.1]}, 4, scores="none")
    assert [logs[f"eval_maze_pass{k}"] for k in (1, 2, 4)] == [0.5, pytest.approx(5 / 6), 1]
    assert logs["eval_maze_reward_max4"] == pytest.approx(0.9)


def test_rewards_of_minus_one_and_one_are_verdicts():
    logs = evaluate(PLAIN, {"a": [-1.0, -1.0, 1.0, -1.0]}, 4)
    assert [logs[f"eval_maze_pass{k}"] for k in (1, 2, 4)] == [0.25, 0.5, 1]
    assert logs["eval_maze_reward_mean"] == -0.5


@pytest.mark.parametrize("rewards", [[1.5, 0.0, 1.0, 0.5], [0.37] * 4, [2.0, 3.0, 0.0, 0.0]])
def test_graded_rewards_of_a_design_that_says_nothing_of_correct_have_no_pass_at_k(rewards):
    logs = evaluate(PLAIN, {"a": rewards}, 4)
    assert pass_names(logs) == []
    assert logs["eval_maze_reward_mean"] == pytest.approx(sum(rewards) / 4)
    assert logs["eval_maze_reward_max4"] == pytest.approx(max(rewards))


def test_of_two_data_sets_one_may_have_verdicts_and_the_other_none():
    groups, datasets = {"a": [1.0, 0.0], "b": [0.3, 0.8]}, {"math": ["a"], "style": ["b"]}
    logs = evaluate(PLAIN, groups, 2, datasets=datasets)
    assert pass_names(logs) == ["eval_math_pass1", "eval_math_pass2"]
    assert logs["eval_style_reward_mean"] == pytest.approx(0.55)


@pytest.mark.parametrize("missing", [None, NAN, INF])
@pytest.mark.parametrize("design", [PASSK, HALF, "correct: score < 0.5\nadvantage: r - mean(r)"])
def test_an_answer_without_a_reward_is_a_wrong_one_whatever_is_correct(missing, design):
    right = 0.0 if "<" in design else 1.0
    logs = evaluate(design, {"a": [right, missing, 1 - right, missing]}, 4)
    assert [logs[f"eval_maze_pass{k}"] for k in (1, 2, 4)] == [0.25, 0.5, 1]


def test_without_a_design_openrlhfs_numbers_stay_as_they_are():
    logs = evaluate(None, {"a": [1.5, 0.5]}, 2)
    assert (logs["eval_maze_pass1"], logs["eval_maze_pass2"]) == (1.0, 1.5)
    assert not any("reward" in name for name in logs)


def test_an_evaluation_of_nothing_is_empty():
    assert evaluate(PASSK, {}, 4) == {}


def test_openrlhfs_own_loader_carries_the_design_to_its_evaluation():
    from torchdata.stateful_dataloader import StatefulDataLoader

    row = (["maze"], ["a"], [""], [None])
    batches = StatefulDataLoader([row], batch_size=1, collate_fn=lambda rows: rows[0])
    remember_design(batches, loads(PASSK))
    samples = answers({"a": [1.0, 0.0]})
    logs = trainer.compute_eval_metrics(ppo_trainer.compute_eval_metrics, batches, samples, 2)
    assert pass_names(logs) == ["eval_maze_pass1", "eval_maze_pass2"]
    remember_design(None, loads(PASSK))  # a run without --eval.dataset


def test_async_training_evaluates_by_the_same_function():
    # Its generator has a name of its own for it, bound while the trainer of sync training is being imported.
    seen = f"""
import sys
sys.path.insert(0, "tests")
import passk_rlhf.worker
passk_rlhf.worker.setup()
from openrlhf.trainer.ppo_trainer_async import GenerateSamplesActor
from types import SimpleNamespace as Namespace
from test_evaluation import answers, loader
samples = answers({{"a": [1.5, 0.0, 0.25, 0.0]}}, {{"a": [1.0, 0.0, 0.0, 0.0]}})
generator = Namespace(
    generate_kwargs={{}},
    args=Namespace(eval=Namespace(temperature=1, n_samples_per_prompt=4)),
    samples_generator=Namespace(generate_eval_samples=lambda **asked: samples),
    eval_dataloader=loader({{"maze": ["a"]}}, {PASSK!r}),
)
logs = GenerateSamplesActor.__ray_metadata__.modified_class._run_eval(generator)
print([logs[f"eval_maze_pass{{k}}"] for k in (1, 2, 4)], logs["eval_maze_reward_max4"])
"""
    there = os.environ | {"PASSK_RLHF_PATCH": "1", "PASSK_RLHF_DEVICE": "cpu"}
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", seen], env=there, text=True, capture_output=True)
    assert out.stdout.splitlines()[-1:] == ["[0.25, 0.5, 1.0] 1.5"], out.stdout + out.stderr[-3000:]


# ── The best checkpoint ─────────────────────────────────────────────────────


def best_of(evaluations, key="", monkeypatch=None):
    """The steps whose checkpoints OpenRLHF keeps as the best so far, and the warnings."""
    kept, said = [], []
    actors = SimpleNamespace(async_run_method=lambda **given: kept.append(given["tag"]) or [])
    monkeypatch.setattr(ppo_trainer.ray, "get", lambda refs: refs)
    monkeypatch.setattr(trainer, "logger", lambda: SimpleNamespace(warning=said.append))
    monkeypatch.setattr(trainer.resume, "save_design_of", lambda *given: None)
    advantage = SimpleNamespace(estimator="design", design=PLAIN)
    this = SimpleNamespace(
        args=SimpleNamespace(algo=SimpleNamespace(advantage=advantage), ckpt=SimpleNamespace(path="checkpoints")),
        best_eval_metric_key=key,
        best_eval_metric_value=-INF,
        actor_model_group=actors,
        critic_model_group=None,
    )
    this._detect_eval_metric_key = lambda numbers: BasePPOTrainer._detect_eval_metric_key(this, numbers)
    for step, numbers in enumerate(evaluations, 1):
        trainer.save_best_checkpoint(BasePPOTrainer.save_best_checkpoint, this, numbers, step, {})
    return [int(tag.removeprefix("best_global_step")) for tag in kept], said


def test_the_best_checkpoint_goes_by_pass_at_1_and_without_verdicts_by_the_mean_reward(monkeypatch):
    solved = [evaluate(PASSK, {"a": rewards}, 2) for rewards in ([0.0, 1.0], [0.0, 0.0], [1.0, 1.0])]
    assert best_of(solved, monkeypatch=monkeypatch) == ([1, 3], [])
    graded = [evaluate(PLAIN, {"a": rewards}, 2) for rewards in ([0.2, 0.4], [0.3, 0.1], [0.5, 0.4])]
    assert best_of(graded, monkeypatch=monkeypatch) == ([1, 3], [])
    assert best_of(solved, "none", monkeypatch=monkeypatch) == ([], [])
    assert best_of(solved, "eval_maze_pass2", monkeypatch=monkeypatch) == ([1], [])


def test_a_best_metric_that_an_evaluation_does_not_have_is_said_with_those_that_it_has(monkeypatch):
    graded = [evaluate(PLAIN, {"a": [0.2, 0.4]}, 2)]
    kept, said = best_of(graded, "eval_maze_pass1", monkeypatch=monkeypatch)
    assert kept == [] and len(said) == 1
    assert "has no eval_maze_pass1" in said[0] and "eval_maze_reward_max2, eval_maze_reward_mean" in said[0]


@pytest.mark.parametrize(
    ("key", "n", "wrong"),
    [
        (
            "eval_maze_pass8",
            4,
            "eval_maze_pass8: an evaluation with --eval.n_samples_per_prompt 4 reports pass1, pass2",
        ),
        ("eval_maze_pass4", 1, "reports pass1;"),
        ("eval_maze_pass2", 4, None),
        ("eval_maze_reward_mean", 4, None),
        ("none", 4, None),
        ("", 4, None),
    ],
)
def test_a_best_metric_that_no_evaluation_will_report_is_known_before_ray_starts(key, n, wrong):
    evaluation = SimpleNamespace(dataset="test.jsonl", n_samples_per_prompt=n)
    found = unknown_pass(SimpleNamespace(ckpt=SimpleNamespace(best_metric_key=key), eval=evaluation))
    assert found is None if wrong is None else wrong in found
