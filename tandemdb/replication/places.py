"""Places for one thread at a time, and locks, that an interrupt finds taken: see `storage.changes.VACANT`."""

from __future__ import annotations

import threading
import time

LOOK_SECONDS = 0.0005


def await_place(place: list[None]) -> None:
    """Take a place, waiting until it is free."""
    while True:
        try:
            del place[0]
        except IndexError:
            time.sleep(LOOK_SECONDS)
        else:
            return


def let_go(lock: threading.RLock) -> None:
    """Release a lock if this thread still holds it: an interrupt came right behind the call of its `acquire`."""
    try:
        lock.release()
    except RuntimeError:
        pass  # It does not.
