"""Ctrl-C and SIGTERM at commands that serve: 130 and not a word before they are ready, 0 from then on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FROM_TEXT = "exec('import signal; signal.raise_signal(signal.SIGINT)')"
IN_A_CLASS = """
class Named:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)

class Owner:
    named = Named()
"""
IN_A_CALLBACK = """
gone = set()
there = weakref.ref(gone, lambda _: signal.raise_signal(signal.SIGINT))
del gone
time.sleep(600)
"""
SIGTERM = "signal.raise_signal(signal.SIGTERM)"
SUPPRESSED = """
try:
    signal.raise_signal(signal.SIGINT)
except BaseException:
    pass
"""


def run_module(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a module as `python -m` does."""
    (folder / "program.py").write_text(text)
    path = os.pathsep.join([str(folder), str(ROOT)])
    command = [sys.executable, "-m", "program"]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(FROM_TEXT, id="from a text"),
        pytest.param(IN_A_CLASS, id="wrapped"),
        pytest.param(IN_A_CALLBACK, id="dropped"),
        pytest.param(SUPPRESSED, id="caught"),
        pytest.param(SIGTERM, id="SIGTERM"),
    ],
)
def test_whatever_the_start_makes_of_the_interrupt(tmp_path: Path, start: str) -> None:
    """What is raised may pass through code run from a text, be wrapped, dropped where nobody is told, or caught."""
    done = run_module(
        tmp_path,
        f"""
import argparse, signal, sys, time, weakref
from tandemdb.cli import command, stopping

def serve(options):
    stopping.hear()
    exec(compile({start!r}, "start", "exec"), globals())
    stopping.run_until_stopped("ready")
    return 0

command.build_parser = argparse.ArgumentParser
argparse.ArgumentParser.parse_args = lambda *_: argparse.Namespace(command=serve)
sys.exit(command.main())
""",
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_error_of_the_start_is_told(tmp_path: Path) -> None:
    done = run_module(
        tmp_path,
        """
import weakref
from tandemdb.cli import stopping
stopping.hear()
gone = set()
there = weakref.ref(gone, lambda _: 1 / 0)
del gone
""",
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "ZeroDivisionError: division by zero")


def test_it_is_heard_between_any_two_lines_of_the_wait(tmp_path: Path) -> None:
    done = run_module(
        tmp_path,
        """
import signal, sys
from tandemdb.cli import stopping

def stops(line):
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line" and count >= 0
        if count > line:
            count = -1
            signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        stopping.run_until_stopped("ready")
    except KeyboardInterrupt:
        assert stopping.heard
    finally:
        sys.settrace(None)
        stopping.heard.clear()
    return count < 0

stopping.LOOK_SECONDS = 0.001
stopping.hear()
for line in range(100):
    assert stops(line)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["ready"] * len(done.stdout.splitlines()) and "ready" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not sent signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arguments", [["relay", "--to", "127.0.0.1:1"], ["store", "--name", "x"]])
def test_what_serves_ends_well(number: signal.Signals, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tandemdb.cli", *arguments, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline()
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in told) == (0, False)
