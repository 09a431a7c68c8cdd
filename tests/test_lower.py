"""From design to tensor: tables and graphs, groups without a value, verdicts, refused rewards, torch.compile."""

import math
import random
import re
from pathlib import Path

import pytest
import shaping
import torch
from shaping import exact, lower, real
from shaping.errors import DesignError, RewardError

CONFIGS = Path(__file__).parents[1] / "configs"
NAN, INF = math.nan, math.inf


def rows(*groups, dtype=torch.float32):
    return torch.tensor(groups, dtype=dtype)


def design(advantage, *, flat=None, correct=None, let=None, **params):
    """A design of one formula; `params` are its defaults."""
    lines = [f"correct: {correct}"] if correct else []
    lines += ["params:", *(f"  {name}: {value}" for name, value in params.items())] if params else []
    lines += ["let:", *(f"  {name}: {body}" for name, body in let.items())] if let else []
    lines += ["advantage:", f"  each: {advantage}"] + ([f"  flat: {flat}"] if flat is not None else [])
    return shaping.loads("\n".join(lines), "d.yaml")


def passk(k=2):
    return shaping.load(CONFIGS / "passk.yaml", k=k)


def grpo():
    return shaping.load(CONFIGS / "grpo.yaml")


# ---------------------------------------------------------------- tables


def test_a_counting_design_is_one_table_of_correct_and_one_of_wrong_answers():
    # k = 2, N = 4, n_pos = 2: miss = 1/6, correct 1/sqrt 5; wrong answers of n_pos = 4 and correct of 0 do not exist
    tables = dict(lower.lowered(passk(), 4).named_buffers())
    assert {name: table.shape for name, table in tables.items()} == {"advantage_correct": (5,), "advantage_wrong": (5,)}
    assert tables["advantage_correct"].tolist() == pytest.approx([0, 1, 5**-0.5, 0, 0])
    assert tables["advantage_wrong"].tolist() == pytest.approx([0, -1 / 3, -(5**-0.5), 0, 0])


def test_a_table_in_float64_is_rounded_from_the_exact_value_and_not_from_float32():
    assert design("n_pos / 3")(rows([1, 0], dtype=torch.float64)).tolist() == [[1 / 3, 1 / 3]]


def test_one_design_serves_groups_of_every_size():
    share = design("n_pos / N")
    for N in (2, 3, 5, 64, 3):
        group = rows([1] + [0] * (N - 1))
        assert share(group).tolist() == [[pytest.approx(1 / N)] * N]


def test_the_same_size_is_compiled_once_and_two_designs_do_not_share():
    one, other = design("n_pos"), design("n_neg")
    assert lower.lowered(one, 4) is lower.lowered(one, 4)
    assert one(rows([1, 1, 1, 0]))[0, 0] == 3 and other(rows([1, 1, 1, 0]))[0, 0] == 1


def test_parts_that_counts_decide_are_tables_inside_a_graph():
    part = design("r * binomial(N, n_pos) - r * (1 - p)", let=None)
    assert all(table.shape == (5,) for table in lower.lowered(part, 4).buffers())
    # n_pos = 1: binomial 4, 1 - p = 3/4, so r * 3.25
    assert part(rows([1, 0, 0, 0])).tolist() == [[3.25, 0, 0, 0]]


# ---------------------------------------------------------------- groups without a value


def test_flat_is_what_the_whole_group_gets():
    # 1 / n_neg has no value where all are right
    assert design("1 / n_neg", flat=7)(rows([1, 1], [1, 0], [0, 0])).tolist() == [[7, 7], [1, 1], [0.5, 0.5]]


def test_one_answer_without_a_value_takes_its_group_with_it_and_no_other():
    got = design("log(r)", flat=9)(rows([1, 0], [1, math.e], [-1, 1], [1, 1]))
    assert got.tolist() == [[9, 9], [0, pytest.approx(1)], [9, 9], [0, 0]]


def test_one_branch_without_a_value_takes_the_other_with_it():
    # n_pos = 1: a wrong answer would get 1 / (n_pos - 1)
    branches = shaping.loads("advantage: {correct: 5, wrong: 1 / (n_pos - 1), flat: -2}")
    assert branches(rows([1, 0, 0], [1, 1, 0], [1, 1, 1])).tolist() == [[-2, -2, -2], [5, 5, 1], [5, 5, 5]]


