"""The YAML around the formulas: where a formula stands, which files are read, which parameters may be set."""

from fractions import Fraction as F
from textwrap import dedent

import pytest
from samples import message

import shaping
from shaping.errors import DesignError, commanded
from shaping.groups import exact

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
    assert message("advantage: |\n  r -\nname: x\n").startswith(
        "d.yaml:2:6: cannot read 'advantage' as a formula\n  2 |   r -\n"
    )


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
    [
        "advantage: " + "[" * 5_000,
        "a: " * 30_000,
        "advantage: " + "{a: " * 5_000,
        "- " * 20_000,
        "x" * 70_000,
        "? " * 10_000,
    ],
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
    [
        (8, 8),
        ("8", 8),
        ("010", 10),
        (0.1, F(1, 10)),
        (1e-7, F(1, 10**7)),
        ("2/6", F(1, 3)),
        (F(1, 3), F(1, 3)),
        ("-2", -2),
    ],
)
def test_a_parameter_may_be_set_by_number_or_text(given, number):
    assert values(shaping.loads(PARAMS, scale=given)) == {"k": 4, "scale": number, "w": F(1, 3)}


@pytest.mark.parametrize("k", [1, "3", "- 3", " 2 ", "1 +\n1", "(\n3)", "3.0", "1e0", -1])
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
    assert (
        message(PARAMS, scal=1)
        == "d.yaml: no parameter 'scal' to set\nhint: did you mean 'scale'? parameters: k, scale, w"
    )
    assert message("advantage: r", k=1) == "d.yaml: no parameter 'k' to set\nhint: this design has no parameters"


@pytest.mark.parametrize("name", ["text", "path", "params", "self", "source"])
def test_no_parameter_is_mistaken_for_an_argument_of_ours(tmp_path, name):
    (tmp_path / "d.yaml").write_text("advantage: r")
    with pytest.raises(DesignError, match=f"no parameter '{name}' to set"):
        shaping.load(tmp_path / "d.yaml", **{name: 1})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "four",
            "k=:1:1: unknown name 'four' in 'params.k'\n  1 | four\n      ^^^^\n",
        ),
        ("1 2", "k=:1:3: cannot read 'params.k' as a formula\n  1 | 1 2\n        ^\n"),
        (
            "",
            "k=:1:1: cannot read 'params.k' as a formula\n  1 | \n      ^\n",
        ),
        (None, "k=:1:1: 'None' in 'params.k' is not a number of the language\n"),
        (True, "k=:1:1: 'True' in 'params.k' is not a number of the language\n"),
        (float("nan"), "k=:1:1: unknown name 'nan' in 'params.k'\n"),
        ("8 # x", "k=:1:3: a comment inside 'params.k'\n"),
    ],
)
def test_a_parameter_that_is_no_number_is_told_as_it_was_given(given, expected):
    assert message(PARAMS, k=given).startswith(expected)


@pytest.mark.parametrize(
    "given", ["1e5000", "10**5000", 10**5000, "10**10**10"], ids=["1e5000", "a power", "a whole number", "a tower"]
)
def test_a_parameter_of_thousands_of_digits_is_refused(given):
    assert "scale" in message(PARAMS, scale=given)


@pytest.mark.parametrize("k", [0.25, "1/7", "5/2"])
def test_a_fraction_is_no_value_of_a_parameter_that_counts(k):
    number = F(k)
    assert message(PARAMS, k=k) == (
        f"k=:1:1: k = {number} is no whole number, and 'k' counts\n"
        f"  1 | {k}\n"
        f"      {'^' * len(str(k))}\n"
        "hint: a whole number; or `kind: real` for 'k'"
    )
    real = PARAMS.replace("range: [1, N]", "range: [0, N], kind: real")
    chosen = shaping.loads(real, k=k)
    assert chosen.params["k"].value == number and shaping.loads(chosen.resolved).params["k"].value == number


@pytest.mark.parametrize("k", [0, 5, -1])
def test_a_parameter_out_of_its_range_is_told_once_the_group_is_known(k):
    design = shaping.loads(PARAMS, "d.yaml", k=k)
    with pytest.raises(DesignError) as error:
        design.check(4)
    assert str(error.value) == (
        f"d.yaml:3:16: k = {k} is outside 1..4, its range for groups of N = 4\n"
        "  3 |   k: {default: 4, range: [1, N]}   # draws\n"
        "                     ^\n"
        "hint: set it with k=..."
    )


@pytest.mark.parametrize("flag", ["--param", "--advantage-param"])
def test_a_command_names_the_flag_that_sets_a_parameter(flag):
    with commanded(flag):
        with pytest.raises(DesignError, match=f"\nhint: set it with {flag} k=...$"):
            shaping.loads(PARAMS, "d.yaml", k=9).check(4)
        assert message(PARAMS, k="four").startswith(f"{flag} k=:1:1: unknown name 'four' in 'params.k'\n")


def test_the_bounds_of_a_range_are_inside_it():
    for k in (1, 8):
        shaping.loads(PARAMS, k=k).check(8)
