"""A real etcd for tests: one member on free ports, its data in a folder of the test's; skipped where not installed."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from .ports import KeptPort

START_SECONDS = 120.0


class EtcdServer:
    def __init__(self, folder: Path) -> None:
        binary = shutil.which("etcd")
        if binary is None:
            pytest.skip("etcd is not installed (Debian: etcd-server)")
        pytest.importorskip("requests", reason="the extra tandemdb[etcd] is not installed")
        self._ports = client, peer = KeptPort(), KeptPort()
        self.endpoint = str(client)
        self._log = (folder / "etcd.log").open("wb")
        self._command = [
            *(binary, "--data-dir", str(folder / "etcd"), "--name", "only"),
            *("--listen-client-urls", f"http://{self.endpoint}", "--advertise-client-urls", f"http://{self.endpoint}"),
            *("--listen-peer-urls", f"http://{peer}"),
            *("--initial-advertise-peer-urls", f"http://{peer}"),
            *("--initial-cluster", f"only=http://{peer}"),
        ]
        self.start()

    def start(self) -> None:
        import requests

        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if requests.get(f"http://{self.endpoint}/health", timeout=10).json()["health"] == "true":
                    return
            except (requests.RequestException, ValueError, KeyError):
                pass  # Not yet.
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("etcd did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def close(self) -> None:
        self.stop()
        self._log.close()
