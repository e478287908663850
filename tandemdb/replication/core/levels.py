"""Levels: what a commit waits for, of the secondaries that must have it.

    none       nobody: it goes to them all the same          received   the message is there, whole and undamaged
    applied    it is applied to their blocks, complete       visible    their readers see it
               and checked, not yet shown: the default

Among asynchronous secondaries nobody is waited for, unless a commit says so: see `replication.acknowledging`.
"""

from __future__ import annotations

from typing import Literal, get_args

from tandemdb.errors import ProgrammingError

Level = Literal["none", "received", "applied", "visible"]


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
