"""Runs one program twice, under `python` and under `python -m roundelay run`, and keeps what came out.

The two run at the same time, each in a process of its own, with the same folder, environment and input.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Where asyncio and roundelay are, without importing either.
_LIBRARIES = [
    folder
    for name in ("asyncio", "roundelay")
    if (spec := importlib.util.find_spec(name)) is not None
    for folder in spec.submodule_search_locations or []
]

# Long enough for a machine that is busy with other things, short enough that a hang is seen as one.
TIMEOUT_S = 60.0

# Of the variables that steer the interpreter, only those that say where things are.
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("PYTHON") or name in ("PYTHONPATH", "PYTHONHOME")
}

ROUNDELAY = ("-m", "roundelay", "run")


@dataclass(frozen=True)
class Outcome:
    """All that a program shows to whoever started it."""

    status: int  # minus the signal number, for a program that was killed
    stdout: bytes
    stderr: bytes


def start(
    words: Sequence[str],
    *,
    folder: Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    one_stream: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a Python process. `one_stream` sends both outputs to stdout, which shows their order."""
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**_ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if one_stream else subprocess.PIPE,
    )
    if stdin is not None:
        assert process.stdin is not None
        # On a busy machine a program that reads nothing may have ended by now.
        with suppress(BrokenPipeError):
            process.stdin.write(stdin)
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
    return process


def finish(process: subprocess.Popen[bytes], timeout_s: float = TIMEOUT_S) -> Outcome:
    """Wait for the end, and end it by force when it does not come."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(
            f"still running after {timeout_s} s: {process.args}\n{stdout!r}\n{stderr!r}"
        ) from None
    return Outcome(process.returncode, _without_addresses(stdout), _without_addresses(stderr or b""))


def _without_addresses(output: bytes) -> bytes:
    """Where an object lies in memory differs from run to run, also between two runs of `python`."""
    return re.sub(rb"\b0x[0-9a-f]{6,}", b"0x...", output)


def side_by_side(
    words: Sequence[str],
    *,
    flags: Sequence[str] = (),
    folder: Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    one_stream: bool = False,
) -> tuple[Outcome, Outcome]:
    """What `python FLAGS WORDS` shows, and what `python FLAGS -m roundelay run WORDS` shows."""
    processes = [
        start([*flags, *command, *words], folder=folder, stdin=stdin, env=env, one_stream=one_stream)
        for command in ((), ROUNDELAY)
    ]
    try:
        plain, ours = (finish(process) for process in processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return plain, ours


def without_library_frames(stderr: str) -> str:
    """Tracebacks without the frames inside asyncio and roundelay, which are not the program's own."""
    kept: list[str] = []
    skipping = False
    for line in stderr.splitlines():
        if line.startswith('  File "'):
            skipping = any(f'File "{folder}{os.sep}' in line for folder in _LIBRARIES)
        elif not line.startswith("    "):  # what belongs to a frame is indented further than its first line
            skipping = False
        if not skipping:
            kept.append(line)
    return "\n".join(kept)
