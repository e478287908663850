"""A warning to those who connect to a primary that goes on without the mirrors it has lost."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tandemdb.storage import Database


def check_exposure(database: Database) -> None:
    """Warn if this database of this process is such a primary; the caller knows that it is observed."""
    from tandemdb.replication import is_exposed

    if is_exposed(database):
        warn_of_exposure(database.name or "this database")


def warn_of_exposure(name: str) -> None:
    """Warn whoever has called connect()."""
    from tandemdb.replication import ExposedWarning

    warnings.warn(
        f"{name} is EXPOSED: it has lost its synchronous secondaries and acknowledges commits without them",
        ExposedWarning,
        stacklevel=6,
    )