def test_flat_may_be_a_formula_over_counts_or_rewards():
    assert design("1 / n_pos", flat="-N")(rows([0, 0], [1, 1])).tolist() == [[-2, -2], [0.5, 0.5]]
    assert design("1 / n_pos", flat="r - 1")(rows([0, 0], [1, 1])).tolist() == [[-1, -1], [0.5, 0.5]]
    assert design("r / std(r)", flat="n_pos - r")(rows([1, 1], [0, 0], [1, 0])).tolist() == [[1, 1], [0, 0], [2, 0]]
    assert design("5", flat="r")(rows([1, 0])).tolist() == [[5, 5]]


WITHOUT_FLAT = {
    "1 / n_pos": "2:9: division by zero for N = 3, n_pos = 0",
    "r * (1 / n_pos)": "2:14: division by zero for N = 3, n_pos = 0",
    "r * log(n_neg)": "2:13: logarithm of a number that is not positive for N = 3, n_pos = 3",
    "r / (1 / n_pos)": "2:14: division by zero for N = 3, n_pos = 0",
    "r / std(r)": "2:9: for some rewards this is a division by zero",
    "sqrt(r)": "2:9: for some rewards this is the root of a negative number",
    "log(r)": "2:9: for some rewards this is the logarithm of a number that is not positive",
    "r ** 0.5": "2:9: for some rewards this is a power without a value",
    "r ** -1": "2:9: for some rewards this is a power without a value",
    "1 / r if r > mean(r) else 0": "2:9: for some rewards this is a division by zero",
}


@pytest.mark.parametrize("formula", WITHOUT_FLAT)
def test_a_formula_that_may_have_no_value_needs_flat_before_any_reward_is_seen(formula):
    with pytest.raises(DesignError) as error:
        design(formula).check(3)
    assert str(error.value).startswith(f"d.yaml:{WITHOUT_FLAT[formula]}\n  2 |   each: {formula}\n")
    assert str(error.value).endswith("\nhint: say what such a group gets: `flat: 0` under `advantage:`")
    with pytest.raises(DesignError):
        design(formula)(torch.zeros(2, 3))
    design(formula, flat=0).check(3)


@pytest.mark.parametrize("flat", ["1 / n_pos", "1 / r", "sqrt(-1)", "log(r) if n_pos == 0 else 0"])
@pytest.mark.parametrize("formula", ["1 / n_pos", "r / std(r)"])
def test_flat_itself_must_have_a_value(formula, flat):
    with pytest.raises(DesignError, match=r"^d\.yaml:3:\d+: .*(division by zero|root|logarithm)"):
        design(formula, flat=flat).check(3)


@pytest.mark.parametrize(
    ("formula", "group", "value"),
    [
        ("r / n_pos if n_pos > 0 else 5", [0, 0], [5, 5]),
        ("r / n_neg if not correct else 5", [1, 1], [5, 5]),
        ("r / n_neg if not correct else 5", [1, 0], [5, 0]),
        ("log(r) if N > 99 else r", [1, 0], [1, 0]),
        ("r ** 2 + r ** 0", [3, 0], [10, 1]),
        ("r / N / (N - 1)", [2, 0], [1, 0]),
        ("mean(1 / n_neg if not correct else 0) + r", [1, 1], [1, 1]),
        ("r * (binomial(n_pos / 2, 1) if n_pos == 2 else 3)", [1, 0], [3, 0]),
        ("r * binomial(n_pos / 2, 1) if n_pos == 2 else r", [1, 0], [1, 0]),
        ("r * binomial(n_pos / 2, 1) if n_pos == 2 else r", [1, 1], [1, 1]),
    ],
)
def test_only_the_branch_that_is_taken_has_to_have_a_value(formula, group, value):
    lazy = design(formula, correct="score >= 1")
    assert lazy(rows(group)).tolist() == [value]
    assert exact.advantages(lazy, group) == value


def test_what_no_group_could_use_is_refused_and_not_flattened():
    for formula in ("binomial(n_pos / 2, 1)", "r * binomial((n_pos - 1) / 2, 1)", "r / std(r, ddof=3)"):
        with pytest.raises(DesignError, match=r"^d\.yaml:2:\d+: (binomial needs whole numbers|std.* needs more than 3)"):
            design(f'"{formula}"', flat=0).check(3)


# ---------------------------------------------------------------- numbers beyond floats


@pytest.mark.parametrize("formula", ["r * 1e39", "r * 1e9999", "correct * exp(1000)", "correct * exp(exp(100))", "r / 1e-50"])
@pytest.mark.usefixtures("soon")
def test_a_number_that_does_not_fit_is_refused_and_not_infinity(formula):
    with pytest.raises(DesignError, match=r"^d\.yaml:2:\d+: "):
        design(formula)(rows([1, 0]))


