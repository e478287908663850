"""A real PostgreSQL for tests: a server of its own in a temporary folder; skipped where not installed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .ports import KeptPort

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class PostgresServer:
    """`url(name)` makes a new database and names it for SQLAlchemy."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg", reason="psycopg is not installed")
        self._binaries = find_binaries()
        # PostgreSQL does not run as root: then it runs as the user that its package has made.
        self._user = "postgres" if os.geteuid() == 0 else ""
        self.folder = Path(tempfile.mkdtemp(prefix="tandemdb-postgres-"))
        if self._user:
            import pwd  # Not everywhere, and neither is this user.

            try:
                entry = pwd.getpwnam(self._user)
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._port = KeptPort()
        self.port = self._port.number
        self._count = 0
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        data, log = str(self.folder / "data"), str(self.folder / "log")
        place = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "-o", f"{place} -c fsync=off", "start")

    def stop(self) -> None:
        """End it as a power failure would."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def url(self) -> str:
        import sqlalchemy

        self._count += 1
        name = f"test{self._count}"
        engine = sqlalchemy.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self._url(name)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://tester@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", self._user, "--"] if self._user else []
        command = [*as_user, str(self._binaries / program), *arguments]
        # To a file: the server inherits it, and would hold a pipe open.
        with open(os.devnull, "wb") as nowhere:
            subprocess.run(command, check=True, stdout=nowhere, stderr=nowhere, cwd=self.folder, timeout=300)


def find_binaries() -> Path:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    for place in PLACES:
        for folder in sorted(glob.glob(place), reverse=True):
            if os.path.exists(os.path.join(folder, "initdb")):
                return Path(folder)
    pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
