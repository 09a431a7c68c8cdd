"""One sign, constant or name changed in a design of the library: its oracle or one of its claims notices.

A mutant that no group tells from the design is not one: `1 + x` for `x + 1`, `<=` for `<` where nothing is equal.
Those are counted as unnoticed all the same, so the share below is a lower bound.
"""

import random
import re
from fractions import Fraction as F

import pytest
from samples import CONFIGS
from test_library import TOKENS, group, ours, takes, theirs, tokens

import shaping
from shaping.errors import DesignError, RewardError, Source
from shaping.language.document import Items, Mapping, Scalar, edited, read
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide

DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
EACH = 8  # mutants of a design, drawn with its name for a seed
BUG = "(shaped - mean(r))"  # of dapo: groups that are cut short add up to less than 0, and nothing noticed it once
OTHER_NAME = {
    "n_pos": "n_neg",
    "n_neg": "n_pos",
    "correct": "p",
    "p": "n_pos",
    "N": "(N + 1)",
    "r": "p",
    "length": "(N * length)",
    "logprob": "(logprob * logprob)",
    "mean": "max",
    "std": "var",
    "min": "max",
    "max": "min",
    "sum": "max",
    "rank": "max",
    "others_mean": "mean",
    "max_with": "max_without",
    "max_without": "max_with",
    "sqrt": "exp",
    "exp": "abs",
    "log": "exp",
    "A": "(A * A)",
}


def scalars(value):
    match value:
        case Scalar():
            yield value
        case Items(items=items):
            for item in items:
                yield from scalars(item)
        case Mapping(entries=entries):
            for key, (_, part) in entries.items():
                if key != "range":  # a bound changes no advantage
                    yield from scalars(part)


def mutants(name):
    """(what was changed, the text of the mutant): every sign, constant and known name of its formulas, once each."""
    text = (CONFIGS / f"{name}.yaml").read_text()
    top = read(Source(str(CONFIGS / f"{name}.yaml"), text))
    lets = dict.fromkeys(top.get("let").entries if top.get("let") else (), "r")  # as mean(r) for mean(shaped) in dapo
    sections = ("correct", "params", "let", "use", "draws", "keep", "advantage", "token")
    for scalar in (found for key in sections if top.get(key) is not None for found in scalars(top.get(key))):
        if scalar.text.endswith(".yaml") or scalar.text in ("yes", "no"):
            continue
        for token in re.finditer(r"(?<![\w.])\d[\d_.]*(?:e-?\d+)?|[A-Za-z_]\w*|[+-]|[<>]=?", scalar.text):
            word = token.group()
            if word[0].isdigit():
                new = f"({word} + 1)" if "." not in word else f"({word} * 2)"
            else:
                signs = {"+": "-", "-": "+", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}
                new = (lets | OTHER_NAME | signs).get(word)
            if new is None or re.match(r"\s*=[^=]", scalar.text[token.end() :]):
                continue
            changed = scalar.text[: token.start()] + new + scalar.text[token.end() :]
            quoted = f'"{changed}"' if scalar.text in text[scalar.offsets[0] : scalar.offsets[-1]] else changed
            yield f"{scalar.text!r}: {word} -> {new}", edited(text, [(scalar, quoted.replace('""', '"'))])


def oracle_notices(name, design):
    if name in TOKENS:
        pairs = (pair for seed in range(6) for pair in zip(*tokens(name, design, seed), strict=True))
        return any(found != pytest.approx(expected, abs=1e-9) for found, expected in pairs)
    for seed in range(10):
        for N in (size for size in (4, 5, 8) if takes(name, size)):
            batch = [group(name, N, f"{seed} {i}") for i in range(3)]
            for progress in (F(1, 3), F(3, 4)) if design.clock else (F(0),):
                mine, seen = ours(design, batch, progress)
                if mine != theirs(name, seen, progress):
                    return True
    return False


def notices(name, text):
    """What notices the mutant: 'error', 'oracle', 'claims', or '' if nothing does."""
    try:
        design = shaping.loads(text, str(CONFIGS / f"{name}.yaml"))
        design.check(8)
        if oracle_notices(name, design):
            return "oracle"
        verdicts = decide(design, read_claims(design), 6)
    except (DesignError, RewardError):
        return "error"
    return "" if all(verdict.passed for verdict in verdicts) else "claims"


def test_nearly_every_mutant_of_the_library_is_noticed(capsys):
    noticed, missed = 0, []
    for name in DESIGNS:
        found = list(mutants(name))
        chosen = random.Random(name).sample(found, min(EACH, len(found)))
        chosen += [each for each in found if BUG in each[1] and each not in chosen]
        for what, text in chosen:
            if notices(name, text):
                noticed += 1
            else:
                missed.append(f"{name}: {what}")
    share = noticed / (noticed + len(missed))
    with capsys.disabled():
        print(f"\nmutants noticed: {noticed} of {noticed + len(missed)}, {share:.1%}")
    assert any(BUG in text for _, text in mutants("dapo"))
    assert noticed > 250 and share >= 0.98, missed


def test_the_design_itself_is_not_noticed():
    for name in ("grpo", "passk_bootstrap", "gfpo", "entropy_tokens"):
        assert notices(name, (CONFIGS / f"{name}.yaml").read_text()) == ""