def test_an_advantage_that_leaves_the_floats_is_refused_and_not_infinity():
    with pytest.raises(DesignError) as error:
        design("exp(r)")(rows([0, 1], [1, 1000]))
    assert str(error.value) == (
        "design 'd': the advantage of prompt 1, answer 1 is inf: a formula left the range of torch.float32.\n"
        "Rewards of the group: [1.0, 1000.0]"
    )
    with pytest.raises(DesignError, match="the advantage of prompt 0, answer 0 is nan"):
        design("exp(r) / sum(exp(r))", flat=0)(rows([1000, 1000]))
    for formula in ("r * 70000", "correct * 70000"):  # float16 ends at 65504
        with pytest.raises(DesignError):
            design(formula)(rows([1, 0], dtype=torch.float16))


def test_float64_rewards_may_use_numbers_that_float32_has_not():
    assert design("r * 1e39")(rows([1, 0], dtype=torch.float64)).tolist() == [[1e39, 0]]


# ---------------------------------------------------------------- who is correct


def test_a_penalised_reward_does_not_make_an_answer_wrong():
    # OpenRLHF takes half a point off for length; the score stays 1
    rewards, scores = rows([0.5, 0, 0, 0]), rows([1, 0, 0, 0])
    assert torch.equal(passk()(rewards, scores), passk()(scores))
    # and r is still the penalised reward
    assert design("r + correct")(rewards, scores).tolist() == [[1.5, 0, 0, 0]]
    assert design("score - r")(rewards, scores).tolist() == [[0.5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        ("score >= 1", [0, 0, 1, 1]),
        ("score > 0.5", [0, 0, 1, 1]),
        ("score >= 0.5", [0, 1, 1, 1]),
        ("0.25 < score < 2", [0, 1, 1, 0]),
        ("not (score == 0 or score == 1)", [0, 1, 0, 1]),
        ("score", [0, 1, 1, 1]),
        ("score - 1", [1, 1, 0, 1]),
        ("score > t", [0, 0, 0, 1]),
    ],
)
def test_the_file_says_which_graded_scores_are_correct(correct, verdict):
    scores = rows([0, 0.5, 1, 2])
    judged = design("correct * N + n_pos", correct=correct, t="3/2")
    assert judged(scores).tolist() == [[4 * v + sum(verdict) for v in verdict]]
    assert exact.advantages(judged, [0, 0.5, 1, 2]) == [4 * v + sum(verdict) for v in verdict]
    assert lower.verdicts(judged, scores).tolist() == [[bool(v) for v in verdict]]


@pytest.mark.parametrize("correct", ["score >= 1", "not score < 1", "score != 0", "not (score > 0)"])
def test_nan_is_never_correct(correct):
    assert lower.verdicts(design("r", correct=correct), rows([NAN])).tolist() == [[False]]


@pytest.mark.parametrize("correct", ["1 / score > 2", "log(score) > 0", "sqrt(score) > 0.5", "score ** -1 > 2"])
def test_a_verdict_without_a_value_for_some_score_is_refused(correct):
    judged = design("correct", correct=correct)
    with pytest.raises(DesignError, match=r"^d\.yaml:1:\d+: "):
        judged.check(2)
    with pytest.raises(DesignError, match=r"^d\.yaml:1:\d+: "):
        exact.advantages(judged, [-1, 0])


def test_scores_finer_than_the_rewards_are_not_rounded_before_they_are_judged():
    scores = rows([1 - 1e-12, 1], dtype=torch.float64)
    assert design("correct", correct="score >= 1")(rows([0, 0]), scores).tolist() == [[0, 1]]


def test_scores_may_be_whole_numbers_or_booleans():
    for dtype in (torch.int64, torch.bool, torch.float64, torch.bfloat16):
        assert design("correct + r")(rows([3, 3]), rows([1, 0], dtype=dtype)).tolist() == [[4, 3]]


# ---------------------------------------------------------------- refused rewards

COUNTS = (
    "This design counts correct answers; round the reward in your reward function, say in the design\n"
    "which scores are correct (`correct: score > 0.5`), or use a design for graded rewards."
)
FINITE = "Return a number for every answer."


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (NAN, "nan"), (INF, "inf"), (-INF, "-inf"), (-1, "-1.0"), (2, "2.0")]
)
def test_a_counting_design_names_the_reward_that_is_no_verdict(value, shown):
    with pytest.raises(RewardError) as error:
        passk()(rows([1, 0, 0, 0], [1, 0, value, value]))
    assert str(error.value) == f"design 'passk': reward {shown} at prompt 1, answer 2 is neither 0 nor 1.\n{COUNTS}"
    assert error.value.prompt == 1


