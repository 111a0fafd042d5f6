"""When a native transport calls its protocol: the same calls in the same turns as asyncio's transport."""

import asyncio
import contextvars
import socket
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, connect, turns

PROTOCOLS = [Told, ToldByBuffer]


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
@same_on_both
def test_a_whole_life(aio: ModuleType, see: Witness, kind: Any, family: int) -> None:
    async def main() -> None:
        connection = await connect(kind(see), family=family)
        see("connected")
        for piece in (b"one", b"two", b"three and more than eight"):
            connection.peer.sendall(piece)
            await aio.sleep(0.02 if family == socket.AF_INET else 0)
            see("turn")
            await turns(aio, 6)
        see("write", connection.transport.write(b"answer"), connection.peer.recv(100))
        connection.peer.close()
        await aio.sleep(0.02 if family == socket.AF_INET else 0)
        await turns(aio)
        see(repr(connection.transport))

    see.run(main())


@same_on_both
def test_each_callback_has_its_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def tick(number: int) -> None:
            see("tick", number)
            if number < 12:
                loop.call_soon(tick, number + 1)

        near, far = socket.socketpair()
        far.setblocking(False)
        far.sendall(b"early")
        protocol = Told(see)
        task = loop.create_task(loop.connect_accepted_socket(lambda: protocol, near))
        tick(0)
        task.add_done_callback(lambda _: see("connected"))
        await turns(aio, 6)
        far.close()
        await turns(aio, 8)

    see.run(main())


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize(
    "name",
    ["connection_made", "data_received", "get_buffer", "buffer_updated", "eof_received", "connection_lost"],
)
@pytest.mark.parametrize(
    "error", [ValueError, OSError, asyncio.CancelledError, KeyboardInterrupt, SystemExit]
)
@same_on_both
def test_a_callback_raises(aio: ModuleType, see: Witness, kind: Any, name: str, error: Any) -> None:
    def fail(*args: Any) -> None:
        raise error("from " + name)

    loop = see.new_loop()

    def complete(coro: Any) -> Any:
        # Those that end the run come out of it.
        try:
            return loop.run_until_complete(coro)
        except (KeyboardInterrupt, SystemExit) as raised:
            see("out of the loop", raised)
            return None

    protocol = kind(see, **{name: fail})
    near, far = socket.socketpair()
    task = loop.create_task(loop.connect_accepted_socket(lambda: protocol, near))
    complete(turns(aio))
    far.send(b"data")
    complete(turns(aio))
    far.close()
    complete(turns(aio, 5))
    see("done", task.done())
    if protocol.transport is not None:
        protocol.transport.abort()
    complete(turns(aio, 5))
    see("still there", protocol.transport is not None and repr(protocol.transport))


@pytest.mark.parametrize("buffer", [b"", bytearray(), b"constant", memoryview(b"constant"), 5, "text"])
@same_on_both
def test_a_buffer_that_cannot_be_filled(aio: ModuleType, see: Witness, buffer: Any) -> None:
    async def main() -> None:
        connection = await connect(ToldByBuffer(see, get_buffer=lambda protocol, hint: buffer))
        connection.peer.send(b"data")
        await turns(aio, 5)
        see(connection.transport.is_closing())
        connection.peer.close()

    see.run(main())


@same_on_both
def test_buffers_of_every_shape_are_filled(aio: ModuleType, see: Witness) -> None:
    import array

    async def main() -> None:
        for buffer in (bytearray(3), array.array("i", [0] * 3), memoryview(bytearray(9))[2:7]):
            connection = await connect(ToldByBuffer(see, get_buffer=lambda *_, given=buffer: given))
            connection.peer.send(b"0123456789abcdefghij")
            await turns(aio, 8)
            see(bytes(buffer))
            connection.transport.close()
            connection.peer.close()
            await turns(aio)

    see.run(main())


