"""Formulas: what each means, and what a reader is told about those that mean nothing."""

from fractions import Fraction as F

import pytest
from oracle import nearest_float64, over_root

import shaping
from shaping import real
from shaping.errors import DesignError
from shaping.groups import exact

# One group for every formula below. Of rewards 2, 1, 0, 1 three are correct (1 or more): N = 4, n_pos = 3, n_neg = 1,
# p = 3/4; mean 1, sum 4, squares about the mean 1 + 0 + 1 + 0 = 2.
GROUP = [2, 1, 0, 1]
POPULATION_STD = over_root(F(2, 4), F(2, 4))  # sqrt(2/4)
SAMPLE_STD = over_root(F(2, 3), F(2, 3))  # sqrt(2/3)

VALUES = [
    # numbers, as they are written
    ("7", 7),
    ("010", 10),
    ("-007.50", F(-15, 2)),
    ("0.1", F(1, 10)),
    ("0.1 + 0.2 == 0.3", 1),
    (".5", F(1, 2)),
    ("5.", 5),
    ("1e-6", F(1, 10**6)),
    ("1e-06", F(1, 10**6)),
    ("2.5E+03", 2500),
    ("1e010", 10**10),
    ("1_000", 1000),
    ("100 - 010", 90),
    # names
    ("N", 4),
    ("n_pos", 3),
    ("n_neg", 1),
    ("p", F(3, 4)),
    ("r", GROUP),
    ("score", GROUP),
    ("correct", [1, 1, 0, 1]),
    # arithmetic, with Python's precedence
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("7 - 2 - 1", 4),
    ("8 / 4 / 2", 1),
    ("1 / 3", F(1, 3)),
    ("-2 ** 2", -4),
    ("(-2) ** 2", 4),
    ("2 ** -1", F(1, 2)),
    ("2 ** 3 ** 2", 512),
    ("0 ** 0", 1),
    ("- - 3", 3),
    ("+r", GROUP),
    ("4 ** (1 / 2)", 2),
    ("r * r - r", [2, 0, 0, 0]),
    ("r ** n_pos", [8, 1, 0, 1]),
    # comparisons and logic: truth is 1, untruth 0
    ("r > 1", [1, 0, 0, 0]),
    ("r >= 1", [1, 1, 0, 1]),
    ("r < 1", [0, 0, 1, 0]),
    ("r <= 1", [0, 1, 1, 1]),
    ("r == 1", [0, 1, 0, 1]),
    ("r != 1", [1, 0, 1, 0]),
    ("0 < r < 2", [0, 1, 0, 1]),
    ("3 > 2 > 1", 1),
    ("3 > 2 > 2", 0),
    ("r and 0.5", [1, 1, 0, 1]),
    ("r or 0", [1, 1, 0, 1]),
    ("not r", [0, 0, 1, 0]),
    ("not r > 1 and correct", [0, 1, 0, 1]),
    ("r > 1 or r < 1", [1, 0, 1, 0]),
    ("1 and 2 and 0", 0),
    ("0 or 0 or 3", 1),
    ("(r > 0) * 3 + (r > 1)", [4, 3, 0, 3]),
    ("not (log(8) - 3 * log(2))", 1),
    # choices: only the branch that is taken has to have a value
    ("5 if correct else -r", [5, 5, 0, 5]),
    ("1 / r if r > 0 else -1", [F(1, 2), 1, -1, 1]),
    ("1 if r > 1 else 2 if r > 0 else 3", [1, 2, 3, 2]),
    ("sqrt(-1) if N > 99 else log(1)", 0),
    ("1 if log(8) - 3 * log(2) else 2", 2),
    # functions
    ("sqrt(16)", 4),
    ("sqrt(2) * sqrt(8)", 4),
    ("log(1)", 0),
    ("exp(0)", 1),
    ("log(exp(2)) == 2", 1),
    ("abs(r - 1)", [1, 0, 1, 0]),
    ("min(r, 1)", [1, 1, 0, 1]),
    ("max(0.5, r, n_neg)", [2, 1, 1, 1]),
    ("binomial(N, 2)", 6),
    ("binomial(n_neg - 1, 5)", 0),
    # the group
    ("sum(r)", 4),
    ("mean(r)", 1),
    ("r - mean(r)", [1, 0, -1, 0]),
    ("std(r)", POPULATION_STD),
    ("std(r, ddof=0)", POPULATION_STD),
    ("std(r, ddof=1)", SAMPLE_STD),
    ("min(r)", 0),
    ("max(r)", 2),
    ("mean(correct)", F(3, 4)),
    ("std(correct) == sqrt(p * (1 - p))", 1),
    ("sum(r > 0)", 3),
    ("std(exp(r)) > 0", 1),
    ("mean(r - mean(r))", 0),
    # layout
    ("  ( r\t-  mean( r ) )  ", [1, 0, -1, 0]),
]


def design(formula):
    return shaping.loads(f"advantage: |\n  {formula}\n", "d.yaml")


