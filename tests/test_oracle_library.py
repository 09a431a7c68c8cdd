"""The oracle of the library, checked against numbers worked by hand, known identities, and expected gradients."""

import inspect
import math
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from math import comb

import oracle
import oracle_library
import pytest
from mpmath import mpf
from oracle_library import ORACLES, Group, as_fraction, verdicts

F = Fraction
R3, R5, R7 = (F(oracle.over_root(1, n)) for n in (3, 5, 7))  # 1/sqrt(n), 60 digits
ROUNDING = F(1, 10**57)  # 60 digits, added up a few times
BINARY = [verdicts("1" * c + "0" * (n - c)) for n in range(1, 9) for c in range(n + 1)]
BINARY_AND_K = [(g, k) for g in BINARY for k in range(1, g.N + 1)]
GRADED = [
    Group(r, b) for r, b in [((3, 1, 0), (1, 0, 0)), ((0.1, 0.2, 0.7, 0.7), (0, 1, 1, 0)), ((-2, F(1, 3)), (0, 1))]
]


def one(name, group, **params):
    """What the design gives to a batch of one group."""
    (advantages,) = ORACLES[name]([group], **params)
    return advantages


def close(got, expected, within=ROUNDING):
    return len(got) == len(expected) and all(
        close(a, e, within) if isinstance(e, list) else abs(a - as_fraction(e)) <= within
        for a, e in zip(got, expected, strict=True)
    )


def varied(n=6, correct=(0, 2)):
    """A mixed group of 6, 8 or 9 answers in which every signal differs from answer to answer."""
    digits = tuple(int(i in correct) for i in range(n))
    return Group(
        reward=digits,
        correct=digits,
        length=tuple(3000 + 4000 * (i * i % 7) for i in range(n)),
        logprob=tuple(-1 - F(i * 5 % n, 5) for i in range(n)),
        token_logprob=tuple(tuple(-F(1 + i + t, 10) for t in range(3)) for i in range(n)),
        subsets=tuple(tuple((j + step) % n for step in (0, 1, 2, 3)) for j in range(n)),
    )


def flat(correct, n=9):
    """The same answers with equal lengths and likelihoods, all right or all wrong."""
    g = varied(n)
    same = (correct,) * n
    return Group(same, same, (1000,) * n, (-1,) * n, g.token_logprob, g.subsets)


# Numbers worked by hand


def test_one_correct_of_four_is_three_halves_and_the_eps_of_trl_and_verl_shrinks_it():
    # mean 1/4, sum of squares 3/4, over 3: variance 1/4, sd 1/2
    g = verdicts("1000")
    assert one("grpo_sample_std", g) == [F(3, 2), -F(1, 2), -F(1, 2), -F(1, 2)]
    assert one("grpo_trl", g) == [F(7500, 5001)] + [-F(2500, 5001)] * 3
    assert one("grpo_verl", g) == [F(750000, 500001)] + [-F(250000, 500001)] * 3
    assert close(one("grpo", g), [3 * R3, -R3, -R3, -R3])  # over 4: sd sqrt(3)/4


def test_lite_ppo_divides_by_the_spread_of_the_whole_batch():
    # rewards 1 0 1 1: mean 3/4, variance (3/4)/3, sd 1/2
    assert ORACLES["lite_ppo"]([verdicts("10"), verdicts("11")]) == [[1, -1], [0, 0]]
    assert ORACLES["lite_ppo"]([verdicts("11"), verdicts("11")]) == [[0, 0], [0, 0]]


def test_reinforce_pp_baseline_counts_an_answer_once_a_token_and_moves_constant_groups():
    # a = 1/2 -1/2 0 0 with 1, 3, 2, 2 tokens: m = -1/8, v = (25 + 3*9 + 4)/64/8 = 7/64
    batch = [verdicts("10", length=(1, 3)), verdicts("00", length=(2, 2))]
    assert close(ORACLES["reinforce_pp_baseline"](batch), [[5 * R7, -3 * R7], [R7, R7]])


def test_reinforce_pp_baseline_never_divides_by_less_than_one_ten_thousandth():
    # rewards +-1e-5: v = 1e-10 is raised to 1e-8
    tiny = Group((F("1e-5"), -F("1e-5")), (1, 0), length=(1, 1))
    assert one("reinforce_pp_baseline", tiny) == [F(1, 10), -F(1, 10)]


def test_opo_weighs_the_baseline_by_length():
    assert one("opo", verdicts("10", length=(1, 3))) == [F(3, 4), -F(1, 4)]
    assert one("opo", verdicts("10", length=(3, 1))) == [F(1, 4), -F(3, 4)]


def test_gpg_makes_up_for_groups_that_say_nothing():
    batch = [verdicts("10"), verdicts("00"), verdicts("11")]
    assert ORACLES["gpg"](batch) == [[F(3, 2), -F(3, 2)], [0, 0], [0, 0]]
    assert ORACLES["gpg"](batch[1:]) == [[0, 0], [0, 0]]


