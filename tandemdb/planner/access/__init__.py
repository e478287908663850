"""Access paths and join order: how the rows of each source are found, and in which order sources are read.

    join_order.py <- paths.py: one source's best path <- lookup.py, computed.py       order.py: ORDER BY without a sort
"""
