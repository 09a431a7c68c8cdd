"""From an objective to a design and back: what is derived climbs what was asked for, exactly."""

import re
from fractions import Fraction as F
from itertools import pairwise
from math import acosh, comb, cosh, factorial
from pathlib import Path

import pytest

import shaping
from shaping import real
from shaping.cli import main
from shaping.errors import DesignError, Source
from shaping.groups import exact
from shaping.objectives import dynamics, objective
from shaping.objectives.baselines import optimal
from shaping.objectives.closed import indicators, newton
from shaping.objectives.derive import derive
from shaping.objectives.explain import explain
from shaping.objectives.recognize import Climbs
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide

CONFIGS = Path(__file__).parents[1] / "configs"
BASELINES = ["none", "others_mean", "optimal"]
POLYNOMIALS = [
    ("p", {}),
    ("pass_at(k)", {"k": 3}),
    ("1 - (1 - p)**k", {"k": 2}),
    ("lam * p + (1 - lam) * pass_at(k)", {"lam": "1/3", "k": 4}),
    ("p * (1 - p)", {}),
    ("(2 * p - p**3) / 5 - 1", {}),
    ("log_p(N - 1)", {}),
    ("log_p(terms)", {"terms": 6}),
    ("p**3 * (1 - p)**4", {}),
]


def derived(*args, **more):
    return shaping.loads(derive(*args, **more))


def read(text, N=8, **numbers):
    return objective.read_objective(text, "F", Source("F", text).span, list(numbers))


def as_polynomial(text, N, **numbers):
    constants = {"N": F(N)} | {name: F(number) for name, number in numbers.items()}
    return objective.trimmed(objective.polynomial(read(text, **numbers), constants))


def pairs_of(phi, b):
    """By the formula: N (phi(n) - b(n - 1)) and N (phi(n) - b(n))."""
    N = len(phi) - 1
    return [
        (N * (phi[n] - b[n - 1]) if n else None, N * (phi[n] - b[n]) if n < N else None)  #
        for n in range(N + 1)
    ]


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("text", "params"), POLYNOMIALS)
def test_what_is_derived_climbs_the_objective_itself(text, params, baseline):
    found = explain(derived(text, 8, baseline, params), 8)
    asked = as_polynomial(text, 8, **params)
    assert found.weight_polynomial == objective.derivative(asked)
    assert found.objective_polynomial == [F(0), *asked[1:]]


@pytest.mark.parametrize("N", [2, 3, 8, 16])
def test_the_expected_reward_against_the_others_is_rloo(N):
    rloo = shaping.load(CONFIGS / "rloo.yaml")
    expected = [exact.verdict_pair(rloo, N, n) for n in range(N + 1)]
    for text in ("p", "pass_at(1)"):
        assert [exact.verdict_pair(derived(text, N), N, n) for n in range(N + 1)] == expected


def test_pass_at_two_of_four_with_one_right():
    # phi = 1 - C(3,2)/C(4,2) = 1/2. The right answer's others have none right: b = 0, A = 4/2.
    # A wrong answer's others have one of three right: b = 1 - C(2,2)/C(3,2) = 2/3, A = 4 (1/2 - 2/3).
    assert exact.verdict_pair(derived("pass_at(2)", 4), 4, 1) == (F(2), F(-2, 3))
    assert exact.verdict_pair(derived("pass_at(2)", 4, "none"), 4, 1) == (F(2), F(2))


def test_a_group_reward_is_taken_as_it_is():
    # Two right answers are needed. With two of four, a right one's others have one: 4 (1 - 0); a wrong one's two: 0.
    design = derived("phi: 1 if n_pos >= need else 0", 4, params={"need": 2})
    assert exact.verdict_pair(design, 4, 2) == (F(4), F(0))
    assert explain(design, 4).group_reward == [0, 0, 1, 1, 1]
    assert explain(shaping.loads(derive("phi: 1 if n_pos >= need else 0", 4, params={"need": 2}), need=3), 4).climbs


