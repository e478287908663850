"""Levels: what a commit waits for, of the secondaries that must have it.

    none       nobody: it goes to them all the same          received   the message is there, whole and undamaged
    applied    it is applied to their blocks, complete       visible    their readers see it
               and checked, not yet shown: the default

    with acknowledging("none"): connection.commit()          for the commits of this thread in between

Among asynchronous secondaries nobody is waited for; within `acknowledging("applied")` a commit that they follow waits,
after it is visible here, until one of them has applied it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from tandemdb.errors import ProgrammingError

Level = Literal["none", "received", "applied", "visible"]


class _Chosen(threading.local):
    level: Level | None = None


_chosen = _Chosen()


@contextmanager
def acknowledging(level: Level | str | None) -> Iterator[None]:
    """Let the commits of this thread wait for this; None: for what the database's limits say.

    Raises:
        ProgrammingError: there is no such level.
    """
    before = _chosen.level
    _chosen.level = level_of(level)
    try:
        yield
    finally:
        _chosen.level = before


def chosen_level() -> Level | None:
    """Return what this thread's commits are to wait for, None if it has not said."""
    return _chosen.level


def level_of(text: str | None) -> Level | None:
    """Check the name of a level.

    Raises:
        ProgrammingError: it is none.
    """
    if text is not None and text not in get_args(Level):
        raise ProgrammingError(
            f"unknown level of acknowledgement: {text!r}", hint=f"Known are {', '.join(get_args(Level))}."
        )
    return text  # type: ignore[return-value]
