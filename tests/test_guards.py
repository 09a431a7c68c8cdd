"""Guards: a formula that no rewards can break needs no `flat`, and one that some rewards break is refused.

Each formula is accepted or not before any reward is seen; then thousands of groups are tried, among them those at
which the guards turn, against the exact value.
"""

import itertools
import random
from fractions import Fraction

import pytest
import torch

import shaping
from shaping import real
from shaping.errors import DesignError
from shaping.groups import exact

N = 4
VALUES = {
    "r": [-2, -1, 0, 0.5, 1, 2, 3],
    "length": [0, 1, 2, 5, 9],
    "truncated": [0, 1],
    "logprob": [-2, -0.5, 0],
}
GUARDED = """
r / std(r) if std(r) > 0 else 0
(r - mean(r)) / std(r) if std(r) != 0 else 0
(r - mean(r)) / std(r) if 0 < std(r) else 0
0 if std(r) == 0 else r / std(r)
0 if not std(r) > 0 else r / std(r)
0 if std(r) <= 0 else r / std(r)
r / std(r) if std(r) else 0
r / std(r) if max(r) > min(r) else 0
r / std(r) if max(r) != min(r) else 0
r / std(r, ddof=1) if max(r) > min(r) else 0
r / var(r) if std(r) > 0 else 0
r / (max(r) - min(r)) if std(r) > 0 else 0
r / (max(r) - min(r)) if max(r) > min(r) else 0
log(length) if length > 0 else 0
log(length) if length >= 1 else 0
1 / log(length) if length > 1 else 0
1 / (length - 1) if length > 1 else 0
1 / (length - 1) if length != 1 else 0
1 / (1 - length) if length != 1 else 0
1 / (1 + r**2)
1 / (1 + r*r)
1 / (1 + abs(r))
1 / (1 + abs(r)**3)
1 / (2 + sign(r))
1 / (2 + tanh(r))
1 / (r**2 + length**2 + 0.5)
sqrt((r - 2)**2)
sqrt(r**4)
sqrt(r*r)
sqrt(var(r))
std(r, ddof=1, over=batch)
r / max(r, 1)
r / min(r, -1)
1 / max(length, 1)
sqrt(max(r, 0))
sqrt(r) if r >= 0 else 0
sqrt(r) if r >= 0 else sqrt(-r)
sqrt(r - 2) if r > 2 else 0
1 / r if r > 0 else (1 / r if r < 0 else 0)
1 / r if r != 0 else 0
1 / r if abs(r) > 0 else 0
1 / r if r * r > 0 else 0
1 / r if r**2 != 0 else 0
1 / r if r > 0 and length > 0 else 0
1 / length if r > 0 and length > 0 else 0
1 / (r * length) if r > 0 and length > 0 else 0
0 if r == 0 or length == 0 else 1 / (r * length)
0 if not (r > 0 and length > 0) else 1 / r
1 / r if r > 1 or r > 2 else 0
1 / r if (r > 1 and length > 2) or r < -2 else 0
r ** -1 if r != 0 else 0
r ** -2 if r != 0 else 0
r ** 0.5 if r >= 0 else 0
mean(length, where=correct) if n_pos > 0 else 0
mean(length, where=correct) if n_pos > 0 and std(r) > 0 else 0
mean(length, where=correct) if n_pos else 0
mean(r, where=truncated) if count(truncated) > 0 else 0
0 if count(truncated) == 0 else mean(r, where=truncated)
std(r, where=truncated, ddof=1) if count(truncated) > 1 else 0
std(r, where=truncated, ddof=1) if count(truncated) >= 2 else 0
std(r, where=truncated, ddof=1) if 2 <= count(truncated) else 0
mean(r, where=length > 5) if count(length > 5) > 0 else 0
mean(r, where=truncated) if sum(truncated) > 0 else 0
mean(r, where=truncated) if max(truncated) > 0 else 0
sum(r, where=truncated) / count(truncated) if count(truncated) > 0 else 0
sum(r, where=truncated) / max(1, count(truncated))
mean(r, where=truncated, over=batch) if count(truncated, over=batch) > 0 else 0
r / std(r, over=batch) if std(r, over=batch) > 0 else 0
mean(r / std(r)) if std(r) > 0 else 0
mean(r / std(r, over=batch), over=batch) if std(r, over=batch) > 0 else 0
r / (std(r) if std(r) > 0 else 1)
r / (std(r) * N) if std(r) > 0 else 0
r / (2 * std(r)) if std(r) > 0 else 0
r / std(r)**2 if std(r) > 0 else 0
r / sqrt(std(r)) if std(r) > 0 else 0
1 / (p * length) if n_pos > 0 and length > 0 else 0
mean(log(r), where=r > 0) if count(r > 0) > 0 else 0
1 / mean(length, where=length > 0) if count(length > 0) > 0 else 0
1 / (r if r > 0 else 1)
log(1 + length)
1 / log(2 + length)
1 / (0.1 + sqrt(length))
1 / exp(length)
1 / (exp(r) + exp(-r))
log(exp(r) + 1)
sqrt(r - min(r))
sqrt(max(r) - min(r))
1 / (1 + (max(r) - r))
mean(length, where=r == max(r))
mean(length, where=r >= min(r))
1 / mean(length) if mean(length) > 0 else 0
1 / sum(length) if sum(length) > 0 else 0
1 / length if length - 1 >= 0 else 0
1 / (length + 1)
1 / (3 - truncated)
1 / floor(length) if length >= 1 else 0
r / std(r) if std(r) > 1e-6 else 0
r / std(r) if std(r) > 0 and (max(r) > 2 or min(r) < 3) else 0
1 / r if r == 2 else 0
sqrt(1 - truncated)
sqrt(-logprob)
sqrt(surprisal)
1 / (surprisal + 0.1)
log(r) if r > 0 else (log(-r) if r < 0 else 0)
log(r / length) if r > 0 and length > 0 else 0
1 / (r / length) if length > 0 and r > 0 else 0
1 / (r - 1) if r > 1 else 1 / (2 - r)
1 / min(length, 5) if length > 0 else 0
1 / (length * length) if length > 0 else 0
clip(1 / length, 0, 1) if length > 0 else 1
1 / clip(r, 1, 5)
n_pos == 0 or n_neg == 0 or correct == sqrt(n_neg / n_pos)
1 if n_pos > 0 and r / n_pos > 0.1 else 0
1 if length > 0 and 1 / length > 0.1 else 0
1 if length == 0 or 1 / length > 0.1 else 0
1 if not (length == 0) and 1 / length > 0.1 else 0
r / std(r) if not (std(r) == 0) else 0
r / std(r) if std(r) > 0 else r / (std(r) + 1)
log_gamma(length + 1)
others_mean(length) ** 0.5
quantile(length, 0.5) ** 0.5
1 / (std(r) + std(length)) if std(r) > 0 else 0
1 / (std(r) + std(length)) if std(r) + std(length) > 0 else 0
1 / (std(length) + std(r)) if std(r) + std(length) > 0 else 0
rank(1 / length) if min(length) > 0 else 0
mean(1 / length) if min(length) > 0 else 0
""".strip().splitlines()
BROKEN = """
r / std(r) if std(length) > 0 else 0
r / std(r) if std(r) >= 0 else 0
mean(1 / length) if length > 0 else 0
r / std(r) if r > 0 else 0
log(r) if r >= 0 else 0
1 / (r - 1) if r > 0 else 0
1 / (r - length) if r > 0 else 0
sqrt(r - 2) if r > 1 else 0
1 / (1 + r)
1 / (1 + r**3)
1 / (r**2)
std(r, where=truncated, ddof=1) if count(truncated) > 0 else 0
mean(r, where=truncated) if count(length) > 0 else 0
mean(r, where=truncated) if n_pos > 0 else 0
1 / r if r > 0 or length > 0 else 0
1 / r if not (r > 0) else 0
1 / r if r > -1 else 0
std(r, ddof=1, where=r > 2, over=batch)
std(mean(r), ddof=1, over=batch)
1 if 1 / length > 0.1 or length == 0 else 0
1 if length == 0 and 1 / length > 0.1 else 0
mean(r, where=truncated, over=batch) if count(truncated) == 0 else 0
r / std(r, over=batch) if std(r) == 0 else 0
1 / mean(r) if r > 0 else 0
1 / mean(r, over=batch) if mean(r) > 0 else 0
1 / (max(r) - mean(r))
1 / mean(sign(r - 1/2))
r / std(r, ddof=1) if count(r) > 1 else 0
""".strip().splitlines()


