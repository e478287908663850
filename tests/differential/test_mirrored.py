"""Generated scripts on a mirrored database: the mirror holds the same blocks after each statement that has committed.

    script ──► tandemdb ──► outcomes: those of a database that is not mirrored
                  └── log, over its bytes ──► mirror: the same digest, after each statement
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.planner.change import dml
from tandemdb.replication.core import blocks
from tandemdb.replication.system import system_of
from tandemdb.storage import check_root, describe_difference, secondary

from .choices import from_seed
from .compare import compare
from .engines import ENGINES, run
from .layers.script import make_script
from .whole import run_whole


class Mirrored:
    """A private database with a mirror, compared whenever a statement ends outside a transaction."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.compared = 0
        self.in_place = 0

    def connect(self) -> Any:
        mirror = tandemdb.connect(":memory:")
        connection = tandemdb.connect(":memory:", isolation_level=None)
        connection.replicate_to(mirror, mode=self.mode, over_wire=True)
        self.primary, self.mirror = connection._database, mirror._database
        publisher: Any = system_of(self.primary).publisher
        publisher.gathering.packs = True  # as to a secondary in another process
        self.connection = connection
        return self

    def cursor(self) -> Any:
        self.compare()
        return self.connection.cursor()

    def compare(self) -> None:
        """Wait for the mirror and compare; what looks at a root without a claim to it keeps nothing in place."""
        self.in_place += self.primary.writer.own != 0
        if self.connection.in_transaction:
            return
        replication.wait_for(self.mirror, self.primary.root.lsn)
        difference = describe_difference(self.primary.root, self.mirror.root)
        assert not difference, difference
        self.compared += 1

    def close(self) -> None:
        if self.connection.in_transaction:
            self.connection.rollback()
        self.compare()
        check_root(self.mirror.root)
        assert self.primary.digest() == self.mirror.digest()
        self.connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("profile", ["changes", "mixed", "transactions", "definitions"])
def test_the_mirror_of_a_generated_script(profile: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "HASH_EVERY_UPDATES", 1)
    mirrored = Mirrored(mode)
    for number in range(40):
        if number == 20:  # from here on as statements that run often do
            monkeypatch.setattr(dml, "compile_dml", partial(dml.compile_dml, written_out=True))
            monkeypatch.setattr(secondary, "CHANGES_FEW", 0)
        if number == 30:
            run_whole(monkeypatch)
        script = make_script(from_seed(f"mirrored/{profile}/{number}"), profile)
        alone = run(ENGINES["tandemdb"], script)
        difference = compare(script, alone, run(mirrored.connect, script))
        assert difference is None, difference
    assert mirrored.compared > 300
    assert mirrored.in_place > 100 or mode == "sync"
