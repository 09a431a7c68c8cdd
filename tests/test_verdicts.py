"""What a verdict may say: over which values, what was not looked at, and that nothing could have broken it."""

import re

import pytest
from samples import CONFIGS
from test_claims import decided, library

import shaping
from shaping.cli import main
from shaping.errors import DesignError
from shaping.groups.run_points import places
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide
from shaping.proofs.judge import judge, message

# ---------------------------------------------------------------- every k is every k


def test_a_fractional_default_makes_a_parameter_real_and_the_verdict_is_about_it_alone():
    # (-1) ** 3 at the default 3/2: the design does the opposite of what k = 1 and k = 2 do
    text = "params: {k: {default: 3/2, range: [1, N]}}\nadvantage: (-1) ** (2 * k) * (correct - p)\n"
    assert decided(text, "sign_correct").over == "N = 2, n_pos = 1, k = 3/2: correct = -1/2"
    assert decided(text, "zero_sum").scope == "0/1 groups of every size, k = 3/2; not looked at: other values of k"
    whole = text.replace("3/2", "2")
    assert decided(whole, "sign_correct").scope == "0/1 groups of every size, every k"
    # 1/2 * -1/2 between the whole numbers, where a * (a - 1) is never negative
    text = "params: {a: {default: 1/2, range: [0, N]}}\nadvantage: (correct - p) * a * (a - 1)\n"
    assert decided(text, "sign_correct").over == "N = 2, n_pos = 1, a = 1/2: correct = -1/8"


def test_a_parameter_says_itself_that_it_is_real_or_whole():
    real = "params: {a: {default: 2, range: [0, N], kind: real}}\nadvantage: a * (correct - p)\n"
    assert decided(real, "sign_correct").scope.endswith("a = 2; not looked at: other values of a")
    whole = "params: {a: {default: 2, range: [0, 3], kind: whole}}\nadvantage: a * (correct - p)\n"
    assert decided(whole, "bounded: 2").over == "N = 4, n_pos = 1, a = 3: correct = 9/4, beyond 2"


@pytest.mark.parametrize("name", ["passk_weighted", "gfpo", "pkpo"])
def test_a_design_for_whole_k_refuses_a_fraction(name):
    param = "keep_k" if name == "gfpo" else "k"
    with pytest.raises(DesignError, match=f"{param} = 5/2 is no whole number, and '{param}' counts"):
        shaping.load(CONFIGS / f"{name}.yaml", **{param: 2.5})


def test_a_used_design_refuses_a_fraction_for_its_whole_parameter():
    text = "use: {other: {design: passk_weighted.yaml, params: {k: 5/2}}}\nadvantage: other\n"
    with pytest.raises(DesignError, match="k = 5/2 is no whole number"):
        shaping.loads(text, str(CONFIGS / "d.yaml")).check(8)


def test_a_value_of_when_outside_the_range_is_an_error():
    for value, said in (("5/2", "5/2"), ("0", "0"), ("[2, -1]", "-1")):
        verdict = library("passk", f"zero_sum: {{when: {{k: {value}}}}}")
        assert not verdict.passed and f"k = {said} is outside its range for any N" in verdict.over
    verdict = library("passk", "zero_sum: {when: {k: 9, N: 8}}")
    assert "k = 9 is outside its range for N = 8" in verdict.over


# ---------------------------------------------------------------- where a design can break