def test_the_others_of_a_group_reward_are_a_group_of_one_less():
    rloo = shaping.load(CONFIGS / "rloo.yaml")
    for n_pos in range(9):
        assert exact.verdict_pair(derived("phi: n_pos / N", 8), 8, n_pos) == exact.verdict_pair(rloo, 8, n_pos)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_group_reward_that_is_no_fraction_is_kept(baseline):
    found = explain(derived("phi: sqrt(n_pos)", 5, baseline), 5)
    assert [real.nearest(value) for value in found.group_reward] == pytest.approx([n**0.5 for n in range(6)])


@pytest.mark.parametrize("baseline", ["none", "others_mean"])
def test_a_file_with_binomials_holds_for_every_group_and_k(baseline):
    text = derive("pass_at(k)", 16, baseline, {"k": 4})
    for N, k in [(16, 4), (16, 9), (8, 2), (8, 7), (3, 1)]:
        found = explain(shaping.loads(text, k=k), N).climbs
        assert found == Climbs("p" if k == 1 else f"pass_at({k})", F(1)), (N, k)


def test_a_file_of_numbers_has_no_value_for_another_group():
    design = derived("log_p(15)", 16)
    design.check(16)
    with pytest.raises(DesignError, match=r"'made_for' has no value for groups of N = 8: its range is 16..0"):
        design.check(8)
    with pytest.raises(DesignError, match="'made_for' has no value for groups of N = 8: its range is 16..0"):
        shaping.loads(derive("log_p(15)", 16), made_for=8).check(8)
    with pytest.raises(DesignError, match="'made_for' has no value for groups of N = 5: its range is 4..0"):
        derived("log_p(N - 1)", 4).check(5)  # three terms would be few enough for binomials, but N decides them


@pytest.mark.parametrize("text", ["p", "pass_at(k)", "lam * p + pass_at(k)", "phi: n_pos >= k"])
def test_a_baseline_of_least_variance_is_for_its_group_and_its_parameters_alone(text):
    # made for N = 64, its variance in groups of 16 would be a million times that of others_mean
    params = {name: value for name, value in {"k": 4, "lam": "1/3"}.items() if name in text}
    written = derive(text, 64, "optimal", params)
    shaping.loads(written).check(64)
    for N in (16, 63, 65, 128):
        with pytest.raises(DesignError, match=f"'made_for' has no value for groups of N = {N}: its range is 64..0"):
            shaping.loads(written).check(N)
    for name, other in {"k": 5, "lam": "1/2"}.items():
        if name in text:
            with pytest.raises(DesignError, match=rf"{name} = {other} is outside"):
                shaping.loads(written, **{name: other}).check(64)


def test_a_short_objective_has_an_optimal_baseline_in_groups_of_a_thousand():
    design = derived("pass_at(4)", 1_024, "optimal")
    pairs = [exact.verdict_pair(design, 1_024, n) for n in (0, 1, 512, 513)]
    # D = A_correct(m + 1) - A_wrong(m) is N (phi(m + 1) - phi(m)) = 4 C(1023 - m, 3) / C(1023, 3)
    assert pairs[1][0] - pairs[0][1] == 4
    assert pairs[3][0] - pairs[2][1] == F(4 * comb(511, 3), comb(1023, 3))


def test_a_polynomial_needs_as_many_answers_as_its_degree():
    for baseline, least in [("none", 3), ("others_mean", 4)]:
        design = derived("p**3 - p", 8, baseline)
        design.check(least)
        with pytest.raises(DesignError, match=f"'at_least' has no value for .*: its range is {least}..0"):
            design.check(least - 1)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("text", "params"), POLYNOMIALS)
def test_every_derived_design_keeps_its_own_claim(text, params, baseline):
    design = derived(text, 8, baseline, params)
    claims = read_claims(design)
    assert [claim.kind for claim in claims] == ["unbiased_for"]
    assert all(verdict.passed for verdict in decide(design, claims, up_to=9))


def test_a_baseline_that_sees_the_answer_itself_is_noticed():
    text = derive("pass_at(2)", 6)
    biased = re.sub(r"b_wrong: .*", "b_wrong: b_correct", text)
    assert biased != text and explain(shaping.loads(biased), 6).climbs != Climbs("pass_at(2)", F(1))


