"""The page of `python -m shaping report`: its data against exact.py, what it refuses, what it never overwrites."""

import json
import os
import re
from fractions import Fraction as F
from math import comb
from pathlib import Path

import pytest

import shaping
from shaping import real
from shaping.errors import DesignError
from shaping.groups import exact
from shaping.proofs.judge import Judgement
from shaping.views.describe import comment, formulas, reads
from shaping.views.report import SIZES, cell, report, shown
from shaping.views.typeset import typeset

CONFIGS = Path(__file__).parents[1] / "configs"
STRANGER = """# </script><script>alert(1)</script> <img src=x onerror=alert(2)>. Source: nowhere.
name: <b onclick=alert(3)>bold</b>
params: {k: {default: 2, range: [1, N]}}
let:
  half: r / 2   # <!-- <script>
advantage: half - mean(half)
"""


def data(path):
    text = Path(path).read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))


def number(cell):
    """As the page's script reads it: a number, 'a/b' divided in floats, or [number, text]."""
    if isinstance(cell, str):
        top, bottom = cell.split("/")
        return int(top) / int(bottom)
    return cell[0] if isinstance(cell, list) else cell


def written(tmp_path, text, name="mine.yaml", up_to=None, **more):
    path, out = tmp_path / name, tmp_path / "report.html"
    path.write_text(text)
    report([str(path)], str(out), up_to, **more)
    return data(out)["designs"][0]


def plain(math):
    """MathML as text: a/b for a fraction, (a over b) for a stack, a^b."""
    if isinstance(math, str):
        return math.replace("\u00a0", " ")
    tag, *rest = math
    stacked = {"linethickness": "0"} in rest
    parts = [plain(part) for part in rest if not isinstance(part, dict)]
    joins = {"mfrac": " over " if stacked else "/", "msup": "^", "msub": "_", "mtable": "; ", "mtr": " "}
    return joins.get(tag, "").join(parts)


# ── Numbers ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["passk", "rs_grpo", "pkpo_loo"])
def test_every_number_of_the_page_is_the_float_nearest_to_the_exact_one(name):
    design = shaping.load(CONFIGS / f"{name}.yaml")
    found = shown(design)
    for N in SIZES[:3]:
        for key, row in found["tables"][N].items():
            params = {
                count: F(value) for count, value in zip(found["counts"], key.split("|")[0].split(","), strict=False)
            }
            constants = {param.name: param.value for param in design.params.values()} | params
            for n_pos in range(N + 1):
                pair = exact.verdict_pair(design, N, n_pos, None, constants)
                expected = [None if value is None else real.nearest(value) for value in pair]
                assert [number(row["right"][n_pos]), number(row["wrong"][n_pos])] == expected


def test_passk_of_four_at_k_2_shows_roots_and_fractions():
    # n_pos = 2: miss = 1/6, sigma = sqrt(5)/6, so 1/sqrt(5) and its negative; eta = 4/sqrt(5).
    row = shown(shaping.load(CONFIGS / "passk.yaml"))["tables"][4]["2|0"]
    assert row["right"][2][1] == "√5/5"
    assert row["wrong"][2][1] == "-√5/5"
    assert row["eta"][2][1] == "4√5/5"
    assert (row["right"][0], row["wrong"][4]) == (None, None)


def test_the_weight_of_dr_grpo_in_groups_of_four_is_three_quarters():
    row = shown(shaping.load(CONFIGS / "dr_grpo.yaml"))["tables"][4]["|0"]
    assert row["weight"] == [0.75] * 4
    assert row["right"] == [None, "3/4", "1/2", "1/4", 0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(F(1, 3), "1/3"), (F(-7), -7), (F(1, 10**12), 1e-12), (F(2**60), 2.0**60), (real.sqrt(F(8, 9)), "2√2/3")],
)
def test_a_value_is_exact_where_that_is_short(value, expected):
    found = cell(value)
    assert (found[1] if isinstance(found, list) else found) == expected


def test_k_goes_through_its_range_and_no_further_than_sixteen():
    tables = shown(shaping.load(CONFIGS / "pkpo_loo.yaml"))["tables"]  # range [1, N - 1]
    assert list(tables[4]) == ["1|0", "2|0", "3|0"]
    assert list(tables[32]) == [f"{k}|0" for k in range(1, 17)]


def test_a_design_that_changes_over_a_run_has_a_row_for_each_of_its_moments():
    # passk_then_pass1: k = 4 before the middle of the run, from then on 1.
    found = shown(shaping.load(CONFIGS / "passk_then_pass1.yaml"))
    assert found["moments"] == [0] * 8 + [1] * 9
    late = number(found["tables"][8]["4|1"]["right"][4])
    assert late == 1.0  # at k = 1 it is GRPO: (1 - 1/2) / (1/2)


