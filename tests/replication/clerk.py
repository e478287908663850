"""A clerk: books transfers on a node until it dies, and knows afterwards which of them must be there."""

from __future__ import annotations

import threading

import tandemdb

from .processes import NodeProcess

SCRIPT = """\
CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, money INTEGER NOT NULL);
CREATE TABLE entry (number INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id), amount INTEGER);
CREATE INDEX entry_account ON entry (account);
INSERT INTO account VALUES (1, 'Ada', 1000), (2, 'Bo', 1000), (3, 'Cy', 1000);
"""


# What one clerk may number; another one's numbers begin behind.
NUMBERS = 10_000_000


class Clerk(threading.Thread):
    """Books transfers on a node, one commit each, and remembers which of them were acknowledged."""

    def __init__(self, node: NodeProcess, first: int) -> None:
        super().__init__(daemon=True)
        self.connection = node.connect(isolation_level=None, check_same_thread=False)
        self.acknowledged: list[int] = []
        self.doubtful: int | None = None
        self.number = first
        self.refused = 0
        self.stopping = False

    def run(self) -> None:
        self.book()
        self.connection.close()

    def book(self) -> None:
        connection = self.connection
        while not self.stopping:
            number = self.number
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (number, number % 3 + 1, 5))
                connection.execute("UPDATE account SET money = money - 5 WHERE id = ?", (number % 3 + 1,))
                connection.execute("UPDATE account SET money = money + 5 WHERE id = ?", ((number + 1) % 3 + 1,))
            except tandemdb.Error:
                return
            try:
                connection.execute("COMMIT")
            except tandemdb.Error:
                self.doubtful = number
                return
            self.acknowledged.append(number)
            self.number += 1


def has_begun(clerk: Clerk) -> bool:
    return bool(clerk.acknowledged) or not clerk.is_alive()


def check(node: NodeProcess, clerk: Clerk, before: int) -> None:
    """All that was acknowledged is there, and nothing by halves."""
    connection = node.connect()
    own = (before, before // NUMBERS * NUMBERS + NUMBERS)
    numbers = [
        number for (number,) in connection.execute("SELECT number FROM entry WHERE number >= ? AND number < ?", own)
    ]
    extra = set(numbers) - set(clerk.acknowledged)
    assert set(clerk.acknowledged) <= set(numbers), "an acknowledged commit is lost"
    assert extra <= {clerk.doubtful}
    assert connection.execute("SELECT sum(money) FROM account").fetchone() == (3000,)
    count = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    moved = connection.execute("SELECT sum(amount) FROM entry").fetchone()[0] or 0
    assert moved == 5 * count
    connection.close()
