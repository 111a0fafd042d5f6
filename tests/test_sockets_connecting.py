"""`sock_connect`, `sock_accept`: as on asyncio, turn by turn."""

import asyncio
import errno
import gc
import os
import socket
import sys
import tempfile
import warnings
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.sockets import listening, pair, turns, unconnected


@same_on_both
def test_a_connection_is_made_from_both_ends(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for family in (socket.AF_INET, socket.AF_INET6):
            with listening(family) as listener, unconnected(family) as near:
                accepting = loop.create_task(loop.sock_accept(listener))
                await turns(aio)
                connecting = loop.create_task(loop.sock_connect(near, listener.getsockname()))
                for turn in range(5):
                    see(turn, accepting.done(), connecting.done())
                    await aio.sleep(0)
                see(await connecting)
                far, address = await accepting
                with far:
                    see(type(far), far.family, far.type, far.proto, far.gettimeout(), far.get_inheritable())
                    see(address == near.getsockname(), far.getpeername() == address)
                    see(len(address), near.getpeername() == listener.getsockname())
                    await loop.sock_sendall(near, b"hello")
                    see(await loop.sock_recv(far, 100))
                    see(far._io_refs, far._closed)  # type: ignore[attr-defined]
                    # What makes a file of it counts its uses.
                    with far.makefile("wb") as file:
                        far.close()
                        file.write(b"goodbye")
                    see(await loop.sock_recv(near, 100), far.fileno())

    see.run(main())


@same_on_both
def test_unix_sockets_connect_as_well(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket é")
            for address in (path, os.fsencode(path) + b"2", "\0roundelay-test-abstract"):
                with (
                    listening(socket.AF_UNIX, address=address) as listener,
                    unconnected(socket.AF_UNIX) as near,
                ):
                    see(await loop.sock_connect(near, address))
                    far, peer = await loop.sock_accept(listener)
                    with far:
                        see(peer, far.family, near.getpeername() == listener.getsockname())
            with unconnected(socket.AF_UNIX) as near:
                for wrong in (path + "3", "", b"", "x" * 200, "a\0b", None, 1, ("127.0.0.1", 1)):
                    error = await see.attempt_await(loop.sock_connect(near, wrong))
                    see(isinstance(error, OSError) and error.errno)

    see.run(main())


@same_on_both
def test_a_refused_connection_says_where_to(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for family in (socket.AF_INET, socket.AF_INET6):
            with listening(family) as listener:
                address = listener.getsockname()
            with unconnected(family) as near:
                for _ in range(2):
                    try:
                        await loop.sock_connect(near, address)
                    except OSError as error:
                        text = str(error).replace(str(address[1]), "PORT")
                        see(type(error).__name__, error.errno, text, error.__context__)
                see(loop.remove_writer(near))

    see.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_misuse_is_refused_in_asyncios_words(aio: ModuleType, see: Witness, debug: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with unconnected() as near, unconnected(socket.AF_INET6) as six:
            for address in (
                None,
                1,
                "127.0.0.1",
                (),
                ("127.0.0.1",),
                ("127.0.0.1", None),
                ("127.0.0.1", -1),
                ("127.0.0.1", 1 << 16),
                ("127.0.0.1", 1 << 70),
                ("127.0.0.1", 1, 2, 3, 4),
                ("127.0.0.1", b""),
                ("::1", 1),
            ):
                see(address)
                await see.attempt_await(loop.sock_connect(near, address))
            for address in (("127.0.0.1", 1), ("::1", 1, -1), ("::1", 1, 1 << 20), ("::1", 1, 0, 1 << 33)):
                see(address)
                await see.attempt_await(loop.sock_connect(six, address))
            await see.attempt_await(loop.sock_accept(near))
        for nonsense in (None, 1, object()):
            await see.attempt_await(loop.sock_connect(nonsense, ("127.0.0.1", 1)))
            await see.attempt_await(loop.sock_accept(nonsense))
        await see.attempt_await(loop.sock_connect(near, ("127.0.0.1", 1)))
        await see.attempt_await(loop.sock_accept(near))
        for name in ("sock_connect", "sock_accept"):
            see.attempt(getattr(loop, name))
            see.attempt(getattr(loop, name), 1, 2, 3, 4)

    see.run(main(), debug=debug)


@same_on_both
def test_ports_are_taken_as_asyncio_takes_them(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for family, hosts in (
            (socket.AF_INET, ["127.0.0.1", b"127.0.0.1", "127.1", "localhost"]),
            (socket.AF_INET6, ["::1", b"::1", "0:0::1", "::1%lo"]),
        ):
            with listening(family) as listener:
                port = listener.getsockname()[1]
                for host in hosts:
                    for given in (port, str(port), str(port).encode(), float(port)):
                        with unconnected(family) as near:
                            see(host, type(given).__name__)
                            await see.attempt_await(loop.sock_connect(near, (host, given)))
                            far, _ = await loop.sock_accept(listener) if _connected(near) else (near, None)
                            far.close()

    see.run(main())


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


@same_on_both
def test_a_datagram_socket_gets_its_peer(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with unconnected(kind=socket.SOCK_DGRAM) as near, unconnected(kind=socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            see(await loop.sock_connect(near, far.getsockname()))
            await loop.sock_sendall(near, b"datagram")
            see(await loop.sock_recv(far, 100), near.getpeername() == far.getsockname())

    see.run(main())


@same_on_both
def test_accepting_waits_and_is_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener:
            task = loop.create_task(loop.sock_accept(listener))
            await turns(aio)
            task.cancel()
            await see.attempt_await(task)
            see(loop.remove_reader(listener))
            # Nobody is lost.
            with socket.create_connection(listener.getsockname()) as near:
                far, address = await loop.sock_accept(listener)
                far.close()
                see(address == near.getsockname())

    see.run(main())


def test_a_connection_that_comes_when_accepting_is_cancelled_is_left_to_the_next() -> None:
    # (asyncio before 3.14 takes it and loses it.)
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening() as listener:
            task = loop.create_task(loop.sock_accept(listener))
            await turns(roundelay)
            loop.call_soon(task.cancel)
            near = socket.create_connection(listener.getsockname())
            with near:
                await roundelay.gather(task, return_exceptions=True)
                assert task.cancelled()
                far, address = await loop.sock_accept(listener)
                far.close()
                assert address == near.getsockname()

    roundelay.run(main())


@same_on_both
def test_connecting_is_cancelled_and_tried_again(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with unconnected() as listener, unconnected() as near:
            listener.bind(("127.0.0.1", 0))
            address = listener.getsockname()
            # Nobody listens yet, but that is not known when the task is cancelled.
            task = loop.create_task(loop.sock_connect(near, address))
            await aio.sleep(0)
            task.cancel()
            await see.attempt_await(task)
            see(loop.remove_writer(near))
        with listening() as listener, unconnected() as near:
            task = loop.create_task(loop.sock_connect(near, listener.getsockname()))
            await aio.sleep(0)
            task.cancel()
            # It goes on in the background: asking again says that it is connected.
            await see.attempt_await(task)
            await turns(aio)
            error = await see.attempt_await(loop.sock_connect(near, listener.getsockname()))
            see(error is None or error.errno == errno.EISCONN, _connected(near))

    see.run(main())


def test_a_number_that_is_another_files_by_now_is_watched_all_the_same() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening() as listener:
            address = listener.getsockname()
            with unconnected() as near:
                number = near.fileno()
                first = loop.create_task(loop.sock_connect(near, address))
                await roundelay.sleep(0)
                first.cancel()
            with unconnected() as again:
                assert again.fileno() == number
                second = loop.create_task(loop.sock_connect(again, address))
                await roundelay.gather(first, return_exceptions=True)
                assert first.cancelled()
                await second
                assert again.getpeername() == address

    roundelay.run(main())


def test_cancelled_connects_leak_nothing() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        before = len(os.listdir("/proc/self/fd"))
        with listening(backlog=0) as listener:
            for turn in range(100):
                with unconnected() as near:
                    task = loop.create_task(loop.sock_connect(near, listener.getsockname()))
                    await turns(roundelay, turn % 3)
                    task.cancel()
                    await roundelay.gather(task, return_exceptions=True)
                    assert near.fileno() not in loop._selector.get_map()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before

    roundelay.run(main())


def test_a_result_that_nobody_takes_is_closed() -> None:
    # The task is cancelled when it is accepted already: the connection goes with the future.
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening() as listener:
            task = loop.create_task(loop.sock_accept(listener))
            await turns(roundelay)
            with socket.create_connection(listener.getsockname()) as near:
                near.settimeout(10)
                await roundelay.sleep(0)
                # Behind what the loop has found, in front of the task's next step.
                loop.call_soon(task.cancel)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    await roundelay.gather(task, return_exceptions=True)
                    assert task.cancelled()
                    del task
                    gc.collect()
                assert [warning.category for warning in caught] == [ResourceWarning]
                assert near.recv(1) == b""

    roundelay.run(main())


@same_on_both
def test_sockets_get_the_default_timeout_but_not_those_of_the_loop(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for timeout in (None, 3.5, 0.0):
            socket.setdefaulttimeout(timeout)
            try:
                with listening() as listener, unconnected() as near:
                    await loop.sock_connect(near, listener.getsockname())
                    far, _ = await loop.sock_accept(listener)
                    with far:
                        see(timeout, far.gettimeout(), os.get_blocking(far.fileno()))
            finally:
                socket.setdefaulttimeout(None)

    see.run(main())


def test_an_auditor_can_refuse_an_accepted_socket_without_a_leak() -> None:
    # The kernel has handed out the descriptor already; it is closed.
    armed = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if armed and event == "socket.__new__":
            raise PermissionError("no sockets today")

    async def main() -> None:
        nonlocal armed
        loop = asyncio.get_running_loop()
        with listening() as listener, socket.create_connection(listener.getsockname()) as near:
            near.settimeout(10)
            before = len(os.listdir("/proc/self/fd"))
            armed = True
            try:
                with pytest.raises(PermissionError, match="no sockets today"):
                    await loop.sock_accept(listener)
            finally:
                armed = False
            assert len(os.listdir("/proc/self/fd")) == before
            assert near.recv(1) == b""

    sys.addaudithook(hook)
    roundelay.run(main())


@same_on_both
def test_a_pair_is_not_to_be_accepted_from(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        with pair() as (near, _):
            await see.attempt_await(aio.get_running_loop().sock_accept(near))

    see.run(main())
