"""Subprocesses that are started, talked to and ended: what a program sees of them, as on asyncio.

When a process does something is its own affair, so what is compared here does not depend on it.
"""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL


async def outcome(see: Witness, start: Any) -> None:
    """Start a process, and take down what it gave or why it did not start."""
    try:
        process = await start
    except BaseException as error:
        see("raised", error)
    else:
        see(await process.communicate(), process.returncode)


@same_on_both
def test_input_and_output(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for data in (b"", b"a line\n", bytes(1 << 20)):
            process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
            output, errors = await process.communicate(data)
            see(output == data, errors, process.returncode, await process.wait())

    see.run(main())


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "exit 3",
        "exit 255",
        "kill -TERM $$",
        "kill -KILL $$",
        "echo out; echo err >&2; exit 1",
        "exec 1>&- 2>&-; sleep 0.02",
        "cat >/dev/null; exit 7",
        "no-such-command 2>/dev/null",
    ],
)
@same_on_both
def test_how_a_process_ends(aio: ModuleType, see: Witness, script: str) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_shell(script, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        see(await process.communicate(b"input"))
        see(process.returncode, await process.wait())
        see(process.stdin.is_closing(), process.stdout.at_eof(), process.stderr.at_eof())
        # Until the transport is done with it, signals to a process that has ended are no error.
        await aio.sleep(0.01)
        for again in (process.terminate, process.kill, lambda: process.send_signal(signal.SIGINT)):
            see.attempt(again)

    see.run(main())


@same_on_both
def test_signals(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGUSR1):
            process = await aio.create_subprocess_exec("sleep", "60")
            see(process.returncode, process.send_signal(number), await process.wait(), process.returncode)
        for name in ("terminate", "kill"):
            process = await aio.create_subprocess_exec("sleep", "60", stdout=PIPE)
            see(getattr(process, name)(), await process.communicate(), process.returncode)
        script = "trap 'kill $!; exit 5' TERM; echo ready; exec >&-; sleep 60 & wait"
        process = await aio.create_subprocess_shell(script, stdout=PIPE)
        see(await process.stdout.readline())
        process.terminate()
        see(await process.wait())

    see.run(main())


@same_on_both
def test_where_the_streams_lead(aio: ModuleType, see: Witness, tmp_path: Path) -> None:
    async def main() -> None:
        script = "echo out; echo err >&2; cat"
        process = await aio.create_subprocess_shell(script, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        see(process.stdin, process.stderr, await process.communicate())
        with open(tmp_path / "file", "w+b") as file:
            process = await aio.create_subprocess_shell(
                script, stdin=DEVNULL, stdout=file, stderr=file.fileno()
            )
            see(process.stdout, await process.communicate())
            see((tmp_path / "file").read_bytes())
        near, far = os.pipe()
        process = await aio.create_subprocess_exec("echo", "to a pipe of ours", stdout=far)
        os.close(far)
        see(await process.wait(), os.read(near, 100))
        os.close(near)
        process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=DEVNULL)
        process.stdin.write(b"lost")
        see(await process.communicate(b""), process.stdout)

    see.run(main())


@same_on_both
def test_what_a_process_is_started_with(aio: ModuleType, see: Witness, tmp_path: Path) -> None:
    async def output(*command: Any, **options: Any) -> bytes:
        process = await aio.create_subprocess_exec(*command, stdout=PIPE, **options)
        return (await process.communicate())[0]

    async def main() -> None:
        see(await output("sh", "-c", 'echo "$A"', env={"A": "of the environment"}))
        see(await output("pwd", cwd=tmp_path) == os.fsencode(tmp_path) + b"\n")
        see(await output(b"echo", b"bytes"), await output(Path("/bin/echo"), "a path"))
        see(await output("sh", "-c", 'echo "$0"', executable="/bin/sh"))
        near, far = os.pipe()
        for fds, told in (((), b""), ((far,), b"passed on")):
            await output("sh", "-c", f"(echo passed on >&{far}) 2>/dev/null || true", pass_fds=fds)
            os.set_blocking(near, False)
            try:
                see(os.read(near, 100), told)
            except BlockingIOError:
                see("nothing", told)
        os.close(near)
        os.close(far)
        own = await output("ps", "-o", "sid=", "-p", str(os.getpid()))
        new = await output("sh", "-c", "ps -o sid= -p $$", start_new_session=True)
        see(own != new)
        see(await output("sh", "-c", "umask", umask=0o127))
        group = await output("sh", "-c", "ps -o pgid= -p $$", process_group=0)
        see(group.strip().isdigit())

    see.run(main())


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@same_on_both
def test_preexec_fn(aio: ModuleType, see: Witness) -> None:
    def fail() -> None:
        raise ValueError("in the child")

    async def main() -> None:
        for function in (lambda: os.write(1, b"from the child, "), fail):
            made = aio.create_subprocess_exec("echo", "program", stdout=PIPE, preexec_fn=function)
            await outcome(see, made)

    see.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"text": True},
        {"universal_newlines": True},
        {"encoding": "utf-8"},
        {"errors": "strict"},
        {"bufsize": 1},
        {"shell": True},
        {"shell": False},
        {"stdin": 5000},
        {"stdout": object()},
        {"stdin": STDOUT},
        {"no_such_option": 1},
        {"cwd": "/no/such/folder"},
        {"env": {"A": "\0"}},
        {"pass_fds": "text"},
        {"text": False, "encoding": None, "errors": None, "universal_newlines": False, "bufsize": 0},
    ],
)
@same_on_both
def test_options_of_every_kind(aio: ModuleType, see: Witness, options: Any) -> None:
    async def main() -> None:
        for start in (lambda: aio.create_subprocess_exec("true", **options), shell):
            await outcome(see, start())

    def shell() -> Any:
        return aio.create_subprocess_shell("true", **options)

    see.run(main())


