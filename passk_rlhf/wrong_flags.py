"""Flags on the command line that OpenRLHF's parser does not know, in a few lines instead of its 190 lines of usage.

Those of before OpenRLHF 0.10.2 are called what they are now (old_flags.py); of others the nearest are named.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from passk_rlhf.old_flags import OLD
from passk_rlhf.script_flags import old_name

WIDTH = 118


def say_errors_in_a_line(parser: argparse.ArgumentParser, program: str) -> None:
    """Whatever the parser finds wrong ends the program with that alone, and status 2."""
    parser.error = lambda message: parser.exit(2, f"{program}: error: {message}\n")


def wrong_flags(words: Iterable[str], known: Mapping[str, object]) -> str | None:
    """What to say about the flags among the words of a command that the parser does not know; None if it knows all.

    Args:
      known: its flags. It takes the beginning of one, too, if no other begins so.

    >>> print(wrong_flags(["--pretrain", "m", "--perf"], {"--actor.model_name_or_path": None}))
    2 flags have the names of OpenRLHF before 0.10.2, and are called otherwise now:
      --pretrain -> --actor.model_name_or_path
      --perf: gone, its timings are always logged
    The whole command with today's names: python -m passk_rlhf.translate old.sh > new.sh
    >>> print(wrong_flags(["--actor.model_name", "m", "--rollot.top_p=1"], {"--rollout.top_p": None}))
    unrecognized arguments: --actor.model_name --rollot.top_p; nearest to --rollot.top_p: --rollout.top_p
    """
    options = itertools.takewhile(lambda word: word != "--", words)
    unknown = list(dict.fromkeys(name for word in options if (name := _unknown(word, known))))
    old = [flag for flag in unknown if old_name(flag)]
    lines = _old_names(old, known) if old else []
    if mistyped := [flag for flag in unknown if flag not in old]:
        hints = [f"nearest to {flag}: {', '.join(near)}" for flag in mistyped if (near := nearest(flag, known))]
        lines.append("; ".join([f"unrecognized arguments: {' '.join(mistyped)}", *hints]))
    return "\n".join(lines) or None


def nearest(flag: str, known: Iterable[str]) -> list[str]:
    """The flags that are most like it: with other separators, longer, or misspelt. At most three."""
    same = [name for name in known if _letters(name) == _letters(flag)]
    same = same or [name for name in known if name.startswith(flag)]
    if same:
        return same[:3]
    # A name of before is looked for, too, and what it is now is said.
    among = {name: name for name in known} | {name: old.now[0].split()[0] for name, old in OLD.items() if old.now}
    close = difflib.get_close_matches("--" + flag.lstrip("-"), among, n=2, cutoff=0.7)
    return list(dict.fromkeys(among[name] for name in close))


def _unknown(word: str, known: Mapping[str, object]) -> str | None:
    """The flag that a word is, if the parser will not know it; as argparse splits words."""
    if not re.match(r"--?[A-Za-z]", word) or word in known:
        return None
    name = word.partition("=")[0]
    if " " in name or name in known or sum(each.startswith(name) for each in known) == 1:
        return None
    return name


def _old_names(old: Sequence[str], known: Mapping[str, object]) -> list[str]:
    count = "a flag has the name" if len(old) == 1 else f"{len(old)} flags have the names"
    called = "is called" if len(old) == 1 else "are called"
    now, gone = [], []
    for flag in old:
        meant = OLD[old_name(flag)]
        if not meant.now:
            gone.append(f"{flag}: gone, {meant.why}")
        else:
            pair = f"{flag} -> {' and '.join(meant.now)}".replace(" ", "\0")  # is not broken between two lines
            there = all(each.split()[0] in known for each in meant.now)
            note = meant.why or ("" if there else meant.elsewhere)
            now.append(f"{pair} ({note})" if note else pair)
    return [
        f"{count} of OpenRLHF before 0.10.2, and {called} otherwise now:",
        *_wrapped(", ".join(now), "  "),
        *(line for each in gone for line in _wrapped(each, "  ")),
        "The whole command with today's names: python -m passk_rlhf.translate old.sh > new.sh",
    ]


def _wrapped(text: str, indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return [line.replace("\0", " ") for line in lines]


def _letters(flag: str) -> str:
    return re.sub(r"[-_.]", "", flag).lower()
