"""APScheduler: jobs in SQLAlchemy's job store, run, paused, changed, found again by a second scheduler."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

done: list[str] = []
ran = threading.Event()


def work(word: str) -> None:
    done.append(word)
    ran.set()


def play(directory: Path, driver: str) -> Iterator[Any]:
    url = f"{driver}:///{directory}/jobs.db"
    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(url=url)}, timezone=UTC)
    scheduler.start(paused=True)
    far = datetime(2099, 1, 1, tzinfo=UTC)
    for number in range(5):
        run_date = far + timedelta(days=number)
        scheduler.add_job(work, "date", run_date=run_date, args=[f"job {number}"], id=f"id {number}")
    scheduler.add_job(work, "cron", hour=3, args=["nightly"], id="nightly", next_run_time=far)
    scheduler.add_job(work, "interval", days=2, args=["x"], id="nightly", replace_existing=True, next_run_time=far)
    try:
        scheduler.add_job(work, "date", run_date=far, args=["twice"], id="id 1")
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    scheduler.remove_job("id 2")
    scheduler.pause_job("id 3")
    scheduler.modify_job("id 4", args=["changed"], name="renamed")
    yield [(job.id, job.name, job.args, str(job.next_run_time)) for job in scheduler.get_jobs()]
    scheduler.add_job(work, args=["now"], id="now")
    scheduler.resume()
    ran.wait(10)
    deadline = time.monotonic() + 10
    while scheduler.get_job("now") and time.monotonic() < deadline:
        time.sleep(0.01)
    scheduler.shutdown()
    yield done
    again = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(url=url)}, timezone=UTC)
    again.start(paused=True)
    yield [(job.id, job.name, job.args, str(job.trigger), str(job.next_run_time)) for job in again.get_jobs()]
    again.remove_all_jobs()
    yield again.get_jobs()
    again.shutdown()
