"""Every design file is a test file, every claim a test: `pytest my_designs/`.

    my_designs/focal.yaml::sound                  it can be read, and groups of 16 have an advantage
    my_designs/focal.yaml::zero_sum               a claim, by its text
    my_designs/focal.yaml::bounded: 4[k=2]        one of several values in its `when:`

A YAML file with a line that begins with `advantage:` is taken for a design. Nothing of shaping is
imported before one is found. `--claims-up-to N` is the largest group that is exhausted.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

DESIGN = re.compile(r"^advantage:", re.MULTILINE)
SOUND = "sound"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("designs", "advantage designs")
    text = "largest group of which every 0/1 group is tried (default 64)"
    group.addoption("--claims-up-to", type=int, default=64, metavar="N", help=text)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    try:
        text = file_path.read_text(encoding="utf-8")
    except (OSError, ValueError):  # not a file of text: no design
        return None
    return DesignFile.from_parent(parent, path=file_path) if DESIGN.search(text) else None


class DesignFile(pytest.File):
    def collect(self):
        from shaping import DesignError, load
        from shaping.proofs.claims import read_claims

        self.verdicts: dict = {}
        try:
            self.design = load(self.path)
            claims = read_claims(self.design)
        except DesignError as error:
            raise self.CollectError(str(error)) from None
        yield ClaimItem.from_parent(self, name=SOUND, claim=None)
        for claim in claims:
            for values in _settings(claim.when):
                shown = ",".join(f"{name}={value}" for name, value in values.items() if len(claim.when[name]) > 1)
                one = replace(claim, when={name: [value] for name, value in values.items()})
                name = f"{claim.text}[{shown}]" if shown else claim.text
                yield ClaimItem.from_parent(self, name=name, claim=one)

    def verdict(self, claim):
        """Decided together with all claims of this file that are to be run: they share the groups."""
        from shaping.proofs.decide import decide

        if claim not in self.verdicts:
            mine = (item.claim for item in self.session.items if isinstance(item, ClaimItem) and item.parent is self)
            waiting = [each for each in mine if each is not None and each not in self.verdicts]
            verdicts = decide(self.design, waiting, self.config.getoption("claims_up_to"))
            self.verdicts |= dict(zip(waiting, verdicts, strict=True))
        return self.verdicts[claim]


def _settings(when: dict) -> list[dict]:
    return [dict(zip(when, values, strict=True)) for values in itertools.product(*when.values())]


class ClaimFailed(Exception):
    """Its text is the report: place, caret and counterexample."""


class ClaimItem(pytest.Item):
    def __init__(self, *, claim, **kwargs) -> None:
        super().__init__(**kwargs)
        self.claim = claim

    def runtest(self) -> None:
        from shaping import DesignError
        from shaping.proofs.judge import judgement, refuse_unsound

        try:
            if self.claim is None:
                refuse_unsound(self.parent.design)
                return
            judged = judgement(str(self.path), self.parent.verdict(self.claim))
        except DesignError as error:
            raise ClaimFailed(str(error)) from None
        if not judged.passed:
            raise ClaimFailed(judged.error)

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value) if isinstance(excinfo.value, ClaimFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self):
        line = self.claim.span.line - 1 if self.claim is not None else 0
        return self.path, line, self.name