@pytest.mark.parametrize(("text", "N"), [("log_p(N - 1)", 64), ("pass_at(40)", 64), ("log(p)", 100)])
def test_large_groups_are_cut_into_formulas_that_the_language_takes(text, N):
    found = derive(text, N, "optimal")
    assert max(map(len, found.splitlines())) <= 120
    climbed = explain(shaping.loads(found), N)
    assert climbed.climbs.factor == 1 if "Unbiased" in found else float(climbed.weight_at(F(1, 2))) == pytest.approx(2)


# ---------------------------------------------------------------- objectives that nothing is unbiased for


def gap_of(text, N, slope, points=2_001):
    """The largest |w / F' - 1| of a derived design from 1/N to 1 - 1/N, w added up exactly from its advantages."""
    design = shaping.loads(text)
    pairs = [exact.verdict_pair(design, N, n) for n in range(N + 1)]
    differences = [after[0] - before[1] for before, after in pairwise(pairs)]
    largest = 0.0
    for i in range(points):
        p = F(1, N) + (1 - F(2, N)) * F(i, points - 1)
        w = sum(comb(N - 1, m) * p**m * (1 - p) ** (N - 1 - m) * each for m, each in enumerate(differences))
        largest = max(largest, abs(float(w) / slope(float(p)) - 1))
    return largest


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(
    ("text", "slope", "least"),
    [
        ("log(1 + p)", lambda p: 1 / (1 + p), 1.355e-7),
        ("sqrt(p)", lambda p: 0.5 / p**0.5, 7.44e-4),
        ("log(p)", lambda p: 1 / p, 3.4486e-3),
        ("-log(1 - p)", lambda p: 1 / (1 - p), 3.4486e-3),
    ],
)
def test_the_nearest_design_of_eight_answers_has_the_least_gap_there_is(text, slope, least, baseline):
    # the linear program over 2,000 points has these optima; of log(p) see below
    assert gap_of(derive(text, 8, baseline), 8, slope, 401) == pytest.approx(least, rel=0.01)


@pytest.mark.parametrize("N", [3, 8, 16, 24])
def test_the_gap_of_log_p_is_one_over_chebyshevs_polynomial(N):
    # |p w - 1| is least if p w - 1 is Chebyshev's polynomial of degree N over its value at p = 0, N / (N - 2) outside
    least = 1 / cosh(N * acosh(N / (N - 2)))
    assert gap_of(derive("log(p)", N, "none"), N, lambda p: 1 / p, 401) == pytest.approx(least, rel=0.01)
    assert f"{least * 100:.1e}"[:1] in derive("log(p)", N).partition("within ")[2][:6]


def test_without_a_negative_difference_the_gap_is_larger_and_said():
    text = derive("log(p)", 8, non_negative=True)
    design = shaping.loads(text)
    pairs = [exact.verdict_pair(design, 8, n) for n in range(9)]
    assert all(after[0] >= before[1] for before, after in pairwise(pairs))
    assert gap_of(text, 8, lambda p: 1 / p) == pytest.approx(0.0146, rel=0.01)  # the same program with D >= 0
    assert "without a negative D" in text and "within 1.5 % of its derivative for p from 1/8 to 7/8" in said(text)
    other = derive("log(p)", 8)
    assert "goes from -9.71 to 24.2" in said(other) and "within 0.35 % of its derivative" in said(other)


def said(text):
    return " ".join(text.replace("#", "").split())


@pytest.mark.parametrize("text", ["p**100", "pass_at(300)", "exp(100 * p)"])
def test_steep_objectives_have_a_nearest_design_without_a_negative_difference(text):
    found = explain(derived(text, 8, "none", non_negative=True), 8)
    assert all(D >= 0 for D in found.weight) and any(found.weight)


def test_a_smooth_objective_needs_no_negative_difference():
    formulas = [derive("log(1 + p)", 8, non_negative=only).partition("let:")[2] for only in (True, False)]
    assert formulas[0] == formulas[1]
    assert "within 1.4e-05 % of its derivative" in said(derive("log(1 + p)", 8))


