"""What a subprocess protocol is told, and what it may do meanwhile, as on asyncio.

Which pipe says something first is the process's affair, so what is told of each is compared by itself.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import turns

PIPE = subprocess.PIPE


class ToldOfProcess(asyncio.SubprocessProtocol):
    """Takes down what it is told, by subject, and then does what the test wants it to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **reactions: Callable[..., Any]) -> None:
        self.reactions = reactions
        self.told: dict[Any, list[Any]] = {}
        self.order: list[str] = []
        self.over = loop.create_future()
        self.transport: Any = None

    async def end(self) -> None:
        """Wait until everything is over."""
        await self.over
        self.transport.close()

    def note(self, subject: Any, name: str, *args: Any) -> None:
        notes = self.told.setdefault(subject, [])
        if name == "data" and notes and isinstance(notes[-1], bytes):
            # How much comes at a time is not the same every time.
            notes[-1] += args[0]
        else:
            notes.append(args[0] if name == "data" else (name, *map(repr, args)))
        self.order.append(name)
        if name in self.reactions:
            self.reactions[name](self, *args)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("process", "made")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.note(fd, "data", data)

    def pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None:
        self.note(fd, "pipe lost", exc)

    def process_exited(self) -> None:
        self.note("process", "exited")

    def pause_writing(self) -> None:
        self.note("writing", "paused")

    def resume_writing(self) -> None:
        self.note("writing", "resumed")

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.over.done():
            self.over.set_result(None)
        self.note("process", "lost", exc)


async def start(aio: ModuleType, script: str, *, reactions: Any = None, **options: Any) -> ToldOfProcess:
    loop = aio.get_running_loop()
    protocol = ToldOfProcess(loop, **(reactions or {}))
    await loop.subprocess_shell(lambda: protocol, script, **options)
    return protocol


@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "cat; echo done >&2; exit 4")
        see(process.order)
        pipe = process.transport.get_pipe_transport(0)
        pipe.write(b"some ")
        pipe.writelines([b"more", b" data"])
        pipe.close()
        await process.end()
        see(process.told, process.transport.get_returncode(), process.order[0], process.order[-1])

    see.run(main())


@same_on_both
def test_output_that_is_there_before_anybody_asks(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "echo out; echo err >&2", stdin=None)
        await process.end()
        see(process.told, process.order[0], process.order[-1])

    see.run(main())


@same_on_both
def test_a_process_without_pipes(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "exit 9", stdin=None, stdout=None, stderr=None)
        await process.end()
        see(process.told, process.order, process.transport.get_returncode())

    see.run(main())


@same_on_both
def test_a_child_that_closes_its_pipes_early(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "trap 'exit 2' USR1; exec <&- >&- 2>&-; while :; do sleep 0.01; done")
        while process.order.count("pipe lost") < 3:
            await aio.sleep(0.001)
        see(process.told, process.transport.get_returncode())
        for number in (0, 1, 2):
            see(process.transport.get_pipe_transport(number).is_closing())
        process.transport.send_signal(signal.SIGUSR1)
        await process.end()
        see(process.told["process"], process.transport.get_returncode())

    see.run(main())


@same_on_both
def test_a_grandchild_keeps_the_pipes(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "exec 3<&0; (read line <&3; echo $line) & exit 1", stderr=None)
        while "exited" not in process.order:
            await aio.sleep(0.001)
        see(process.transport.get_returncode(), process.over.done())
        process.transport.get_pipe_transport(0).write(b"still there\n")
        await process.end()
        see(process.told[1], process.order[-1])

    see.run(main())


@same_on_both
def test_input_that_nobody_reads(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "read line; cat >/dev/null", stdout=None, stderr=None)
        pipe = process.transport.get_pipe_transport(0)
        pipe.write(bytes(1 << 20))
        see(process.told["writing"], pipe.get_write_buffer_size() > 0)
        pipe.write(b"\n")
        pipe.write_eof()
        await process.end()
        see(process.told)

    see.run(main())


@same_on_both
def test_a_process_dies_with_its_input_full(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "exec sleep 60", stdout=None, stderr=None)
        process.transport.get_pipe_transport(0).write(bytes(1 << 20))
        process.transport.kill()
        await process.end()
        see(process.told, process.transport.get_returncode())

    see.run(main())


