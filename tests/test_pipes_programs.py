"""Programs with pipes, and what only a native transport has to answer for."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import roundelay
from support.both import Witness
from support.connections import Told, turns
from support.pipes import open_pair, writing_to


def is_told_not_to_wait() -> bool:
    """Whether the system can be told at each call not to wait for a pipe."""
    with contextlib.ExitStack() as stack:
        for file in open_pair("pipe"):
            stack.enter_context(file)
        try:
            return os.pwritev(file.fileno(), [b"data"], -1, os.RWF_NOWAIT) == 4
        except (AttributeError, OSError):
            return False


@pytest.mark.skipif(not is_told_not_to_wait(), reason="needs Linux 6.5")
def test_a_pipe_that_somebody_made_wait_does_not_stop_the_program() -> None:
    # Whether a pipe waits is a flag that all who inherit it share.
    async def main() -> None:
        loop = asyncio.get_running_loop()
        far = await writing_to(Told(Witness(roundelay)))
        await far.fill(Witness(roundelay))
        os.set_blocking(far.transport.get_extra_info("pipe").fileno(), True)
        # The pipe has room for a part of what waits.
        assert len(far.read(4096)) == 4096
        far.transport.write(bytes(100_000))
        await turns(roundelay)
        assert far.transport.get_write_buffer_size() > 90_000
        received = 0
        while far.transport.get_write_buffer_size():
            received += len(await loop.run_in_executor(None, far.read))
            await asyncio.sleep(0)
        await far.close(roundelay)

    with time_limit(20):
        roundelay.run(main())


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Ends the process if something takes so many seconds: a thread that holds the GIL stops all others."""
    previous = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def test_other_threads_run_while_a_terminal_is_read() -> None:
    # Reading and writing a terminal is Python's own, which lets other threads run.
    async def main() -> None:
        near_end, far_end = open_pair("terminal")
        loop = asyncio.get_running_loop()
        received = bytearray()
        done = loop.create_future()

        class Reader(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                received.extend(data)
                if len(received) == 20_000:
                    done.set_result(None)

        reading, _ = await loop.connect_read_pipe(Reader, near_end)
        writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, far_end)
        for number in range(20):
            writing.write(b"%d" % (number % 10) * 1000)
        await asyncio.wait_for(done, 20)
        assert received == b"".join(b"%d" % (number % 10) * 1000 for number in range(20))
        writing.close()
        reading.close()
        await turns(roundelay)

    roundelay.run(main())


def test_loops_in_many_threads_talk_through_pipes() -> None:
    results = []

    def talk(number: int) -> None:
        async def main() -> int:
            loop = asyncio.get_running_loop()
            reader_file, writer_file = open_pair("pipe")
            reader = asyncio.StreamReader()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reader_file)
            transport, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, writer_file)
            for count in range(200):
                transport.write(b"%d %d\n" % (number, count))
            transport.close()
            lines = [line async for line in reader]
            assert lines == [b"%d %d\n" % (number, count) for count in range(200)]
            return number

        results.append(roundelay.run(main()))

    threads = [threading.Thread(target=talk, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == list(range(8))


def test_standard_streams_of_a_program() -> None:
    program = """
import asyncio, sys, roundelay

async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    async for line in reader:
        writer.write(line.upper())
        await writer.drain()
    writer.close()

roundelay.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"one\ntwo\n" * 10_000, capture_output=True, timeout=30
    )
    assert (done.stdout, done.stderr) == (b"ONE\nTWO\n" * 10_000, b"")


def test_a_socket_is_half_of_a_conversation() -> None:
    # A socket that is written to tells of the other end's going by becoming readable, data or not.
    async def main() -> None:
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        see = Witness(roundelay)
        await loop.connect_write_pipe(lambda: Told(see), near)
        await turns(roundelay)
        far.send(b"an answer")
        await turns(roundelay)
        assert [name for name, *_ in see.records] == ["made", "lost"]
        far.close()

    roundelay.run(main())
