"""Exact numbers, checked against identities, against the oracle's rounding and against Python's `decimal`."""

from decimal import Decimal, localcontext
from fractions import Fraction as F
from math import comb

import oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shaping import real
from shaping.real import Surd, Undefined, Unusable

FLOAT32 = {"mantissa": 24, "min_exponent": -149}

whole = st.integers(-9, 9).map(F)
rationals = st.fractions(-50, 50, max_denominator=60)
positive = st.fractions(F(1, 60), 50, max_denominator=60)
roots = st.lists(st.tuples(rationals, positive), max_size=4)  # (c, q), ... for sum of c * sqrt(q)


def root(q):
    return real.sqrt(F(q))


def log(q):
    return real.log(F(q))


def total(*values):
    result = F(0)
    for value in values:
        result = real.add(result, value)
    return result


def surd(terms):
    return total(*(real.multiply(c, root(q)) for c, q in terms))


def decimals(terms):
    """The same sum by Python's decimal, 90 digits."""
    with localcontext(prec=90):
        return sum(
            (Decimal(c.numerator) / c.denominator * (Decimal(q.numerator) / q.denominator).sqrt() for c, q in terms),
            Decimal(0),
        )


# ---------------------------------------------------------------- rationals and roots


def test_rational_arithmetic_stays_rational():
    assert real.add(F(1, 3), F(1, 6)) == F(1, 2)
    assert real.divide(F(1, 3), F(2)) == F(1, 6)
    assert real.power(F(2, 3), F(-2)) == F(9, 4)


@pytest.mark.parametrize(
    ("q", "value"), [(0, 0), (1, 1), (9, 3), (F(1, 4), F(1, 2)), (F(49, 36), F(7, 6)), (10**40, 10**20)]
)
def test_the_root_of_a_square_is_rational(q, value):
    assert root(q) == value and isinstance(root(q), F)


def test_like_roots_are_joined():
    # sqrt 8 = 2 sqrt 2, so sqrt 8 + sqrt 2 = 3 sqrt 2, and its square is 18
    joined = real.add(root(8), root(2))
    assert len(joined.terms) == 1
    assert real.multiply(joined, joined) == 18
    assert real.subtract(joined, real.multiply(F(3), root(2))) == 0


def test_roots_of_fractions_are_joined_too():
    # sqrt(1/2) = sqrt(2) / 2 and sqrt(2/9) = sqrt(2) / 3
    assert real.subtract(total(root(F(1, 2)), root(F(2, 9))), real.multiply(F(5, 6), root(2))) == 0


def test_unlike_roots_stay_apart_and_cancel_only_with_themselves():
    both = real.add(root(2), root(3))
    assert isinstance(both, Surd) and len(both.terms) == 2
    assert real.subtract(both, root(3)) == root(2)
    assert real.subtract(real.subtract(both, root(3)), root(2)) == 0


def test_the_square_of_a_sum_of_roots_is_multiplied_out():
    # (sqrt 2 + sqrt 3)^2 = 5 + 2 sqrt 6
    square = real.power(real.add(root(2), root(3)), F(2))
    assert real.subtract(square, real.multiply(F(2), root(6))) == 5


def test_dividing_by_a_root_takes_it_out_of_the_denominator():
    # 1 / (3 sqrt 2) = sqrt(2) / 6
    assert real.subtract(real.divide(F(1), real.multiply(F(3), root(2))), real.multiply(F(1, 6), root(2))) == 0


def test_dividing_by_a_sum_of_roots_is_right_though_not_simplified():
    # 1 / (sqrt 3 - sqrt 2) = sqrt 3 + sqrt 2
    quotient = real.divide(F(1), real.subtract(root(3), root(2)))
    assert real.compare(quotient, real.add(root(3), root(2))) == 0


@pytest.mark.parametrize(("power", "factor"), [(2, 2), (3, -2), (16, 256), (17, -256), (18, 512), (33, -(2**16))])
def test_whole_powers_of_a_negative_root_keep_their_sign(power, factor):
    # (-sqrt 2)^2 = 2, (-sqrt 2)^3 = -2 sqrt 2, and so on
    value = real.power(real.negate(root(2)), F(power))
    assert real.compare(value, real.multiply(F(factor), root(2) if power % 2 else F(1))) == 0


def test_negative_powers_are_reciprocals():
    assert real.compare(real.power(root(2), F(-3)), real.divide(root(2), F(4))) == 0


@given(roots, roots)
def test_adding_and_taking_away_again_changes_nothing(a, b):
    assert real.compare(real.subtract(real.add(surd(a), surd(b)), surd(b)), surd(a)) == 0


