"""Between processes: frames as bytes, the login before them, TLS below them, calls above them.

    address.py     transport.py: a socket, with TLS or without      handshake.py: who is there, before anything else
    wire.py: frames <-> bytes, no I/O      calls.py: methods and answers      relay.py: bytes passed on unread
"""
