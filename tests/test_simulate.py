"""What if the advantage were another one: the step against autograd, numbers against plain Python, what it shows."""

import math
import os
from functools import cache
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

import shaping
from shaping.cli import main
from shaping.errors import DesignError
from shaping.trials import simulate as module
from shaping.trials.population import ANSWERS, EASIEST, HARDEST, RIGHT, Population
from shaping.trials.simulate import run, simulate
from shaping.trials.simulation import half_width

CONFIGS = Path(__file__).parents[1] / "configs"
PAPER = ("grpo", "passk", "passk_then_pass1", "combination", "without_easy")
SMALL = {"prompts": 16, "N": 8, "steps": 20, "seeds": 2}


def load(name, **params):
    return shaping.load(CONFIGS / f"{name}.yaml", **params)


@cache
def paper():
    return simulate([load(name) for name in PAPER], seeds=4)


@cache
def competing():
    return simulate([load("grpo"), load("passk")], seeds=6, shared=1, lr=1)


def gain(result, measure, name, over="grpo"):
    """Mean and half of the confidence interval of the paired difference at the end."""
    end_DS = result.curves[measure][:, -1]
    difference_S = end_DS[result.names.index(name)] - end_DS[result.names.index(over)]
    return difference_S.mean().item(), half_width(difference_S).item()


# ── The model ───────────────────────────────────────────────────────────────


def test_a_step_is_sgd_on_the_reinforce_loss_of_private_and_shared_parameters():
    P, N, lr, shared = 5, 8, 0.7, 0.3
    population = Population(P, range(2), shared)
    answers = population.sample(population.log_pi_RA, population.uniforms(N))
    advantage_RN = torch.randn(2 * P, N, generator=torch.Generator().manual_seed(1))
    after_RA = population.step(population.log_pi_RA, answers.way_RN, advantage_RN, lr)
    for rows in (slice(0, P), slice(P, 2 * P)):  # each seed is a policy of its own
        theta = torch.zeros(P, ANSWERS, dtype=torch.float64, requires_grad=True)
        omega = torch.zeros(ANSWERS, dtype=torch.float64, requires_grad=True)

        def log_pi(theta, omega, rows=rows):
            z = population.log_pi_RA[rows] + ((1 - shared) * P) ** 0.5 * theta + shared**0.5 * omega
            return z.log_softmax(-1)

        picked = log_pi(theta, omega).gather(-1, answers.way_RN[rows])
        (advantage_RN[rows].double() * picked).mean().backward()
        stepped = log_pi(theta + lr * theta.grad, omega + lr * omega.grad)
        assert torch.allclose(after_RA[rows], stepped, atol=1e-12)
        assert (stepped - population.log_pi_RA[rows]).abs().max() > 0.01


def test_the_first_policy_solves_prompts_of_evenly_spaced_difficulty():
    population = Population(4, range(3))
    p_R = population.log_pi_RA.exp().gather(-1, population.right_RC).sum(-1)
    levels = [HARDEST + (EASIEST - HARDEST) * (i + 0.5) / 4 for i in range(4)]  # -5, -3, -1, 1
    assert torch.allclose(p_R.view(3, 4), torch.tensor(levels, dtype=torch.float64).sigmoid().expand(3, 4))
    assert torch.allclose(population.log_pi_RA.exp().sum(-1), torch.ones(12, dtype=torch.float64))
    assert all(len(set(places)) == RIGHT for places in population.right_RC.tolist())


def test_answers_are_the_ways_whose_share_of_the_unit_interval_has_the_uniform_number():
    population = Population(3, range(1))
    uniform_RN = population.uniforms(50)
    answers = population.sample(population.log_pi_RA, uniform_RN)
    for x in range(3):
        pi = population.log_pi_RA[x].exp().tolist()
        for u, way, reward, length in zip(
            uniform_RN[x].tolist(),
            answers.way_RN[x].tolist(),
            answers.reward_RN[x].tolist(),
            answers.signals["length"][x].tolist(),
            strict=True,
        ):
            assert sum(pi[:way]) <= u < sum(pi[: way + 1]) + 1e-12
            assert reward == (way in population.right_RC[x].tolist()) and length == 100 + 20 * way
            assert reward in (0, 1)


