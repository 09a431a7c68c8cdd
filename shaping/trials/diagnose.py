"""What designs would do with rewards that somebody already has: `python -m shaping diagnose rewards.jsonl FILE...`.

Of each design, over all groups of the file:

    all wrong    share of groups without a correct answer
    silent       share of groups in which every advantage is 0
    effective    share of the others: the groups that train
    spread       (sum eta)^2 / (groups * sum eta^2): 1 if every group pushes alike, 1 / groups if one does all of it
    hard, middle, easy      share of the push (eta, the sum of |A|) on groups with p below 1/4, between, above 3/4
    scale        mean eta, as many times that of GRPO

Answers may be without a reward, null in the file. A design with `on_missing: drop` leaves them out, as in a run. Where
they are, the others would end it: their figures are of the groups in which every answer has all that the design reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shaping.compiled.apply import verdicts
from shaping.design import Design, loads
from shaping.errors import DesignError, RewardError, argument
from shaping.trials.records import Records

GRPO = "on_missing: drop\nadvantage: {each: (r - mean(r)) / std(r), flat: 0}\n"
FAIL_ON = re.compile(r"(\w+)\s*([<>])\s*([\d.]+)")


@dataclass(frozen=True)
class Use:
    """What a design makes of the groups."""

    design: str
    all_wrong: float
    silent: float
    effective: float
    spread: float
    hard: float
    middle: float
    easy: float
    scale: float
    left_out: int = 0  # groups that are none of these, since an answer in them lacks what the design reads


COLUMNS = ("all_wrong", "silent", "effective", "spread", "hard", "middle", "easy", "scale")


def use(design: Design, records: Sequence[Records], total_steps: int) -> Use:
    """The figures above for one design.

    Raises:
      DesignError, RewardError: it cannot be computed for these groups.
    """
    groups = sum(len(record.reward_PN) for record in records)
    records = [whole for record in records if len((whole := _whole_groups(design, record)).reward_PN)]
    if not records:
        raise RewardError(
            f"design {design.name!r}: in each of the {groups} groups an answer lacks what it reads. "
            "To leave such answers out: a design with on_missing: drop"
        )
    each = [_each(design, record, total_steps) for record in records]
    eta_P, hopeless_P, p_P = (torch.cat(column) for column in zip(*each, strict=True))
    grpo = loads(GRPO, "grpo")
    base_P = torch.cat([_eta(grpo, record, total_steps) for record in records])
    silent_P = eta_P == 0
    total = eta_P.sum().item()
    share = {
        name: (eta_P[mask_P].sum().item() / total if total else 0.0)
        for name, mask_P in (("hard", p_P < 0.25), ("easy", p_P > 0.75), ("middle", (p_P >= 0.25) & (p_P <= 0.75)))
    }
    return Use(
        design=design.name,
        all_wrong=_share(hopeless_P),
        silent=_share(silent_P),
        effective=_share(~silent_P),
        spread=total**2 / (len(eta_P) * eta_P.square().sum().item()) if total else 0.0,
        scale=total / base_P.sum().item() if base_P.any() else float("inf"),
        left_out=groups - sum(len(record.reward_PN) for record in records),
        **share,
    )


def _each(design: Design, record: Records, total_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """eta, is no answer correct, the share of correct ones: of each group."""
    score_PN = record.reward_PN if record.score_PN is None else record.score_PN
    correct_PN, there_PN = verdicts(design, score_PN), ~score_PN.isnan()
    hopeless_P = there_PN.any(-1) & ~correct_PN.any(-1)
    return _eta(design, record, total_steps), hopeless_P, correct_PN.sum(-1).double() / there_PN.sum(-1).clamp(min=1)


def _whole_groups(design: Design, record: Records) -> Records:
    """Those in which no answer lacks what the design reads; all if it leaves such answers out."""
    if design.drop_missing:
        return record
    score_PN = record.reward_PN if record.score_PN is None else record.score_PN
    read = [record.signals[name] for name in design.inputs if name in record.signals]
    read += [record.reward_PN] if design.reads("r") else []
    read += [score_PN] if design.reads("score") else []
    whole_P = torch.ones(len(record.reward_PN), dtype=torch.bool)
    for values_PN in read:
        whole_P &= ~values_PN.isnan().any(-1)
    if whole_P.all():
        return record
    signals = {name: values_PN[whole_P] for name, values_PN in record.signals.items()}
    return replace(
        record,
        reward_PN=record.reward_PN[whole_P],
        score_PN=None if record.score_PN is None else record.score_PN[whole_P],
        signals=signals,
    )


def _eta(design: Design, record: Records, total_steps: int) -> Tensor:
    missing = [name for name in design.inputs if name not in record.signals]
    if missing:
        raise DesignError(f"design {design.name!r} reads {missing[0]!r} of every answer, and not every line has it")
    signals = {name: record.signals[name] for name in design.inputs}
    time = {"step": record.step or 0, "total_steps": total_steps} if design.clock else {}
    return design(record.reward_PN, record.score_PN, **signals, **time).abs().sum(-1)


def _share(mask_P: Tensor) -> float:
    return mask_P.double().mean().item()


def diagnosis(path: str, designs: Sequence[Design], records: Sequence[Records]) -> tuple[str, list[Use]]:
    """The report, and its figures."""
    total_steps = 1 + max((record.step or 0 for record in records), default=0)
    found = []
    for design in designs:
        for N in sorted({record.reward_PN.shape[1] for record in records}):
            design.check(N)
        try:
            found.append(use(design, records, total_steps))
        except RewardError as error:
            raise DesignError(f"{path}: {error}") from None
    width = max(12, *(len(each.design) for each in found)) + 2
    lines = [*_data(path, records), "", " " * width + "".join(f"{name:>11}" for name in COLUMNS)]
    for each in found:
        cells = [f"{getattr(each, name):.0%}" if name != "scale" else f"{each.scale:.3g}" for name in COLUMNS]
        lines.append(f"{each.design:{width}}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join([*lines, "", *findings(found)]), found


def _data(path: str, records: Sequence[Records]) -> list[str]:
    groups = sum(len(record.reward_PN) for record in records)
    sizes = sorted({record.reward_PN.shape[1] for record in records})
    answers = torch.cat([record.reward_PN.flatten() for record in records])
    missing = int(answers.isnan().sum())
    rewards = answers[~answers.isnan()]
    kinds = "0 and 1 alone" if bool(((rewards == 0) | (rewards == 1)).all()) else "graded"
    alike = torch.cat([_alike(record.reward_PN) for record in records])
    steps = {record.step for record in records} - {None}
    when = f", {len(steps)} steps" if steps else ""
    lines = [f"{path}: {groups} groups of {', '.join(map(str, sizes))} answers{when}"]
    if missing:
        lacking = sum(int(record.reward_PN.isnan().any(-1).sum()) for record in records)
        lines.append(f"no reward (null): {missing} of {len(answers)} answers, in {lacking} groups")
    if len(rewards):
        mean, share = rewards.mean().item(), _share(alike)
        lines.append(f"rewards {kinds}, mean {mean:.3g}; all alike in {share:.0%} of the groups")
    return lines


def _alike(reward_PN: Tensor) -> Tensor:
    """Of each group: are the rewards that it has all the same?"""
    none_PN = reward_PN.isnan()
    low_P = torch.where(none_PN, torch.inf, reward_PN).amin(-1)
    return low_P >= torch.where(none_PN, -torch.inf, reward_PN).amax(-1)


def findings(found: Sequence[Use]) -> list[str]:
    """What stands out, with the evidence and what to try."""
    said = []
    hopeless = found[0].all_wrong
    if hopeless > 0.5:
        said.append(
            f"{hopeless:.0%} of the groups have no correct answer, and most designs learn nothing from them: "
            "easier prompts or more answers a prompt"
        )
    for each in found:
        if each.left_out:
            said.append(
                f"{each.design}: {each.left_out} groups are not in its figures, an answer lacks what it reads. A run "
                "would end there; on_missing: drop in the design leaves out such answers alone"
            )
        if each.silent - each.all_wrong > 0.3:
            said.append(
                f"{each.design} says nothing about {each.silent - each.all_wrong:.0%} of the groups although they have "
                "correct answers: a smaller k, or harder prompts"
            )
        if each.effective and each.spread < 0.2:
            said.append(f"{each.design}: few groups carry the update (spread {each.spread:.0%}): a larger batch")
        if not 1 / 3 <= each.scale <= 3 and each.effective:
            said.append(
                f"{each.design} pushes {each.scale:.3g} times as hard as GRPO: "
                "divide the learning rate by that to compare"
            )
    best = max(found, key=lambda each: each.effective * each.spread)
    if len(found) > 1:
        said.append(
            f"{best.design} uses most of this data: {best.effective:.0%} of the groups train, spread {best.spread:.0%}"
        )
    return [f"- {line}" for line in said]


def fails(found: Sequence[Use], conditions: Sequence[str]) -> list[str]:
    """The conditions of --fail-on that hold, such as 'silent>0.5', and of which design.

    Raises:
      DesignError: a condition cannot be read.
    """
    said = []
    for text in conditions:
        match = FAIL_ON.fullmatch(text.strip())
        if not match or match[1] not in COLUMNS:
            names = f"{', '.join(COLUMNS[:3])} ..."
            raise DesignError(f"{argument('fail_on')} {text}: write {names}, then < or > and a number: silent>0.5")
        for each in found:
            value = getattr(each, match[1])
            if value > float(match[3]) if match[2] == ">" else value < float(match[3]):
                said.append(f"{each.design}: {match[1]} is {value:.3g}, {text}")
    return said