@pytest.mark.parametrize(("formula", "value"), VALUES, ids=[formula for formula, _ in VALUES])
def test_a_formula_means_what_is_written(formula, value):
    values = value if isinstance(value, list) else [value] * len(GROUP)
    got = exact.advantages(design(formula), GROUP)
    assert [real.nearest(x) for x in got] == [nearest_float64(x) for x in values]
    if isinstance(value, int | F):
        assert got == values  # not only to the nearest float


# Each: the formula, carets under what is wrong, the message, the hint if there is one.
ERRORS = """
r - men(r)
    ^^^
unknown function 'men' in 'advantage'
did you mean 'mean'? functions: abs, binomial, clip, count, exp, floor, log, log_gamma, max, max_of, max_with, max_without, mean, min, others_mean, quantile, rank, sigmoid, sign, sqrt, std, sum, tanh, var

n_poss / N
^^^^^^
unknown name 'n_poss' in 'advantage'
did you mean 'n_pos'? names here: N, P, correct, length, logprob, n_neg, n_pos, p, progress, r, score, step, surprisal, total_steps, truncated

r - baseline
    ^^^^^^^^
unknown name 'baseline' in 'advantage'
the mean reward of a group is mean(r), of the others others_mean(r)

r - mean
    ^^^^
'mean' in 'advantage' is a function
call it: mean(...)

__import__(1)
^^^^^^^^^^
unknown function '__import__' in 'advantage'
functions: abs, binomial, clip, count, exp, floor, log, log_gamma, max, max_of, max_with, max_without, mean, min, others_mean, quantile, rank, sigmoid, sign, sqrt, std, sum, tanh, var

r(1)
^
unknown function 'r' in 'advantage'
r is a value: write it without (...)

1 + sqrt(r, 2)
    ^^^^^^^^^^
'sqrt(r, 2)' in 'advantage' takes 1 argument, got 2

binomial(N)
^^^^^^^^^^^
'binomial(N)' in 'advantage' takes 2 arguments, got 1

min()
^^^^^
'min()' in 'advantage' takes 2 to 16 arguments, got 0

abs(x=r)
^^^^^^^^
'abs(x=r)' in 'advantage' takes no options
abs takes values alone

mean(r, r)
^^^^^^^^^^
'mean(r, r)' in 'advantage' takes one value to reduce, got 2 arguments

r - mean(n_pos)
         ^^^^^
'n_pos' in 'advantage' reduces over the answers of a group, but this is one value a group
use it as it is, without mean(...); over the groups of the batch: mean(..., over=batch)

r - max(2)
        ^
'2' in 'advantage' reduces over the answers of a group, but this is one value for all groups
use it as it is, without max(...)

mean(r, ddof=1)
^^^^^^^^^^^^^^^
'mean(r, ddof=1)' in 'advantage' has no option 'ddof'
options of mean: where=, over=

std(r, dof=1)
^^^^^^^^^^^^^
'std(r, dof=1)' in 'advantage' has no option 'dof'
options of std: where=, over=, ddof=

std(r, ddof=0.5)
            ^^^
'0.5' in 'advantage' is no value for ddof=
a whole number, 0 or more

std(r, ddof=-1)
            ^^
'-1' in 'advantage' is no value for ddof=
a whole number, 0 or more

std(r, ddof=1, ddof=0)
                    ^
'0' in 'advantage' gives ddof= a second time
keep one of the two

std(r, **r)
^^^^^^^^^^^
'std(r, **r)' in 'advantage' uses **
options of std: where=, over=, ddof=

p + binomial(r, 2)
    ^^^^^^^^^^^^^^
'binomial(r, 2)' in 'advantage' depends on the rewards themselves
binomial takes counts: N, n_pos, n_neg, parameters

r ^ 2
^^^^^
'r ^ 2' in 'advantage' uses ^
a power is written **

1 + r // 2
    ^^^^^^
'r // 2' in 'advantage' is not part of the language
write floor(a / b)

r is 1
^^^^^^
'r is 1' in 'advantage' is not part of the language
two values are compared with == and !=

r, r
^^^^
'r, r' in 'advantage' is not part of the language
a formula is about every answer at once: sum(r), count(r > 0), mean(r, where=correct)

2 * r[0]
    ^^^^
'r[0]' in 'advantage' is not part of the language
a formula is about every answer at once: r is its own reward, mean(r) that of its group

2 * True
    ^^^^
'True' in 'advantage' is not a number of the language
write 1

0x10 * r
^^^^
'0x10' in 'advantage' is not a number of the language
write it in decimals: 0.5, 1e-6, 16

r * 1e99999
    ^^^^^^^
'1e99999' in 'advantage' is not a number of the language
write it in decimals: 0.5, 1e-6, 16

r = 1
  ^
cannot read 'advantage' as a formula
two values are compared with ==

r && r
   ^
cannot read 'advantage' as a formula
write: and, or, not

if (r > 0): 1
^
cannot read 'advantage' as a formula
a choice is written: a if n_pos > 0 else b

r * (1 + p
    ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

r - p) / 2
     ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

r +
   ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

r if p > 0 else
               ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

2 r
  ^
cannot read 'advantage' as a formula
a product has its sign: 2 * r

r; r
 ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

r # - mean(r)
  ^
a comment inside 'advantage'
put it on a line of its own, outside

r * lambda
    ^
cannot read 'advantage' as a formula
check the parentheses and operators around this place

r − mean(r)
  ^
character '−' in 'advantage' is not part of the language
formulas are written in ASCII: - * / ** <= !=

σ * r
^
character 'σ' in 'advantage' is not part of the language
formulas are written in ASCII: - * / ** <= !=
"""
ERRORS = [block.splitlines() for block in ERRORS.strip("\n").split("\n\n")]


