"""Design files → one HTML page: formulas, claims, and what groups of 0/1 rewards get, to look at and to compare.

The page needs nothing but itself: its data are a block of JSON, its script and
style (shaping/page) stand in it, and its policy allows no other. Numbers come
from `exact.verdict_pair`, rounded once. A number of the page is one of

    3 or 0.7071067811865475            the nearest float64
    "3/7"                              short and rational; dividing gives the nearest float64
    [0.7071067811865476, "√2/2"]       short and a root
    null                               no answer gets it

A design is a stranger's file. Its text goes into the page as JSON strings
alone, and the script makes text nodes of them, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path

from shaping import real
from shaping.design import Design, Moment, load
from shaping.errors import DesignError
from shaping.groups.exact import verdict_pair
from shaping.groups.rows import Row, beyond_verdicts, in_range, whole_numbers
from shaping.objectives.objective import weight
from shaping.proofs.claims import read_claims
from shaping.proofs.judge import Judgement, files, judge_all
from shaping.real import Real, Surd, Unusable
from shaping.views.describe import described
from shaping.work import MAX_SECONDS, seconds

SIZES = (4, 8, 16, 32)
MOST_COUNT = 16  # the largest k that has a curve, if the default is not larger
MOST_ROWS = 512  # for one N; a file with many parameters over N keeps some at their default
STEPS = 16  # points of a run at which a design that changes over it is shown
PARTS = ("page.html", "page.css", "address.js", "chart.js", "design.js", "page.js")  # in this order in one script
LONGEST = 12  # characters of an exact value that is shown as such


def report(
    paths: list[str],
    out: str,
    up_to: int | None,
    judgements: Mapping[str, list[Judgement]] | None = None,
    decide: Callable[[list[str], int], Iterable[list[Judgement]]] = judge_all,
) -> str:
    """Write the page on all designs of these files and folders; `out` is left as it was if that fails.

    Args:
      up_to: the largest group for which claims are exhausted (judge.py); None: claims are not decided.
      judgements: path → its judgements, where the caller has them; then nothing is decided here.
      decide: `judge_all`, or the same with a progress bar.

    Returns:
      What was written, in a line.

    Raises:
      DesignError: a file is no design, or `out` cannot be written.
    """
    found = list(dict.fromkeys(files(paths)))
    target = _target(out, found)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise DesignError(f"{out}: cannot be written: {error.strerror}") from None
    try:
        designs = [(path, load(path)) for path in found]
        claims = {path: [claim.text for claim in read_claims(design)] for path, design in designs}
        entries = [described(design) | shown(design) for _, design in designs]
        if judgements is None and up_to is not None:
            judgements = dict(zip(found, decide(found, up_to), strict=True))
        for path, entry, identity in zip(found, entries, identities(entries), strict=True):
            entry |= {"id": identity, "claims": _claims(claims[path], (judgements or {}).get(path))}
        text = page({"sizes": SIZES, "steps": STEPS, "designs": entries})
        _put(text, draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    size = len(text.encode()) / 1e6
    return f"{out}: {len(entries)} design{'s' * (len(entries) != 1)}, {size:.1f} MB"


def _target(out: str, found: list[str]) -> Path:
    """The file to be replaced; the page is put beside it first."""
    target = Path(out).resolve()
    if target in [Path(path).resolve() for path in found]:
        raise DesignError(f"{out}: is one of the designs\nhint: name another file, such as report.html")
    if target.exists() and not target.is_file():
        raise DesignError(f"{out}: is no file\nhint: name one, such as report.html")
    if not target.parent.is_dir():
        raise DesignError(f"{out}: there is no folder {target.parent}")
    if target.exists() and not os.access(target, os.W_OK):
        raise DesignError(f"{out}: cannot be written: Permission denied")
    return target


def _put(text: str, draft: str, target: Path) -> None:
    """The page in place of `target`, all of it or nothing, with the rights of a new file."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        Path(draft).write_text(text, "utf-8")
        os.chmod(draft, 0o666 & ~mask)
        os.replace(draft, target)
    except OSError as error:
        raise DesignError(f"{target}: cannot be written: {error.strerror}") from None


def identities(entries: list[dict]) -> list[str]:
    """What links call the designs: their names, in letters, digits, _ and -; a number behind the second of a name.

    >>> identities([{"name": "passk"}, {"name": "pass k"}, {"name": "passk"}])
    ['passk', 'pass-k', 'passk-2']
    """
    found: list[str] = []
    for entry in entries:
        base = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in entry["name"]) or "design"
        numbers = (f"{base}-{i}" for i in itertools.count(2))
        found.append(next(each for each in itertools.chain([base], numbers) if each not in found))
    return found


def _claims(texts: list[str], judged: list[Judgement] | None) -> list[dict]:
    for each in judged or []:
        if not each.claim:
            raise DesignError(each.error)
    if judged is None:
        return [{"text": text} for text in texts]
    return [{"text": each.claim, "verdict": each.word, "over": _scope(each), "error": each.error} for each in judged]


def _scope(judged: Judgement) -> str:
    return judged.over + (f"; not looked at: {judged.unseen}" if judged.unseen else "")


# ── What groups get ─────────────────────────────────────────────────────────


