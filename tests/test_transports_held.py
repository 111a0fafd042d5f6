"""Small writes of one callback, joined to one call; and that nobody who asks the transport can tell."""

import asyncio
import os
import random
import signal
import socket
import struct
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Connection, Told, connect, turns
from support.tls import client_context, server_context

SMALL = 4096  # bytes, of a socket's buffers
LARGE = 1 << 20  # bytes, of buffers that take everything at once

LISTED = sys.version_info >= (3, 12)
"""Whether `writelines()` makes one call; older ones join what they are given."""


def received(connection: Connection) -> bytes:
    """What has arrived so far."""
    try:
        return bytes(connection.peer.recv(LARGE))
    except BlockingIOError:
        return b""


async def accustomed(connection: Connection) -> None:
    """Has the transport learn that its callbacks write more than once."""
    connection.transport.write(b"a")
    connection.transport.write(b"b")
    await asyncio.sleep(0)
    assert received(connection) == b"ab"


async def finish(connection: Connection) -> None:
    connection.transport.close()
    connection.peer.close()
    await asyncio.sleep(0)


class Silent(asyncio.Protocol):
    pass


def on_ours(program: Any) -> None:
    roundelay.run(program)


def test_a_transport_that_writes_once_sends_at_once() -> None:
    async def main() -> None:
        connection = await connect(Silent())
        for text in (b"one", b"two", b"three"):
            connection.transport.write(text)
            assert received(connection) == text
            await asyncio.sleep(0)
        await finish(connection)

    on_ours(main())


def test_the_second_piece_waits_for_the_third() -> None:
    async def main() -> None:
        connection = await connect(Silent())
        connection.transport.write(b"1")
        assert received(connection) == b"1"
        connection.transport.write(b"2")
        assert received(connection) == b""
        connection.transport.write(b"3")
        await asyncio.sleep(0)
        assert received(connection) == b"23"
        await finish(connection)

    on_ours(main())


def test_who_has_the_habit_holds_the_first_piece_until_he_writes_once() -> None:
    async def main() -> None:
        connection = await connect(Silent())
        await accustomed(connection)
        connection.transport.write(b"c")
        assert received(connection) == b""
        await asyncio.sleep(0)
        assert received(connection) == b"c"
        connection.transport.write(b"d")
        assert received(connection) == b"d"
        await finish(connection)

    on_ours(main())


def test_pieces_go_out_behind_each_callback_and_not_behind_the_turn() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection = await connect(Silent())
        await accustomed(connection)
        seen = []
        loop.call_soon(connection.transport.write, b"c")
        loop.call_soon(lambda: seen.append(received(connection)))
        await turns(asyncio)
        assert seen == [b"c"]
        await finish(connection)

    on_ours(main())


