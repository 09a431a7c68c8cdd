"""The code a design becomes: readable, compiled whole by torch, without anything a file could smuggle in."""

import re

import pytest
import torch
from samples import CONFIGS, design, grpo, passk, rows

import shaping
from shaping.compiled import lower


def both():
    return design("(r - mean(r)) / std(r) * sqrt(p * (1 - p))", flat=0)


@pytest.mark.parametrize("make", [passk, grpo, both], ids=["table", "graph", "both"])
def test_torch_compile_takes_it_whole(make):
    function = lower.lowered(make(), 4)
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    batch = rows([1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1])
    assert torch.equal(compiled(batch, batch), function(batch, batch))
    assert function(batch, batch).any()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_torch_compile_takes_every_design_whole(path):
    made, generator = shaping.load(path), torch.Generator().manual_seed(0)
    batch = (torch.rand(6, 8, generator=generator) < 0.2).float()
    more = [-torch.rand(6, 8, generator=generator) for _ in made.inputs]
    member = torch.rand(6, 8, 8, generator=generator).argsort(-1)[..., :4]
    moment = made.moment(5, 10) if made.clock else None
    drawn = [compiled(lower.lowered_draws(made, node, 8, moment=moment), batch, batch, member) for node in made.draws]
    compiled(lower.lowered(made, 8, moment=moment), batch, batch, *more, *drawn)


def compiled(function, *batch):
    """What torch.compile makes of it gives the same, and something; it is returned."""
    torch._dynamo.reset()
    result = function(*batch)
    same = torch.compile(function, fullgraph=True, backend="eager")(*batch)
    assert all(map(torch.equal, as_tuple(same), as_tuple(result))) and any(part.any() for part in as_tuple(result))
    return result


def as_tuple(result):
    """With a `token:` section there is more than the advantages."""
    return result if isinstance(result, tuple) else (result,)


def test_the_code_can_be_read():
    code = design(
        "mu_gap * hard / sigma", flat=0, let={"mu_gap": "r - mean(r)", "sigma": "std(r)", "hard": "1 - p"}
    ).source_code(4)
    assert code.startswith("def forward(self, reward_PN, score_PN):\n")
    for line in (
        "mu_gap = shaping_kernels_centred(reward_PN)",
        "sigma = shaping_kernels_std_of_centred(mu_gap, ddof = 0)",
        "n_pos_P1 = torch_Tensor_long(sum_1)",
        "hard = hard_group[n_pos_P1]",
    ):
        assert f"    {line}\n" in code
    compile(code, "<code>", "exec")


def test_a_subexpression_that_occurs_twice_is_computed_once():
    code = design("(r - mean(r)) / std(r) + (r - mean(r)) * mean(r)", flat=0).source_code(4)
    assert code.count("kernels_centred(") == code.count("kernels_mean_of_centred(") == 1 and "kernels_mean(" not in code


def test_no_loop_runs_over_prompts_or_answers():
    for make in (passk, grpo):
        code = make().source_code(16)
        assert "for " not in code and "while " not in code and len(code.splitlines()) < 20


def test_the_code_holds_no_text_of_the_file_but_names_and_numbers():
    text = CONFIGS.joinpath("passk.yaml").read_text()
    text = text.replace("name: passk", "name: \"q'); import os; os.system('x\"")
    code = shaping.loads(text.replace("sigma", "spread") + "# '''\n").source_code(8)
    assert "import" not in code and "os" not in re.findall(r"\w+", code) and "'" not in code and '"' not in code


@pytest.mark.parametrize(
    "name",
    [
        "reward_PN",
        "score_PN",
        "torch",
        "operator",
        "self",
        "forward",
        "training",
        "flat_P1",
        "type",
        "device",
        "inf",
        "print",
    ],
)
def test_no_let_gets_in_the_way_of_the_code(name):
    shadow = design(f"{name} * r + r", flat=0, let={name: "1 / n_pos"})
    assert shadow(rows([1, 0], [0, 0])).tolist() == [[2, 0], [0, 0]]
    shadow = design(f"{name} + n_pos", let={name: "r * 2"})
    assert shadow(rows([1, 0], [0, 0])).tolist() == [[3, 1], [0, 0]]
