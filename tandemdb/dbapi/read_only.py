"""Statements that sqlite3 counts among those that only read: executemany() refuses them.

    SELECT, VALUES, EXPLAIN             Statement.is_read_only
    BEGIN, COMMIT, SAVEPOINT, ...       they write nothing themselves, but for BEGIN IMMEDIATE and EXCLUSIVE
    ATTACH, DETACH
    PRAGMA                              but for those that write into the file

As `sqlite3_stmt_readonly` tells: https://www.sqlite.org/c3ref/stmt_readonly.html
"""

from __future__ import annotations

import re

KINDS = frozenset({"begin", "commit", "rollback", "savepoint", "release", "attach", "detach", "pragma"})
WRITES = re.compile(
    r"\b(?:immediate|exclusive|journal_mode|incremental_vacuum|wal_checkpoint)\b"
    r"|\b(?:user_version|application_id|schema_version|default_cache_size)\s*[=(]",
    re.IGNORECASE,
)


def only_reads(kind: str, sql: str) -> bool:
    """Whether a statement of this kind, one that no SELECT is, counts as one that writes nothing."""
    return kind in KINDS and WRITES.search(sql) is None
