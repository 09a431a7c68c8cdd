"""A formula's nodes → MathML, as nested lists: ["mfrac", ["mi", "a"], ["mn", "2"]].

A list is an element: its name, then attributes (a dict), children (lists) and
text (strings). Names of `let` and `use` stay names, so a formula is as long as
it was written. Lists and not markup: whoever builds elements from them has
nothing to escape.
"""

from __future__ import annotations

from fractions import Fraction

from shaping.errors import Span
from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Number, Reduce

Math = list

GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon eta theta kappa lam lambda_ mu nu phi pi psi rho sigma tau omega".split(),
        "αβγδεηθκλλμνφπψρστω",
        strict=True,
    )
)
BINDS = {"or": 1, "and": 2, "not": 3, "add": 5, "subtract": 5, "negate": 6, "multiply": 6, "power": 8}  # how tightly
SIGNS = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "-": "−", "*": "⋅"}
FENCES = {"abs": ("|", "|"), "floor": ("⌊", "⌋")}
COMPARED, ATOM = 4, 9
SPACE = "\u00a0"  # MathML drops plain spaces at the ends of a text
COMPARISONS = {"less", "at_most", "more", "at_least", "equal", "unequal"}


def typeset(node: Node) -> Math:
    return _set(node)[0]


def name(text: str) -> Math:
    """
    >>> name("n_pos"), name("sigma")
    (['msub', ['mi', 'n'], ['mi', 'pos']], ['mi', 'σ'])
    """
    first, _, rest = text.partition("_")
    if not first or not rest:
        return ["mi", GREEK.get(text, text)]
    return ["msub", ["mi", GREEK.get(first, first)], ["mi", GREEK.get(rest, rest)]]


def number_text(value: Fraction, span: Span) -> str:
    """As it was typed, such as 1e-6, if that is what stands at `span`."""
    text = source_text(span)
    try:
        return text if Fraction(text) == value else str(value)
    except (ValueError, ZeroDivisionError):
        return str(value)


def source_text(span: Span) -> str:
    """What stands at `span`.

    >>> from shaping.errors import Source
    >>> source_text(Source("a.yaml", "advantage: 0.5 * r").span(11, 14))
    '0.5'
    """
    return span.source.text.split("\n")[span.line - 1][span.column - 1 :][: span.width]


def _set(node: Node) -> tuple[Math, int]:
    """The formula, and how tightly its outermost operation binds."""
    match node:
        case Number(value=value):
            return ["mn", number_text(value, node.span)], ATOM
        case Name(name=text) | Named(name=text):
            return name(text), ATOM
        case Draws():
            return name("drawn"), ATOM
        case Fallback(body=body):
            return _set(body)
        case Choose(operands=(condition, then, otherwise)):
            return _cases(condition, then, otherwise), 0
        case Reduce():
            return _reduction(node), ATOM
        case Apply(function=function, operands=operands):
            return _applied(function.name, function.infix, operands)


def _applied(key: str, infix: str, operands: tuple[Node, ...]) -> tuple[Math, int]:
    if key == "divide":
        return ["mfrac", *map(typeset, operands)], ATOM - 2
    if key == "power":
        return ["msup", _tight(operands[0], ATOM), typeset(operands[1])], BINDS["power"]
    if key == "sqrt":
        return ["msqrt", typeset(operands[0])], ATOM
    if key == "exp":
        return ["msup", ["mi", "e"], typeset(operands[0])], BINDS["power"]
    if key == "binomial":
        stack = ["mfrac", {"linethickness": "0"}, *map(typeset, operands)]
        return _fenced(stack), ATOM
    if key in FENCES:
        return _fenced(typeset(operands[0]), *FENCES[key]), ATOM
    if not infix:
        return _called(["mi", {"log_gamma": "log Γ"}.get(key, key)], [typeset(operand) for operand in operands]), ATOM
    binds = BINDS.get(key, COMPARED)
    if len(operands) == 1:
        sign = ["mo", "−"] if key == "negate" else ["mtext", f"not{SPACE}"]
        return ["mrow", sign, _tight(operands[0], binds)], binds
    if key == "and" and (chain := _chain(operands)):
        return chain, COMPARED
    left, right = operands
    sign = ["mtext", f"{SPACE}{infix}{SPACE}"] if infix in ("and", "or") else ["mo", SIGNS.get(infix, infix)]
    # a - (b - c) and a < (b < c) keep their parentheses; a + (b + c) needs none.
    negative = isinstance(right, Apply) and right.function.name == "negate"  # a + (-b)
    least = ATOM if negative else binds + (key not in ("add", "multiply", "and", "or"))
    return ["mrow", _tight(left, binds + (binds == COMPARED)), sign, _tight(right, least)], binds


def _chain(operands: tuple[Node, ...]) -> Math | None:
    """0 < n_pos < N, which is read as two comparisons that share their middle."""
    if not all(isinstance(side, Apply) and side.function.name in COMPARISONS for side in operands):
        return None
    first, second = operands
    if first.operands[1] is not second.operands[0]:
        return None
    signs = (["mo", SIGNS.get(side.function.infix, side.function.infix)] for side in operands)
    parts = [_tight(part, COMPARED + 1) for part in (*first.operands, second.operands[1])]
    return ["mrow", parts[0], next(signs), parts[1], next(signs), parts[2]]


def _tight(node: Node, binds: int) -> Math:
    math, own = _set(node)
    return math if own >= binds else _fenced(math)


def _fenced(math: Math, left: str = "(", right: str = ")") -> Math:
    grows = {"fence": "true", "stretchy": "true" if _is_tall(math) else "false"}
    return ["mrow", ["mo", grows, left], math, ["mo", grows, right]]


def _is_tall(math: Math) -> bool:
    return math[0] in ("mfrac", "mtable") or any(isinstance(part, list) and _is_tall(part) for part in math)


def _called(head: Math, arguments: list[Math]) -> Math:
    inside = ["mrow"]
    for i, argument in enumerate(arguments):
        inside += [["mo", ","], argument] if i else [argument]
    return ["mrow", head, _fenced(inside)]


def _reduction(node: Reduce) -> Math:
    """mean(length where correct); options that are not their defaults, and `batch`, stand below the name."""
    below = [f"{key}={value}" for key, value in node.options if value != node.reduction.options[key]]
    below += ["batch"] if node.over == "batch" else []
    head = ["mi", node.reduction.name]
    head = ["msub", head, ["mtext", ", ".join(below)]] if below else head
    operand = typeset(node.operand)
    if node.where is not None:
        operand = ["mrow", operand, ["mtext", f"{SPACE}where{SPACE}"], typeset(node.where)]
    return _called(head, [operand, *map(typeset, node.arguments)])


def _cases(condition: Node, then: Node, otherwise: Node) -> Math:
    lines = [(then, ["mrow", ["mtext", f"if{SPACE}"], typeset(condition)])]
    while isinstance(otherwise, Choose):  # else-if goes on in the same table
        condition, then, otherwise = otherwise.operands
        lines.append((then, ["mrow", ["mtext", f"if{SPACE}"], typeset(condition)]))
    lines.append((otherwise, ["mtext", "otherwise"]))
    table = ["mtable", {"columnalign": "left"}]
    table += [["mtr", ["mtd", typeset(value)], ["mtd", when]] for value, when in lines]
    return ["mrow", ["mo", {"fence": "true"}, "{"], table]