def test_bnpo_with_means_of_a_quarter_a_half_and_three_quarters_is_divided_by_a_beta_of_three_halves():
    # m = 1/2, v = 1/16, q = 3, al = be = 3/2; density 8/pi sqrt(mu (1 - mu)): 4/pi at 1/2, 2 sqrt(3)/pi at 1/4
    quarter, half, _ = ORACLES["bnpo"]([verdicts("1000"), verdicts("1100"), verdicts("1110")])
    assert close(half, [math.pi / 8, math.pi / 8, -math.pi / 8, -math.pi / 8], within=1e-15)
    assert close(quarter, [3 / 4 * math.pi / math.sqrt(12)] + [-math.pi / 4 / math.sqrt(12)] * 3, within=1e-15)


def test_bnpo_is_dr_grpo_where_means_differ_so_much_that_the_beta_is_flat():
    # means 0, 1/2, 1: v = 1/4, q = 0; means 0, 3/4: v = 9/32, q = (15/64)/v - 1 < 0; al = be = 1 in both
    for batch in ([verdicts("00"), verdicts("10"), verdicts("11")], [verdicts("0000"), verdicts("1110")]):
        assert ORACLES["bnpo"](batch) == ORACLES["dr_grpo"](batch)
        assert any(map(any, ORACLES["bnpo"](batch)))


def test_bnpo_multiplies_by_no_more_than_a_million():
    # 39 means of 1/2 and one of 1/10^4, where the density is far below 1e-6
    rare = Group((F(2, 10**4), 0), (0, 0))
    *_, last = ORACLES["bnpo"]([verdicts("10")] * 39 + [rare])
    assert last == [100, -100]


def test_bnpo_is_zero_for_one_group_and_for_equal_means():
    assert one("bnpo", verdicts("10")) == [0, 0]
    assert ORACLES["bnpo"]([verdicts("10"), verdicts("1100")]) == [[0, 0], [0, 0, 0, 0]]
    half_solved = [Group((0.5, 0), (1, 0)), Group((1, 0.5), (1, 0))]  # means 1/4 and 3/4, though p = 1/2 in both
    assert ORACLES["bnpo"](half_solved)[0][0] == ORACLES["bnpo"](half_solved)[1][0] > 0


def test_ngrpo_pushes_an_all_wrong_group_down():
    # 0 0 0 and a 1: mean 1/4, sd 1/2
    assert one("ngrpo", verdicts("000")) == [-F(1, 2)] * 3
    assert one("ngrpo", verdicts("111")) == [0, 0, 0]
    assert one("ngrpo", Group((0, 0, 0), (0, 0, 0)), r_max=5) == [-F(1, 2)] * 3  # in units of sd
    assert one("ngrpo", verdicts("110")) == [F(1, 2), F(1, 2), -F(3, 2)]


def test_two_of_four_correct_at_k_2_is_one_over_root_five():
    assert close(one("passk", verdicts("1100"), k=2), [R5, R5, -R5, -R5])


def test_full_sampling_shares_the_credit_of_a_block_and_leaves_out_the_remainder():
    assert one("passk_full_sampling", verdicts("10001"), k=2) == [1, 1, -1, -1, 0]
    assert one("passk_full_sampling", verdicts("1000"), k=3) == [0, 0, 0, 0]
    assert one("passk_full_sampling", verdicts("10"), k=4) == [0, 0]
    graded = Group((0, 3, 1, 0), (0, 1, 0, 0))
    assert one("passk_full_sampling", graded, k=2) == [1, 1, -1, -1]


def test_bootstrap_adds_up_the_credit_of_the_drawn_subsets():
    # subsets score 1 1 0 0, so +1 +1 -1 -1; answer 0 is in both good ones, answer 3 in both bad ones
    g = verdicts("1000", subsets=((0, 1), (0, 2), (2, 3), (1, 3)))
    assert one("passk_bootstrap", g, k=2) == [2, 0, 0, -2]


def test_pkpo_of_three_graded_answers_at_k_2():
    # pairs of 3 1 0 score 3, 3, 1 of 3 pairs: N s = 6, 4, 4
    # loo: without 0 the pair scores 1, without 1 or 2 it scores 3: 3(2 - 1), 3(4/3 - 3), 3(4/3 - 3)
    # loo - 1: 0 adds 2 and 3; 1 adds 0 and 1; 2 adds nothing
    g = GRADED[0]
    assert one("pkpo", g, k=2) == [6, 4, 4]
    assert one("pkpo_loo", g, k=2) == [3, -5, -5]
    assert one("pkpo_loo_minus_one", g, k=2) == [5, 1, 0]


def test_verl_passk_credits_only_a_single_best_answer():
    assert one("grpo_passk_verl", GRADED[0]) == [2, 0, 0]
    assert one("grpo_passk_verl", verdicts("1100")) == [0, 0, 0, 0]


def test_passk_weighted_fades_as_the_group_gets_better():
    assert one("passk_weighted", verdicts("1000"), k=2) == [F(3, 2)] + [-F(1, 2)] * 3
    assert one("passk_weighted", verdicts("1110"), k=2) == [F(1, 6)] * 3 + [-F(1, 2)]
    assert one("passk_weighted", verdicts("1111"), k=2) == [0, 0, 0, 0]