def test_measures_are_those_of_the_policy_itself():
    population = Population(3, range(2))
    pi_RA = population.log_pi_RA.exp().tolist()
    right = [set(places) for places in population.right_RC.tolist()]
    expected = {"pass@1": [], "pass@3": [], "entropy": [], "ways": [], "lost": [0.0] * 6}
    for pi, places in zip(pi_RA, right, strict=True):
        p = math.fsum(pi[a] for a in places)
        expected["pass@1"].append(p)
        expected["pass@3"].append(p + (1 - p) * p + (1 - p) ** 2 * p)  # the first success is at draw 1, 2 or 3
        expected["entropy"].append(-math.fsum(q * math.log(q) for q in pi))
        expected["ways"].append(math.prod((pi[a] / p) ** (-pi[a] / p) for a in places))
    for name, value_S in population.measure(population.log_pi_RA, 3).items():
        means = [sum(expected[name][:3]) / 3, sum(expected[name][3:]) / 3]
        assert value_S.tolist() == pytest.approx(means, rel=1e-9), name


def test_a_prompt_is_lost_when_it_is_solved_less_than_half_as_often():
    population = Population(4, range(1))
    log_pi_RA = population.log_pi_RA.clone()
    for x, factor in enumerate((0.4, 0.6, 1.0, 0.1)):
        log_pi_RA[x, population.right_RC[x]] += math.log(factor)
    assert population.measure(log_pi_RA, 2)["lost"].tolist() == [0.5]


# ── The run ─────────────────────────────────────────────────────────────────


def test_a_run_is_the_same_to_the_last_bit_and_a_seed_does_not_depend_on_the_others():
    designs = [load("passk"), load("lite_ppo"), load("passk_bootstrap"), load("unlikeliness")]
    one, again = simulate(designs, **SMALL), simulate(designs, **SMALL)
    more = simulate(designs[:2], **{**SMALL, "seeds": 3})
    for name, curve_DTS in one.curves.items():
        assert torch.equal(curve_DTS, again.curves[name])
        # lite_ppo divides by a deviation over the batch: were all seeds one batch, a third would change the others
        assert torch.equal(curve_DTS[:2], more.curves[name][..., :2]), name
    assert not torch.equal(one.curves["pass@1"][..., 0], one.curves["pass@1"][..., 1])


def test_designs_with_equal_advantages_have_equal_curves():
    result = simulate([load("grpo"), load("passk", k=1), load("passk")], **SMALL)
    grpo_TS, same_TS, other_TS = result.curves["pass@1"]
    assert torch.allclose(grpo_TS, same_TS, atol=1e-6) and not torch.allclose(grpo_TS, other_TS, atol=1e-4)
    assert result.curves["pass@1"].shape == (3, 21, 2) and torch.equal(grpo_TS[0], other_TS[0])


def test_threads_are_left_as_they_were():
    before = torch.get_num_threads()
    simulate([load("grpo")], **SMALL)
    assert torch.get_num_threads() == before


def test_matching_takes_the_size_of_advantages_out_and_nothing_else():
    grpo, twice = load("grpo"), shaping.loads("advantage:\n  each: 2 * (r - mean(r)) / std(r)\n  flat: 0")
    matched = simulate([grpo, twice], **SMALL)
    assert matched.scale_DT[:, 0].tolist() == pytest.approx([1, 0.5])
    assert torch.allclose(*matched.curves["pass@1"], atol=1e-6)
    faster = simulate([grpo, twice], **SMALL, match=False)
    assert faster.scale_DT.unique().tolist() == [1]
    assert (faster.curves["pass@1"][1, -1] > faster.curves["pass@1"][0, -1] + 0.005).all()


def test_pass_k_then_pass_1_is_pass_k_up_to_its_switch_and_then_pushes_like_grpo():
    result = simulate([load("passk"), load("passk_then_pass1")], **SMALL)
    passk_TS, then_TS = result.curves["pass@1"]
    assert torch.equal(passk_TS[:11], then_TS[:11]) and not torch.equal(passk_TS[11], then_TS[11])
    assert result.scale_DT[1, :10].unique().tolist() == result.scale_DT[0, :1].tolist()
    assert result.scale_DT[1, 10:].unique().tolist() == pytest.approx([1])


@pytest.mark.parametrize("name", ["unlikeliness", "opo", "adaptive_entropy", "passk_full_sampling", "passk_annealed"])
def test_designs_that_look_at_more_than_verdicts_learn_too(name):
    curve_T = simulate([load(name)], **SMALL).curves["pass@1"][0].mean(-1)
    assert curve_T[-1] > curve_T[0] + 0.003


