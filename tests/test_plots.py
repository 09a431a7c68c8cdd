"""Pictures: the data that is drawn, its labels, and that nothing lies over anything else."""

import re

import pytest
from samples import CONFIGS

from shaping.cli import main
from shaping.errors import DesignError
from shaping.views.compare import comparison
from shaping.views.plots import COLOURS, draw
from shaping.views.profile import all_curves

PASSK, GRPO, RLOO, DR_GRPO = (str(CONFIGS / f"{name}.yaml") for name in ("passk", "grpo", "rloo", "dr_grpo"))


@pytest.fixture(scope="module")
def paper():
    """Pass@1 and Pass@4 of 32 answers: Chen et al. 2025, Fig. 9."""
    found = all_curves([PASSK], 32, {"k": ["1", "4"]})
    figure = draw(found)
    figure.draw_without_rendering()
    return found, figure


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_the_papers_curves_are_drawn_from_the_exact_values(paper):
    _, figure = paper
    answers, push, weight, climbed = figure.axes
    correct, wrong = (lines(answers)[f"passk, k = 4, {kind}"] for kind in ("correct", "wrong"))
    # the paper's plot begins at A = 2.65 and eta = 5.3
    assert correct.get_xdata()[0] == 1 and correct.get_ydata()[0] == pytest.approx(7**0.5)
    assert wrong.get_xdata()[-1] == 31 and wrong.get_ydata()[-1] == 0
    eta = lines(push)["passk, k = 4"].get_ydata()
    assert (
        len(eta) == 33 and eta[1] == pytest.approx(2 * 7**0.5) and max(eta) == eta[8] == pytest.approx(10.36, abs=0.005)
    )
    assert max(lines(push)["passk, k = 1"].get_ydata()) == 32
    # w(0) is what the only success of a group gets, F(0) is 0
    assert lines(weight)["passk, k = 4"].get_ydata()[0] == pytest.approx(7**0.5)
    assert lines(climbed)["passk, k = 1"].get_ydata()[0] == 0


def test_peaks_are_marked_and_everything_is_labelled(paper):
    _, figure = paper
    assert {text.get_text() for text in figure.axes[1].texts} == {"16/32", "8/32"}
    assert figure.get_suptitle() == "Pass@k, analytic form, groups of 32, rewards 0 and 1"
    assert all(axes.get_title() and axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "passk, k = 1",
        "passk, k = 4",
        "a correct answer",
        "a wrong answer",
    ]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_legend_covers_no_curve_and_no_panel_another(count):
    figure = draw(all_curves([PASSK], 16, {"k": [str(k) for k in range(1, count + 1)]}))
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [figure.legends[0].get_window_extent()]
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figure.bbox.y0 <= box.y0
        for other in boxes[:i]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            assert apart


def test_designs_are_told_apart_by_more_than_their_colour():
    figure = draw(all_curves([PASSK], 16, {"k": [str(k) for k in range(1, 8)]}))
    drawn = list(lines(figure.axes[1]).values())
    assert len({line.get_color() for line in drawn}) == len({line.get_marker() for line in drawn}) == 7
    with pytest.raises(DesignError, match="8 curves in one picture: at most 7"):
        draw(all_curves([PASSK], 16, {"k": [str(k) for k in range(1, 9)]}))
    assert len(COLOURS) == 7


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_command_writes_the_picture_in_the_format_of_its_name(suffix, tmp_path, capsys):
    out = tmp_path / f"passk.{suffix}"
    assert main(["plot", PASSK, GRPO, "-o", str(out), "--n", "8"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert out.read_bytes().startswith(begins) and out.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [out]


BAD = {
    "another format": (["plot", PASSK, "-o", "x.gif"], "x.gif: a picture is one of .png, .svg, .pdf"),
    "no such folder": (["plot", PASSK, "-o", "none/x.png"], "none/x.png: there is no folder none"),
    "a design with an error": (["plot", "d.yaml", "-o", "x.png"], "d.yaml:1:12: unknown name 'q'"),
    "a design of lengths": (
        ["plot", str(CONFIGS / "gfpo.yaml"), "-o", "x.png"],
        "design 'gfpo' has no curves over n_pos: it reads length",
    ),
    "a parameter nobody has": (["plot", GRPO, "-o", "x.png", "--param", "k=2"], "--param k: none of these designs"),
    "a value that is missing": (
        ["plot", PASSK, "-o", "x.png", "--param", "k=1,,2"],
        "--param k=1,,2: a value is missing",
    ),
    "three designs": (["compare", PASSK, GRPO, "--param", "k=1,2"], "compare takes one value for each --param"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_is_overwritten(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.yaml").write_text("advantage: q\n")
    (tmp_path / "x.png").write_text("a picture")
    arguments, expected = BAD[case]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(expected) and captured.out == ""
    assert (tmp_path / "x.png").read_text() == "a picture" and len(list(tmp_path.iterdir())) == 2


# ---------------------------------------------------------------- compare


def compared(*paths, N=16, **params):
    return comparison(*all_curves(list(paths), N, {name: [value] for name, value in params.items()}))


def test_one_design_that_is_another_up_to_a_factor_is_said_to_be():
    text = compared(RLOO, DR_GRPO)
    assert "rloo is 16/15 times dr_grpo, for every group\n" in text


def test_where_two_designs_agree_and_where_they_are_furthest_apart():
    text = compared(PASSK, GRPO)
    assert "in each group passk is grpo times a number that depends on n_pos: a weight a prompt\n" in text
    assert "the same at n_pos = 0, 16\n" in text
    # n_pos = 15: nothing against -sqrt(15)
    assert "furthest apart at n_pos = 15: wrong 0 against -3.873\n" in text
    rows = dict(re.findall(r"^(.{22})(.*)$", text, re.MULTILINE))
    cells = {name.strip(): values.split() for name, values in rows.items()}
    assert cells["at n_pos"] == ["4/16", "8/16"] and cells["eta, largest"] == ["4.89", "16"]
    assert cells["signal/noise, p = 1/2"] == ["6.981", "408"]


def test_equal_designs_are_equal():
    assert "\nthe same for every group\n" in compared(PASSK, GRPO, k="1")


def test_what_is_no_weight_a_prompt_is_not_called_one(tmp_path):
    (tmp_path / "positive.yaml").write_text("advantage: correct\n")
    text = compared(str(tmp_path / "positive.yaml"), RLOO)
    assert "times" not in text and "the same at n_pos = 0\n" in text
