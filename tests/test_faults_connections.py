"""Connections that end at once, break in the middle, never read or read slowly, and too many of them."""

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, connect, turns
from support.peers import PATIENCE, connected, in_thread, joined, reset, reset_on_close

MANY = 10_000


class Count:
    """How many connections were made and lost, and by which errors."""

    def __init__(self) -> None:
        self.made = self.lost = 0
        self.errors: set[str] = set()


class Counted(asyncio.Protocol):
    def __init__(self, count: Count) -> None:
        self.count = count

    def connection_made(self, transport: Any) -> None:
        self.count.made += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.count.lost += 1
        if exc is not None:
            self.count.errors.add(type(exc).__name__)


# Connect and close


def test_clients_that_connect_and_close_at_once() -> None:
    # Half of them in order, half by a reset. So many at once that the queue of the listening socket holds.
    count = Count()
    room = threading.Semaphore(50)

    class GivesRoom(Counted):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            room.release()

    def knock(address: Any) -> bool:
        for number in range(MANY):
            assert room.acquire(timeout=PATIENCE)
            sock = connected(address)
            if number % 2:
                reset_on_close(sock)
            sock.close()
        return True

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: GivesRoom(count), "127.0.0.1", 0)
        with in_thread(knock, server.sockets[0].getsockname()) as outcome:
            await joined(outcome)
            while count.lost < MANY:
                await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()
        assert (count.made, count.lost) == (MANY, MANY)
        assert count.errors <= {"ConnectionResetError", "BrokenPipeError"}

    roundelay.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_connections_that_are_made_and_ended_at_once(end: str) -> None:
    count = Count()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()

        async def one_after_the_other() -> None:
            for _ in range(MANY // 20):
                transport, _ = await loop.create_connection(lambda: Counted(count), *address)
                getattr(transport, end)()

        await asyncio.gather(*[one_after_the_other() for _ in range(20)])
        await turns(asyncio)
        assert (count.made, count.lost, count.errors) == (MANY, MANY, set())
        server.close()
        if sys.version_info >= (3, 13):
            server.close_clients()
        await server.wait_closed()
        # The server's ends learn of it by reading.
        while len(loop._selector.get_map()) > 1:  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)

    roundelay.run(main())


# The peer breaks off


