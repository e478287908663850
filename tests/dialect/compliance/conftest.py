"""Registers the dialect and lets SQLAlchemy's plug-in take over."""

import pytest
from sqlalchemy.dialects import registry

registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
registry.register("tandemdb", "tandemdb.dialect", "TandemDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403  the plug-in's hooks must be this file's
