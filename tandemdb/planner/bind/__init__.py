"""Binding: the syntax tree becomes a query whose names are resolved.

    query.py <- from_items.py <- item.py <- common.py, table_functions.py     expression.py <- window.py
    scope.py: where a name is looked up     bound.py: what comes out     traits.py: what it is worth in a comparison
"""
