"""Processes that are talked to in lines: the server that is measured, and the load."""

import os
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Self

import cores


class ProcessFailed(Exception):
    """A process did not do what it was asked; the message says which, and what it said last."""


class Process:
    """One that reads commands and answers with lines. It is gone when the `with` block is left."""

    def __init__(self, name: str, command: list[str], cpu: int | None) -> None:
        self._name = name
        self._buffer = b""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed when the block is left)
        with cores.pinned(cpu):
            # Nothing is left of it even where this process is ended the hard way: it sees its input end.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        self._errors.close()

    def say(self, line: str) -> None:
        """Gives it a command."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("ended") from None

    def hear(self, seconds: float) -> str:
        """Its next line, or ProcessFailed if none comes in so many seconds."""
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise self._failed(f"said nothing for {seconds:.0f} s")
            more = os.read(fd, 4096)
            if not more:
                raise self._failed("ended")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def processor_time(self) -> float | None:
        """Seconds that all its threads together have spent on processors, where the system tells.

        While one of them runs, what it has spent since the last tick of the system's clock may be missing.
        """
        if sys.platform != "linux":
            return None
        # What clock_getcpuclockid(3) would answer.
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def _failed(self, what: str) -> ProcessFailed:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip() and "Warning: " not in line]
        return ProcessFailed(f"{self._name} {what}" + (f": {lines[-1]}" if lines else ""))