@pytest.mark.parametrize("error", [ValueError, OSError])
@pytest.mark.parametrize("name", ["made", "data", "pipe lost", "exited", "lost"])
@same_on_both
def test_a_callback_raises(aio: ModuleType, see: Witness, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error(name)

    loop = see.new_loop()
    raised: list[Any] = []
    loop.set_exception_handler(lambda _, context: raised.append(str(context["exception"])))

    async def main() -> None:
        process = await start(aio, "echo out", reactions={name: fail}, stdin=None, stderr=None)
        await process.end()
        await turns(aio)
        see(process.told, raised)

    see.attempt(loop.run_until_complete, main())


@same_on_both
def test_another_protocol_takes_over(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        first = await start(aio, "read line; echo $line", stderr=None)
        second = ToldOfProcess(aio.get_running_loop())
        see(first.transport.get_protocol() is first)
        first.transport.set_protocol(second)
        first.transport.get_pipe_transport(0).write(b"line\n")
        await second.over
        first.transport.close()
        see(first.order, second.told, first.transport.get_protocol())

    see.run(main())


@same_on_both
def test_signals_by_way_of_the_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for name, args in (("terminate", ()), ("kill", ()), ("send_signal", (signal.SIGHUP,))):
            process = await start(aio, "exec sleep 60", stdin=None, stdout=None, stderr=None)
            see(getattr(process.transport, name)(*args))
            await process.end()
            see(process.transport.get_returncode())
            see.attempt(getattr(process.transport, name), *args)

    see.run(main())


@same_on_both
def test_reading_is_paused(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "echo one; read line; echo two", stderr=None)
        pipe = process.transport.get_pipe_transport(1)
        while not process.told.get(1):
            await aio.sleep(0.001)
        pipe.pause_reading()
        process.transport.get_pipe_transport(0).write(b"\n")
        await aio.sleep(0.02)
        see(process.told[1], "exited" in process.order)
        pipe.resume_reading()
        await process.end()
        see(process.told)

    see.run(main())


@same_on_both
def test_the_fields_of_a_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await start(aio, "exec cat", stderr=None)
        transport = process.transport
        see(transport._pending_calls, transport._protocol is process, transport._finished)
        see(transport._loop is aio.get_running_loop(), sorted(transport._pipes), transport._closed)
        see(transport._proc.pid == transport.get_pid(), transport._returncode)
        # Private, and used by those who test what is made of transports.
        transport._pipe_data_received(1, b"made up")
        transport._call(process.note, "process", "called")
        await aio.sleep(0)
        see(process.told)
        see.attempt(transport._pipe_data_received, 1)
        see.attempt(transport._call)
        transport.close()
        transport.close()
        await process.end()
        await turns(aio)
        see(transport._protocol, transport._loop, transport._proc, transport.is_closing())

    see.run(main())


def test_data_of_one_pipe_comes_in_order() -> None:
    async def main() -> None:
        process = await start(roundelay, "cat", stderr=None)
        pipe = process.transport.get_pipe_transport(0)
        expected = b"".join(b"%d\n" % number for number in range(50_000))
        for start_of_piece in range(0, len(expected), 777):
            pipe.write(expected[start_of_piece : start_of_piece + 777])
        pipe.close()
        await process.end()
        assert process.told[1] == [expected, ("pipe lost", "None")]

    roundelay.run(main())


def test_pipes_are_pipes() -> None:
    # Programs look whether their input is one, and sockets cannot be opened by way of /dev/stdin.
    async def main() -> None:
        script = "[ -p /dev/stdin ] && [ -p /dev/stdout ] && [ -p /dev/stderr ] && cat /dev/stdin"
        process = await asyncio.create_subprocess_shell(script, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert await process.communicate(b"data") == (b"data", b"")

    roundelay.run(main())


def test_a_child_inherits_nothing_that_is_not_meant_for_it() -> None:
    async def main() -> None:
        others = [await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE) for _ in range(3)]
        process = await asyncio.create_subprocess_exec("ls", "/proc/self/fd", stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate()
        # The three, and the folder that is read.
        assert len(output.split()) == 4
        for other in others:
            assert await other.communicate(b"x") == (b"x", b"" if other.stderr else None)

    roundelay.run(main())


def test_a_forked_child_has_processes_of_its_own() -> None:
    async def echo(data: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        return (await process.communicate(data))[0]

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        near, far = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio._set_running_loop(None)
                os.write(far, roundelay.run(echo(b"from the child")))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert os.read(near, 100) == b"from the child"
        os.close(near)
        os.close(far)
        # The parent's process and pipes are as they were.
        assert await process.communicate(b"from the parent") == (b"from the parent", None)
        assert process.returncode == 0

    roundelay.run(main())
