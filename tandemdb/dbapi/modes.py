"""How a commit and its copy elsewhere go together, as users say it: "sync" or "async"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.errors import ProgrammingError

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Mode


def read_mode(mode: str) -> Mode:
    """Return a mode that a user has named.

    Raises:
        ProgrammingError: there is no such mode.
    """
    if mode == "sync":
        return "sync"
    if mode == "async":
        return "async"
    raise ProgrammingError(f"unknown mode of mirroring: {mode!r}", hint='It is "sync" or "async".')