def test_exceeding_passk_multiplies_by_the_natural_logarithm_of_c_and_a_half():
    # f(1) = 0.4 / ln 1.5 = 0.9865, f(2) = 0.4 / ln 2.5 = 0.4365
    assert close(one("exceeding_passk", verdicts("10000"), k=1)[:1], [2 * 0.4 / math.log(1.5)], within=1e-15)
    f2 = one("exceeding_passk", verdicts("1100"), k=2)[0] / R5
    assert round(f2, 4) == F("0.4365")
    assert one("exceeding_passk", verdicts("0000"), k=2) == [0, 0, 0, 0]


def test_combination_mixes_by_the_share_of_correct_answers():
    # one of four, k = 2: half the pairs succeed, sigma 1/2: passk 1, -1/3; GRPO sqrt(3), -1/sqrt(3)
    assert close(one("combination", verdicts("1000"), k=2), [F(1, 4) + F(9, 4) * R3] + [-F(1, 12) - F(3, 4) * R3] * 3)


def test_adaptive_entropy_gives_grpo_to_the_half_with_the_highest_entropy():
    def ranked(*surprises):
        return [verdicts("1000", logprob=(-s,) * 4) for s in surprises]

    pass1, passk = one("grpo", verdicts("1000")), one("passk", verdicts("1000"), k=2)
    assert pass1 != passk
    assert ORACLES["adaptive_entropy"](ranked(3, 1, 4, 2), k=2) == [pass1, passk, pass1, passk]
    assert ORACLES["adaptive_entropy"](ranked(1, 2, 3), k=2) == [passk, passk, pass1]  # rank 1 < 3/2
    assert ORACLES["adaptive_entropy"](ranked(2, 2), k=2) == [passk, passk]


def test_training_switches_from_passk_to_pass1_at_the_half():
    g = verdicts("1000")
    passk, pass1 = one("passk", g, k=2), one("grpo", g)
    at = [one("passk_then_pass1", g, k=2, progress=t) for t in (0, 0.499, 0.5, 1)]
    assert at == [passk, passk, pass1, pass1] and passk != pass1


def test_annealing_goes_from_eight_draws_to_one():
    g = verdicts("10000000")
    drawn = {0: 8, 0.1: 8, F(1, 8): 7, 0.5: 4, F(7, 8): 1, 1: 1}
    for progress, k in drawn.items():
        assert one("passk_annealed", g, progress=progress) == one("passk", g, k=k), progress
    assert any(one("passk_annealed", g, progress=0.5)) and not any(one("passk_annealed", g))


def test_an_easy_prompt_is_one_beyond_three_fifths_and_three_fifths_is_not():
    kept = one("without_easy", verdicts("11100"))
    assert kept == one("grpo", verdicts("11100")) != [0] * 5
    assert one("without_easy", verdicts("11110")) == [0] * 5
    assert one("without_easy", verdicts("11110"), threshold=0.8) != [0] * 5  # the float 0.8 lies above 4/5,
    assert one("without_easy", verdicts("11100"), threshold=0.6) == [0] * 5  # the float 0.6 below 3/5


def test_maxrl_divides_by_the_mean():
    assert one("maxrl", verdicts("1000")) == [3, -1, -1, -1]
    assert one("maxrl", Group((1, -1), (1, 0))) == [0, 0]


def test_f_grpo_scales_by_the_share_of_failures():
    assert one("f_grpo", verdicts("1000")) == [F(9, 8), -F(3, 8), -F(3, 8), -F(3, 8)]
    half_power = one("f_grpo", verdicts("1000"), gamma=0.5)
    assert close(half_power, [F(9, 4) * R3] + [-F(3, 4) * R3] * 3)  # (3/4)^(1/2) = (3/2) / sqrt(3)


def test_grpo_lead_weighs_success_by_p_and_failure_by_one_minus_p():
    # p = 3/4 is the middle: w = 0.4 + 1.1/2; w(1/4) = 0.4 + 1.1/(1 + e^-5); GRPO is 1/2 and -3/2
    right, wrong = one("grpo_lead", verdicts("1110"))[-2:]
    assert right == F("0.475")
    assert close([wrong], [-1.5 * (0.4 + 1.1 / (1 + math.exp(-5)))], within=1e-15)
    assert one("grpo_lead", Group((2, 2, 2, 0), (1, 1, 1, 0))) == one("grpo_lead", verdicts("1110"))


def test_kimi_rewards_short_answers_only_if_they_are_right():
    # lam = 1/2, 0, -1/2. Right right wrong: x = 3/2, 1, -1/2, mean 2/3
    assert one("kimi_length", verdicts("110", length=(10, 20, 30))) == [F(5, 6), F(1, 3), -F(7, 6)]
    # wrong right wrong: the short wrong answer gets no bonus, x = 0, 1, -1/2, mean 1/6
    assert one("kimi_length", verdicts("010", length=(10, 20, 30))) == [-F(1, 6), F(5, 6), -F(2, 3)]
    assert one("kimi_length", verdicts("10", length=(9, 9))) == [F(1, 2), -F(1, 2)]


