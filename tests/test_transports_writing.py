"""What a native transport does with what is written: the same as asyncio's, or safer where that says so."""

import array
import asyncio
import os
import random
import socket
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, connect, turns

SMALL = 4096  # bytes, of a socket's buffers


class Text(str):
    pass


class Bytes(bytes):
    pass


THINGS: dict[str, Any] = {
    "bytes": lambda: b"bytes",
    "empty": lambda: b"",
    "bytearray": lambda: bytearray(b"bytearray"),
    "memoryview": lambda: memoryview(b"memoryview"),
    "part of a memoryview": lambda: memoryview(b"memoryview")[2:5],
    "every second byte": lambda: memoryview(b"memoryview")[::2],
    "empty memoryview": lambda: memoryview(b""),
    "subclass": lambda: Bytes(b"subclass"),
    "text": lambda: "text",
    "text of a kind": lambda: Text("text"),
    "none": lambda: None,
    "number": lambda: 5,
    "list": lambda: [b"list"],
    "array": lambda: array.array("B", b"array"),
}


def received(connection: Any) -> bytes:
    try:
        return bytes(connection.peer.recv(1000))
    except BlockingIOError:
        return b"(nothing)"


@pytest.mark.parametrize("name", THINGS)
@same_on_both
def test_things_that_are_written(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        see.attempt(connection.transport.write, THINGS[name]())
        see(received(connection))
        await turns(aio)
        connection.transport.close()
        await turns(aio)
        see.attempt(connection.transport.write, THINGS[name]())
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("name", THINGS)
@same_on_both
def test_things_that_are_written_in_lists(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        see.attempt(connection.transport.writelines, [THINGS[name](), b"|", THINGS[name]()])
        see(received(connection))
        connection.transport.abort()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("lines", [[], (), [b"a", b"b"], (b"a", b"b"), "iterator", {b"a": 1}])
@same_on_both
def test_lists_of_every_kind(aio: ModuleType, see: Witness, lines: Any) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        given = iter([b"x", b"y"]) if lines == "iterator" else lines
        see.attempt(connection.transport.writelines, given)
        see(received(connection))
        connection.transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("method", ["write", "writelines", "set_protocol", "close", "get_write_buffer_size"])
@pytest.mark.parametrize(
    "arguments", [((), {}), ((b"1", b"2"), {}), ((), {"data": b"by name"}), ((), {"x": 1})]
)
@same_on_both
def test_calls_that_do_not_fit(aio: ModuleType, see: Witness, method: str, arguments: Any) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        args, kwargs = arguments
        see.attempt(getattr(connection.transport, method), *args, **kwargs)
        see(received(connection))
        connection.transport.abort()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@same_on_both
def test_flow_control(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        connection = await connect(Told(see), buffer_size=SMALL)
        transport = connection.transport
        see(transport.get_write_buffer_limits())
        transport.set_write_buffer_limits(high=100, low=10)
        await connection.fill(see)
        transport.write(b"x" * 50)
        see(repr(transport).split(",")[0])
        before = transport.get_write_buffer_size()
        transport.write(b"x" * 51)
        see(transport.get_write_buffer_size() - before, bool(transport._buffer), len(transport._buffer) > 0)
        while transport.get_write_buffer_size():
            connection.read_all()
            await turns(aio, 1)
        see("drained", transport._protocol_paused)
        transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())


LIMITS: list[dict[str, Any]] = [
    {},
    {"high": 0},
    {"high": 10},
    {"low": 10},
    {"high": 10, "low": 10},
    {"high": 10, "low": 11},
    {"high": -1},
    {"low": -1},
    {"high": 1.5},
    {"high": float("inf")},
    {"high": 10**400},
    {"high": "10"},
    {"high": float("nan")},
    {"high": True},
]


@pytest.mark.parametrize("limits", LIMITS, ids=repr)
@same_on_both
def test_limits_of_every_kind(aio: ModuleType, see: Witness, limits: dict[str, Any]) -> None:
    async def main() -> None:
        connection = await connect(Told(see), buffer_size=SMALL)
        transport = connection.transport
        see.attempt(transport.set_write_buffer_limits, **limits)
        see.attempt(transport.get_write_buffer_limits)
        await connection.fill(see)
        see.attempt(transport.set_write_buffer_limits, **limits)
        see(transport._protocol_paused)
        transport.abort()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
@same_on_both
def test_flow_control_callbacks_raise(aio: ModuleType, see: Witness, name: str) -> None:
    def fail(*args: Any) -> None:
        raise ValueError("from " + name)

    loop = see.new_loop()
    connection = loop.run_until_complete(connect(Told(see, **{name: fail}), buffer_size=SMALL))
    transport = connection.transport
    transport.set_write_buffer_limits(high=0)
    see.attempt(transport.write, bytes(1 << 20))
    for _ in range(1000):
        if not transport.get_write_buffer_size():
            break
        connection.read_all()
        loop.run_until_complete(aio.sleep(0))
    see("drained", transport.get_write_buffer_size())
    transport.abort()
    loop.run_until_complete(turns(aio))
    connection.peer.close()


@same_on_both
def test_more_is_written_while_writing_resumes(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        left = [3]

        def more(protocol: Any) -> None:
            left[0] -= 1
            if left[0]:
                protocol.transport.write(bytes(1 << 17))

        connection = await connect(Told(see, resume_writing=more), buffer_size=SMALL)
        connection.transport.write(bytes(1 << 17))
        count = 0
        for _ in range(5000):
            count += connection.read_all()
            await aio.sleep(0)
        see(count)
        connection.transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("end", ["close", "abort", "write_eof", "write_eof and close"])
@pytest.mark.parametrize("full", [False, True])
@same_on_both
def test_the_end_of_writing(aio: ModuleType, see: Witness, end: str, full: bool) -> None:
    async def main() -> None:
        connection = await connect(Told(see, eof_received=lambda protocol: True), buffer_size=SMALL)
        transport = connection.transport
        see(transport.can_write_eof())
        if full:
            await connection.fill(see)
        for method in end.split(" and "):
            see.attempt(getattr(transport, method))
            see.attempt(getattr(transport, method))
        see(transport.is_closing(), transport._eof, transport._closing, transport._conn_lost)
        if "eof" in end:
            see.attempt(transport.write, b"more")
            see.attempt(transport.writelines, [b"more"])
        await turns(aio)
        connection.read_all()
        for _ in range(3000):
            connection.read_all()
            await aio.sleep(0)
        see("end of file", connection.peer.recv(10) if not full else None)
        if transport._loop is not None:  # Before 3.14 asyncio's abort() fails on a connection that ended so.
            transport.abort()
        await turns(aio)
        see(transport.is_closing(), transport._sock, transport._loop, transport._protocol)
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("method", ["write", "writelines"])
@same_on_both
def test_writes_to_a_lost_connection_are_counted(aio: ModuleType, see: Witness, method: str) -> None:
    if method == "writelines" and sys.version_info < (3, 14):
        see("older releases queue such lines for a socket that is gone")
        return

    async def main() -> None:
        connection = await connect(Told(see))
        transport = connection.transport
        transport.abort()
        for _ in range(4):
            see(transport._conn_lost, getattr(transport, method)([b"x"] if method == "writelines" else b"x"))
        await turns(aio)
        for _ in range(4):
            see(transport._conn_lost, getattr(transport, method)([b"x"] if method == "writelines" else b"x"))
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
@pytest.mark.parametrize("full", [False, True])
@same_on_both
def test_the_peer_goes_away(aio: ModuleType, see: Witness, family: int, full: bool) -> None:
    async def main() -> None:
        connection = await connect(Told(see), family=family, buffer_size=SMALL)
        transport = connection.transport
        transport.pause_reading()
        if full:
            await connection.fill(see)
        # A reset, not an orderly end.
        if family == socket.AF_INET:
            linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
            connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.peer.close()
        await aio.sleep(0.02)
        see.attempt(transport.write, b"to nobody")
        await turns(aio)
        see.attempt(transport.write, b"to nobody")
        see(transport.is_closing(), transport.get_write_buffer_size())

    see.run(main())


def test_every_byte_arrives_once_and_in_order() -> None:
    """Random pieces of every kind against a peer that reads little by little."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print("seed", seed)
    dice = random.Random(seed)

    def some(connection: Any) -> bytes:
        try:
            return bytes(connection.peer.recv(dice.choice([100, 10_000, 100_000])))
        except BlockingIOError:
            return b""

    async def main() -> None:
        connection = await connect(asyncio.Protocol(), buffer_size=SMALL)
        sent, got = bytearray(), bytearray()
        for _ in range(400):
            pieces = [dice.randbytes(dice.choice([1, 10, 1000, 70_000])) for _ in range(dice.randint(1, 4))]
            for piece in pieces:
                sent += piece
            if len(pieces) > 1:
                connection.transport.writelines(dice.choice([list, tuple, iter])(pieces))
            else:
                connection.transport.write(dice.choice([bytes, bytearray, memoryview])(pieces[0]))
            while connection.transport.get_write_buffer_size() > 200_000:
                got += some(connection)
                await asyncio.sleep(0)
        buffer = connection.transport._buffer
        waiting = len(buffer) if sys.version_info < (3, 12) else sum(map(len, buffer))
        assert connection.transport.get_write_buffer_size() == waiting
        connection.transport.close()
        while len(got) < len(sent):
            got += some(connection)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert connection.peer.recv(1) == b""
        assert bytes(got) == bytes(sent)
        connection.peer.close()

    roundelay.run(main())


def test_more_pieces_than_one_call_takes() -> None:
    async def main() -> None:
        connection = await connect(asyncio.Protocol(), buffer_size=SMALL)
        pieces = [b"%d," % number for number in range(5000)]
        connection.transport.writelines(pieces)
        connection.transport.close()
        got = bytearray()
        while data := await asyncio.get_running_loop().sock_recv(connection.peer, 100_000):
            got += data
        assert bytes(got) == b"".join(pieces)
        connection.peer.close()

    roundelay.run(main())


def test_what_was_written_may_be_changed_afterwards() -> None:
    """asyncio keeps a view of it from 3.12 on, and then a bytearray cannot grow; we keep a copy."""

    async def main() -> None:
        connection = await connect(asyncio.Protocol(), buffer_size=SMALL)
        await connection.fill(lambda *_: None)  # type: ignore[arg-type]
        data = bytearray(b"first")
        connection.transport.write(data)
        data[:] = b"something else"
        connection.transport.close()
        got = bytearray()
        while piece := await asyncio.get_running_loop().sock_recv(connection.peer, 100_000):
            got += piece
        assert got.endswith(b"\0first")
        connection.peer.close()

    roundelay.run(main())
