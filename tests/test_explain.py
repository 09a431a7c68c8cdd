"""What a design optimizes: known results of papers, and every number against an enumeration of all 0/1 groups."""

import itertools
import json
import math
import re
from fractions import Fraction as F
from functools import cache
from pathlib import Path

import mpmath
import pytest

import shaping
from shaping import real
from shaping.errors import DesignError
from shaping.groups import exact, push
from shaping.groups.rows import beyond_verdicts
from shaping.objectives import bernstein, dynamics
from shaping.objectives.explain import explain
from shaping.objectives.limits import Piece, Pieces, limit
from shaping.objectives.objective import derivative, log_p, pass_at
from shaping.objectives.recognize import Climbs, near, number_text, polynomial_text
from shaping.symbols.series import NotFound

CONFIGS = Path(__file__).parents[1] / "configs"
ANALYTIC = """
params:
  k: {default: 2, range: [1, N]}
let:
  miss: binomial(n_neg, k) / binomial(N, k)
advantage:
  correct: miss
  wrong:   miss - binomial(n_neg - 1, k - 1) / binomial(N - 1, k - 1)
"""
BY_VERDICTS = [path.stem for path in sorted(CONFIGS.glob("*.yaml")) if not beyond_verdicts(shaping.load(path))]


def load(name, **params):
    return shaping.load(CONFIGS / f"{name}.yaml", **params)


@cache
def of_sixteen(name):
    return explain(load(name), 16)


def climbs(name, N, **params):
    return explain(load(name, **params), N).climbs


def one(advantage, **params):
    return shaping.loads(f"advantage: {advantage}", **params)


def gradients(design, N, p):
    """(chance, gradient of the logit) of each of the 2^N groups, by the definition."""
    for group in itertools.product((1, 0), repeat=N):
        values = exact.advantages(design, list(group))
        chance = math.prod(p if right else 1 - p for right in group)
        scores = [1 - p if right else -p for right in group]
        products = [real.multiply(F(score, N), value) for score, value in zip(scores, values, strict=True)]
        yield chance, real.nearest(dynamics.total(products))


# ---------------------------------------------------------------- the weight


@pytest.mark.parametrize("name", ["grpo", "passk", "maxrl", "rloo", "nsr", "rs_grpo", "grpo_passk_verl"])
def test_mean_and_variance_are_those_of_all_sixteen_groups_of_four(name):
    params = {"k": 2} if name == "passk" else {}
    design, p = load(name, **params), F(1, 3)
    groups = list(gradients(design, 4, p))
    mean = math.fsum(chance * g for chance, g in groups)
    spread = math.fsum(chance * (g - mean) ** 2 for chance, g in groups)
    found = explain(design, 4)
    assert float(found.weight_at(p)) * float(p * (1 - p)) == pytest.approx(mean, rel=1e-12)
    assert real.nearest(dynamics.variance(found.pairs, found.weight, p)) == pytest.approx(spread, rel=1e-12)
    assert dynamics.snr(found.pairs, p) == pytest.approx(mean**2 / spread, rel=1e-12)


def test_rloo_is_unbiased_for_the_expected_reward():
    found = explain(load("rloo"), 16)
    assert found.climbs == Climbs("p", F(1))
    assert found.weight == [F(1)] * 16
    assert found.group_reward == [F(n, 16) for n in range(17)]


@pytest.mark.parametrize("N", [2, 3, 16])
def test_dr_grpo_is_short_of_it_by_one_part_in_N(N):
    assert climbs("dr_grpo", N) == Climbs("p", F(N - 1, N))


@pytest.mark.parametrize("N", [3, 8, 16])
def test_maxrl_is_unbiased_for_log_p_cut_off_after_N_minus_one_terms(N):
    # w = (1 - (1-p)^(N-1)) / p = 1 + (1-p) + ... + (1-p)^(N-2)
    found = explain(load("maxrl"), N)
    assert found.climbs == Climbs(f"log_p({N - 1})", F(1))
    assert found.weight_polynomial == derivative(log_p(N - 1))
    assert found.weight_at(F(1, 2)) == 2 - F(1, 2 ** (N - 2))


