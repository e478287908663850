"""A coordinator in a file, for the nodes of one machine: whoever has the turn reads it and renames a new one over it.

    shop.json          {"record": {…}, "revision": 4, "moment": 9,
                        "lease": {"holder": "a:7432 91…", "number": 7, "seconds": 2.0, "until": 81234.5}}
    shop.json.TOKEN/   someone's folder, with the empty file TOKEN in it, before it has the turn
    shop.json.turn/    that folder, renamed: it cannot be while there is one with a file in it

The new shop.json is written into TOKEN and renamed from there, which leaves the folder empty: the turn is over. A
process that is suspended or killed while it has the turn keeps nobody from going on: others remove its TOKEN. What it
would rename when it wakes is not there then, and it begins anew with what shop.json is by now. Reading takes no turn.

`until` is by the clock that counts from the machine's start. After a restart it lies further ahead than any lease
reaches: then it has lapsed. The file protects against dying and sleeping processes, not against the machine's death.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tandemdb.replication.coordination.coordinator import CoordinatorLost, Lease, State, boot_clock
from tandemdb.replication.coordination.record import Record, decode, encode

POLL_SECONDS = 0.02
# How long somebody has the turn before the first, the second, … of those that one waits for is passed over.
PATIENCE_SECONDS = 0.25
TURN_SECONDS, TURN_PAUSE_SECONDS = 10.0, 0.002

Result = TypeVar("Result")
Kept = dict[str, Any]


class FileCoordinator:
    """Keeps one cluster's record in the file at `path`; it is made with the first lease."""

    def __init__(self, path: str, clock: Callable[[], float] = boot_clock) -> None:
        self.path = path
        self.clock = clock
        self._turn = f"{path}.turn"

    def read(self) -> State:
        with self._telling():
            return self._state(self._load())

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        def change(kept: Kept) -> tuple[Kept | None, int | None]:
            if kept["revision"] != revision or not self._holds(kept, lease):
                return None, None
            return {**kept, "record": encode(record), "revision": revision + 1}, revision + 1

        return self._change(change)

    def lease(self, holder: str, seconds: float) -> Lease | None:
        def change(kept: Kept) -> tuple[Kept | None, Lease | None]:
            if kept["lease"] is not None:
                return None, None
            lease = Lease(holder, kept["moment"] + 1, seconds)
            return {**kept, "lease": self._lent(lease)}, lease

        return self._change(change)

    def renew(self, lease: Lease) -> bool:
        def change(kept: Kept) -> tuple[Kept | None, bool]:
            if not self._holds(kept, lease):
                return None, False
            return {**kept, "lease": self._lent(lease), "moment": kept["moment"] - 1}, True  # Nobody waits for this.

        return self._change(change)

    def release(self, lease: Lease) -> None:
        self._change(lambda kept: ({**kept, "lease": None} if self._holds(kept, lease) else None, None))

    def watch(self, state: State, seconds: float) -> State:
        deadline = time.monotonic() + seconds
        while True:
            found = self.read()
            if (found.moment, found.leader) != (state.moment, state.leader) or time.monotonic() >= deadline:
                return found
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Nothing is open."""

    # Helpers, in call order.

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CoordinatorLost(f"unable to use {self.path}: {error.strerror}") from error

    def _change(self, change: Callable[[Kept], tuple[Kept | None, Result]]) -> Result:
        """Change what is kept, all in one turn; `change` is called again if the turn was taken away meanwhile.

        It returns what is to be kept from now on, None to leave it as it is, and what it is to return.
        """
        with self._telling():
            while True:
                token = self._take_turn()
                try:
                    kept, result = change(self._load())
                    if kept is None or self._store(kept, token):
                        return result
                finally:
                    self._end_turn(token)

    def _take_turn(self) -> str:
        """Wait for the turn, and pass over who has it too long; returns the token."""
        token = secrets.token_hex(8)
        prepared = f"{self.path}.{token}"
        os.mkdir(prepared, 0o700)
        try:
            os.close(os.open(f"{prepared}/{token}", os.O_WRONLY | os.O_CREAT, 0o600))
            deadline = time.monotonic() + TURN_SECONDS
            patience, holder, since = PATIENCE_SECONDS, "", time.monotonic()
            while True:
                try:
                    os.rename(prepared, self._turn)
                    return token
                except OSError as error:  # Which it is depends on the system.
                    now = time.monotonic()
                    if now >= deadline:
                        reason = f"no turn within {TURN_SECONDS:g} s"
                        raise CoordinatorLost(f"unable to use {self.path}: {reason}", detail=str(error)) from error
                found = self._holder()
                if found != holder:
                    holder, since = found, now
                elif found and now - since >= patience:
                    self._end_turn(found)
                    patience *= 2  # Who is not asleep but slow must come to its end some time.
                time.sleep(TURN_PAUSE_SECONDS)
        except BaseException:
            remove_file(f"{prepared}/{token}")
            remove_if_empty(prepared)
            raise

    def _holder(self) -> str:
        """Return the token of who has the turn, "" if nobody has."""
        try:
            tokens = os.listdir(self._turn)
        except FileNotFoundError:
            return ""
        if not tokens:
            remove_if_empty(self._turn)  # Not every system renames over an empty folder.
            return ""
        return tokens[0]

    def _end_turn(self, token: str) -> None:
        """Let others have the turn, unless they have it already."""
        remove_file(f"{self._turn}/{token}")
        remove_if_empty(self._turn)

    def _load(self) -> Kept:
        """Read what is kept; a lease that has lapsed is none."""
        try:
            with insisting(lambda: open(self.path, encoding="utf-8")) as file:
                kept = json.load(file)
        except FileNotFoundError:
            os.stat(os.path.dirname(self.path) or ".")  # Its folder is not there: that tells nothing of the file.
            return {"record": None, "revision": 0, "moment": 0, "lease": None}
        except ValueError as error:
            raise CoordinatorLost(f"{self.path} is no coordinator's file", detail=str(error)) from None
        lease = kept["lease"]
        if lease is not None:
            remaining = lease["until"] - self.clock()
            if not 0 < remaining <= lease["seconds"]:
                kept["lease"] = None
        return dict(kept)

    def _state(self, kept: Kept) -> State:
        record, lease = kept["record"], kept["lease"]
        return State(
            None if record is None else decode(record),
            kept["revision"],
            "" if lease is None else lease["holder"],
            kept["moment"],
        )

    def _holds(self, kept: Kept, lease: Lease) -> bool:
        found = kept["lease"]
        return found is not None and (found["holder"], found["number"]) == (lease.holder, lease.number)

    def _lent(self, lease: Lease) -> Kept:
        return {**lease._asdict(), "until": self.clock() + lease.seconds}

    def _store(self, kept: Kept, token: str) -> bool:
        """Replace what is kept; False: the turn was taken away, and nothing is changed."""
        fresh = f"{self._turn}/{token}"
        try:
            # It must be there already: made anew it might lie in another one's folder.
            with open(os.open(fresh, os.O_WRONLY), "w", encoding="utf-8") as file:
                json.dump({**kept, "moment": kept["moment"] + 1}, file)
                file.flush()
                os.fsync(file.fileno())
            insisting(lambda: os.replace(fresh, self.path))
        except FileNotFoundError:
            return False
        return True


def remove_file(path: str) -> None:
    """Remove a file, which may be gone."""
    with suppress(FileNotFoundError):
        insisting(lambda: os.unlink(path))


def remove_if_empty(folder: str) -> None:
    """Remove a folder, unless there is something in it: then it is another one's by now."""
    with suppress(OSError):
        os.rmdir(folder)


def insisting(action: Callable[[], Result]) -> Result:
    """Do what Windows refuses while another process has the file open, which each has for moments only."""
    deadline = time.monotonic() + TURN_SECONDS
    while True:
        try:
            return action()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= deadline:
                raise
        time.sleep(TURN_PAUSE_SECONDS)
