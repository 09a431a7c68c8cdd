"""How fast the compiled designs are: `python -m shaping bench`.

Everything is a ratio from one run on one device, of medians:

    copy      the function of all formulas, for all groups, against `reward.clone()`; what a `draws:` section gives is
              there already
    checked   the design as a trainer calls it, against the same: with that and with the checks of rewards, and with
              groups of verdicts looked up
    compiled  what such rewards go through, without the checks, under torch.compile, with --compile: the function, or
              the table of groups of verdicts
    by hand   against the same formula as one would write it in torch
    loop      how many times slower a Python loop over the prompts is, for 1,024 groups of 16: the answers of one
              prompt are picked from the batch, computed (by hand where there is a column for it) and put back
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from math import comb
from pathlib import Path

import torch
from torch import Tensor

import shaping
from shaping.compiled import lower
from shaping.compiled.apply import drawn
from shaping.compiled.looked_up import looks_up, table
from shaping.design import Design

N = 16
LOOPED = 1_024  # groups
BUDGET = 0.5  # seconds for what is timed, if 15 calls fit
DEFAULT = ("passk", "psr", "combination", "grpo", "grpo_sample_std", "dr_grpo", "rloo", "maxrl", "rs_grpo", "pkpo")
KINDS = {"verdicts": "rewards 0 and 1", "graded": "graded rewards"}
Batch = tuple[Tensor, ...]


def _standardized(r: Tensor, ddof: int) -> Tensor:
    std = r.std(-1, correction=ddof, keepdim=True)
    return torch.where(std == 0, 0.0, (r - r.mean(-1, keepdim=True)) / std)


def _passk_by_hand(r: Tensor, k: int = 4) -> Tensor:
    n_neg = N - r.sum(-1, keepdim=True)
    miss = torch.exp(_log_binomial(n_neg, k) - _log_binomial(torch.tensor(float(N), device=r.device), k))
    sigma = (miss * (1 - miss)).sqrt()
    all_wrong = torch.exp(
        _log_binomial(n_neg - 1, k - 1) - _log_binomial(torch.tensor(N - 1.0, device=r.device), k - 1)
    )
    return torch.where(sigma == 0, 0.0, torch.where(r == 1, miss, miss - all_wrong) / sigma)


def _log_binomial(n: Tensor, k: int) -> Tensor:
    inside = torch.lgamma(n + 1) - torch.lgamma(torch.tensor(k + 1.0, device=n.device)) - torch.lgamma(n - k + 1)
    return torch.where(n < k, -torch.inf, inside)


def _pkpo_by_hand(r: Tensor, k: int = 4) -> Tensor:
    x, order = r.sort(-1)
    own = torch.tensor([comb(j, k - 1) / comb(N - 1, k - 1) for j in range(N)], device=r.device)
    above = torch.tensor([comb(j - 1, k - 2) / comb(N - 1, k - 1) if j else 0.0 for j in range(N)], device=r.device)
    tail = (above * x).flip(-1).cumsum(-1).flip(-1) - above * x
    return torch.empty_like(r).scatter(-1, order, k * (own * x + tail))


BY_HAND: dict[str, Callable[[Tensor], Tensor]] = {
    "passk": _passk_by_hand,
    "grpo": lambda r: _standardized(r, 0),
    "grpo_sample_std": lambda r: _standardized(r, 1),
    "dr_grpo": lambda r: r - r.mean(-1, keepdim=True),
    "rloo": lambda r: r - (r.sum(-1, keepdim=True) - r) / (N - 1),
    "maxrl": lambda r: torch.where(r.mean(-1, keepdim=True) > 0, r / r.mean(-1, keepdim=True) - 1, 0.0),
    "rs_grpo": lambda r: ((2 * r).exp() / (2 * r).exp().mean(-1, keepdim=True) - 1) / 2,
    "pkpo": _pkpo_by_hand,
}


def bench(files: list[str], prompts: int, compile_too: bool, rewards: str = "verdicts") -> int:
    """Print the table; `rewards` are verdicts, 0 and 1, or graded."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not files:
        files = [f"configs/{name}.yaml" for name in DEFAULT]
    reward_PN = _rewards(prompts, device, rewards)
    copy = partial(torch.clone, reward_PN)
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    taken = f"a copy of the rewards takes {_seconds(copy)[0] * 1e3:.1f} ms"
    print(f"{prompts:,} groups of {N}, {KINDS[rewards]}, float32, {name}; {taken}\n")
    titles = ["copy", "checked", *(["compiled"] if compile_too else []), "by hand", "loop"]
    print(f"{'design':24}" + "".join(f"{title:>10}" for title in titles))
    for file in files:
        design = shaping.load(file)
        moment = design.moment(0, 1) if design.clock else None
        function = lower.lowered(design, N, torch.float32, device, moment)
        by_hand = BY_HAND.get(Path(file).stem)
        if rewards != "verdicts" and design.counts and not design.graded:
            print(f"{design.name:24}  takes verdicts alone", flush=True)
            continue
        batch = _batch(design, reward_PN)
        alone = partial(function, *batch)
        row = [_ratio(alone, copy), _ratio(partial(_called, design, *batch), copy)]
        if compile_too:
            torch._dynamo.reset()
            through = alone
            if looks_up(design) and rewards == "verdicts":
                through = partial(table(design, N, torch.float32, device, moment).function, reward_PN)
            row.append(_ratio(partial(torch.compile(through.func), *through.args), copy))
        row.append(_ratio(alone, partial(by_hand, reward_PN)) if by_hand else float("nan"))
        small = _batch(design, _rewards(LOOPED, device, rewards))
        looped = partial(_loop, by_hand or function, small[:1] if by_hand else small)
        row.append(_seconds(looped)[0] / _seconds(partial(function, *small))[0])  # in turn, caches would be cold
        cells = ["" if value != value else f"{value:,.0f}" if value >= 100 else f"{value:.2f}" for value in row]
        print(f"{design.name:24}" + "".join(f"{cell:>10}" for cell in cells), flush=True)
    return 0