def test_efficient_reasoning_takes_a_twentieth_from_a_lone_success_and_less_from_a_short_one():
    assert one("efficient_reasoning", verdicts("10", length=(7, 9))) == [F(19, 20), -F(19, 20)]
    # lengths 10 and 30 of the right answers: z = -1, 1; x = 1 - 0.1/(1 + e), 1 - 0.1/(1 + 1/e), 0
    short, long = 1 - 0.1 / (1 + math.e), 1 - 0.1 / (1 + 1 / math.e)
    expected = [short - long / 2, long - short / 2, -(short + long) / 2]
    assert close(one("efficient_reasoning", verdicts("110", length=(10, 30, 99))), expected, within=1e-15)


def test_gfpo_trains_on_the_shortest_and_keeps_ties():
    assert one("gfpo", verdicts("1010", length=(1, 2, 3, 4)), keep_k=2) == [1, -1, 0, 0]
    # both answers of length 2 have one shorter; mean 1/3, sd sqrt(2)/3
    root2 = F(oracle.over_root(2, 2))
    assert close(one("gfpo", verdicts("0101", length=(1, 2, 2, 3)), keep_k=2), [-root2 / 2, root2, -root2 / 2, 0])


def test_the_length_rewards_are_the_ones_worked_by_hand():
    # x = 1 - 0.15, 1 - 0.3, 0; then 2, 1, -0.5; then 1.5, 1, 0; then 1, 1/2, 0; each standardized
    right_right_wrong = {
        "l1_exact": ((524, 2024, 1024), (F("0.85"), F("0.7"), 0)),
        "shorter_better": ((1000, 2000, 500), (2, 1, -F("0.5"))),
        "laser": ((4096, 4097, 1), (F("1.5"), 1, 0)),
        "dapo": ((16384, 18432, 100), (1, F("0.5"), 0)),
    }
    for name, (length, x) in right_right_wrong.items():
        assert one(name, verdicts("110", length=length)) == one("grpo", Group(x, (1, 1, 0))), name


def test_shorter_better_aims_at_the_mean_length_when_nothing_is_right():
    # lengths 100, 300, 800: S = 400, x = -0.3, -0.1, -0.4
    got = one("shorter_better", verdicts("000", length=(100, 300, 800)))
    assert got == one("grpo", Group((-3, -1, -4), (0, 0, 0)))
    assert got[1] > got[0] > got[2]


def test_dapo_takes_at_most_the_factor_and_filters_before_it_looks_at_lengths():
    # 30,000 tokens are beyond the limit: the penalty stays 2; the wrong answer of 18,432 loses 1
    got = one("dapo", verdicts("110", length=(100, 30000, 18432)), factor=2)
    assert got == one("grpo", Group((1, -1, -1), (1, 1, 0)))
    assert one("dapo", verdicts("11", length=(100, 20000))) == [0, 0]


def test_rs_grpo_of_one_success_and_one_failure_is_half_a_hyperbolic_tangent():
    assert close(one("rs_grpo", verdicts("10")), [math.tanh(1) / 2, -math.tanh(1) / 2], within=1e-16)


def test_sample_reinforcement_gives_the_same_to_every_success_and_every_failure():
    g = verdicts("1100")
    assert one("psr", g) == [1, 1, 0, 0]
    assert one("nsr", g) == [0, 0, -1, -1]
    assert one("w_reinforce", g) == [F(1, 10), F(1, 10), -1, -1]
    assert one("w_reinforce", verdicts("00")) == [-1, -1]


def test_disco_shares_one_among_the_right_and_one_among_the_wrong():
    assert one("disco_b", verdicts("1000")) == [1, -F(1, 3), -F(1, 3), -F(1, 3)]
    assert one("disco_b", verdicts("1110")) == [F(1, 3), F(1, 3), F(1, 3), -1]


def test_unlikeliness_pays_most_for_the_least_likely_success():
    # ranks 2, 1, 0 of 3: x = 1 - 0.25 * 2/3, 1 - 0.25 * 1/3, 0
    got = one("unlikeliness", verdicts("110", logprob=(-1, -2, -3)))
    assert got == one("grpo_sample_std", Group((F(10, 12), F(11, 12), 0), (1, 1, 0)))
    assert got[1] > got[0] > got[2]
    assert one("unlikeliness", verdicts("11", logprob=(-1, -2))) == [0, 0]
    tie = one("unlikeliness", verdicts("110", logprob=(-1, -1, -3)))
    assert tie[0] == tie[1] > 0


