"""The tables of shaping/language/vocabulary.py → the generated parts of docs/language.md, in place.

    python scripts/make_docs.py            write them
    python scripts/make_docs.py --check    write nothing; exit 1 if the file is not up to date

A part stands between `<!-- names: made by scripts/make_docs.py -->` and `<!-- end -->`; what stands around it is
written by hand and left alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from shaping.language.vocabulary import FUNCTIONS, OPERATORS, REDUCTIONS, SIGNALS, Function, Reduction  # noqa: E402

LANGUAGE = ROOT / "docs" / "language.md"
EXISTS = {"": "", "draws": ", with `draws:`", "token": ", in `token:`"}


def names() -> str:
    rows = ([f"`{x.name}`", x.scope + EXISTS[x.section], x.meaning, x.unit] for x in SIGNALS.values())
    return table(["name", "scope", "meaning", "unit"], rows)


def operators() -> str:
    """In one row those that have the same arguments without a value."""
    groups: dict[str, list[str]] = {}
    for operator in OPERATORS.values():
        formula, _, more = operator.meaning.partition("; ")
        groups.setdefault(operator.hazard, []).append(f"`{formula}`" + f" ({more})" * bool(more))
    return table(["operators", "no value"], [[" ".join(forms), hazard] for hazard, forms in groups.items()])


def functions() -> str:
    def row(function: Function) -> list[str]:
        fewest, most = function.arity
        values = [*"abc"[:fewest], *(["..."] if most > fewest else [])]
        return [f"`{function.name}({', '.join(values)})`", function.meaning, function.hazard]

    return table(["function", "meaning", "no value"], map(row, FUNCTIONS.values()))


def reductions() -> str:
    def row(reduction: Reduction) -> list[str]:
        options = [*(["where", "over"] if reduction.selects else []), *reduction.options]
        call = f"{reduction.name}({', '.join(['x', *reduction.arguments])})"
        return [f"`{call}`", reduction.meaning, " ".join(options)]

    return table(["reduction", "gives", "options"], map(row, REDUCTIONS.values()))


PARTS = {"names": names, "operators": operators, "functions": functions, "reductions": reductions}


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def made(text: str) -> str:
    """`text` with its generated parts as the vocabulary has them now."""
    for name, part in PARTS.items():
        marker = f"<!-- {name}: made by scripts/make_docs.py -->"
        if text.count(marker) != 1:
            raise SystemExit(f"{LANGUAGE.name} has {text.count(marker)} places for {name!r}: one line {marker}")
        whole = re.compile(rf"{re.escape(marker)}.*?<!-- end -->", re.DOTALL)
        text = whole.sub(f"{marker}\n{part()}\n<!-- end -->", text)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated parts of docs/language.md.")
    parser.add_argument("--check", action="store_true", help="exit 1 if the file is not up to date; write nothing")
    before = LANGUAGE.read_text()
    after = made(before)
    if not parser.parse_args().check:
        LANGUAGE.write_text(after)
    elif before != after:
        print("docs/language.md is not what shaping/language/vocabulary.py says: run python scripts/make_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