@pytest.mark.parametrize(
    "command", ["no-such-program", "/", "", "\0", b"\xff", 5, None, ["true"], Path("no/such"), __file__]
)
@same_on_both
def test_programs_that_cannot_be_started(aio: ModuleType, see: Witness, command: Any) -> None:
    async def main() -> None:
        for stream in (None, PIPE):
            await outcome(
                see,
                aio.create_subprocess_exec(command, "argument", stdin=stream, stdout=stream, stderr=stream),
            )
        await outcome(see, aio.create_subprocess_exec("echo", 5))
        if not isinstance(command, str | bytes):
            await outcome(see, aio.create_subprocess_shell(command))

    see.run(main())


@same_on_both
def test_lines_and_limits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_shell(
            "echo one; echo; printf 'no end'; echo 'error line' >&2", stdout=PIPE, stderr=PIPE
        )
        see([line async for line in process.stdout], await process.stderr.readline())
        see(await process.wait())
        process = await aio.create_subprocess_exec(
            "printf", "a line longer than the limit\n", stdout=PIPE, limit=8
        )
        await see.attempt_await(process.stdout.readline())
        await see.attempt_await(process.stdout.read(4))
        see(len(await process.stdout.read()) > 0)
        await process.wait()
        process = await aio.create_subprocess_exec("cat", "/dev/zero", stdout=PIPE, limit=1000)
        see(await process.stdout.readexactly(200_000) == bytes(200_000))
        process.kill()
        await process.communicate()
        see(process.returncode)

    see.run(main())


@same_on_both
def test_drain_waits_for_a_slow_reader(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_shell("read line; cat >/dev/null", stdin=PIPE)
        process.stdin.write(bytes(1 << 20))
        draining = aio.create_task(process.stdin.drain())
        await aio.sleep(0.02)
        see(draining.done(), process.stdin.transport.get_write_buffer_size() > 0)
        process.stdin.write(b"\n")
        await draining
        process.stdin.close()
        see(await process.wait())
        await see.attempt_await(process.stdin.wait_closed())

    see.run(main())


@same_on_both
def test_a_process_that_does_not_read(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("true", stdin=PIPE)
        see(await process.wait())
        await aio.sleep(0.01)
        process.stdin.write(bytes(1 << 20))
        await see.attempt_await(process.stdin.drain())
        await see.attempt_await(process.stdin.wait_closed())
        # communicate() takes no notice of it.
        process = await aio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
        see(await process.communicate(bytes(1 << 22)))

    see.run(main())


@same_on_both
def test_waiting_more_than_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("cat", stdin=PIPE)
        waiting = [aio.create_task(process.wait()) for _ in range(5)]
        await aio.sleep(0)
        waiting[1].cancel()
        await see.attempt_await(aio.wait_for(process.wait(), 0.01))
        process.stdin.close()
        see(await aio.gather(*waiting, return_exceptions=True))
        see(await process.wait())

    see.run(main())


@same_on_both
def test_a_timeout_and_then_the_end(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("sleep", "60", stdout=PIPE)
        await see.attempt_await(aio.wait_for(process.communicate(), 0.01))
        process.kill()
        see(await process.communicate(), process.returncode)

    see.run(main())


@same_on_both
def test_what_is_to_be_seen_of_a_process(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        see(repr(process), process.returncode)
        transport = process._transport
        see(repr(transport))
        see(transport.get_pid() == process.pid, transport.get_returncode(), transport.is_closing())
        see(transport.get_extra_info("subprocess").pid == process.pid)
        for fd in range(4):
            pipe = transport.get_pipe_transport(fd)
            see(fd, type(pipe).__name__.replace("_Unix", ""), pipe is not None and repr(pipe))
        see(os.get_blocking(transport.get_pipe_transport(0).get_extra_info("pipe").fileno()))
        mode = os.fstat(transport.get_pipe_transport(0).get_extra_info("pipe").fileno()).st_mode
        see(oct(mode >> 12), isinstance(transport, asyncio.SubprocessTransport))
        see(isinstance(process.stdout, asyncio.StreamReader), isinstance(process.stdin, asyncio.StreamWriter))
        await process.communicate(b"")
        see(repr(process))

    see.run(main())


@same_on_both
def test_debug_mode_tells_of_everything(aio: ModuleType, see: Witness) -> None:
    logger = logging.getLogger("asyncio")

    class Plain(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            text = re.sub(r"(fd=|pipe )\d+", "fd", record.getMessage())
            # How far a pipe has come when the process ends is not the same every time.
            said.append(re.sub(r"<_Unix(Read|Write)PipeTransport[^>]*>", "PIPE", text))
            return False

    said: list[str] = []
    plain = Plain()
    logger.addFilter(plain)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:

        async def main() -> None:
            process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
            see(await process.communicate(b"data"))

        see.run(main(), debug=True)
    finally:
        logger.removeFilter(plain)
        logger.setLevel(level)
    # Slow machines, the selector, and who waits for processes have words of their own.
    quiet = ("Executing", "selector", "exited with returncode")
    see(sorted(text for text in said if not any(word in text for word in quiet)))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="communicate() without data closes stdin since 3.12")
@same_on_both
def test_communicate_without_data_closes_the_input(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        process.stdin.write(b"before")
        see(await process.communicate())

    see.run(main())
