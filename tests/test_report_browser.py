"""The page of `python -m shaping report` in a real browser: keys, pointer, links, and every number against exact.py."""

import json
import re
from fractions import Fraction as F
from math import comb
from pathlib import Path

import pytest
from browser import chromium, tab

import shaping
from shaping import real
from shaping.groups import exact
from shaping.objectives.objective import weight
from shaping.views.describe import reads
from shaping.views.report import report

pytestmark = pytest.mark.stack
CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ["passk", "grpo", "pkpo_loo", "gfpo", "passk_then_pass1", "rs_grpo", "entropy_tokens", "combination"]
STRANGER = """# </script><script>alert(1)</script> <img src=x onerror=alert(2)>
name: <b onclick=alert(3)>bold</b>
advantage: (r - mean(r)) * 2
claims: [zero_sum]
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as address:
        yield address


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "stranger.yaml").write_text(STRANGER)
    designs = [str(CONFIGS / f"{name}.yaml") for name in NAMES]
    report([*designs, str(folder / "stranger.yaml")], str(folder / "report.html"), None)
    return folder / "report.html"


@pytest.fixture
def page(browser, path):
    with tab(browser) as page:
        page.path = path
        yield page


def drawn(page, name, series):
    """n_pos → (number, exact text) of the dots in the column of a design."""
    dots = page.evaluate(
        f"[...document.querySelectorAll('[data-design={name}] [data-series={series}]')].map(n => ({{...n.dataset}}))"
    )
    return {int(dot["x"]): (float(dot["value"]), dot["exact"]) for dot in dots}


def expected(name, N, moment=None, **params):
    """The same from `verdict_pair`: of a right answer, of a wrong one."""
    design = shaping.load(CONFIGS / f"{name}.yaml")
    chosen = {key: F(value) for key, value in params.items()}
    pairs = [exact.verdict_pair(design, N, n_pos, moment, chosen) for n_pos in range(N + 1)]
    return [{i: real.nearest(pair[side]) for i, pair in enumerate(pairs) if pair[side] is not None} for side in (0, 1)]


def numbers(dots):
    return {n_pos: number for n_pos, (number, _) in dots.items()}


def shows(page, name, N, **params):
    right, wrong = expected(name, N, **params)
    return numbers(drawn(page, name, "right")) == right and numbers(drawn(page, name, "wrong")) == wrong


def address(page):
    return page.evaluate("location.hash")


# ── Sliders ─────────────────────────────────────────────────────────────────


def test_keys_on_the_sliders_change_the_curves_to_the_exact_values(page):
    page.open(page.path, "#design=passk&n=16&k=4")
    assert shows(page, "passk", 16, k=4)
    page.focus("#slider-k")
    page.press("ArrowRight", 2)
    assert shows(page, "passk", 16, k=6) and not shows(page, "passk", 16, k=4)
    page.press("Home")
    assert shows(page, "passk", 16, k=1)
    page.focus("#slider-n")
    page.press("ArrowLeft")
    assert shows(page, "passk", 8, k=1)
    page.press("End")
    assert shows(page, "passk", 32, k=1)
    page.wait("location.hash == '#design=passk&n=32&k=1'")


def test_k_stays_in_its_range_when_groups_get_smaller(page):
    page.open(page.path, "#design=pkpo_loo&n=32&k=16")  # 1 <= k <= N - 1
    page.focus("#slider-n")
    page.press("Home")
    assert page.texts("label output") == ["4", "3"]
    assert shows(page, "pkpo_loo", 4, k=3)


def test_a_design_that_changes_over_a_run_has_a_slider_for_the_step(page):
    # passk_then_pass1: k = 4 in the first half, which is up to step 7 of 16; then 1, which is GRPO.
    page.open(page.path, "#design=passk_then_pass1&n=8&k=4&step=7")
    assert numbers(drawn(page, "passk_then_pass1", "right")) == expected("passk", 8, k=4)[0]
    page.focus("#slider-step")
    page.press("ArrowRight")
    assert numbers(drawn(page, "passk_then_pass1", "right")) == expected("grpo", 8)[0]


# ── Curves ──────────────────────────────────────────────────────────────────


def test_the_peak_of_eta_is_marked(page):
    # docs/claims.md, configs/passk.yaml: peak 8/32 at k = 4; GRPO's is in the middle.
    page.open(page.path, "#compare=passk,grpo&n=32&k=4")
    marks = "[...document.querySelectorAll('[data-design={}] [data-peak]')].map(n => n.dataset.peak)"
    assert page.evaluate(marks.format("passk")) == ["8"]
    assert page.evaluate(marks.format("grpo")) == ["16"]


def test_the_weight_under_the_cursor_is_the_mean_of_the_differences(page):
    page.open(page.path, "#design=passk&n=16&k=4")
    design = shaping.load(CONFIGS / "passk.yaml")
    values = [real.nearest(each) for each in weight(exact.table(design, 16))]
    third = "figure:nth-of-type(3) .readout"
    shown = re.fullmatch(r"p = 0.5: w = (\S+)", page.text(third)).group(1)
    assert float(shown) == pytest.approx(sum(comb(15, m) / 2**15 * d for m, d in enumerate(values)), rel=1e-5)


def test_the_pointer_shows_the_exact_values_under_it(page):
    page.open(page.path, "#design=passk&n=4&k=2")
    page.point("[data-series=right][data-x='2']")
    # miss = 1/6, sigma = sqrt(5)/6
    assert page.text("figure .readout") == "n_pos = 2 of 4: right √5/5, wrong -√5/5"
    page.point("[data-series=eta][data-x='3']")
    assert page.text("figure .readout").startswith("n_pos = 3 of 4: right 0, wrong 0")


def test_arrow_keys_move_the_cursor_of_a_curve(page):
    page.open(page.path, "#design=grpo&n=8")
    page.focus("figure .chart")
    page.press("Home")
    page.press("ArrowRight", 2)
    # (1 - 1/4) / (sqrt(3)/4) = sqrt(3), and -(1/4) / (sqrt(3)/4)
    said = "n_pos = 2 of 8: right √3, wrong -√3/3"
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == said == page.text(".readout")


def test_a_design_that_verdicts_do_not_decide_says_why_it_has_no_curves(page):
    page.open(page.path, "#design=gfpo&n=16")
    assert "it reads length" in page.text(".why")
    assert page.texts(".chart") == []


# ── Links ───────────────────────────────────────────────────────────────────


def test_a_comparison_link_opens_what_it_says(page):
    page.open(page.path, "#compare=passk,grpo&n=16&k=4")
    assert page.texts("article h2") == ["passk", "grpo"]
    assert page.texts("label output") == ["16", "4"]
    assert shows(page, "passk", 16, k=4) and shows(page, "grpo", 16)
    assert address(page) == "#compare=passk,grpo&n=16&k=4"
    page.open(page.path, "#compare=grpo,passk&n=8&k=8")
    assert page.texts("article h2") == ["grpo", "passk"]
    assert shows(page, "passk", 8, k=8) and shows(page, "grpo", 8)


def test_back_and_forward_go_through_what_was_seen(page):
    page.open(page.path, "#q=pass")
    page.focus(".card")
    page.press("Enter")
    page.wait("!!document.querySelector('article')")
    first = page.text("article h2")
    page.focus("#slider-n")
    page.press("End")
    page.focus("#compare")
    page.press("ArrowDown")  # from "nothing" to the first of the others
    page.wait("document.querySelectorAll('article').length == 2")
    assert page.texts("article h2") == [first, "grpo"]
    assert "n=32" in address(page)
    page.evaluate("history.back()")
    page.wait("document.querySelectorAll('article').length == 1")
    assert "n=32" in address(page) and page.texts("label output")[0] == "32"
    page.evaluate("history.back()")
    page.wait("document.querySelector('#search')?.value == 'pass'")
    page.evaluate("history.forward()")
    page.wait("document.querySelectorAll('article').length == 1")


@pytest.mark.parametrize(
    ("hash", "becomes"),
    [
        ("#design=passk", "#design=passk&n=16&k=4"),
        ("#design=passk&n=nonsense&k=99", "#design=passk&n=16&k=16"),
        ("#design=passk&n=9&k=x", "#design=passk&n=8&k=4"),
        ("#design=pkpo_loo&n=8&k=8", "#design=pkpo_loo&n=8&k=7"),
        ("#compare=passk,passk&n=8&k=2", "#design=passk&n=8&k=2"),
        ("#compare=passk,nowhere&n=8&k=2", "#design=passk&n=8&k=2"),
    ],
)
def test_an_address_that_cannot_be_shown_becomes_one_that_is(page, hash, becomes):
    page.open(page.path, hash)
    assert address(page) == becomes
    assert ("nowhere" in hash) == ("no design nowhere" in page.text("main"))


# ── Gallery ─────────────────────────────────────────────────────────────────


def shown_cards(page):
    return page.evaluate("[...document.querySelectorAll('.cards li:not([hidden]) h2')].map(n => n.textContent)")


def test_search_and_filter_leave_what_fits(page):
    page.open(page.path)
    assert len(shown_cards(page)) == len(NAMES) + 1
    page.focus("#search")
    page.type("GRPO pass@1 baseline")
    assert shown_cards(page) == ["grpo"]
    assert page.text("#count") == f"1 of {len(NAMES) + 1} designs"
    page.wait("location.hash.startsWith('#q=GRPO')")
    page.open(page.path, "#reads=verdicts")
    by_verdicts = [name for name in NAMES if "verdicts" in reads(shaping.load(CONFIGS / f"{name}.yaml"))]
    assert shown_cards(page) == by_verdicts == ["passk", "passk_then_pass1", "combination"]
    page.open(page.path, "#q=nothing+fits+this")
    assert shown_cards(page) == []


def test_tab_goes_from_search_to_filter_to_the_cards(page):
    page.open(page.path)
    page.focus("#search")
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "reads"
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "card"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


# ── A page for everybody ────────────────────────────────────────────────────


@pytest.mark.parametrize("hash", ["", *(f"#design={name}" for name in NAMES), "#compare=passk,grpo", "#design=nowhere"])
def test_a_phone_does_not_scroll_sideways(browser, path, hash):
    with tab(browser, width=360, height=740) as page:
        page.open(path, hash)
        assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]


def test_every_control_has_a_name_and_every_chart_says_its_value(page):
    page.open(page.path, "#compare=passk,passk_then_pass1&n=8&k=2")
    unnamed = "[...document.querySelectorAll('input, select')].filter(n => !n.labels.length).map(n => n.outerHTML)"
    assert page.evaluate(unnamed) == []
    silent = "[...document.querySelectorAll('.chart')].filter(n => !n.getAttribute('aria-valuetext')).length"
    assert page.evaluate(silent) == 0


def test_text_and_lines_stand_out_in_light_and_dark(browser, path):
    # WCAG: 4.5 for text, 3 for lines; relative luminance from sRGB.
    for dark in (False, True):
        with tab(browser, dark=dark) as page:
            page.open(path, "#design=passk&n=8&k=2")
            style = "(([s, k]) => getComputedStyle(document.querySelector(s))[k])"
            ground = luminance(page.evaluate(f"{style}(['body', 'backgroundColor'])"))
            assert (ground < 0.1) == dark
            pairs = [("body", "color", 4.5), (".faint", "color", 4.5), ("a[href^=http]", "color", 4.5)]
            pairs += [(".line.right", "stroke", 3), (".line.wrong", "stroke", 3)]
            for selector, key, least in pairs:
                mine = luminance(page.evaluate(f"{style}({json.dumps([selector, key])})"))
                high, low = max(mine, ground) + 0.05, min(mine, ground) + 0.05
                assert high / low >= least, (selector, dark, high / low)
            assert page.evaluate(f"{style}(['.line.wrong', 'strokeDasharray'])") != "none"


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_strangers_text_is_shown_and_never_run(page):
    page.open(page.path)
    assert "<b onclick=alert(3)>bold</b>" in shown_cards(page)
    link = page.evaluate("[...document.querySelectorAll('.card')].at(-1).getAttribute('href')")
    page.open(page.path, link)
    assert page.text("h2") == "<b onclick=alert(3)>bold</b>"
    assert page.text("article p + p") == "</script><script>alert(1)</script> <img src=x onerror=alert(2)>"
    assert page.text("pre") == STRANGER
    assert page.evaluate("document.querySelectorAll('#main b[onclick], #main img, #main script').length") == 0


def test_yaml_is_copied_as_it_is_in_the_file(page):
    page.send("Page.bringToFront")
    page.open(page.path, "#design=passk")
    page.click("button")
    page.wait("document.querySelector('button + [role=status]').textContent != ''")
    if page.text("button + [role=status]") == " copied":
        read = "navigator.clipboard.readText().catch(() => null)"
        assert page.evaluate(read) in (None, (CONFIGS / "passk.yaml").read_text())
    else:  # without a clipboard it is selected instead
        assert page.evaluate("getSelection().toString().length") > 100


def test_formulas_are_mathml_that_the_browser_lays_out(page):
    page.open(page.path, "#design=passk")
    boxes = page.evaluate("[...document.querySelectorAll('math')].map(n => n.getBoundingClientRect().height)")
    assert len(boxes) == 5  # miss, sigma, correct, wrong, flat
    assert boxes[0] > 2 * boxes[4]  # a fraction of binomials is taller than a 0
    assert page.evaluate("document.querySelectorAll('math mfrac').length") == 8


def test_the_browser_tests_notice_an_exception(browser, path):
    with pytest.raises(AssertionError, match="Uncaught"), tab(browser) as page:
        page.open(path)
        page.evaluate("setTimeout(() => { throw new Error('on purpose') })")
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
