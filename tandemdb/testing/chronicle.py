"""The chronicle of one simulated cluster: what happened, what its clients were told, and how to have it again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tandemdb import replication
from tandemdb.testing.invariants import InvariantBroken, require

if TYPE_CHECKING:
    from tandemdb.storage import Database
    from tandemdb.testing.clock import VirtualClock

EVENTS_KEPT = 2000
EVENTS_SHOWN = 40


class Report(NamedTuple):
    """What a simulated cluster went through."""

    seed: int
    acknowledged: int
    in_doubt: int
    lost_asynchronously: int
    events: dict[str, int]
    virtual_seconds: float
    history: tuple[str, ...]


class Chronicle:
    """Kept by a simulation. Commits are told by their entries, see `workload`."""

    def __init__(self, seed: int, clock: VirtualClock) -> None:
        self.seed = seed
        self.clock = clock
        self.acknowledged: set[int] = set()
        # Of each entry in doubt, its transaction.
        self.doubtful: dict[int, int] = {}
        self.events: Counter[str] = Counter()
        self.history: deque[str] = deque(maxlen=EVENTS_KEPT)

    def note(self, event: str, text: str, quiet: bool = False) -> None:
        """Count an event and put it down; a `quiet` one only while there is room."""
        self.events[event] += 1
        if not quiet or len(self.history) < EVENTS_KEPT:
            self.history.append(f"{self.clock.now:8.3f} {event}: {text}")

    def check_answers(self, leader: Database, entries: set[int]) -> None:
        """I8: what the leader says of each commit in doubt is what its data say."""
        for entry, transaction in self.doubtful.items():
            answer = replication.outcome(leader, transaction).answer
            there = entry in entries
            told = f"a commit in doubt is {answer}, and its entry is {'there' if there else 'missing'}"
            require(answer == "forgotten" or (answer == "committed") == there, "I8", told)

    def report(self, lost_asynchronously: int = 0) -> Report:
        return Report(
            self.seed,
            len(self.acknowledged),
            len(self.doubtful),
            lost_asynchronously,
            dict(self.events),
            self.clock.now,
            tuple(self.history),
        )

    @contextmanager
    def repeatable(self, options: str) -> Iterator[None]:
        """Let whatever breaks end with what happened last, and with the command that repeats it."""
        try:
            yield
        except Exception as error:
            told = "\n  ".join(list(self.history)[-EVENTS_SHOWN:])
            raise InvariantBroken(f"{error}\n  {told}\nreplay: python -m tandemdb.testing {options}") from error
