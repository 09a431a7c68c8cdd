"""A name or a sign that another language has is answered with ours, and every answer is one that can be read."""

import re

import pytest
from samples import message

import shaping
from shaping.errors import DesignError
from shaping.language import instead
from shaping.language.vocabulary import FUNCTIONS, REDUCTIONS, RESERVED, SIGNALS

TRIED = {
    "median(r)": "write quantile(r, 0.5)",
    "ln(r + 1)": "write log(...)",
    "ceil(r)": "write -floor(-x)",
    "where(r > 0, 1, 0)": "a choice is written: a if condition else b",
    "avg(r)": "write mean(...)",
    "average(r)": "write mean(...)",
    "softmax(r)": "write exp(x - max(x)) / sum(exp(x - max(x)))",
    "relu(r)": "write max(x, 0)",
    "pow(r, 2)": "a power is written **: x ** 2",
    "len(r)": "it is a count of conditions: count(c), of all answers N",
    "sort(r)": "answers have no order: rank(r) is each one's place, quantile(r, 0.9) a value among them",
    "C(n_pos, 2)": "write binomial(n, k)",
    "advantage * 2": "it is what is being defined; under `token:` it is A",
    "rewards - 1": "an answer's reward is r",
    "reward - 1": "an answer's reward is r; under `draws:` `reward` is that of a draw",
    "accuracy": "the share of correct answers is p",
    "entropy": "surprisal is -logprob; mean(surprisal) estimates the policy's entropy",
    "r if True else 0": "write 1",
    "!correct": "write: not",
    "r > 0 && p > 0": "write: and, or, not",
    "r > 0 || p > 0": "write: and, or, not",
    "r ^ 2": "a power is written **",
    "r % 2": "write a - b * floor(a / b)",
    "r // 2": "write floor(a / b)",
    "(r > 0) & (p > 0)": "write: and",
    "(r > 0) | (p > 0)": "write: or",
    "~correct": "write: not",
    "r > 0 ? 1 : 0": "a choice is written: a if condition else b",
    "if r > 0 then 1 else 0": "a choice is written: a if condition else b",
    "2r": "a product has its sign: 2 * r",
    "2(r - 1)": "a product has its sign: 2 * r",
    "|r|": "an absolute value is abs(...); `or` is a word",
    "r <> 1": "not equal is written !=",
    "r => 1": "write <= or >=",
    "r is 1": "two values are compared with == and !=",
    "np.mean(r)": "names have no dots: write mean(r), say",
    "np.median(r)": "write quantile(r, 0.5)",
    "r[0]": "a formula is about every answer at once: r is its own reward, mean(r) that of its group",
    "sum(x for x in r)": "a formula is about every answer at once: sum(r), count(r > 0), mean(r, where=correct)",
    "length(r)": "length is a value: write it without (...)",
    "1,000": "a number has no commas: 1000 or 1_000",
    "'text'": "a reward function reads texts, and returns a number: `signals:`",
}


@pytest.mark.parametrize("formula", TRIED)
def test_what_people_try_is_answered_with_ours(formula):
    assert message(f'advantage: "{formula}"\n').endswith(f"\nhint: {TRIED[formula]}")


def test_a_name_in_other_letters_is_recognized():
    assert "did you mean 'mean'?" in message("advantage: MEAN(r)\n")
    assert "did you mean 'N'?" in message("advantage: r / n\n")
    assert "did you mean 'r'?" in message("advantage: R - mean(R)\n")


@pytest.mark.parametrize(("table", "ours"), [("CALLS", {*FUNCTIONS, *REDUCTIONS}), ("NAMES", {*SIGNALS})])
def test_no_name_of_ours_is_answered_with_another(table, ours):
    assert not {name.lower() for name in ours} & getattr(instead, table).keys() - {"n", "p"}


# What stands for any value in a hint, and the words around a formula.
FORMULA = re.compile(r"^write (.+?)(?:, of .*|; .*|, a share .*)?$")


@pytest.mark.parametrize("name", [name for name in instead.CALLS if FORMULA.match(instead.CALLS[name])])
def test_every_formula_that_is_offered_is_one(name):
    text = FORMULA.match(instead.CALLS[name])[1].replace("(...)", "(r)")
    params = "params: {low: 0, high: 1, a: 1, b: 2, n: 4, k: 2}\n"
    params += "let: {x: r, c: r > 0}\n"
    if "count(c)" in text or "max(x)" in text or "min(x)" in text or "mean(" in text or "sum" in text:
        text = text.replace("a * b", "x * x")
    shaping.loads(f'{params}advantage: "{text} + 0 * r"\n')


SECTIONS = {
    "flat: 0\nadvantage: r": "`flat:` belongs under `advantage:`, as in  advantage: {each: ..., flat: 0}",
    "wrong: 0\nadvantage: r": "`wrong:` belongs under `advantage:`, as in  advantage: {each: ..., flat: 0}",
    "filter: n_pos > 0\nadvantage: r": "which groups or answers count is `keep:`, a condition",
    "size: 2\nadvantage: r": "`size:` belongs under `draws:`, with `size:`, `count:`, `reward:` and `advantage:`",
    "range: [1, N]\nadvantage: r": "`range:` belongs to a parameter:  params: {k: {default: 4, range: [1, N]}}",
    "zero_sum: 1\nadvantage: r": "it is a claim:  claims: [zero_sum]",
}


@pytest.mark.parametrize("text", SECTIONS)
def test_a_key_one_level_too_far_out_is_told_where_it_belongs(text):
    key = text.partition(":")[0]
    assert message(f"name: x\n{text}\n").startswith(f"d.yaml:2:1: unknown key '{key}' in a design\n")
    assert message(f"name: x\n{text}\n").endswith(f"\nhint: {SECTIONS[text]}")


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("length < 400", "an answer is judged by its score alone; what else matters goes into `advantage:`"),
        ("n_pos > 1", "an answer is judged by its score alone; what else matters goes into `advantage:`"),
        ("tools < 3", "an answer is judged by its score alone; what else matters goes into `advantage:`"),
        ("r > 0.5", "an answer is judged by its raw score, before length penalties: correct: score > 0.5"),
        ("score > least", "`correct` reads score and parameters alone: write out what 'least' stands for"),
        ("scoer > 0.5", "did you mean 'score'?"),
    ],
)
def test_correct_says_what_to_do_with_what_it_cannot_read(condition, hint):
    text = f"signals: {{tools: calls}}\nlet: {{least: 1/2}}\ncorrect: {condition}\nadvantage: r + tools\n"
    assert re.match(r"d\.yaml:3:\d+: unknown name '\w+' in 'correct'\n", message(text))
    assert f"\nhint: {hint}" in message(text)


def test_the_tables_name_nothing_that_is_reserved_twice():
    assert {"r", "mean"} <= RESERVED
    with pytest.raises(DesignError, match="names here: N$"):  # of a bound: `r` is not known there
        shaping.loads("params: {k: {default: 1, range: [1, reward]}}\nadvantage: k * r\n")
