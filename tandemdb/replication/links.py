"""A publisher's links: to the secondaries that a commit waits for, and to those that follow in their own time.

    tight   synchronous: pumped by committing threads      loose   asynchronous: pumped by the background thread

What is looked at for each commit is kept up here when links come and go, as plain attributes and lists. Links come and
go under the publisher's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from tandemdb.replication.arrivals import HasFile

if TYPE_CHECKING:
    from tandemdb.replication.arrivals import Arrivals
    from tandemdb.replication.core.primary import Primary
    from tandemdb.replication.gathering import Gathering
    from tandemdb.replication.link import AnyLink

IDLE_SECONDS = 0.05


class Links(Mapping[str, "AnyLink"]):
    """The link of each secondary, by its name."""

    def __init__(self, core: Primary, arrivals: Arrivals, gathering: Gathering, clock: Callable[[], float]) -> None:
        self._core = core
        self._arrivals = arrivals
        self._gathering = gathering
        self._clock = clock
        self._links: dict[str, AnyLink] = {}
        self.tight: list[AnyLink] = []
        self.loose: list[AnyLink] = []
        # Whether committing threads wait at sockets.
        self.has_files = False

    def __getitem__(self, name: str) -> AnyLink:
        return self._links[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def put(self, link: AnyLink) -> None:
        """Reach a secondary, which the core knows, over this link from now on."""
        self._links[link.name] = link
        self.sort()

    def drop(self, name: str) -> None:
        del self._links[name]
        self.sort()

    def sort(self) -> None:
        """Look at the secondaries' modes, and the links' files, anew."""
        peers = self._core.peers
        self.tight = [link for name, link in self._links.items() if peers[name].mode == "sync"]
        self.loose = [link for name, link in self._links.items() if peers[name].mode == "async"]
        self._gathering.packs = any(isinstance(link, HasFile) for link in self.loose)
        self.has_files = self._arrivals.expect(self.tight)

    def pump_tight(self, tick: bool = True) -> bool:
        """Move what can be moved to and, on a tick, from the synchronous secondaries. Returns whether anything was."""
        moved = False
        for link in self.tight:
            if link.pump(tick):
                moved = True
        return moved

    def pump_loose(self) -> bool:
        """Move what can be moved to and from the asynchronous secondaries. Returns whether anything was."""
        moved = False
        for link in self.loose:
            if link.pump():
                moved = True
        return moved

    def is_cut_off(self) -> bool:
        """Whether no synchronous secondary is linked."""
        for link in self.tight:
            if not link.is_cut:
                return False
        return True

    def lag_behind(self) -> bool:
        """Whether something is yet to go to an asynchronous secondary that is linked; the lock is held."""
        core = self._core
        return any(
            peer.mode == "async"
            and (core.behind(peer) or not peer.attentive)
            and not self._links[peer.name].is_cut
            and peer.state != "refused"
            for peer in core.peers.values()
        )

    def until_due(self) -> float:
        """How long nothing can come but what wakes the waiting thread."""
        if self.has_files:
            return IDLE_SECONDS  # Whatever comes wakes the waiting thread.
        dues = [due for link in list(self._links.values()) if (due := link.due_at()) is not None]
        return max(0.001, min([due - self._clock() for due in dues], default=IDLE_SECONDS))