def test_where_the_derivative_passes_0_the_gap_is_a_share_of_the_steepest():
    # With x = 4 (p - 1/2) the derivative is x^3 / 16, at most 1/16 from 1/4 to 3/4. Of straight lines 3/4 x / 16 is
    # nearest: x^3 - 3/4 x is a quarter of Chebyshev's polynomial, so a quarter of the steepest. Its D are -+3/32.
    text = derive("(p - 1/2)**4", 2)
    assert "within 26 % of its steepest derivative, for p from 1/4 to 3/4" in said(text)
    assert [float(D) for D in explain(shaping.loads(text), 2).weight] == pytest.approx([-3 / 32, 3 / 32], rel=1e-3)


def test_a_polynomial_of_too_high_a_degree_gets_the_nearest_of_what_the_group_can():
    # A line b (p - 3/16) against p^2 from 1/4 to 3/4: b at both ends, 4/3 b at 3/8, so b = 6/7 and the gap is 1/7.
    text = derive("p**3", 2, "none")
    assert "Near p**3" in text and "within 15 % of its derivative for p from 1/4 to 3/4" in said(text)
    low, high = explain(shaping.loads(text), 2).weight
    assert [float(low), float(high)] == pytest.approx([-3 * 6 / 7 * 3 / 16, 3 * 6 / 7 * 13 / 16], rel=1e-3)


def test_a_monotone_objective_without_end_is_approached_where_groups_see_it():
    assert "Near exp(1/p)" in derive("exp(1/p)", 8)
    assert gap_of(derive("p**(-1/2)", 6), 6, lambda p: -0.5 * p**-1.5, 101) < 0.02


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("(1 - (1 - p)**4) / p", "4 - 6*p + 4*p**2 - p**3"),
        ("p**2/p", "p"),
        ("sqrt(p)**2", "p"),
        ("sqrt(p) * p**(1/2)", "p"),
        ("p**1.5 * sqrt(p)", "p**2"),
        ("sqrt((1 - p)**2)", "1 - p"),
        ("sqrt(p**2 - 2*p + 1)", "1 - p"),
        ("exp(2*log(p) + log(1 - p))", "p**2 - p**3"),
        ("log(exp(p))", "p"),
        ("(sqrt(p) - 1) * (sqrt(p) + 1)", "p - 1"),
        ("p**3 * p**(-2)", "p"),
        ("1 / (1 / p)", "p"),
        ("(p**2 - 1) / (p - 1)", "p + 1"),
        ("pass_at(3) / p", "3 - 3*p + p**2"),
        ("log(p) - log(p) + p", "p"),
    ],
)
def test_a_polynomial_in_disguise_is_a_polynomial(text, plain):
    assert as_polynomial(text, 8) == as_polynomial(plain, 8)
    assert explain(derived(text, 8), 8).weight_polynomial == objective.derivative(as_polynomial(plain, 8))


@pytest.mark.parametrize(
    "text", ["log(p)", "sqrt(p)", "exp(p)", "sqrt(p + 1)", "p**p", "tanh(p)", "sqrt(2) * p", "1 / p"]
)
def test_what_is_no_polynomial_is_not_taken_for_one(text):
    with pytest.raises(objective.NoPolynomial):
        as_polynomial(text, 8)


@pytest.mark.parametrize("text", ["1 - p", "-p", "(1 - p)**3", "log(1 - p)", "-sqrt(p)"])
def test_an_objective_that_falls_is_derived_and_said_to_fall(text):
    found = derive(text, 8)
    assert "falls as p rises" in said(found) or "where it is negative a wrong answer gets more" in said(found)
    assert real.nearest(explain(shaping.loads(found), 8).weight_at(F(1, 2))) < 0


def test_a_negative_parameter_is_put_in_brackets():
    # with k = -2 the objective is 4 p: written out as -2**2 * p it would fall
    for baseline in BASELINES:
        design = derived("k**2 * log_p(N - 1)", 4, baseline, {"k": -2})
        claims = read_claims(design)
        assert "(-2)**2" in design.source.text
        assert all(verdict.passed for verdict in decide(design, claims, up_to=5))