FOUND = {  # design, claim → what the smallest group that breaks it has in it
    "a length beyond a limit": ("advantage: r if length < 400 else -1\n", "A == r", "length [0, 400]"),
    "a limit made of two": (
        "params: {most: 20480, buffer: 4096}\nadvantage: r - clip((length - (most - buffer)) / buffer, 0, 1)\n",
        "A == r",
        "length [0, 16385]",
    ),
    "a flag that is 0": ("signals: {x: a flag}\nadvantage: r if x else -r\n", "A == r", "x [0, 0]"),
    "two negative rewards": (
        "advantage: {each: (r - mean(r)) / max(r), flat: 0}\n",
        "monotone: rewards",
        "rewards [-2, -1]",
    ),
    "a large reward": ("advantage: exp(r) - mean(exp(r))\n", "bounded: 10", "beyond 10"),
    "32 answers, no two alike": (
        "advantage: max(r) - max_without(r, N - 1)\n",
        "holds: {formula: A == 0, when: {N: 32}}",
        "advantages [",
    ),
    "one group more": ("advantage: r - mean(r) + (1 if P == 5 else 0)\n", "zero_sum", "rewards [0, 0]; "),
    "rewards and scores apart": ("advantage: r - p\n", "zero_sum", "scores [0, 0]"),
    "a size": ("advantage: (r - mean(r)) * (1 if N < 100 else -1) + 0 * length\n", "monotone: rewards", "rewards ["),
    "late in a run": ("advantage: r - (mean(r) if step < 4321 else 0)\n", "zero_sum", "at step 4321 of 8642"),
    "one step alone": ("advantage: r - (mean(r) if step != 37 else 0)\n", "zero_sum", "at step 37 of "),
}


@pytest.mark.parametrize("what", FOUND)
def test_the_search_looks_where_the_design_changes(what):
    text, claim, shown = FOUND[what]
    verdict = decided(text, claim)
    assert verdict.how == "refuted" and shown in verdict.over


def test_the_overlong_penalty_of_dapo_left_out_of_the_mean_is_found():
    text = (CONFIGS / "dapo.yaml").read_text().replace("shaped - mean(shaped)", "shaped - mean(r)")
    verdict = next(v for v in _all(text, CONFIGS / "dapo.yaml") if v.claim.kind == "zero_sum")
    assert verdict.how == "refuted" and re.search(r"length \[.*\d{5}.*\]: .* add up to -", verdict.over)


def test_a_threshold_on_the_size_is_tried_beyond_the_sizes_that_are_exhausted():
    verdict = decided("advantage: (correct - p) * (1 if N < 100 else -1)\n", "monotone: {wrong: falls}")
    assert verdict.over.startswith("N = 100, n_pos = 0: wrong = 0, then 1/100")
    assert decided("advantage: (correct - p) * (1 if N < 100 else 2)\n", "bounded: 1").over.startswith("N = 100")


def test_a_smaller_counterexample_is_looked_for():
    # the median and the mean of three answers differ, of two they do not
    verdict = decided("advantage: quantile(r, 0.5) - mean(r)\n", "A == 0")
    assert verdict.over.startswith("rewards [0, 0, 1]: ")
    # five answers of which the shortest is wrong: more are not shown
    text = "advantage: 1 if count(length > 3) >= 5 else 0\n"
    assert "length [4, 4, 4, 4, 4]" in decided(text, "A == 0").over


def test_points_of_a_run_lie_around_the_thresholds_of_a_schedule():
    design = shaping.loads(
        "params: {k: {default: 4, schedule: k if step < 300 else 1}}\nadvantage: k * (r - mean(r))\n"
    )
    assert {(299, 1_000), (300, 1_000), (301, 1_000)} <= {*places(design)}


# ---------------------------------------------------------------- what could not have been broken


UNTESTED = {
    "zero_when: n_pos > 300": "advantage: correct - p\n",
    "A == r or r < 0 or r >= 0": "advantage: r\n",
    "correct >= 0 or n_pos <= N": "advantage: correct - p\n",
    "zero_when: n_pos > N": "advantage: r - mean(r, over=batch)\n",
}


@pytest.mark.parametrize("claim", UNTESTED)
def test_a_claim_that_no_group_could_have_broken_is_not_tested_and_fails(claim):
    for text in (claim, f"not: {{{claim}}}" if ":" in claim else f"not: {claim}"):
        verdict = decided(UNTESTED[claim], text)
        assert verdict.how == "undecided" and not verdict.passed
        assert "not tested, no group could have broken it" in verdict.over


def test_not_needs_a_group_that_breaks_the_claim_or_is_not_decided():
    verdict = decided("advantage: (r - mean(r)) * (1 + 0 * length)\n", "not: zero_sum")
    assert not verdict.passed
    assert message(verdict.claim, verdict).startswith("d.yaml:3:10: not: zero_sum: ")
    assert "not decided, no group breaks it (searched: " in message(verdict.claim, verdict)
    proved = decided("advantage: correct - p\n", "not: zero_sum")
    assert "it holds after all (proved: 0/1 groups of every size)" in message(proved.claim, proved)


