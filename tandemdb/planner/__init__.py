"""From SQL text to a Python function that answers it: lexer, parser, binder, plan, generated code.

Import from the modules themselves; nothing is imported here, so that `tandemdb.planner` costs nothing until used.
"""
