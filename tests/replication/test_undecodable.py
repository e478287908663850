"""Text that is no UTF-8 in a mirrored database: digests know it, no message carries it, so its commit is refused."""

from __future__ import annotations

import pytest

import tandemdb

STORE = "INSERT INTO t VALUES (CAST(x'ff' AS TEXT))"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("digest", [True, False], ids=["digests known", "digests unknown"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_a_commit_of_it_is_refused_whole(mode: str, digest: bool, autocommit: bool) -> None:
    level = None if autocommit else ""
    primary = tandemdb.connect(":memory:", check_same_thread=False, isolation_level=level)
    standby = tandemdb.connect(":memory:", check_same_thread=False)
    primary.execute("CREATE TABLE t (a)")
    primary.replicate_to(standby, mode=mode)
    for number in range(3):
        primary.execute("INSERT INTO t VALUES (?)", (number,))
        primary.commit()
        if digest:
            primary.digest()
        with pytest.raises(tandemdb.NotSupportedError, match="no UTF-8 cannot be mirrored"):
            primary.execute(STORE)
            primary.commit()
        assert primary.in_transaction is not autocommit
        primary.rollback()
        assert primary.execute("SELECT count(*) FROM t").fetchone() == (number + 1,)
    primary.execute("INSERT INTO t VALUES ('é')")
    primary.commit()
    rows = primary.execute("SELECT * FROM t").fetchall()
    assert rows == [(0,), (1,), (2,), ("é",)]
    if mode == "sync":
        assert standby.execute("SELECT * FROM t").fetchall() == rows
        assert standby.digest() == primary.digest()
    primary.close()
    standby.close()


def test_digests() -> None:
    """They tell the text from the blob of the same bytes and from other texts, whether kept up or computed anew."""
    digests = []
    for known in (False, True):
        for value in ("CAST(x'ff' AS TEXT)", "x'ff'", "CAST(x'fe' AS TEXT)", "'ÿ'"):
            connection = tandemdb.connect(":memory:", isolation_level=None)
            connection.execute("CREATE TABLE t (a)")
            connection.execute("INSERT INTO t VALUES (1)")
            if known:
                connection.digest()
            connection.execute(f"INSERT INTO t VALUES ({value})")
            digests.append(connection.digest())
            connection.close()
    assert digests[:4] == digests[4:]
    assert len(set(digests)) == 4
