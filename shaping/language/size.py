"""How large a design may be: parts of its formulas, and how deep they are nested with every name written out.

Reading, checking and compiling take time for each part, and a call within a call for each level.
"""

from __future__ import annotations

from collections.abc import Iterable

from shaping.errors import DesignError, located
from shaping.language.nodes import Node, parts

MAX_PARTS = 4_000  # numbers, names and operations; a `let` counts once: fifty times the largest of configs/
MAX_NESTED = 150  # a level is four calls of Python, which stops at 1,000


def refuse_too_large(roots: Iterable[Node]) -> None:
    """Raise the DesignError of formulas that are too large, at the place where they become so.

    Every part is reached once, so that names which double (b: a * a, c: b * b, ...) take no longer.
    """
    depth: dict[Node, int] = {}
    left = [(root, False) for root in roots]
    while left:
        node, inner_done = left.pop()
        if node in depth:
            continue
        if not inner_done:
            left.append((node, True))
            left += [(part, False) for part in parts(node)]
            continue
        depth[node] = 1 + max((depth[part] for part in parts(node)), default=0)
        if depth[node] > MAX_NESTED:
            message = f"nested more than {MAX_NESTED} deep, with the names in it written out"
            raise DesignError(located(node.span, message, "shorter formulas, or fewer names that need each other"))
        if len(depth) > MAX_PARTS:
            message = f"more than {MAX_PARTS:,} numbers, names and operations in all formulas"
            raise DesignError(located(node.span, message, "a design is a page of formulas: leave out what repeats"))
