"""What if the advantage were another one: designs train the same small policies, for `python -m shaping simulate`.

In    designs, and a population of prompts (population.py)
Out   Simulation: exact pass@1 and pass@k after every step, for every design and seed; table() and plot(path)

A design is called as training calls it, checks included, on groups of N sampled answers; each batch is followed by one
step of SGD. Every design meets the same prompts, the same first policy and the same uniform numbers, so that designs
are compared seed by seed. `match` (the default) multiplies each design's advantages by a number, so that on groups of
the first policy its mean |A| = eta / N is that of GRPO: one rate then means the same for all at the start, and what
differs later is the design's own doing. A design with a schedule has such a number at every point of it, so that its
phases push alike too: else Pass@k, then Pass@1 would end as GRPO at several times the rate. A schedule that only turns
the size of advantages is undone by that; without `match` nothing is scaled. A design that is silent on these groups
is left as it is.

What this model cannot show

Answers come from a short list: nothing new is ever found, and an answer has no tokens, so that credit within it, its
length (a fixed number a way) and truncation (never) mean little. Prompts are those that are trained on; none is held
out. There is no clipping, no KL penalty, no Adam, no stale policy, no error in rewards. Where half of a step is shared,
as it is if nothing else is asked for, every prompt is learnt sooner or later: pass@k rises under any design that
learns, and there is no local optimum to be trapped in. Pass@k that falls under Pass@1 training takes prompts that
compete: shared = 1 and a large rate. That leaving out easy prompts only delays a local optimum (Chen et al. 2025, Sec.
4.1.2) is not shown at all: here, and with shared = 1, it keeps pass@k for good and costs pass@1. What can be seen is
which way a design pulls, and what it costs; not the numbers of a language model, nor how many steps it needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from shaping import real
from shaping.design import Design, Moment, load, loads, own_params
from shaping.errors import DesignError, argument, parameter
from shaping.groups.silence import two_rewards
from shaping.language.vocabulary import SIGNALS
from shaping.trials.population import SHARED, Answers, Population
from shaping.trials.simulation import Simulation

LR = 0.1
MATCHED = range(8)  # seeds whose first groups are looked at to match designs, whatever seeds are asked for
GRPO = "name: grpo\nadvantage:\n  each: (r - mean(r)) / std(r)\n  flat: 0"


def simulate(
    designs: Sequence[Design],
    *,
    prompts: int = 64,
    N: int = 16,
    steps: int = 500,
    seeds: int = 20,
    lr: float = LR,
    shared: float = SHARED,
    k: int = 8,
    match: bool = True,
    track: Callable[[range], Iterable[int]] = iter,
) -> Simulation:
    """Train every design on the populations of seeds 0 .. seeds - 1.

    Args:
      prompts: of a population; all of them are in every batch.
      lr: rate of one prompt's logits (population.py).
      shared: 0 to 1, how much of a step is the same for all prompts.
      k: of the pass@k that is measured; what a design trains is its own affair.
      match: scale advantages to GRPO's (see the head of the file).
      track: is given the steps and gives them back, for a progress bar.

    Raises:
      DesignError: a number is out of range; a design has a mistake, or reads what answers do not have here.

    Example:
      >>> grpo = loads(GRPO)
      >>> simulate([grpo], prompts=8, N=4, steps=2, seeds=1).curves["pass@1"].shape
      torch.Size([1, 3, 1])
    """
    for name, value, least in (("prompts", prompts, 1), ("N", N, 2), ("steps", steps, 1), ("seeds", seeds, 1)):
        if value < least:
            raise DesignError(f"{argument(name)} {value}: at least {least}")
    if k < 1:
        raise DesignError(f"{argument('k')} {k}: at least 1")
    if not (isfinite(lr) and lr > 0):
        raise DesignError(f"{argument('lr')} {lr}: a rate is a number above 0")
    if not 0 <= shared <= 1:
        raise DesignError(f"{argument('shared')} {shared:g}: 0 to 1")
    if not designs:
        raise DesignError("no design to simulate")
    for design in designs:
        _refuse(design, N)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are small: threads would mostly wait for each other, and sums could differ
    try:
        scale_DT, curves = _train(designs, Population(prompts, range(seeds), shared), N, steps, lr, k, match, track)
    finally:
        torch.set_num_threads(threads)
    return Simulation(_labels(designs), prompts, N, k, lr, shared, match, scale_DT, curves)


def run(
    files: Sequence[str],
    *,
    prompts: int = 64,
    N: int = 16,
    steps: int = 500,
    seeds: int = 20,
    lr: float = LR,
    shared: float = SHARED,
    k: int = 8,
    match: bool = True,
    params: Mapping[str, str] | None = None,
    output: str | None = None,
) -> int:
    """The command: print the table, and write the curves to `output`. `params` go to every design that has them."""
    from rich.console import Console
    from rich.progress import track

    if output:
        _refuse_output(output)
    designs = _load(files, params or {})
    terminal = Console(stderr=True)

    def watched(steps: range) -> Iterable[int]:
        return track(steps, "training", console=terminal, disable=not terminal.is_terminal)

    counts = {"prompts": prompts, "N": N, "steps": steps, "seeds": seeds}
    result = simulate(designs, **counts, lr=lr, shared=shared, k=k, match=match, track=watched)
    print(result.table())
    if output:
        result.plot(output)
        print(f"\ncurves: {output}")
    return 0


# ── Helpers ─────────────────────────────────────────────────────────────────


def _train(
    designs: Sequence[Design],
    population: Population,
    N: int,
    steps: int,
    lr: float,
    k: int,
    match: bool,
    track: Callable[[range], Iterable[int]],
) -> tuple[Tensor, dict[str, Tensor]]:
    """scale_DT, and the curves. All designs go side by side, so that a step's uniform numbers are drawn once."""
    P = population.P
    scale = _Scale(P, N) if match else None
    scale_DT = torch.ones(len(designs), steps)
    policies = [population.log_pi_RA for _ in designs]
    found = [[population.measure(log_pi_RA, k) for log_pi_RA in policies]]
    for step in track(range(steps)):
        uniform_RN = population.uniforms(N)
        for i, design in enumerate(designs):
            if scale:
                scale_DT[i, step] = scale(design, step, steps)
            answers = population.sample(policies[i], uniform_RN)
            advantage_RN = _advantage(design, answers, P, step, steps)
            policies[i] = population.step(policies[i], answers.way_RN, advantage_RN, lr * scale_DT[i, step].item())
            if not policies[i].sum().isfinite():
                raise DesignError(
                    f"{argument('lr')} {lr:g}: design {design.name!r} left the range of floats at step {step}"
                )
        found.append([population.measure(log_pi_RA, k) for log_pi_RA in policies])
    at_DT = list(zip(*found, strict=True))
    return scale_DT, {
        name: torch.stack([torch.stack([at[name] for at in at_T]) for at_T in at_DT]) for name in found[0][0]
    }