def _rewards(prompts: int, device: str, kind: str) -> Tensor:
    """A fifth of the answers correct, as 0 and 1; or numbers of which hardly two are the same."""
    generator = torch.Generator().manual_seed(0)
    share_PN = torch.rand(prompts, N, generator=generator).to(device)
    return (share_PN < 0.2).float() if kind == "verdicts" else share_PN


def _batch(design: Design, reward: Tensor) -> Batch:
    """What the compiled function takes."""
    signals = [100 * torch.rand(reward.shape).to(reward.device) + 1 for _ in design.inputs]
    moment = design.moment(0, 1) if design.clock else None
    answers = (reward, reward, *signals)
    return (*answers, *(part for node in design.draws for part in drawn(design, node, answers, moment, seed=0)))


def _called(design: Design, *batch: Tensor) -> Tensor:
    names = design.inputs
    time_of_run = {"step": 0, "total_steps": 1} if design.clock else {}
    return design(batch[0], batch[1], **dict(zip(names, batch[2 : 2 + len(names)], strict=True)), **time_of_run)


def _loop(function: Callable, batch: Batch) -> Tensor:
    """As trainers have it that keep a flat batch: `rows` are the answers to one prompt."""
    signal_B = [column.flatten() for column in batch]
    advantage_B = torch.empty_like(signal_B[0])
    row_PN = torch.arange(LOOPED * N, device=advantage_B.device).view(LOOPED, N)
    for rows in row_PN:
        found = function(*(column[rows].unsqueeze(0) for column in signal_B))
        advantage_B[rows] = (found[0] if isinstance(found, tuple) else found).squeeze(0)  # with `token:` a tuple
    return advantage_B


def _ratio(function: Callable, reference: Callable) -> float:
    """How many times longer it takes: the two in turn, so that a machine that slows down slows both."""
    ours, theirs = _seconds(function, reference)
    return ours / theirs


def _seconds(*functions: Callable[[], Tensor], least: int = 15) -> list[float]:
    """The median time of each, after two calls to warm up: as many rounds as the budget has room for."""
    times: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    while len(times[0]) < least + 2 or (len(times[0]) < 1_000 and time.perf_counter() - began < BUDGET):
        for function, taken in zip(functions, times, strict=True):
            _wait()
            started = time.perf_counter()
            function()
            _wait()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken[2:]) for taken in times]


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
