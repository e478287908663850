"""persist-queue: queues, with and without acknowledgement, and a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import persistqueue


def play(directory: Path, driver: str) -> Iterator[Any]:
    queue = persistqueue.SQLiteQueue(str(directory / "fifo"), auto_commit=True, multithreading=True)
    for number in range(10):
        queue.put({"number": number})
    yield [queue.get(), queue.get(), queue.size, queue.qsize()]
    thread = threading.Thread(target=lambda: [queue.put(f"from a thread {n}") for n in range(5)])
    thread.start()
    thread.join()
    yield [queue.get() for _ in range(queue.size)]
    yield failure(lambda: queue.get(block=False))
    queue.close()
    stack = persistqueue.FILOSQLiteQueue(str(directory / "lifo"), auto_commit=False)
    for number in range(4):
        stack.put(number)
    stack.task_done()
    yield [stack.get(), stack.get(), stack.size]
    stack.task_done()
    stack.close()
    unique = persistqueue.UniqueQ(str(directory / "unique"), auto_commit=True)
    for word in ("a", "b", "a"):
        unique.put(word)
    yield [unique.size, unique.get(), unique.get()]
    acknowledged = persistqueue.SQLiteAckQueue(str(directory / "ack"), auto_commit=True)
    for number in range(5):
        acknowledged.put(f"task {number}")
    first, second, third = (acknowledged.get() for _ in range(3))
    acknowledged.ack(first)
    acknowledged.nack(second)
    acknowledged.ack_failed(third)
    yield [acknowledged.size, acknowledged.ready_count(), acknowledged.acked_count(), acknowledged.ack_failed_count()]
    acknowledged.close()
    again = persistqueue.SQLiteAckQueue(str(directory / "ack"), auto_commit=True, auto_resume=True)
    yield [again.get(), again.get(), again.get(), again.size, again.clear_acked_data(keep_latest=0)]
    again.close()
    mapping = persistqueue.PDict(str(directory / "dict"), "names")
    mapping["a"] = [1, 2]
    mapping["a"] = {"b": None}
    mapping["c"] = 1
    del mapping["c"]
    yield [mapping["a"], "c" in mapping, mapping.get("c", "none"), failure(lambda: mapping["c"])]


def failure(work: Any) -> str:
    try:
        return repr(work())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
