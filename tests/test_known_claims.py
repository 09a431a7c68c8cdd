"""Claims of known truth, about half of them false, each with a batch that breaks it or with a reason.

They were written from docs/claims.md and docs/language.md alone. Here every batch is computed exactly and the claim is
looked at by claim_oracle.py, which knows nothing of how `shaping test` decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
import yaml
from claim_batch import PATH, Witness
from claim_oracle import fails, parsed

from shaping import loads

FOLDER = Path(__file__).parent / "known_claims"


@dataclass(frozen=True)
class Record:
    """One claim of one design. `range` says where it breaks; `n`: groups of this size are in question for `check`."""

    name: str
    design_text: str
    claim_text: str
    truth: bool
    range: str
    witness: Witness | None = None  # of a false claim, and of a true `not:`
    why: str = ""  # of a true claim, and of a false `not:`
    n: int = 16


def records() -> list[Record]:
    """Every record of tests/known_claims/*.yaml, in the order of the files."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        for design in yaml.load(path.read_text(), yaml.BaseLoader):
            for entry in design["claims"]:
                truth = "holds" in entry
                claim = entry["holds" if truth else "fails"]
                found.append(
                    Record(
                        name=f"{path.stem}: {design['name']}: {claim}",
                        design_text=design["design"],
                        claim_text=claim,
                        truth=truth,
                        range=entry.get("range", "all"),
                        witness=_witness(entry["witness"]) if "witness" in entry else None,
                        why=entry.get("why", ""),
                        n=int(design.get("n", 16)),
                    )
                )
    return found


def _witness(entry: dict) -> Witness:
    rows = {key: _rows(entry[key]) for key in ("rewards", "scores") if key in entry}
    if "N" in entry:  # all wrong: for claims that are about every group of N answers at once
        rows["rewards"] = [[Fraction(0)] * int(entry["N"])]
    return Witness(
        **rows,
        signals={name: _rows(value) for name, value in entry.get("signals", {}).items()},
        params=entry.get("params", {}),
        step=int(entry["step"]) if "step" in entry else None,
        total_steps=int(entry["total_steps"]) if "total_steps" in entry else None,
        draws=[[[int(i) for i in draw.split()] for draw in group] for group in entry["draws"]]
        if "draws" in entry
        else None,
        also=_witness(entry["also"]) if "also" in entry else None,
    )


def _rows(value: str | list[str]) -> list[list[Fraction]]:
    """One group, or a list of them; `0*3` is three zeros, and `x2` at the end two such groups.

    >>> _rows("1/2 0*2 x2")
    [[Fraction(1, 2), Fraction(0, 1), Fraction(0, 1)], [Fraction(1, 2), Fraction(0, 1), Fraction(0, 1)]]
    """
    rows = []
    for group in [value] if isinstance(value, str) else value:
        words, _, times = group.partition(" x")
        rows += [[number for word in words.split() for number in _numbers(word)]] * int(times or 1)
    return rows


def _numbers(word: str) -> list[Fraction]:
    value, _, count = word.partition("*")
    return [Fraction(value)] * int(count or 1)


ZERO_ONE = {"sign_correct", "zero_when", "optimizes", "unbiased_for"}  # about rewards of 0 and 1 (docs/claims.md)
RECORDS = records()
BROKEN = [record for record in RECORDS if record.witness]


@pytest.mark.parametrize("record", BROKEN, ids=lambda record: record.name)
def test_the_batch_breaks_the_claim(record):
    assert fails(record.design_text, record.claim_text, record.witness)


@pytest.mark.parametrize("design_text", list(dict.fromkeys(record.design_text for record in RECORDS)))
def test_no_batch_of_a_design_breaks_its_true_claims(design_text):
    # The batches were chosen to break other claims of the same design, often nearly the same ones.
    mine = [record for record in RECORDS if record.design_text == design_text]
    for record, other in product(mine, mine):
        true = record.truth != record.claim_text.startswith("not:")
        if true and other.witness and is_about(record, other.witness):
            assert not fails(record.design_text, record.claim_text, other.witness), (record.name, other.witness)


def is_about(record: Record, witness: Witness) -> bool:
    """Is the claim about batches like this one?"""
    name, argument, options = parsed(record.claim_text)
    N, when = len(witness.rewards[0]), options.get("when", {})
    if set(when) - {"N"} or int(when.get("N", N)) != N:
        return False
    if name == "peak":
        at, of = map(int, argument.split("/"))
        return of == N and sum(witness.rewards[0]) != at
    verdicts = witness.scores is None and {reward for row in witness.rewards for reward in row} <= {0, 1}
    if isinstance(argument, dict):  # monotone in n_pos
        return verdicts and len(witness.rewards) == 1
    counts = name in ZERO_ONE or re.search(r"\b(n_pos|n_neg|p|correct|wrong|eta)\b", argument)
    return verdicts or not counts or "\ncorrect:" in "\n" + record.design_text


def test_every_record_has_a_batch_or_a_reason():
    for record in RECORDS:
        breaks = record.truth == record.claim_text.startswith("not:")  # true `not:`, or a false claim
        assert bool(record.witness) == breaks, record.name
        assert breaks or record.why, record.name


def test_every_design_is_accepted():
    for text, n in {(record.design_text, record.n) for record in RECORDS}:
        loads(text, PATH).check(n)


def test_names_are_unique():
    names = [record.name for record in RECORDS]
    assert len(set(names)) == len(names)


def test_there_are_enough_and_half_are_false():
    false = sum(not record.truth for record in RECORDS)
    assert false >= 150
    assert len(RECORDS) - false >= 150


# ── verdicts of shaping.proofs ────────────────────────────────────────────────────────────────────────────────────────
# Their place: nothing above imports shaping.proofs. To compare, decide `claims: [record.claim_text]` of every record
# (its text is loaded as if it stood at PATH) and hold the verdict against `record.truth`; `record.range` says where a
# false one breaks.
