"""The driver: PEP 249 as the standard library's sqlite3 speaks it, on top of the planner's sessions.

    connect() -> Connection ---- Session (planner) ---- Database (storage), named ones found in names.py
                   |  transactions.py   isolation_level, autocommit, commit, rollback, with
                   |  callbacks.py      create_function and its kin, hooks; functions.py wraps what is registered
                   |  copying.py        backup, serialize, iterdump, blobopen
                   |  files.py          a database that is an SQLite file too; file_changes.py writes a commit into it
                   |  beyond.py         fork, snapshot, as_of, digest, explain, replication
                   v
                 Cursor -- parameters.py (values going in), rows.py (rows coming out)

Importing this package loads neither planner nor storage: the first connection does.
"""
