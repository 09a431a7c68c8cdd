"""From design to tensor: tables, groups without a value, counts and rewards in one formula."""

import math
import random
from fractions import Fraction

import pytest
import torch
from samples import CONFIGS, design, grpo, passk, rows

import shaping
from shaping import real
from shaping.compiled import lower
from shaping.compiled.apply import evaluated, token_advantage
from shaping.compiled.draws import members
from shaping.errors import DesignError
from shaping.groups import exact
from shaping.groups.check import draw_shape

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
    "r / n_pos": "2:9: for some rewards this is a division by zero",
    "r / (N - 3)": "2:9: for some rewards this is a division by zero",
    "r ** (n_pos - 1)": "2:9: for some rewards this is a power without a value",
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


def test_the_place_without_a_value_is_shown_where_it_is_written_and_not_where_it_is_used():
    with pytest.raises(DesignError) as error:
        design("r * gap", let={"wide": "n_pos - 1", "gap": "log(wide + 1) / wide"}).check(3)
    assert str(error.value) == (
        "d.yaml:3:8: logarithm of a number that is not positive for N = 3, n_pos = 0\n"
        "  3 |   gap: log(wide + 1) / wide\n"
        "             ^^^^^^^^^^^^^\n"
        "hint: say what such a group gets: `flat: 0` under `advantage:`"
    )


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


@pytest.mark.parametrize(
    ("formula", "group", "value"),
    [
        ("abs(-2 if k == 2 else r)", [1, 0], [2, 2]),
        ("k * (sqrt(N + 2) if k == 2 else r)", [1, 0], [4, 4]),
        ("(N > 1 if k == 2 else r) + 1", [1, 0], [2, 2]),
        ("(2 if k == 3 else r) ** 2", [1, 0], [1, 0]),
        ("(n_pos if k == 2 else r) / (4 if k == 2 else r)", [1, 0], [0.25, 0.25]),
        ("mean(r if k == 2 else 3) + (not (0 if k == 2 else r))", [1, 0], [1.5, 1.5]),
        ("1 if (k if k == 2 else r) > 1 else r", [1, 0], [1, 1]),
    ],
)
def test_a_parameter_may_decide_which_formula_is_meant(formula, group, value):
    chosen = design(f'"{formula}"', flat=7, k=2)
    assert chosen(rows(group)).tolist() == [value]
    assert exact.advantages(chosen, group) == value


def test_what_no_group_could_use_is_refused_and_not_flattened():
    for formula in ("binomial(n_pos / 2, 1)", "r * binomial((n_pos - 1) / 2, 1)", "r / std(r, ddof=3)"):
        with pytest.raises(
            DesignError, match=r"^d\.yaml:2:\d+: (binomial needs whole numbers|std.* needs more than 3)"
        ):
            design(f'"{formula}"', flat=0).check(3)


# ---------------------------------------------------------------- numbers beyond floats


@pytest.mark.parametrize(
    "formula", ["r * 1e39", "r * 1e9999", "correct * exp(1000)", "correct * exp(exp(100))", "r / 1e-50"]
)
@pytest.mark.usefixtures("soon")
def test_a_number_that_does_not_fit_is_refused_and_not_infinity(formula):
    with pytest.raises(DesignError, match=r"^d\.yaml:2:\d+: "):
        design(formula)(rows([1, 0]))


def test_a_number_below_the_smallest_float_is_zero_and_no_mistake():
    # p = 1/64 and 64 ** -40 = 5.7e-73, where float32 ends at 1e-45; p = 1 gives 1
    group = torch.eye(2, 64)
    group[1] = 1
    for formula in ("p ** 40", "r * p ** 40 + (1 - r) * p ** 40", "correct * p ** 40"):
        assert design(formula)(group)[:, 0].tolist() == [0, 1]
    assert design("p ** 40")(group.double())[0, 0] == 64.0**-40