class _Scale:
    """What a design's advantages are multiplied by at a point of a run, for `match`."""

    def __init__(self, P: int, N: int) -> None:
        population = Population(P, MATCHED)
        self.answers = population.sample(population.log_pi_RA, population.uniforms(N))
        self.P = P
        self.known: dict[tuple[Design, Moment | None], float] = {}
        self.grpo = self._size(loads(GRPO), 0, 1)

    def __call__(self, design: Design, step: int, total_steps: int) -> float:
        key = (design, design.moment(step, total_steps))
        if key not in self.known:
            size = self._size(design, step, total_steps)
            self.known[key] = self.grpo / size if size and self.grpo else 1.0
        return self.known[key]

    def _size(self, design: Design, step: int, total_steps: int) -> float:
        return _advantage(design, self.answers, self.P, step, total_steps).double().abs().mean().item()


def _advantage(design: Design, answers: Answers, P: int, step: int, total_steps: int) -> Tensor:
    """All seeds at once; one by one where a statistic is over the batch, since each seed is a batch of its own."""
    R = len(answers.reward_RN)
    size = P if design.reads_batch else R
    parts = []
    for start in range(0, R, size):
        part = answers.part(slice(start, start + size))
        # The seed is that of the draws: other ones in every step, as in training.
        low, high = map(real.nearest, two_rewards(design))  # of a wrong and of a right answer: 0 and 1 for most
        reward_RN = part.reward_RN if (low, high) == (0, 1) else low + (high - low) * part.reward_RN
        parts.append(design(reward_RN, step=step, total_steps=total_steps, seed=step, **part.signals))
    return torch.cat(parts)


def _refuse(design: Design, N: int) -> None:
    """Raise the DesignError of what cannot be simulated."""
    design.check(N)
    own = [name for name in design.inputs if name not in SIGNALS]
    if own:
        raise DesignError(
            f"design {design.name!r} reads {', '.join(own)}, which a reward function gives: "
            "simulated answers have length, logprob and truncated alone"
        )
    names, rewards = design.constants(None), two_rewards(design)
    for each in design.rewards:
        if not all(each.holds(value, names) for value in rewards):
            raise DesignError(
                f"design {design.name!r} is for rewards {each.shown(names)}: simulated answers are right or wrong, "
                f"and get {' and '.join(map(real.show, rewards))}"
            )
    if design.token is not None:
        raise DesignError(f"design {design.name!r} has a `token:` section: simulated answers have no tokens")


def _refuse_output(path: str) -> None:
    """Raise the DesignError of a path that could not be written, before the work is done. Writes nothing."""
    from matplotlib.figure import Figure

    known = sorted(Figure().canvas.get_supported_filetypes())
    target = Path(path)
    if target.suffix[1:].lower() not in known:
        raise DesignError(f"cannot write {path}: name it .png, .svg or .pdf (or {', '.join(known)})")
    if not target.parent.is_dir():
        raise DesignError(f"cannot write {path}: there is no directory {target.parent}")
    if target.is_dir() or not os.access(target if target.exists() else target.parent, os.W_OK):
        raise DesignError(f"cannot write {path}: {'it is a directory' if target.is_dir() else 'permission denied'}")


def _load(files: Sequence[str], params: Mapping[str, str]) -> list[Design]:
    designs, unused = [], set(params)
    for path in files:
        own = own_params(path, params)
        designs.append(load(path, **own))
        unused -= own.keys()
    if unused:
        raise DesignError(f"{parameter(min(unused))}: none of these designs has such a parameter")
    return designs


def _labels(designs: Sequence[Design]) -> tuple[str, ...]:
    """Names; with parameters where a name is there twice, with a number where that is not enough."""
    names = [design.name for design in designs]
    for i, design in enumerate(designs):
        if [each.name for each in designs].count(design.name) > 1 and design.params:
            names[i] += f" ({', '.join(f'{param.name}={real.show(param.value)}' for param in design.params.values())})"
    return tuple(name if names.count(name) == 1 else f"{name} #{i + 1}" for i, name in enumerate(names))