@pytest.mark.parametrize("name", ["pkpo", "pkpo_loo", "pkpo_loo_minus_one"])
@pytest.mark.parametrize(("N", "k"), [(4, 2), (8, 3), (16, 4), (16, 15)])
def test_pkpo_is_unbiased_for_pass_at_k(name, N, k):
    found = explain(load(name, k=k), N)
    assert found.climbs == Climbs(f"pass_at({k})", F(1))
    assert found.weight_polynomial == derivative(pass_at(k))


@pytest.mark.parametrize(("N", "k"), [(4, 2), (6, 1), (6, 3), (16, 4), (16, 15)])
def test_analytic_passk_without_sigma_is_N_minus_k_parts_of_N_k(N, k):
    found = explain(shaping.loads(ANALYTIC, k=k), N)
    assert found.climbs == Climbs(f"pass_at({k})" if k > 1 else "p", F(N - k, N * k))


def test_verls_passk_climbs_pass_at_N_at_the_rate_of_one_in_N():
    assert climbs("grpo_passk_verl", 8) == Climbs("pass_at(8)", F(1, 8))


def test_a_factor_that_is_a_root_is_kept():
    assert explain(one("sqrt(2) * (correct - p)"), 4).climbs.objective == "p"
    assert number_text(explain(one("sqrt(2) * (correct - p)"), 4).climbs.factor) == "3/4*sqrt(2)"


def test_a_mixture_of_two_is_named_term_by_term():
    # A = N phi for every answer: phi = n_pos / N counts p, 1 - C(n_neg, 2) / C(N, 2) counts pass@2
    text = "n_pos / 2 + N / 2 * (1 - binomial(n_neg, 2) / binomial(N, 2))"
    assert explain(one(text), 6).climbs == Climbs("1/2 * p + 1/2 * pass_at(2)", F(1))


def test_all_answers_right_is_a_power_of_p():
    assert explain(one("N if n_pos == N else 0"), 5).climbs == Climbs("p**5", F(1))


def test_a_constant_climbs_nothing():
    found = explain(one("1"), 4)
    assert found.climbs == Climbs("0", F(1))
    assert found.times[F(1, 16), F(1, 2)] == (math.inf, math.inf)
    assert found.json()["time"]["1/16 to 1/2"] == {"own": None, "of_grpo": None}


@pytest.mark.parametrize("name", ["grpo", "passk", "combination", "rs_grpo", "exceeding_passk"])
def test_nothing_is_named_that_is_only_near(name):
    found = explain(load(name), 16)
    assert found.climbs is None
    assert 0.05 < found.near.inner < 0.5


def test_grpo_is_nearest_to_the_arcsine_of_sqrt_p():
    # Its weight at 1/2 is at most 2 = 1/sqrt(p q), and 3.148 at 1/16 where the arcsine has 4.131.
    found = explain(load("grpo"), 16)
    assert found.near.objective == "2 arcsin sqrt(p)"
    assert found.near.inner == pytest.approx(0.119, abs=1e-3)
    assert found.near.factor == pytest.approx(0.864, abs=1e-3)


def test_what_is_exactly_a_familiar_objective_has_no_gap():
    gap = near(explain(load("pkpo"), 16).weight, "pass_at(4)")
    assert gap.factor == pytest.approx(1) and gap.inner < 1e-9
    assert near(explain(load("pkpo"), 16).weight, "pass_at(5)").inner > 0.2


def test_a_weight_that_changes_its_sign_is_near_nothing():
    found = explain(shaping.loads("advantage: {each: (correct - p) / std(correct) * (1 - 2 * p), flat: 0}"), 16)
    assert found.climbs is None and found.near is None
    assert "no familiar objective is near" in found.words()
    assert "never: w(p) is not positive on the way" in found.words()


# ---------------------------------------------------------------- large groups


def limits(name, **params):
    found = limit(load(name, **params))
    return found.power, found.objective, found.factor