@pytest.mark.usefixtures("soon")
def test_large_groups_are_checked_soon_when_exponentials_are_compared_too():
    risk = design("exp(2 * r) / mean(exp(2 * r)) - 1", flat=0)
    risk.check(512)
    design("(exp(r) - mean(exp(r))) / std(exp(r))", flat=0).check(128)
    # of 512 answers one is right: e^2 / ((e^2 + 511) / 512) - 1
    assert risk(torch.eye(1, 512))[0, 0].item() == pytest.approx(512 * math.e**2 / (math.e**2 + 511) - 1, rel=1e-5)


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
    close = {"rel": 1e-12, "abs": 1e-12} if dtype == torch.float64 else {"rel": 2e-5, "abs": 2e-6}

    def draw(N, *levels):
        return [[rng.choice(levels) for _ in range(N)] for _ in range(12)] + [[1] * N, [0] * N]

    values = set()
    for N in (2, 5):
        rewards, scores = draw(N, -1, 0, 0.25, 0.5, 1, 1.5), draw(N, 0, 0.25, 0.75, 1)
        got = mixed(rows(*rewards, dtype=dtype), rows(*scores, dtype=dtype))
        for row, reward, score in zip(got.tolist(), rewards, scores, strict=True):
            reference = [real.nearest(a) for a in exact.advantages(mixed, reward, score)]
            assert row == pytest.approx(reference, **close), (reward, score)
            values.update(reference)
    assert len(values) > 1


VERDICTS = ["score > 0.5", "score > 1/2", "score - 1/4 > 1/4", "score > t", "not (score < 1/2 + 0)"]
FORMULAS = [
    "r / std(r) + n_pos",
    "r/std(r)*correct",
    "(r-mean(r))/std(r)*sqrt(p)",
    "log(r)+correct",
    "log(r)*n_pos + (1/3)*r",
]
FLATS = [
    "r - n_pos",
    "n_pos + r",
    "1/2",
    "r*(1/3)",
    "r*2 - n_pos*3",
    "r + 1/7",
    "N - 1",
    "(2*N) + r",
    "r > 0.2",
    "correct + r*2",
]


@pytest.mark.parametrize("correct", VERDICTS)
def test_nothing_is_mixed_up_between_verdict_advantage_and_flat(correct):
    # Nodes of one that are gone before the other is lowered must not lend it their values.
    for formula in FORMULAS:
        for flat in FLATS:
            whole = design(formula, flat=flat, correct=correct, t="1/2")
            for reward, score in (([1, 1, 1], [1, 0, 1]), ([0, 0, 0], [0, 0, 1]), ([2, 1, 0.5], [1, 1, 0])):
                reference = [real.nearest(a) for a in exact.advantages(whole, reward, score)]
                got = whole(rows(reward, dtype=torch.float64), rows(score, dtype=torch.float64))
                assert got[0].tolist() == pytest.approx(reference), (formula, flat)


def test_a_sum_and_a_mean_of_a_constant_group_are_exact():
    for N in range(2, 12):
        group = torch.full((1, N), 0.1)
        assert torch.equal(design("mean(r)")(group), group)
        assert not design("std(r)")(group).any()


def test_the_unit_of_the_rewards_does_not_matter():
    group = rows([1, 2, 4, 2])
    for unit in (2.0**-60, 2.0**60):
        assert torch.equal(grpo()(group * unit), grpo()(group)) and grpo()(group).any()


def test_the_result_is_never_the_callers_own_memory():
    rewards = rows([1, 0.5], [0, 2])
    credit = design("r")(rewards)
    credit += 1
    assert rewards.tolist() == [[1, 0.5], [0, 2]] and credit.tolist() == [[2, 1.5], [1, 3]]
    design("r if progress < 2 else 0")(rewards, step=0, total_steps=1).zero_()
    assert rewards.tolist() == [[1, 0.5], [0, 2]]


# ---------------------------------------------------------------- sections


def test_a_draw_may_read_what_an_answer_has_besides_its_reward():
    text = "draws: {size: 2, count: 2, disjoint: yes, reward: mean(surprisal), advantage: reward}\nadvantage: drawn\n"
    logprob = rows([-1, -3, 0, -2])  # draws of surprisals 1, 3 and 0, 2
    assert shaping.loads(text)(rows([0, 0, 0, 0]), logprob=logprob).tolist() == [[2, 2, 1, 1]]


def credits(made, rewards, **signals):
    """What tensors and exact numbers say, which must be the same."""
    drawn = {}
    for node in made.draws:
        count, size = draw_shape(made, node, len(rewards[0]), None)
        kind = {"consecutive": node.consecutive, "seed": 0, "step": 0}
        drawn[node] = members(len(rewards), len(rewards[0]), count, size, **kind).tolist()
    made.check(len(rewards[0]))
    given = {name: rows(*values, dtype=torch.float64) for name, values in signals.items()}
    got = made(rows(*rewards, dtype=torch.float64), **given).tolist()
    reference = exact.batch(made, rewards, signals=signals, draws=drawn)
    assert got == [pytest.approx([real.nearest(a) for a in row]) for row in reference]
    return got