def test_an_objective_may_begin_with_a_minus_on_the_command_line(capsys):
    assert main(["derive", "-(1-p)**3", "--n", "8"]) == 0
    assert explain(shaping.loads(capsys.readouterr().out), 8).climbs == Climbs("pass_at(3)", F(1))
    assert main(["derive", "-p", "--n", "4"]) == 0
    assert explain(shaping.loads(capsys.readouterr().out), 4).climbs == Climbs("p", F(-1))
    assert main(["derive", "- p", "--n", "4"]) == 0
    design = shaping.loads(capsys.readouterr().out)
    assert all(verdict.passed for verdict in decide(design, read_claims(design), up_to=5))


@pytest.mark.parametrize("text", ["log(p - 1/2)", "1 / (1/3 - p)", "(p - 1)**(1/2)"])
def test_an_objective_without_a_value_is_refused(text):
    with pytest.raises(DesignError, match="no mean|no value"):
        derive(text, 4)


# ---------------------------------------------------------------- the optimal baseline


def mean_square(phi, b, weighting=(1, 1)):
    """E g^2 averaged over p, from the pairs alone."""
    of_p = objective.from_bernstein(dynamics.second_moment(pairs_of(phi, b)))
    u, v = weighting
    scale = F(factorial(u + v - 1), factorial(u - 1) * factorial(v - 1))
    return sum(
        scale * a * F(factorial(j + u - 1) * factorial(v - 1), factorial(j + u + v - 1)) for j, a in enumerate(of_p)
    )


@pytest.mark.parametrize("weighting", [(1, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("text", ["p", "pass_at(3)", "log_p(4)"])
def test_the_optimal_baseline_can_be_moved_nowhere_without_loss(text, weighting):
    N = 5
    phi = objective.to_bernstein(as_polynomial(text, N), N)
    b = optimal(phi, weighting)
    least = mean_square(phi, b, weighting)
    assert least < mean_square(phi, objective.to_bernstein(as_polynomial(text, N), N - 1), weighting)
    for m in range(N):
        for step in (F(1, 100), F(-1, 100)):
            moved = [each + step * (i == m) for i, each in enumerate(b)]
            assert mean_square(phi, moved, weighting) > least


def test_the_optimal_baseline_of_the_expected_reward_is_straight():
    # RLOO's is m / (N - 1): 0 to 1 in steps of 1/7 in groups of 8. This one has steps of 7/60.
    assert optimal([F(n, 8) for n in range(9)]) == [F(11, 120) + F(7, 60) * m for m in range(8)]
    assert "b_wrong: 11/120 + 7/60 * n_pos\n" in derive("p", 8, "optimal")


def test_optimal_is_less_noisy_than_the_mean_of_the_others_at_most_p():
    rows = {baseline: explain(derived("pass_at(4)", 16, baseline), 16).snr for baseline in BASELINES}
    quarter = {baseline: row[F(1, 4)][0] for baseline, row in rows.items()}
    assert quarter["optimal"] > 1.1 * quarter["others_mean"] > 1.1 * quarter["none"]


def test_the_weighting_moves_it():
    assert derive("p", 8, "optimal", weighting=(1, 4)) != derive("p", 8, "optimal")
    assert "p from Beta(1, 4)" in derive("p", 8, "optimal", weighting=(1, 4))


# ---------------------------------------------------------------- what is refused, and how it is written


def test_others_mean_needs_one_degree_less():
    for text, N in [("pass_at(8)", 8), ("p**2", 2), ("log_p(N)", 4)]:
        with pytest.raises(DesignError, match=rf"degree {N}: {N - 1} other answers? cannot estimate it without bias"):
            derive(text, N)
        assert explain(derived(text, N, "optimal"), N).climbs.factor == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("p", 8, "mean"), "unknown baseline 'mean'"),
        (("p", 1), "groups of 2 or more"),
        (("q", 8), "unknown name 'q' in 'objective'"),
        (("phi: p", 8), "unknown name 'p' in 'phi'"),
        (("phi: 1 / n_pos", 8), "division by zero"),
        (("pass_at(k)", 8, "none", {"k": "many"}), "'k' is a plain number"),
        (("pass_at(k)", 8, "none", {"n_pos": 4}), "already means something"),
        (("pass_at(log_p)", 8, "none", {"log_p": 4}), "name of a function of objectives"),
        (("p", 8, "optimal", None, (0, 1)), "two whole numbers from 1"),
        (("abs(p - 1/2)", 8), "abs is not part of an objective"),
        (("3", 8), "the same for every p: there is nothing to climb"),
        (("p - p", 8), "the same for every p"),
        (("p**1e9", 8), "too large or too small to compute with"),
        (("exp(exp(1 / p))", 8), "too large or too small to compute with"),
        (("sqrt(p - 1/2)", 8), "no value for some p between 0 and 1"),
        (("1 / (p - 1/2)", 8), "no value for some p between 0 and 1"),
        (("p / (p - p)", 8), "division by zero"),
        (("pass_at(1/2)", 8), "a degree is a whole number up to 1,024"),
        (("log(p)", 512), "the nearest is looked for in groups of up to 100"),
        (("log_p(N - 1)", 512), "written number by number, too long a design for groups of 512"),
    ],
)
def test_what_cannot_be_derived_is_refused_with_the_reason(arguments, message):
    with pytest.raises(DesignError, match=re.escape(message)):
        derive(*arguments)