def test_grpo_climbs_two_arcsin_sqrt_p_in_large_groups():
    for name in ("grpo", "grpo_sample_std", "ngrpo"):
        assert limits(name) == (0, "2 arcsin sqrt(p)", "1")


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_passk_climbs_two_kths_of_arcsin_sqrt_pass_at_k(k):
    name = {2: "arcsin sqrt(pass_at(2))", 3: "2/3 arcsin sqrt(pass_at(3))", 4: "1/2 arcsin sqrt(pass_at(4))"}
    assert limits("passk", k=k) == (0, name.get(k, "1/4 arcsin sqrt(pass_at(8))"), "1")


def test_passk_with_one_draw_has_the_limit_of_grpo():
    assert limits("passk", k=1) == (0, "2 arcsin sqrt(p)", "1")


def test_maxrl_climbs_log_p_and_disco_log_odds_over_N():
    assert limits("maxrl") == (0, "log(p)", "1")
    assert limits("disco_b") == (1, "log(p / (1 - p))", "1")


def test_weighting_by_the_groups_own_p_is_unbiased_in_the_limit_alone():
    assert limits("passk_weighted") == (0, "pass_at(4)", "1")
    assert explain(load("passk_weighted"), 16).climbs is None


@pytest.mark.parametrize("name", BY_VERDICTS)
def test_a_limit_is_what_the_weight_is_at_four_thousand_answers(name):
    import sympy

    found, N = of_sixteen(name).limit, 4096
    if isinstance(found, str):
        assert name in {"exceeding_passk", "grpo_passk_verl"}
        return
    design = load(name)
    moment = design.moment(0, 1)
    pieces = found.pieces if isinstance(found, Pieces) else [Piece("0", "1", found)]
    for n_pos in (N // 8, N // 2, N - N // 4):
        (found,) = [each.limit for each in pieces if F(each.low) < F(n_pos, N) < F(each.high)]
        right = exact.verdict_pair(design, N, n_pos + 1, moment)[0]
        wrong = exact.verdict_pair(design, N, n_pos, moment)[1]
        at = {"p": sympy.Rational(n_pos, N), "q": sympy.Rational(N - n_pos, N)}
        expected = float(sympy.sympify(found.weight).subs(at)) / N ** float(found.power)
        assert real.nearest(real.subtract(right, wrong)) == pytest.approx(expected, rel=0.02)


def test_a_correct_answer_counts_itself():
    # Every answer gets n_pos, which is 1 more where the answer is right: D = 1, the gradient of p.
    assert limit(one("n_pos")).weight == "1"
    assert explain(one("n_pos"), 4).climbs == Climbs("p", F(1))


@pytest.mark.parametrize("each", ["sqrt(-n_pos)", "log(p - 1)", "1 / (n_pos + n_neg - N)"])
def test_a_formula_without_a_value_gives_way_to_flat(each):
    assert limit(shaping.loads(f"advantage: {{each: {each}, flat: 2 * correct}}")).factor == "2"


def test_without_a_limit_the_reason_is_said():
    for text, reason in [
        ("log(n_pos + 1) * (correct - p)", "log N"),
        ("0 if p < 0.3 else p - p", "the weight is 0"),
        ("binomial(N, n_pos) * correct", "changes with the group"),
    ]:
        with pytest.raises(NotFound, match=reason):
            limit(one(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("correct - p if p < 0.3 else 0", [("0", "3/10", "1"), ("3/10", "1", "0")]),
        ("correct - p if p <= 0.3 else 0", [("0", "3/10", "1"), ("3/10", "1", "0")]),
        # narrower than any few sample points
        (
            "2 * correct if 0.5 < p and p < 0.50001 else correct",
            [("0", "1/2", "1"), ("1/2", "50001/100000", "2"), ("50001/100000", "1", "1")],
        ),
        ("correct * min(p, 0.2)", [("0", "1/5", "p"), ("1/5", "1", "1/5")]),
        ("correct if std(r) > 0.4 else 0", [("0", "1/5", "0"), ("1/5", "4/5", "1"), ("4/5", "1", "0")]),
        (
            "correct if p * (1 - p) > 0.09 else 2 * correct",
            [("0", "1/10", "2"), ("1/10", "9/10", "1"), ("9/10", "1", "2")],
        ),
        ("correct * sign(p - 1/7)", [("0", "1/7", "-1"), ("1/7", "1", "1")]),
        ("correct if p**2 < 0.5 else 0", [("0", "0.707107", "1"), ("0.707107", "1", "0")]),
        ("correct if p > 0.9 or n_pos < 3 else 2 * correct", [("0", "9/10", "2"), ("9/10", "1", "1")]),
        ("correct if log(p + 1) < 0.5 else 0", [("0", "0.648721", "1"), ("0.648721", "1", "0")]),
    ],
)
def test_a_condition_on_p_gives_the_limit_its_pieces(text, expected):
    assert [(each.low, each.high, each.limit.weight) for each in limit(one(text)).pieces] == expected


@pytest.mark.parametrize(
    "text", ["correct if (p - 1/2)**2 >= 0 else 0", "correct if p < 2 else 0", "correct * max(p, p)"]
)
def test_a_condition_that_holds_for_all_p_cuts_nothing(text):
    assert limit(one(text)).weight in ("1", "p")


def test_a_piece_without_a_limit_leaves_the_others_theirs():
    low, high = limit(one("correct - p if p < 0.3 else log(n_pos + 1) * correct")).pieces
    assert (low.limit.objective, high.limit) == ("p", "it grows with log N")
    text = explain(one("correct - p if p < 0.3 else 0"), 8).words()
    assert "for p from 0 to 3/10: w -> 1, the gradient of p\n" in text and "for p from 3/10 to 1: w -> 0\n" in text
    assert json.dumps(explain(one("correct - p if p < 0.3 else 0"), 8).json()["as_N_grows"])


# ---------------------------------------------------------------- groups of a thousand


@pytest.mark.parametrize(
    ("name", "N"),
    [("grpo", 150), ("rloo", 256), ("passk", 256), ("grpo_passk_verl", 1024), ("maxrl", 1024), ("without_easy", 1024)],
)
def test_large_groups_are_explained(name, N):
    found = explain(load(name), N)
    text = found.words()
    assert f"groups of {N}" in text and max(map(len, text.splitlines())) <= 100
    assert json.loads(json.dumps(found.json(), allow_nan=False))["N"] == N


def test_weights_of_large_groups_are_the_known_ones():
    # maxrl: (1 - q^1023) / p; pkpo: 4 q^3; of GRPO the mean over 0/1 groups, added up with 50 digits
    assert explain(load("maxrl"), 1024).weight_at(F(1, 16)) == 16 * (1 - F(15, 16) ** 1023)
    assert explain(load("pkpo"), 512).climbs == Climbs("pass_at(4)", F(1))
    with mpmath.workdps(50):
        N, p = 150, mpmath.mpf(15) / 16
        whole = mpmath.fsum(
            mpmath.binomial(N, n) * p**n * (1 - p) ** (N - n) * mpmath.sqrt(n * (N - n)) / (N * p * (1 - p))
            for n in range(N + 1)
        )
    assert explain(load("grpo"), N).weight_at(F(15, 16)) == pytest.approx(float(whole), rel=1e-12)


def test_sums_that_cancel_keep_their_digits():
    # Chebyshev's polynomial of degree 60 on 0..1: coefficients up to 1e16 with changing signs, and 1 in the middle
    b = [F((-1) ** (60 - m) * math.comb(120, 2 * m), math.comb(60, m)) for m in range(61)]
    assert bernstein.value_at(b, F(1, 2)) == 1.0
    roots = [real.multiply(real.sqrt(F(2)), each) for each in b]
    assert bernstein.value_at(roots, F(1, 4)) == pytest.approx(2**0.5 * math.cos(60 * math.acos(-1 / 2)), rel=1e-14)
    sums = bernstein.running_sums([real.sqrt(F(2)), F(-(10**20)), F(10**20), real.negate(real.sqrt(F(2)))])
    assert sums == [0.0, math.sqrt(2), -1e20, math.sqrt(2), 0.0]


@pytest.mark.parametrize("text", ["correct * 1e200", "correct * 1e-200", "p ** N * correct", "correct / (1 + n_neg)"])
def test_numbers_of_any_size_are_explained(text):
    for N in (3, 300):
        found = explain(one(text), N)
        assert found.words() and json.dumps(found.json(), allow_nan=False)
    if "1e" in text:  # E g = w p q, and the noise of any multiple of it is the same
        assert found.snr[F(1, 4)] == pytest.approx(explain(one("correct"), 300).snr[F(1, 4)])


def test_a_time_that_no_float_holds_is_long_and_not_never():
    # w = q^1023 of verl's pass@k: 16^-1023 at p = 15/16
    found = explain(load("grpo_passk_verl"), 1024)
    assert found.times[F(1, 2), F(15, 16)] == (dynamics.LONGEST, dynamics.LONGEST)
    assert "from p = 1/2 to 15/16: more than 1e+300 times as long as GRPO takes" in found.words()
    with mpmath.workdps(30):
        area = mpmath.quad(lambda p: (1 - p) ** -1023 / (p * (1 - p)) ** 2, mpmath.linspace(1 / 16, 1 / 2, 30))
    assert dynamics.log_time(tuple(found.weight), F(1, 16), F(1, 2)) == pytest.approx(float(mpmath.log(area)), rel=1e-9)


def test_a_weight_that_only_touches_0_stops_the_run():
    # (1 - 3 p)^2 has the coefficients 1, -2, 4; a thousandth more and p = 1/3 is passed, slowly
    touching = [F(1), F(-2), F(4)]
    assert dynamics.time(touching, F(1, 16), F(1, 2)) == math.inf
    assert dynamics.time(touching, F(1, 2), F(15, 16)) < math.inf
    above = [each + F(1, 1000) for each in touching]
    slow = lambda p: 1 / (((1 - 3 * p) ** 2 + mpmath.mpf(1) / 1000) * (p * (1 - p)) ** 2)  # noqa: E731
    area = mpmath.quad(slow, [1 / 16, 1 / 3, 1 / 2])
    assert dynamics.time(above, F(1, 16), F(1, 2)) == pytest.approx(float(area), rel=1e-6)
    # a dip of a millionth of the way, between any points that would be tried
    assert not bernstein.is_positive([F(1), F(-2) - F(1, 10**12), F(4)], F(1, 16), F(1, 2))


# ---------------------------------------------------------------- push, noise, time


@pytest.mark.parametrize(("N", "k"), [(8, 3), (16, 4), (32, 8)])
def test_passk_is_dead_without_a_success_and_with_fewer_than_k_failures(N, k):
    assert explain(load("passk", k=k), N).dead == [0, *range(N - k + 1, N + 1)]


def test_passk_of_all_answers_is_dead_everywhere():
    found = explain(load("passk", k=8), 8)
    assert found.dead == list(range(9))
    assert found.climbs.objective == "0" and found.peak == []
    assert "every advantage is 0" in found.words()


@pytest.mark.parametrize(("k", "n_pos", "eta"), [(1, 16, 32.0), (2, 12, 18.91), (4, 8, 10.36), (8, 4, 5.18)])
def test_peak_of_eta_in_groups_of_32_is_where_the_paper_has_it(k, n_pos, eta):
    found = explain(load("passk", k=k), 32)
    assert found.peak == [n_pos]
    assert real.nearest(found.eta[n_pos]) == pytest.approx(eta, abs=0.01)


def test_variance_of_rloo_with_two_answers():
    # g is 1/2 * (1 * (1-p) + 1 * p) = 1/2 with one of two right, else 0, so E g = p q and Var g = p q / 2 - (p q)^2
    found = explain(load("rloo"), 2)
    assert polynomial_text(found.variance_polynomial) == "1/2 p q - (p q)^2"


def test_noise_and_speed_are_measured_in_rloo_and_grpo():
    for name, at in (("grpo", 1), ("rloo", 2)):
        assert all(row[at] == pytest.approx(1) for row in explain(load(name), 8).snr.values())
    assert all(ratio == pytest.approx(1) for _, ratio in explain(load("grpo"), 8).times.values())


def test_dr_grpo_is_as_noisy_as_rloo_and_slower():
    # a factor of (N - 1) / N: the same signal to noise, N / (N - 1) times as long
    dr, rloo = explain(load("dr_grpo"), 8), explain(load("rloo"), 8)
    assert [row[0] for row in dr.snr.values()] == pytest.approx([row[0] for row in rloo.snr.values()])
    assert dr.times[F(1, 16), F(1, 2)][0] == pytest.approx(8 / 7 * rloo.times[F(1, 16), F(1, 2)][0])


def test_time_of_a_constant_weight_is_its_integral():
    # of 1 / (p q)^2: -1/p + 1/q + 2 log(p/q), from 1/16 to 1/2: 16 - 16/15 + 2 log 15
    assert dynamics.time([F(1)] * 4, F(1, 16), F(1, 2)) == pytest.approx(16 - 16 / 15 + 2 * math.log(15), rel=1e-6)


def test_where_the_gradient_never_varies_its_signal_is_infinite_and_the_rest_is_said():
    # A = 1 and -1: g(n) = (n q + (N - n) p) / N, which is 1/2 whatever n is at p = 1/2 and varies elsewhere
    found = explain(one("2 * correct - 1"), 16)
    assert found.snr[F(1, 2)] == (math.inf, math.inf, math.inf)
    # E g = 2 p q = 3/8 at 1/4, Var g = p q (q - p)^2 / 16 = 3/1024
    assert found.snr[F(1, 4)][0] == pytest.approx((3 / 8) ** 2 / (3 / 1024))
    row = re.search(r"\(E g\)\^2 / Var g +(.*)", found.words())[1].split()
    assert row == ["4.9", "48", "infinite", "48"]
    assert json.dumps(found.json(), allow_nan=False) and "speed" in found.words()


def test_a_root_times_it_is_infinite_as_well():
    assert explain(one("sqrt(3) * (2 * correct - 1)"), 9).snr[F(1, 2)][0] == math.inf
    assert explain(one("1"), 4).snr[F(1, 2)] is not None and explain(one("0 * correct"), 4).snr[F(1, 2)] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p - correct", "descends p: its mean gradient is -7/8 times the gradient of it"),
        ("-correct", "descends p: its mean gradient is -1 times the gradient of it"),
        ("(p - correct) / 2 - n_pos / N", "descends p: its mean gradient is -9/16 times the gradient of it"),
        ("-sqrt(2) * correct", "descends p: its mean gradient is -sqrt(2) times the gradient of it"),
        ("correct", "climbs   p, unbiased"),
    ],
)
def test_a_design_that_descends_is_said_to(text, said):
    assert f"\n{said}\n" in explain(one(text), 8).words()


