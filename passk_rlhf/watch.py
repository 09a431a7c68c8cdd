"""Notice that Ray's head is gone, and say so. Ray itself tries to reach it for a minute, and then ends the process from
inside its C++ with a line of its own, past everything that Python could still say.

A head that comes back in time (Ray on Redis) is as good as one that never left: nothing is said before Ray gives up.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from passk_rlhf import placement

PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"  # Ray's own setting, in seconds
BEFORE_RAY = 5.0  # seconds that we are earlier


class HeadWatch(threading.Thread):
    """Look every second whether the head at `address` answers.

    Args:
      gone: called once, with the seconds for which it has not answered; the thread ends with it.
    """

    def __init__(self, address: str, gone: Callable[[float], None]) -> None:
        super().__init__(daemon=True, name="watch Ray's head")
        self.address, self.gone = address, gone
        self.patience = float(os.environ.get(PATIENCE, 60)) - BEFORE_RAY
        self.stopped = threading.Event()

    def run(self) -> None:
        seen = None  # until it answers for the first time: a cluster behind one open port never does
        while not self.stopped.wait(1):
            if placement.answers(self.address):
                seen = time.monotonic()
            elif seen is not None and time.monotonic() - seen > self.patience:
                self.gone(time.monotonic() - seen)
                return

    def stop(self) -> None:
        self.stopped.set()


def end_with(message: str) -> None:
    """Print it and end this process at once: whatever would ask Ray on the way out would wait for it."""
    print(message, file=sys.stderr, flush=True)
    os._exit(2)