QUESTIONS = {
    "is_closing": lambda transport: transport.is_closing(),
    "get_write_buffer_size": lambda transport: transport.get_write_buffer_size(),
    "set_write_buffer_limits": lambda transport: transport.set_write_buffer_limits(high=0),
    "repr": repr,
    "_buffer": lambda transport: transport._buffer,
    "_closing": lambda transport: transport._closing,
    "_conn_lost": lambda transport: transport._conn_lost,
    "write_eof": lambda transport: transport.write_eof(),
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
    "_force_close": lambda transport: transport._force_close(None),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_who_asks_or_ends_the_transport_finds_everything_sent(name: str) -> None:
    async def main() -> None:
        connection = await connect(Silent())
        await accustomed(connection)
        connection.transport.write(b"c")
        connection.transport.write(b"d")
        assert received(connection) == b""
        QUESTIONS[name](connection.transport)
        assert received(connection) == b"cd"
        connection.transport.abort()
        connection.peer.close()

    on_ours(main())


def test_draining_sends() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        connection = await connect(asyncio.StreamReaderProtocol(reader))
        await accustomed(connection)
        writer = asyncio.StreamWriter(connection.transport, connection.protocol, reader, loop)
        writer.write(b"c")
        writer.write(b"d")
        assert received(connection) == b""
        await writer.drain()
        assert received(connection) == b"cd"
        writer.close()
        connection.peer.close()

    on_ours(main())


def test_a_broken_connection_is_noticed_when_somebody_asks() -> None:
    @same_on_both
    def program(aio: ModuleType, see: Witness) -> None:
        async def main() -> None:
            connection = await connect(Told(see))
            transport = connection.transport
            transport.write(b"a")
            transport.write(b"b")
            await turns(aio)
            # What nobody has read makes of the end a reset.
            connection.peer.close()
            transport.pause_reading()
            transport.write(b"c")
            transport.write(b"d")
            see(transport.is_closing(), transport.get_write_buffer_size(), transport._conn_lost > 0)
            await turns(aio)

        see.run(main())

    program()


def test_a_connection_that_breaks_meanwhile_ends_once() -> None:
    class Loses(Silent):
        def connection_lost(self, exc: Exception | None) -> None:
            losses.append(type(exc))

    losses: list[type] = []

    async def main() -> None:
        connection = await connect(Loses())
        await accustomed(connection)
        connection.peer.close()
        connection.transport.pause_reading()
        for _ in range(10):
            connection.transport.write(b"c")
        await turns(asyncio)
        for _ in range(10):
            connection.transport.write(b"d")
        await turns(asyncio)

    on_ours(main())
    assert losses == [BrokenPipeError]


def test_much_goes_out_before_the_callback_ends() -> None:
    async def main() -> None:
        connection = await connect(Silent(), buffer_size=LARGE)
        await accustomed(connection)
        count = 0
        for _ in range(3):
            connection.transport.write(bytes(10_000))
            count += 10_000
        assert len(received(connection)) == 20_000
        connection.transport.write(bytes(40_000))
        assert len(received(connection)) == 50_000
        await asyncio.sleep(0)
        await finish(connection)

    on_ours(main())


def test_many_pieces_go_out_before_they_are_too_many_for_one_call() -> None:
    async def main() -> None:
        connection = await connect(Silent(), buffer_size=LARGE)
        await accustomed(connection)
        for _ in range(1025):
            connection.transport.write(b"x")
        assert received(connection) == b"x" * 1024
        await asyncio.sleep(0)
        assert received(connection) == b"x"
        await finish(connection)

    on_ours(main())


def test_what_was_written_goes_out_whatever_the_callback_raises() -> None:
    async def write_and_exit(connection: Connection) -> None:
        await accustomed(connection)
        connection.transport.write(b"c")
        connection.transport.write(b"d")
        raise SystemExit(3)

    with roundelay.Runner() as runner:
        connection = runner.run(connect(Silent()))
        with pytest.raises(SystemExit):
            runner.run(write_and_exit(connection))
        assert received(connection) == b"cd"
        runner.run(finish(connection))


def test_nothing_is_held_back_while_the_loop_does_not_run() -> None:
    with roundelay.Runner() as runner:
        connection = runner.run(connect(Silent()))
        runner.run(accustomed(connection))
        for text in (b"c", b"d"):
            connection.transport.write(text)
            assert received(connection) == text
        runner.run(finish(connection))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_does_not_send_what_its_parent_held_back() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection = await connect(Silent())
        await accustomed(connection)
        connection.transport.write(b"c")
        connection.transport.write(b"d")
        child = os.fork()
        if child == 0:
            # The callback ends in the child as well. One that hangs dies.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            loop.call_soon(os._exit, 0)
            await loop.create_future()
        assert os.waitpid(child, 0)[1] == 0
        # Held still, in the parent.
        assert received(connection) == b""
        await asyncio.sleep(0)
        assert received(connection) == b"cd"
        await finish(connection)

    on_ours(main())


def segments(sock: Any) -> int:
    """How many segments with data the system has sent over a TCP connection."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("I", info, 156)[0])


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="struct tcp_info is Linux's")


@on_linux
def test_head_and_body_are_one_segment() -> None:
    async def main() -> None:
        connection = await connect(Silent(), family=socket.AF_INET)
        await accustomed(connection)
        sock = connection.transport.get_extra_info("socket")
        for count in range(1, 4):
            before = segments(sock)
            connection.transport.write(b"head")
            connection.transport.write(bytearray(b"body"))
            connection.transport.writelines([b"more", b"", memoryview(b"still")])
            await asyncio.sleep(0)
            assert segments(sock) - before == 1, f"in callback {count}"
            assert received(connection) == b"headbodymorestill"
        await finish(connection)

    on_ours(main())


@on_linux
def test_two_writes_over_tls_are_one_segment() -> None:
    async def main() -> None:
        found = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            counts = []
            while await reader.readline():
                before = segments(sock)
                writer.write(b"head")
                writer.write(b"body\n")
                await asyncio.sleep(0)
                counts.append(segments(sock) - before)
            found.set_result(counts)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context())
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(), server_hostname="localhost"
        )
        for _ in range(4):
            writer.write(b"more\n")
            assert await reader.readline() == b"headbody\n"
        writer.close()
        await writer.wait_closed()
        assert await found == [2, 1, 1, 1]
        server.close()
        await server.wait_closed()

    on_ours(main())


def random_piece(choose: random.Random, most: int, least: int = 0) -> Any:
    size = max(least, min(choose.choice([0, 1, 1, 2, 5, 100, 100, 5000, 20_000]), most))
    data = bytes([choose.randrange(256)]) * size
    return choose.choice([bytes, bytes, bytes, bytearray, memoryview])(data)


def random_step(choose: random.Random, transport: Any, see: Witness) -> bool:
    """One thing that a callback may do with a transport; false if that ends it."""
    kind = choose.randrange(20)
    if kind < 13:
        transport.write(random_piece(choose, 6000))
    elif kind < 15:
        # asyncio's would keep empty ones waiting.
        transport.writelines([random_piece(choose, 6000, 1) for _ in range(choose.randrange(4))])
    elif kind == 15:
        see(transport.is_closing())
    elif kind == 16:
        see(transport.get_write_buffer_size())
    elif kind == 17:
        transport.set_write_buffer_limits(high=choose.choice([0, 1, 1000, 65536]))
    elif kind == 18 and choose.random() < 0.1:
        transport.write_eof()
    elif kind == 19 and choose.random() < 0.1:
        choose.choice([transport.close, transport.abort])()
        return False
    return True


@pytest.mark.parametrize("seed", range(30))
@same_on_both
def test_random_callbacks_with_room_for_everything(aio: ModuleType, see: Witness, seed: int) -> None:
    choose = random.Random(seed)

    async def main() -> None:
        connection = await connect(Told(see), buffer_size=LARGE)
        transport = connection.transport
        alive = True
        for _ in range(60):
            left = choose.choice([1, 1, 2, 3, 6])
            while alive and left:
                left -= 1
                try:
                    alive = random_step(choose, transport, see)
                except RuntimeError as error:
                    see(error)
            await aio.sleep(0)
            # All of it has arrived before the next callback.
            see(received(connection))
        transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_random_callbacks_with_little_room(seed: int) -> None:
    choose = random.Random(seed)

    class Paused(Silent):
        paused = False

        def pause_writing(self) -> None:
            assert not self.paused
            self.paused = True

        def resume_writing(self) -> None:
            assert self.paused
            self.paused = False

    async def main() -> None:
        connection = await connect(Paused(), buffer_size=SMALL)
        transport = connection.transport
        expected, found = bytearray(), bytearray()
        for _ in range(100):
            for _ in range(choose.choice([0, 1, 2, 3, 6])):
                piece = random_piece(choose, 20_000)
                expected += piece
                if LISTED and choose.random() < 0.2:
                    transport.writelines([piece])
                else:
                    transport.write(piece)
            for _ in range(choose.randrange(3)):
                await asyncio.sleep(0)
                found += received(connection)
            high = transport.get_write_buffer_limits()[1]
            assert connection.protocol.paused or transport.get_write_buffer_size() <= high
        transport.close()
        while not found.endswith(expected[-1:]) or len(found) < len(expected):
            await asyncio.sleep(0)
            found += received(connection)
        assert found == expected
        connection.peer.close()

    on_ours(main())
