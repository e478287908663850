"""The pool of an engine whose store is its own: one connection a thread, all on the same store.

    engine ── store ─┬─ connection of thread 1     handed out again whenever thread 1 asks, nested or not
                     ├─ connection of thread 2
                     └─ connection of thread 3     closed when another connection is made after thread 3 has ended

Within a thread this is what SQLAlchemy does for SQLite's `:memory:` (two sessions of one thread see each other's
uncommitted rows), so that suites written for it pass; but a further thread finds the tables that the first one made.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sqlalchemy.pool import SingletonThreadPool

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry


class ThreadPool(SingletonThreadPool):
    """Keep one connection for each living thread.

    SQLAlchemy's own pool closes any connection at all once there are more than `pool_size`, in use or not; this one
    closes those of threads that have ended, and has no other limit.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._owners: dict[ConnectionPoolEntry, threading.Thread] = {}
        self._owners_lock = threading.Lock()

    def _create_connection(self) -> ConnectionPoolEntry:
        entry = super()._create_connection()
        with self._owners_lock:
            self._owners[entry] = threading.current_thread()
            ended = [other for other, owner in self._owners.items() if not owner.is_alive()]
            for other in ended:
                del self._owners[other]
        for other in ended:
            self._all_conns.discard(other)
            other.close()
        return entry

    def _cleanup(self) -> None:
        """Close nothing: what is left belongs to living threads (SQLAlchemy calls this at `pool_size`)."""

    def dispose(self) -> None:
        with self._owners_lock:
            self._owners.clear()
        super().dispose()