@given(roots, roots, roots)
def test_products_distribute_over_sums(a, b, c):
    left = real.multiply(surd(a), real.add(surd(b), surd(c)))
    right = real.add(real.multiply(surd(a), surd(b)), real.multiply(surd(a), surd(c)))
    assert real.subtract(left, right) == 0


@given(roots)
def test_the_sign_of_a_sum_of_roots_is_that_of_ninety_digits(terms):
    value, reference = surd(terms), decimals(terms)
    if value == 0:
        assert abs(reference) < Decimal("1e-80")
    else:
        assert real.sign(value) == (1 if reference > 0 else -1)


def test_order_is_decided_where_floats_cannot():
    # sqrt(10^60 + 1) - 10^30 is about 5e-31, sqrt 2 + sqrt 3 = 3.14626 and sqrt 10 = 3.16228
    assert real.compare(root(10**60 + 1), F(10**30)) == 1
    assert real.compare(F(10**30), root(10**60 + 1)) == -1
    assert real.compare(real.add(root(2), root(3)), root(10)) == -1


# ---------------------------------------------------------------- everything else


def test_log_8_minus_3_log_2_is_zero():
    assert real.sign(real.subtract(log(8), real.multiply(F(3), log(2)))) == 0


def test_log_8_minus_almost_3_log_2_is_not_zero():
    almost = real.multiply(3 + F(1, 10**40), log(2))
    assert real.compare(log(8), almost) == -1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (real.exp(log(7)), F(7)),
        (real.log(real.exp(F(3, 2))), F(3, 2)),
        (
            real.sqrt(real.add(F(3), real.multiply(F(2), root(2)))),
            real.add(F(1), root(2)),
        ),  # (1 + sqrt 2)^2 = 3 + 2 sqrt 2
        (real.power(F(8), F(1, 3)), F(2)),
        (real.power(F(2), root(4)), F(4)),
        (real.power(log(F(1, 2)), F(2)), real.power(log(2), F(2))),  # (-x)^2 = x^2
        (real.power(log(F(1, 2)), F(3)), real.negate(real.power(log(2), F(3)))),
        (real.absolute(log(F(1, 2))), log(2)),
    ],
)
def test_two_ways_to_write_one_number_are_equal(a, b):
    assert real.compare(a, b) == 0


def test_anything_to_the_power_zero_is_one():
    hidden_zero = real.subtract(log(8), real.multiply(F(3), log(2)))
    assert [real.power(x, F(0)) for x in (F(0), F(-2), root(2), log(2), hidden_zero)] == [1] * 5


def test_a_denominator_close_to_zero_is_looked_at_more_closely():
    # exp(1e-30) - 1 = 1e-30 + 5e-61 + ..., so its reciprocal is just below 1e30
    tiny = real.subtract(real.exp(F(1, 10**30)), F(1))
    assert real.nearest(real.divide(F(1), tiny)) == pytest.approx(1e30, rel=1e-15)
    assert real.nearest(real.log(tiny)) == pytest.approx(-69.07755278982137, rel=1e-15)  # -30 log 10


@pytest.mark.parametrize(
    ("compute", "says"),
    [
        (lambda: real.divide(F(1), F(0)), "division by zero"),
        (lambda: real.divide(F(1), real.subtract(log(8), real.multiply(F(3), log(2)))), "division by zero"),
        (lambda: real.sqrt(F(-1)), "square root of a negative number"),
        (lambda: real.sqrt(real.subtract(F(1), root(2))), "square root of a negative number"),
        (lambda: real.log(F(0)), "logarithm of a number that is not positive"),
        (lambda: real.log(F(-1)), "logarithm of a number that is not positive"),
        (lambda: real.power(F(0), F(-1)), "division by zero"),
        (lambda: real.power(F(-8), F(1, 3)), "a power of a negative number that is not whole"),
        (lambda: real.power(F(-4), F(1, 2)), "square root of a negative number"),
    ],
)
def test_where_there_is_no_value_it_says_why(compute, says):
    with pytest.raises(Undefined, match=f"^{says}$"):
        compute()


@pytest.mark.parametrize(
    "compute",
    [
        lambda: real.power(F(10), F(10**10)),
        lambda: real.power(F(1, 10), F(10**10)),
        lambda: real.binomial(F(10**9), F(5 * 10**8)),
        lambda: real.multiply(F(2**600_000), F(2**600_000)),
        lambda: real.nearest(real.exp(real.exp(F(100)))),
        lambda: real.sign(real.subtract(real.exp(real.exp(F(100))), F(1))),
        lambda: real.nearest(real.exp(real.negate(real.exp(F(100))))),
    ],
)
@pytest.mark.usefixtures("soon")
def test_numbers_too_large_for_mathematics_are_refused_at_once(compute):
    with pytest.raises(Unusable):
        compute()


