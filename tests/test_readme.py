"""The README shows what is: its design, its error and its Python are the real ones."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import shaping
from shaping.proofs.claims import read_claims

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def load_make_readme():
    spec = importlib.util.spec_from_file_location("make_readme", ROOT / "scripts" / "make_readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def block(language, containing):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (found,) = [text for label, text in fenced if label == language and containing in text]
    return found


def test_the_design_shown_is_the_file():
    assert block("yaml", "name: passk") == (ROOT / "configs" / "passk.yaml").read_text()


def test_every_output_shown_is_what_its_command_prints(monkeypatch):
    monkeypatch.chdir(ROOT)
    make_readme = load_make_readme()
    assert make_readme.wrong(README, slow=False) == []
    assert len(make_readme.BLOCK.findall(README)) >= 4
    assert make_readme.wrong(README.replace("-3.873", "-3.874"), slow=False)  # the check can fail


def test_the_verdicts_shown_are_on_the_claims_of_the_file():
    said = block("", "configs/passk.yaml\n  proved")  # deciding them to N = 64 takes 13 seconds: not here
    claims = [claim.text for claim in read_claims(shaping.load(ROOT / "configs" / "passk.yaml"))]
    assert re.findall(r"^  (?:proved|exhausted|breaks it) +(.*)$", said, re.MULTILINE) == claims


def test_the_error_shown_is_what_a_wrong_name_gives():
    text = (ROOT / "configs" / "passk.yaml").read_text().replace("binomial(N - 1", "binomial(n_total - 1")
    with pytest.raises(shaping.DesignError) as error:
        shaping.loads(text, "configs/mine.yaml")
    assert block("", "n_total") == f"python -m passk_rlhf.train_ppo_ray: error: {error.value}\n"


def test_the_python_shown_gives_the_tensor_beside_it():
    code = block("python", "shaping.load")
    shown = re.search(r"# tensor\((.*)\)", code).group(1)
    names = {}
    exec(code.replace("design(torch", "shown = design(torch").replace("print(", "("), names)  # the README's own lines
    torch.testing.assert_close(names["shown"], torch.tensor(eval(shown)), atol=1e-4, rtol=0)


def test_every_design_and_every_metric_stands_in_its_table():
    from passk_rlhf.metrics import step_metrics

    for path in (ROOT / "configs").glob("*.yaml"):
        assert f"[`{path.name}`](configs/{path.name})" in README
    for name in step_metrics(torch.tensor([[True, False]]), torch.tensor([[1.0, -1.0]])):
        assert f"`{name}`" in README or name.startswith("rollout/pass"), name


def test_every_name_and_function_of_the_language_is_mentioned():
    from shaping.language.vocabulary import FUNCTIONS, REDUCTIONS, SIGNALS

    section = README[README.index("## A design") : README.index("## What is logged")]
    for name in {*FUNCTIONS, *REDUCTIONS, *SIGNALS}:
        assert re.search(rf"\b{name}\b", section), name
