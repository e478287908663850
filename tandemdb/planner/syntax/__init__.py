"""SQL text below the grammar: tokens, templates with their literals lifted, and the nodes of the syntax tree.

    lexer.py: text -> tokens, templates, statements      keywords.py: which words are names, and where
    parsed.py: what `planner.parser` makes of the tokens, of nodes of ast.py (queries, changes of rows) and ddl.py
    tree.py: walks over it                               name_marks.py: names with their place
"""
