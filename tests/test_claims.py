"""Claims: read where they are written, decided exactly, and refuted by the smallest group that breaks them."""

import re

import pytest
from samples import CONFIGS, message

import shaping
from shaping.cli import main
from shaping.errors import DesignError
from shaping.groups.rows import by_verdicts
from shaping.proofs import decide as deciding
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide

LIBRARY = sorted(CONFIGS.glob("*.yaml"))
ZERO_SUM = "advantage: r - mean(r)\n"


def decided(text, claim, up_to=8, path="d.yaml"):
    """The verdict on one claim of a design, as the two say it."""
    design = shaping.loads(f"{text}claims:\n  - {claim}\n", str(path))
    (verdict,) = decide(design, read_claims(design), up_to)
    return verdict


def library(name, claim, up_to=8):
    """The verdict on another claim of a library design."""
    text = re.sub(r"(?ms)^claims:.*", "", (CONFIGS / f"{name}.yaml").read_text())
    return decided(text, claim, up_to, CONFIGS / f"{name}.yaml")


# ---------------------------------------------------------------- refuted, by the smallest group

REFUTED = {
    # A = r: 1 + 0 = 1
    "zero_sum": ("advantage: correct\n", "N = 2, n_pos = 1: 1 * correct + 1 * wrong = 1"),
    "zero_on_constant_groups": ("advantage: correct\n", "N = 2, n_pos = 2: correct = 1, not 0"),
    "sign_correct": ("advantage: p - 1/3\n", "N = 2, n_pos = 1: wrong = 1/6"),
    "bounded: 2": ("advantage: n_pos * correct\n", "N = 3, n_pos = 3: correct = 3, beyond 2"),
    "bounded: sqrt(N)": ("advantage: 2 * correct - p\n", "N = 2, n_pos = 1: correct = 3/2, beyond 1.41421"),
    "monotone: {correct: falls}": (
        "advantage: n_pos * correct\n",
        "N = 2, n_pos = 1: correct = 1, then 2 at n_pos = 2",
    ),
    "monotone: {wrong: rises}": ("advantage: -p\n", "N = 2, n_pos = 0: wrong = 0, then -1/2 at n_pos = 1"),
    "monotone: rewards": ("advantage: 1 - correct\n", "N = 2, n_pos = 1: correct = 0 < wrong = 1"),
    "zero_when: n_pos > N / 2": (ZERO_SUM.replace("r", "correct", 1).replace("(r)", "(correct)"), "N = 3, n_pos = 2:"),
    "peak: 3/4": ("advantage: correct - p\n", "N = 4: eta = 2 at 2/4, 3/2 there"),
    "optimizes: pass_at(2)": ("advantage: correct - p\n", "N = 2: correct(2) - wrong(1) = 1/2, not 0"),
    "unbiased_for: p": ("advantage: correct - p\n", "N = 2: correct(1) - wrong(0) = 1/2, not 1"),
    "unbiased_for: p**5": ("advantage: correct - p\n", "N = 2: the objective's degree is above N"),
    "correct + wrong == 0 and N > 2": ("advantage: correct - p\n", "N = 2, n_pos = 0: 2 > 2 is false"),
    "eta <= 1": ("advantage: correct - p\n", "N = 3, n_pos = 1: 4/3 <= 1 is false"),
    "correct >= wrong + 1/2": ("advantage: correct / 2\n", "N = 2, n_pos = 0: 0 >= 1/2 is false"),
}


@pytest.mark.parametrize("claim", REFUTED)
def test_a_false_claim_is_refuted_by_the_smallest_group_with_both_values(claim):
    text, expected = REFUTED[claim]
    verdict = decided(text, claim)
    assert not verdict.holds and not verdict.passed and verdict.how == "refuted"
    assert verdict.over.startswith(expected)
    negated = decided(text, f"not: {{{claim}}}" if ":" in claim else f"not: {claim}")
    assert negated.passed and not negated.holds and negated.over == verdict.over


def test_the_smallest_parameter_breaks_it_too():
    text = "params: {k: {default: 4, range: [1, N]}}\nadvantage: correct * k\n"
    assert decided(text, "bounded: 2").over == "N = 3, n_pos = 1, k = 3: correct = 3, beyond 2"
    assert decided(text, "bounded: {by: 2, when: {k: [1, 2]}}").holds
    assert decided(text, "bounded: {by: 2, when: {N: 6}}").over.startswith("N = 6, n_pos = 1, k = 3")


