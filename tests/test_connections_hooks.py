"""What stands between a program and its connections: hooks, patches, auditors, other owners of a socket."""

import asyncio
import socket
import ssl
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.servers import LOCAL, Heard, attempt, finish, serving, settle, unix_path
from support.sockets import listening, pair


@same_on_both
def test_what_a_program_puts_in_between_is_called(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener, pair() as (near, _):
            for name in (
                "sock_connect",
                "_connect_sock",
                "_create_connection_transport",
                "_make_socket_transport",
                "_ensure_resolved",
                "create_future",
            ):
                own = getattr(loop, name)

                def hook(*args: Any, own: Any = own, name: str = name, **kwargs: Any) -> Any:
                    see(name, len(args), sorted(kwargs))
                    return own(*args, **kwargs)

                setattr(loop, name, hook)
            await attempt(aio, see, loop.create_connection(lambda: Heard(see), *listener.getsockname()))
            await attempt(aio, see, loop.connect_accepted_socket(lambda: Heard(see), near))

    see.run(main())


@same_on_both
def test_a_class_in_the_place_of_socket_is_used(aio: ModuleType, see: Witness) -> None:
    # As those do that forbid tests to use the network.
    class Guarded(socket.socket):
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no sockets in tests")

    async def main() -> None:
        loop = aio.get_running_loop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", Guarded)
            await attempt(aio, see, loop.create_connection(Heard, LOCAL, 9))
            await attempt(aio, see, loop.create_unix_connection(Heard, "path"))

    see.run(main())


@same_on_both
def test_debug_mode_tells_of_connections(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        loop.slow_callback_duration = 100
        with listening() as listener, pair() as (near, _):
            address = listener.getsockname()
            pair_ = await loop.create_connection(lambda: Heard(see), *address)
            see.records[:] = [str(record).replace(str(address[1]), "PORT") for record in see.records]
            see.records[:] = [record for record in see.records if "connected to" not in record] + ["told"]
            await finish(aio, pair_)
            await finish(aio, await loop.connect_accepted_socket(lambda: Heard(see), near))

    see.run(main(), debug=True)


@same_on_both
def test_an_auditor_hears_of_connections(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener, unix_path() as path, listening(socket.AF_UNIX, address=path):
            address = listener.getsockname()
            AUDITOR.heard = []
            await attempt(aio, see, loop.create_connection(lambda: Heard(see), *address))
            await attempt(aio, see, loop.create_unix_connection(lambda: Heard(see), path))
            heard, AUDITOR.heard = AUDITOR.heard, None
            for event, arguments in heard:
                shown = [item for item in arguments if not isinstance(item, socket.socket)]
                if event == "socket.__new__":
                    # asyncio tells the socket afterwards that it is not to block.
                    shown[1] &= ~socket.SOCK_NONBLOCK
                see(event, str(shown).replace(str(address[1]), "PORT").replace(path, "PATH"))

    AUDITOR.install()
    see.run(main())


class Auditor:
    """Hears what is done with sockets. (A hook stays for good, so there is one.)"""

    def __init__(self) -> None:
        self.heard: Any = None
        self.installed = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.heard is not None and event.startswith("socket."):
            self.heard.append((event, arguments))

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self.hook)
            self.installed = True


AUDITOR = Auditor()


def test_tls_takes_asyncios_way() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with serving(asyncio.Protocol) as (_, address):
            context = ssl.create_default_context()
            connecting = loop.create_connection(
                asyncio.Protocol, *address, ssl=context, server_hostname="name"
            )
            task = loop.create_task(connecting)
            await settle(roundelay)
            assert not task.done()
            task.cancel()
            await roundelay.gather(task, return_exceptions=True)
            await settle(roundelay)

    roundelay.run(main())


def test_a_number_that_is_another_files_by_now_is_connected_all_the_same() -> None:
    # The connection in the making is cancelled, and its number used again before the task is resumed.
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        with listening() as listener:
            first = loop.create_task(loop.create_connection(asyncio.Protocol, *listener.getsockname()))
            await roundelay.sleep(0)
            first.cancel()
            second = loop.create_task(loop.create_connection(asyncio.Protocol, *listener.getsockname()))
            await roundelay.gather(first, return_exceptions=True)
            third = loop.create_task(loop.create_connection(asyncio.Protocol, *listener.getsockname()))
            for task in (second, third):
                await finish(roundelay, await task)
            assert first.cancelled()

    roundelay.run(main())


@same_on_both
def test_a_socket_that_is_detached_meanwhile_belongs_to_whoever_has_it(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            transport, _ = await loop.connect_accepted_socket(lambda: Heard(see), near)
            transport.pause_reading()
            number = near.detach()
            with socket.socket(fileno=number) as own:
                far.send(b"data")
                transport.write(b"lost")
                await settle(aio)
                see(own.recv(10))
                # The transport did not close what is not its own.
                own.send(b"more")
                see(far.recv(10))

    see.run(main())
