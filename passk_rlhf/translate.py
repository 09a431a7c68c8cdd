"""A launch script of before OpenRLHF 0.10.2 with today's flags: python -m passk_rlhf.translate old.sh > new.sh

    python -m passk_rlhf.translate old.sh                           the same script: flags renamed, our launcher
    python -m passk_rlhf.translate old.sh --design configs/passk.yaml --param k=8      trained on a design

The script goes to standard output: variables, quotes, comments and lines stay as they are. What was left out and why,
what means something else now, and which defaults have changed since goes to standard error. translation.py does it,
old_flags.py has the names.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from passk_rlhf.old_flags import NEW
from passk_rlhf.shell_words import ShellError
from passk_rlhf.translation import LAUNCHER, Translation

MAX_SCRIPT = 100_000  # bytes: a thousand lines and more


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m passk_rlhf.translate", description=__doc__.split("\n")[0])
    parser.add_argument(
        "script", metavar="SCRIPT", help="a shell script that starts OpenRLHF's train_ppo_ray; - is stdin"
    )
    parser.add_argument("--design", metavar="YAML", help="train on this design in place of the script's estimator")
    parser.add_argument("--param", metavar="NAME=VALUE", action="append", default=[], help="a parameter of the design")
    options = parser.parse_args(argv)
    from shaping import DesignError, load
    from shaping.language.params import assignments

    try:
        if options.design:
            load(options.design, **assignments(options.param, "--param"))  # what is wrong with it is said here
        elif options.param:
            raise ShellError("--param sets a parameter of a design: name one with --design")
        found = Translation(read_script(options.script), options.design, options.param)
        if not found.commands:
            raise ShellError(f"{options.script}: no command in it starts openrlhf.cli.train_ppo_ray")
    except (ShellError, DesignError) as error:
        print(f"python -m passk_rlhf.translate: error: {error}", file=sys.stderr)
        return 1
    sys.stdout.flush()
    sys.stdout.buffer.write(found.result.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    starts = "a command starts" if found.commands == 1 else f"{found.commands} commands start"
    print(f"{options.script}: {starts} {LAUNCHER}; {found.renamed} flags have the names of {NEW}", file=sys.stderr)
    for line, what in found.notes:
        print(f"{options.script}{f':{line}' * (line > 0)}: {what}", file=sys.stderr)
    return 0


def read_script(path: str) -> str:
    """Its text, ends of lines included; bytes that are no UTF-8 come out again as they were.

    Raises:
      ShellError: it cannot be read, or is none.
    """
    try:
        with open(path if path != "-" else os.dup(0), "rb") as file:
            found = file.read(MAX_SCRIPT + 1)
    except OSError as error:
        raise ShellError(f"{path}: {error.strerror}") from None
    if len(found) > MAX_SCRIPT:
        raise ShellError(f"{path}: longer than {MAX_SCRIPT:,} bytes")
    if b"\0" in found:
        raise ShellError(f"{path}: is no script: it has bytes of zero in it")
    return found.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
