"""What single commits wait for, whatever the database's limits say.

    with acknowledging("none"): connection.commit()          for the commits of this thread in between

Within `acknowledging("applied")` a commit that asynchronous secondaries follow waits, after it is visible here, until
one of them has applied it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tandemdb.replication.core.levels import Level, level_of


class _Chosen(threading.local):
    level: Level | None = None


_chosen = _Chosen()
seen: list[Level] = []
"""The levels that were ever chosen in this process: while there are none, no commit need ask for its thread's."""


@contextmanager
def acknowledging(level: Level | str | None) -> Iterator[None]:
    """Let the commits of this thread wait for this; None: for what the database's limits say.

    Raises:
        ProgrammingError: there is no such level.
    """
    before = _chosen.level
    _chosen.level = chosen = level_of(level)
    if chosen is not None and chosen not in seen:
        seen.append(chosen)
    try:
        yield
    finally:
        _chosen.level = before


def chosen_level() -> Level | None:
    """Return what this thread's commits are to wait for, None if it has not said."""
    return _chosen.level
