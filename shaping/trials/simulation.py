"""What `simulate` found: a table with confidence intervals, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path

from torch import Tensor

from shaping.errors import DesignError
from shaping.trials.population import ANSWERS, RIGHT
from shaping.views.plots import COLOURS

LINES = ("-", "--", ":", "-.")
SIZES = (17, 10, 9, 17, 18)  # widths of the table's columns
ROUNDING = 1e-9  # log pi is normalized anew in every step


@dataclass(frozen=True, eq=False)
class Simulation:
    """What came of it.

    `curves`: 'pass@1', 'pass@8', 'entropy', 'ways', 'lost' (see `Population.measure`) → curve_DTS, designs × steps 0..T
    × seeds.
    """

    names: tuple[str, ...]
    prompts: int
    N: int
    k: int
    lr: float
    shared: float
    match: bool
    scale_DT: Tensor  # what each design's advantages were multiplied by at each step
    curves: Mapping[str, Tensor]

    @property
    def steps(self) -> int:
        return self.curves["pass@1"].shape[1] - 1

    @property
    def seeds(self) -> int:
        return self.curves["pass@1"].shape[2]

    def table(self) -> str:
        """Means over seeds with their 95 % confidence intervals, and differences to the first design, seed by seed."""
        width = max(len(name) for name in [*self.names, *self.curves]) + 2
        columns = ["before", "highest", "at step", f"after {self.steps}", f"less {self.names[0]}"]
        head = f"{'':{width}}" + "".join(f"{'  ' + each:>{size}}" for each, size in zip(columns, SIZES, strict=True))
        return "\n".join([*self._settings(), "", head, *self._rows(width)])

    def _settings(self) -> list[str]:
        seeds = f"{self.seeds} seeds" if self.seeds > 1 else "1 seed: no confidence intervals"
        lines = [
            f"{self.prompts} prompts, {ANSWERS} ways to answer each, {RIGHT} right, {self.shared:.0%} of a step shared",
            f"groups of {self.N}, {self.steps} steps, lr {self.lr:g}, {seeds}",
        ]
        if not self.match:
            return [*lines, "advantages as they are: a design with larger ones takes larger steps", *self._idle()]
        scales = []
        for name, scale_T in zip(self.names, self.scale_DT.tolist(), strict=True):
            ends = dict.fromkeys([f"{min(scale_T):.3g}", f"{max(scale_T):.3g}"])
            scales.append(f"{name} × {' to '.join(ends)}")
        lines.append(f"advantages scaled to GRPO's mean |A| on the first policies' groups: {', '.join(scales)}")
        return lines + self._idle()

    def _idle(self) -> list[str]:
        """Designs that never moved a policy, such as Pass@k with k = N."""
        names = [
            name
            for name, curve_TS in zip(self.names, self.curves["entropy"], strict=True)
            if (curve_TS - curve_TS[0]).abs().max() < ROUNDING
        ]
        return [f"learnt nothing, every advantage was 0: {', '.join(names)}"] if names else []

    def _rows(self, width: int) -> list[str]:
        rows = []
        for measure, curve_DTS in self.curves.items():
            rows.append(measure)
            for name, curve_TS in zip(self.names, curve_DTS, strict=True):
                mean_T = curve_TS.mean(-1)
                high = int(mean_T.argmax())
                difference = "" if name == self.names[0] else _interval(curve_TS[-1] - curve_DTS[0, -1], "+")
                cells = [_interval(curve_TS[0]), f"{mean_T[high]:.3f}", str(high), _interval(curve_TS[-1]), difference]
                line = f"  {name:{width - 2}}" + "".join(f"{x:>{size}}" for x, size in zip(cells, SIZES, strict=True))
                rows.append(line.rstrip())
        return rows

    def plot(self, path: str | Path) -> None:
        """pass@1 and pass@k by step: means over seeds, and bands of their 95 % confidence intervals."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4), layout="constrained")
        measures = list(dict.fromkeys(["pass@1", f"pass@{self.k}"]))
        for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
            for i, (name, curve_TS) in enumerate(zip(self.names, self.curves[measure], strict=True)):
                look = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
                mean_T, half_T = curve_TS.mean(-1), half_width(curve_TS)
                axes.plot(mean_T.numpy(), label=name, **look)
                if half_T is not None:
                    band = ((mean_T - half_T).numpy(), (mean_T + half_T).numpy())
                    axes.fill_between(range(self.steps + 1), *band, color=look["color"], alpha=0.2, linewidth=0)
            axes.set(xlabel="training step", title=measure)
            axes.grid(alpha=0.3)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper")
        try:
            figure.savefig(path, dpi=150)
        except (OSError, ValueError) as error:
            raise DesignError(f"cannot write {path}: {error}") from None


def half_width(value_XS: Tensor) -> Tensor | None:
    """Half of the 95 % confidence interval of the mean over seeds (Student's t); None for one seed."""
    S = value_XS.shape[-1]
    return None if S < 2 else _student(S - 1) * value_XS.std(-1) / sqrt(S)


@cache
def _student(degrees: int) -> float:
    """The 97.5 % quantile of Student's t: the chance of |t| beyond it is a regularized incomplete beta function."""
    import mpmath

    def beyond(t: float) -> float:
        return mpmath.betainc(degrees / 2, 0.5, 0, degrees / (degrees + t * t), regularized=True) - 0.05

    return float(mpmath.findroot(beyond, (1.9, 13), solver="anderson"))


def _interval(value_S: Tensor, sign: str = "") -> str:
    half = half_width(value_S)
    return f"{value_S.mean():{sign}.3f}" + ("" if half is None else f" ± {half:.3f}")
