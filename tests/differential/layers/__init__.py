"""The layers of the generator, each building on those above it:

    schema.py       tables, columns, indexes                       Database, Table, Column
    expression.py   literals, columns, operators, functions        over a Scope (the columns that may be named)
    query.py        SELECT with joins, subqueries, aggregates, compounds, ORDER BY
    change.py       INSERT, UPDATE, DELETE, UPSERT
    transaction.py  BEGIN, SAVEPOINT, ROLLBACK TO, ...
    script.py       puts statements of all kinds in order

A new feature joins as one more function in the list that its kind of thing is drawn from: EXPRESSIONS in expression.py,
QUERIES in query.py, CHANGES in change.py, SCHEMA_CHANGES in schema.py.
"""