# ---------------------------------------------------------------- what was not looked at


def test_a_verdict_says_what_was_not_looked_at():
    assert library("low_prob_damping", "zero_sum").scope.endswith("; not looked at: `token:`")
    assert library("grpo", "sign_correct").scope == "0/1 groups of every size; not looked at: rewards but 0 and 1"
    assert library("dr_grpo", "zero_sum").unseen == ()


def test_logarithms_are_exhausted_as_far_as_was_asked():
    verdict = decided("advantage: {correct: log(n_pos), wrong: 0}\n", "bounded: log(N)", up_to=40)
    assert verdict.over == "every 0/1 group, N = 2..40"


def test_what_goes_wrong_with_one_claim_costs_that_claim_alone():
    text = "advantage: correct - p\nclaims: [zero_sum, correct / n_pos > 0, {equals: gone.yaml}, {bounded: 1}]\n"
    assert [verdict.how for verdict in _all(text, "d.yaml")] == ["proved", "undecided", "undecided", "exhausted"]


# ---------------------------------------------------------------- crashes


@pytest.mark.parametrize("bound", ["sqrt(N)", "N / 2", "log(N) + 1", "N ** 0.5 + 1/2"])
def test_a_bound_that_is_no_whole_number_is_rounded_into_the_range(bound):
    text = f"params: {{k: {{default: 1, range: [1, {bound}]}}}}\nadvantage: k * (correct - p)\n"
    assert decided(text, "bounded: N").how == "exhausted"
    # floor(sqrt(16)) = 4, and 4 * 15/16 < 4
    if bound == "sqrt(N)":
        assert decided(text, "holds: {formula: correct < 4, when: {N: 16}}").how == "exhausted"


@pytest.mark.parametrize(
    ("when", "said"),
    [("N: sqrt(5)", "a value of 'N' is no plain number"), ("a: sqrt(2)", "a value of 'a' is no plain")],
)
def test_a_value_of_when_that_is_no_fraction_is_an_error_at_its_place(when, said):
    text = "params: {a: 1}\nadvantage: a * (correct - p)\n"
    with pytest.raises(DesignError, match=f"d.yaml:4:23: {said}"):
        decided(text, f"zero_sum: {{when: {{{when}}}}}")


def test_a_claim_may_look_at_the_whole_batch():
    assert decided("advantage: r - mean(r, over=batch)\n", "sum(A, over=batch) == 0").how == "searched"
    assert decided("advantage: r - mean(r, over=batch)\n", "sum(A) == 0").how == "refuted"
    with pytest.raises(DesignError, match="a claim over `correct` or `wrong` sees one group alone"):
        decided("advantage: correct - p\n", "mean(correct, over=batch) == 0")


def test_the_second_side_of_or_is_looked_at_only_where_the_first_does_not_decide():
    text = "advantage: {each: (correct - p) / sqrt(p * (1 - p)), flat: 0}\n"
    claim = "n_pos == 0 or n_neg == 0 or correct == sqrt(n_neg / n_pos)"
    assert decided(text, claim).how == "exhausted"


def test_a_claim_may_read_a_signal_that_the_design_does_not():
    assert decided("advantage: r - mean(r)\n", "length < 3 or sum(A) == 0").how == "searched"
    assert decided("advantage: r - mean(r)\n", "A >= 0 or surprisal > 1").how == "refuted"


# ---------------------------------------------------------------- files


def test_a_file_without_claims_or_that_check_refuses_is_not_green(tmp_path, capsys):
    (tmp_path / "none.yaml").write_text("advantage: r - mean(r)\n")
    assert main(["test", str(tmp_path)]) == 1
    assert f"{tmp_path}/none.yaml: no claims, so nothing is tested" in capsys.readouterr().out
    (tmp_path / "none.yaml").write_text("advantage: (r - mean(r)) / std(r)\nclaims: [zero_sum]\n")
    (judged,) = judge(str(tmp_path / "none.yaml"))
    assert not judged.passed and "for some rewards this is a division by zero" in judged.error


def _all(text, path):
    design = shaping.loads(text, str(path))
    return decide(design, read_claims(design), 8)
