"""A design → one vectorized torch function for groups of N answers.

In    Design, N, the moment of the run if the design sees it
Out   reward_PN, score_PN, what else it reads (`Design.inputs`) → advantage_PN

Each function is made once for a design, N, dtype, device and moment (lowering.py), and kept.
"""

from __future__ import annotations

import re
from functools import lru_cache

import torch
from torch import fx

from shaping.compiled.lowering import Lowering
from shaping.design import Design, Moment
from shaping.groups.check import check_moment, check_size
from shaping.language.nodes import Draws
from shaping.work import bounded


@lru_cache(maxsize=1024)
def lowered(
    design: Design,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
    ragged: bool = False,
) -> fx.GraphModule:
    """The function for groups of N, with its tables on `device`. Takes only rewards that were checked.

    After `design.inputs` it takes what `lowered_draws` gives for each `draws:` section, (P, N);
    `ragged`, present_PN: which answers count. The others get 0, and N is how many do.
    With a `token:` section it returns a tuple: the advantages, then what that
    section reads of an answer (`token_inputs`).

    Raises:
      DesignError: a parameter is out of range, or the design has no value for some n_pos.
    """
    with bounded(design.source.path):
        check_size(design, N)
        check_moment(design, N, moment)
        with_none = [may_have_none(lowered_draws(design, node, N, dtype, moment=moment)) for node in design.draws]
        return Lowering(design, N, dtype, moment, ragged).module(with_none).to(device)


@lru_cache(maxsize=1024)
def lowered_draws(
    design: Design,
    node: Draws,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
) -> fx.GraphModule:
    """One `draws:` section: reward_PN, score_PN, `design.inputs`, member_PMk → drawn_PN.

    A function of its own, because P * draws * size is what a large batch has no memory for: apply.py calls it
    with as many prompts at a time as it has room for, which nothing else of another group enters.
    """
    with bounded(design.source.path):
        return Lowering(design, N, dtype, moment).draws_module(node).to(device)


@lru_cache(maxsize=1024)
def lowered_inputs(
    design: Design,
    N: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    moment: Moment | None = None,
    ragged: bool = False,
) -> fx.GraphModule:
    """What the `token:` section reads of an answer: takes what `lowered` takes, and advantage_PN."""
    with bounded(design.source.path):
        return Lowering(design, N, dtype, moment, ragged).inputs_module().to(device)


@lru_cache(maxsize=1024)
def lowered_token(
    design: Design, N: int, dtype: torch.dtype = torch.float32, moment: Moment | None = None
) -> fx.GraphModule:
    """The `token:` section: token_logprob_BT, position_BT, mask_BT, then `token_inputs` as (B, 1) → advantage_BT."""
    with bounded(design.source.path):
        return Lowering(design, N, dtype, moment).token_module()


@lru_cache(maxsize=1024)
def verdict_function(design: Design, dtype: torch.dtype) -> fx.GraphModule:
    """score_PN, score_PN → whether each answer is correct; NaN is not looked for."""
    with bounded(design.source.path):
        # The predicate looks at one score, whatever the group's size.
        return Lowering(design, 2, dtype, None).verdict_module()


def source_code(design: Design, N: int) -> str:
    """What `Design.source_code` documents; of a design that changes over a run, its beginning."""
    from shaping.compiled.looked_up import looks_up, table  # it is made of what stands here

    moment = design.moment(0, 1) if design.clock else None
    modules = [lowered_draws(design, node, N, moment=moment) for node in design.draws]
    modules.append(lowered(design, N, moment=moment))
    if looks_up(design):
        modules.append(table(design, N, moment=moment).function)
    return "\n\n".join(re.sub(r";  [\w= ]+ = None", "", module.code).strip() + "\n" for module in modules)


def may_have_none(module: fx.GraphModule) -> bool:
    """Does a `draws:` section's function say, beside the values, which answers have none?"""
    return any(node.op == "output" and isinstance(node.args[0], tuple) for node in module.graph.nodes)
