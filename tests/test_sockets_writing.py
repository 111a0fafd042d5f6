"""`sock_sendall`, `sock_sendto`: as on asyncio, turn by turn."""

import array
import asyncio
import errno
import socket
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.sockets import drain, fill, pair, turns, unconnected

SIZE = 300_000


def datagrams(family: int) -> Any:
    return unconnected(family, socket.SOCK_DGRAM)


@same_on_both
def test_what_there_is_room_for_is_sent_at_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        order: list[str] = []
        with pair() as (near, far):
            loop.call_soon(order.append, "a turn")
            for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"view"), b""):
                see(await loop.sock_sendall(near, data))
            see(far.recv(100), order)

    see.run(main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@same_on_both
def test_what_there_is_no_room_for_waits(aio: ModuleType, see: Witness, kind: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair(buffer_size=4096) as (near, far):
            content = bytes(range(250)) * (SIZE // 250)
            data = kind(content)
            task = loop.create_task(loop.sock_sendall(near, data))
            await turns(aio)
            see(task.done())
            if kind is bytearray:
                # It is sent from where it is.
                see.attempt(data.append, 1)
            received = bytearray()
            while len(received) < SIZE:
                received += await loop.sock_recv(far, 1 << 16)
            see(bytes(received) == content, await task)
            if kind is bytearray:
                see.attempt(data.append, 1)

    see.run(main())


@same_on_both
def test_a_full_socket_is_waited_for(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair(buffer_size=4096) as (near, far):
            fill(near)
            task = loop.create_task(loop.sock_sendall(near, b"the end"))
            for turn in range(10):
                see(turn, task.done())
                if turn == 3:
                    drain(far)
                await aio.sleep(0)
            await task
            see(far.recv(100))

    see.run(main())


@same_on_both
def test_a_datagram_that_does_not_fit_waits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with (
            unconnected(socket.AF_UNIX, socket.SOCK_DGRAM) as near,
            unconnected(socket.AF_UNIX, socket.SOCK_DGRAM) as far,
        ):
            far.bind("\0roundelay-test-datagrams")
            while True:
                try:
                    near.sendto(b"x" * 1000, far.getsockname())
                except BlockingIOError:
                    break
            task = loop.create_task(loop.sock_sendto(near, b"the end", far.getsockname()))
            await turns(aio)
            see(task.done())
            while drain(far):
                pass
            see(await task, far.recv(100))

    see.run(main())


@same_on_both
def test_datagrams_go_where_they_are_sent(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with (
                unconnected(family, socket.SOCK_DGRAM) as near,
                unconnected(family, socket.SOCK_DGRAM) as far,
            ):
                near.bind((host, 0))
                far.bind((host, 0))
                port = far.getsockname()[1]
                addresses: list[Any] = [(host, port), far.getsockname()]
                if family == socket.AF_INET:
                    addresses.append(("localhost", port))
                for address in addresses:
                    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"view"), b""):
                        see(await loop.sock_sendto(near, data, address))
                        received, sender = await loop.sock_recvfrom(far, 100)
                        see(received, sender == near.getsockname(), len(sender))
                for address in (("256.0.0.1", port, 1), (host, -1), (host, 1 << 16), (host,), None, host):
                    await see.attempt_await(loop.sock_sendto(near, b"data", address))
                await see.attempt_await(loop.sock_sendto(near, b"x" * 70_000, far.getsockname()))
                await see.attempt_await(loop.sock_sendto(near, "text", far.getsockname()))

    see.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_misuse_is_refused_in_asyncios_words(aio: ModuleType, see: Witness, debug: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            for data in (None, "text", 1, [1]):
                await see.attempt_await(loop.sock_sendall(near, data))
            for nonsense in (None, 1, "socket", object()):
                await see.attempt_await(loop.sock_sendall(nonsense, b"data"))
                await see.attempt_await(loop.sock_sendto(nonsense, b"data", None))
            # More bytes than it has items.
            with memoryview(array.array("I", [1, 2])) as view:
                task = loop.create_task(loop.sock_sendall(near, view))
                await turns(aio, 5)
                see(task.done(), far.recv(100))
                task.cancel()
                await see.attempt_await(task)
            far.close()
            await see.attempt_await(loop.sock_sendall(near, b"data"))
            near.close()
            await see.attempt_await(loop.sock_sendall(near, b"data"))
        for name in ("sock_sendall", "sock_sendto"):
            see.attempt(getattr(loop, name))
            see.attempt(getattr(loop, name), 1, 2, 3, 4)

    see.run(main(), debug=debug)


@same_on_both
def test_a_socket_that_blocks_is_refused_in_debug_mode(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            near.setblocking(True)
            await see.attempt_await(loop.sock_sendall(near, b"data"))
            await see.attempt_await(loop.sock_sendto(near, b"data", far.getsockname()))
            await see.attempt_await(loop.sock_connect(near, far.getsockname()))
            await see.attempt_await(loop.sock_accept(near))

    see.run(main(), debug=True)


@same_on_both
def test_a_peer_that_goes_away_ends_the_waiting(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair(buffer_size=4096) as (near, far):
            task = loop.create_task(loop.sock_sendall(near, bytes(SIZE)))
            await turns(aio)
            far.close()
            await see.attempt_await(task)
            see(loop.remove_writer(near))

    see.run(main())


@same_on_both
def test_cancelling_ends_the_waiting(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for turn in range(4):
            with pair(buffer_size=4096) as (near, far):
                task = loop.create_task(loop.sock_sendall(near, bytes(SIZE)))
                await turns(aio)
                drain(far)
                await turns(aio, turn)
                task.cancel()
                await see.attempt_await(task)
                see(loop.remove_writer(near))

    see.run(main())


class Slow(socket.socket):
    """A socket of the user's, which sends a little at a time."""

    parts: list[int]

    def send(self, data: Any, *args: Any) -> int:
        if len(self.parts) % 3 == 2:
            self.parts.append(0)
            raise BlockingIOError(errno.EAGAIN, "wait")
        self.parts.append(len(data))
        return super().send(data[:10], *args)


@same_on_both
def test_methods_of_a_socket_of_the_users_are_called(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for data in (bytes(range(100)), bytearray(range(100))):
            with pair() as (near, far), Slow(fileno=near.detach()) as own:
                own.setblocking(False)
                own.parts = []
                see(await loop.sock_sendall(own, data), own.parts, far.recv(1000) == data)

    see.run(main())


def test_sending_tells_whoever_audits_where_to() -> None:
    heard: list[Any] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if armed and event in ("socket.sendto", "socket.connect"):
            heard.append((event, *arguments))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with unconnected(kind=socket.SOCK_DGRAM) as near, unconnected(kind=socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            address = far.getsockname()
            assert await loop.sock_sendto(near, b"data", address) == 4
            await loop.sock_connect(near, address)
            assert heard == [("socket.sendto", near, address), ("socket.connect", near, address)]
            heard.clear()

    armed = True
    sys.addaudithook(hook)
    try:
        roundelay.run(main())
    finally:
        armed = False