def test_what_is_near_the_opposite_of_an_objective_descends_too():
    text = explain(shaping.loads("advantage: {each: (mean(r) - r) / std(r), flat: 0}"), 16).words()
    assert "\ndescends nothing with a short name; nearest is 2 arcsin sqrt(p), times -0.864" in text
    mixed = explain(one("-(n_pos / 2 + N / 2 * (1 - binomial(n_neg, 2) / binomial(N, 2)))"), 6).climbs
    assert mixed == Climbs("1/2 * p + 1/2 * pass_at(2)", F(-1))


def test_all_peaks_of_a_group_that_are_alike_are_named():
    # RLOO: eta = 2 n (N - n) / (N - 1), alike at 7 and 8 of 15
    assert explain(load("rloo"), 15).peak == [7, 8]
    assert "largest at 7/15, 8/15 correct" in explain(load("rloo"), 15).words()
    # floats of these two are one; the first is larger
    assert push.peak([F(1) + F(1, 10**30), F(1), F(0)]) == [0]


def test_a_design_that_pushes_down_gets_nowhere():
    found = explain(one("p - correct"), 4)
    assert found.climbs == Climbs("p", F(-3, 4))
    assert found.times[F(1, 16), F(1, 2)] == (math.inf, math.inf)


# ---------------------------------------------------------------- said


