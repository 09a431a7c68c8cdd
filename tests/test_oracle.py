"""The oracle, checked against numbers from papers, worked by hand, or found by a second route."""

import doctest
import random
import struct
from decimal import Decimal
from fractions import Fraction
from math import comb

import oracle
import pytest

GROUPS = [[1] * c + [0] * (n - c) for n in range(1, 9) for c in range(n + 1)]  # all verdicts up to order, N <= 8
GROUPS_AND_K = [(group, k) for group in GROUPS for k in range(1, len(group) + 1)]
GRADED = [[0.1, 0.3], [0.1, 0.2, 0.7], [1.0, -1.0, 0.25, 0.95], [1e-5, 3, Fraction(1, 3)], [0.95] * 7, [2, 2, 5, 2]]
ROUNDING = 10 ** Decimal(-57)  # 60 digits, added up a few times


def sums_to_zero(advantages):
    return abs(sum(Fraction(a) for a in advantages)) < ROUNDING


def neighbour32(x, steps):
    """The float32 that lies `steps` places after the positive float32 x."""
    (bits,) = struct.unpack("<i", struct.pack("<f", x))
    return struct.unpack("<f", struct.pack("<i", bits + steps))[0]


def test_every_worked_example_in_the_docstrings_is_true():
    result = doctest.testmod(oracle)
    assert result.failed == 0 and result.attempted >= 13


def test_passk_closed_form_is_exactly_the_enumeration_for_every_group_up_to_eight():
    for group, k in GROUPS_AND_K:
        assert oracle.passk_by_enumeration(group, k) == oracle.passk_closed_form(group, k), (group, k)


def test_pass_at_k_formula_is_exactly_the_enumeration_for_every_group_up_to_eight():
    for group, k in GROUPS_AND_K:
        assert oracle.pass_at_k(group, k) == oracle.pass_at_k_formula(group, k), (group, k)


def test_credit_follows_the_answer_and_not_its_place():
    right, wrong = oracle.passk_closed_form([1, 1, 0, 0, 0], 2)[1:3]
    for passk in (oracle.passk_by_enumeration, oracle.passk_closed_form):
        assert passk([False, True, False, False, True], 2) == [wrong, right, wrong, wrong, right]


def test_passk_sums_to_zero_and_is_zero_exactly_when_no_answer_is_right_or_fewer_than_k_are_wrong():
    for group, k in GROUPS_AND_K:
        credit = oracle.passk_by_enumeration(group, k)
        assert sums_to_zero(credit)
        flat = sum(group) == 0 or group.count(0) < k
        assert all((a == 0) == flat for a in credit), (group, k)


def test_passk_is_the_square_root_form_that_needs_no_difference():
    # formulas.md 1.5: A_pos = sqrt((1 - R)/R), A_neg = -c/(N - c) A_pos
    for group, k in GROUPS_AND_K:
        c, n = sum(group), len(group)
        if 0 < c <= n - k:
            fail = Fraction(comb(n - c, k), comb(n, k))
            odds = fail / (1 - fail)
            right = (Decimal(odds.numerator) / odds.denominator).sqrt()
            credit = oracle.passk_by_enumeration(group, k)
            assert abs(credit[0] - right) < 1e-25 and abs(credit[-1] + right * c / (n - c)) < 1e-25


def test_passk_at_one_draw_is_grpo():
    for group in GROUPS:
        assert oracle.passk_by_enumeration(group, 1) == oracle.grpo(group)


def test_eta_peaks_where_the_paper_draws_it_at_thirty_two_answers():
    # formulas.md 1.6; k = 4 is the curve of Fig 9b
    for k, peak, height in [(1, 16, 32.0), (2, 12, 18.91), (4, 8, 10.36), (8, 4, 5.18), (16, 2, 2.26)]:
        curve = [oracle.eta(oracle.passk_closed_form([1] * c + [0] * (32 - c), k)) for c in range(33)]
        assert (curve.index(max(curve)), float(round(max(curve), 2))) == (peak, height)


def test_graded_baselines_sum_to_zero_and_differ_by_their_known_factors():
    for rewards in GRADED:
        n = len(rewards)
        rows = [f(rewards) for f in (oracle.grpo, oracle.grpo_sample_std, oracle.dr_grpo, oracle.rloo)]
        assert all(sums_to_zero(row) for row in rows)
        for population, sample, centred, others in zip(*[[Fraction(a) for a in row] for row in rows], strict=True):
            assert abs(others - centred * n / (n - 1)) < ROUNDING
            assert abs(population**2 - sample**2 * n / (n - 1)) < ROUNDING and population * sample >= 0
        assert abs(sum(Fraction(a) ** 2 for a in rows[0]) - (n if any(rows[2]) else 0)) < ROUNDING