# ---------------------------------------------------------------- proved, and nothing that is false

TRAPS = {
    # 1 - 1 = 0 where both kinds are there; alone, either adds up to 1 or -1
    "only mixed groups keep it": "advantage: {correct: 1 / n_pos, wrong: -1 / n_neg}\n",
    "one branch breaks it": "advantage: (correct - p) if n_pos != 3 else 1\n",
    "a binomial that is sometimes 0": (
        "params: {k: {default: 2, range: [1, N]}}\n"
        "advantage: (correct - p) if binomial(n_neg, k) > 0 or n_pos == N else 1\n"
    ),
    "flat breaks it": "advantage: {each: (correct - p) / (n_pos - 2), flat: 1}\n",
    "a root has two sides": "advantage: correct - sqrt((p - 1/2) ** 2) - 1/2\n",
    "equal in groups of two": "advantage: correct - 1/2\n",
    # 1 / (3 - 3) in groups of three correct answers, which get 1 each
    "flat hides behind a condition": (
        'advantage: {each: "(correct - p) if 1 / (n_pos - 3) > 0 and N > 1 else (correct - p)", flat: 1}\n'
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_no_false_identity_is_proved(trap):
    verdict = decided(TRAPS[trap], "zero_sum")
    assert verdict.how == "refuted"


# k reaches 4 in groups of three, where C(3, 4) = 0; at N = 2 and at N = 1000 it is within 1..N
WIDE = "params: {k: {default: 2, range: [1, 'min(2 * N - 2, 1000)']}}\n"


def test_a_parameter_is_left_free_only_if_its_range_is_within_the_group_for_every_size():
    verdict = decided(f"{WIDE}advantage: (1 if binomial(N, k) > 0 else -1) * (correct - p)\n", "sign_correct")
    assert (verdict.how, verdict.over) == ("refuted", "N = 3, n_pos = 1, k = 4: correct = -2/3")
    narrow = WIDE.replace("2 * N - 2, 1000", "N, 1000")
    assert decided(f"{narrow}advantage: k * (correct - p)\n", "sign_correct").over.endswith("size, every k")


def test_nothing_is_proved_where_the_design_or_the_claim_has_no_value():
    # N - 2 = 0 in groups of two, and n_pos - 1 = 0 where one is correct
    verdict = decided("advantage: (correct - p) / (N - 2)\n", "zero_sum")
    assert verdict.how == "undecided" and "d.yaml:1:12: division by zero for N = 2, n_pos = 0" in verdict.over
    for formula in ("correct * (n_pos - 1) / (n_pos - 1) == correct", "n_pos * correct / n_pos == correct"):
        verdict = decided("advantage: correct - p\n", formula)
        assert verdict.how == "undecided" and "division by zero, for N = 2" in verdict.over
    assert decided("advantage: (correct - p) / (N - 1)\n", "zero_sum").how == "proved"


UNDECIDED = {
    # one of the four correct answers of five gets 1 - 4/5
    "(correct if n_pos > 3 else 0) == 0": "N = 5, n_pos = 4: 1/5 == 0 is false",
    # in a claim `correct` is what a correct answer gets: 1 - 1/2
    "(1 if correct else 0) == 0": "N = 2, n_pos = 1: 1 == 0 is false",
    # Pass@2 of two answers with a wrong one says nothing
    "equals: {design: passk.yaml, params: {k: 1 if N > 3 else 2}}": "N = 2, n_pos = 1: correct = 1/2",
}


@pytest.mark.parametrize("claim", UNDECIDED, ids=["a branch", "a truth", "a parameter"])
def test_a_claim_that_depends_on_the_group_is_tried_instead_of_proved(claim):
    verdict = decided("advantage: correct - p\n", claim, path=CONFIGS / "d.yaml")
    assert verdict.how == "refuted" and verdict.over.startswith(UNDECIDED[claim])


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_claim_of_the_library_holds_and_what_was_proved_is_found_by_trying_too(path):
    design = shaping.load(path)
    claims = read_claims(design)
    assert len(claims) >= 2
    verdicts = decide(design, claims, 6)
    assert [each.claim.text for each in verdicts if not each.passed] == []
    proved = [each.claim for each in verdicts if each.how == "proved"]
    others = {claim: deciding._other(design, claim) for claim in proved if claim.other is not None}
    assert all(verdict.holds for verdict in deciding.exhaust(design, proved, others, 6).values())


def test_nothing_is_proved_proportional_to_what_is_zero_somewhere(tmp_path):
    # C(n_neg, 2) is 0 at n_neg = 1; and 0 is no positive factor
    (tmp_path / "sometimes.yaml").write_text("advantage: binomial(n_neg, 2) * (correct - p)\n")
    (tmp_path / "positive.yaml").write_text("advantage: correct\n")
    other = "proportional_to: {design: sometimes.yaml, per: group}"
    verdict = decided("advantage: correct - p\n", other, path=tmp_path / "d.yaml")
    assert (verdict.how, verdict.over) == ("refuted", "N = 2, n_pos = 1: correct = 1/2, not 0")
    verdict = decided("advantage: 0 * n_pos\n", "proportional_to: positive.yaml", path=tmp_path / "d.yaml")
    assert verdict.how == "refuted"
    assert decided("advantage: 2 * correct\n", "proportional_to: positive.yaml", path=tmp_path / "d.yaml").holds


NOT_ONE_FACTOR = {
    # C(1, 2) / C(2, 2) = 0, and 1 in all-wrong groups: it goes with n_neg
    "miss * (correct - p)": "N = 2, n_pos = 1, k = 2: correct = 0 against 1/2",
    "(correct - p) * (N - 2)": "N = 2, n_pos = 1, k = 1: correct = 0 against 1/2",
    # four correct of five get 1 - 4/5, doubled; up to three get it once
    "(correct - p) * (2 if n_pos > 3 else 1)": "N = 5, n_pos = 4, k = 1: correct = 2/5, not 1/5",
    "0 * correct": "N = 2, n_pos = 1, k = 1: correct = 0 against 1/2",
}


@pytest.mark.parametrize("each", NOT_ONE_FACTOR)
def test_a_factor_that_varies_or_is_zero_is_not_one_positive_factor(each):
    text = (
        "params: {k: {default: 2, range: [1, N]}}\n"
        "let: {miss: 'binomial(n_neg, k) / binomial(N, k)'}\n"
        f"advantage: {each}\n"
    )
    verdict = decided(text, "proportional_to: dr_grpo.yaml", path=CONFIGS / "d.yaml")
    assert (verdict.how, verdict.over) == ("refuted", NOT_ONE_FACTOR[each])
    claim = "proportional_to: {design: dr_grpo.yaml, per: group, groups: 0/1}"
    per_group = decided(text, claim, path=CONFIGS / "d.yaml")
    assert per_group.holds == (each != "0 * correct")  # 0 in some groups, never in all


def test_what_is_zero_in_every_group_is_proportional_to_nothing():
    for text in ("advantage: 0 * correct\n", "advantage: 0 * length\n"):
        verdict = decided(text, "proportional_to: {design: grpo.yaml, per: group}", path=CONFIGS / "d.yaml")
        assert verdict.how == "refuted" and verdict.over.startswith("every advantage is 0: ")


def test_one_factor_is_looked_for_in_several_groups_and_steps():
    # by 1 token in one group and 2 in another; by 1 group in one step and 2 in another
    for factor, shown in (("(1 + sum(length))", "length [0, 0]; "), ("P", "; in another step ")):
        text = f"advantage: (r - mean(r)) * {factor}\n"
        verdict = decided(text, "proportional_to: dr_grpo.yaml", path=CONFIGS / "d.yaml")
        assert verdict.how == "refuted" and shown in verdict.over
    text = "advantage: 2 * (r - mean(r)) + 0 * length\n"
    assert decided(text, "proportional_to: dr_grpo.yaml", path=CONFIGS / "d.yaml").how == "searched"


def test_identities_are_proved_for_all_sizes_and_draws():
    for claim in ("zero_sum", "sign_correct", "proportional_to: {design: grpo.yaml, per: group, groups: 0/1}"):
        verdict = library("passk", claim)
        assert (verdict.how, verdict.over) == ("proved", "0/1 groups of every size, every k")
    verdict = library("passk", "equals: {design: grpo.yaml, when: {k: 1}, groups: 0/1}")
    assert verdict.scope == "0/1 groups of every size, k = 1; not looked at: rewards but 0 and 1"
    # a length penalty moves rewards away from scores, which passk counts and grpo does not read
    verdict = library("passk", "equals: {design: grpo.yaml, when: {k: 1}}")
    assert verdict.over == "rewards [0, 1], scores [0, 0], k = 1: advantages [0, 0] against [-1, 1]"
    assert library("passk", "n_pos * correct == -n_neg * wrong").how == "proved"


def test_what_is_exhausted_says_how_far():
    verdict = library("passk", "zero_when: n_pos > N - k")
    assert (verdict.how, verdict.over) == ("exhausted", "every 0/1 group, N = 2..8, every k")


def test_a_claim_about_any_rewards_is_called_searched():
    verdict = library("grpo", "zero_sum")
    assert verdict.how == "searched" and verdict.over.startswith("proved for 0/1 rewards")


def test_every_value_of_when_is_searched():
    text = "params: {c: 0}\nadvantage: r - mean(r) - c * length\n"
    assert re.fullmatch(r"\d+ groups of up to 64 answers", decided(text, "zero_sum: {when: {c: [0]}}").over)
    verdict = decided(text, "zero_sum: {when: {c: [0, 1/2]}}")
    assert verdict.over == "rewards [0, 0], length [0, 1], c = 1/2: advantages [0, -1/2] add up to -1/2"


def test_groups_are_searched_at_the_size_that_is_asked_for():
    text = "advantage: clip(r - mean(r), -1, 1) * (1 if N >= 16 else 3)\n"
    assert decided(text, "bounded: {by: 1, when: {N: 16}}").over.endswith(" other groups of 16 answers")
    assert not decided(text, "bounded: {by: 1, when: {N: 6}}").holds
    # one of sixteen is longer by 1: 5 * 15/16
    text = "advantage: (length - mean(length)) * (5 if N >= 16 else 0)\n"
    assert decided(text, "bounded: {by: 1, when: {N: 16}}").over.endswith("75/16], beyond 1")


def test_groups_are_searched_at_the_smallest_size_that_the_ranges_allow():
    text = "params: {k: {default: 9, range: [9, N]}}\nadvantage: k * (length - mean(length))\n"
    assert decided(text, "not: {bounded: 8}").over.startswith("rewards [0, 0, 0, 0, 0, 0, 0, 0, 0], length [")
    verdict = decided(text, "zero_sum: {when: {N: 8}}")
    assert verdict.how == "undecided" and "`when` leaves no group to look at: the ranges forbid it" in verdict.over


# ---------------------------------------------------------------- over a run


def test_a_parameter_of_when_is_looked_at_in_every_part_of_a_run():
    # 1 - 1/16 after the first of 16 steps; with the default, 0, nothing ever changes
    text = "params: {fade: 0}\nadvantage: (1 - fade * progress) * (correct - p)\n"
    mixed = "n_pos == 0 or n_neg == 0 or correct - wrong =="
    verdict = decided(text, f"holds: {{formula: {mixed} 1, when: {{fade: 1}}}}")
    assert verdict.over.startswith("N = 2, n_pos = 1, fade = 1, at step 1 of 16")
    # k = 2 until half of the run, then 1; with the default it is 1 from the beginning
    text = (
        "params: {k: {default: 1, range: [1, N], schedule: 'max(1, k - floor(k * progress))'}}\n"
        "advantage: k * (correct - p)\n"
    )
    verdict = decided(text, f"holds: {{formula: {mixed} 2, when: {{k: 2}}}}")
    assert verdict.over.startswith("N = 2, n_pos = 1, k = 2, at step 8 of 16")


def test_a_design_that_changes_over_a_run_is_compared_at_its_own_times():
    # Pass@8 of eight answers begins with 0 where one is correct; dr_grpo has 1 - 1/8
    verdict = decided(
        "advantage: correct - p\n", "equals: {design: passk_annealed.yaml, when: {N: 8}}", path=CONFIGS / "d.yaml"
    )
    assert verdict.over.startswith("N = 8, n_pos = 1, at step 0 of 16: correct = 7/8, not 0")


# ---------------------------------------------------------------- which scores are correct

LOWER = "correct: score < 0.5\n"  # an answer of score 0 is correct


def test_a_right_answer_is_one_that_the_file_calls_correct():
    # rewards 0 and 1, mean 1/2: the correct one gets -1/2
    verdict = decided(f"{LOWER}advantage: r - mean(r)\n", "sign_correct")
    assert (verdict.how, verdict.over) == ("refuted", "rewards [0, 1]: advantages [-1/2, 1/2]")
    # two right answers of which one scores less get less than their mean, the other more
    assert decided(f"{LOWER}advantage: mean(r) - r\n", "sign_correct").how == "refuted"
    assert decided(f"{LOWER}advantage: 1 if r < 0.5 else -1\n", "sign_correct").how == "searched"
    # of the scores 0 and 1 neither is correct; 5 is, and gets -5
    verdict = decided("correct: score >= 5\nadvantage: -1 if r <= 1 else -r\n", "sign_correct")
    assert verdict.over == "rewards [0, 5]: advantages [-1, -5]"


def test_where_counts_decide_any_score_may_be_correct():
    text = f"{LOWER}advantage: correct - p\n"
    assert decided(text, "sign_correct").how == "proved"
    assert decided(text, "monotone: rewards").over == "rewards [0, 1]: advantages [1/2, -1/2]"
    verdict = decided(text, "equals: dr_grpo.yaml", path=CONFIGS / "d.yaml")
    assert verdict.over == "rewards [0, 1]: advantages [1/2, -1/2] against [-1/2, 1/2]"


def test_what_needs_groups_of_right_and_wrong_answers_is_refused_with_the_score():
    verdict = decided(f"{LOWER}advantage: r - mean(r)\n", "peak: 2/4")
    assert verdict.how == "undecided"
    assert re.search("'peak: 2/4' is about .* takes an answer of score 1 for a wrong one", verdict.over)
    text = "params: {t: 0.5}\ncorrect: score > t\nadvantage: r - mean(r)\n"
    assert decided(text, "optimizes: p").how == "exhausted"
    # scores of 2 and 3 are right, and 2 is below their mean
    assert decided(text, "sign_correct").how == "refuted"
    verdict = decided(text, "optimizes: {objective: p, when: {t: 2}}")
    assert "d.yaml:2:10: its `correct:` takes an answer of score 1 for a wrong one; " in verdict.over


# ---------------------------------------------------------------- known results

KNOWN = [
    ("rloo", "unbiased_for: p"),
    ("dr_grpo", "unbiased_for: (N - 1) / N * p"),
    ("maxrl", "unbiased_for: log_p(N - 1)"),
    ("pkpo", "unbiased_for: pass_at(k)"),
    ("pkpo_loo_minus_one", "unbiased_for: pass_at(k)"),
    ("passk", "peak: {at: 16/32, when: {k: 1}}"),
    ("passk", "peak: {at: 8/32, when: {k: 4}}"),
    ("passk", "peak: {at: 4/32, when: {k: 8}}"),
    ("passk", "not: {peak: {at: 8/32, when: {k: 8}}}"),
    ("passk", "zero_when: n_pos >= N - k + 1"),
    ("passk", "zero_when: k == N"),
    ("passk", "not: {zero_when: n_pos >= N - k}"),
]


@pytest.mark.parametrize(("name", "claim"), KNOWN)
def test_known_results_hold(name, claim):
    assert library(name, claim).passed


def test_the_analytic_passk_without_sigma_climbs_passk():
    text = (
        "params: {k: {default: 2, range: [1, N - 1]}}\n"
        "let: {miss: 'binomial(n_neg, k) / binomial(N, k)'}\n"
        "advantage: {correct: miss, wrong: 'miss - binomial(n_neg - 1, k - 1) / binomial(N - 1, k - 1)'}\n"
    )
    assert decided(text, "unbiased_for: (N - k) / (N * k) * pass_at(k)").how == "exhausted"
    assert decided(text, "optimizes: pass_at(k)").holds
    assert not decided(text, "optimizes: p").holds


# The released code of Chen et al. 2025 (arXiv:2508.10751): np.where(reward == 1, right, reward), then 0 -> wrong.
PRINTED = """
correct: score == 1
params: {k: {default: 2, range: [1, N]}}
let:
  miss:  binomial(n_neg, k) / binomial(N, k)
  sigma: sqrt(miss * (1 - miss)) + 1e-6
  right: miss / sigma
  wrong: (miss - binomial(n_neg - 1, k - 1) / binomial(N - 1, k - 1)) / sigma
advantage: right if r == 1 else wrong if r == 0 else r
"""


@pytest.mark.parametrize("claim", ["zero_sum", "zero_on_constant_groups", "sum(A) == 0", "monotone: rewards"])
def test_rewards_that_pass_through_the_papers_printed_code_are_found(claim):
    verdict = decided(PRINTED, claim)
    assert verdict.how == "refuted"
    rewards = re.search(r"rewards \[(.*?)\]", verdict.over).group(1).split(", ")
    assert 2 <= len(rewards) <= 4 and set(rewards) - {"0", "1"}  # [1, 0.5, 0, 0] or smaller


# ---------------------------------------------------------------- reading

MISTAKES = {
    "zer_sum": "unknown claim 'zer_sum'",
    "bounded": "'bounded' needs an argument",
    "bounds: 2": "unknown claim 'bounds'",
    "bounded: x": "unknown name 'x' in 'bounded'",
    "bounded: {bye: 2}": "unknown key 'bye' of the claim 'bounded'",
    "bounded: {by: 2, when: {k: 2}}": "unknown parameter 'k' in 'when'",
    "not: {not: zero_sum}": "a `not` in a `not`",
    "peak: 1/4 of it": "a peak is n_pos / N",
    "monotone: {correct: up}": "'monotone' of what?",
    "equals: gone.yaml": "there is no design 'gone.yaml'",
    "n_pos + n_neg": "this claims nothing",
    "A > correct": "a claim over single answers and over `correct` or `wrong`",
    "equals: {design: d.yaml, per: group}": "'per' is of proportional_to",
    "unbiased_for: r": "unknown name 'r' in 'claims.unbiased_for'",
    "unbiased_for: log(p)": "no polynomial in p: unbiased_for: log(p)",
}


@pytest.mark.parametrize("claim", MISTAKES)
def test_a_claim_that_cannot_be_read_is_shown_at_its_place(claim):
    try:
        text = decided(ZERO_SUM, claim).over  # what is wrong with one claim costs that claim alone
    except DesignError as error:
        text = str(error)
    first, picture, caret, *_ = text.split("\n")
    assert first.startswith("d.yaml:3:") and MISTAKES[claim] in first
    assert picture == f"  3 |   - {claim}" and caret.strip().strip("^") == ""


def test_a_claim_about_right_and_wrong_answers_needs_a_design_that_verdicts_decide():
    verdict = decided("advantage: r - length / 100\n", "optimizes: p")
    assert not verdict.passed and "is about groups of right and wrong answers, but it reads length" in verdict.over


def test_a_design_is_loaded_and_used_without_a_look_at_its_claims():
    shaping.loads(f"{ZERO_SUM}claims: [zer_sum, 3, {{}}]\n").check(8)
    assert "unknown key" in message(f"{ZERO_SUM}claim: [zero_sum]\n")


def test_every_design_that_verdicts_decide_says_more_than_two_things():
    for path in LIBRARY:
        design = shaping.load(path)
        assert len(read_claims(design)) >= (3 if by_verdicts(design) else 2), path.stem


# ---------------------------------------------------------------- the command


def test_the_command_reports_every_file_and_counts_how_claims_were_decided(tmp_path, capsys):
    (tmp_path / "fine.yaml").write_text(f"{ZERO_SUM}claims:\n  - zero_sum\n  - not: {{unbiased_for: p}}\n")
    (tmp_path / "false.yaml").write_text("advantage: correct\nclaims:\n  - zero_sum\n  - wrong == 0\n")
    (tmp_path / "broken.yaml").write_text("advantage: corect\n")
    assert main(["test", str(tmp_path), "--up-to", "6"]) == 1
    out = capsys.readouterr().out
    assert f"{tmp_path}/false.yaml:3:5: zero_sum does not hold: N = 2, n_pos = 1: 1 * correct + 1 * wrong = 1" in out
    assert "broken.yaml:1:12: unknown name 'corect'" in out
    assert out.endswith("3 designs, 4 claims: 1 proved, 1 searched, 1 broken as said, 2 FAILED\n")
    (tmp_path / "broken.yaml").unlink()
    (tmp_path / "false.yaml").unlink()
    assert main(["test", str(tmp_path), "--up-to", "6", "-q"]) == 0
    assert capsys.readouterr().out == "1 design, 2 claims: 1 searched, 1 broken as said\n"


def test_check_reads_the_claims_too(tmp_path, capsys):
    (tmp_path / "d.yaml").write_text(f"{ZERO_SUM}claims: [zer_sum]\n")
    assert main(["check", str(tmp_path / "d.yaml")]) == 1
    assert "unknown claim 'zer_sum'" in capsys.readouterr().out


def test_a_folder_without_designs_is_said(tmp_path, capsys):
    assert main(["test", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"no design (*.yaml) in {tmp_path}\n"
