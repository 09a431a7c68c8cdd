"""Going on from a checkpoint: is it there and whole, and was it trained on the design of this command?

A checkpoint carries the text of its design in DeepSpeed's client state, so that the two cannot come apart. It lies in
the checkpoint's folder as design.yaml, too: for people, and for the launcher, which compares before Ray starts. A run
on a design compares again in the trainer, with the client state.

    PATH/_actor/latest                        DeepSpeed: the name of the last checkpoint
    PATH/_actor/global_step20/*.pt            DeepSpeed: the model, the optimizer, the client state
    PATH/_actor/global_step20/design.yaml     ours; not there if the run was on an estimator of OpenRLHF's
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from shaping import DesignError, loads
from shaping.errors import Source
from shaping.language.document import Mapping, Value, flow, read

DESIGN = "passk_rlhf_design"  # its key in the client state
SAID = ("claims", "rewards")  # sections of a design that change no advantage


class ResumeError(ValueError):
    """A checkpoint is not one to go on from; for whoever resumes the run."""


def last_checkpoint(path: str | Path, processes: int | None = None) -> str | None:
    """The name of the checkpoint to go on from, such as 'global_step20'. None if none was ever finished.

    It is the one that `latest` names, and DeepSpeed would load; or the newest whole one, where the run was killed while
    it saved that: the first process writes `latest` before the others have written their part.

    Args:
      processes: the actors' processes, each of which writes a part of the optimizer's state; None: not known.

    Raises:
      ResumeError: `latest` is missing or names no checkpoint, and others are there; or none that was begun is whole.
    """
    folder = Path(path) / "_actor"
    latest = folder / "latest"
    if not latest.is_file():
        if whole := _whole(folder, processes):
            raise ResumeError(f"{folder}: the file 'latest' is gone.\n{_instead(latest, whole)}")
        return None
    name = _named_by(latest)
    tag = folder / name
    if tag.parent != folder or not tag.is_dir():
        instead = _instead(latest, _whole(folder, processes))
        raise ResumeError(f"{latest} names checkpoint {name[:80]!r}, which is not there.\n{instead}")
    damage = _damage(tag, processes)
    if not damage:
        return name
    whole = _whole(folder, processes)
    if not whole:
        raise ResumeError(f"{damage}.\n{_instead(latest, whole)}")
    return whole[-1]


def go_back_to(path: str | Path, name: str) -> str | None:
    """Let `latest` name this checkpoint; what it named before, if that was another one."""
    latest = Path(path) / "_actor" / "latest"
    before = _named_by(latest)
    if before == name:
        return None
    half = latest.with_name("latest.half")
    half.write_text(name, encoding="utf-8")
    half.replace(latest)
    return before


def _named_by(latest: Path) -> str:
    return latest.read_text(encoding="utf-8", errors="replace").strip()


def _whole(folder: Path, processes: int | None) -> list[str]:
    """The names of the checkpoints that are whole, oldest first. Opens every file of every checkpoint."""
    tags = [tag for tag in folder.iterdir() if tag.is_dir()] if folder.is_dir() else []
    return [tag.name for tag in sorted(tags, key=lambda tag: tag.stat().st_mtime) if not _damage(tag, processes)]


def _damage(tag: Path, processes: int | None) -> str | None:
    states = sorted(tag.glob("*model_states.pt"))
    if not states:
        return f"checkpoint {tag} has no model in it"
    # torch saves zip files; their table of contents comes last, so a file that was cut off has none.
    broken = [file for file in sorted(tag.glob("*.pt")) if not zipfile.is_zipfile(file)]
    if broken:
        return f"checkpoint file {broken[0]} is damaged"
    # Without one of these DeepSpeed loads none, warns, and trains on with an optimizer that knows nothing.
    parts = len(list(tag.glob("*_optim_states.pt")))
    if processes and 0 < parts < processes:
        return f"checkpoint {tag} has the optimizer's state of {parts} of {processes} processes"
    return None


def _instead(latest: Path, whole: list[str]) -> str:
    if not whole:
        return f"No other checkpoint is whole: remove {latest.parent} to begin again."
    return f"To go on from {whole[-1]}: echo {whole[-1]} > {latest}   (whole are: {', '.join(whole)})"


def stamp(path: str | Path) -> int | None:
    """Tells the last checkpoint in a folder from later ones, without looking into it; None if there is none."""
    latest = Path(path) / "_actor" / "latest"
    return latest.stat().st_mtime_ns if latest.is_file() else None


def design_of(path: str | Path, checkpoint: str) -> str | None:
    """The text of a checkpoint's design, as far as the launcher can see it."""
    file = Path(path) / "_actor" / checkpoint / "design.yaml"
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None


def change_of_design(trained: str | None, now: str | None) -> str | None:
    """What differs, in words; None if both say the same but for comments, layout, claims and `rewards:`.

    Args:
      trained, now: the text of a design, or None where OpenRLHF's own estimator was or is asked for.

    Example:
      >>> change_of_design("advantage: r", "advantage: r  # the reward")
      >>> change_of_design("{name: a, params: {k: 4}, advantage: k * r}", "{name: a, params: {k: 8}, advantage: k * r}")
      'was trained on design a (k=4), and this command gives design a (k=8)'
      >>> change_of_design("advantage: r", None)
      "was trained on design design, and this command gives an estimator of OpenRLHF's"
    """
    if trained == now or (trained and now and _meaning(trained) == _meaning(now)):
        return None
    before, after = _named(trained), _named(now)
    same = ", with other formulas" if before == after else ""
    return f"was trained on {before}, and this command gives {after}{same}"


def refuse_change(checkpoint: str, trained: str | None, now: str | None, allowed: bool) -> str | None:
    """The change, in words, if there is one and it is allowed.

    Raises:
      ResumeError: it is not.
    """
    change = change_of_design(trained, now)
    if change and not allowed:
        raise ResumeError(
            f"checkpoint {checkpoint} {change}.\nTo go on with what this command gives: --allow-design-change"
        )
    return change


def _meaning(text: str) -> str:
    """The text without comments, layout and what trains nothing (SAID); the text itself if it is no design."""
    try:
        design = read(Source("design.yaml", text))
    except DesignError:
        return text
    return flow(_without(design), {})


def _without(value: Value) -> Value:
    """Without what designs say of themselves, those that are used too."""
    if not isinstance(value, Mapping):
        return value
    said = SAID if "advantage" in value.entries else ()
    kept = {key: (name, _without(part)) for key, (name, part) in value.entries.items() if key not in said}
    return Mapping(kept, value.span)


def _named(text: str | None) -> str:
    if text is None:
        return "an estimator of OpenRLHF's"
    try:
        return describe(loads(text, "design.yaml"))
    except DesignError:  # of a version of the language that this one does not read
        return "a design that cannot be read here"


def describe(design) -> str:
    """'design passk (k=4)', for one line of log."""
    params = ", ".join(f"{param.name}={param.value}" for param in design.params.values())
    return f"design {design.name}" + (f" ({params})" if params else "")


def save_design(folder: str | Path, text: str, name: str = "design.yaml") -> None:
    """Write FOLDER/design.yaml, whole or not at all: in a checkpoint, and beside the model."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{name}.half"
    half.write_text(text, encoding="utf-8")
    half.replace(folder / name)


def save_design_of(path: str | Path, checkpoint: str, text: str) -> None:
    """Into the checkpoint's folder, if the checkpoint was saved where this process can see it."""
    folder = Path(path) / "_actor" / checkpoint
    if folder.is_dir():
        save_design(folder, text)
