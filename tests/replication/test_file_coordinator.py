"""The coordinator in a file: processes that sleep or die while they have the turn, files that are none, Windows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tandemdb.replication.coordination import CoordinatorLost, Lease, Member, Record
from tandemdb.replication.coordination import file as module
from tandemdb.replication.coordination.coordinator import boot_clock
from tandemdb.replication.coordination.file import FileCoordinator

from .processes import ROOT

RECORD = Record("c0ffee", 3, Member("a", "a1", "tandemdb://a:7432/shop"), (), 1)
LEASE_SECONDS = 2.0

# Adds one to the record's epoch again and again, and tells of each time; it may be suspended or killed at any time.
COUNTING = """
import sys
from tandemdb.replication.coordination import Lease
from tandemdb.replication.coordination.file import FileCoordinator
coordinator, lease = FileCoordinator(sys.argv[1]), Lease("all", 1, 600.0)
while True:
    state = coordinator.read()
    changed = state.record._replace(epoch=state.record.epoch + 1)
    if coordinator.cas(state.revision, changed, lease) is not None:
        print("done", flush=True)
"""


class Clock:
    """The time by which leases lapse; it stands still between a test's steps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Sleep:
    """Holds up one thread at one call, as if its process were suspended there."""

    def __init__(self) -> None:
        self.sleeper: threading.Thread | None = None
        self.asleep, self.awake = threading.Event(), threading.Event()

    def before(self, action: Callable[..., object]) -> Callable[..., object]:
        def hold_up(*arguments: object) -> object:
            if threading.current_thread() is self.sleeper:
                self.asleep.set()
                assert self.awake.wait(60)
            return action(*arguments)

        return hold_up


@pytest.mark.parametrize("step", ["listdir", "rename", "open", "fsync", "replace", "rmdir"])
def test_who_sleeps_in_its_turn_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str) -> None:
    """And changes nothing when it wakes, if it was passed over; wherever it fell asleep."""
    clock, sleep = Clock(), Sleep()
    path = str(tmp_path / "shop.json")
    first, second = FileCoordinator(path, clock), FileCoordinator(path, clock)
    lease = first.lease("a", LEASE_SECONDS)
    assert lease is not None
    if step == "listdir":  # It waits for one that died in its turn.
        (tmp_path / "shop.json.turn").mkdir()
        (tmp_path / "shop.json.turn" / "dead").touch()
    monkeypatch.setattr(module.os, step, sleep.before(getattr(os, step)))
    renewed: list[bool] = []
    sleep.sleeper = threading.Thread(target=lambda: renewed.append(first.renew(lease)))
    sleep.sleeper.start()
    assert sleep.asleep.wait(60)
    assert second.read().leader == "a", "reading waits for nobody"
    clock.now += LEASE_SECONDS + 0.1
    other = second.lease("b", LEASE_SECONDS)  # It would be refused, had it to wait until the sleeper wakes.
    assert other is not None
    assert second.cas(0, RECORD, other) == 1
    sleep.awake.set()
    sleep.sleeper.join(60)
    assert renewed == [step == "rmdir"], "before that it had not been done"
    assert second.read()[:3] == (RECORD, 1, "b") and second.renew(other)
    assert os.listdir(tmp_path) == ["shop.json"], "nothing is left lying about"