@pytest.mark.usefixtures("soon")
def test_a_number_that_is_its_own_sum_many_times_over_is_still_quick():
    value = log(3)
    for _ in range(60):
        value = real.add(value, value)
    assert real.nearest(value) == pytest.approx(2**60 * 1.0986122886681098, rel=1e-15)


# ---------------------------------------------------------------- binomials


def test_binomials_are_zero_where_there_is_nothing_to_choose():
    # rows: (n, k) and how many ways
    ways = {
        (5, 2): 10,
        (5, 0): 1,
        (5, 5): 1,
        (0, 0): 1,
        (5, 6): 0,
        (5, -1): 0,
        (-1, 0): 0,
        (-1, -1): 0,
        (67, 33): comb(67, 33),
    }
    assert {nk: real.binomial(F(nk[0]), F(nk[1])) for nk in ways} == ways


@given(st.integers(1, 60), st.integers(-3, 63))
def test_binomials_obey_pascals_rule_beyond_the_edges_too(n, k):
    assume((n, k) != (0, 0))
    above = real.binomial(F(n - 1), F(k - 1)) + real.binomial(F(n - 1), F(k))
    assert real.binomial(F(n), F(k)) == above


@pytest.mark.parametrize(("n", "k"), [(F(7, 2), F(2)), (F(7), F(1, 2)), (root(2), F(1))])
def test_binomials_of_broken_numbers_are_refused(n, k):
    with pytest.raises(Unusable, match="binomial needs whole numbers, got binomial"):
        real.binomial(n, k)


# ---------------------------------------------------------------- rounding

thorough = settings(max_examples=100)


@thorough
@given(st.fractions())
def test_rationals_are_rounded_as_the_oracle_rounds_them(q):
    assert real.nearest(q) == oracle.nearest_float64(q)
    assert real.nearest(q, **FLOAT32) == oracle.nearest_float32(q)


@thorough
@given(st.integers(-(2**30), 2**30), st.integers(1, 2**60), st.integers(-140, 60))
def test_the_smallest_and_largest_floats_are_rounded_as_the_oracle_rounds_them(p, q, e):
    x = F(p, q) * F(2) ** e
    assert real.nearest(x, **FLOAT32) == oracle.nearest_float32(x)
    assert real.nearest(x * F(2) ** -930) == oracle.nearest_float64(x * F(2) ** -930)


@thorough
@given(st.integers(-(2**24), 2**24), st.integers(-160, 60))
def test_halves_go_to_the_even_neighbour(m, e):
    x = (F(m) + F(1, 2)) * F(2) ** e
    assert real.nearest(x, **FLOAT32) == oracle.nearest_float32(x)


def test_float32_is_rounded_once_and_not_by_way_of_float64():
    x = 1 + F(1, 2**24) + F(1, 2**60)
    assert real.nearest(x, **FLOAT32) == 1 + 2**-23


@thorough
@given(rationals, positive)
def test_a_root_is_rounded_as_the_oracle_rounds_it(top, under):
    value, reference = real.divide(top, real.sqrt(under)), oracle.over_root(top, under)
    assert real.nearest(value) == oracle.nearest_float64(reference)
    assert real.nearest(value, **FLOAT32) == oracle.nearest_float32(reference)


@thorough
@given(roots)
def test_a_sum_of_roots_is_rounded_as_ninety_digits_are(terms):
    assume(surd(terms) != 0)
    assert real.nearest(surd(terms)) == oracle.nearest_float64(decimals(terms))
    assert real.nearest(surd(terms), **FLOAT32) == oracle.nearest_float32(decimals(terms))


@thorough
@given(positive, whole, positive)
def test_logs_and_powers_are_rounded_as_ninety_digits_are(a, b, c):
    value = real.add(real.multiply(b, real.log(a)), real.power(c, F(1, 3)))
    with localcontext(prec=90):
        a, b, c = (Decimal(x.numerator) / x.denominator for x in (a, b, c))
        reference = b * a.ln() + (c.ln() / 3).exp()
    assert real.nearest(value) == oracle.nearest_float64(reference)


def test_a_number_beyond_float32_is_not_rounded_to_infinity():
    assert real.nearest(F(2**128 - 2**104), **FLOAT32) == 2.0**128 - 2.0**104  # the largest float32
    for x in (2**128 - 2**103, 10**39):
        with pytest.raises(OverflowError):
            real.nearest(F(x), **FLOAT32)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (F(1, 5), "1/5"),
        (F(-3), "-3"),
        (root(2), "1.41421"),
        (log(2), "0.693147"),
        (F(10) ** 20, "1e+20"),
        (F(10) ** 5000, "a number beyond the range of floats"),
    ],
)
def test_messages_show_short_numbers(value, text):
    assert real.show(value) == text
