"""Schemas and the statements that change them.

    schema.py: what sqlite_master says <- build.py <- check.py       text.py: definitions that the engine writes
    create.py, drop.py <- names.py, recipes.py       alter.py, alter_columns.py <- references.py       analyze.py
"""
