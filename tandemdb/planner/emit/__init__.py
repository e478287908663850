"""Bound queries as Python source.

    query.py <- compound.py, aggregate.py (gather.py, extreme.py), window.py, order.py (top.py), recursive.py
              <- join.py <- source.py <- lookup.py        a pipeline of loops and tests (pipeline.py)
              <- condition.py, expression.py <- function.py, membership.py, collation.py
    writer.py: fragments of code, names, the function around them       explain.py: EXPLAIN QUERY PLAN's tree
"""
