"""Put a design where OpenRLHF computes group advantages. OpenRLHF has no hook for it, so functions are replaced:
trainer.py has them, one by one, with what each does instead.

Both trainers, sync and async, reach them through BasePPOTrainer, in processes of their own: `worker.py` calls
`install_in_worker` there. Without the patch OpenRLHF refuses the estimator "design", so no run can silently train
on something else.

The design travels as text in `args.algo.advantage.design`; no node needs the file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
from functools import wraps
from pathlib import Path
from types import ModuleType

ESTIMATOR = "design"
METHOD = "compute_advantages_and_returns"
MODULE = "openrlhf.trainer.ppo_utils.experience_maker"

# Fingerprint of the replaced method → the releases it was read in, and run with.
KNOWN_SOURCES = {
    "8c6e146d214b6e2b": ("0.11.2",),
    "324afae877afd16b": ("0.10.2", "0.10.3", "0.10.4", "0.11.0", "0.11.1"),
}

_originals: dict[tuple[object, str], object] = {}


class IncompatibleOpenRLHF(RuntimeError):
    """The installed OpenRLHF computes advantages in a way that nobody has read; for whoever upgraded it."""


def check_openrlhf() -> str:
    """The installed release, if its method is known. Reads the source file, imports nothing of OpenRLHF.

    Raises:
      IncompatibleOpenRLHF: not installed, the method is missing, or release and source are not in KNOWN_SOURCES.
    """
    supported = ", ".join(sorted(release for releases in KNOWN_SOURCES.values() for release in releases))
    try:
        release = importlib.metadata.version("openrlhf")
    except importlib.metadata.PackageNotFoundError:
        raise IncompatibleOpenRLHF(f"OpenRLHF is not installed; supported: {supported}") from None
    package = Path(importlib.util.find_spec("openrlhf").origin).parent
    path = package / Path(*MODULE.split(".")[1:]).with_suffix(".py")
    found = fingerprint(path.read_text(encoding="utf-8")) if path.exists() else None
    if found is None:
        raise IncompatibleOpenRLHF(f"OpenRLHF {release} has no {MODULE}: {METHOD}; supported: {supported}")
    if release in KNOWN_SOURCES.get(found, ()):
        return release
    if found in KNOWN_SOURCES:
        why = f"was not run with this version of passk_rlhf, which replaces more of it than {METHOD}."
    else:
        known = ", ".join(f"{source} ({', '.join(releases)})" for source, releases in KNOWN_SOURCES.items())
        why = (
            "computes advantages in a way this version of passk_rlhf does not know.\n"
            f"{METHOD}: found {found}, known {known}"
        )
    raise IncompatibleOpenRLHF(
        f"OpenRLHF {release} {why}\nInstall a supported release of openrlhf ({supported}), or a newer passk_rlhf."
    )


def fingerprint(source: str) -> str | None:
    """A short hash of the method's source without comment lines and indentation. None if it is not there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == METHOD:
            # Not ast.dump: what that prints depends on the version of Python.
            lines = [line.strip() for line in ast.get_source_segment(source, node).splitlines()]
            code = [line for line in lines if line and not line.startswith("#")]
            return hashlib.sha256("\n".join(code).encode()).hexdigest()[:16]
    return None


def install() -> None:
    """Replace them in this process. Calling twice is calling once; `uninstall` restores them.

    Raises:
      IncompatibleOpenRLHF: see `check_openrlhf`.
    """
    if _originals:
        return
    check_openrlhf()
    from passk_rlhf.trainer import replacements

    for owner, name, replacement in replacements():
        original = getattr(owner, name)
        _originals[owner, name] = original
        setattr(owner, name, wraps(original)(_instead_of(original, replacement)))


def _instead_of(original, replacement):
    return lambda *args, **kwargs: replacement(original, *args, **kwargs)


def uninstall() -> None:
    """Give OpenRLHF its own methods back."""
    for (owner, name), original in _originals.items():
        setattr(owner, name, original)
    _originals.clear()


def install_in_worker(_module: ModuleType) -> None:
    """What `worker.py` registers: called in a Ray worker once it has imported OpenRLHF's trainer."""
    install()