def test_a_derived_file_reads_like_one_written_by_hand():
    assert derive("pass_at(k)", 16, "others_mean", {"k": 4}) == (
        "# Unbiased for pass_at(k), p the chance that an answer is correct: the mean gradient is that of it.\n"
        "# Derived: A = N (phi - b), where phi is its unbiased estimate from the group's N answers, and b is the same "
        "from the\n"
        "# other N - 1 answers alone.\n"
        "# For rewards of 0 and 1. Not for graded rewards.\n"
        "\n"
        "name: climbs_pass_at_k_others_mean\n"
        "params:\n"
        "  k: {default: 4, range: [1, N - 1]}\n"
        "\n"
        "let:\n"
        "  phi: 1 - binomial(n_neg, k) / binomial(N, k)\n"
        "  b_correct: 1 - binomial(n_neg, k) / binomial(N - 1, k)\n"
        "  b_wrong: 1 - binomial(n_neg - 1, k) / binomial(N - 1, k)\n"
        "\n"
        "advantage:\n"
        "  correct: N * (phi - b_correct)\n"
        "  wrong: N * (phi - b_wrong)\n"
        "\n"
        "claims:\n"
        "  - unbiased_for: pass_at(k)\n"
    )


def test_a_rounded_baseline_leaves_the_mean_alone():
    text = derive("log_p(15)", 16, "optimal")
    assert "-2.91817 * (n_pos == 1)" in text  # six digits
    assert explain(shaping.loads(text), 16).climbs == Climbs("log_p(15)", F(1))


def test_tables_are_written_in_the_shorter_way():
    squares = [F(n * n) for n in range(6)]
    assert newton(squares) == "n_pos + 2 * binomial(n_pos, 2)"
    assert newton(squares, "n_pos - 1", "n_neg") == "(n_pos - 1) + 2 * binomial(n_pos - 1, 2)"
    assert newton(squares[::-1]) == "n_neg + 2 * binomial(n_neg, 2)"
    assert indicators([F(0), F(1), F(-1, 4)], 1) == ["(n_pos == 2) - 1/4 * (n_pos == 3)"]
    assert len(indicators([F(1, 3)] * 130)) == 3


def test_a_file_says_itself_that_no_difference_is_negative(tmp_path, capsys):
    path = tmp_path / "o.yaml"
    path.write_text("objective: log(p)\nnon_negative: yes\n")
    assert main(["derive", str(path), "--n", "8"]) == 0
    assert capsys.readouterr().out == derive("log(p)", 8, non_negative=True)
    assert main(["derive", str(path), "--n", "8", "--non-negative"]) == 1
    assert "a file says it itself, as `non_negative:`" in capsys.readouterr().err
    path.write_text("objective: log(p)\nnon_negative: 3\n")
    assert main(["derive", str(path), "--n", "8"]) == 1
    assert f"{path}:2:15: `non_negative:` is yes or no" in capsys.readouterr().err
