"""SQL text to the tree of `planner.syntax.ast`: a predictive parser for SQLite's grammar.

    core.py: tokens, names, errors <- expressions.py <- select.py <- dml.py <- ddl.py <- statements.py: parse()
"""

from tandemdb.planner.parser.statements import parse, parse_expression

__all__ = ["parse", "parse_expression"]