@pytest.mark.parametrize("kind", PROTOCOLS)
@same_on_both
def test_reading_is_paused_and_resumed(aio: ModuleType, see: Witness, kind: Any) -> None:
    async def main() -> None:
        connection = await connect(kind(see))
        transport = connection.transport

        def states() -> None:
            see(transport.is_reading(), transport._paused, repr(transport))

        states()
        transport.pause_reading()
        transport.pause_reading()
        states()
        connection.peer.send(b"kept")
        await turns(aio)
        see("resume")
        transport.resume_reading()
        transport.resume_reading()
        states()
        await turns(aio)
        # What is ready already is not read if somebody else pauses in the same turn.
        connection.peer.send(b"late")
        aio.get_running_loop().call_soon(transport.pause_reading)
        aio.get_running_loop().call_soon(transport.resume_reading)
        await turns(aio, 1)
        see("turn")
        await turns(aio)
        transport.close()
        transport.resume_reading()
        states()
        await turns(aio)
        see.attempt(transport.pause_reading)
        see.attempt(transport.resume_reading)
        states()
        connection.peer.close()

    see.run(main())


@pytest.mark.parametrize("what", ["pause_reading", "close", "abort"])
@same_on_both
def test_reading_ends_inside_of_a_callback(aio: ModuleType, see: Witness, what: str) -> None:
    async def main() -> None:
        def stop(protocol: Any, data: bytes) -> None:
            getattr(protocol.transport, what)()

        connection = await connect(Told(see, data_received=stop))
        connection.peer.send(b"first")
        await turns(aio)
        try:
            connection.peer.send(b"second")
        except OSError as error:
            see(error)
        await turns(aio)
        connection.transport.abort()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@same_on_both
def test_a_half_closed_connection_goes_on_writing(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        connection = await connect(Told(see, eof_received=lambda protocol: True))
        connection.peer.shutdown(socket.SHUT_WR)
        await turns(aio)
        see(connection.transport.is_closing(), repr(connection.transport))
        connection.transport.write(b"still here")
        see(connection.peer.recv(100))
        connection.transport.close()
        await turns(aio)
        connection.peer.close()

    see.run(main())


@same_on_both
def test_the_protocol_changes_on_the_way(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        first, second, third = Told(see), ToldByBuffer(see), Told(see)
        connection = await connect(first)
        transport = connection.transport
        for protocol in (first, second, third):
            see(transport.get_protocol() is first)
            see("set", transport.set_protocol(protocol))
            see(transport.get_protocol() is protocol, transport._protocol is protocol)
            connection.peer.send(b"data")
            await turns(aio)
        transport.close()
        await turns(aio)
        see(transport.get_protocol())
        connection.peer.close()

    see.run(main())


@same_on_both
def test_context_variables_of_callbacks(aio: ModuleType, see: Witness) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def main() -> None:
        def note(protocol: Any, *args: Any) -> None:
            see("variable", variable.get())
            variable.set(variable.get() + "+")

        names = ("connection_made", "data_received", "eof_received", "connection_lost")
        variable.set("creator")
        connection = await connect(Told(see, **dict.fromkeys(names, note)))
        variable.set("later")
        for _ in range(3):
            connection.peer.send(b"data")
            await turns(aio)
        variable.set("pauser")
        connection.transport.pause_reading()
        variable.set("resumer")
        connection.transport.resume_reading()
        variable.set("after")
        connection.peer.send(b"data")
        await turns(aio)
        connection.peer.close()
        await turns(aio)
        see(variable.get())

    see.run(main())


@same_on_both
def test_what_debug_mode_writes(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        connection = await connect(Told(see))
        connection.transport.pause_reading()
        connection.transport.resume_reading()
        connection.peer.close()
        await turns(aio, 5)

    import logging

    class Names(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            # Which selector is used, and that socket objects have numbers, is no matter of transports.
            record.msg, record.args = record.getMessage(), None

            return "electing" not in record.msg and "selector" not in record.msg

    logger, names = logging.getLogger("asyncio"), Names()
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addFilter(names)
    try:
        see.run(main(), debug=True)
    finally:
        logger.removeFilter(names)
        logger.setLevel(level)
