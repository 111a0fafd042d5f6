"""Runs a lesson program on asyncio and on roundelay at once, and keeps what they showed and when."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lessons.expectation import HERE, PROGRAMS
from side_by_side import ROUNDELAY, Outcome, finish, start

# The longest program takes 12 seconds.
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Run:
    outcome: Outcome
    lines: list[str]  # of standard output, as the program's print() calls made them
    seconds: list[float | None]  # of each line, since the process started; None where no event loop ran

    @property
    def stdout(self) -> str:
        return self.outcome.stdout.decode()

    @property
    def stderr(self) -> str:
        return self.outcome.stderr.decode()


def run_both(name: str) -> tuple[Run, Run]:
    """The program on asyncio, and on roundelay."""
    with tempfile.TemporaryDirectory(prefix="lesson-") as folder, contextlib.ExitStack() as stack:
        processes = []
        for side, command in (("asyncio", ()), ("roundelay", ROUNDELAY)):
            process = _start([*command, f"{PROGRAMS / name}.py"], Path(folder), side)
            stack.callback(_end, process)
            processes.append((side, process))
        asyncio_run, roundelay_run = (
            _finish(process, Path(folder, f"{side}.stamps")) for side, process in processes
        )
        return asyncio_run, roundelay_run


def _start(words: Sequence[str], folder: Path, side: str) -> subprocess.Popen[bytes]:
    env = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE / "stamped"), os.environ.get("PYTHONPATH")])),
        "LESSON_STAMPS": str(folder / f"{side}.stamps"),
    }
    return start(words, folder=folder, env=env)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()


def _finish(process: subprocess.Popen[bytes], stamps: Path) -> Run:
    outcome = finish(process, TIMEOUT_S)
    lines: list[str] = []
    seconds: list[float | None] = []
    start_time, *stamped = [json.loads(line) for line in stamps.read_text().splitlines()]
    for time, text in stamped:
        for line in text.splitlines():
            lines.append(line)
            seconds.append(None if time is None else time - start_time)
    return Run(outcome, lines, seconds)


# A time that a program prints: "~3 seconds". It is compared as a number.
PRINTED_SECONDS = re.compile(r"~(\d+(?:\.\d+)?) (?=second)")


def without_seconds(text: str) -> str:
    return PRINTED_SECONDS.sub("~ ", text)


def printed_seconds(text: str) -> list[float]:
    return [float(number) for number in PRINTED_SECONDS.findall(text)]
