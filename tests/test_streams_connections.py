"""Streams over real connections, on every loop: native and stock on each other's ends, and subprocesses."""

import asyncio
import gc
import os
import socket
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import roundelay
from support.coordination import MIXTURES

# Whose streams, and whose loop.
WAYS: dict[str, Any] = {"asyncio": asyncio, "roundelay": roundelay, **MIXTURES}
each_way = pytest.mark.parametrize("way", WAYS)


def run(way: str, main: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    aio = WAYS[way]
    with asyncio.Runner(loop_factory=aio.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main(aio), 30))


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    yield
    roundelay.uninstall()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


@each_way
@pytest.mark.parametrize("server_way", WAYS)
def test_lines_come_back(way: str, server_way: str) -> None:
    async def main(aio: Any) -> None:
        server = await WAYS[server_way].start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        reader, writer = await aio.open_connection(*address)
        assert type(reader) is aio.StreamReader
        assert type(writer) is aio.StreamWriter
        assert type(writer._protocol) is aio.StreamReaderProtocol
        assert writer.get_extra_info("peername") == address
        for number in range(50):
            line = b"%d " % number + b"x" * number * 97 + b"\n"
            writer.write(line[:5])
            writer.writelines([line[5:7], line[7:]])
            await writer.drain()
            assert await reader.readline() == line
        assert writer.can_write_eof()
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert writer.is_closing()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_a_unix_socket(way: str, tmp_path: Path) -> None:
    async def main(aio: Any) -> None:
        path = str(tmp_path / "socket")
        server = await aio.start_unix_server(echo, path, limit=100)
        reader, writer = await aio.open_unix_connection(path, limit=10)
        writer.write(b"hello\n")
        assert await reader.readuntil(b"ll") == b"hell"
        assert await reader.readexactly(2) == b"o\n"
        writer.write(b"x" * 50 + b"\n")
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_pipes(way: str) -> None:
    async def main(aio: Any) -> None:
        loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe()
        reader = aio.StreamReader(loop=loop)
        protocol = aio.StreamReaderProtocol(reader, loop=loop)
        reading, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(read_end, "rb", 0))
        writing, mixin = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop),
            os.fdopen(write_end, "wb", 0),
        )
        writer = aio.StreamWriter(writing, mixin, None, loop)
        sent = b"".join(b"line %d\n" % number for number in range(20_000))

        async def write() -> None:
            for start in range(0, len(sent), 5000):
                writer.write(sent[start : start + 5000])
                await writer.drain()
            writer.close()

        task = asyncio.ensure_future(write())
        received = [line async for line in reader]
        await task
        assert b"".join(received) == sent
        assert len(received) == 20_000
        reading.close()
        await aio.sleep(0)

    run(way, main)


@each_way
def test_tls(way: str) -> None:
    """From the start, and begun in the middle of a connection."""
    test_utils = pytest.importorskip("test.test_asyncio.utils")

    async def serve(reader: Any, writer: Any) -> None:
        if await reader.readline() == b"STARTTLS\n":
            writer.write(b"go on\n")
            await writer.start_tls(test_utils.simple_server_sslcontext())
        await echo(reader, writer)

    async def main(aio: Any) -> None:
        context = test_utils.simple_client_sslcontext()
        for begin in ("at once", "later"):
            tls = {"ssl": test_utils.simple_server_sslcontext()} if begin == "at once" else {}
            server = await aio.start_server(serve, "127.0.0.1", 0, **tls)
            address = server.sockets[0].getsockname()
            tls = {"ssl": context} if begin == "at once" else {}
            reader, writer = await aio.open_connection(*address, **tls)
            assert type(reader) is aio.StreamReader
            if begin == "later":
                writer.write(b"STARTTLS\n")
                assert await reader.readline() == b"go on\n"
                await writer.start_tls(context)
            else:
                writer.write(b"\n")
            assert writer.get_extra_info("sslcontext") is context
            for size in (1, 100, 60_000):
                writer.writelines([b"x" * size, b"\n"])
                await writer.drain()
                assert await reader.readline() == b"x" * size + b"\n"
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

    run(way, main)


