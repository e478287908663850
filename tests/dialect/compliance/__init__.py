"""SQLAlchemy's compliance suite for third-party dialects (its README.dialects.rst), run on tandemdb.

    python -m tests.dialect.compliance                        on tandemdb
    python -m tests.dialect.compliance --against aiotandemdb  on the asynchronous dialect
    python -m tests.dialect.compliance --against pysqlite     on SQLAlchemy's own dialect

Further arguments are pytest's. It is a process of its own, started by test_compliance: SQLAlchemy's plug-in takes over
a whole pytest run.
"""