def test_a_constant_group_gets_exactly_zero():
    for constant in ([0.95] * 7, [0.1] * 10, [0, 0], [1, 1, 1]):
        for f in (oracle.grpo, oracle.grpo_sample_std, oracle.dr_grpo, oracle.rloo):
            assert f(constant) == [0] * len(constant)
    assert oracle.grpo([3]) == oracle.dr_grpo([3]) == oracle.passk_by_enumeration([1], 1) == [0]


def test_what_a_formula_cannot_take_is_a_value_error():
    for call in (
        lambda: oracle.rloo([1]),
        lambda: oracle.grpo_sample_std([1]),
        lambda: oracle.grpo([]),
        lambda: oracle.grpo([1, float("nan")]),
        lambda: oracle.passk_by_enumeration([1, 0], 3),
        lambda: oracle.passk_closed_form([1, 0], 0),
        lambda: oracle.pass_at_k([1, 0.5], 1),
        lambda: oracle.batch_metrics([], []),
        lambda: oracle.batch_metrics([[1, 0], [1]], [[0, 0], [0]]),
    ):
        with pytest.raises(ValueError):
            call()


def test_sixty_digits_are_right_and_finite_decimals_lose_none():
    root = oracle.over_root(1, 7)
    one_unit = Fraction(1, 10**60)
    assert (Fraction(root) - one_unit) ** 2 < Fraction(1, 7) < (Fraction(root) + one_unit) ** 2
    assert Fraction(oracle.dr_grpo([1e-5, 1e-30])[0]) == (Fraction(1e-5) - Fraction(1e-30)) / 2


def test_float64_is_the_rounding_python_does_even_at_a_tie_of_two_float_rewards():
    ties = 0
    for a, b in [(i / 10, j / 7) for i in range(1, 30) for j in range(1, 30)]:
        exact = (Fraction(a) - Fraction(b)) / 2
        assert oracle.nearest_float64(oracle.dr_grpo([a, b])[0]) == float(exact)
        ties += exact != 0 and (abs(exact.numerator).bit_length() == 54)
    assert ties > 50  # 54 significant bits: exactly halfway


def test_float32_is_nearer_than_both_neighbours_and_even_at_a_tie():
    rng = random.Random(0)
    for _ in range(2000):
        x = Fraction(rng.randrange(1, 10**12), rng.randrange(1, 10**12))
        near = oracle.nearest_float32(x)
        assert abs(near - x) < min(abs(Fraction(neighbour32(near, d)) - x) for d in (-1, 1))
        assert oracle.nearest_float32(-x) == -near
        below = neighbour32(near, -1)
        even = next(f for f in (below, near) if struct.pack("<f", f)[0] % 2 == 0)
        assert oracle.nearest_float32((Fraction(below) + Fraction(near)) / 2) == even


def test_rounding_keeps_zero_subnormals_and_the_ends_of_the_range():
    tiny, huge = Fraction(2) ** -149, (2**24 - 1) * 2**104
    assert [oracle.nearest_float32(x) for x in (0, tiny / 2, tiny, 3 * tiny / 2)] == [0, 0, tiny, 2 * tiny]
    assert oracle.nearest_float32(huge) == huge
    with pytest.raises(OverflowError):
        oracle.nearest_float32(huge + 2**103)
    assert oracle.nearest_float64(Fraction(5e-324)) == 5e-324 and str(oracle.nearest_float64(0)) == "0.0"


def test_batch_metrics_are_the_numbers_worked_by_hand():
    correct = [[1, 0, 0, 0, 0, 0], [0] * 6, [1] * 6, [1, 1, 1, 1, 1, 0]]
    advantage = [oracle.passk_closed_form(row, 2) for row in correct]
    # group 1: R = 1 - C(5,2)/C(6,2) = 1/3, so sqrt(2) and -sqrt(2)/5; in group 4 no pair fails
    metrics = oracle.batch_metrics(correct, advantage)
    assert list(metrics)[:4] == ["pass1", "pass2", "pass4", "pass6"]
    half, quarter = Fraction(1, 2), Fraction(1, 4)
    kinds = ("all_wrong", "too_easy", "dead_zone", "effective")
    assert [metrics[f"pass{k}"] for k in (1, 2, 4, 6)] == [half, Fraction(7, 12), Fraction(2, 3), 3 * quarter]
    assert [metrics[kind] for kind in kinds] == [quarter] * 4
    assert [float(metrics[k]) for k in ("abs_correct", "abs_wrong", "abs_max")] == pytest.approx(
        [2**0.5 / 12, 2**0.5 / 12, 2**0.5], rel=1e-15
    )


def test_batch_metrics_of_one_kind_of_answer_only_have_zero_for_the_other():
    metrics = oracle.batch_metrics([[0, 0]], [[-1.0, -3.0]])
    assert list(metrics) == [
        "pass1",
        "pass2",
        "all_wrong",
        "too_easy",
        "dead_zone",
        "effective",
        "abs_correct",
        "abs_wrong",
        "abs_max",
    ]
    assert list(metrics.values()) == [0, 0, 1, 0, 0, 1, 0, 2, 3]  # all wrong, and trained on
