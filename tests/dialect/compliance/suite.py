"""Every test that SQLAlchemy offers to dialects outside its own tree."""

from sqlalchemy.testing import suite
from sqlalchemy.testing.suite import *  # noqa: F403  the tests are collected from this module


class ServerSideCursorsTest(suite.ServerSideCursorsTest):
    """SQLAlchemy's, which tells by the drivers it knows whether a cursor is the server's."""

    def _is_server_side(self, cursor):
        return cursor.server_side