def test_parameters_that_are_too_many_to_tabulate_keep_their_defaults(monkeypatch):
    monkeypatch.setattr("shaping.views.report.SIZES", (4, 8))
    text = "params:\n" + "".join(f"  k{i}: {{default: 1, range: [1, N]}}\n" for i in range(4))
    found = shown(shaping.loads(text + "advantage: (k0 + k1 + k2 + k3) * (r - mean(r))"))
    assert found["counts"] == ["k0", "k1"]
    assert len(found["tables"][8]) == 64


@pytest.mark.parametrize(
    ("name", "why"),
    [("gfpo", "it reads length"), ("bnpo", "it looks at other groups"), ("passk_bootstrap", "it draws at random")],
)
def test_what_verdicts_do_not_decide_has_no_table_but_a_reason(name, why):
    assert shown(shaping.load(CONFIGS / f"{name}.yaml")) == {
        "why": f"verdicts do not decide what an answer gets, {why}"
    }


def test_a_group_size_without_a_value_is_left_out_and_said():
    found = shown(shaping.loads("advantage: 1 / (N - 8)"))
    assert 8 not in found["tables"]
    assert "division by zero" in found["without"][8]
    assert found["tables"][4]["|0"]["right"][1] == "-1/4"


# ── Words ───────────────────────────────────────────────────────────────────


def test_the_comment_is_taken_apart_into_what_for_what_not_and_where_from():
    found = comment((CONFIGS / "passk.yaml").read_text())
    assert found["does"].startswith("Pass@k, analytic form.")
    assert found["not"] == "Not for graded rewards; with k = N nothing is ever learnt."
    assert found["Source"].startswith("Chen et al. 2025, arXiv:2508.10751")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("passk", ["verdicts"]),
        ("grpo", ["rewards"]),
        ("gfpo", ["rewards", "length"]),
        ("adaptive_entropy", ["tokens", "other groups"]),
        ("entropy_tokens", ["rewards", "tokens"]),
        ("passk_annealed", ["verdicts", "time"]),
        ("passk_bootstrap", ["rewards", "draws"]),
    ],
)
def test_what_a_design_reads(name, kinds):
    found = reads(shaping.load(CONFIGS / f"{name}.yaml"))
    assert set(kinds) <= set(found)
    assert ("verdicts" in found) == ("verdicts" in kinds)


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("(n_neg - 1) * p ** 2", "(n_neg−1)⋅p^2"),
        ("1 - (n_pos - 2)", "1−(n_pos−2)"),
        ("binomial(n_neg, 2) / N", "(n_neg over 2)/N"),
        ("1 if 0 < n_pos < N else 1e-6", "{1 if 0<n_pos<N; 1e-6 otherwise"),
        ("mean(r, where=correct) if n_pos > 0 else 0", "{mean(r where correct) if n_pos>0; 0 otherwise"),
        ("std(r, ddof=1, over=batch)", "std_ddof=1, batch(r)"),
        ("-(p + 1) * abs(p)", "−(p+1)⋅|p|"),
        ("p * -n_pos + -p", "p⋅(−n_pos)+(−p)"),
        ("(-p) ** 2", "(−p)^2"),
        ("(p / 2) ** 2", "(p/2)^2"),
    ],
)
def test_a_formula_is_typeset_with_the_parentheses_it_needs(formula, shown):
    design = shaping.loads(f"advantage:\n  each: {formula}\n  flat: 0")
    assert plain(typeset(design.advantage)) == shown


def test_the_formulas_of_a_file_keep_its_names_and_its_order():
    lines = formulas(shaping.load(CONFIGS / "passk.yaml"))
    assert [line["label"] for line in lines] == [
        "miss",
        "sigma",
        "advantage.correct",
        "advantage.wrong",
        "advantage.flat",
    ]
    assert plain(lines[1]["math"]) == "miss⋅(1−miss)"
    assert lines[2]["text"] == "miss / sigma"


def test_a_used_design_is_named_with_what_it_is_given():
    lines = formulas(shaping.load(CONFIGS / "combination.yaml"))
    assert [(line["label"], line.get("uses"), line["text"]) for line in lines[:2]] == [
        ("passk", "passk.yaml", "k = k"),
        ("pass1", "passk.yaml", "k = 1"),
    ]


def test_every_formula_of_the_library_is_typeset():
    for path in CONFIGS.glob("*.yaml"):
        for line in formulas(shaping.load(path)):
            assert "uses" in line or (line["math"] and line["text"]), (path.name, line["label"])


def test_a_let_that_nothing_reads_stays_text(tmp_path):
    entry = written(tmp_path, "let: {unused: p + 1}\nadvantage: r - mean(r)")
    assert (entry["formulas"][0]["math"], entry["formulas"][0]["text"]) == (None, "p + 1")


