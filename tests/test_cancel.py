"""Exact arithmetic around what cancels: a value that is right, or a sentence."""

import random
from fractions import Fraction as F
from math import comb

import pytest

import shaping
from shaping import real
from shaping.cli import main
from shaping.errors import DesignError
from shaping.groups import exact
from shaping.work import bounded

# Each is 0, 1 or another whole number, by a law of logarithms, exponentials, roots or the gamma function.
LAWS = {
    "log(6) - log(2) - log(3)": 0,
    "exp(log(6) - log(2) - log(3))": 1,
    "exp(log(12) - log(4)) - 3": 0,
    "log(exp(1/3)) - 1/3": 0,
    "exp(2) * exp(3) - exp(5)": 0,
    "exp(log(2) * 3)": 8,
    "2 ** (log(8) / log(2)) - 8": 0,
    "sqrt(3 + 2 * sqrt(2)) - sqrt(2)": 1,
    "sqrt(2 + log(3)) ** 2 - log(3)": 2,
    "sqrt(log(2) ** 2 + 2 * log(2) + 1) - log(2)": 1,
    "(1 + log(2)) / (1 / (1 + log(2))) - (1 + log(2)) ** 2": 0,
    "sigmoid(1/3) + sigmoid(-1/3)": 1,
    "tanh(2) + tanh(-2)": 0,
    "log_gamma(5) - log(24)": 0,
    "log_gamma(7/2) - log_gamma(5/2) - log(5/2)": 0,
    "8 ** (1/3)": 2,
    "log(1/8) / log(1/2)": 3,
    "(log(2) + log(5)) / log(10)": 1,
}


def value(formula):
    """Of a formula without names, exactly."""
    (found,) = set(exact.advantages(shaping.loads(f"advantage: {{each: '{formula}', flat: -77}}"), [1, 0]))
    return found


@pytest.mark.parametrize("formula", LAWS)
def test_a_number_that_is_whole_by_a_law_is_seen_to_be(formula):
    whole = LAWS[formula]
    assert real.settled(value(formula)) == whole
    assert value(f"floor({formula})") == whole
    assert value(f"floor({formula}) if {formula} == {whole} else 99") == whole
    assert value(f"sqrt({whole} - ({formula}))") == 0
    assert value(f"1 / ({formula} - {whole})") == -77  # a division by zero
    assert value(f"log({whole} - ({formula}))") == -77
    assert value(f"(-2) ** ({formula})") == F(-2) ** whole
    assert value(f"0 ** ({formula} - {whole})") == 1
    assert value(f"binomial(10, {formula})") == comb(10, whole)


@pytest.mark.parametrize("formula", LAWS)
def test_a_number_a_little_beside_it_is_not(formula):
    whole = LAWS[formula]
    assert value(f"floor({formula} - 10 ** -200)") == whole - 1
    assert value(f"1 if {formula} < {whole} + 10 ** -200 else 0") == 1
    assert value(f"sqrt({formula} - {whole} - 10 ** -200)") == -77
    assert real.nearest(value(f"log({formula} - {whole} + exp(-800))")) == -800


@pytest.mark.parametrize("command", ["check", "show", "explain", "plot", "compare"])
def test_no_command_ends_in_a_traceback(tmp_path, capsys, command):
    path = tmp_path / "d.yaml"
    path.write_text("advantage: correct * sqrt(1 - exp(log(6) - log(2) - log(3))) + n_neg\n")
    more = {"plot": ["-o", str(tmp_path / "p.svg")], "compare": [str(path)]}.get(command, [])
    assert main([command, str(path), *more, "--n", "4"]) == 0
    path.write_text("advantage: correct * sqrt(1 - exp(log(6) - log(2) - log(2.9)))\n")
    assert main([command, str(path), *more, "--n", "4"]) == 1
    said = capsys.readouterr()
    assert "d.yaml:1:22: square root of a negative number for N = 4, n_pos = " in said.out + said.err


def test_what_cannot_be_decided_is_a_sentence():
    # sigmoid(2000) is 1 - 1e-869, and the formula says so in no way that the rules see
    text = "advantage: {each: '1 if (1 + exp(-9000)) ** (1/3) > 1 else 0', flat: 0}"
    with pytest.raises(DesignError, match="cannot decide whether a value this close to 0 is 0: write the formula"):
        shaping.loads(text, "d.yaml").check(2)


OPERATIONS = {
    "+": real.add,
    "-": real.subtract,
    "*": real.multiply,
    "/": real.divide,
    "**": real.power,
}
FUNCTIONS = ["sqrt", "log", "exp", "floor", "tanh", "sigmoid", "log_gamma", "absolute", "negate"]


def nested(rng, depth):
    """A random number of exact operations, many of them on what is 0 or 1 by a law."""
    if depth == 0:
        return rng.choice([F(0), F(1), F(2), F(6), F(1, 3), F(-1)])
    if rng.random() < 0.3:
        return value(rng.choice(list(LAWS)))
    if rng.random() < 0.5:
        return OPERATIONS[rng.choice(list(OPERATIONS))](nested(rng, depth - 1), nested(rng, depth - 1))
    return getattr(real, rng.choice(FUNCTIONS))(nested(rng, depth - 1))


@pytest.mark.parametrize("seed", range(6))
def test_every_outcome_is_a_value_no_value_or_a_sentence(seed):
    rng = random.Random(seed)
    values = 0
    for _ in range(120):
        try:
            with bounded("d.yaml"):
                number = nested(rng, rng.choice([1, 2, 3, 4]))
                real.nearest(number)
                assert real.sign(number) == real.compare(number, F(0))
                assert real.compare(real.floor(number), number) <= 0
                values += 1
        except (real.Undefined, real.Unusable, DesignError) as error:
            assert str(error)
        except OverflowError:
            assert abs(real.nearest(real.log(real.absolute(number)))) > 700
    assert values > 60
