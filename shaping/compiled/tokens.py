"""The `token:` section: what of its formula is of tokens, and what is the same for all tokens of an answer."""

from __future__ import annotations

from functools import lru_cache

import torch

from shaping.compiled.counted import Counted
from shaping.design import Design, Moment
from shaping.language.nodes import Name, Node, Reduce, parts, specialize, walk
from shaping.language.vocabulary import ANSWER, CONSTANT, TOKEN


@lru_cache(maxsize=1024)
def token_formula(design: Design, N: int, moment: Moment | None = None) -> tuple[Node, list[Node]]:
    """The `token:` formula without the branches that are never taken, and what it reads of an answer: `token_inputs`.

    These are its widest parts that are the same for all tokens of an answer, `A` among them. What N decides is one
    where answers may be missing, since N is then another one from group to group.
    """
    root = specialize(design.token, Counted(design, N, torch.float32, moment, design.drop_missing).decide)
    found, seen, left = [], set(), [root]
    while left:
        node = left.pop()
        same = node.scope == CONSTANT and not (design.drop_missing and _reads_N(node))
        if node in seen or same:
            continue
        seen.add(node)
        if any(part.scope == TOKEN or (isinstance(part, Reduce) and part.over == ANSWER) for part in walk(node)):
            left += parts(node)
        else:
            found.append(node)
    return root, found


def token_inputs(design: Design, N: int, moment: Moment | None = None) -> list[Node]:
    """What the `token:` formula reads of an answer, in the order in which it is handed over."""
    return token_formula(design, N, moment)[1]


def _reads_N(node: Node) -> bool:
    return any(isinstance(part, Name) and part.name == "N" for part in walk(node))
