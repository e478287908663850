"""A pair: a primary and its standby in one test, on virtual time.

primary --link--> standby       advance(0.5): the clock moves on, what is due then is delivered
        cut() heal()            a pulled cable          set_faults(Faults(seed=1, drop=0.1))
        promote()               the standby leads; rejoin() makes the former primary its standby
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import tandemdb
from tandemdb.replication import Faults, Replica, ReplicationError
from tandemdb.testing.clock import VirtualClock
from tandemdb.testing.identical import assert_identical

SETTLE_SECONDS = 100.0
STEP_SECONDS = 0.05


def pair(
    script: str = "",
    mode: str = "sync",
    *,
    faults: Faults | None = None,
    timeout_seconds: float = 2.0,
    connect: Callable[[], Any] | None = None,
    **limits: Any,
) -> Pair:
    """Make a primary and its standby, both new and in this process, mirrored from the start.

    Args:
        script: SQL run on the primary before.
        mode: "sync" or "async".
        faults: an adversary on the link, from the moment the standby is level.
        timeout_seconds: of virtual time, after which a commit that nobody acknowledges is in doubt.
        connect: makes each connection; `tandemdb.connect(":memory:")` unless given.
        limits: fields of `tandemdb.replication.core.limits.Limits`, such as log_bytes_max.
    Raises:
        DatabaseError: what the script raised.
    """
    return Pair(script, mode, faults, timeout_seconds, connect or connect_private, limits)


class Pair:
    """`primary` and `standby` are connections, `clock` their time; used in a `with`, both are closed behind it."""

    def __init__(
        self,
        script: str,
        mode: str,
        faults: Faults | None,
        timeout_seconds: float,
        connect: Callable[[], Any],
        limits: dict[str, Any],
    ) -> None:
        self.mode = mode
        self.clock = VirtualClock()
        self.primary, self.standby = connect(), connect()
        self._options = {
            "clock": self.clock,
            "pause": self.clock.pause,
            "timeout_seconds": timeout_seconds,
            "over_wire": True,
            **limits,
        }
        if script:
            self.primary.executescript(script)
        self.replica: Replica = self.primary.replicate_to(self.standby, mode, **self._options)
        self.settle()
        self.set_faults(faults)

    def cut(self) -> None:
        """Cut the link: what is under way is lost."""
        self.replica.cut()

    def heal(self) -> None:
        """Mend the link; `settle` or `advance` lets the standby catch up."""
        self.replica.heal()

    def set_faults(self, faults: Faults | None) -> None:
        """Put an adversary on the link, or take it off."""
        self.replica.set_faults(faults)

    def advance(self, seconds: float) -> None:
        """Let so much time pass; what is due meanwhile is delivered."""
        end = self.clock.now + seconds
        self.replica.link.pump()
        while self.clock.now < end:
            due = self.replica.link.due_at()
            until = min(end, self.clock.now + STEP_SECONDS if due is None else max(due, self.clock.now))
            self.clock.pause(until - self.clock.now)
            self.replica.link.pump()

    def settle(self) -> None:
        """Let time pass until the standby shows all that the primary has.

        Raises:
            ReplicationError: it does not within 100 virtual seconds.
        """
        end = self.clock.now + SETTLE_SECONDS
        while not self.is_level:
            if self.clock.now >= end:
                raise ReplicationError(
                    f"the standby is not level after {SETTLE_SECONDS:g} virtual seconds",
                    detail=str(self.replica.status),
                    hint="Is the link cut? heal() mends it.",
                )
            self.advance(STEP_SECONDS)

    @property
    def is_level(self) -> bool:
        """Whether the standby shows the primary's last commit and follows."""
        state = self.replica.status.state
        follows = state == "in step" if self.mode == "sync" else state in ("in step", "following")
        return follows and bool(self.standby.lsn == self.primary.lsn)

    def promote(self) -> Any:
        """Promote the standby; if the link stands, the former primary learns of it. Returns the report."""
        return self.standby.promote()

    def rejoin(self) -> None:
        """After `promote`: make the former primary the standby of the new one; the two change names."""
        self.primary, self.standby = self.standby, self.primary
        self.replica = self.primary.replicate_to(self.standby, self.mode, **self._options)
        self.settle()

    def assert_identical(self) -> None:
        """Let the standby get level, then compare both down to rows."""
        self.settle()
        assert_identical(self.primary, self.standby)

    def close(self) -> None:
        """Close both connections."""
        self.primary.close()
        self.standby.close()

    def __enter__(self) -> Pair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect_private() -> tandemdb.Connection:
    return tandemdb.connect(":memory:")
