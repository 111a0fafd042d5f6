"""The programs of examples/servers that need a database, which is started here and gone afterwards.

PostgreSQL and Redis are taken as Debian packages them (`apt-get install postgresql redis-server`), each
on a free port of the loopback interface with its data in a temporary folder.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.programs import SECONDS, WAYS, free_port, run

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.leaks(reason="a database is started for all tests of the file"),
]
each_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def started(command: list[str], port: int, user: str | None = None) -> Iterator[None]:
    """Run a server until the end of the block; it is there when its port takes connections."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, user=user)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    pytest.fail(f"{command[0]} did not start:\n{process.communicate()[0].decode()}")
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of an empty database."""
    folders = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        *map(Path, os.get_exec_path()),
    ]
    binaries = next((folder for folder in folders if (folder / "initdb").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # It refuses to run as root; Debian's package comes with a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="roundelay-postgres-", dir="/tmp") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        init = [
            str(binaries / "initdb"),
            "--pgdata",
            data,
            "--username",
            "roundelay",
            "--auth",
            "trust",
            "--no-sync",
        ]
        done = subprocess.run(init, capture_output=True, text=True, user=user, cwd=folder, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        port = free_port()
        server = [str(binaries / "postgres"), "-D", data, "-p", str(port), "-k", folder]
        with started([*server, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"], port, user):
            yield f"postgresql://roundelay@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The address of an empty server."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("Redis is not installed (Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="roundelay-redis-") as folder:
        port = free_port()
        options = {"port": str(port), "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
        with started(
            [server, *(word for key, value in options.items() for word in (f"--{key}", value))], port
        ):
            yield f"redis://127.0.0.1:{port}"


@each_way
def test_each_job_in_postgres_is_done_once(way: str, postgres: str) -> None:
    squares = sum(number**2 for number in range(200))
    # Twice: the first run leaves nothing behind.
    for _ in range(2):
        assert run(way, "postgres_jobs.py", postgres) == f"200 jobs, sum of their answers {squares}\n"


@each_way
def test_each_visit_in_redis_is_counted_once(way: str, redis: str) -> None:
    for _ in range(2):
        summary, *pages = run(way, "redis_visits.py", redis).splitlines()
        assert summary == "2000 visits counted by 4 readers"
        assert len(pages) == 3
        visits = [int(line.split()[0]) for line in pages]
        assert visits == sorted(visits, reverse=True)
        assert min(visits) > 0