@pytest.mark.parametrize("value", [1 - 2**-24, 1 + 2**-23, 2**-60])
def test_a_reward_that_is_almost_a_verdict_is_not_shown_as_one(value):
    with pytest.raises(RewardError) as error:
        passk()(rows([1, value, 0, 0]))
    shown = re.search(r"reward (\S+) at prompt 0, answer 1 is neither 0 nor 1", str(error.value)).group(1)
    assert float(shown) == pytest.approx(value, rel=1e-8) and float(shown) not in (0, 1)


def test_a_score_is_called_a_score():
    with pytest.raises(RewardError, match=r"^design 'passk': score 0.25 at prompt 0, answer 3 is neither 0 nor 1\.\n"):
        passk()(rows([1, 0, 0, 0]), rows([1, 0, 0, 0.25]))


@pytest.mark.parametrize(("value", "shown"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")])
def test_a_reward_that_is_no_number_is_named(value, shown):
    with pytest.raises(RewardError) as error:
        grpo()(rows([1, 2], [3, 4], [5, value]))
    assert str(error.value) == f"design 'grpo': reward {shown} at prompt 2, answer 1 is not a finite number.\n{FINITE}"


def test_a_graded_score_that_is_no_number_is_named():
    for formula in ("correct + r", "score"):
        with pytest.raises(RewardError, match="score nan at prompt 0, answer 1 is not a finite number"):
            design(formula, correct="score > 0.5")(rows([1, 2]), rows([0.3, NAN]))


def test_what_a_design_does_not_read_may_be_anything():
    assert torch.equal(passk()(rows([NAN, INF, 0.5, 7]), rows([1, 0, 0, 0])), passk()(rows([1, 0, 0, 0])))
    assert torch.equal(grpo()(rows([1, 0]), rows([NAN, 0.5])), grpo()(rows([1, 0])))


@pytest.mark.parametrize("shape", [(4,), (), (1, 2, 2)])
def test_rewards_of_another_shape_are_refused(shape):
    with pytest.raises(RewardError) as error:
        grpo()(torch.zeros(shape))
    assert str(error.value) == (
        f"design 'grpo' takes float rewards of shape (prompts, answers), got torch.float32 of shape {shape}"
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_rewards_of_another_kind_are_refused(dtype):
    with pytest.raises(RewardError, match=f"takes float rewards .* got {dtype} of shape"):
        passk()(torch.zeros(2, 4, dtype=dtype))


def test_scores_of_another_shape_are_refused():
    with pytest.raises(RewardError, match=r"^scores have shape \(1, 3\), rewards \(1, 4\)$"):
        passk()(rows([1, 0, 0, 0]), rows([1, 0, 0]))


@pytest.mark.parametrize("N", [0, 1])
def test_groups_of_fewer_than_two_answers_are_refused(N):
    for name in ("grpo", "rloo", "dr_grpo", "passk"):
        path = CONFIGS / f"{name}.yaml"
        with pytest.raises(DesignError) as error:
            shaping.load(path)(torch.zeros(3, N))
        assert str(error.value) == (
            f"{path}: groups of {N} answer{'s' if N == 0 else ''}: design '{name}' compares answers to the same prompt\n"
            "hint: sample at least 2 answers a prompt"
        )


def test_draws_outside_the_group_are_refused_even_for_no_prompts():
    for k, P in [(5, 2), (0, 2), (5, 0)]:
        with pytest.raises(DesignError, match=rf"passk\.yaml:\d+:\d+: k = {k} is outside 1\.\.4, its range for groups of N = 4"):
            passk(k=k)(torch.zeros(P, 4))


# ---------------------------------------------------------------- counts and rewards in one formula

MIXED = [
    "(r - mean(r)) / std(r) * sqrt(p * (1 - p)) + binomial(n_neg, 2)",
    "r ** 2 / (1 + n_pos) - mean(r * correct)",
    "(exp(r) - mean(exp(r))) / std(exp(r), ddof=1)",
    "max(r, 0.3, p) - min(r, mean(correct)) + abs(r - max(r))",
    "log(1 + r ** 2) if correct else -std(score) / N",
    "(r > mean(r) and not correct) - (r == min(r) or n_pos > 2)",
    "0.1 if r > 0.5 else 0.3",
    "sum(r if correct else score) * (0.7 if n_pos == 1 else r)",
    "w * (r - mean(r)) / std(r) if k > 2 and p > 0.5 else w * score",
    "0.5 ** r - (1 + r * r) ** 1.5 + r ** n_pos",
    "std(r * (1 / n_pos)) + (log(n_neg) if n_neg > 0 else r)",
    "4 / (10 * log(n_pos + 0.5)) * (r - mean(r)) / std(r)",
    "mean(sqrt(r - min(r))) - sqrt(mean(r - min(r)))",
    "-(r > 0.5) * exp(r > 0.5) + max(r > 0.5, 0.25)",
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("formula", MIXED)
def test_counts_and_rewards_in_one_formula_give_the_exact_value(formula, dtype):
    rng = random.Random(3)
    mixed = design(f'"{formula}"', flat="2 * n_pos - r", correct="score > 0.5", let={"w": "1 + 1 / N"}, k=3)
    values, flats = set(), 0
    for N in (2, 5):
        rewards = [[rng.choice([-1, 0, 0.25, 0.5, 1, 1.5]) for _ in range(N)] for _ in range(12)] + [[1.0] * N, [0.0] * N]
        scores = [[rng.choice([0, 0.25, 0.75, 1]) for _ in range(N)] for _ in range(12)] + [[1.0] * N, [0.0] * N]
        got = mixed(rows(*rewards, dtype=dtype), rows(*scores, dtype=dtype))
        for row, reward, score in zip(got.tolist(), rewards, scores, strict=True):
            reference = [real.nearest(a) for a in exact.advantages(mixed, reward, score)]
            assert row == pytest.approx(reference, rel=1e-12 if dtype == torch.float64 else 2e-5, abs=1e-12 if dtype == torch.float64 else 2e-6)
            values.update(reference)
    assert len(values) > 1


def test_a_sum_and_a_mean_of_a_constant_group_are_exact():
    for N in range(2, 12):
        group = torch.full((1, N), 0.1)
        assert torch.equal(design("mean(r)")(group), group)
        assert not design("std(r)")(group).any()


def test_the_unit_of_the_rewards_does_not_matter():
    group = rows([1, 2, 4, 2])
    for unit in (2.0**-60, 2.0**60):
        assert torch.equal(grpo()(group * unit), grpo()(group)) and grpo()(group).any()


# ---------------------------------------------------------------- the code itself


@pytest.mark.parametrize("make", [passk, grpo, lambda: design(f'"{MIXED[0]}"', flat=0)], ids=["table", "graph", "both"])
def test_torch_compile_takes_it_whole(make):
    function = lower.lowered(make(), 4)
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    batch = rows([1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1])
    assert torch.equal(compiled(batch, batch), function(batch, batch))
    assert function(batch, batch).any()


def test_the_code_can_be_read():
    code = design("mu_gap * hard / sigma", flat=0, let={"mu_gap": "r - mean(r)", "sigma": "std(r)", "hard": "1 - p"}).source_code(4)
    assert code.startswith("def forward(self, reward_PN, score_PN):\n")
    for line in ("mu_gap = reward_PN - group_mean", "n_pos_P1 = torch.sum(correct_PN, -1, True)", "correct_PN = score_PN >= 1.0"):
        assert f"    {line}\n" in code
    assert "sigma = shaping_kernels_group_std(reward_PN, ddof = 0)" in code
    compile(code, "<code>", "exec")


def test_a_subexpression_that_occurs_twice_is_computed_once():
    code = design("(r - mean(r)) / std(r) + (r - mean(r)) * mean(r)", flat=0).source_code(4)
    assert code.count("group_mean(") == 1 and code.count("reward_PN - ") == 1


def test_no_loop_runs_over_prompts_or_answers():
    for make in (passk, grpo):
        code = make().source_code(16)
        assert "for " not in code and "while " not in code and len(code.splitlines()) < 20


def test_the_code_holds_no_text_of_the_file_but_names_and_numbers():
    text = CONFIGS.joinpath("passk.yaml").read_text()
    text = text.replace("name: passk", "name: \"q'); import os; os.system('x\"")
    code = shaping.loads(text.replace("sigma", "spread") + "# '''\n").source_code(8)
    assert "import" not in code and "os" not in re.findall(r"\w+", code) and "'" not in code and '"' not in code


@pytest.mark.parametrize("name", ["reward_PN", "score_PN", "torch", "operator", "self", "forward", "training", "flat_P1", "type", "device", "inf", "print"])
def test_no_let_gets_in_the_way_of_the_code(name):
    shadow = design(f"{name} * r + r", flat=0, let={name: "1 / n_pos"})
    assert shadow(rows([1, 0], [0, 0])).tolist() == [[2, 0], [0, 0]]
    shadow = design(f"{name} + n_pos", let={name: "r * 2"})
    assert shadow(rows([1, 0], [0, 0])).tolist() == [[3, 1], [0, 0]]