def design(formula):
    return shaping.loads(f'correct: score > 0.4\nadvantage: "{formula}"\n', "d.yaml")


def groups(seed, inputs):
    """Batches of one to three groups: some constant, some of two values, some of any."""
    rng = random.Random(seed)
    for P in itertools.islice(itertools.cycle([1, 2, 3]), 24):

        def column(name):
            few = rng.choices(VALUES[name], k=rng.choice([1, 2, 4]))
            return [Fraction(rng.choice(few)) for _ in range(N)]

        yield [column("r") for _ in range(P)], {name: [column(name) for _ in range(P)] for name in inputs}


def tensor(rows):
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)


@pytest.mark.parametrize("formula", GUARDED)
def test_what_no_rewards_can_break_needs_no_flat_and_has_its_value(formula):
    guarded = design(formula)
    guarded.check(N)
    for rewards, signals in groups(formula, guarded.inputs):
        want = exact.batch(guarded, rewards, signals=signals)
        got = guarded(tensor(rewards), **{name: tensor(rows) for name, rows in signals.items()})
        assert got.tolist() == [[pytest.approx(real.nearest(value), rel=1e-9) for value in row] for row in want]


@pytest.mark.parametrize("formula", BROKEN)
def test_what_some_rewards_break_is_refused_with_the_word_some(formula):
    with pytest.raises(DesignError, match=r"^d\.yaml:2:\d+: for some rewards (this is|there (is|are)) ") as error:
        design(formula).check(N)
    assert str(error.value).endswith("\nhint: say what such a group gets: `flat: 0` under `advantage:`")