@pytest.mark.parametrize("name", BY_VERDICTS)
def test_every_design_is_explained_within_a_hundred_columns(name):
    found = of_sixteen(name)
    text = found.words()
    assert max(map(len, text.splitlines())) <= 100
    for title in ("climbs", "weight", "group", "push", "noise", "speed"):
        assert f"\n{title}" in text
    assert json.loads(json.dumps(found.json(), allow_nan=False))["N"] == 16


def test_what_a_colleague_is_told_of_pkpo():
    text = explain(load("pkpo"), 16).words()
    assert "climbs   pass_at(4), unbiased\n" in text
    assert "w(p) = 4 q^3, q = 1 - p\n" in text
    assert "there is no group where all get 0" not in text  # n_pos = 0
    assert "whose mean is F(p) = 1 - q^4" in text


def test_what_a_colleague_is_told_of_passk():
    text = explain(load("passk"), 32).words()
    assert "largest at 8/32 correct: 10.36" in text
    assert "all get 0 at n_pos = 0, 29..32" in text
    assert "the gradient of 1/2 arcsin sqrt(pass_at(4))" in " ".join(text.split())


def test_json_has_exact_numbers_beside_floats():
    found = explain(load("grpo"), 4).json()
    assert found["weight"]["bernstein"][0] == {"exact": "sqrt(3)", "value": pytest.approx(3**0.5)}
    # D = sqrt(3), 1 + 1/sqrt(3) and back, so w is 1.645 at 1/4 and 1.616 at 1/2: nearly that of p
    assert found["climbs"] is None and found["nearest"]["objective"] == "p"
    assert found["nearest"]["inner"] == pytest.approx((1.64503 - 1.61603) / (1.64503 + 1.61603), abs=1e-5)
    assert found["eta"][2] == {"exact": "4", "value": 4.0}
    climbed = explain(load("maxrl"), 4).json()["climbs"]
    assert climbed == {"objective": "log_p(3)", "factor": {"exact": "1", "value": 1.0}, "unbiased": True}


