"""Loss: what a primary does with a commit when too few of its synchronous secondaries are in step.

    policy    the commit                                   afterwards
    wait      waits until enough are back                  nothing is lost, nothing goes on
    refuse    fails at once; reads go on                   the default without a coordinator
    shrink    goes on, once the coordinator's record       the default with one: who was struck off cannot be promoted,
              names the lost one no more                   so no acknowledged commit can be lost by that
    degrade   goes on at once                              without a coordinator only: if the lost one is promoted
                                                           elsewhere there are two histories
    stop      fails, and so does every later one           until `continue_alone`

After shrink, degrade and `continue_alone` the primary is EXPOSED until a secondary is in step again: its status says
so, the log does, and each new connection is warned. A secondary that comes back within `loss_grace_seconds` was not
lost. `min_sync` is how many secondaries must remain; below it shrink and degrade refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, get_args

from tandemdb.errors import ProgrammingError
from tandemdb.replication.core.limits import Limits, LossPolicy, standstill
from tandemdb.replication.events import emit
from tandemdb.storage.changes import VACANT

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Peer
    from tandemdb.replication.publisher import Publisher

STOPPED = "stopped: a synchronous secondary is lost"
PAUSE_SECONDS = 0.05


class Arbiter(Protocol):
    """Who can see to it that a lost secondary is never promoted."""

    def strike_off(self, publisher: Publisher, lost: list[Peer]) -> bool:
        """Take secondaries off the record. False: it could not be done."""

    def wake(self) -> None:
        """A secondary has got into step: it may go on the record."""


def policy_of(limits: Limits, arbiter: Arbiter | None) -> LossPolicy:
    """Return the policy in force.

    Raises:
        ProgrammingError: it is none, or one that a coordinator's record would make a lie of.
    """
    policy = limits.on_loss
    if policy is None:
        return "shrink" if arbiter is not None else "refuse"
    if policy not in get_args(LossPolicy):
        raise ProgrammingError(
            f"unknown policy for the loss of a secondary: {policy!r}",
            hint=f"Known are {', '.join(get_args(LossPolicy))}.",
        )
    if policy == "degrade" and arbiter is not None:
        raise ProgrammingError(
            "the policy degrade does not go with a coordinator",
            detail="It would promote the lost secondary, which lacks the commits made without it.",
            hint="Use shrink: the lost secondary is struck off first.",
        )
    if policy == "shrink" and arbiter is None:
        raise ProgrammingError(
            "the policy shrink needs a coordinator",
            detail="Without one nobody can keep the lost secondary from being promoted.",
            hint="Use refuse and continue_alone(), or degrade.",
        )
    return policy


class Losses:
    """What one publisher does about losses."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        # One thread at a time decides.
        self._place: list[None] = [*VACANT]

    def settle(self) -> bool:
        """Decide about the commits in hand, with too few secondaries in step. False: they fail. True: look again.

        The caller holds the writer's place, or leads those that wait, and not the publisher's lock.
        """
        try:
            del self._place[0]
        except IndexError:
            # Another thread does: what comes of it shows in who is missing.
            self.publisher.pause(PAUSE_SECONDS)
            return True
        try:
            return self._settle()
        finally:
            self._place[:] = VACANT

    def continue_alone(self) -> None:
        """Take writes without synchronous secondaries, until one is in step again: two histories may come of it."""
        publisher = self.publisher
        with publisher.lock:
            lost = publisher.core.quorum.lost()
        expose(publisher, lost, "told to continue alone")
        database = publisher.database
        if database is not None and database.read_only == STOPPED:
            database.read_only = None

    def _settle(self) -> bool:
        publisher, core = self.publisher, self.publisher.core
        policy = policy_of(core.limits, publisher.arbiter)
        if policy == "refuse" or core.fenced_by is not None:
            return False
        if policy == "wait":
            self._await_return(PAUSE_SECONDS)
            return True
        if policy == "stop":
            stop(publisher)
            return False
        if self._await_return(core.limits.loss_grace_seconds):
            return True
        with publisher.lock:
            lost, remaining = core.quorum.lost(), core.quorum.in_step()
        if len(remaining) < core.limits.min_sync:
            return False
        if policy == "shrink":
            assert publisher.arbiter is not None
            if not publisher.arbiter.strike_off(publisher, lost):
                return False
        expose(publisher, lost, f"policy {policy}")
        return True

    def _await_return(self, seconds: float) -> bool:
        """Wait at most so long for enough secondaries to be in step; tells whether they are."""
        publisher = self.publisher
        looks_at = publisher.clock()
        deadline = looks_at + seconds
        while True:
            with publisher.lock:
                if not publisher.core.quorum.missing():
                    return True
            now = publisher.clock()
            deadline += standstill(now, looks_at)
            remaining = deadline - now
            if remaining <= 0 or publisher.core.fenced_by is not None:
                return False
            looks_at = now
            if not publisher.links.pump_tight():
                seconds = min(remaining, publisher.links.until_due())
                looks_at += seconds
                publisher.pause(seconds)


def expose(publisher: Publisher, lost: list[Peer], why: str) -> None:
    """Wait for these secondaries no longer, until they are in step again: one that is by now was not lost."""
    with publisher.lock:
        publisher.core.quorum.dismiss([peer for peer in lost if peer.state != "in step"])
        lsn = publisher.core.root.lsn
        is_exposed = publisher.core.quorum.is_exposed
    if is_exposed:
        emit("exposed", node=publisher.core.identity.node, lsn=lsn, lost=[peer.name for peer in lost], why=why)


def stop(publisher: Publisher) -> None:
    """Let no transaction begin any more."""
    database = publisher.database
    if database is not None and database.read_only is None:
        database.read_only = STOPPED
        with publisher.lock:
            lost = [peer.name for peer in publisher.core.quorum.lost()]
        emit("stopped", node=publisher.core.identity.node, lsn=database.root.lsn, lost=lost)
