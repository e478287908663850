"""What PRAGMA sets for one connection, with SQLite's defaults for a database in memory.

Settings that do something here are read by the session; the others belong to disks and caches, and are kept only so
that a program that sets one reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """One field a PRAGMA, by its name."""

    # Read by the session and the planner.
    case_sensitive_like: bool = False
    count_changes: bool = False
    defer_foreign_keys: bool = False
    empty_result_callbacks: bool = False
    foreign_keys: bool = False
    full_column_names: bool = False
    ignore_check_constraints: bool = False
    legacy_alter_table: bool = False
    query_only: bool = False
    recursive_triggers: bool = False
    reverse_unordered_selects: bool = False
    short_column_names: bool = True
    writable_schema: bool = False
    busy_timeout: int = 5000
    data_version: int = 1

    # Without effect in RAM.
    analysis_limit: int = 0
    auto_vacuum: int = 0
    automatic_index: bool = True
    cache_size: int = -2000
    cache_spill: int = 483
    cell_size_check: bool = False
    checkpoint_fullfsync: bool = False
    fullfsync: bool = False
    hard_heap_limit: int = 0
    journal_mode: str = "memory"
    journal_size_limit: int = -1
    locking_mode: str = "normal"
    max_page_count: int = 1073741823
    page_size: int = 4096
    read_uncommitted: bool = False
    secure_delete: int = 1
    soft_heap_limit: int = 0
    synchronous: int = 2
    temp_store: int = 0
    temp_store_directory: str = ""
    threads: int = 0
    trusted_schema: bool = True
    wal_autocheckpoint: int = 1000