def test_a_design_with_a_clock_is_explained_as_its_run_begins():
    found = explain(load("passk_annealed", k=4), 16)
    assert found.group_reward == explain(load("passk", k=4), 16).group_reward
    assert "as a run begins" in found.words() and found.json()["as_a_run_begins"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gfpo", "length"), ("lite_ppo", "other groups"), ("passk_bootstrap", "draws at random"), ("dapo", "length")],
)
def test_a_design_that_looks_further_is_refused_with_the_reason(name, reason):
    with pytest.raises(DesignError, match=reason):
        explain(load(name), 8)


def test_a_design_to_which_scores_of_1_are_wrong_is_refused_unless_counts_decide():
    with pytest.raises(DesignError, match="takes an answer of score 1 for a wrong one"):
        explain(shaping.loads("correct: score < 0.5\nadvantage: r - mean(r)\n"), 8)
    # a correct answer gets 1 - p whatever its score is: 7/8 of the gradient of p in groups of 8
    found = explain(shaping.loads("correct: score < 0.5\nadvantage: correct - p\n"), 8)
    assert found.climbs == Climbs("p", F(7, 8))


def test_a_group_of_one_is_refused():
    with pytest.raises(DesignError, match="groups of 2 or more"):
        explain(load("grpo"), 1)


@pytest.mark.parametrize(
    "value",
    [
        F(-3, 7),
        real.sqrt(F(50, 3)),
        real.subtract(real.sqrt(F(2)), real.sqrt(F(3, 5))),
        real.divide(real.negate(real.log(F(5, 2))), real.add(real.exp(F(1, 3)), F(-2))),
        real.power(real.subtract(F(3), real.sqrt(F(2))), F(1, 3)),
        real.multiply(F(-1), real.add(real.log(F(3)), real.sqrt(F(2)))),
    ],
)
def test_a_number_reads_back_as_itself(value):
    (found, _) = exact.verdict_pair(one(number_text(value)), 2, 1)
    assert real.nearest(found) == real.nearest(value)
