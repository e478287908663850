"""The one place where the commands open databases, so that tests can put another driver under them."""

from __future__ import annotations

from typing import Any


def connect(name: str) -> Any:
    """Open a database in autocommit mode: a script's own BEGIN and COMMIT decide, as in SQLite's shell.

    Args:
        name: ":memory:" for a private one; a bare NAME for one that connections of this process share; anything that
            `tandemdb.connect` takes, such as "file:NAME?mode=memory&cache=shared".
    """
    import tandemdb

    bare = name and ":" not in name
    return tandemdb.connect(f":memory:{name}" if bare else name, isolation_level=None, uri=True)
