"""What a design's file says, in parts that a page can show: its comment, formulas, parameters, what it reads.

In    Design
Out   plain data: strings, and MathML as nested lists (typeset.py)
"""

from __future__ import annotations

import re
from pathlib import Path

from shaping.design import Design
from shaping.language.document import Mapping, Scalar, read
from shaping.language.nodes import Choose, Draws, Fallback, Named, Node, walk
from shaping.language.vocabulary import BATCH, SIGNALS
from shaping.views.typeset import Math, name, number_text, source_text, typeset

READS = ("verdicts", "rewards", "length", "tokens", "own signals", "other groups", "draws", "time")
FIELD = re.compile(r"(Source|Differs|Run):\s*(.*)")


def described(design: Design) -> dict:
    """Everything on a design but its numbers."""
    return {
        "name": design.name,
        "path": design.source.path,
        "yaml": design.source.text,
        "about": comment(design.source.text),
        "reads": reads(design),
        "token": design.token is not None,
        "params": [
            {
                "name": param.name,
                "default": number_text(param.value, param.span),
                "value": float(param.value),
                "range": [] if param.low is None else [source_text(node.span) for node in (param.low, param.high)],
            }
            for param in design.params.values()
        ],
        "formulas": formulas(design),
    }


def comment(text: str) -> dict[str, str]:
    """The comment at the top of a file: what the design does, what it is not for, its `Source:`, `Differs:`, `Run:`.

    >>> comment("# Twice GRPO. Not for one answer.\\n# Source: a\\n#         paper\\nname: a")
    {'does': 'Twice GRPO.', 'not': 'Not for one answer.', 'Source': 'a paper'}
    """
    fields: dict[str, list[str]] = {"does": []}
    key = "does"
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        line = line[1:].strip()
        if found := FIELD.match(line):
            key, line = found.groups()
        fields.setdefault(key, []).append(line)
    joined = {key: " ".join(lines).strip() for key, lines in fields.items()}
    sentences = re.split(r"(?<=[.;])\s+(?=[A-Z0-9])", joined.pop("does"))
    kinds = {"does": [each for each in sentences if not each.startswith("Not ")]}
    kinds["not"] = [each for each in sentences if each.startswith("Not ")]
    return {key: value for key, value in ({k: " ".join(v) for k, v in kinds.items()} | joined).items() if value}


def reads(design: Design) -> list[str]:
    """Which of READS the design looks at; `verdicts` only where it looks at nothing else."""
    seen, token = design.signals, design.token is not None
    found = {
        "rewards": bool(seen & {"r", "score"}),
        "length": bool(seen & {"length", "truncated"}),
        "tokens": token or bool(seen & {"logprob", "surprisal", "token_logprob"}),
        "own signals": any(signal not in SIGNALS for signal in seen),
        "other groups": any(node.scope == BATCH for node in design.nodes),
        "draws": any(isinstance(node, Draws) for node in design.nodes),
        "time": bool(design.clock),
    }
    found["verdicts"] = design.tabulated and not token
    return [kind for kind in READS if found[kind]]


def formulas(design: Design) -> list[dict]:
    """The formulas of the file in its order of reading: {"label", "name": MathML, "math": MathML, "text": as written}.

    Of a used design the file is named ("uses"), not its formulas.
    """
    top = read(design.source)
    roots = [root for root in (design.advantage, design.token, design.verdict) if root]
    nodes = [node for root in roots for node in walk(root)]
    lets = {(node.span.line, node.span.column): node for node in nodes if _own(node, design)}
    found = []

    def line(label: str, shown: Math, node: Node | None, text: str) -> None:
        math = None if node is None else typeset(node)
        found.append({"label": label, "name": shown, "math": math, "text": text})

    if design.graded:
        line("correct", ["mtext", "correct if"], design.verdict, _text(top.get("correct")))
    for param in design.params.values():
        if param.schedule is not None:
            line(param.name, name(param.name), param.schedule, source_text(param.schedule.span))
    for key, (_, value) in _entries(top, "use").items():
        inner = value.get("design") if isinstance(value, Mapping) and "design" in value.entries else value
        given = value.get("params") if isinstance(value, Mapping) else None
        parts = given.entries.items() if isinstance(given, Mapping) else ()
        settings = [f"{param} = {_text(formula)}" for param, (_, formula) in parts]
        uses = Path(inner.text).name if isinstance(inner, Scalar) else "a design written out in the file"
        found.append({"label": key, "name": name(key), "uses": uses, "text": ", ".join(settings)})
    for key, (scalar, value) in _entries(top, "let").items():
        node = lets.get((scalar.span.line, scalar.span.column))
        line(key, name(key), node.body if node else None, _text(value))
    for node in design.draws:
        if node.span.source is design.source and _entries(top, "draws"):
            for key in ("size", "count", "reward", "advantage"):
                text = _text(top.get("draws").get(key))
                line(f"draws.{key}", ["msub", ["mi", "draws"], ["mi", key]], getattr(node, key), text)
    if top.get("keep") is not None:
        line("keep", ["mtext", "kept if"], design.keep, _text(top.get("keep")))
    found += _advantage(design, top)
    if design.token is not None:
        line("token", ["msub", ["mi", "A"], ["mi", "token"]], design.token, _text(top.get("token")))
    return found


def _advantage(design: Design, top: Mapping) -> list[dict]:
    """A = ..., or one line for each of `correct:`, `wrong:`, `each:`, `flat:`."""
    section, body = top.get("advantage"), design.advantage
    if design.keep is not None:  # sections.py: advantage if keep else 0
        body = body.operands[1]
    if not isinstance(section, Mapping):
        return [{"label": "advantage", "name": ["mi", "A"], "math": typeset(body), "text": _text(section)}]
    nodes: dict[str, Node] = {}
    if isinstance(body, Fallback) and "flat" in section.entries:
        body, nodes["flat"] = body.body, body.flat
    if isinstance(body, Choose) and "correct" in section.entries:
        nodes["correct"], nodes["wrong"] = body.operands[1:]
    else:
        nodes["each"] = body
    labels = {key: ["msub", ["mi", "A"], ["mi", key]] for key in nodes} | {"each": ["mi", "A"]}
    order = [key for key in ("correct", "wrong", "each", "flat") if key in nodes]
    return [
        {"label": f"advantage.{key}", "name": labels[key], "math": typeset(nodes[key]), "text": _text(section.get(key))}
        for key in order
    ]


def _own(node: Node, design: Design) -> bool:
    return isinstance(node, Named) and node.span.source is design.source


def _entries(top: Mapping, key: str) -> dict:
    section = top.get(key)
    return section.entries if isinstance(section, Mapping) else {}


def _text(value: object) -> str:
    return " ".join(value.text.split()) if isinstance(value, Scalar) else ""
