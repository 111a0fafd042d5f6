"""Runs a program of examples/servers as its first lines say, on Python alone or on roundelay."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVERS = ROOT / "examples" / "servers"
BIN = Path(sys.executable).parent

WAYS = {"python": [sys.executable], "roundelay": [str(BIN / "roundelay"), "run"]}
SECONDS = 30.0
"""How long a program may take to start, and to end."""

_ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


def run(way: str, program: str, *args: str) -> str:
    """Run it to its end and return what it printed. It must succeed and complain of nothing."""
    command = [*WAYS[way], str(SERVERS / program), *args]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=_ENVIRONMENT, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@contextmanager
def serving(
    command: list[str], line: str, *, end: int = signal.SIGINT, status: int = 0
) -> Iterator[re.Match[str]]:
    """Start a server, wait until a line of its output matches, and give the match; end it by a signal.

    It must end with this exit status, and without a traceback.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_ENVIRONMENT, cwd=ROOT, process_group=0
    )
    try:
        assert process.stdout is not None
        output, found = _read_until(process.stdout.fileno(), line)
        assert found is not None, output
        yield found
        process.send_signal(end)
        rest, _ = process.communicate(timeout=SECONDS)
        output += rest.decode()
        assert process.returncode == status, output
        assert "Traceback" not in output, output
    finally:
        # Its worker processes too.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _read_until(fd: int, line: str) -> tuple[str, re.Match[str] | None]:
    output = b""
    deadline = time.monotonic() + SECONDS
    while select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
        data = os.read(fd, 4096)
        output += data
        found = re.search(line, output.decode(errors="replace"))
        if found or not data:
            return output.decode(errors="replace"), found
    return output.decode(errors="replace"), None


def free_port() -> int:
    """A port that nobody has now, for servers that cannot say which one they were given."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
