"""Options of the whole suite. They stand here, not beside their tests, because pytest wants them at the top."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A change is to blame for a failure, not a draw: the same examples each time, unless new ones are asked for. Nor is a
# busy machine: no example fails for the time that it takes.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slt-full",
        action="store_true",
        help="run every record of the sqllogictest files, not a seeded sample of the large ones",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=20,
        help="how many node processes the test of random kills and failpoints ends (default: %(default)s)",
    )
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what the golden scripts answer now into them; read that diff as you would read code",
    )
    parser.addoption(
        "--failovers",
        type=int,
        default=2,
        help="how often primaries of a cluster with a coordinator are killed in each such test",
    )
    parser.addoption(
        "--switchovers",
        type=int,
        default=3,
        help="how often the primary's place is handed over in each test of that under load (default: %(default)s)",
    )
    parser.addoption(
        "--switchovers-apart",
        type=float,
        default=0.1,
        help="so many seconds lie between two of them (default: %(default)s)",
    )
    parser.addoption(
        "--commits",
        type=int,
        default=1000,
        help="how many commits a frozen secondary does not get (default: %(default)s)",
    )
