"""The command line: python -m shaping COMMAND

check FILE...   every mistake of every file, with its place and the next step; exit status 1 if there is one
test PATH...    the claims of every design: proved, exhausted, searched, or refuted with the smallest group
show FILE       what a design says, what groups get, the torch code it becomes
explain FILE    what a design climbs, how noisy it is, how fast
derive WHAT     an objective, or a file that has one, as a design
plot FILE...    a picture: advantages, eta, the weight and the objective, of several designs or parameters
compare A B     two designs side by side
diagnose JSONL  what designs would do with rewards that somebody already has
simulate FILE.. train a population of prompts with each, in seconds
report PATH...  one page with all of it, for a browser
bench [FILE...] how fast the compiled designs are, as ratios from one run
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import TYPE_CHECKING

from shaping.design import load, loads, own_params
from shaping.errors import DesignError, Source, commanded
from shaping.language.document import read_text
from shaping.language.params import assignments
from shaping.language.sections import problems
from shaping.proofs.claims import read_claims
from shaping.real import told
from shaping.work import MAX_SECONDS, seconds

if TYPE_CHECKING:
    from shaping.proofs.judge import Judgement

PROGRAM = "python -m shaping"
PARAM = "--param"
WITH_N = ("check", "show", "explain", "derive", "plot", "compare")  # commands about groups of --n answers


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(_with_formulas(sys.argv[1:] if argv is None else argv))
    for stream in (sys.stdout, sys.stderr):  # a file may have a name that no text can show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with commanded(PARAM):
            return options.run(options)
    except DesignError as error:
        print(error, file=sys.stderr)
        return 1


def _with_formulas(arguments: list[str]) -> list[str]:
    """An objective may begin with a minus, as no flag of `derive` does: a blank before it, and argparse sees that.

    >>> _with_formulas(["derive", "-(1-p)**3", "--n", "8"])
    ['derive', ' -(1-p)**3', '--n', '8']
    """
    if arguments[:1] != ["derive"]:
        return arguments
    return [f" {each}" if re.match(r"-(?!-|h$)", each) else each for each in arguments]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Check, test, explain, draw and try advantage designs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str, files: str | int | None) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        if name == "diagnose":
            made.add_argument("rewards", metavar="JSONL", help='one group a line: {"rewards": [1, 0, 0, 1]}')
        if files:
            made.add_argument("files", nargs=files, metavar="FILE", help="YAML of a design")
        else:
            made.add_argument("what", help="pass_at(k), 'phi: n_pos > 1', or a YAML file with `objective:`")
        if name in WITH_N:
            made.add_argument("--n", type=int, default=16, help="answers in a group (default 16)")
            made.add_argument(
                "--param", action="append", default=[], metavar="NAME=VALUE", help="set a parameter, such as k=8"
            )
        return made

    command("check", check, "say every mistake of the files; exit status 1 if there is one", "+")
    command("show", show, "show what a design says and does", "+")
    explained = command("explain", run_explain, "say what a design climbs, how noisy it is and how fast", "+")
    explained.add_argument("--json", action="store_true", help="for programs: exact values as text, floats beside them")
    derived = command("derive", run_derive, "write the design that climbs an objective", None)
    derived.add_argument("--baseline", help="none, others_mean (default) or optimal")
    derived.add_argument(
        "--non-negative", action="store_true", help="no wrong answer before a correct one, in the same company"
    )
    plot = command("plot", run_plot, "draw designs; --param k=1,2,4 draws one for each value", "+")
    plot.add_argument("-o", "--out", required=True, metavar="FILE", help="the picture: .png, .svg or .pdf")
    compared = command("compare", run_compare, "set two designs side by side", 2)
    compared.add_argument("-o", "--out", metavar="FILE", help="a picture of both, too: .png, .svg or .pdf")
    diagnosed = command("diagnose", run_diagnose, "say what designs would do with the rewards of a file", "+")
    diagnosed.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="of the designs that have it"
    )
    diagnosed.add_argument(
        "--fail-on", action="append", default=[], metavar="CONDITION", help="exit status 1 if it holds: 'silent>0.5'"
    )
    trained = command("simulate", run_simulate, "train a population of prompts with each design, in seconds", "+")
    for flag, kind, default, text in (
        ("--prompts", int, 64, "prompts"),
        ("--n", int, 16, "answers in a group"),
        ("--steps", int, 500, "steps"),
        ("--seeds", int, 20, "seeds, the same for every design"),
        ("--lr", float, 0.1, "learning rate of the first design"),
        ("--shared", float, 0.5, "how much of what one prompt learns the others learn too, 0 to 1"),
        ("--k", int, 8, "of the Pass@k that is shown"),
    ):
        trained.add_argument(flag, type=kind, default=default, help=f"{text} (default {default})")
    trained.add_argument("--no-match", action="store_true", help="leave the sizes of advantages as they are")
    trained.add_argument("-o", "--out", metavar="FILE", help="curves too: .png, .svg or .pdf")
    trained.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="of the designs that have it"
    )
    page = command("report", run_report, "write one HTML page: curves that answer, claims, formulas, comparison", "+")
    page.add_argument("-o", "--out", required=True, metavar="FILE", help="the page: .html")
    page.add_argument("--no-claims", action="store_true", help="do not decide the claims: a minute for all of configs/")
    page.add_argument("--up-to", type=int, default=64, metavar="N", help="largest group that is exhausted (default 64)")
    test = command("test", run_test, "decide the claims of designs; exit status 1 if one is false", "+")
    test.add_argument("--up-to", type=int, default=64, metavar="N", help="largest group that is exhausted (default 64)")
    test.add_argument("-q", "--quiet", action="store_true", help="only what fails, and the counts")
    bench = command("bench", run_bench, "time compiled designs against a copy, torch by hand and a Python loop", "*")
    bench.add_argument("--prompts", type=int, default=1_000_000, help="groups (default 1,000,000)")
    bench.add_argument(
        "--rewards", choices=("verdicts", "graded"), default="verdicts", help="0 and 1, or numbers (default verdicts)"
    )
    bench.add_argument("--compile", action="store_true", help="also under torch.compile: half a minute a design")
    return parser


def check(options: argparse.Namespace) -> int:
    from shaping.groups.notes import notes
    from shaping.groups.silent import refuse_silent, silent_notes

    status = 0
    for path in options.files:
        said: list[str] = []
        try:
            text, params = read_text(path), assignments(options.param, PARAM)
            errors = problems(Source(path, text), params)
            if not errors:
                design = loads(text, path, **params)
                design.check(options.n)
                read_claims(design)
                refuse_silent(design, options.n)
                said = notes(design, options.n) + silent_notes(design, options.n)
        except DesignError as error:
            errors = [error]
        for error in errors:
            print(f"{error}\n")
        if errors:
            status = 1
        else:
            print(f"{path}: fine, for groups of {options.n}")
        for note in said:
            print(note)
    return status


def show(options: argparse.Namespace) -> int:
    from shaping.views.show import description

    for i, path in enumerate(options.files):
        design = load(path, **assignments(options.param, PARAM))
        design.check(options.n)
        with told(path):
            print(("\n" if i else "") + description(design, options.n))
    return 0


def run_explain(options: argparse.Namespace) -> int:
    from shaping.objectives.explain import explain

    found = []
    for path in options.files:
        design = load(path, **assignments(options.param, PARAM))
        design.check(options.n)
        with seconds(MAX_SECONDS, path), told(path):
            found.append(explain(design, options.n).json() if options.json else explain(design, options.n).words())
    print(json.dumps(found, indent=2) if options.json else "\n\n".join(found))
    return 0


def run_derive(options: argparse.Namespace) -> int:
    from shaping.objectives.derive import derive, derive_file

    params = assignments(options.param, PARAM)
    if options.what.endswith((".yaml", ".yml")):
        for flag, key, given in (
            ("--baseline", "baseline", options.baseline),
            ("--non-negative", "non_negative", options.non_negative),
        ):
            if given:
                raise DesignError(f"{flag} goes with a formula; a file says it itself, as `{key}:`")
        with seconds(MAX_SECONDS, options.what):
            print(derive_file(options.what, options.n, params), end="")
    else:
        baseline, only = options.baseline or "others_mean", options.non_negative
        with seconds(MAX_SECONDS, options.what):
            print(derive(options.what, options.n, baseline, params, non_negative=only), end="")
    return 0


def run_plot(options: argparse.Namespace) -> int:
    from shaping.views.plots import draw, save, writable
    from shaping.views.profile import all_curves

    out = writable(options.out)
    save(draw(all_curves(options.files, options.n, _lists(options.param))), out)
    print(out)
    return 0


def run_compare(options: argparse.Namespace) -> int:
    from shaping.views.compare import comparison
    from shaping.views.plots import draw, save, writable
    from shaping.views.profile import all_curves

    out = writable(options.out) if options.out else None
    found = all_curves(options.files, options.n, _lists(options.param))
    if len(found) != 2:
        raise DesignError("compare takes one value for each --param")
    both = " and ".join(options.files)
    with seconds(MAX_SECONDS, both), told(both):
        print(comparison(*found))
    if out:
        save(draw(found), out)
        print(f"\n{out}")
    return 0


def run_diagnose(options: argparse.Namespace) -> int:
    from shaping.trials.diagnose import diagnosis, fails
    from shaping.trials.records import read_records

    rewards, files = options.rewards, options.files
    params = assignments(options.param, PARAM)
    designs = [load(path, **own_params(path, params)) for path in files]
    fails([], options.fail_on)  # a condition that cannot be read is told before the work
    records = read_records(rewards, say=lambda line: print(line, file=sys.stderr))
    report, found = diagnosis(rewards, designs, records)
    print(report)
    failed = fails(found, options.fail_on)
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def _lists(texts: list[str]) -> dict[str, list[str]]:
    """
    >>> _lists(["k=1,2,4"])
    {'k': ['1', '2', '4']}
    """
    found = {name: [part.strip() for part in values.split(",")] for name, values in assignments(texts, PARAM).items()}
    for name, values in found.items():
        if not all(values):
            raise DesignError(f"--param {name}={','.join(values)}: a value is missing")
    return found


def run_simulate(options: argparse.Namespace) -> int:
    from shaping.trials.simulate import run

    numbers = {name: getattr(options, name) for name in ("prompts", "steps", "seeds", "lr", "shared", "k")}
    params = assignments(options.param, PARAM)
    match = not options.no_match
    return run(options.files, N=options.n, match=match, params=params, output=options.out, **numbers)


def run_report(options: argparse.Namespace) -> int:
    from shaping.views.report import report

    print(report(options.files, options.out, None if options.no_claims else options.up_to, decide=_judged))
    return 0


def run_test(options: argparse.Namespace) -> int:
    from shaping.proofs.judge import files, report, summary

    found = []
    for judgements in _judged(files(options.files), options.up_to):
        found += judgements
        if judgements and not (options.quiet and all(each.passed for each in judgements)):
            print(report(judgements))
    print(summary(found))
    return 0 if all(each.passed for each in found) else 1


def _judged(paths: list[str], up_to: int) -> Iterable[list[Judgement]]:
    """`judge_all`, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from shaping.proofs.judge import judge_all

    terminal = Console(stderr=True)
    return track(judge_all(paths, up_to), "claims", len(paths), console=terminal, disable=not terminal.is_terminal)


def run_bench(options: argparse.Namespace) -> int:
    from shaping.compiled.bench import bench

    return bench(options.files, options.prompts, options.compile, options.rewards)
