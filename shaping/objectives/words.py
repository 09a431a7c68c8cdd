"""An Explanation as plain text for people and as JSON for programs (explain.py computes it)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

from mpmath import mpf, nstr

from shaping import real
from shaping.objectives import dynamics
from shaping.objectives.dynamics import LONGEST
from shaping.objectives.recognize import Near, number_text, polynomial_text
from shaping.real import Real

if TYPE_CHECKING:
    from shaping.objectives.explain import Explanation
    from shaping.objectives.limits import Limit

WIDTH = 100
INDENT = 9
SHORT = 60  # characters of a polynomial that is shown
LONG = 14_000  # bits
SHOWN = 33  # numbers of a list that is shown


def words(found: Explanation) -> str:
    when = ", as a run begins" if found.design.clock else ""
    when += ", before its section `token:`" if found.design.token else ""
    parts = [f"{found.design.name}, groups of {found.N}, rewards 0 and 1{when}", ""]
    sections = {
        "descends" if _descends(found) else "climbs": [*_climbs(found), *_limit(found)],
        "weight": _weight(found),
        "group": _group(found),
        "push": _push(found),
        "noise": _noise(found),
        "speed": _speed(found),
    }
    for title, lines in sections.items():
        for i, line in enumerate(lines):
            first = f"{'' if i else title:{INDENT}}"
            if len(line) <= WIDTH - INDENT:  # as it stands: a row of a table keeps its blanks
                parts.append(first + line)
            else:
                parts += textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=" " * (INDENT + 2))
    return "\n".join(parts)


def _descends(found: Explanation) -> bool:
    """Does it go down what is named?"""
    if found.climbs:
        return real.sign(found.climbs.factor) < 0
    return found.near is not None and found.near.factor < 0


def _climbs(found: Explanation) -> list[str]:
    exact, near = found.climbs, found.near
    if exact and exact.objective == "0":
        return ["nothing: its mean gradient is 0 for every p"]
    if exact and exact.factor == 1:
        return [f"{exact.objective}, unbiased"]
    if exact:
        return [f"{exact.objective}: its mean gradient is {_exactly(exact.factor)} times the gradient of it"]
    if not near:
        return ["nothing with a short name, and no familiar objective is near"]
    return [
        f"nothing with a short name; nearest is {near.objective}, times {near.factor:.3g}, {_within(near, found.N)}"
    ]


def _within(near: Near, N: int) -> str:
    inside = f"for p from 1/{N} to {N - 1}/{N}, " if N > 2 else "at p = 1/2, "
    return f"within {_percent(near.inner)} {inside}{_percent(near.outer)} over all p"


def _limit(found: Explanation) -> list[str]:
    from shaping.objectives.limits import Pieces  # late: it needs sympy

    limit, exact = found.limit, found.climbs
    if exact and exact.objective == "0":
        return []
    if isinstance(limit, str):
        return [f"as N grows: no limit found ({limit})"]
    if isinstance(limit, Pieces):
        pieces = (f"  for p from {each.low} to {each.high}: {_tends(each.limit)}" for each in limit.pieces)
        return ["as N grows:", *pieces]
    if exact and limit.objective == exact.objective and limit.factor == number_text(exact.factor) and not limit.power:
        return ["as N grows: the same"]
    text = f"as N grows: {_tends(limit)}"
    near = found.near_limit
    if near and not exact and found.near and near.objective != found.near.objective:
        text += f"; now {near.factor:.3g} times that {_within(near, found.N)}"
    return [text]


def _tends(limit: Limit | str) -> str:
    if isinstance(limit, str):
        return f"no limit found ({limit})"
    scaled = "w" if not limit.power else f"N^{limit.power} w".replace("N^1 ", "N ")
    text = f"{scaled} -> {limit.weight.replace('**', '^')}"
    text += ", q = 1 - p" if "q" in limit.weight.replace("sqrt", "") else ""
    if limit.objective:
        factor = "" if limit.factor == "1" else f"{limit.factor} times "
        text += f", {factor}the gradient of {limit.objective}"
    return text


def _weight(found: Explanation) -> list[str]:
    lines = ["the mean gradient is w(p) grad p, p the chance that an answer is correct"]
    text = _polynomial(found.weight_polynomial)
    if text and len(text) <= SHORT:
        lines.append(f"w(p) = {_with_q(text)}")
    else:
        N = found.N
        lines.append(f"w(p) = sum_m C({N - 1}, m) p^m (1-p)^({N - 1}-m) D_m, D = {_list(found.weight)}")
    if found.weight_polynomial is None or len(found.weight_polynomial) > 1:
        at = _sampled()
        lines += [_row("p", at), _row("w(p)", [_short(found.weight_at(p)) for p in at])]
    return lines


def _group(found: Explanation) -> list[str]:
    lines = [f"as if it were paid phi(n_pos) = {_list(found.group_reward)}"]
    text = _polynomial(found.objective_polynomial)
    if text and len(text) <= SHORT:
        lines.append(f"whose mean is F(p) = {_with_q(text)}")
    return lines


def _push(found: Explanation) -> list[str]:
    if not found.peak:
        return ["none: every advantage is 0"]
    largest = _short(found.eta[found.peak[0]])
    lines = [f"eta, the sum of |A| over a group, is largest at {places(found.peak, found.N)} correct: {largest}"]
    return [
        *lines,
        f"all get 0 at n_pos = {ranges(found.dead)}" if found.dead else "there is no group where all get 0",
    ]


def _noise(found: Explanation) -> list[str]:
    text = _polynomial(found.variance_polynomial)
    lines = ["of the gradient g that one group gives, in the logit of p"]
    lines += [f"Var g = {_with_q(text)}"] if 0 < len(text) <= SHORT else []
    columns = list(found.snr.values())
    if not any(columns):
        return [*lines, "(E g)^2 / Var g: 0 / 0"]
    rows = ("(E g)^2 / Var g", "against GRPO", "against RLOO")
    table = [_row(title, [_ratio(column and column[i]) for column in columns]) for i, title in enumerate(rows)]
    return [*lines, _row("p", list(found.snr)), *table]


def _speed(found: Explanation) -> list[str]:
    lines = []
    for (start, end), (_, ratio) in found.times.items():
        long = f"{'more than ' if ratio >= LONGEST else ''}{ratio:.3g} times as long as GRPO takes"
        long = long if isfinite(ratio) else "never: w(p) is not positive on the way"
        lines.append(f"from p = {start} to {end}: {long}")
    return lines


def as_json(found: Explanation) -> dict[str, object]:
    from shaping.objectives.limits import Pieces  # late: it needs sympy

    limit, exact, near = found.limit, found.climbs, found.near
    climbs = exact and {
        "objective": exact.objective,
        "factor": _both(exact.factor),
        "unbiased": exact.factor == 1 and exact.objective != "0",
    }
    return {
        "design": found.design.name,
        "N": found.N,
        "params": {name: str(param.value) for name, param in found.design.params.items()},
        "as_a_run_begins": bool(found.design.clock),
        "climbs": climbs,
        "nearest": near and vars(near) | {"outer": _finite(near.outer)},
        "as_N_grows": [{"from": each.low, "to": each.high} | _limit_json(each.limit) for each in limit.pieces]
        if isinstance(limit, Pieces)
        else _limit_json(limit),
        "weight": {
            "bernstein": list(map(_both, found.weight)),
            "polynomial": _strings(found.weight_polynomial),
            "at": {str(p): _both(found.weight_at(p)) for p in _sampled()},
        },
        "objective_polynomial": _strings(found.objective_polynomial),
        "group_reward": list(map(_both, found.group_reward)),
        "eta": list(map(_both, found.eta)),
        "peak": found.peak,
        "dead": found.dead,
        "second_moment_bernstein": list(map(_both, dynamics.second_moment(found.pairs))),
        "variance_polynomial": _strings(found.variance_polynomial),
        "snr": {
            str(p): row and dict(zip(("own", "of_grpo", "of_rloo"), map(_finite, row), strict=True))
            for p, row in found.snr.items()
        },
        "time": {
            f"{start} to {end}": {"own": _finite(own), "of_grpo": _finite(ratio)}
            for (start, end), (own, ratio) in found.times.items()
        },
    }


def _limit_json(limit: Limit | str) -> dict[str, object]:
    return {"not_found": limit} if isinstance(limit, str) else {**vars(limit), "power": str(limit.power)}


# ── Numbers as they are said ────────────────────────────────────────────────


def _sampled() -> list[Fraction]:
    from shaping.objectives.explain import AT

    return AT


def _both(value: Real | float) -> dict[str, object]:
    """`value` is None where that is beyond the range of floats."""
    if isinstance(value, float):
        return {"exact": None, "value": value}
    try:
        return {"exact": number_text(value), "value": real.nearest(value)}
    except OverflowError:
        return {"exact": number_text(value), "value": None}


def _polynomial(coefficients: Sequence[Fraction] | None) -> str:
    """In powers of p, q or p q; '' if there are none, or one is longer than what is shown."""
    return polynomial_text(coefficients) if coefficients and not _are_long(coefficients, 4 * SHORT) else ""


def _are_long(values: Sequence[Fraction], bits: int) -> bool:
    return any(max(a.numerator.bit_length(), a.denominator.bit_length()) > bits for a in values)


def _strings(values: Sequence[Fraction] | None) -> list[str] | None:
    """None also where Python would not print one: whole numbers of more than 4,300 digits."""
    return None if values is None or _are_long(values, LONG) else list(map(str, values))


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if isfinite(value) else None


def _exactly(value: Real) -> str:
    text = number_text(value)
    return text if text and len(text) <= SHORT else f"{real.nearest(value):.6g}"


def _ratio(value: float | None) -> str:
    return "0 / 0" if value is None else f"{value:.3g}" if isfinite(value) else "infinite"


def _short(value: Real | float) -> str:
    if isinstance(value, Fraction) and not _are_long([value], 20) and len(str(value)) <= 6:
        return str(value)
    found = value if isinstance(value, float) else real.nearest(value)
    if not found and value and isinstance(value, Fraction):  # below any float
        return nstr(mpf(value.numerator) / value.denominator, 4)
    return f"{found:.4g}"


def _list(values: Sequence[Real]) -> str:
    if len(values) > SHOWN:
        return f"{', '.join(map(_short, values[: SHOWN // 2]))}, ... {', '.join(map(_short, values[-(SHOWN // 2) :]))}"
    return ", ".join(map(_short, values))


def _row(title: str, cells: Sequence[object]) -> str:
    return f"{title:16}" + "".join(f"{cell!s:>10}" for cell in cells)


def _with_q(polynomial: str) -> str:
    return f"{polynomial}, q = 1 - p" if "q" in polynomial else polynomial


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if 0.1 <= share < 10 else f"{100 * share:.2g} %" if share < 1 else "far off"


def places(peaks: Sequence[int], N: int) -> str:
    """
    >>> places([3, 4], 7), places([1, 2, 3, 4, 5], 8)
    ('3/7, 4/7', '1..5 of 8')
    """
    return ", ".join(f"{n}/{N}" for n in peaks) if len(peaks) <= 4 else f"{ranges(peaks)} of {N}"


def ranges(numbers: Sequence[int]) -> str:
    """
    >>> ranges([0, 13, 14, 15])
    '0, 13..15'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{low}..{high}" if low < high else str(low) for low, high in runs)
