"""What `shaping test` says of the claims of known truth, which somebody wrote who did not know the search.

A third of the designs in every run, all of them at night.
"""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from claim_batch import PATH
from test_known_claims import records

import shaping
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide


def verdicts(text, records):
    """`how` and `passed` of each record of one design."""
    claims = "".join(f"  - {record.claim_text}\n" for record in records)
    design = shaping.loads(f"{text}\nclaims:\n{claims}", PATH)
    return [(verdict.how, verdict.passed, verdict.over) for verdict in decide(design, read_claims(design))]


def compared(every):
    """(record, how, passed, over) of each claim of every n-th design."""
    by_design = {}
    for record in records():
        by_design.setdefault(record.design_text, []).append(record)
    chosen = list(by_design.items())[::every]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        decided = pool.map(verdicts, *zip(*chosen, strict=True))
        return [
            (record, *verdict)
            for (_, group), found in zip(chosen, decided, strict=True)
            for record, verdict in zip(group, found, strict=True)
        ]


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.nightly)])
def test_no_false_claim_is_proved_or_exhausted_and_few_are_not_noticed(every, capsys):
    found = compared(every)
    assert len(found) >= 300
    passed = [(record.name, how, over) for record, how, ok, over in found if ok and not record.truth]
    assert [each for each in passed if each[1] in ("proved", "exhausted", "refuted")] == []
    false = sum(not record.truth for record, *_ in found)
    with capsys.disabled():
        print(f"\n{len(found)} claims of known truth, {false} false: {len(passed)} of those called searched")
    assert false >= 120 and len(passed) <= 0.03 * false, passed
    assert [(record.name, how, over) for record, how, ok, over in found if record.truth and not ok] == []