def test_a_grae_halves_success_when_half_of_the_batch_is_right():
    # M = 1/2; mu = 1/4: a = 3/2, -1/2; sqrt(mu) = 1/2, so both focuses leave a as it is
    first, _ = ORACLES["a_grae"]([verdicts("1000"), verdicts("1110")])
    assert first == [F(3, 4), -F(1, 2), -F(1, 2), -F(1, 2)]
    # alpha = 1/4 <= M: nothing is damped
    first, _ = ORACLES["a_grae"]([verdicts("1000"), verdicts("1110")], alpha=0.25)
    assert first == [F(3, 2), -F(1, 2), -F(1, 2), -F(1, 2)]
    # alone, M = 1/4: the same x, successes times a quarter
    assert one("a_grae", verdicts("1000")) == [F(3, 8), -F(1, 2), -F(1, 2), -F(1, 2)]
    # mu = 4/9, sqrt 2/3, M = 4/9: a (5/9 / (2/3) + 4/9 / (4/3)) = 7/6 a
    nine = verdicts("111100000")
    wrong = one("a_grae", nine)[-1] / one("grpo_sample_std", nine)[-1]
    assert close([wrong], [F(7, 6)])


def test_entropy_lifts_each_token_by_at_most_half_the_advantage():
    # a = 1, -1; alpha = 0.4: 1 nat adds 0.4, 5 nats would add 2 and add 1/2
    g = verdicts("10", token_logprob=((-1, -5), (-1, -5, 0)))
    assert one("entropy_tokens", g) == [[F("1.4"), F("1.5")], [-F("0.6"), -F("0.5"), -1]]


def test_damping_of_unlikely_tokens_keeps_the_mean_of_an_answer():
    # probabilities 1 and 1/2, alpha = 1/5: weights 1 and 0.9; an impossible token keeps 0.8
    g = verdicts("10", token_logprob=((0, math.log(0.5)), (-300,)))
    assert close(one("low_prob_damping", g), [[1, F(9, 10)], [-F(4, 5)]], within=1e-15)


# Identities


def test_passk_is_the_enumeration_and_the_closed_form_for_every_group_up_to_eight():
    for g, k in BINARY_AND_K:
        got = one("passk", g, k=k)
        assert close(got, oracle.passk_by_enumeration(g.correct, k)), (g, k)
        assert close(got, oracle.passk_closed_form(g.correct, k)), (g, k)


def test_one_draw_is_grpo_for_everything_that_draws_k():
    for g in BINARY:
        pass1 = one("grpo", g)
        singles = Group(g.reward, g.correct, logprob=(-1,) * g.N, subsets=tuple((i,) for i in range(g.N)))
        names = ("passk", "passk_full_sampling", "passk_bootstrap", "combination", "adaptive_entropy")
        for name in names:
            assert close(one(name, singles, k=1), pass1), (name, g)
        assert one("passk_annealed", g, k=g.N, progress=1) == pass1


def test_drawing_every_subset_once_is_passk_times_the_number_of_subsets_with_an_answer():
    for g, k in BINARY_AND_K:
        everything = Group(g.reward, g.correct, subsets=tuple(oracle_library.draws(g.N, k)))
        expected = [comb(g.N - 1, k - 1) * a for a in one("passk", g, k=k)]
        assert close(one("passk_bootstrap", everything, k=k), expected, 100 * ROUNDING), (g, k)


def test_full_sampling_averaged_over_every_order_of_four_is_passk_of_the_blocks():
    # With R of 2 blocks either equal (zeros) or +-1: one success of four always makes its own block the better one
    credit = {}
    for order in permutations(range(4)):
        drawn = one("passk_full_sampling", verdicts("".join("1" if i == 0 else "0" for i in order)), k=2)
        for i, a in zip(order, drawn, strict=True):
            credit[i] = credit.get(i, 0) + a / F(24)
    assert credit == {0: 1, 1: -F(1, 3), 2: -F(1, 3), 3: -F(1, 3)}
    assert list(credit[i] for i in range(4)) == one("passk", verdicts("1000"), k=2)


def test_passk_is_pkpo_centered_and_divided_by_k_sigma():
    for g, k in BINARY_AND_K:
        s = one("pkpo", g, k=k)
        R = oracle.pass_at_k(g.correct, k)
        if 0 < R < 1:
            mean = sum(s) / g.N
            expected = [(x - mean) / k * F(oracle.over_root(1, R * (1 - R))) for x in s]
            assert close(one("passk", g, k=k), expected), (g, k)


def test_pkpo_of_one_answer_is_its_reward():
    for g in BINARY + GRADED:
        assert one("pkpo", g, k=1) == list(g.r)


def test_pkpo_gives_each_success_k_draws_and_each_failure_those_that_others_win():
    for g, k in BINARY_AND_K:
        expected = [k * (1 if b else 1 - F(comb(int(g.N - 1 - g.c), k - 1), comb(g.N - 1, k - 1))) for b in g.b]
        assert one("pkpo", g, k=k) == expected, (g, k)


def test_pkpo_loo_sums_to_minus_n_k_pass_at_k_over_n_minus_one():
    for g, k in BINARY_AND_K:
        if k < g.N:
            expected = -F(g.N * k, g.N - 1) * oracle.pass_at_k(g.correct, k)
            assert sum(one("pkpo_loo", g, k=k)) == expected, (g, k)
    assert round(sum(one("pkpo_loo", verdicts("11000000"), k=4)) / 8, 2) == -F("0.45")  # formulas: n = 8, c = 2, k = 4


