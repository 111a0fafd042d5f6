"""`create_connection`, `create_unix_connection`, `connect_accepted_socket`: as on asyncio, turn by turn."""

import asyncio
import contextlib
import contextvars
import gc
import os
import pathlib
import socket
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.servers import LOCAL, Heard, attempt, finish, settle, unix_path
from support.sockets import listening, pair

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@same_on_both
def test_a_connection_is_made_in_asyncios_turns(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def factory() -> Any:
            see("factory", VARIABLE.get())
            VARIABLE.set("factory")
            return Heard(see, "client", made=lambda _: see(VARIABLE.get()))

        with unix_path() as path, listening() as listener, pair() as (near, _):
            server = await loop.create_unix_server(lambda: Heard(see), path)
            for name, connecting in (
                ("tcp", lambda: loop.create_connection(factory, *listener.getsockname())),
                ("unix", lambda: loop.create_unix_connection(factory, path)),
                ("accepted", lambda: loop.connect_accepted_socket(factory, near)),
            ):
                VARIABLE.set("unset")
                task = loop.create_task(connecting())
                turn = 0
                while not task.done():
                    see("turn", name, turn)
                    turn += 1
                    await aio.sleep(0)
                await finish(aio, await task)
            server.close()
            await settle(aio)

    see.run(main())


@same_on_both
def test_what_can_be_known_of_a_connection(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for family, host in ((socket.AF_INET, LOCAL), (socket.AF_INET6, "::1")):
            with listening(family) as listener:
                address = listener.getsockname()
                transport, protocol = await loop.create_connection(lambda: Heard(see), host, address[1])
                sock = transport.get_extra_info("socket")
                see(
                    sorted(transport._extra),
                    type(sock),
                    sock.family,
                    sock.type,
                    sock.proto,
                    sock.gettimeout(),
                )
                see(transport.get_extra_info("peername") == address)
                see(transport.get_extra_info("sockname") == sock.getsockname())
                see(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
                see(os.get_blocking(sock.fileno()), os.get_inheritable(sock.fileno()))
                see(transport.get_protocol() is protocol, transport._server)
                await finish(aio, (transport, protocol))
        with unix_path() as path, listening(socket.AF_UNIX, address=path):
            transport, protocol = await loop.create_unix_connection(lambda: Heard(see), path)
            sock = transport.get_extra_info("socket")
            see(sock.family, sock.type, sock.proto, transport.get_extra_info("peername") == path)
            see(transport.get_extra_info("sockname"))
            await finish(aio, (transport, protocol))

    see.run(main())


def test_connections_are_native() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening() as listener, pair() as (near, _):
            for connecting in (
                loop.create_connection(asyncio.Protocol, *listener.getsockname()),
                loop.create_connection(asyncio.Protocol, sock=near),
            ):
                transport, protocol = await connecting
                assert type(transport) is _core.SocketTransport
                await finish(roundelay, (transport, protocol))

    roundelay.run(main())


@same_on_both
def test_every_form_of_an_address_is_taken(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener, listening(socket.AF_INET6) as six:
            port, port6 = listener.getsockname()[1], six.getsockname()[1]
            hidden = (port, port6)
            for host in (LOCAL, LOCAL.encode(), "localhost", "127.1", "", None):
                for given in (port, str(port), str(port).encode()):
                    see(host, type(given).__name__)
                    connecting = loop.create_connection(
                        lambda: Heard(see), host, given, family=socket.AF_INET
                    )
                    await attempt(aio, see, connecting, *hidden)
            for host in ("::1", "0:0::1", "::1%lo", "::ffff:127.0.0.1"):
                see(host)
                await attempt(aio, see, loop.create_connection(lambda: Heard(see), host, port6), *hidden)
            for given in (-1, 1 << 16, 1 << 70, 1.5, None, "", "no such service"):
                see(given)
                await attempt(aio, see, loop.create_connection(lambda: Heard(see), LOCAL, given))

    see.run(main())


@same_on_both
def test_every_option_is_taken(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener:
            address = listener.getsockname()
            options: list[dict[str, Any]] = [
                {},
                {"family": 0},
                {"family": socket.AF_UNSPEC},
                {"family": socket.AF_INET},
                {"family": socket.AF_INET6},
                {"family": False},
                {"proto": socket.IPPROTO_TCP},
                {"proto": socket.IPPROTO_UDP},
                {"flags": socket.AI_NUMERICHOST},
                {"ssl": None},
                {"ssl": False},
                {"sock": None},
                {"local_addr": None},
                {"local_addr": (LOCAL, 0)},
                {"local_addr": ("::1", 0)},
                {"local_addr": ("192.0.2.1", 0)},
                {"server_hostname": None},
                {"server_hostname": "name"},
                {"server_hostname": ""},
                {"ssl_handshake_timeout": None},
                {"ssl_handshake_timeout": 1},
                {"ssl_shutdown_timeout": 1},
                {"happy_eyeballs_delay": None},
                {"happy_eyeballs_delay": 0.1},
                {"happy_eyeballs_delay": 0},
                {"interleave": None},
                {"interleave": 1},
                {"host": LOCAL},
                {"protocol_factory": Heard},
                {"nonsense": 1},
            ]
            if sys.version_info >= (3, 12):
                options += [{"all_errors": False}, {"all_errors": True}]
            else:
                options += [{"all_errors": 0}]
            for option in options:
                see(option)
                try:
                    connecting = loop.create_connection(lambda: Heard(see), *address, **option)
                except TypeError as error:
                    see("at the call", error)
                    continue
                await attempt(aio, see, connecting, address[1])
            see.attempt(loop.create_connection)
            see.attempt(loop.create_connection, Heard, 1, 2, 3)
            see.attempt(loop.create_unix_connection)
            see.attempt(loop.create_unix_connection, Heard, 1, 2)
            see.attempt(loop.connect_accepted_socket, Heard)
            await attempt(aio, see, loop.create_connection(lambda: Heard(see), port=address[1]), address[1])
            named = loop.create_connection(protocol_factory=lambda: Heard(see), host=LOCAL, port=address[1])
            await attempt(aio, see, named)

    see.run(main())


@same_on_both
def test_connections_that_fail_say_why(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with listening() as listener:
            port = listener.getsockname()[1]
        every: list[dict[str, Any]] = [{}, {"happy_eyeballs_delay": 0.01}]
        if sys.version_info >= (3, 12):
            every.append({"all_errors": True})
        for host in (LOCAL, "::1", "localhost"):
            for options in every:
                see(host, options)
                await attempt(aio, see, loop.create_connection(Heard, host, port, **options), port)
        with unix_path() as path:
            await attempt(aio, see, loop.create_unix_connection(Heard, path))
            for wrong in (b"", "", "x" * 200, "a\0b", 1, None, object):
                see(wrong)
                await attempt(aio, see, loop.create_unix_connection(Heard, wrong))

    see.run(main())


@same_on_both
def test_paths_of_every_kind_are_taken(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with unix_path() as path, listening(socket.AF_UNIX, address=path):
            for given in (path, os.fsencode(path), pathlib.Path(path)):
                await attempt(aio, see, loop.create_unix_connection(lambda: Heard(see), given))
            for options in (
                {"ssl": None},
                {"sock": None},
                {"server_hostname": None},
                {"server_hostname": "name"},
            ):
                see(options)
                await attempt(aio, see, loop.create_unix_connection(lambda: Heard(see), path, **options))
        with listening(socket.AF_UNIX, address="\0roundelay-test-outgoing"):
            for abstract in ("\0roundelay-test-outgoing", b"\0roundelay-test-outgoing"):
                await attempt(aio, see, loop.create_unix_connection(lambda: Heard(see), abstract))

    see.run(main())


@same_on_both
def test_sockets_that_are_given_are_taken(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        methods = {
            "create_connection": lambda sock: loop.create_connection(lambda: Heard(see), sock=sock),
            "create_unix_connection": lambda sock: loop.create_unix_connection(lambda: Heard(see), sock=sock),
            "connect_accepted_socket": lambda sock: loop.connect_accepted_socket(lambda: Heard(see), sock),
        }
        for name, method in methods.items():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                for timeout in (0, None, 5):
                    with pair(kind=kind) as (near, _):
                        see(name, kind, timeout)
                        near.settimeout(timeout)
                        number = near.fileno()
                        await attempt(aio, see, method(near), number)
                        see(near.fileno() == -1, near.gettimeout())
            with listening() as listener, socket.create_connection(listener.getsockname()) as near:
                # Not a Unix socket.
                see(name, "TCP")
                error = await see.attempt_await(_closing(aio, method(near)))
                see(type(error).__name__)
            for nonsense in (None, 1, object()):
                see(name, type(nonsense).__name__)
                await attempt(aio, see, method(nonsense))
        with listening() as listener, pair() as (near, _):
            address = listener.getsockname()
            await attempt(aio, see, loop.create_connection(Heard, *address, sock=near))
            await attempt(aio, see, loop.create_connection(Heard, sock=near, host=LOCAL))
            await attempt(aio, see, loop.create_unix_connection(Heard, "path", sock=near))
            see(near.fileno() != -1)

    see.run(main())


async def _closing(aio: ModuleType, connecting: Any) -> None:
    await finish(aio, await connecting)


class OwnSocket(socket.socket):
    """A socket of the user's."""


@same_on_both
def test_sockets_of_a_class_of_the_users_are_taken(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for method in ("create_connection", "connect_accepted_socket"):
            with pair() as (near, _), OwnSocket(fileno=near.detach()) as own:
                connecting = getattr(loop, method)(lambda: Heard(see), sock=own)
                transport, protocol = await connecting
                see(transport._sock is own)
                await finish(aio, (transport, protocol))

    see.run(main())


@same_on_both
def test_a_socket_of_a_transport_is_left_to_it(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, _):
            first = await loop.create_connection(lambda: Heard(see), sock=near)
            if sys.version_info >= (3, 12):
                for connecting in (
                    loop.create_connection(lambda: Heard(see), sock=near),
                    loop.connect_accepted_socket(lambda: Heard(see), near),
                ):
                    with contextlib.suppress(RuntimeError):
                        await connecting
                        see("not refused")
                    see(near.fileno() == -1)
            await finish(aio, first)

    see.run(main())


@pytest.mark.parametrize("turn", range(6))
@same_on_both
def test_cancelling_ends_a_connection_in_the_making(aio: ModuleType, see: Witness, turn: int) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        before = len(os.listdir("/proc/self/fd"))
        with listening() as listener:
            task = loop.create_task(loop.create_connection(lambda: Heard(see), *listener.getsockname()))
            for _ in range(turn):
                await aio.sleep(0)
            see(task.cancel())
            try:
                await finish(aio, await task)
            except aio.CancelledError as error:
                see("cancelled", error.__context__)
            await settle(aio)
            del task
            gc.collect()
            see(len(loop._selector.get_map()))
        see(len(os.listdir("/proc/self/fd")) == before)

    see.run(main())


@same_on_both
def test_a_factory_that_fails_ends_the_attempt(aio: ModuleType, see: Witness) -> None:
    def factory() -> Any:
        raise ValueError("no protocol today")

    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, _), pair() as (other, _):
            await see.attempt_await(loop.connect_accepted_socket(factory, near))
            await see.attempt_await(loop.create_connection(factory, sock=other))
            # From some release on it is closed.
            see(near.fileno() == -1, other.fileno() == -1)

    see.run(main())


def test_a_factory_that_fails_leaves_no_socket_behind() -> None:
    def factory() -> Any:
        raise ValueError("no protocol today")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening() as listener, unix_path() as path, listening(socket.AF_UNIX, address=path):
            before = len(os.listdir("/proc/self/fd"))
            for connecting in (
                loop.create_connection(factory, *listener.getsockname()),
                loop.create_unix_connection(factory, path),
            ):
                with pytest.raises(ValueError, match="no protocol today"):
                    await connecting
            assert len(os.listdir("/proc/self/fd")) == before

    roundelay.run(main())
