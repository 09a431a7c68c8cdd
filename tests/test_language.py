"""docs/language.md and docs/claims.md say what is: designs are sound, numbers computed, errors the real ones.

How the page is read, top to bottom:

    ```yaml      a design, the file configs/mine.yaml from here on; after <!-- fragment --> a part of one, not run
    ```python    with >>>: a doctest, in which `design` is that file; without: run as it stands
    ```          beginning with configs/mine.yaml: the error that this file gives once the line shown stands in it
    ```console   a command after `$ ` and its output, in which a line `...` leaves lines out
"""

import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import shaping
from shaping import cli
from shaping.errors import commanded
from shaping.proofs import claims

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("language", "claims")}
PAGE = PAGES["language"]
MINE = Path("configs", "mine.yaml")


def load_make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page):
    """(comment on the line before, language, text, line) of every fenced block."""
    fenced = re.finditer(r"^(?:<!-- (\w+) -->\n)?```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [(found[1], found[2], found[3], page.count("\n", 0, found.start()) + 1) for found in fenced]


def wrong(page):
    """What the page says that is not so, one text for each; run in a folder that has configs/."""
    found, names, design = [], {"shaping": shaping, "torch": torch}, ""
    for comment, language, text, line in blocks(page):
        if language == "yaml" and comment != "fragment":
            design = text
            found += wrong_design(design)
        elif language == "python":
            found += wrong_python(text, line, names)
        elif language == "console":
            found += wrong_output(text)
        elif language == "" and text.startswith(str(MINE)):
            found += wrong_error(text, design)
    return found


def wrong_design(text):
    try:
        MINE.write_text(text)
        shaping.load(MINE).check(8)
    except shaping.DesignError as error:
        return [str(error)]
    return []


def wrong_python(text, line, names):
    if ">>>" not in text:
        exec(text, names)
        return []
    try:
        names["design"] = shaping.load(MINE)
    except shaping.DesignError as error:
        return [str(error)]
    said = []
    test = doctest.DocTestParser().get_doctest(text, names, "docs/language.md", "docs/language.md", line)
    doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    return ["".join(said)] if said else []


def wrong_output(text):
    command, _, said = text.partition("\n")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        cli.main(shlex.split(command.removeprefix("$ python -m shaping ")))
    printed = "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"
    pattern = ".*".join(re.escape(part) for part in said.split("...\n"))
    is_so = re.fullmatch(pattern, printed, re.DOTALL)
    return [] if is_so else [f"said:\n{said}is:\n{printed}"]


def wrong_error(text, design):
    """The line shown replaces the one of its number in the design above."""
    number, shown = re.search(r"^ +(\d+) \| (.*)$", text, re.MULTILINE).groups()
    lines = design.splitlines()
    lines[int(number) - 1] = shown
    try:
        with commanded("--param"):  # as `shaping check` shows it
            shaping.loads("\n".join(lines) + "\n", str(MINE)).check(8)
    except shaping.DesignError as error:
        return [] if f"{error}\n" == text else [f"said:\n{text}is:\n{error}"]
    return [f"no error at all; said:\n{text}"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", PAGES)
def test_every_design_number_and_error_of_the_page_is_real(folder, name):
    assert wrong(PAGES[name]) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_yaml_block_is_a_whole_design_or_marked_as_a_fragment(name):
    for comment, language, text, _ in blocks(PAGES[name]):
        if language == "yaml":
            assert (comment == "fragment") != bool(re.search(r"^advantage:", text, re.MULTILINE)), text


def test_no_block_of_the_page_is_left_out_by_these_tests():
    counted = {"yaml", "python", "console", ""}
    assert {language for _, language, _, _ in blocks(PAGE)} == counted
    assert 2 * len(blocks(PAGE)) == len(re.findall(r"^```", PAGE, re.MULTILINE))
    for _, language, text, _ in blocks(PAGE):
        assert language or text.startswith(str(MINE)), text


@pytest.mark.parametrize(
    "said, instead",
    [
        pytest.param("tensor([[ 0.7500, -0.2500", "tensor([[ 0.7501, -0.2500", id="a wrong number"),
        pytest.param("0.7236,  0.7236, -0.7236", "0.7236,  0.7236,  0.7236", id="a wrong sign"),
        pytest.param("Fraction(-1, 2)", "Fraction(-1, 3)", id="a wrong fraction"),
        pytest.param("is one value a group\n", "is one value a batch\n", id="a wrong message"),
        pytest.param("^\nhint: use it", " ^\nhint: use it", id="a caret in the wrong place"),
        pytest.param("    2      1.0000", "    2      1.0001", id="a wrong number of a command"),
        pytest.param("at prompt 0, answer 0", "at prompt 0, answer 1", id="a wrong error of a reward"),
        pytest.param("keep: 0 < n_pos < N\n", "keep: 0 < n_pos < M\n", id="a design with an unknown name"),
        pytest.param("1 | advantage: r - mean(p)", "1 | advantage: r - mean(r)", id="an error that is none"),
    ],
)
def test_a_page_that_is_wrong_in_one_place_is_noticed(folder, said, instead):
    assert PAGE.count(said) >= 1
    assert wrong(PAGE.replace(said, instead, 1))


def test_the_generated_tables_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_docs.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_table_that_is_out_of_date_is_noticed_and_put_right(monkeypatch, tmp_path, capsys):
    make_docs = load_make_docs()
    stale = tmp_path / "language.md"
    stale.write_text(PAGE.replace("| `exp(a)` |", "| `exponential(a)` |"))
    monkeypatch.setattr(make_docs, "LANGUAGE", stale)
    monkeypatch.setattr(sys, "argv", ["make_docs.py", "--check"])
    assert make_docs.main() == 1 and "make_docs.py" in capsys.readouterr().out
    assert stale.read_text() != PAGE  # a check writes nothing
    monkeypatch.setattr(sys, "argv", ["make_docs.py"])
    assert make_docs.main() == 0
    assert stale.read_text() == PAGE


def test_every_part_on_a_section_is_on_one_that_exists():
    from shaping.language.reader import SECTIONS

    described = PAGE[PAGE.index("## Sections of a file") : PAGE.index("## Names")]
    parts = re.findall(r"^### (\w+)$", described, re.MULTILINE)
    assert {"advantage", "params", "token"} < set(parts) <= {*SECTIONS, "flat"}


@pytest.mark.parametrize("name", PAGES)
def test_no_line_of_the_page_is_longer_than_120_characters_but_tables_and_output(name):
    text = re.sub(r"(?ms)^```console$.*?^```$", "", PAGES[name])
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_every_kind_of_claim_is_explained():
    table = PAGES["claims"][PAGES["claims"].index("| claim |") : PAGES["claims"].index("An objective F")]
    for kind in claims.ARGUMENT:
        assert f"`{kind}" in table or kind == "holds", kind