# ── What it shows of the paper's variants ───────────────────────────────────


def test_pass_k_training_keeps_pass_k_higher_and_more_ways_in_use_while_pass_1_training_sharpens():
    result = paper()
    for measure, least in (("pass@8", 0.02), ("entropy", 0.3), ("ways", 0.1)):
        mean, half = gain(result, measure, "passk")
        assert mean - half > least, measure
    mean, half = gain(result, "pass@1", "passk")
    assert mean + half < 0  # its price


def test_pass_k_then_pass_1_ends_above_pass_1_training_in_both():
    for measure in ("pass@1", "pass@8"):
        mean, half = gain(paper(), measure, "passk_then_pass1")
        assert mean - half > 0.01, measure


def test_combination_keeps_pass_1_of_pass_1_training_at_a_higher_pass_k():
    mean, half = gain(paper(), "pass@8", "combination")
    assert mean - half > 0.02 and abs(gain(paper(), "pass@1", "combination")[0]) < 0.02


def test_without_easy_prompts_pass_k_is_kept_and_pass_1_is_slow():
    # The paper's local optimum, which this only delays, is not in the model.
    assert gain(paper(), "pass@8", "without_easy")[0] > 0.01 and gain(paper(), "pass@1", "without_easy")[0] < -0.05


def test_where_prompts_compete_pass_1_training_loses_what_it_had():
    grpo_T, passk_T = competing().curves["pass@8"].mean(-1)
    assert grpo_T.max() > grpo_T[-1] + 0.04 and passk_T.max() < passk_T[-1] + 0.02
    grpo_lost, passk_lost = competing().curves["lost"][:, -1].mean(-1)
    assert grpo_lost > passk_lost + 0.05


def test_k_as_large_as_the_group_learns_nothing():
    result = simulate([load("grpo"), load("passk", k=8)], **SMALL)
    for curve_DTS in result.curves.values():
        assert (curve_DTS[1] - curve_DTS[1, 0]).abs().max() < 1e-12
    assert "learnt nothing, every advantage was 0: passk\n" in result.table()


# ── What is printed ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seeds", "t"), [(2, 12.7062), (10, 2.2622), (20, 2.0930), (200, 1.9720)])
def test_confidence_intervals_are_students(seeds, t):
    # the tables' 97.5 % quantiles for 1, 9, 19 and 199 degrees of freedom
    value_S = torch.randn(seeds, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert half_width(value_S).item() == pytest.approx(t * value_S.std().item() / seeds**0.5, rel=1e-4)
    assert half_width(value_S[:1]) is None


def test_the_table_has_means_intervals_and_paired_differences():
    result = simulate([load("grpo"), load("dr_grpo")], **SMALL)
    lines = result.table().splitlines()
    curve_DTS = result.curves["pass@8"]
    row = lines[lines.index("pass@8") + 2].split()
    end_S = curve_DTS[1, -1]
    difference_S = end_S - curve_DTS[0, -1]
    half = (
        12.7062 * (difference_S[0] - difference_S[1]).abs().item() / 2
    )  # of two: t s / sqrt(2), s = |a - b| / sqrt(2)
    assert row[0] == "dr_grpo" and row[1] == f"{curve_DTS[1, 0].mean():.3f}"
    assert row[-6] == f"{end_S.mean():.3f}"
    assert row[-3:] == [f"{difference_S.mean():+.3f}", "±", f"{half:.3f}"]
    assert "16 prompts" in lines[0] and lines[1] == "groups of 8, 20 steps, lr 0.1, 2 seeds"
    assert lines[2].startswith("advantages scaled to GRPO's mean |A|") and "grpo × 1," in lines[2]


def test_one_seed_has_no_intervals_and_says_so():
    text = simulate([load("grpo")], **{**SMALL, "seeds": 1}).table()
    assert "±" not in text and "1 seed: no confidence intervals" in text


def test_one_design_at_two_settings_is_told_apart():
    result = simulate([load("passk"), load("passk", k=2), load("grpo"), load("grpo")], **SMALL)
    assert result.names == ("passk (k=4)", "passk (k=2)", "grpo #3", "grpo #4")


def test_the_command_prints_the_table_and_draws_curves_with_the_legend_beside_them(tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: drawn.append(figure))
    files = [str(CONFIGS / f"{name}.yaml") for name in ("grpo", "passk")]
    assert run(files, **SMALL, k=4, params={"k": "2"}, output=str(tmp_path / "curves.png")) == 0
    out = capsys.readouterr().out
    assert "\npass@4\n" in out and out.endswith(f"curves: {tmp_path}/curves.png\n")
    [figure] = drawn
    figure.draw_without_rendering()
    left, right = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["pass@1", "pass@4"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["grpo", "passk"]
    assert figure.legends[0].get_window_extent().x0 > right.get_window_extent().x1
    expected = simulate([load("grpo"), load("passk", k=2)], **SMALL, k=4).curves["pass@1"][1].mean(-1)
    assert left.lines[1].get_ydata().tolist() == expected.tolist()
    assert len(left.collections) == 2  # a band each


def test_curves_are_written(tmp_path):
    path = tmp_path / "curves.svg"
    simulate([load("grpo")], **SMALL).plot(path)
    assert path.read_text().startswith("<?xml")


# ── Mistakes ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": 0}, "seeds 0: at least 1"),
        ({"N": 1}, "N 1: at least 2"),
        ({"prompts": 0}, "prompts 0: at least 1"),
        ({"steps": 0}, "steps 0: at least 1"),
        ({"k": 0}, "k 0: at least 1"),
        ({"lr": 0.0}, "lr 0.0: a rate is a number above 0"),
        ({"lr": float("nan")}, "lr nan: a rate is a number above 0"),
        ({"lr": 1e308}, "lr 1e+308: design 'grpo' left the range of floats at step 0"),
        ({"shared": 1.5}, "shared 1.5: 0 to 1"),
    ],
)
def test_a_number_out_of_range_is_one_line(wrong, message):
    with pytest.raises(DesignError) as caught:
        simulate([load("grpo")], **(SMALL | wrong))
    assert str(caught.value) == message