@each_way
def test_a_slow_reader_slows_the_writer(way: str) -> None:
    size = 4_000_000

    async def main(aio: Any) -> None:
        written = 0

        async def serve(reader: Any, writer: Any) -> None:
            nonlocal written
            # Or the system takes it all, where it lets buffers grow to many megabytes.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
            for _ in range(size // 10_000):
                writer.write(b"x" * 10_000)
                await writer.drain()
                written += 10_000
            writer.close()
            await writer.wait_closed()

        server = await aio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname(), limit=1000)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
        # Until neither end goes on.
        last = -1
        while written != last:
            last = written
            await aio.sleep(0.05)
        assert reader._paused
        assert written < size
        received = 0
        while block := await reader.read(50_000):
            received += len(block)
        assert received == written == size
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_a_peer_that_breaks_off(way: str) -> None:
    async def main(aio: Any) -> None:
        outcome = aio.get_running_loop().create_future()

        async def serve(reader: Any, writer: Any) -> None:
            try:
                outcome.set_result(await reader.readexactly(100))
            except Exception as error:
                outcome.set_exception(error)
            writer.close()

        server = await aio.start_server(serve, "127.0.0.1", 0)
        _, writer = await aio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"only this")
        writer.close()
        await writer.wait_closed()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await outcome
        assert (caught.value.partial, caught.value.expected) == (b"only this", 100)
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_a_reset_reaches_readers_and_writers(way: str) -> None:
    async def main(aio: Any) -> None:
        ends: list[Any] = []
        server = await aio.start_server(lambda *streams: ends.append(streams), "127.0.0.1", 0)
        peer = socket.create_connection(server.sockets[0].getsockname())
        while not ends:
            await aio.sleep(0)
        reader, writer = ends.pop()
        waiting = asyncio.ensure_future(reader.read(10))
        await aio.sleep(0)
        linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.close()
        with pytest.raises(ConnectionResetError):
            await waiting
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_many_connections_at_once(way: str) -> None:
    async def main(aio: Any) -> None:
        server = await aio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()

        async def client(number: int) -> None:
            reader, writer = await aio.open_connection(*address)
            for turn in range(5):
                line = b"%d of %d\n" % (turn, number)
                writer.write(line)
                assert await reader.readline() == line
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(client(number) for number in range(50)))
        server.close()
        await server.wait_closed()

    run(way, main)


@each_way
def test_early_imported_functions_after_install(way: str) -> None:
    """`from asyncio import open_connection` before `install()` makes native streams after it."""
    connect, serve = asyncio.open_connection, asyncio.start_server
    stock = asyncio.StreamReader

    async def main(aio: Any) -> None:
        server = await serve(echo, "127.0.0.1", 0)
        reader, writer = await connect(*server.sockets[0].getsockname())
        assert type(reader) is roundelay.StreamReader
        assert isinstance(reader, stock)
        writer.write(b"line\n")
        assert await reader.readline() == b"line\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    roundelay.install()
    run(way, main)


def test_a_derived_reader_from_before_install_is_used_after() -> None:
    class Before(asyncio.StreamReader):
        pass

    stock_writer, stock_protocol, stock_reader = (
        asyncio.StreamWriter, asyncio.StreamReaderProtocol, asyncio.StreamReader,
    )  # fmt: skip

    async def main(aio: Any) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        for reader_class in (Before, stock_reader, asyncio.StreamReader):
            for protocol_class in (stock_protocol, asyncio.StreamReaderProtocol):
                for writer_class in (stock_writer, asyncio.StreamWriter):
                    reader = reader_class(loop=loop)
                    protocol = protocol_class(reader, loop=loop)
                    transport, _ = await loop.create_connection(lambda: protocol, sock=ours.dup())  # noqa: B023
                    writer = writer_class(transport, protocol, reader, loop)
                    theirs.send(b"line\n")
                    assert await reader.readline() == b"line\n"
                    writer.write(b"back")
                    await writer.drain()
                    assert theirs.recv(4) == b"back"
                    writer.close()
                    await writer.wait_closed()
                    with pytest.raises(AssertionError):
                        writer_class(transport, protocol, "no reader", loop)  # type: ignore[arg-type]
        ours.close()
        theirs.close()

    roundelay.install()
    init = stock_writer.__init__
    run("roundelay", main)
    roundelay.uninstall()
    assert stock_writer.__init__ is not init
    assert stock_writer.__init__.__globals__ is vars(asyncio.streams)


@pytest.mark.parametrize("way", ["stock", "installed"])
def test_subprocesses(way: str) -> None:
    program = (
        "import sys\n"
        "for line in sys.stdin: print(line.upper(), end='', flush=True)\n"
        "print('!', file=sys.stderr)\n"
    )

    async def main(aio: Any) -> list[Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        seen: list[Any] = [type(process.stdout) is roundelay.StreamReader]
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            await process.stdin.drain()
            seen.append(await process.stdout.readline())
        seen.append(await process.communicate(b"x" * 200_000))
        seen.append(process.returncode)
        return seen

    if way == "installed":
        roundelay.install()
    seen = run("roundelay", main)
    assert seen == [way == "installed", b"ONE\n", b"TWO\n", (b"X" * 200_000, b"!\n"), 0]


@each_way
def test_a_writer_that_nobody_closes_says_so(way: str) -> None:
    async def main(aio: Any) -> list[str]:
        ends: list[Any] = []
        server = await aio.start_server(lambda *streams: ends.append(streams), "127.0.0.1", 0)
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
        while not ends:
            await aio.sleep(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del reader, writer
            gc.collect()
        ends[0][1].close()
        await ends[0][1].wait_closed()
        server.close()
        await server.wait_closed()
        return [f"{Path(str(warning.filename)).name} {str(warning.message)[:22]}" for warning in caught]

    seen = run(way, main)
    assert seen == ["streams.py unclosed <StreamWriter"]