DRAWS = "draws:\n  size: 2\n  count: floor(N / 2)\n  disjoint: yes\n  reward: {}\n  advantage: {}\n"
SPREAD = "(reward - mean(reward)) / std(reward)"


def test_draws_of_equal_rewards_have_no_value_and_the_groups_flat_holds():
    # rewards 0, 0 have no spread; rewards 1, 0 are one standard deviation up and down
    made = shaping.loads(DRAWS.format("max(r)", SPREAD) + "advantage: {each: drawn, flat: 7}")
    assert credits(made, [[0, 0, 0, 0], [0, 1, 0, 0]]) == [[7, 7, 7, 7], [1, 1, -1, -1]]
    with pytest.raises(DesignError, match="say what such draws get: `flat: 0` under `draws:`"):
        shaping.loads(DRAWS.format("max(r)", SPREAD) + "advantage: drawn").check(4)


def test_a_draw_without_a_reward_has_no_advantage():
    # the first draw of the first group has no correct answer; in the second group both have one
    text = DRAWS.format("max(r, where=correct)", "1 if reward > 0 else -1")
    with pytest.raises(DesignError, match=r"^<design>:5:11: for some rewards there is no value for this max"):
        shaping.loads(text + "advantage: drawn").check(4)
    groups = [[0, 0, 0, 1], [0, 1, 0, 1]]
    assert credits(shaping.loads(text + "advantage: {each: drawn, flat: 9}"), groups) == [[9] * 4, [1] * 4]
    assert credits(shaping.loads(text + "  flat: 5\nadvantage: drawn"), groups) == [[5] * 4, [1] * 4]
    # an answer of no draw has a value, 0; an answer of the draw without one takes its group along
    text = "draws: {size: 2, count: 1, disjoint: yes, reward: 'max(r, where=correct)', advantage: reward}\n"
    read = shaping.loads(text + "advantage: {each: drawn, flat: 9}")
    assert credits(read, [[0, 0, 1], [1, 0, 0]]) == [[9, 9, 9], [1, 1, 0]]


@pytest.mark.parametrize("formula", ["std(reward, ddof=1)", "others_mean(reward)", "reward / (N - 4)"])
def test_of_a_single_draw_what_needs_two_has_no_value_and_flat_holds(formula):
    draw = f"draws: {{size: N, count: 1, reward: max(r), advantage: '{formula}', flat: 3}}\nadvantage: 2 * drawn"
    assert credits(shaping.loads(draw), [[1, 0, 0, 0]]) == [[6, 6, 6, 6]]
    with pytest.raises(DesignError, match="hint: say what such draws get: `flat: 0` under `draws:`"):
        shaping.loads(draw.replace(", flat: 3", "")).check(4)


def test_a_draw_is_as_large_as_it_is_and_not_as_its_group():
    # two answers: log(2 - 3) has no value, log(4 - 3) would be 0
    made = shaping.loads(DRAWS.format("log(count(correct >= 0) - 3 + 0 * max(r))", "reward") + "advantage: drawn")
    with pytest.raises(DesignError, match=r"^<design>:5:11: for some rewards this is the logarithm of a number that"):
        made.check(4)
    with pytest.raises(DesignError, match=r"^<design>:5:11: max_of draws k = 3 of 2 answers"):
        shaping.loads(DRAWS.format("max_of(r, 3)", "reward") + "advantage: drawn").check(4)


