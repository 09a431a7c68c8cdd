"""From an objective to a design and back: what is derived climbs what was asked for, exactly."""

import re
from fractions import Fraction as F
from math import comb, factorial
from pathlib import Path

import pytest

import shaping
from shaping import real
from shaping.errors import DesignError, Source
from shaping.groups import exact
from shaping.objectives import dynamics, objective
from shaping.objectives.baselines import optimal, posterior_means
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


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_file_with_binomials_holds_for_every_group_and_k(baseline):
    text = derive("pass_at(k)", 16, baseline, {"k": 4})
    for N, k in [(16, 4), (16, 9), (8, 2), (8, 7), (3, 1)]:
        found = explain(shaping.loads(text, k=k), N).climbs
        assert found == Climbs("p" if k == 1 else f"pass_at({k})", F(1)), (N, k)


def test_a_file_of_numbers_has_no_value_for_another_group():
    design = derived("log_p(15)", 16)
    design.check(16)
    with pytest.raises(DesignError, match=r"made_for = 16 is outside 16..0, its range for groups of N = 8"):
        design.check(8)
    with pytest.raises(DesignError, match="made_for = 8 is outside 16..0"):
        shaping.loads(derive("log_p(15)", 16), made_for=8).check(8)
    with pytest.raises(DesignError, match="made_for = 4 is outside 4..0"):
        derived("log_p(N - 1)", 4).check(5)  # three terms would be few enough for binomials, but N decides them


def test_a_polynomial_needs_as_many_answers_as_its_degree():
    for baseline, least in [("none", 3), ("others_mean", 4), ("optimal", 3)]:
        design = derived("p**3 - p", 8, baseline)
        design.check(least)
        with pytest.raises(DesignError, match=f"at_least = {least} is outside {least}..0"):
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
    assert explain(shaping.loads(found), N).climbs.factor == 1


# ---------------------------------------------------------------- objectives that nothing is unbiased for


@pytest.mark.parametrize("N", [2, 5, 16])
def test_log_p_becomes_log_p_of_N_terms(N):
    # The mean of log p after n of N, p uniform before, is -(1/(n+1) + .. + 1/(N+1)), so D_m = N/(m+1): log_p(N).
    text = derive("log(p)", N)
    assert explain(shaping.loads(text), N).climbs == Climbs(f"log_p({N})", F(1))
    assert (
        f"# Near log(p), p the chance that an answer is correct, which no design is unbiased for in groups of {N}"
        in text
    )
    assert f"and that of log_p({N})" in " ".join(text.replace("#", "").split())


def test_how_far_off_is_said():
    # log p in groups of 8: w = (1 - q^8)/p, at p = 1/8 short of 1/p by (7/8)^8 = 34 %
    assert "within 34 % of its derivative for p from 1/8 to 7/8" in " ".join(
        derive("log(p)", 8).replace("#", "").split()
    )


def test_a_polynomial_of_too_high_a_degree_is_its_mean_after_the_group():
    # E[p^2 | n of N] = (n+1)(n+2) / ((N+2)(N+3)), from the Beta(n+1, N-n+1) density
    assert posterior_means(read("p**2"), 1, {}) == [F(1, 6), F(1, 2)]
    design = derived("p**3", 2, "none")
    assert explain(design, 2).group_reward == [0, F(24 - 6, 120), F(60 - 6, 120)]  # 3!/5!.., 4!/1! and 5!/2! of it
    assert "Near p**3" in derive("p**3", 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sqrt(p)", lambda p: p**0.5),
        ("(1 - p)**(1/3)", lambda p: (1 - p) ** (1 / 3)),
        ("2 * log(p) - log(1 - p) / 3 + p", lambda p: 2 * _log(p) - _log(1 - p) / 3 + p),
        ("exp(p) * p", lambda p: 2.718281828459045**p * p),
        ("p**(-1/2)", lambda p: p**-0.5),
    ],
)
def test_means_after_a_group_are_integrals_of_a_beta_density(text, value):
    N, points = 4, 200_000
    means = posterior_means(read(text), N, {})
    for n in (0, 1, 4):
        # the midpoint rule in t, p = t^4 / (t^4 + (1-t)^4), flat at both ends
        total = 0.0
        for i in range(points // 100):
            t = (i + 0.5) / (points // 100)
            top, bottom = t**4, (1 - t) ** 4
            p = top / (top + bottom)
            slope = 4 * t**3 * (1 - t) ** 3 / (top + bottom) ** 2
            total += value(p) * p**n * (1 - p) ** (N - n) * slope
        assert float(means[n]) == pytest.approx(total * (N + 1) * comb(N, n) / (points // 100), rel=1e-4)


def _log(x):
    from math import log

    return log(x)


@pytest.mark.parametrize("text", ["1/p", "p**(-1)", "log(p - 1/2)"])
def test_an_objective_without_a_mean_is_refused(text):
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
