"""SQLAlchemy's compliance suite for third-party dialects (its README.dialects.rst), run on tandemdb.

    python -m tests.dialect.compliance                      on tandemdb
    python -m tests.dialect.compliance --against pysqlite   on SQLAlchemy's own dialect

Further arguments are pytest's. It is a command of its own because SQLAlchemy's plug-in takes over a whole pytest run.
"""
