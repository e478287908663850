"""Django's database backend: `DATABASES = {"default": {"ENGINE": "tandemdb.django", "NAME": ...}}`.

    NAME                                            store
    ":memory:"                                      private to each thread's connection
    ":memory:shop"                                  one for all threads of the process
    "file:shop?mode=memory&cache=shared"            the same, as SQLite spells it (so does Django's test runner)
    BASE_DIR / "db.sqlite3"                         that file: loaded into RAM, each commit written into it

    django.db.backends.sqlite3     compiler, schema editor, introspection, functions, features
        ^
        |  base.py                 connections and cursors are tandemdb's
        |  creation.py             test databases, and copies of them for parallel runs

`vendor` stays "sqlite", so that Django and its applications take the paths made for SQLite.
"""
