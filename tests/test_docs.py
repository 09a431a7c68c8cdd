"""A row of docs/modes.md or docs/reliability.md names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = [TESTS.parent / "docs" / name for name in ("modes.md", "reliability.md")]


def named(text):
    """(file, test or None), in order; `::name` is of the file before it."""
    file = None
    for name, test in re.findall(r"`(test_\w+\.py)?(?:::(\w+))?`", text):
        file = name or file
        if name or test:
            yield file, test or None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page):
    found = list(named(page.read_text()))
    assert len(found) > 10
    for file, test in found:
        functions = [node.name for node in ast.parse((TESTS / file).read_text()).body if hasattr(node, "name")]
        assert test is None or test in functions, f"{page.name}: {file}::{test}"


def test_every_run_that_the_matrix_names_is_one_of_test_stack_modes():
    runs = set(re.findall(r'`test_stack_modes.py`, "([a-z ]+)"', PAGES[0].read_text()))
    source = (TESTS / "test_stack_modes.py").read_text()
    assert runs == set(re.findall(r'^    "([a-z ]+)": f?"', source, re.MULTILINE))