# No rewards break these, and it takes algebra to see it.
NOT_SEEN = {
    "1 / (r**2 - r + 1)": "2:13: I cannot see that 'r**2 - r + 1' is never 0",
    "sqrt(r**2 - 2 * r + 1)": "2:13: I cannot see that 'r**2 - 2 * r + 1' is never negative",
    "log(r**2 + r + 1)": "2:13: I cannot see that 'r**2 + r + 1' is always above 0",
    "mean(length, where=r >= mean(r))": "2:13: I cannot see that there always is a value for this mean",
}


@pytest.mark.parametrize("formula", NOT_SEEN)
def test_what_is_not_seen_is_not_called_a_mistake(formula):
    with pytest.raises(DesignError) as error:
        design(formula).check(N)
    assert str(error.value).startswith(f"d.yaml:{NOT_SEEN[formula]}\n")
    assert "\nhint: guard it, `... if " in str(error.value) and "; or say what such a group gets" in str(error.value)


def test_a_let_and_its_text_are_the_same_formula():
    named = "let:\n  spread: std(r)\n  z: (r - mean(r)) / spread\nadvantage: z if std(r) > 0 else 0\n"
    shaping.loads(named).check(N)
    shaping.loads(named.replace("if std(r)", "if spread").replace("/ spread", "/ std(r)")).check(N)
    with pytest.raises(DesignError, match="for some rewards this is a division by zero"):
        shaping.loads(named.replace("if std(r)", "if std(r, ddof=1) + 1")).check(N)


def test_keep_is_a_guard_of_the_advantage():
    # groups whose rewards are alike are not kept, and get 0: (1 - 1/2) / (1/2)
    kept = shaping.loads("keep: std(r) > 0\nadvantage: (r - mean(r)) / std(r)")
    kept.check(2)
    assert kept(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist() == [[1, -1], [0, 0]]


def test_the_guard_of_one_answer_says_nothing_of_the_others():
    with pytest.raises(DesignError, match=r"^d\.yaml:2:18: for some rewards this is a division by zero"):
        design("mean(1 / length) if length > 0 else 0").check(N)
    design("mean(1 / length) if min(length) > 0 else 0").check(N)


def test_and_and_or_look_at_their_second_side_only_where_the_first_does_not_decide():
    # no correct answer: n_neg / n_pos has no value, and is not looked at
    for formula, rewards, value in (
        ("n_pos == 0 or n_neg / n_pos > 2", [0, 0, 0, 0], 1),
        ("n_pos == 0 or n_neg / n_pos > 2", [1, 1, 0, 0], 0),
        ("n_pos > 0 and n_neg / n_pos > 2", [0, 0, 0, 0], 0),
        ("n_pos > 0 and n_neg / n_pos > 2", [1, 0, 0, 0], 1),
        ("min(r) <= 0 or log(min(r)) > 0", [2, 0, 0, 0], 1),
        ("min(r) <= 0 or log(min(r)) > 0", [2, 2, 3, 3], 1),
        ("min(r) <= 0 or log(min(r)) > 0", [1, 1, 1, 1], 0),
    ):
        either = design(f"({formula}) + 0 * r")
        assert either(torch.tensor([rewards]).float()).tolist() == [[value] * 4], formula
        assert exact.advantages(either, rewards) == [value] * 4, formula


def test_a_guard_that_rounds_is_an_error_and_no_infinity():
    # std is 5e-23 and its square no float32: the exact value is 4e44, beyond it too
    guarded = shaping.loads("advantage: 1 / std(r) ** 2 if std(r) > 0 else 0")
    guarded.check(2)
    with pytest.raises(DesignError, match="a formula left the range of torch.float32"):
        guarded(torch.tensor([[1e-22, 0.0]]))
