"""What a design says to a caller in Python who gives it something else, and that it can be sent to another process."""

import copy
import pickle
import subprocess
import sys

import numpy
import pytest
import torch
from samples import CONFIGS

import shaping
from shaping import DesignError, RewardError

GRPO = shaping.load(CONFIGS / "grpo.yaml")
REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.0]])

WRONG = {
    "a list": (([[1.0, 0.0]],), {}, "rewards are a list, not a tensor: torch.as_tensor(rewards)"),
    "an array": ((numpy.ones((1, 2)),), {}, "rewards are a numpy array, not a tensor: torch.as_tensor(rewards)"),
    "nothing": ((None,), {}, "rewards are None, not a tensor"),
    "a list of scores": ((REWARDS, [[1, 0]]), {}, "scores are a list, not a tensor: torch.as_tensor(scores)"),
    "a list of lengths": ((REWARDS,), {"length": [3]}, "length is a list, not a tensor: torch.as_tensor(length)"),
    "half a seed": ((REWARDS,), {"seed": 1.5}, "seed=1.5 is no whole number"),
    "half a step": ((REWARDS,), {"step": 1.5, "total_steps": 3}, "step=1.5 is no whole number"),
    "a seed of a word": ((REWARDS,), {"seed": "1"}, "seed='1' is no whole number"),
    "a huge seed": ((REWARDS,), {"seed": 2**63}, "seed=9223372036854775808 is larger than 64 bits hold"),
    "complex scores": ((REWARDS, REWARDS.to(torch.complex64)), {}, "scores are torch.complex64, torch.strided; a"),
    "sparse rewards": ((REWARDS.to_sparse(),), {}, "rewards are torch.float32, torch.sparse_coo; a design takes dense"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_tensor_or_no_whole_number_is_told(what):
    given, named, message = WRONG[what]
    with pytest.raises(RewardError) as error:
        GRPO(*given, **named)
    assert str(error.value).startswith(f"design 'grpo': {message}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lengths", "takes no lengths=.\ndid you mean length=? It may be given length=, logprob=, truncated=."),
        ("tool_calls", "takes no tool_calls=.\nIt may be given length=, logprob=, truncated=."),
        ("scores", "takes no scores=: scores are the second argument: design(rewards, scores)"),
        ("surprisal", "takes no surprisal=: it is -logprob: give logprob="),
    ],
)
def test_an_unknown_signal_is_told(name, message):
    with pytest.raises(RewardError) as error:
        GRPO(REWARDS, **{name: REWARDS})
    assert str(error.value) == f"design 'grpo' {message}"


def test_a_signal_that_is_known_and_not_read_does_no_harm():
    assert torch.equal(GRPO(REWARDS, length=REWARDS, step=numpy.int64(3)), GRPO(REWARDS))
    own = shaping.loads("signals: {tools: calls}\nadvantage: r - tools")
    assert own(REWARDS, tools=REWARDS).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("N", ["8", 8.0, True, None, [8]])
def test_a_size_that_is_no_whole_number_is_told(N):
    for method in (GRPO.check, GRPO.source_code):
        with pytest.raises(DesignError, match=r"grpo\.yaml: groups of .* answers: N is a whole number, such as 16$"):
            method(N)


def test_what_is_no_path_and_no_text_is_told():
    with pytest.raises(DesignError, match="^a design is loaded from the path of a file, not from int 3$"):
        shaping.load(3)
    with pytest.raises(DesignError, match="^<design>: a design is text, not bytes$"):
        shaping.loads(b"advantage: r")


# ---------------------------------------------------------------- pickled


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_pickled_design_is_the_same_design(path):
    design = shaping.load(path)
    again = pickle.loads(pickle.dumps(design))
    assert (again.name, again.resolved, again.inputs) == (design.name, design.resolved, design.inputs)
    assert {name: each.value for name, each in again.params.items()} == {
        name: each.value for name, each in design.params.items()
    }


def test_a_pickled_design_keeps_its_parameters_and_needs_no_file(tmp_path):
    (tmp_path / "inner.yaml").write_text("params: {k: 2}\nadvantage: k * (r - mean(r))\n")
    use = "use: {a: {design: inner.yaml, params: {k: c + 1}}}\n"
    (tmp_path / "d.yaml").write_text(f"params: {{c: 1}}\n{use}advantage: a\n")
    design = shaping.load(tmp_path / "d.yaml", c=3)  # 4 * (1 - 1/4) = 3
    text = pickle.dumps(design)
    for file in tmp_path.iterdir():
        file.unlink()
    for again in (pickle.loads(text), copy.copy(design), copy.deepcopy(design)):
        assert again(REWARDS).tolist() == [[3, -1, -1, -1]]
        again.check(4)
        assert again.name == "d"


def test_a_design_is_pickled_to_another_process(tmp_path):
    # Pass@2 of two right answers in four: 1 / sqrt(5)
    path = tmp_path / "passk.pickle"
    path.write_bytes(pickle.dumps(shaping.load(CONFIGS / "passk.yaml", k=2)))
    code = "import pickle, sys, torch\nwith open(sys.argv[1], 'rb') as file: design = pickle.load(file)\n"
    code += "print(design(torch.tensor([[1., 1., 0., 0.]]))[0, 0].item() * 5 ** 0.5)"
    run = [sys.executable, "-c", code, str(path)]
    assert float(subprocess.run(run, check=True, capture_output=True, text=True).stdout) == pytest.approx(1)
