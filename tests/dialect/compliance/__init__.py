"""SQLAlchemy's compliance suite for third-party dialects (its README.dialects.rst), run on tandemdb.

python -m tests.dialect.compliance                      on tandemdb
python -m tests.dialect.compliance --against pysqlite   on SQLAlchemy's own SQLite dialect, for comparison

Further arguments are pytest's. It is a command of its own because SQLAlchemy's pytest plug-in takes over a whole pytest run.
"""
