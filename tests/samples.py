"""Small batches and designs, as the tests write them."""

from functools import cache
from pathlib import Path

import pytest
import torch

import shaping
from shaping.errors import DesignError
from shaping.groups.check import broken_bound

CONFIGS = Path(__file__).parents[1] / "configs"


def rows(*groups, dtype=torch.float32):
    return torch.tensor(groups, dtype=dtype)


def design(advantage, *, flat=None, correct=None, let=None, **params):
    """A design of one formula; `params` are its defaults."""
    lines = [f"correct: {correct}"] if correct else []
    lines += ["params:", *(f"  {name}: {value}" for name, value in params.items())] if params else []
    lines += ["let:", *(f"  {name}: {body}" for name, body in let.items())] if let else []
    lines += ["advantage:", f"  each: {advantage}"] + ([f"  flat: {flat}"] if flat is not None else [])
    return shaping.loads("\n".join(lines), "d.yaml")


def passk(k=2):
    return shaping.load(CONFIGS / "passk.yaml", k=k)


def grpo():
    return shaping.load(CONFIGS / "grpo.yaml")


def message(text, path="d.yaml", **params):
    with pytest.raises(DesignError) as error:
        shaping.loads(text, path, **params)
    return str(error.value)


@cache
def fitting(name, N):
    """A design of the library, with the first k of its default, 2 and 1 that groups of N take."""
    path = CONFIGS / f"{name}.yaml"
    draws = shaping.load(path).params.keys() & {"k", "keep_k"}
    for params in [{}, *({each: k for each in draws} for k in (2, 1))]:
        made = shaping.load(path, **params)
        bound = broken_bound(made, N, made.constants(made.moment(3, 10) if made.clock else None))
        if bound is None:
            return made
    pytest.skip(f"{name} takes no groups of {N}")


def many(name, P, N, *, dtype=torch.float32, seed=0):
    """A design and what it is called with: P groups of N, rewards that no float holds where it takes such."""
    made, generator = fitting(name, N), torch.Generator().manual_seed(seed)
    verdict_PN = (torch.rand(P, N, generator=generator) < 0.3).to(dtype)
    level_PN = torch.tensor([0.1, 0.3, 0.7, 0.95], dtype=dtype)[torch.randint(4, (P, N), generator=generator)]
    for_verdicts = "r" not in made.signals or name == "a_grae"
    judged = for_verdicts or (made.counts and not made.graded)
    columns = {"reward_PN": verdict_PN if for_verdicts else level_PN, "score_PN": verdict_PN if judged else level_PN}
    of_signal = {"length": lambda x: (20_000 * x).ceil(), "logprob": lambda x: -3 * x}
    columns |= {signal: of_signal[signal](torch.rand(P, N, generator=generator)) for signal in made.inputs}
    return made, columns


def credit(made, columns):
    return made(**columns, **({"step": 3, "total_steps": 10} if made.clock else {}))
