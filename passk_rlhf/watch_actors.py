"""Notice an actor of the job that is gone, though nobody who would wait for it looks.

OpenRLHF makes vLLM's actors and goes on; if one of them fails as it is made, because its reward function cannot be
imported say, the trainer waits for its weights group: an hour on a CPU, minutes on GPUs, and then for another reason.
Ray's head knows at once, and is asked here every second, whoever made the actor and wherever it was placed.

    failed as it was made        its own error ends the run, unless the run ends by itself within AT_ONCE
    died later                   the same after PATIENCE: whoever calls it is told by Ray, and says more
    not made after minutes       said, since a model may take as long: 2 min, 5 min, 10 min, ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

AT_ONCE, PATIENCE = 5.0, 30.0  # seconds
SAID_AFTER = (2, 5, 10, 20, 40, 60, 120, 240)  # minutes that an actor is being made
BEING_MADE = ("DEPENDENCIES_UNREADY", "PENDING_CREATION")


class ActorWatch(threading.Thread):
    """
    Args:
      actors: what Ray says of the job's actors (`actors_of_this_job`).
      gone: called once, with the error of the actor that is gone; the thread ends with it.
      say: where it is said that an actor takes long.
    """

    def __init__(
        self,
        actors: Callable[[], dict[str, dict[str, Any]]],
        gone: Callable[[Exception], None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(daemon=True, name="watch the job's actors")
        self.actors, self.gone, self.say, self.clock = actors, gone, say, clock
        self.seen: dict[str, float] = {}  # actor that is being made, or was lost → since when
        self.said: dict[str, int] = {}  # actor → how often it was said that it takes long
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(1):
            if error := self.look():
                if not self.stopped.is_set():
                    self.gone(error)
                return

    def look(self) -> Exception | None:
        """Ask once; the error to end the run with, if it is time to."""
        now = self.clock()
        for name, actor in self.actors().items():
            if actor["State"] in BEING_MADE:
                self._say_if_long(name, actor, now - self.seen.setdefault(f"making {name}", now))
            elif actor["State"] == "DEAD" and (found := loss(actor)):
                error, patience = found
                if now - self.seen.setdefault(f"lost {name}", now) >= patience:
                    return error
        return None

    def _say_if_long(self, name: str, actor: dict[str, Any], seconds: float) -> None:
        said = self.said.get(name, 0)
        if said < len(SAID_AFTER) and seconds >= 60 * SAID_AFTER[said]:
            self.said[name] = said + 1
            who, minutes = class_name(actor), SAID_AFTER[said]
            self.say(f"{who} is still being made after {minutes} min: it loads a model, or waits for a free GPU")

    def stop(self) -> None:
        self.stopped.set()


def loss(actor: dict[str, Any]) -> tuple[Exception, float] | None:
    """(the error, how long to wait for the run to end by itself), of a dead actor that nobody meant to end."""
    import ray
    from ray.core.generated.common_pb2 import ActorDiedErrorContext

    cause = actor["DeathCause"]
    if cause.HasField("creation_task_failure_context"):
        return ray.exceptions.RayError.from_ray_exception(cause.creation_task_failure_context), AT_ONCE
    if not cause.HasField("actor_died_error_context"):
        return None
    died = cause.actor_died_error_context
    unmeant = (ActorDiedErrorContext.WORKER_DIED, ActorDiedErrorContext.NODE_DIED, ActorDiedErrorContext.OWNER_DIED)
    if died.reason not in unmeant:
        return None  # the run is over, and lets go of it
    return ray.exceptions.ActorDiedError(died), AT_ONCE if died.never_started else PATIENCE


def class_name(actor: dict[str, Any]) -> str:
    """
    >>> class_name({"ActorClassName": "openrlhf.trainer.ray.vllm_engine.create.<locals>.RolloutRayActor"})
    'RolloutRayActor'
    """
    return actor["ActorClassName"].rpartition(".")[2]


def actors_of_this_job() -> dict[str, dict[str, Any]]:
    """Actor → what Ray's head says of it; those that other actors of the job have made, too."""
    import ray
    from ray._private import state  # public only through the dashboard, which may be off

    return state.actors(job_id=ray.JobID.from_hex(ray.get_runtime_context().get_job_id()))