def test_pkpo_loo_minus_one_credits_the_successes_whose_company_fails():
    for g, k in BINARY_AND_K:
        if k >= 2:
            alone = F(k * comb(int(g.N - g.c), k - 1), comb(g.N - 1, k - 1))
            assert one("pkpo_loo_minus_one", g, k=k) == [alone * b for b in g.b], (g, k)


def test_drawing_all_answers_leave_one_out_is_n_times_verl_passk():
    for g in BINARY + GRADED:
        if g.N >= 2:
            assert one("pkpo_loo_minus_one", g, k=g.N) == [g.N * a for a in one("grpo_passk_verl", g)], g


def test_rloo_is_dr_grpo_times_n_over_n_minus_one():
    for g in BINARY + GRADED:
        if g.N >= 2:
            assert one("rloo", g) == [F(g.N, g.N - 1) * a for a in one("dr_grpo", g)]


def test_sample_std_is_grpo_times_root_of_n_minus_one_over_n():
    for g in BINARY + GRADED:
        if g.N >= 2:
            factor = F(oracle.over_root(g.N - 1, g.N * (g.N - 1)))
            assert close(one("grpo_sample_std", g), [factor * a for a in one("grpo", g)])


def test_the_older_oracle_agrees_where_both_have_a_formula():
    for g in BINARY + GRADED:
        for name in ("grpo", "dr_grpo") + ("grpo_sample_std", "rloo") * (g.N >= 2):
            assert close(one(name, g), getattr(oracle, name)(g.reward)), (name, g)


def test_a_switched_off_extra_leaves_the_base_design():
    g = varied()
    switched_off = [
        ("passk_weighted", {"k": 1}, "rloo"),
        ("f_grpo", {"gamma": 0}, "grpo_sample_std"),
        ("grpo_lead", {"low": 1, "high": 1}, "grpo_sample_std"),
        ("unlikeliness", {"beta": 0}, "grpo_sample_std"),
        ("kimi_length", {"weight": 0}, "dr_grpo"),
        ("efficient_reasoning", {"alpha": 0}, "rloo"),
        ("gfpo", {"keep_k": g.N}, "grpo"),
        ("l1_exact", {"alpha": 0}, "grpo"),
        ("shorter_better", {"beta": 0}, "grpo"),
        ("laser", {"alpha": 0}, "grpo"),
        ("dapo", {"factor": 0}, "grpo"),
        ("w_reinforce", {"weight": 0}, "nsr"),
        ("lite_ppo", {}, "grpo_sample_std"),
        ("gpg", {}, "dr_grpo"),
    ]
    for name, params, base in switched_off:
        assert close(one(name, g, **params), one(base, g)) and any(one(base, g)), name
        if params:
            assert not close(one(name, g), one(base, g)), f"{name} does nothing by default"
    per_answer = [[a] * 3 for a in one("grpo", g)]
    assert one("entropy_tokens", g, alpha=0) == one("low_prob_damping", g, alpha=0) == per_answer


def test_a_reward_unit_changes_nothing_where_advantages_have_none():
    for name in ("grpo", "grpo_sample_std", "passk_full_sampling", "passk_bootstrap", "maxrl", "without_easy", "gfpo"):
        g = varied(9)
        tripled = Group(tuple(3 * r for r in g.reward), g.correct, g.length, g.logprob, (), g.subsets)
        assert close(one(name, tripled), one(name, g)) and any(one(name, g)), name


def test_nsr_and_psr_add_up_to_weighted_reinforce():
    for g in BINARY:
        expected = [F(1, 10) * p + n for p, n in zip(one("psr", g), one("nsr", g), strict=True)]
        assert one("w_reinforce", g) == expected


def test_credit_follows_the_answer_and_not_its_place():
    g, order = varied(9, correct=(0,)), [3, 0, 8, 5, 1, 7, 4, 2, 6]
    moved = Group(*(tuple(getattr(g, signal)[i] for i in order) for signal in
                    ("reward", "correct", "length", "logprob", "token_logprob")),
                  subsets=tuple(tuple(order.index(i) for i in S) for S in g.subsets))  # fmt: skip
    for name, design in ORACLES.items():
        first, second = design([g, flat(0)]), design([moved, flat(0)])
        if name != "passk_full_sampling":
            assert second[0] == [first[0][i] for i in order], name
            assert second[1] == first[1], name


# What a design optimizes: E[(1/N) sum A grad log pi] = w(p) grad p for 0/1 rewards


def push(name, n, p, **params):
    """w(p) = sum over j successes among the other n - 1 of P(j) (A of a success - A of a failure beside them)."""
    total = 0
    for j in range(n):
        right = one(name, verdicts("1" * (j + 1) + "0" * (n - 1 - j)), **params)[0]
        wrong = one(name, verdicts("1" * j + "0" * (n - j)), **params)[-1]
        total += comb(n - 1, j) * p**j * (1 - p) ** (n - 1 - j) * (right - wrong)
    return total


