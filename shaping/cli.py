"""The command line: python -m shaping check | show | bench

check FILE...   every mistake of every file, with its place and the next step; exit status 1 if there is one
show FILE       what a design says, what groups get, the torch code it becomes
bench [FILE...] how fast the compiled designs are, as ratios from one run
"""

from __future__ import annotations

import argparse
import sys

from shaping.design import loads
from shaping.document import read_text
from shaping.errors import DesignError, Source
from shaping.sections import problems

PROGRAM = "python -m shaping"


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except DesignError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Check, show and time advantage designs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str, files: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("files", nargs=files, metavar="FILE", help="YAML of a design")
        if name != "bench":
            made.add_argument("--n", type=int, default=16, help="answers in a group (default 16)")
            made.add_argument(
                "--param", action="append", default=[], metavar="NAME=VALUE", help="set a parameter, such as k=8"
            )
        return made

    command("check", check, "say every mistake of the files; exit status 1 if there is one", "+")
    command("show", show, "show what a design says and does", "+")
    bench = command("bench", run_bench, "time compiled designs against a copy, torch by hand and a Python loop", "*")
    bench.add_argument("--prompts", type=int, default=1_000_000, help="groups (default 1,000,000)")
    bench.add_argument("--compile", action="store_true", help="also under torch.compile: half a minute a design")
    return parser


def check(options: argparse.Namespace) -> int:
    status = 0
    for path in options.files:
        try:
            text, params = read_text(path), read_params(options.param)
            errors = problems(Source(path, text), params)
            if not errors:
                loads(text, path, **params).check(options.n)
        except DesignError as error:
            errors = [error]
        for error in errors:
            print(f"{error}\n")
        if errors:
            status = 1
        else:
            print(f"{path}: fine, for groups of {options.n}")
    return status


def show(options: argparse.Namespace) -> int:
    from shaping.show import description

    for i, path in enumerate(options.files):
        design = loads(read_text(path), path, **read_params(options.param))
        design.check(options.n)
        print(("\n" if i else "") + description(design, options.n))
    return 0


def run_bench(options: argparse.Namespace) -> int:
    from shaping.bench import bench

    return bench(options.files, options.prompts, options.compile)


def read_params(texts: list[str]) -> dict[str, str]:
    """
    >>> read_params(["k=8", "gamma=0.5"])
    {'k': '8', 'gamma': '0.5'}
    """
    params: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise DesignError(f"--param {text}: write NAME=VALUE, for example k=8")
        if name in params:
            raise DesignError(f"--param {name} is given twice, as {params[name]} and as {value}")
        params[name] = value
    return params