# ── Claims ──────────────────────────────────────────────────────────────────


def test_claims_are_listed_undecided_or_with_their_verdicts(tmp_path):
    text = "advantage: correct - 1/2\nclaims:\n  - zero_sum\n  - not: sign_correct"
    assert written(tmp_path, text)["claims"] == [{"text": "zero_sum"}, {"text": "not: sign_correct"}]
    failed, after_all = written(tmp_path, text, up_to=4)["claims"]
    assert failed["verdict"] == after_all["verdict"] == "FAILED"
    assert "N = 2, n_pos = 0: 0 * correct + 2 * wrong = -1" in failed["error"]


def test_ready_judgements_are_shown_as_they_are(tmp_path):
    path = str(tmp_path / "mine.yaml")
    ready = {path: [Judgement(path, "zero_sum", True, "refuted", "N = 2")]}
    entry = written(tmp_path, "advantage: r - mean(r)\nclaims: [zero_sum]", judgements=ready)
    assert entry["claims"] == [{"text": "zero_sum", "verdict": "breaks it", "over": "N = 2", "error": ""}]


# ── The file ────────────────────────────────────────────────────────────────


def test_a_strangers_text_is_data_and_never_markup(tmp_path):
    entry = written(tmp_path, STRANGER)
    assert entry["name"] == "<b onclick=alert(3)>bold</b>"
    assert entry["yaml"] == STRANGER
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b onclick" not in page and "<img" not in page and "<!--" not in page
    assert re.fullmatch(r"[\w-]+", entry["id"])


def test_the_scripts_of_the_page_make_no_markup_and_fetch_nothing():
    folder = Path(shaping.__file__).parent / "views" / "page"
    code = "".join(path.read_text() for path in folder.glob("*.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "import("):
        assert word not in code


def test_two_designs_of_one_name_have_two_links(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("name: same\nadvantage: r - mean(r)")
    report([str(tmp_path)], str(tmp_path / "report.html"), None)
    assert [entry["id"] for entry in data(tmp_path / "report.html")["designs"]] == ["same", "same-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("advantage: r - meen(r)", "unknown function 'meen'"),
        ("advantage: r - mean(r)\nclaims: [zero_summ]", "unknown claim 'zero_summ'"),
        ("advantage: 1 / (N - N)", "division by zero"),
        ("advantage: 1e400 * r", "beyond the range of floats"),
    ],
)
def test_an_error_of_a_design_leaves_the_old_page_as_it_was(tmp_path, text, message):
    out = tmp_path / "report.html"
    out.write_text("old")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(DesignError, match=message):
        report([str(tmp_path)], str(out), None)
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["mine.yaml", "report.html"]


def test_a_disk_that_is_full_leaves_the_old_page_as_it_was(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    (tmp_path / "report.html").write_bytes(b"old")
    with pytest.raises(DesignError, match="report.html: cannot be written: No space left on device"):
        report([str(CONFIGS / "grpo.yaml")], str(tmp_path / "report.html"), None)
    assert os.listdir(tmp_path) == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == b"old"


def test_a_file_that_is_named_twice_is_shown_once(tmp_path):
    path = str(CONFIGS / "grpo.yaml")
    assert report([path, path], str(tmp_path / "report.html"), None).startswith(f"{tmp_path}/report.html: 1 design, ")


def test_where_nothing_can_be_written_is_said_before_any_work(tmp_path, monkeypatch):
    design = tmp_path / "mine.yaml"
    design.write_text("advantage: r - mean(r)")
    monkeypatch.setattr("shaping.views.report.load", None)  # would be a TypeError
    for out, message in [
        (tmp_path / "no" / "report.html", "there is no folder"),
        (tmp_path, "is no file"),
        (design, "is one of the designs"),
    ]:
        with pytest.raises(DesignError, match=message):
            report([str(design)], str(out), None)
    with pytest.raises(DesignError, match="no design"):
        report([], str(tmp_path / "report.html"), None)
    assert design.read_text() == "advantage: r - mean(r)"


def test_the_weight_from_its_coefficients_is_the_mean_over_all_groups():
    # w(p) = sum_m C(3, m) p^m (1-p)^(3-m) D_m; passk at k = 2, N = 4, p = 1/2, from the table's own advantages.
    row = shown(shaping.load(CONFIGS / "passk.yaml"))["tables"][4]["2|0"]
    differences = [number(row["right"][m + 1]) - number(row["wrong"][m]) for m in range(4)]
    assert row["weight"] == pytest.approx(differences)
    assert sum(comb(3, m) / 8 * d for m, d in enumerate(row["weight"])) > 0.3
