"""A group without a value is left out of the statistics over the batch, and does not take theirs from the others."""

import math
import random
from fractions import Fraction

import pytest
import torch
from samples import rows

import shaping
from shaping.cli import main
from shaping.errors import DesignError
from shaping.groups import exact

GRPO = "let: {a: (r - mean(r)) / std(r)}\n"
TWICE = f"{GRPO}advantage:\n  each: (a - mean(a, over=batch)) / std(a, over=batch)\n  flat: 0\n"
R3 = math.sqrt(3)


def as_numbers(design, batch, **signals):
    """The exact advantages as floats."""
    exactly = [[Fraction(value) for value in row] for row in batch]
    return [[float(shaping.real.nearest(value)) for value in row] for row in exact.batch(design, exactly, **signals)]


def test_one_constant_group_does_not_silence_the_batch():
    # a is (3, -1, -1, -1) / sqrt(3) and (1, 1, -1, -1): mean 0, variance 1 over these eight, so they stay as they are
    batch = [[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    want = [[3 / R3, -1 / R3, -1 / R3, -1 / R3], [0, 0, 0, 0], [1, 1, -1, -1]]
    twice = shaping.loads(TWICE)
    assert twice(rows(*batch)).tolist() == [pytest.approx(row, abs=1e-6) for row in want]
    assert as_numbers(twice, batch) == [pytest.approx(row) for row in want]


def test_a_batch_of_which_nothing_is_left_has_no_value():
    constant = [[1, 1, 1, 1], [0, 0, 0, 0]]
    for flat in (0, 7):
        twice = shaping.loads(TWICE.replace("flat: 0", f"flat: {flat}"))
        assert twice(rows(*constant)).tolist() == [[flat] * 4] * 2
        assert as_numbers(twice, constant) == [[flat] * 4] * 2
    with pytest.raises(DesignError, match="a batch may have no value for this mean: groups where 'std.r.' is 0 are"):
        shaping.loads(f"{GRPO}advantage: r - mean(a, over=batch)").check(4)


def test_a_sum_over_the_batch_of_nothing_is_0_and_needs_no_flat():
    # 1 / std is 2 in the second group; the first has none
    total = shaping.loads("advantage: r + sum(1 / std(r), over=batch)")
    total.check(2)
    assert total(rows([1, 1], [1, 0])).tolist() == [[3, 3], [3, 2]]
    assert total(rows([1, 1], [0, 0])).tolist() == [[1, 1], [0, 0]]


def test_one_answer_without_a_value_takes_its_group_along():
    # log(0) has no value: of the second group nothing counts; 1, e and e, e have mean 3/4
    e = math.e
    logs = shaping.loads("advantage: {each: 'mean(log(r), over=batch)', flat: 9}")
    assert logs(rows([1, e], [0, e], [e, e])).tolist() == [pytest.approx([0.75, 0.75])] * 3
    # what `where` does not select needs no value
    some = shaping.loads("advantage: {each: 'mean(log(r), where=r > 0, over=batch)', flat: 9}")
    assert some(rows([1, e], [0, e], [e, e])).tolist() == [pytest.approx([0.8, 0.8])] * 3
    # a condition without a value leaves its group out as well: 1 / r > 1/2 of the first group alone
    asked = shaping.loads("advantage: {each: 'mean(r, where=1 / r > 1/2, over=batch)', flat: 9}")
    assert asked(rows([1, 1.5], [0, 1], [4, 4])).tolist() == [[1.25, 1.25]] * 3


def test_a_rank_over_the_batch_is_for_those_that_have_a_value():
    # spreads 1/2 and 1: ranks 0 and 1; the constant group has none, and gets flat
    ranked = shaping.loads("advantage: {each: 'rank(1 / std(r), over=batch)', flat: 5}")
    assert ranked(rows([1, 0], [1, 1], [2, 0])).tolist() == [[1, 1], [5, 5], [0, 0]]
    assert as_numbers(ranked, [[1, 0], [1, 1], [2, 0]]) == [[1, 1], [5, 5], [0, 0]]
    alone = shaping.loads("advantage: {each: 'rank(log(r), where=r > 0)', flat: 5}")  # within a group too
    assert alone(rows([1, 2], [0, 2])).tolist() == [[0, 1], [5, 5]]


def test_groups_with_missing_answers_are_left_out_alike():
    # what is there: (1, 0), then 1, 1 without a spread, then nothing: 1 and -1 have mean 0 and spread 1
    nan = math.nan
    ragged = shaping.loads(f"on_missing: drop\n{TWICE}")
    got = ragged(rows([1, 0, nan], [1, 1, nan], [nan, nan, nan], [1, nan, 0]))
    assert got.tolist() == [[1, -1, 0], [0, 0, 0], [0, 0, 0], [1, 0, -1]]


def test_what_keep_drops_and_what_has_no_value_are_both_left_out():
    # the second group is not kept, the third has no spread: the mean is that of 1 and -1
    kept = shaping.loads(f"keep: r < 5\n{TWICE}")
    assert kept(rows([1, 0], [9, 5], [2, 2])).tolist() == [[1, -1], [0, 0], [0, 0]]


@pytest.mark.parametrize("seed", range(6))
def test_the_tensor_is_the_exact_value_where_groups_are_left_out(seed):
    rng = random.Random(seed)
    agreed = 0
    for _ in range(30):
        part = rng.choice(["(r - mean(r)) / std(r)", "log(r)", "1 / n_pos", "sqrt(mean(r))", "r / (max(r) - 1)"])
        of_answers = ["", ", where=r > 0", ", where=1 / r > 0.6", ", where=correct"]
        of_groups = ["", ", where=n_pos > 1", ", where=1 / n_neg > 0.4", ", where=std(r) > 0"]
        where = rng.choice(of_groups if part in ("1 / n_pos", "sqrt(mean(r))") else of_answers)
        name = rng.choice(["mean", "std", "sum", "max", "count", "var"])
        keep = rng.choice(["", "keep: r > -1\n", "keep: n_pos < N\n"])
        text = f"correct: score > 0.4\n{keep}let: {{a: {part}}}\n"
        text += f'advantage:\n  each: "{name}(a{where}, over=batch) + {rng.choice(["a", "r"])}"\n  flat: 7\n'
        design = shaping.loads(text)
        design.check(3)
        batch = [[rng.choice([-1, 0, 0.25, 1, 1, 2]) for _ in range(3)] for _ in range(4)] + [[1] * 3, [0] * 3]
        want = as_numbers(design, batch)
        got = design(torch.tensor(batch, dtype=torch.float64)).tolist()
        assert got == [pytest.approx(row) for row in want], text
        agreed += any(value not in (0, 7) for row in want for value in row)
    assert agreed > 15


# ---------------------------------------------------------------- what `check` says of it


def told(tmp_path, capsys, text):
    path = tmp_path / "d.yaml"
    path.write_text(text)
    assert main(["check", str(path), "--n", "4"]) == 0
    return capsys.readouterr().out.replace(str(path), "d.yaml")


def test_check_notes_which_groups_a_statistic_leaves_out(tmp_path, capsys):
    assert told(tmp_path, capsys, f"{GRPO}advantage: {{each: 'r - mean(a, over=batch)', flat: r}}\n") == (
        "d.yaml: fine, for groups of 4\n"
        "d.yaml:2:24: note: this mean leaves out groups where 'std(r)' is 0\n"
        "  2 | advantage: {each: 'r - mean(a, over=batch)', flat: r}\n"
        "                             ^^^^^^^^^^^^^^^^^^^\n"
        "hint: to count them, guard that part, `... if std(r) > 0 else 0`\n"
    )
    guarded = "let: {a: (r - mean(r)) / std(r) if std(r) > 0 else 0}\nadvantage: r - mean(a, over=batch)\n"
    assert told(tmp_path, capsys, guarded) == "d.yaml: fine, for groups of 4\n"


def test_check_notes_what_flat_takes_along(tmp_path, capsys):
    text = "advantage:\n  each: (r - mean(r)) / std(r) - 0.1 * truncated\n  flat: 0\n"
    assert told(tmp_path, capsys, text) == (
        "d.yaml: fine, for groups of 4\n"
        "d.yaml:2:9: note: with `flat: 0`, groups where 'std(r)' is 0 lose '0.1 * truncated' too\n"
        "  2 |   each: (r - mean(r)) / std(r) - 0.1 * truncated\n"
        f"              {'^' * 40}\n"
        "hint: to keep it, guard the other part, `... if std(r) > 0 else 0`, and leave out `flat`\n"
    )
    # as the hint says
    guarded = "advantage: ((r - mean(r)) / std(r) if std(r) > 0 else 0) - 0.1 * truncated\n"
    assert told(tmp_path, capsys, guarded) == "d.yaml: fine, for groups of 4\n"


@pytest.mark.parametrize(
    ("each", "lost"),
    [
        ("grpo + bonus", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("bonus - grpo", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("2 * (grpo + bonus)", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("(grpo + bonus) / N", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("both", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("grpo + mean(r, where=correct) + bonus", "groups where 'std(r)' is 0 lose 'bonus'"),
        ("r + 1 / n_pos", "groups of N = 4, n_pos = 0 lose 'r'"),
        ("grpo * (1 + bonus)", ""),
        ("grpo", ""),
        ("grpo - r / std(r)", ""),
        ("bonus + r", ""),
    ],
)
def test_of_a_sum_the_part_that_has_a_value_is_lost_and_of_a_product_nothing(tmp_path, capsys, each, lost):
    let = "let: {grpo: (r - mean(r)) / std(r), bonus: 0.1 * length, both: grpo + bonus}\n"
    out = told(tmp_path, capsys, f"{let}advantage:\n  each: {each}\n  flat: 0\n")
    assert f"with `flat: 0`, {lost} too" in out if lost else "note:" not in out
    assert "note:" not in told(tmp_path, capsys, f"{let}advantage:\n  each: {each}\n  flat: bonus\n")
