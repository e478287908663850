"""huey: tasks in SqliteHuey, worked off by its consumer's threads."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huey import SqliteHuey


def play(directory: Path, driver: str) -> Iterator[Any]:
    huey = SqliteHuey(filename=str(directory / "tasks.db"))

    @huey.task()
    def add(a: int, b: int) -> int:
        return a + b

    @huey.task(retries=1)
    def fail() -> None:
        raise ValueError("on purpose")

    @huey.task(priority=10)
    def urgent() -> str:
        return "urgent"

    results = [add(number, 1) for number in range(5)]
    first = urgent()
    later = add.schedule((100, 1), eta=datetime.datetime(2099, 1, 1))
    failed = fail()
    yield [huey.pending_count(), len(huey.scheduled()), huey.result_count()]
    revoked = add(7, 7)
    revoked.revoke()
    while huey.pending_count():
        task = huey.dequeue()
        huey.execute(task)
    yield [first.get(), [result.get() for result in results], revoked.get(), len(huey.scheduled())]
    try:
        failed.get()
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    pipeline = add.s(1, 1).then(add, 10).then(add, 100)
    chain = huey.enqueue(pipeline)
    while huey.pending_count():
        huey.execute(huey.dequeue())
    yield [result.get() for result in chain]
    with huey.lock_task("only one"):
        yield huey.is_locked("only one")
    huey.put("key", {"value": 1})
    yield [huey.is_locked("only one"), huey.get("key", peek=True), huey.get("key"), huey.get("key")]
    consumer = huey.create_consumer(workers=2, periodic=False, check_worker_health=False)
    consumer.start()
    working = [add(number, number) for number in range(20)]
    yield [result.get(blocking=True, timeout=20) for result in working]
    consumer.stop(graceful=True)
    yield [later.get(), len(huey.scheduled()), huey.storage.queue_size(), huey.flush(), len(huey.scheduled())]
