"""What a program puts in the place of the loop's own methods is called, as asyncio's code calls it."""

import gc
import socket
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.sockets import fill, listening, pair, turns, unconnected

HOOKS = [
    "_add_reader",
    "_add_writer",
    "_remove_reader",
    "_remove_writer",
    "remove_reader",
    "remove_writer",
    "_ensure_fd_no_transport",
    "_ensure_resolved",
    "create_future",
    "getaddrinfo",
    "getnameinfo",
    "run_in_executor",
]


async def use_everything(aio: ModuleType, see: Witness) -> None:
    loop = aio.get_running_loop()
    with pair(buffer_size=4096) as (near, far):
        for receiving in (
            lambda: loop.sock_recv(near, 10),
            lambda: loop.sock_recv_into(near, bytearray(10)),
            lambda: loop.sock_recvfrom(near, 10),
            lambda: loop.sock_recvfrom_into(near, bytearray(10)),
        ):
            task = loop.create_task(receiving())
            await turns(aio)
            far.send(b"data")
            see(await task)
        room = fill(near)
        task = loop.create_task(loop.sock_sendall(near, b"the end"))
        await turns(aio)
        while room:
            room -= len(far.recv(1 << 16))
        see(await task, far.recv(10))
    with listening() as listener, unconnected() as near:
        task = loop.create_task(loop.sock_accept(listener))
        await turns(aio)
        see(await loop.sock_connect(near, ("localhost", listener.getsockname()[1])))
        far, _ = await task
        far.close()
    with unconnected(kind=socket.SOCK_DGRAM) as near:
        see(await loop.sock_connect(near, ("127.0.0.1", 9)))
        see(await loop.sock_sendto(near, b"data", ("127.0.0.1", 9)))
    see(await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
    see(await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))
    await loop.shutdown_default_executor()


@pytest.mark.parametrize("name", HOOKS)
@same_on_both
def test_a_subclass_hears_of_everything(aio: ModuleType, see: Witness, name: str) -> None:
    plain = see.new_loop()

    def hook(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.is_closed():
            see(name, len(args), sorted(kwargs))
        return getattr(type(plain), name)(self, *args, **kwargs)

    loop = type("Own", (type(plain),), {name: hook})()
    try:
        loop.run_until_complete(use_everything(aio, see))
    finally:
        loop.close()


@pytest.mark.parametrize("name", HOOKS)
@same_on_both
def test_a_method_of_one_loop_hears_of_everything(aio: ModuleType, see: Witness, name: str) -> None:
    loop = see.new_loop()
    own = getattr(loop, name)

    def hook(*args: Any, **kwargs: Any) -> Any:
        if not loop.is_closed():
            see(name, len(args), sorted(kwargs))
        return own(*args, **kwargs)

    setattr(loop, name, hook)
    loop.run_until_complete(use_everything(aio, see))


@same_on_both
def test_public_readers_and_writers_go_through_the_hooks(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            for name in ("_add_reader", "_add_writer", "_remove_reader", "_remove_writer"):
                own = getattr(loop, name)

                def hook(*args: Any, own: Any = own, name: str = name) -> Any:
                    see(name, len(args))
                    return own(*args)

                setattr(loop, name, hook)
            see(loop.add_reader(near, see, "readable"), loop.add_writer(near, see, "writable", 1, 2))
            far.send(b"data")
            await turns(aio)
            see(loop.remove_reader(near), loop.remove_writer(near))
            see(loop.remove_reader(near), loop.remove_writer(fd=near))
            see(loop.add_reader(callback=see, fd=near), loop.remove_reader(near))
            for nonsense in (None, "socket", 1.5, object(), -1):
                for method in (loop.add_reader, loop.add_writer):
                    see.attempt(method, nonsense, see)
                for method in (loop.remove_reader, loop.remove_writer, loop._ensure_fd_no_transport):
                    see.attempt(method, nonsense)
            for method in (loop.add_reader, loop.add_writer, loop.remove_reader, loop.remove_writer):
                see.attempt(method)
                see.attempt(method, near, see, number=1)

    see.run(main())


@same_on_both
def test_public_readers_and_writers_refuse_what_asyncios_refuse(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            transport, _ = await loop.connect_accepted_socket(aio.Protocol, near)
            for name in ("add_reader", "add_writer"):
                see.attempt(getattr(loop, name), near, see)
            for name in ("remove_reader", "remove_writer"):
                see.attempt(getattr(loop, name), near)
            transport.close()
            far.send(b"data")
            see(loop.add_reader(near, see, "readable"), loop.remove_reader(near))
            await turns(aio)
        for nonsense in (None, "socket", 1.5, object(), -1):
            for name in ("add_reader", "add_writer"):
                see.attempt(getattr(loop, name), nonsense, see)
            for name in ("remove_reader", "remove_writer", "_ensure_fd_no_transport"):
                see.attempt(getattr(loop, name), nonsense)
        for name in ("add_reader", "add_writer", "remove_reader", "remove_writer"):
            see.attempt(getattr(loop, name))
        for name in ("add_reader", "add_writer"):
            try:
                getattr(loop, name)(1 << 40, see)
            except OverflowError as error:
                # (In older releases it has contexts, which are accidents.)
                see(str(error))
        see(loop.remove_reader(1 << 40), loop.remove_writer(1 << 40))
        see(loop._transports.get(far), len(loop._transports))

    see.run(main())


@same_on_both
def test_transports_are_found_by_descriptor_and_not_kept_alive(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, _):
            fd = near.fileno()
            transport, _ = await loop.connect_accepted_socket(aio.Protocol, near)
            table = loop._transports
            see(table[fd] is transport, table.get(fd) is transport, fd in table, list(table) == [fd])
            see(len(table), list(table.values()) == [transport])
            del table[fd]
            see(fd in table, table.get(fd), len(table))
            see.attempt(table.pop, "nothing", None)
            table[fd] = transport
            see(table[fd] is transport)
            transport.close()
            await turns(aio)
            del transport
            gc.collect()
            see(fd in table, list(table), len(table))

    see.run(main())