def test_a_parameter_or_N_may_decide_what_a_draw_a_token_or_keep_is():
    # draws 0 0 and 1 3: their largest; half of groups of 2 answers would be their smallest
    made = shaping.loads(DRAWS.format("max(r) if N > 2 else min(r)", "reward if N > 3 else 0") + "advantage: drawn")
    assert credits(made, [[0, 0, 1, 3]]) == [[0, 0, 3, 3]]
    # kept are lengths 3 and 4: rewards 1 and 4, mean 5/2; with N = 3 it would be lengths 2, 3 and 4
    kept = "keep: length > 2 if N > 3 else length > 1\nadvantage: {each: 'r - mean(r, over=batch)', flat: 0}"
    assert credits(shaping.loads(kept), [[9, 9, 1, 4]], length=[[1, 2, 3, 4]]) == [[0, 0, -1.5, 1.5]]
    always = kept.replace("length > 2 if", "1 if")
    assert credits(shaping.loads(always), [[1, 0, 3, 4]], length=[[0, 0, 0, 0]]) == [[-1, -2, 1, 2]]
    # 1/2 for the right answer: times 1, 2, 3 of surprisal, and not times 0, 1, 2 of position
    tokens = shaping.loads("advantage: r - mean(r)\ntoken: A * token_surprisal if N < 3 else A * position")
    assert token_credit(tokens, [1, 0], [[1, 2, 3], [4, 5]]) == [[0.5, 1, 1.5], [-2, -2.5, 0]]
    alike = shaping.loads("advantage: r - mean(r)\ntoken: A * position * sum(1 if N < 3 else token_surprisal)")
    assert token_credit(alike, [1, 0], [[1, 2, 3], [4, 5]]) == [[0, 1.5, 3], [0, -1, 0]]  # of 3 tokens and of 2


def test_a_choice_is_as_wide_as_its_widest_branch_whichever_is_taken():
    # two groups of three: of one value a group there are two, of one an answer six
    for formula, value in (
        ("sum(1 if N > 2 else p, over=batch)", 2),
        ("sum(1 if N > 2 else r, over=batch)", 6),
        ("mean(r, where=N > 2)", 1),
        ("sum(c)", 6),
        ("1 if c else r", 1),
    ):
        made = shaping.loads(f"use: {{c: {{advantage: {{each: 2, flat: r}}}}}}\nadvantage: '{formula}'")
        assert credits(made, [[1, 1, 1], [1, 1, 1]]) == [[value] * 3] * 2, formula


def token_credit(made, rewards, surprisals):
    """What the tokens of one group's answers get; 0 where an answer is shorter."""
    made.check(len(rewards))
    _, *read = evaluated(made, rows(rewards), None, {}, None, 0)
    width = max(map(len, surprisals))
    logprob = rows(*([-x for x in each] + [0] * (width - len(each)) for each in surprisals))
    mask = rows(*([1] * len(each) + [0] * (width - len(each)) for each in surprisals))
    return token_advantage(made, len(rewards), logprob, mask, [value.flatten() for value in read]).tolist()


# An answer of one token, or without a token that is selected, would have no value.
WITHOUT_A_TOKEN = {
    "mean(token_surprisal, where=token_surprisal > 1)": "no value for this mean",
    "max(token_surprisal, where=position > 0)": "no value for this max",
    "std(token_surprisal, ddof=1)": "fewer than 2 values for this std",
}


@pytest.mark.parametrize("formula", WITHOUT_A_TOKEN)
def test_a_token_has_a_value_in_every_answer(formula):
    made = shaping.loads(f"advantage: r - mean(r)\ntoken: A * token_surprisal * {formula}")
    with pytest.raises(DesignError, match=r"^<design>:2:30: for some answers there (is|are) ") as error:
        made.check(2)
    assert WITHOUT_A_TOKEN[formula] in str(error.value) and "\nhint: " in str(error.value)


def test_the_mean_of_selected_tokens_is_written_with_sum_and_count():
    # surprisals above 1: only 2, so 1/2 * 2 for all tokens of the first answer; none in the second, so 0
    text = "token: A * position * sum(token_surprisal, where=token_surprisal > 1) / max(1, count(token_surprisal > 1))"
    made = shaping.loads(f"advantage: r - mean(r)\n{text}")
    assert token_credit(made, [1, 0], [[0.5, 2, 0.25], [0.5, 0.25]]) == [[0, 1, 2], [0, 0, 0]]


def test_a_token_that_leaves_the_floats_is_refused_and_not_infinity():
    made = shaping.loads("advantage: r - mean(r)\ntoken: A * exp(token_surprisal)")
    with pytest.raises(DesignError, match="the value of token 1, answer 0 of these 2 is inf: `token:` left the range"):
        token_credit(made, [1, 0], [[1, 100], [1, 2]])


def test_where_answers_are_missing_a_token_knows_the_N_of_its_group():
    # two of three are there: (1 - 1/2) * 2 * position, and the choice is that of N = 2
    token = "A * N * position if N < 3 else token_logprob"
    made = shaping.loads(f"on_missing: drop\nadvantage: r - mean(r)\ntoken: {token}")
    got = token_credit(made, [1, math.nan, 0], [[1, 1], [1, 1], [1, 1]])
    assert got == [[0, 1], [0, 0], [0, -1]]


