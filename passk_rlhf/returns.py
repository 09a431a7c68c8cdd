"""What a reward function, a reward server, an agent's step() or an executor returned for one answer, as plain numbers.

    {"rewards": number, "scores": number, "extra_logs": {name: number}}

A number is an int, a float, a bool, a fraction, a NumPy scalar, or a list, tuple, array or tensor that holds exactly
one of these; a JSON list with one entry is the same. Each is read as a float, so that every answer has one shape and
one type. What is no number is one of two things. Both travel from the process that generates to the one that trains, as
a value in the place of the reward:

    Missing      None, or no reward beside a score: this answer has none. The design says what becomes of it
                 (`on_missing: drop`)
    Malformed    something that means no number, or several: the function is broken, not the answer, so the run ends
                 whatever the design says

A `reward_func` may be a coroutine function: what it returns is awaited (reward_time.py) and then read like any other
return. Knows nothing of OpenRLHF's classes; imported by vLLM's workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

RETURN = "return {'rewards': number, 'scores': number}"


@dataclass(frozen=True)
class Missing:
    """No number for this answer, and why."""

    why: str


@dataclass(frozen=True)
class Malformed:
    """What was returned that nobody can read, and what to return."""

    what: str
    advice: str = RETURN


class MalformedReturn(ValueError):
    """The text of a Malformed on its way to it; for whoever wrote the reward function, the agent or the executor."""


def number(value: Any) -> float | None:
    """The one number that `value` means. None: it says that there is none.

    Raises:
      MalformedReturn: it means no number, or several; says what it is.

    >>> number(True), number([0.5]), number([[2]]), number(None), number([None])
    (1.0, 0.5, 2.0, None, None)
    >>> number("1.0")
    Traceback (most recent call last):
    passk_rlhf.returns.MalformedReturn: the text '1.0'
    """
    if value is None:
        return None
    if isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:  # an integer beyond all floats
            return math.inf if value > 0 else -math.inf
    if isinstance(value, list | tuple) and len(value) == 1:
        return number(value[0])
    if (shape := shape_of(value)) is not None and math.prod(shape) == 1:
        try:
            held = value.item()
        except Exception as error:
            raise MalformedReturn(f"{described(value)} that cannot be read ({error})") from None
        if shape_of(held) is None:
            return number(held)
    raise MalformedReturn(described(value))


def reading(returned: Any, who: str) -> dict[str, Any]:
    """What `who` returned for one answer, in one form.

    Returns:
      rewards      a float, a Missing or a Malformed
      scores       a float; None where there is none of its own
      extra_logs   name → float; a name whose value is None is left out

    >>> reading({"rewards": [1], "extra_logs": {"moves": 6, "depth": None}}, "reward_func")
    {'rewards': 1.0, 'scores': None, 'extra_logs': {'moves': 6.0}}
    >>> reading({"reward": 1}, "reward_func")["rewards"].what
    "reward_func returned a dict with 'reward' and without 'rewards'"
    """
    try:
        returned = alone(returned)
        if returned is None:
            return no_reward(Missing(f"{who} returned None"))
        if not isinstance(returned, Mapping):
            raise MalformedReturn(described(returned))
        if "rewards" not in returned and (others := [key for key in returned if key not in ("scores", "extra_logs")]):
            raise MalformedReturn(f"a dict with {listed(others)} and without 'rewards'")
        return numbers_of(returned.get("rewards"), returned.get("scores"), returned.get("extra_logs"), who)
    except MalformedReturn as error:
        return no_reward(Malformed(f"{who} returned {error}"))


def numbers_of(reward: Any, score: Any, logs: Any, who: str, reward_key: str = "rewards") -> dict[str, Any]:
    """The same of the three parts; a mark in the place of the reward stays what it is.

    Raises:
      MalformedReturn: one of them means no number.
    """
    if isinstance(reward, Missing | Malformed):
        return no_reward(reward)
    reward, score = number_at(reward, f"as {reward_key!r}"), number_at(score, "as 'scores'")
    logs = {} if (logs := alone(logs)) is None else logs
    if not isinstance(logs, Mapping):
        raise MalformedReturn(f"{described(logs)} as 'extra_logs', where a dict of numbers is needed")
    numbers = {}
    for name, value in logs.items():
        if not isinstance(name, str):
            raise MalformedReturn(f"{described(name)} as a name in 'extra_logs', where text is needed")
        numbers[name] = number_at(value, f"in 'extra_logs' as {name!r}")
    found = {name: value for name, value in numbers.items() if value is not None}
    if reward is None:
        what = "a score and no reward" if score is not None else f"no {reward_key!r}, or None there"
        return {"rewards": Missing(f"{who} returned {what}"), "scores": None, "extra_logs": found}
    return {"rewards": reward, "scores": score, "extra_logs": found}


def no_reward(mark: Missing | Malformed) -> dict[str, Any]:
    return {"rewards": mark, "scores": None, "extra_logs": {}}


def number_at(value: Any, place: str) -> float | None:
    try:
        return number(value)
    except MalformedReturn as error:
        raise MalformedReturn(f"{error} {place}, where one number is needed") from None


def alone(value: Any) -> Any:
    """What a list of one dict (or of one None) holds: the answers of a server come in lists. Else the value itself."""
    if isinstance(value, list | tuple) and len(value) == 1 and (value[0] is None or isinstance(value[0], Mapping)):
        return value[0]
    return value


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Of a tensor, an array or a column of a table; None if it is none of these."""
    shape = getattr(value, "shape", None)
    try:
        return tuple(int(size) for size in shape) if hasattr(value, "item") and shape is not None else None
    except TypeError:
        return None


def described(value: Any) -> str:
    """
    >>> described([1, 2]), described("1.0"), described(1.0), described(iter([]))
    ('a list of 2', "the text '1.0'", 'a float', 'a list_iterator')
    """
    if isinstance(value, str):
        return f"the text {value if len(value) <= 40 else value[:40] + ' ...'!r}"
    if value is None:
        return "None"
    name = type(value).__name__
    of = ""
    if isinstance(value, list | tuple | set | frozenset):
        of = f" of {len(value)}"
    elif isinstance(value, Mapping):
        of = f" with {listed(list(value))}" if value else " with nothing in it"
    elif (shape := shape_of(value)) is not None:
        of = f" of shape {shape}"
    return f"{'an' if name.lower().startswith(('a', 'e', 'i', 'o', 'u', 'nd')) else 'a'} {name}{of}"


def listed(keys: list) -> str:
    """
    >>> listed(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    names = [repr(key) for key in keys[:6]] + (["more"] if len(keys) > 6 else [])
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def short(text: Any, most: int = 200) -> str:
    """A prompt's or an answer's text for an error message, in quotes."""
    text = str(text)
    return repr(text if len(text) <= most else f"{text[: most - 40]} ... {text[-35:]}")