def test_the_command_names_its_flags(capsys):
    grpo = str(CONFIGS / "grpo.yaml")
    for flags, said in (
        (["--prompts", "0"], "--prompts 0: at least 1"),
        (["--n", "1"], "--n 1: at least 2"),
        (["--lr", "0"], "--lr 0.0: a rate is a number above 0"),
        (["--param", "kk=2"], "--param kk: none of these designs has such a parameter"),
    ):
        assert main(["simulate", grpo, *flags]) == 1
        assert capsys.readouterr().err == f"{said}\n"


def test_what_simulated_answers_do_not_have_is_told():
    own = shaping.loads("signals:\n  tools: how many\nadvantage: r - 0.1 * tools")
    with pytest.raises(DesignError, match="^design 'design' reads tools, which a reward function gives: [^\n]*$"):
        simulate([own], **SMALL)
    with pytest.raises(DesignError, match="^design 'entropy_tokens' has a `token:` section: [^\n]*$"):
        simulate([load("entropy_tokens")], **SMALL)
    with pytest.raises(DesignError, match="^no design to simulate$"):
        simulate([], **SMALL)


def test_a_design_with_a_mistake_or_an_unknown_parameter_is_told(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("advantage: (r - mean(r)) / std(r)\n")
    with pytest.raises(DesignError, match=r"bad.yaml:1:12: for some rewards this is a division by zero"):
        run([str(path)], **SMALL)
    with pytest.raises(DesignError, match="^kk: none of these designs has such a parameter$"):
        run([str(CONFIGS / "grpo.yaml")], **SMALL, params={"kk": "2"})
    with pytest.raises(DesignError, match="k = 9 is outside 1..8"):
        run([str(CONFIGS / "passk.yaml")], **SMALL, params={"k": "9"})


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("none/curves.png", "there is no directory"),
        ("curves.txt", "name it .png, .svg or .pdf"),
        ("curves", "name it .png, .svg or .pdf"),
        ("folder.png", "it is a directory"),
        ("locked/curves.png", "permission denied"),
    ],
)
def test_curves_that_cannot_be_written_are_told_before_the_work_is_done(tmp_path, monkeypatch, output, message):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "locked").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: real(path, mode) and "locked" not in str(path))
    monkeypatch.setattr(module, "simulate", lambda *_, **__: pytest.fail("worked before it looked"))
    with pytest.raises(DesignError) as caught:
        run([str(CONFIGS / "grpo.yaml")], **SMALL, output=str(tmp_path / output))
    assert str(caught.value).startswith(f"cannot write {tmp_path / output}: {message}") and "\n" not in str(
        caught.value
    )
    assert not (tmp_path / output).is_file()