def test_statistics_in_keep_count_everyone_and_those_of_the_advantage_what_is_kept():
    batch = [[1, 0, 0.5, 1.5], [2, 3, 4, 4]]  # sum 16, mean 2; kept are 2, 3, 4, 4, whose mean is 13/4
    for condition in ("r * P * N >= sum(r, over=batch)", "r >= mean(r, over=batch)", "r >= m"):
        let = "let: {m: 'mean(r, over=batch)'}\n"
        kept = shaping.loads(f"{let}keep: {condition}\nadvantage: r")
        assert credits(kept, batch) == [[0, 0, 0, 0], [2, 3, 4, 4]]
        centred = shaping.loads(f"{let}keep: {condition}\nadvantage: {{each: r - m, flat: 0}}")
        assert credits(centred, batch) == [[0, 0, 0, 0], [-1.25, -0.25, 0.75, 0.75]]
    lengths = shaping.loads("keep: length > mean(length, over=batch)\nadvantage: length")
    assert credits(lengths, batch, length=batch) == [[0, 0, 0, 0], [0, 3, 4, 4]]


def test_where_has_to_have_a_value_for_what_counts_alone():
    # 1 / n_pos > 0.1 is asked of the group that is kept, 1 / r > 0 of the answers that are there: mean of 1 and 2
    kept = shaping.loads("keep: n_pos > 0\nadvantage: sum(r, over=batch, where=1 / n_pos > 0.1)")
    assert credits(kept, [[1, 0], [0, 0]]) == [[1, 1], [0, 0]]
    there = shaping.loads("on_missing: drop\nadvantage: {each: 'mean(r, where=1 / r > 0)', flat: 9}")
    assert there(rows([1, 2, math.nan], [1, 2, 0])).tolist() == [[1.5, 1.5, 0], [9, 9, 9]]


def test_a_statistic_of_more_values_than_a_batch_has_no_value():
    # one group: two fewer than one value; eight fewer than six answers
    for formula in ("std(mean(r), over=batch, ddof=2)", "std(r, over=batch, ddof=8)"):
        made = design(f"r / {formula}", flat=4)
        assert credits(made, [[1, 0, 2]]) == [[4, 4, 4]]


def test_a_reduction_looks_at_all_answers_though_only_some_get_the_formula():
    # half right: the mean of 1/2, 1/2, -1/2, -1/2 is 0, though a correct answer's own value is 1/2
    text = "advantage: {{correct: {}, wrong: 0{}}}"
    for formula, rewards in (
        ("1 / mean(correct - 1/2 + 0 * exp(r))", [1, 1, 0, 0]),
        ("log(mean(correct - 0.4 + 0 * exp(r)))", [1, 0, 0, 0]),
    ):
        with pytest.raises(DesignError, match=r"^<design>:1:22: for some rewards this is "):
            shaping.loads(text.format(formula, "")).check(4)
        assert credits(shaping.loads(text.format(formula, ", flat: 7")), [rewards]) == [[7, 7, 7, 7]]


def test_a_statistic_over_the_batch_leaves_out_the_groups_that_have_no_value():
    # 1 / n_pos is 1 and 1/2 in two groups, and has no value in the third: mean 3/4
    text = "advantage: {each: 'mean(1 / n_pos, over=batch)', flat: 5}"
    assert credits(shaping.loads(text), [[1, 0], [1, 1], [0, 0]]) == [[0.75, 0.75]] * 3
    assert credits(shaping.loads(text), [[0, 0], [0, 0]]) == [[5, 5], [5, 5]]  # of which nothing is left
    with pytest.raises(DesignError, match="^<design>:1:20: .* mean: groups of N = 2, n_pos = 0 are left out"):
        shaping.loads(text.replace(", flat: 5", "")).check(2)
    # where the group itself has a value there is one
    made = "advantage: 'mean(1 / n_pos, over=batch) if n_pos > 0 else 0'"
    assert credits(shaping.loads(made), [[1, 0], [0, 0]]) == [[1, 1], [0, 0]]
    # of the groups that are kept each has a correct answer
    kept = shaping.loads("keep: n_pos > 0\nadvantage: 1 / (1 + sum(1 / n_pos, over=batch))")
    assert credits(kept, [[1, 0], [0, 0]]) == [[0.5, 0.5], [0, 0]]


