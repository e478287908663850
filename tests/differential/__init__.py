"""Differential tests: random SQL scripts, run on the standard library's sqlite3 and on tandemdb, must give the same.

    choices ──► layers/*  ──► Script (statements as trees of fragments)
    (a seed,      schema, expression, query,      │
     or           change, transaction             ├─► engines.py   runs it on both
     hypothesis)                                  ├─► compare.py   outcome by outcome, then the state left behind
                                                  └─► reduce.py    makes a failing one small

    python -m tests.differential.run --seed 1 --count 1000 [--shrink]

A layer is a module of functions that take `choices` and what may be named (a `Scope`, a `Database`) and return
fragments. Window functions, triggers and the like become further modules that hook into `layers/__init__.py`'s lists.
"""
