"""The YAML around the formulas: what a file may say, and what is told, and where, when it says something else."""

from fractions import Fraction as F
from textwrap import dedent

import pytest
import shaping
from shaping import exact
from shaping.errors import DesignError

MISTAKES = {
    # ------------------------------------------------------------ not a design at all
    "an empty file": (
        "",
        """
        d.yaml:1:1: the file is empty
        hint: a design needs at least `advantage: <formula>`
        """,
    ),
    "nothing but comments": (
        "# advantage: r\n",
        """
        d.yaml:1:1: the file is empty
        hint: a design needs at least `advantage: <formula>`
        """,
    ),
    "a list": (
        "- advantage: r\n",
        """
        d.yaml:1:1: a design is a mapping of keys
          1 | - advantage: r
              ^
        hint: start with `name: ...`
        """,
    ),
    "no advantage": (
        "name: x\n",
        """
        d.yaml:1:1: a design needs `advantage:`
          1 | name: x
              ^
        hint: say what an answer gets: `advantage: r - mean(r)`
        """,
    ),
    "a bracket that never closes": (
        "name: x\nadvantage: {each: r\n",
        """
        d.yaml:3:1: not YAML: expected ',' or '}', but got '<stream end>'
          3 |
              ^
        """,
    ),
    "a colon in the middle": (
        "advantage: r: 1\n",
        """
        d.yaml:1:13: not YAML: mapping values are not allowed here
          1 | advantage: r: 1
                          ^
        """,
    ),
    "a control character": (
        "advantage: r # \a\n",
        """
        d.yaml:1:16: not YAML: special characters are not allowed
          1 | advantage: r # \a
                             ^
        """,
    ),
    # ------------------------------------------------------------ YAML that could hide something
    "an anchor": (
        "name: &n x\nadvantage: r\n",
        """
        d.yaml:1:7: a YAML anchor has no meaning in a design
          1 | name: &n x
                    ^^
        hint: write the value out
        """,
    ),
    "an alias": (
        "advantage: r\nname: *n\n",
        """
        d.yaml:2:7: a YAML alias has no meaning in a design
          2 | name: *n
                    ^^
        hint: write the value out
        """,
    ),
    "a tag": (
        "advantage: !!python/name:os.system r\n",
        """
        d.yaml:1:12: a YAML tag has no meaning in a design
          1 | advantage: !!python/name:os.system r
                         ^^^^^^^^^^^^^^^^^^^^^^^
        hint: write the value out
        """,
    ),
    "a second document": (
        "advantage: r\n---\nadvantage: 0\n",
        """
        d.yaml:2:1: a second document in one file
          2 | ---
              ^^^
        hint: one design a file
        """,
    ),
    "a merge key": (
        "<<: {advantage: r}\n",
        """
        d.yaml:1:1: unknown key '<<' in a design
          1 | <<: {advantage: r}
              ^^
        hint: keys here: advantage, correct, let, name, params
        """,
    ),
    "a key that is a list": (
        "? [a, b]\n: r\n",
        """
        d.yaml:1:3: a key is one word
          1 | ? [a, b]
                ^^^^^^
        """,
    ),
    # ------------------------------------------------------------ keys
    "an unknown key with a near miss": (
        "name: x\nadvantages: r\n",
        """
        d.yaml:2:1: unknown key 'advantages' in a design
          2 | advantages: r
              ^^^^^^^^^^
        hint: did you mean 'advantage'? keys here: advantage, correct, let, name, params
        """,
    ),
    "an unknown key far from any": (
        "advantage: r\nlearning_rate: 1\n",
        """
        d.yaml:2:1: unknown key 'learning_rate' in a design
          2 | learning_rate: 1
              ^^^^^^^^^^^^^
        hint: keys here: advantage, correct, let, name, params
        """,
    ),
    "a duplicate key": (
        "advantage: r\nname: x\nadvantage: 0\n",
        """
        d.yaml:3:1: duplicate key 'advantage', first given on line 1
          3 | advantage: 0
              ^^^^^^^^^
        hint: keep one of the two
        """,
    ),
    "a duplicate key in other quotes, one level down": (
        "let:\n  a: 1\n  'a': 2\nadvantage: r\n",
        """
        d.yaml:3:4: duplicate key 'a', first given on line 2
          3 |   'a': 2
                 ^
        hint: keep one of the two
        """,
    ),
    "a name that is a list": (
        "name: [a]\nadvantage: r\n",
        """
        d.yaml:1:7: 'name' is one word
          1 | name: [a]
                    ^^^
        """,
    ),
    # ------------------------------------------------------------ advantage
    "an advantage without a formula": (
        "advantage:\nname: x\n",
        """
        d.yaml:1:11: cannot read 'advantage' as a formula
          1 | advantage:
                        ^
        hint: write a formula here; 0 is one
        """,
    ),
    "an advantage that is a list": (
        "advantage: [r]\n",
        """
        d.yaml:1:12: 'advantage' is one formula
          1 | advantage: [r]
                         ^^^
        hint: write it on one line
        """,
    ),
    "a misspelt branch": (
        "advantage:\n  corect: 1\n  wrong: 0\n",
        """
        d.yaml:2:3: unknown key 'corect' under 'advantage'
          2 |   corect: 1
                ^^^^^^
        hint: did you mean 'correct'? keys here: correct, each, flat, wrong
        """,
    ),
    "correct without wrong": (
        "advantage: {correct: 1, flat: 0}\n",
        """
        d.yaml:1:12: 'advantage' has correct
          1 | advantage: {correct: 1, flat: 0}
                         ^^^^^^^^^^^^^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "each beside correct": (
        "advantage: {each: r, correct: 1}\n",
        """
        d.yaml:1:12: 'advantage' has correct and each
          1 | advantage: {each: r, correct: 1}
                         ^^^^^^^^^^^^^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "flat alone": (
        "advantage: {flat: 0}\n",
        """
        d.yaml:1:12: 'advantage' has no formula
          1 | advantage: {flat: 0}
                         ^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "a mistake in wrong": (
        "advantage:\n  correct: 1\n  wrong:   -n_poz\n",
        """
        d.yaml:3:13: unknown name 'n_poz' in 'advantage.wrong'
          3 |   wrong:   -n_poz
                          ^^^^^
        hint: did you mean 'n_pos'? names here: N, correct, n_neg, n_pos, p, r, score
        """,
    ),
    "a mistake in flat, after a tab": (
        'advantage:\n  each: 1\n  flat: "0 +\tq"\n',
        """
        d.yaml:3:14: unknown name 'q' in 'advantage.flat'
          3 |   flat: "0 +\tq"
                          \t^
        hint: names here: N, correct, n_neg, n_pos, p, r, score
        """,
    ),
    # ------------------------------------------------------------ let
    "a circle of three": (
        "let:\n  a: b + 1\n  b: 2 * c\n  c: sqrt(a)\nadvantage: r + a\n",
        """
        d.yaml:4:11: 'let' goes in a circle: a → b → c → a
          4 |   c: sqrt(a)
                        ^
        hint: define one of them without the others
        """,
    ),
    "a circle of one, behind an innocent name": (
        "let: {a: b, b: b}\nadvantage: a\n",
        """
        d.yaml:1:16: 'let' goes in a circle: b → b
          1 | let: {a: b, b: b}
                             ^
        hint: define one of them without the others
        """,
    ),
    "a mistake in a let that nothing uses": (
        "let:\n  unused: nope\nadvantage: r\n",
        """
        d.yaml:2:11: unknown name 'nope' in 'let.unused'
          2 |   unused: nope
                        ^^^^
        hint: names here: N, correct, n_neg, n_pos, p, r, score, unused
        """,
    ),
    "a let that is a signal": (
        "let: {r: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'r' already means something in every design
          1 | let: {r: 1}
                    ^
        hint: choose another name
        """,
    ),
    "a let that is a function": (
        "let:\n  mean: 1\nadvantage: r\n",
        """
        d.yaml:2:3: 'mean' already means something in every design
          2 |   mean: 1
                ^^^^
        hint: choose another name
        """,
    ),
    "a let that is a parameter": (
        "params: {k: 1}\nlet: {k: 2}\nadvantage: k\n",
        """
        d.yaml:2:7: 'k' is already a parameter
          2 | let: {k: 2}
                    ^
        hint: choose another name
        """,
    ),
    "a let with a blank in its name": (
        "let: {hard group: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'hard group' cannot be a name
          1 | let: {hard group: 1}
                    ^^^^^^^^^^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "a let in Greek": (
        "let: {σ: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'σ' cannot be a name
          1 | let: {σ: 1}
                    ^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "an empty let": (
        "let:\nadvantage: r\n",
        """
        d.yaml:1:1: 'let' is a mapping of names
          1 | let:
              ^^^
        hint: write:  let:
                  name: formula
        """,
    ),
    # ------------------------------------------------------------ params
    "a parameter called lambda": (
        "params: {lambda: 0.9}\nadvantage: r\n",
        """
        d.yaml:1:10: 'lambda' cannot be a name
          1 | params: {lambda: 0.9}
                       ^^^^^^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "a parameter that is a signal": (
        "params: {N: 8}\nadvantage: r\n",
        """
        d.yaml:1:10: 'N' already means something in every design
          1 | params: {N: 8}
                       ^
        hint: choose another name
        """,
    ),
    "params that are a number": (
        "params: 4\nadvantage: r\n",
        """
        d.yaml:1:9: 'params' is a mapping
          1 | params: 4
                      ^
        hint: for example: params: {k: 4}
        """,
    ),
    "a parameter without a default": (
        "params: {k: {range: [1, N]}}\nadvantage: r\n",
        """
        d.yaml:1:10: parameter 'k' has no default
          1 | params: {k: {range: [1, N]}}
                       ^
        hint: add `default: <number>`
        """,
    ),
    "a parameter with an unknown key": (
        "params:\n  k: {defalt: 1}\nadvantage: r\n",
        """
        d.yaml:2:7: unknown key 'defalt' for parameter 'k'
          2 |   k: {defalt: 1}
                    ^^^^^^
        hint: did you mean 'default'? keys here: default, range
        """,
    ),
    "a parameter that is a list": (
        "params: {k: [1, 2]}\nadvantage: r\n",
        """
        d.yaml:1:13: parameter 'k' is one number
          1 | params: {k: [1, 2]}
                          ^^^^^^
        """,
    ),
    "a parameter that depends on the group": (
        "params: {k: N}\nadvantage: r\n",
        """
        d.yaml:1:13: unknown name 'N' in 'params.k'
          1 | params: {k: N}
                          ^
        hint: names here: none
        """,
    ),
    "an irrational parameter": (
        "params: {k: sqrt(2)}\nadvantage: r\n",
        """
        d.yaml:1:13: parameter 'k' is a plain number
          1 | params: {k: sqrt(2)}
                          ^^^^^^^
        hint: for example 0.5 or 1/3
        """,
    ),
    "a parameter without a value": (
        "params: {k: 1 / (3 - 3)}\nadvantage: r\n",
        """
        d.yaml:1:13: division by zero
          1 | params: {k: 1 / (3 - 3)}
                          ^^^^^^^^^^^
        """,
    ),
    "a range of one": (
        "params: {k: {default: 1, range: [1]}}\nadvantage: r\n",
        """
        d.yaml:1:33: the range of 'k' is two bounds
          1 | params: {k: {default: 1, range: [1]}}
                                              ^^^
        hint: for example: range: [1, N]
        """,
    ),
    "a range over another name": (
        "params: {k: {default: 1, range: [1, n_pos]}}\nadvantage: r\n",
        """
        d.yaml:1:37: unknown name 'n_pos' in 'params.k.range'
          1 | params: {k: {default: 1, range: [1, n_pos]}}
                                                  ^^^^^
        hint: names here: N
        """,
    ),
    # ------------------------------------------------------------ correct
    "a verdict over the reward": (
        "correct: r > 0.5\nadvantage: correct\n",
        """
        d.yaml:1:10: unknown name 'r' in 'correct'
          1 | correct: r > 0.5
                       ^
        hint: names here: score
        """,
    ),
    "a verdict that is the same for all": (
        "correct: 1\nadvantage: correct\n",
        """
        d.yaml:1:10: 'correct' does not look at the answer
          1 | correct: 1
                       ^
        hint: use `score`: score > 0.5
        """,
    ),
    "a verdict that compares answers": (
        "correct: score > mean(score)\nadvantage: correct\n",
        """
        d.yaml:1:18: 'correct' looks at other answers
          1 | correct: score > mean(score)
                               ^^^^^^^^^^^
        hint: each answer is judged by its own score; compare groups in `advantage`
        """,
    ),
    "a verdict that is a mapping": (
        "correct: {above: 1}\nadvantage: correct\n",
        """
        d.yaml:1:10: 'correct' is one formula over `score`
          1 | correct: {above: 1}
                       ^^^^^^^^^^
        hint: for example: correct: score > 0.5
        """,
    ),
}


def message(text, path="d.yaml", **params):
    with pytest.raises(DesignError) as error:
        shaping.loads(text, path, **params)
    return str(error.value)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_told_at_its_place(mistake):
    text, expected = MISTAKES[mistake]
    expected = dedent(expected).strip("\n")
    assert [line.rstrip() for line in message(text).split("\n")] == expected.split("\n")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_windows_line_ends_change_no_message(mistake):
    text, _ = MISTAKES[mistake]
    assert message(text.replace("\n", "\r\n")) == message(text)


# ---------------------------------------------------------------- where a formula stands

COSTUMES = {
    "plain": ("advantage: 1 - q\n", "1:16"),
    "plain, over two lines": ("advantage: 1 -\n  q\n", "2:3"),
    "in double quotes": ('advantage: "1 - q"\n', "1:17"),
    "in single quotes": ("advantage: '1 - q'\n", "1:17"),
    "in quotes over two lines": ('advantage: "1 -\n\n    q"\n', "3:5"),
    "in quotes with an escape": ('advantage: "\\x31 - q"\n', "1:20"),
    "literal": ("advantage: |\n  1\n    - q\n", "3:7"),
    "folded": ("advantage: >\n  1 -\n\n  q\n", "4:3"),
    "folded, stripped, beginning with a minus": ("advantage: >-\n  -q\n", "2:4"),
    "literal, with an indentation that is a number": ("advantage: |2-\n    2 - q\n", "2:9"),
    "folded, under a comment": ("advantage: > # 1 - q\n  1 - q\n", "2:7"),
    "literal, under a comment and an empty line": ("advantage: | # q\n\n  1 - q\n", "3:7"),
    "in a flow mapping": ("{name: q, advantage: {each: 1 - q}}", "1:33"),
    "after a key in quotes": ("'advantage': 1 - q\n", "1:18"),
    "after an explicit key": ("? advantage\n: 1 - q\n", "2:7"),
    "after a comment in Japanese": ("# 日本語 q\nadvantage: 1 - q\n", "2:16"),
    "without a line end": ("advantage: 1 - q", "1:16"),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["Unix", "Windows"])
@pytest.mark.parametrize("costume", COSTUMES)
def test_however_a_formula_is_written_the_caret_stands_under_the_mistake(costume, end):
    text, position = COSTUMES[costume]
    head, picture, carets, *_ = message(text.replace("\n", end)).split("\n")
    assert head.startswith(f"d.yaml:{position}: unknown name 'q' in 'advantage")
    assert picture[carets.index("^")] == "q" and carets.count("^") == 1


def test_an_unfinished_formula_in_a_block_is_unfinished_on_its_own_line():
    assert message("advantage: |\n  r -\nname: x\n").startswith("d.yaml:2:6: cannot read 'advantage' as a formula\n  2 |   r -\n")


# ---------------------------------------------------------------- files


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DesignError, match=r"/none\.yaml: cannot read the design: No such file or directory$"):
        shaping.load(tmp_path / "none.yaml")


def test_a_folder_is_no_design(tmp_path):
    with pytest.raises(DesignError, match=r": cannot read the design: Is a directory$"):
        shaping.load(tmp_path)


def test_a_file_that_is_not_text_is_no_design(tmp_path):
    (tmp_path / "d.yaml").write_bytes(b"advantage: \xff\n")
    with pytest.raises(DesignError, match=r"d\.yaml: cannot read the design: not a file of UTF-8 text$"):
        shaping.load(tmp_path / "d.yaml")


def test_a_design_is_called_what_it_says_or_after_its_file(tmp_path):
    (tmp_path / "plain.yaml").write_text("advantage: r\n")
    assert shaping.load(tmp_path / "plain.yaml").name == "plain"
    assert shaping.loads("name: 010\nadvantage: r\n").name == "010"


def test_a_byte_order_mark_and_a_document_start_are_read_over(tmp_path):
    (tmp_path / "d.yaml").write_bytes(b"\xef\xbb\xbf%YAML 1.1\n---\nadvantage: 1 + 1\n")
    assert exact.advantages(shaping.load(tmp_path / "d.yaml"), [1, 0]) == [2, 2]


@pytest.mark.parametrize(
    "text",
    ["advantage: " + "[" * 5_000, "a: " * 30_000, "advantage: " + "{a: " * 5_000, "- " * 20_000, "x" * 70_000, "? " * 10_000],
    ids=["brackets", "colons", "braces", "dashes", "length", "questions"],
)
@pytest.mark.usefixtures("soon")
def test_hostile_yaml_ends_in_a_design_error_and_soon(text):
    with pytest.raises(DesignError, match=r"^d\.yaml:"):
        shaping.loads(text, "d.yaml")


# ---------------------------------------------------------------- parameters, and the text that is sent on

PARAMS = """\
# keep me
params:
  k: {default: 4, range: [1, N]}   # draws
  scale: "0.1"
  w: 1/3                           # a third
advantage: (k + scale) * correct + w
"""


def values(design):
    return {name: param.value for name, param in design.params.items()}


def test_parameters_are_exactly_what_is_written():
    assert values(shaping.loads(PARAMS)) == {"k": 4, "scale": F(1, 10), "w": F(1, 3)}


@pytest.mark.parametrize(
    ("given", "number"),
    [(8, 8), ("8", 8), ("010", 10), (0.1, F(1, 10)), (1e-7, F(1, 10**7)), ("2/6", F(1, 3)), (F(1, 3), F(1, 3)), ("-2", -2)],
)
def test_a_parameter_may_be_set_by_number_or_text(given, number):
    assert values(shaping.loads(PARAMS, scale=given)) == {"k": 4, "scale": number, "w": F(1, 3)}


@pytest.mark.parametrize("k", [1, "3", "- 3", " 2 ", "1 +\n1", "(\n3)", "3.0", "1e0", 0.25, "1/7", -1])
@pytest.mark.parametrize("name", ["k", "scale", "w"])
def test_the_resolved_text_loads_again_and_means_the_same(name, k):
    chosen = shaping.loads(PARAMS, **{name: k})
    again = shaping.loads(chosen.resolved)
    assert values(again) == values(chosen) != values(shaping.loads(PARAMS))
    assert exact.advantages(again, [1, 0]) == exact.advantages(chosen, [1, 0])
    assert again.resolved == chosen.resolved


def test_the_resolved_text_keeps_comments_quotes_and_layout():
    assert shaping.loads(PARAMS, w=2, k=8, scale=5).resolved == dedent("""\
        # keep me
        params:
          k: {default: 8, range: [1, N]}   # draws
          scale: "5"
          w: 2                           # a third
        advantage: (k + scale) * correct + w
        """)
    assert shaping.loads(PARAMS).resolved == PARAMS


def test_a_parameter_the_design_does_not_have_is_refused():
    assert message(PARAMS, scal=1) == "d.yaml: no parameter 'scal' to set\nhint: did you mean 'scale'? parameters: k, scale, w"
    assert message("advantage: r", k=1) == "d.yaml: no parameter 'k' to set\nhint: this design has no parameters"


@pytest.mark.parametrize("name", ["text", "path", "params", "self", "source"])
def test_no_parameter_is_mistaken_for_an_argument_of_ours(tmp_path, name):
    (tmp_path / "d.yaml").write_text("advantage: r")
    with pytest.raises(DesignError, match=f"no parameter '{name}' to set"):
        shaping.load(tmp_path / "d.yaml", **{name: 1})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("four", "--advantage-param k=:1:1: unknown name 'four' in 'params.k'\n  1 | four\n      ^^^^\nhint: names here: none"),
        ("1 2", "--advantage-param k=:1:3: cannot read 'params.k' as a formula\n  1 | 1 2\n        ^\n"),
        ("", "--advantage-param k=:1:1: cannot read 'params.k' as a formula\n  1 | \n      ^\nhint: write a formula here; 0 is one"),
        (None, "--advantage-param k=:1:1: 'None' in 'params.k' is not a number of the language\n"),
        (True, "--advantage-param k=:1:1: 'True' in 'params.k' is not a number of the language\n"),
        (float("nan"), "--advantage-param k=:1:1: unknown name 'nan' in 'params.k'\n"),
        ("8 # x", "--advantage-param k=:1:3: a comment inside 'params.k'\n"),
    ],
)
def test_a_parameter_that_is_no_number_is_told_as_it_was_given(given, expected):
    assert message(PARAMS, k=given).startswith(expected)


@pytest.mark.parametrize("k", [0, 5, -1, "9/2"])
def test_a_parameter_out_of_its_range_is_told_once_the_group_is_known(k):
    design = shaping.loads(PARAMS, "d.yaml", k=k)
    with pytest.raises(DesignError) as error:
        design.check(4)
    assert str(error.value) == (
        f"d.yaml:3:16: k = {k} is outside 1..4, its range for groups of N = 4\n"
        "  3 |   k: {default: 4, range: [1, N]}   # draws\n"
        "                     ^\n"
        "hint: set it with --advantage-param k=..."
    )


def test_the_bounds_of_a_range_are_inside_it():
    for k in (1, 8, "15/2"):
        shaping.loads(PARAMS, k=k).check(8)
