"""Backup targets that speak SQL: an SQLite file, or any SQLAlchemy engine; and databases started from them.

    opening.py      a URL or an engine --> the target
    sqlite_file.py  schema and rows as they are, by the standard library's sqlite3
    engine.py       tables made of types that the other system has, rows by key
    mapping.py      which types, and what of a table they cannot hold
    starting.py     a database from what a target holds
"""