@pytest.mark.parametrize(
    ("formula", "carets", "message", "hint"), [(*e, None)[:4] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_a_mistake_is_told_at_its_place(formula, carets, message, hint):
    column = 3 + carets.index("^")  # two blanks of indentation, and columns count from 1
    picture = f"  2 |   {formula}\n        {carets}"
    with pytest.raises(DesignError) as error:
        design(formula)
    assert str(error.value) == f"d.yaml:2:{column}: {message}\n{picture}" + (f"\nhint: {hint}" if hint else "")


def test_a_comment_inside_a_formula_is_refused_and_does_not_cut_off_what_follows():
    with pytest.raises(DesignError, match=r"^d\.yaml:2:5: a comment inside 'advantage'\n"):
        design("r # the reward\n  - mean(r)")


def test_a_formula_over_two_lines_is_wrong_where_it_is_wrong():
    with pytest.raises(DesignError) as error:
        design("r -\n    mean(q)")
    assert str(error.value).startswith("d.yaml:3:10: unknown name 'q'")
    assert "  3 |     mean(q)\n               ^\n" in str(error.value)


HOSTILE = {
    "an attribute": "r.__class__.__mro__",
    "a lambda": "(lambda: 1)()",
    "a string": "'a' * 10**9",
    "an f-string": "f'{r!r:>{10**9}}'",
    "bytes": "b'1'",
    "a comprehension": "sum(x for x in r)",
    "a walrus": "(x := 1)",
    "a starred argument": "max(*r)",
    "await": "await r",
    "yield": "(yield)",
    "an ellipsis": "...",
    "a dictionary": "{1: 2}",
    "a call of a call": "max(r)(1)",
    "a backslash": "r \\ + 1",
    "a statement": "import os",
    "two expressions": "r\n  r",
    "three hundred parentheses": "(" * 300 + "1" + ")" * 300,
    "parentheses that never close": "(" * 3_000,
    "three thousand minus signs": "-" * 3_000 + "1",
    "a tower of nots": "not " * 900 + "1",
    "a sum of two thousand": "+".join(["1"] * 2_000),
    "a tower of powers": "**".join(["2"] * 1_300),
    "a tower of choices": "1 if r else " * 300 + "1",
    "four thousand digits and more": "9" * 4_001,
    "a very long formula": "r" + " + r" * 2_000,
    "a number of ten billion digits": "10**10**10",
    "one over it": "1 / 10**10**10",
    "a binomial of a billion": "binomial(10**9, 5 * 10**8)",
    "ninety large binomials": "n_pos" + " + binomial(10**6, 50000)" * 90,
    "an exponential of an exponential": "exp(exp(100))",
    "an exponential below every float": "correct / exp(-exp(100))",
    "a comparison of two of them": "exp(exp(100)) > exp(exp(101))",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.usefixtures("soon")
def test_hostile_formulas_end_in_a_design_error_and_soon(what):
    with pytest.raises(DesignError, match=r"^d\.yaml:\d+:\d+: "):
        design(HOSTILE[what]).check(8)


LETS = {
    "each the square of the last": ("N + 1", "{0} * {0}"),
    "each a deep formula over the last": ("n_pos", "-(" * 90 + "{0}" + ")" * 90),
    "each the last plus one": ("r", "{0} + 1"),
}


@pytest.mark.parametrize("what", LETS)
@pytest.mark.usefixtures("soon")
def test_four_hundred_lets_end_in_a_design_error_and_soon(what):
    first, rule = LETS[what]
    lets = [f"  a0: {first}"] + [f"  a{i + 1}: {rule.format(f'a{i}')}" for i in range(400)]
    with pytest.raises(DesignError):
        shaping.loads("\n".join(["let:", *lets, "advantage: a400"])).check(4)


@pytest.mark.parametrize("first", ["r", "n_pos", "log(n_pos + 2)", "sqrt(n_pos) + sqrt(2)"])
@pytest.mark.usefixtures("soon")
def test_a_let_used_twice_by_each_next_one_is_computed_once(first):
    lets = [f"  a0: {first}"] + [f"  a{i + 1}: a{i} + a{i}" for i in range(40)]
    doubled = shaping.loads("\n".join(["let:", *lets, "advantage: a40 > 2**40"]))
    doubled.check(4)
    # rewards 1, 1, 1, 0: r is 1, 1, 1, 0; n_pos is 3; log 5 is 1.6; sqrt 3 + sqrt 2 is 3.1; compared with 1
    expected = {"r": [0, 0, 0, 0]}.get(first, [1, 1, 1, 1])
    assert exact.advantages(doubled, [1, 1, 1, 0]) == expected
