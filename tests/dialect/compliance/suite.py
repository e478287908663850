"""Every test that SQLAlchemy offers to dialects outside its own tree."""

from sqlalchemy.testing.suite import *  # noqa: F403  the tests are collected from this module
