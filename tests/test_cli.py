"""`python -m shaping` says what is wrong, all of it, and shows what a design does."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shaping.cli import main

ROOT = Path(__file__).parents[1]
PASSK = str(ROOT / "configs" / "passk.yaml")


def test_a_sound_file_is_fine(capsys):
    assert main(["check", PASSK]) == 0
    assert capsys.readouterr().out == f"{PASSK}: fine, for groups of 16\n"


def test_every_mistake_of_a_file_is_told_at_once_and_none_that_follows_from_another(tmp_path, capsys):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: x\nparms: {k: 3}\nlet:\n  a: b * 2\n  b: n_poss\n  c: mena(r)\nadvantage:\n  correct: q\n  wrong: 1 +\n"
        "  flat: c\nkeep: N > 2\n"
    )
    assert main(["check", str(path), PASSK]) == 1
    out = capsys.readouterr().out
    firsts = [line for line in out.splitlines() if line.startswith(str(path))]
    assert [line.removeprefix(f"{path}:").partition(": ")[2] for line in firsts] == [
        "unknown key 'parms' in a design",
        "unknown name 'n_poss' in 'let.b'",
        "unknown function 'mena' in 'let.c'",
        "'keep' is the same for all groups",
        "unknown name 'q' in 'advantage.correct'",
        "cannot read 'advantage.wrong' as a formula",
    ]
    assert "did you mean 'n_pos'?" in out and "did you mean 'mean'?" in out and f"{PASSK}: fine" in out


def test_what_only_a_group_size_shows_is_told_too(capsys):
    assert main(["check", PASSK, "--n", "2"]) == 1
    assert "k = 4 is outside 1..2, its range for groups of N = 2" in capsys.readouterr().out
    assert main(["check", PASSK, "--n", "2", "--param", "k=1"]) == 0


def test_a_missing_file_and_a_bad_parameter_are_one_message_each(capsys):
    assert main(["check", "none.yaml"]) == 1
    assert capsys.readouterr().out == "none.yaml: cannot read the design: No such file or directory\n\n"
    assert main(["show", PASSK, "--param", "k"]) == 1
    assert capsys.readouterr().err == "--param k: write NAME=VALUE, for example k=8\n"


def test_show_has_no_table_where_a_score_of_1_is_wrong(tmp_path, capsys):
    (tmp_path / "d.yaml").write_text("correct: score < 0.5\nadvantage: r - mean(r)\n")
    assert main(["show", str(tmp_path / "d.yaml"), "--n", "4"]) == 0
    out = capsys.readouterr().out
    assert "no table of verdicts: its `correct:` takes an answer of score 1 for a wrong one" in out


def test_show_has_the_formulas_the_table_and_the_code(capsys):
    assert main(["show", PASSK, "--n", "4", "--param", "k=2"]) == 0
    out = capsys.readouterr().out
    assert "    miss:  binomial(n_neg, k) / binomial(N, k)\n" in out
    # two of four correct, k = 2: 1 / sqrt(5), and eta = 4 / sqrt(5)
    assert "    2      0.4472     -0.4472      1.7889\n" in out
    assert "k = 2\n" in out and "compiled to a table over n_pos" in out and "def forward(self, reward_PN" in out


@pytest.mark.parametrize("name", ["gfpo", "passk_bootstrap", "gpg"])
def test_a_design_that_looks_at_more_than_verdicts_says_why_it_has_no_table(name, capsys):
    assert main(["show", str(ROOT / "configs" / f"{name}.yaml")]) == 0
    why = {"gfpo": "it reads length", "passk_bootstrap": "it draws at random", "gpg": "it looks at other groups"}[name]
    assert f"no table of verdicts: {why}\n" in capsys.readouterr().out


def test_bench_prints_ratios(capsys, monkeypatch):
    monkeypatch.setattr("shaping.compiled.bench.BUDGET", 0)
    monkeypatch.setattr("shaping.compiled.bench.LOOPED", 16)
    assert main(["bench", PASSK, str(ROOT / "configs" / "gfpo.yaml"), "--prompts", "2000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2,000 groups of 16, rewards 0 and 1, float32")
    assert lines[2].split() == ["design", "copy", "checked", "by", "hand", "loop"]
    assert [len(line.split()) for line in lines[3:]] == [5, 4] and float(lines[3].split()[1]) > 0


def test_bench_takes_a_design_with_a_token_section(capsys, monkeypatch):
    monkeypatch.setattr("shaping.compiled.bench.BUDGET", 0)
    monkeypatch.setattr("shaping.compiled.bench.LOOPED", 16)
    assert main(["bench", str(ROOT / "configs" / "entropy_tokens.yaml"), "--prompts", "2000"]) == 0
    assert re.search(r"^entropy_tokens( +[\d.,]+){3}$", capsys.readouterr().out, re.MULTILINE)


def test_checking_a_file_from_a_cold_start_takes_less_than_two_seconds():
    times = []
    for _ in range(2):  # the better of two: another process may have the core
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "shaping", "check", PASSK], cwd=ROOT, capture_output=True)
        times.append(time.perf_counter() - started)
        assert done.returncode == 0
    assert min(times) < 2


def test_explain_says_what_a_design_climbs_in_words_and_for_programs(capsys):
    rloo = str(ROOT / "configs" / "rloo.yaml")
    assert main(["explain", rloo, "--n", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("rloo, groups of 4, rewards 0 and 1\n") and "climbs   p, unbiased\n" in out
    assert main(["explain", rloo, PASSK, "--n", "4", "--param", "k=2", "--json"]) == 1
    assert "no parameter 'k'" in capsys.readouterr().err
    assert main(["explain", rloo, "--n", "4", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["climbs"] == {"objective": "p", "factor": {"exact": "1", "value": 1.0}, "unbiased": True}
    assert main(["explain", str(ROOT / "configs" / "gfpo.yaml")]) == 1
    assert "it reads length" in capsys.readouterr().err


def test_derive_writes_a_design_whose_claim_holds(tmp_path, capsys):
    assert main(["derive", "pass_at(k)", "--param", "k=3", "--n", "8"]) == 0
    made = tmp_path / "made.yaml"
    made.write_text(capsys.readouterr().out)
    assert main(["test", str(made), "--up-to", "8"]) == 0
    assert "exhausted  unbiased_for: pass_at(k)\n" in capsys.readouterr().out


def test_derive_reads_an_objective_from_a_file_and_a_design_is_not_one_yet(tmp_path, capsys):
    path = tmp_path / "goal.yaml"
    path.write_text("objective: pass_at(k)\nbaseline: none\nparams: {k: 2}\n")
    assert main(["derive", str(path), "--n", "4", "--param", "k=3"]) == 0
    out = capsys.readouterr().out
    assert "  k: {default: 3, range: [1, N]}\n" in out and "advantage: N * phi\n" in out
    assert main(["check", str(path)]) == 1
    assert "an objective is not a design yet" in capsys.readouterr().out
    path.write_text("objective: p\nphi: n_pos\n")
    assert main(["derive", str(path)]) == 1
    assert "one of `objective:` and `phi:` is needed" in capsys.readouterr().err
    path.write_text("objective: p\nbaseline: best\n")
    assert main(["derive", str(path)]) == 1
    assert "unknown baseline 'best'" in capsys.readouterr().err
