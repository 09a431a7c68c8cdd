"""OpenRLHF's real parser of train_ppo_ray, caught when its command line asks it to parse. Ray is not started."""

import argparse
import functools
import runpy

from passk_rlhf.cpu import replacements


class _Caught(Exception):
    pass


@functools.cache
def real_parser():
    """The argparse.ArgumentParser of the installed OpenRLHF; its errors are ValueErrors."""
    replacements.register()
    found, parse_args = [], argparse.ArgumentParser.parse_args

    def catch(parser, *args, **kwargs):
        if "--algo.advantage.estimator" not in parser._option_string_actions:
            return parse_args(parser, *args, **kwargs)
        found.append(parser)
        raise _Caught

    argparse.ArgumentParser.parse_args = catch
    try:
        runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
    except _Caught:
        pass
    finally:
        argparse.ArgumentParser.parse_args = parse_args
    [parser] = found

    def error(message):
        raise ValueError(message)

    parser.error = error
    return parser


def parsed(flags):
    """What the real parser makes of flags: {"--a.b": value}."""
    return {f"--{name}": value for name, value in vars(real_parser().parse_args(flags)).items()}
