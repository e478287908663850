"""The command: picks the database and hands over to pytest with SQLAlchemy's plug-in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

DATABASES = {
    "tandemdb": "sqlite+tandemdb:///:memory:compliance",
    "aiotandemdb": "sqlite+aiotandemdb:///:memory:compliance",
    "pysqlite": "sqlite://",
}
HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Run the suite on the database that follows `--against` and return pytest's exit code."""
    name = "tandemdb"
    if "--against" in arguments:
        place = arguments.index("--against")
        name = arguments[place + 1]
        del arguments[place : place + 2]
    os.environ.setdefault("PYTHONPATH", str(HERE.parents[2]))
    sys.path.insert(0, str(HERE.parents[2]))
    fixed = [
        "-c",
        str(HERE / "setup.cfg"),
        "--confcutdir",
        str(HERE),
        "--dburi",
        DATABASES[name],
        "-p",
        "no:cacheprovider",
    ]
    return int(pytest.main([*fixed, *arguments, str(HERE / "suite.py")]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
