"""Test databases: in RAM and shared by the threads of a test run, as Django has them with SQLite.

default     file:memorydb_default?mode=memory&cache=shared
parallel    fork: each process inherits it      spawn: copied through a file, to one of its own in each process
"""

from __future__ import annotations

import multiprocessing
from typing import Any

from django.db.backends.sqlite3 import creation as sqlite

import tandemdb


class DatabaseCreation(sqlite.DatabaseCreation):
    """Django's, with tandemdb on both ends of a copy."""

    @staticmethod
    def is_in_memory_db(database_name: Any) -> bool:
        """Tell whether the database goes with its last connection; Django keeps those open then."""
        if isinstance(database_name, str) and database_name.startswith(":memory:"):
            return True
        return bool(sqlite.DatabaseCreation.is_in_memory_db(database_name))

    def setup_worker_connection(self, _worker_id: int) -> None:
        """Give a test process its own copy of the test database."""
        if multiprocessing.get_start_method() == "fork":
            super().setup_worker_connection(_worker_id)
            return
        alias = self.connection.alias
        name = f"file:memorydb_{alias}_{_worker_id}?mode=memory&cache=shared"
        source = tandemdb.connect(f"file:{alias}_{_worker_id}.sqlite3?mode=ro", uri=True)
        target = tandemdb.connect(name, uri=True)
        source.backup(target)
        source.close()
        settings = self.connection.settings_dict  # changed in place: other threads look it up there
        settings.update(self.get_test_db_clone_settings(_worker_id))
        settings["NAME"] = name
        self.connection.connect()
        target.close()
