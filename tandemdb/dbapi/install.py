"""Taking sqlite3's place: `import sqlite3` gives tandemdb while it is installed.

    sys.modules["sqlite3"], ["sqlite3.dbapi2"]   <-- tandemdb      install()
                                                 <-- the originals uninstall()

Modules that imported sqlite3 earlier keep the original: install before they are imported, at the top of conftest.py.
tandemdb itself keeps the standard library's module, whose exceptions, registries and Row it builds on.
"""

from __future__ import annotations

import sys
from types import ModuleType, TracebackType

NAMES = ("sqlite3", "sqlite3.dbapi2")

_originals: dict[str, ModuleType] = {}


class Installation:
    """What install() returns: leave a `with` block on it and the standard library's module is back."""

    __slots__ = ()

    def __enter__(self) -> Installation:
        """Begin a block in which `import sqlite3` gives tandemdb."""
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """End the block by uninstall()."""
        uninstall()


def install() -> Installation:
    """Put tandemdb into sys.modules as sqlite3; doing so twice does no harm."""
    import sqlite3.dump  # noqa: F401 -- iterdump() imports it later, under a name that will then be tandemdb's

    import tandemdb

    for name in NAMES:
        module = sys.modules[name]
        if module is not tandemdb:
            _originals[name] = module
            sys.modules[name] = tandemdb
    return Installation()


def uninstall() -> None:
    """Put the standard library's sqlite3 back."""
    for name, module in _originals.items():
        sys.modules[name] = module
    _originals.clear()


def standard_library() -> ModuleType:
    """Return the standard library's sqlite3, whoever is installed in its place."""
    import sqlite3

    return _originals.get("sqlite3", sqlite3)
