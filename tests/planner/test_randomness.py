"""random() and randomblob(): numbers of the engine's own, whatever a program does with Python's generator."""

from __future__ import annotations

import os
import random

import pytest

import tandemdb


def test_the_programs_own_numbers_stay_as_seeded() -> None:
    connection = tandemdb.connect(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (9223372036854775807)")
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    connection.execute("SELECT random(), randomblob(8)").fetchall()
    connection.execute("INSERT INTO t VALUES (NULL)")  # its rowid is drawn, for the largest is taken
    assert [random.random() for _ in range(3)] == expected


def test_a_seed_of_the_programs_does_not_make_numbers_come_again() -> None:
    connection = tandemdb.connect(":memory:")
    drawn = []
    for _ in range(2):
        random.seed(7)
        drawn += connection.execute("SELECT random(), randomblob(16)").fetchall()
    assert len(set(drawn)) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork()")
def test_a_forked_process_draws_numbers_of_its_own() -> None:
    connection = tandemdb.connect(":memory:", check_same_thread=False)
    connection.execute("SELECT random()").fetchall()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, repr(connection.execute("SELECT random(), random()").fetchall()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)
    assert found != repr(connection.execute("SELECT random(), random()").fetchall())