def shown(design: Design) -> dict:
    """The tables of a design: {"counts": ["k"], "tables": {"4": {"2|0": row}}}; or why there are none."""
    why = beyond_verdicts(design)
    if why:
        return {"why": f"verdicts do not decide what an answer gets, {why}"}
    with seconds(MAX_SECONDS, design.source.path):
        return _shown(design)


def _shown(design: Design) -> dict:
    moments = [design.moment(step, STEPS) for step in range(STEPS + 1)] if design.clock else [None]
    places = list(dict.fromkeys(moments))
    counts, tables, errors = _counts(design, len(places)), {}, []
    for N in SIZES:
        try:
            tables[N] = {
                ",".join(map(str, values)) + f"|{i}": _row(design, N, params, moment)
                for i, moment in enumerate(places)
                for values, params in _settings(design, N, counts)
                if in_range(design, N, params, moment)
            }
        except DesignError as error:
            errors.append((N, error))
    if not any(tables.values()):
        if errors:
            raise errors[0][1]
        return {"why": f"its parameters allow no groups of {', '.join(map(str, SIZES))}"}
    return {
        "counts": counts,
        "tables": tables,
        "moments": [places.index(moment) for moment in moments],
        "without": {N: str(error).split("\n")[0] for N, error in errors},
    }


def _row(design: Design, N: int, params: Mapping[str, Real], moment: Moment | None) -> dict[str, list]:
    """Advantages and eta for n_pos = 0..N, and the Bernstein coefficients of w(p) (objective.py)."""
    pairs = tuple(verdict_pair(design, N, n_pos, moment, params) for n_pos in range(N + 1))
    row = Row(N, params, moment, pairs)
    try:
        return {
            "right": [cell(right) for right, _ in pairs],
            "wrong": [cell(wrong) for _, wrong in pairs],
            "eta": [cell(row.eta(n_pos)) for n_pos in range(N + 1)],
            "weight": [_float(difference) for difference in weight(pairs)],
        }
    except (OverflowError, Unusable):
        raise DesignError(f"{design.source.path}: an advantage beyond the range of floats, {row.where()}") from None


def _counts(design: Design, moments: int) -> list[str]:
    """The parameters whose ranges reach to N, as many as MOST_ROWS leaves room for."""
    names = [name for name, param in design.params.items() if param.is_count]
    room = (i for i in range(len(names) + 1) if moments * MOST_COUNT**i <= MOST_ROWS)
    return names[: max(room, default=0)]


def _settings(design: Design, N: int, names: list[str]) -> Iterable[tuple[tuple[int, ...], dict[str, Fraction]]]:
    """Every choice of these parameters, as whole numbers and as all of the design's parameters."""
    choices = []
    for name in names:
        param = design.params[name]
        most = max(MOST_COUNT, int(param.value))
        choices.append([value for value in whole_numbers(param, N) if value <= most])
    defaults = {name: param.value for name, param in design.params.items()}
    for values in itertools.product(*choices):
        yield values, defaults | {name: Fraction(value) for name, value in zip(names, values, strict=True)}


# ── Numbers ─────────────────────────────────────────────────────────────────


def cell(value: Real | None) -> int | float | str | list | None:
    """
    >>> cell(Fraction(3, 7)), cell(real.sqrt(Fraction(1, 5))), cell(Fraction(-2)), cell(None)
    ('3/7', [0.4472135954999579, '√5/5'], -2, None)
    """
    if value is None:
        return None
    if isinstance(value, Fraction):
        text = str(value)
        return text if value.denominator > 1 and len(text) <= LONGEST else _float(value)
    text = _root(value) if isinstance(value, Surd) and len(value.terms) == 1 else ""
    return [_float(value), text] if 0 < len(text) <= LONGEST else _float(value)


def _float(value: Real) -> int | float:
    number = real.nearest(value)
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def _root(value: Surd) -> str:
    """'-3√10/20': one root of a whole number without square factors; '' if its number is long."""
    ((factor, inside),) = value.terms
    number, outside = inside.numerator * inside.denominator, factor / inside.denominator
    if number > 10**6:
        return ""
    divisor = 2
    while divisor * divisor <= number:
        while number % (divisor * divisor) == 0:
            number, outside = number // (divisor * divisor), outside * divisor
        divisor += 1
    top = {1: "", -1: "-"}.get(outside.numerator, str(outside.numerator))
    return f"{top}√{number}" + (f"/{outside.denominator}" if outside.denominator > 1 else "")


# ── The page ────────────────────────────────────────────────────────────────


def page(data: dict) -> str:
    """The whole HTML. Its policy names its script and style by their hashes, so nothing else runs or is fetched."""
    parts = resources.files("shaping.views") / "page"
    template, style, *scripts = ((parts / name).read_text("utf-8") for name in PARTS)
    code = "\n".join(['"use strict";', *scripts])
    # In JSON "<" stands only in strings: written as an escape, no text of a design can end the block.
    block = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    fills = {"STYLE-HASH": _hash(style), "CODE-HASH": _hash(code), "STYLE": style, "CODE": code, "DATA": block}
    pieces = []
    for i, piece in enumerate(template.split("@@")):  # text, name, text, name, ..., text
        pieces.append(fills[piece] if i % 2 else piece)
    return "".join(pieces)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
