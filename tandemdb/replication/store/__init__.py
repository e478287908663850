"""A store apart: blocks in a passive process, control and links in the processing node that is attached to it.

    address.py      where a store listens: unix:PATH, or a loopback HOST:PORT
    process.py      the store: holds blocks, answers block operations, knows no SQL and no replication
    attachment.py   the processing node's side: every commit goes to the store before it is visible
"""