P = [F(1, 10), F(1, 3), F(9, 10)]


def test_pkpo_in_all_three_forms_is_an_unbiased_gradient_of_pass_at_k():
    for p in P:
        for k in (2, 3):
            slope = k * (1 - p) ** (k - 1)  # d/dp 1 - (1-p)^k
            for name in ("pkpo", "pkpo_loo", "pkpo_loo_minus_one"):
                assert push(name, 5, p, k=k) == slope, (name, p, k)


def test_rloo_is_unbiased_dr_grpo_is_short_by_one_nth_and_maxrl_sums_pass_at_k_over_k():
    for p in P:
        assert push("rloo", 6, p) == 1
        assert push("dr_grpo", 6, p) == F(5, 6)
        assert push("maxrl", 6, p) == (1 - (1 - p) ** 5) / p
        assert push("psr", 6, p) == push("nsr", 6, p) == 1


# The tables of the paper, groups of 32


def counts(c, n=32):
    return verdicts("1" * c + "0" * (n - c))


def strength(advantages):
    return float(oracle.eta(advantages))


def test_eta_of_32_answers_peaks_where_the_paper_says():
    for k, peak, highest in [(1, 16, 32.0), (2, 12, 18.91), (4, 8, 10.36), (8, 4, 5.18), (16, 2, 2.26)]:
        eta = [strength(oracle.passk_closed_form(counts(c).correct, k)) for c in range(33)]
        assert eta.index(max(eta)) == peak and round(max(eta), 2) == highest, k


@pytest.fixture
def passk_from_counts(monkeypatch):
    """32 answers have ten million subsets of 8: count them. The same numbers up to eight answers, as shown above."""
    closed_form = lambda g, *, k: [F(a) for a in oracle.passk_closed_form(g.correct, k)]  # noqa: E731
    monkeypatch.setattr(oracle_library, "passk", closed_form)


@pytest.mark.parametrize(("k", "peak", "highest"), [(4, 9, 23.6), (8, 8, 21.9)])
def test_combination_peaks_at_a_quarter_correct(passk_from_counts, k, peak, highest):
    eta = [strength(one("combination", counts(c), k=k)) for c in range(33)]
    assert eta.index(max(eta)) == peak and round(max(eta), 1) == highest


@pytest.mark.parametrize("k", [2, 4, 8])
def test_exceeding_passk_peaks_at_one_correct_answer(passk_from_counts, k):
    eta = [strength(one("exceeding_passk", counts(c), k=k)) for c in range(33)]
    assert eta.index(max(eta)) == 1 and eta[0] == 0 < eta[2] < eta[1]


# What holds for all


ALL_RIGHT_IS_NOT_ZERO = {"pkpo", "pkpo_loo", "psr", "w_reinforce"}
ALL_WRONG_IS_NOT_ZERO = {"ngrpo", "nsr", "w_reinforce"}


@pytest.mark.parametrize("name", ORACLES)
def test_a_group_that_does_not_vary_gets_exact_zeros_and_a_mixed_one_does_not(name):
    def any_push(group):
        return any(a != 0 for row in one(name, group) for a in (row if isinstance(row, list) else [row]))

    if name == "bnpo":  # which needs means that differ
        mixed, wrong, right = ORACLES[name]([varied(), flat(0), flat(1)])
        assert any(mixed) and not any(wrong + right)
    else:
        assert any_push(varied(9, correct=(0,)))
    assert any_push(flat(1)) == (name in ALL_RIGHT_IS_NOT_ZERO)
    assert any_push(flat(0)) == (name in ALL_WRONG_IS_NOT_ZERO)


READS_VERDICTS_ONLY = {
    "passk", "exceeding_passk", "combination", "adaptive_entropy", "passk_then_pass1", "passk_annealed", "psr", "nsr",
    "w_reinforce", "disco_b", "efficient_reasoning", "l1_exact", "shorter_better", "laser",
}  # fmt: skip
READS_BOTH = {"passk_weighted", "without_easy", "f_grpo", "grpo_lead", "unlikeliness", "kimi_length", "dapo"}


@pytest.mark.parametrize("name", ORACLES)
def test_a_design_reads_rewards_verdicts_or_both_and_nothing_else_of_the_two(name):
    def with_(reward=None, correct=None):
        g = varied(9, correct=(1, 2))  # 0 is wrong and the shortest
        changed = Group(reward or g.reward, correct or g.correct, g.length, g.logprob, g.token_logprob, g.subsets)
        return ORACLES[name]([changed, varied(8)], progress=0.3)

    graded = tuple(F(n, 10) for n in (4, 1, 5, 3, 2, 7, 6, 8, 9))
    assert (with_(reward=graded) == with_()) == (name in READS_VERDICTS_ONLY)
    all_right = with_(reward=graded, correct=(1,) * 9)
    assert (all_right == with_(reward=graded)) == (name not in READS_VERDICTS_ONLY | READS_BOTH)


