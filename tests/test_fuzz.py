"""A few of the fuzzers' inputs, the same on every machine; `bash scripts/fuzz.sh` tries as many as one likes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import contract
from fuzz.campaign import grammar, rows
from fuzz.grammar import claiming
from hypothesis import HealthCheck, given, settings

import shaping
from shaping.errors import DesignError
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide

ROOT = Path(__file__).parents[1]
FOUND = sorted((ROOT / "tests" / "fuzz" / "found").glob("*/*"))


def test_designs_written_by_grammar_end_in_a_design_or_its_error():
    found = grammar(1_200)
    assert found["kinds"] == [] and found["failures"] == 0
    assert found["accepted"] > 100 and found["refused"] > 100  # both are looked at


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(text=claiming())
def test_claims_written_by_grammar_end_in_a_verdict_or_in_the_readers_error(text):
    try:
        design = shaping.loads(text, "configs/d.yaml")
        claims = read_claims(design)
        design.check(4)
    except DesignError:
        return
    for verdict in decide(design, claims, up_to=3, most=20):
        assert verdict.how in ("proved", "exhausted", "searched", "refuted", "undecided") and verdict.over
        assert verdict.how != "undecided" or verdict.over.startswith("configs/d.yaml:")


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_what_once_broke_something_does_so_no_more(path):
    data = path.read_bytes()
    with contract.soon(data):
        assert contract.TARGETS[path.parent.name](data) in ("accepted", "refused")


@pytest.mark.parametrize(
    ("target", "data", "outcome"),
    [
        ("design", b"advantage: r\n", "accepted"),
        ("design", b"advantage: \xff\n", "refused"),
        ("rewards", b'{"rewards": [1, 0]}', "accepted"),
        ("rewards", b'{"rewards": [1', "refused"),
        ("metrics", b'{"kind": "train", "step": 1}\n', "accepted"),
        ("metrics", b"[]\n", "refused"),
    ],
)
def test_an_input_is_accepted_or_refused(target, data, outcome):
    assert contract.TARGETS[target](data) == outcome


def test_an_error_of_another_kind_or_without_a_place_is_noticed(monkeypatch):
    def raises(error):
        def load(path):
            raise error(f"{path}: it went wrong")

        return load

    monkeypatch.setattr("shaping.load", raises(KeyError))
    with pytest.raises(KeyError):
        contract.design(b"advantage: r")
    monkeypatch.setattr("shaping.load", raises(contract.DesignError))
    with pytest.raises(contract.Broken, match="no place in"):
        contract.design(b"advantage: r")


def test_an_input_that_takes_too_long_is_noticed(monkeypatch):
    monkeypatch.setattr(contract, "LIMIT", 0.1)
    with pytest.raises(contract.Broken, match="not done after 0.1 seconds: b'spin'"), contract.soon(b"spin"):
        while True:
            sum(range(1_000))


def test_figures_are_a_table():
    figures = {"fuzzer": "atheris", "target": "design", "inputs": 10, "accepted": 1, "refused": 9, "failures": 0}
    assert rows([figures | {"seconds": 1.5, "coverage": 7}]).split("\n")[1].split() == [
        *("atheris", "design", "10", "1", "9", "0", "1.5", "7")
    ]


@pytest.mark.nightly
def test_a_campaign_of_both_fuzzers_breaks_nothing(tmp_path):
    figures = tmp_path / "figures.json"
    command = ["bash", str(ROOT / "scripts" / "fuzz.sh"), "40000", str(figures)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHON": sys.executable})
    found = json.loads(figures.read_text())
    assert [each["failures"] for each in found] == [0, 0, 0, 0] and sum(each["inputs"] for each in found) >= 40_000