def test_one_of_two_that_were_passed_over_changes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first wakes while the second has the turn: it neither uses that turn nor puts anything into it."""
    path, read, write = str(tmp_path / "shop.json"), Sleep(), Sleep()
    lease = FileCoordinator(path).lease("all", 600.0)
    assert lease is not None
    clock: Callable[..., Any] = read.before(boot_clock)
    monkeypatch.setattr(module.os, "fsync", write.before(os.fsync))
    found: dict[int, int | None] = {}

    def change(epoch: int, sleep: Sleep, coordinator: FileCoordinator) -> threading.Thread:
        def run() -> None:
            found[epoch] = coordinator.cas(0, RECORD._replace(epoch=epoch), lease)

        sleep.sleeper = threading.Thread(target=run)
        sleep.sleeper.start()
        assert sleep.asleep.wait(60)
        return sleep.sleeper

    first = change(1, read, FileCoordinator(path, clock))
    second = change(2, write, FileCoordinator(path))
    read.awake.set()
    first.join(60)
    write.awake.set()
    second.join(60)
    assert found == {1: 1, 2: None}
    record = FileCoordinator(path).read().record
    assert record is not None and record.epoch == 1


def test_processes_that_are_suspended_and_killed_in_their_turns(tmp_path: Path) -> None:
    """Each change that one of them reports is there: none was made of what another has replaced meanwhile."""
    path = str(tmp_path / "shop.json")
    coordinator = FileCoordinator(path)
    lease = coordinator.lease("all", 600.0)
    assert lease == Lease("all", 1, 600.0) and coordinator.cas(0, RECORD, lease) == 1
    choice = random.Random(7)

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", COUNTING, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    processes, ended = [begin() for _ in range(3)], []
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline or coordinator.read().revision < 120 + len(processes) + len(ended):
        assert time.monotonic() < deadline + 120, "they make no changes"
        place = choice.randrange(3)
        process = processes[place]
        process.send_signal(signal.SIGSTOP)
        time.sleep(choice.choice([0.0, 0.05, 0.4]))
        if choice.random() < 0.1:
            process.kill()
            ended.append(process)
            processes[place] = begin()
        else:
            process.send_signal(signal.SIGCONT)
            time.sleep(choice.random() * 0.05)
    for process in processes:
        process.kill()
    done = sum(process.communicate()[0].count("done") for process in (*processes, *ended))
    state = coordinator.read()
    assert state.record is not None and state.record.epoch == RECORD.epoch + state.revision - 1
    assert done > 100
    # One that was killed may have made a change, and not told.
    assert done <= state.revision - 1 <= done + len(processes) + len(ended)
    assert coordinator.renew(lease)


def test_a_turn_that_does_not_end_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is in its place is nothing of ours, and cannot be removed: it is told, and nothing stays behind."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.1)
    (tmp_path / "shop.json.turn" / "a folder" / "in it").mkdir(parents=True)
    coordinator = FileCoordinator(str(tmp_path / "shop.json"))
    assert coordinator.read().leader == ""
    with pytest.raises(CoordinatorLost, match="no turn within 0.1 s"):
        coordinator.lease("a", LEASE_SECONDS)
    assert os.listdir(tmp_path) == ["shop.json.turn"]


def test_a_lease_does_not_outlive_the_machine_s_start(tmp_path: Path) -> None:
    clock = Clock()
    coordinator = FileCoordinator(str(tmp_path / "shop.json"), clock)
    lease = coordinator.lease("a", 10.0)
    assert lease is not None and coordinator.cas(0, RECORD, lease) is not None
    clock.now = 3.0  # counts from the machine's start
    assert coordinator.read()[:3] == (RECORD, 1, "")
    assert not coordinator.renew(lease)


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "shop.json", tmp_path / "plain" / "shop.json"):
        (tmp_path / "plain").touch()
        with pytest.raises(CoordinatorLost, match="unable to use"):
            FileCoordinator(str(path)).read()
        with pytest.raises(CoordinatorLost, match="unable to use"):
            FileCoordinator(str(path)).lease("a", LEASE_SECONDS)
    path = tmp_path / "shop.json"
    path.write_text("not JSON")
    with pytest.raises(CoordinatorLost, match="no coordinator's file"):
        FileCoordinator(str(path)).read()
    with pytest.raises(CoordinatorLost, match="no coordinator's file"):
        FileCoordinator(str(path)).lease("a", LEASE_SECONDS)
    assert sorted(os.listdir(tmp_path)) == ["plain", "shop.json"]


def test_windows_replaces_a_file_as_soon_as_nobody_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusals = iter([PermissionError(13, "Access is denied")] * 3)
    replace, calls = os.replace, []

    def replace_at_last(source: str, target: str) -> None:
        calls.append(target)
        for error in refusals:
            raise error
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", replace_at_last)
    path = str(tmp_path / "shop.json")
    with pytest.raises(CoordinatorLost, match="Access is denied"):  # It is for good, elsewhere.
        FileCoordinator(path).lease("a", LEASE_SECONDS)
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
    assert FileCoordinator(path).lease("a", LEASE_SECONDS) is not None
    assert calls == [path] * 4