def test_passk_then_pass1_and_adaptive_entropy_end_in_grpo_of_the_verdicts():
    g = Group((3, 1, 0), (1, 0, 0), logprob=(-9, -9, -9))
    easier = Group((3, 1, 0), (1, 0, 0), logprob=(-1, -1, -1))
    pass1 = one("grpo", verdicts("100"))
    assert one("passk_then_pass1", g, k=2, progress=1) == pass1
    assert ORACLES["adaptive_entropy"]([g, easier], k=2)[0] == pass1


@pytest.mark.parametrize("name", ORACLES)
def test_every_number_is_a_fraction_in_the_shape_of_the_batch(name):
    batch = [varied(8), flat(1), varied(9)]
    got = ORACLES[name](batch, progress=0.25)
    assert [len(row) for row in got] == [8, 9, 9]
    for a in (a for row in got for a in row):
        assert all(type(x) is Fraction and len(a) == 3 for x in a) if isinstance(a, list) else type(a) is Fraction


def test_the_defaults_are_the_decimals_of_the_table():
    defaults = {
        name: {p.name: p.default for p in inspect.signature(design).parameters.values() if p.kind == p.KEYWORD_ONLY}
        for name, design in ORACLES.items()
    }
    k4 = {"k": 4}
    stated = {
        "ngrpo": {"r_max": 1}, "passk": k4, "passk_full_sampling": k4, "passk_bootstrap": k4, "pkpo": k4,
        "pkpo_loo": k4, "pkpo_loo_minus_one": k4, "passk_weighted": k4, "exceeding_passk": k4, "combination": k4,
        "adaptive_entropy": k4, "passk_then_pass1": {**k4, "switch": F(1, 2), "progress": 0},
        "passk_annealed": {"k": 8, "progress": 0}, "without_easy": {"threshold": F(3, 5)}, "f_grpo": {"gamma": 1},
        "grpo_lead": {"low": F(2, 5), "high": F(3, 2), "middle": F(3, 4), "slope": 10}, "rs_grpo": {"beta": 2},
        "w_reinforce": {"weight": F(1, 10)}, "unlikeliness": {"beta": F(1, 4)}, "a_grae": {"alpha": 1},
        "kimi_length": {"weight": 1}, "efficient_reasoning": {"alpha": F(1, 10)}, "gfpo": {"keep_k": 4},
        "l1_exact": {"target": 1024, "alpha": F(3, 10000)}, "shorter_better": {"alpha": 2, "beta": F(1, 1000)},
        "laser": {"alpha": F(1, 2), "target": 4096}, "dapo": {"max_length": 20480, "buffer": 4096, "factor": 1},
        "entropy_tokens": {"alpha": F(2, 5), "kappa": 2}, "low_prob_damping": {"alpha": F(1, 5)},
    }  # fmt: skip
    assert {name: params for name, params in defaults.items() if params} == stated
    assert len(ORACLES) == 45


def test_floats_are_taken_for_the_numbers_they_store():
    tenth = Group((0.1, 0.3), (0, 1))
    assert one("dr_grpo", tenth) == [(F(0.1) - F(0.3)) / 2, (F(0.3) - F(0.1)) / 2]
    assert one("dr_grpo", Group((0.95,) * 7, (1,) * 7)) == [0] * 7
    assert one("passk", verdicts("1100"), k=2.0) == one("passk", verdicts("1100"), k=2)
    assert one("w_reinforce", verdicts("10"), weight=0.1)[0] == F(0.1) != F(1, 10)


def test_as_fraction_takes_every_kind_of_number_and_nothing_endless():
    assert as_fraction(mpf("-0.75")) == as_fraction(Decimal("-0.75")) == as_fraction(-0.75) == F(-3, 4)
    for endless in (mpf("inf"), mpf("nan"), float("inf"), float("nan"), Decimal("inf")):
        with pytest.raises((ValueError, OverflowError)):
            as_fraction(endless)


@pytest.mark.parametrize(
    ("name", "group", "params"),
    [
        ("rloo", verdicts("1"), {}),
        ("grpo_sample_std", verdicts("1"), {}),
        ("grpo_passk_verl", verdicts("1"), {}),
        ("passk", verdicts("10"), {"k": 3}),
        ("pkpo", verdicts("10"), {"k": 0}),
        ("pkpo_loo", verdicts("10"), {"k": 2}),
        ("pkpo_loo_minus_one", verdicts("10"), {"k": 1}),
        ("passk_bootstrap", verdicts("10", subsets=((0, 0),)), {"k": 2}),
        ("passk_full_sampling", verdicts("10"), {"k": 0}),
        ("bnpo", Group((2, 0), (1, 0)), {}),
        ("a_grae", Group((1, -1), (1, 0)), {}),
    ],
)
def test_a_group_or_k_without_a_meaning_is_a_value_error(name, group, params):
    with pytest.raises(ValueError):
        one(name, group, **params)


def test_a_group_with_a_verdict_of_two_or_a_missing_length_is_refused():
    for broken in ({"correct": (2, 0)}, {"correct": (1,)}, {"correct": (1, 0), "length": (5,)}):
        with pytest.raises(ValueError):
            Group(reward=(1, 0), **broken)