def test_the_place_of_a_quantile_is_a_whole_number_where_it_falls_on_a_value():
    # 0.6 of 0..25 is 15 and not 15.000001, so 15 itself is counted: eleven answers
    for option in ("", ", where=r >= 0", ", over=batch"):
        got = design(f"r >= quantile(r, 0.6{option})", flat=0)(rows(list(range(26)))).tolist()
        assert got == [[0] * 15 + [1] * 11], option
    assert credits(design("quantile(r, 1/3)"), [[0, 1, 4, 9]]) == [[1, 1, 1, 1]]
    assert credits(design("quantile(r, 0.4)"), [[0, 1, 4, 9]]) == [[1.6] * 4]  # place 1.2: 1 + 0.2 * 3


def test_a_share_or_k_without_a_value_gives_the_reduction_none():
    for formula in ("quantile(r, 1 / (N - 4))", "max_of(r, 1 / (N - 4))", "max_with(r, 1 / (N - 4))"):
        assert credits(design(formula, flat=6), [[1, 0, 0.5, 1]]) == [[6, 6, 6, 6]]
    for formula in ("max_of(log(r), 9)", "quantile(log(r), 2)"):  # no group could use it, whatever its rewards
        with pytest.raises(DesignError, match="d.yaml:2:9: (max_of draws k = 9|a quantile is between 0 and 1, not 2)"):
            design(formula, flat=0).check(4)


def test_an_answer_that_is_missing_takes_no_place_among_equal_ones():
    # the draw of one answer that contains it is that answer; what is missing stands before both that are smallest
    made = shaping.loads("on_missing: drop\nadvantage: max_with(r, 1)")
    assert made(rows([0.25, 0.25, 2, math.nan])).tolist() == [[0.25, 0.25, 2, 0]]


def test_what_is_made_of_a_statistic_over_the_batch_and_N_is_of_each_group():
    # sum 5: a group of two gets 5/2, one of three of which one is missing as well, a whole one 5/3
    made = shaping.loads("on_missing: drop\nadvantage: sum(r, over=batch) / N")
    assert made(rows([1, 1, math.nan], [1, 1, 1])).tolist() == [[2.5, 2.5, 0], [pytest.approx(5 / 3)] * 3]
    assert exact.batch(made, [[1, 1], [1, 1, 1]]) == [[Fraction(5, 2)] * 2, [Fraction(5, 3)] * 3]


def test_a_schedule_may_count_steps():
    later = shaping.loads("params: {k: {default: 1, schedule: k + step}}\nadvantage: k * r")
    assert later(rows([1, 0]), step=3, total_steps=10).tolist() == [[4, 0]]


def test_what_a_token_section_takes_of_its_answer_may_hold_a_mean_over_tokens():
    tokens = shaping.loads("advantage: 2 * r\ntoken: A * mean(token_surprisal) * position")
    _, *read = evaluated(tokens, rows([1, 0]), None, {}, None, 0)
    logprob, mask = rows([-1, -3, -9], [-1, -1, -1]), rows([1, 1, 0], [1, 1, 1])
    got = token_advantage(tokens, 2, logprob, mask, [value.flatten() for value in read])
    assert got.tolist() == [[0, 4, 0], [0, 0, 0]]  # advantage 2, surprisals 1 and 3


def test_a_mean_that_stands_alone_and_in_a_difference_is_computed_once():
    # std first, so that the mean comes after the difference: (r - 1/2) / (1/2) and 1/2 on top
    both = design("(r - mean(r)) / std(r) + mean(r)", flat=0)
    assert both(rows([1, 0], [1, 1])).tolist() == [[1.5, -0.5], [0, 0]]
    assert both.source_code(2).count("shaping_kernels_mean") == 1
    assert "shaping_kernels_mean" not in design("(r - mean(r)) / std(r)", flat=0).source_code(2)


def test_flat_is_written_over_no_value_that_something_else_reads():
    # the quotient stands in `flat` group's own sum as well: 1/2 + 1/2 and, where it has no value, 7
    twice = design("q + q", flat=7, let={"q": "r / mean(r)"})
    assert twice(rows([1, 0], [0, 0])).tolist() == [[4, 0], [7, 7]]
    nested = shaping.loads("use: {g: grpo.yaml}\nadvantage: g + r", str(CONFIGS / "own.yaml"))
    assert nested(rows([1, 0], [1, 1])).tolist() == [[2, -1], [1, 1]]