@same_on_both
def test_a_reset_in_the_middle_of_a_write(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        protocol = Told(see)
        connection = await connect(protocol, family=socket.AF_INET)
        transport = connection.transport
        while not transport.get_write_buffer_size():
            transport.write(bytes(1 << 20))
        see("full", transport.get_write_buffer_size() > 0)
        reset(connection.peer)
        while not transport.is_closing():
            await aio.sleep(0)
        see("nothing is kept", transport.get_write_buffer_size())
        for _ in range(8):
            transport.write(b"into the void")
        await turns(aio)
        see("after the end", repr(transport), transport.get_write_buffer_size())

    see.run(main())


@same_on_both
def test_drain_and_close_of_a_stream_that_was_reset(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            reader, writer = await aio.open_connection(*listener.getsockname())
            peer, _ = listener.accept()
        while not writer.transport.get_write_buffer_size():
            writer.write(bytes(1 << 20))
        waiting = [loop.create_task(writer.drain()), loop.create_task(reader.read(10))]
        await turns(aio)
        see("waits", [task.done() for task in waiting])
        reset(peer)
        for task in waiting:
            await see.attempt_await(task)
        await see.attempt_await(writer.drain())
        writer.write(b"more")
        await see.attempt_await(writer.drain())
        writer.close()
        await see.attempt_await(writer.wait_closed())

    see.run(main())


@same_on_both
def test_a_reset_while_the_loop_has_data_to_read(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        protocol = Told(see)
        connection = await connect(protocol, family=socket.AF_INET)
        connection.transport.pause_reading()
        connection.peer.send(b"never read")
        await aio.sleep(0.01)
        reset(connection.peer)
        await aio.sleep(0.01)
        connection.transport.resume_reading()
        await turns(aio)
        see(repr(connection.transport))

    see.run(main())


# The peer does not read


def test_a_peer_that_never_reads_costs_no_more_than_the_marks() -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            _, writer = await asyncio.open_connection(*listener.getsockname())
            peer, _ = listener.accept()
        transport = writer.transport
        transport.set_write_buffer_limits(high=100_000)

        async def write_as_allowed() -> None:
            while True:
                writer.write(bytes(10_000))
                await writer.drain()

        writing = asyncio.create_task(write_as_allowed())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), 0.2)
        assert 100_000 < transport.get_write_buffer_size() <= 110_000
        # Nobody can be made to read: close() waits for that, abort() does not.
        writer.close()
        closed = asyncio.ensure_future(writer.wait_closed())
        await turns(asyncio)
        assert not closed.done()
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        with pytest.raises(ConnectionResetError):
            await writing
        await closed
        peer.close()

    roundelay.run(main())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
@pytest.mark.parametrize("piece", [1000, 70_000, 1_000_000])
def test_a_slow_reader_gets_every_byte(family: int, piece: int) -> None:
    count = 3_000_000 // piece

    def piece_number(number: int) -> bytes:
        return number.to_bytes(8, "big") * (piece // 8)

    def read_slowly(peer: socket.socket) -> int:
        # A few bytes at a time, so that the buffers are full all the while.
        peer.settimeout(PATIENCE)
        received = bytearray()
        while data := peer.recv(5000):
            received += data
        assert bytes(received) == b"".join(map(piece_number, range(count)))
        return len(received)

    class Sender(asyncio.Protocol):
        paused = most = lost = 0
        allowed: asyncio.Event

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.allowed = asyncio.Event()
            self.allowed.set()

        def pause_writing(self) -> None:
            self.paused += 1
            self.allowed.clear()

        def resume_writing(self) -> None:
            assert self.transport.get_write_buffer_size() <= 16 * 1024
            self.allowed.set()

        def connection_lost(self, exc: Exception | None) -> None:
            assert exc is None
            self.lost += 1

    async def main() -> None:
        sender = Sender()
        connection = await connect(sender, family=family, buffer_size=64 * 1024)
        with in_thread(read_slowly, connection.peer) as outcome:
            for number in range(count):
                await sender.allowed.wait()
                connection.transport.write(piece_number(number))
                sender.most = max(sender.most, connection.transport.get_write_buffer_size())
            connection.transport.close()
            assert await joined(outcome) == count * (piece // 8 * 8)
        connection.peer.close()
        assert sender.paused > 0
        assert sender.most <= 64 * 1024 + piece
        assert sender.lost == 1

    roundelay.run(main())


# No descriptors left


@contextmanager
def no_descriptor_left(*, but: int = 0) -> Iterator[None]:
    """Within, opening anything fails with EMFILE, except for so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 20, hard))
    taken: list[int] = []
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                break
        for _ in range(but):
            os.close(taken.pop())
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("waiting", [1, 3])
@same_on_both
def test_a_server_without_descriptors_serves_again(aio: ModuleType, see: Witness, waiting: int) -> None:
    # A second would be asyncio's time until it tries again.
    patch = pytest.MonkeyPatch()
    patch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.05)
    heard: list[Any] = []

    async def talk(reader: Any, writer: Any) -> None:
        writer.write(b"served " + await reader.read(100))
        writer.close()

    async def main() -> None:
        loop = aio.get_running_loop()
        server = await aio.start_server(talk, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.socket() for _ in range(waiting)]
        with no_descriptor_left():
            for client in clients:
                client.settimeout(PATIENCE)
                client.connect(address)
                client.sendall(b"early")
            loop.set_exception_handler(lambda _, context: heard.append(context))
            while not heard:
                await aio.sleep(0.001)
            # How often it says so differs: older releases do for each place in the queue.
            see("heard", heard[0]["message"], heard[0]["exception"], type(heard[0]["socket"]))
        for client in clients:
            see(await aio.to_thread(client.recv, 100))
            client.close()
        late = connected(address)
        late.sendall(b"late")
        see(await aio.to_thread(late.recv, 100))
        late.close()
        server.close()
        await server.wait_closed()

    try:
        see.run(main())
    finally:
        patch.undo()


@same_on_both
def test_a_server_that_is_closed_while_it_has_no_descriptors(aio: ModuleType, see: Witness) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.01)
    heard: list[Any] = []

    async def main() -> None:
        loop = aio.get_running_loop()
        server = await loop.create_server(aio.Protocol, "127.0.0.1", 0)
        with socket.socket() as client:
            with no_descriptor_left():
                client.connect(server.sockets[0].getsockname())
                loop.set_exception_handler(lambda _, context: heard.append(context))
                while not heard:
                    await aio.sleep(0.001)
                server.close()
            await aio.sleep(0.05)
            await server.wait_closed()
            see("closed", server.is_serving())

    try:
        see.run(main())
    finally:
        patch.undo()


@pytest.mark.parametrize("what", ["connection", "server", "datagrams", "process"])
@same_on_both
def test_nothing_can_be_opened(aio: ModuleType, see: Witness, what: str) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            openers = {
                "connection": lambda: aio.open_connection(*address),
                "server": lambda: aio.start_server(lambda *_: None, "127.0.0.1", 0),
                "datagrams": lambda: loop.create_datagram_endpoint(aio.Protocol, local_addr=("127.0.0.1", 0)),
                "process": lambda: aio.create_subprocess_exec("true", stdin=subprocess.PIPE),
            }
            with no_descriptor_left():
                for _ in range(3):
                    await see.attempt_await(openers[what]())

    see.run(main())


def test_a_loop_that_cannot_be_made_leaves_nothing() -> None:
    # Neither a descriptor nor a warning; asyncio's leaves a loop that cannot be closed.
    # It takes four: for the reactor, its bell and the two ends of the self-pipe.
    for left in range(4):
        with no_descriptor_left(but=left), pytest.raises(OSError, match="Too many open files"):
            roundelay.new_event_loop()
    roundelay.new_event_loop().close()


# Many at once


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory in use is read from /proc")
def test_ten_thousand_connections_that_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = MANY + 100
    if most != resource.RLIM_INFINITY and most < needed:
        pytest.skip(f"a process may open {most} descriptors here, and this takes {needed}")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "support.idle_connections", str(MANY)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stderr == ""
    with capsys.disabled():
        print(f" [{int(run.stdout)} bytes a connection] ", end="")
    # A socket, a transport, its protocol, an entry in the loop's tables.
    assert int(run.stdout) < 5000
