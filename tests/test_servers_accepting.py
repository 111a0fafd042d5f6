"""What a server does with those who knock: as on asyncio, turn by turn."""

import asyncio
import contextlib
import contextvars
import errno
import gc
import os
import resource
import socket
import sys
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core
from support.both import Witness, same_on_both
from support.servers import LOCAL, Heard, dial, serving, settle

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_accepted_connections_are_native() -> None:
    made: list[Any] = []

    class Noted(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            made.append(transport)

    async def main() -> None:
        async with serving(Noted) as (_, address):
            with dial(address):
                await settle(roundelay)
                assert [type(transport) for transport in made] == [_core.SocketTransport]
                made.pop().abort()
                await settle(roundelay)

    roundelay.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_a_connection_is_made_in_asyncios_turns(aio: ModuleType, see: Witness, debug: bool) -> None:
    def factory() -> Any:
        task = aio.current_task()
        see("factory", task is not None, task.get_coro().__qualname__, len(aio.all_tasks()))
        return Heard(see)

    async def main() -> None:
        async with serving(factory) as (_, address):
            await settle(aio)
            with dial(address) as near:
                near.send(b"early")
                for turn in range(8):
                    see("turn", turn, len(aio.all_tasks()))
                    await aio.sleep(0)
                near.send(b"later")
                await settle(aio)
            await settle(aio)

    see.run(main(), debug=debug)


@same_on_both
def test_many_who_knock_at_once_come_in_order(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        names: dict[int, int] = {}

        class Ordered(Heard):
            def connection_made(self, transport: Any) -> None:
                self.name = f"number {names[transport.get_extra_info('peername')[1]]}"
                super().connection_made(transport)

        for backlog in (1, 2, 100):
            async with serving(lambda: Ordered(see), backlog=backlog) as (server, address):
                await settle(aio)
                clients = []
                for number in range(2):
                    clients.append(dial(address))
                    names[clients[-1].getsockname()[1]] = number
                for turn in range(6):
                    see("turn", backlog, turn)
                    await aio.sleep(0)
                for client in clients:
                    client.close()
                await settle(aio)
                see(server.is_serving())

    see.run(main())


@same_on_both
def test_what_can_be_known_of_a_connection(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()

        def look(protocol: Heard) -> None:
            transport = protocol.transport
            sock = transport.get_extra_info("socket")
            see(sorted(transport._extra), type(sock), sock.family, sock.type, sock.proto)
            see(transport.get_extra_info("sockname") == address, sock.getsockname() == address)
            see(transport.get_extra_info("peername") == near.getsockname())
            see(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0, sock.gettimeout())
            see(os.get_blocking(sock.fileno()), os.get_inheritable(sock.fileno()))
            see(transport.get_extra_info("nothing"), transport.get_extra_info("nothing", 1))
            see(loop._transports[sock.fileno()] is transport, transport._server is server)
            see(type(transport._sock), transport._sock.proto)

        for host in (LOCAL, "::1"):
            async with serving(lambda: Heard(see, made=look), host=host) as (server, address):
                near = dial(address)
                with near:
                    await settle(aio)
                await settle(aio)

    see.run(main())


@same_on_both
def test_a_listening_socket_of_the_users_says_what_its_connections_are(aio: ModuleType, see: Witness) -> None:
    # A socket whose protocol is zero is none of TCP to asyncio, so that writes are not sent at once.
    def look(protocol: Heard) -> None:
        sock = protocol.transport.get_extra_info("socket")
        see(sock.proto, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)

    async def main() -> None:
        for proto in (0, socket.IPPROTO_TCP):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, proto)
            listener.bind((LOCAL, 0))
            async with serving(lambda: Heard(see, made=look), host=None, port=None, sock=listener) as (
                server,
                address,
            ):
                see(listener.gettimeout(), len(server.sockets))
                with dial(address):
                    await settle(aio)
                await settle(aio)

    see.run(main())


class OwnSocket(socket.socket):
    """A socket that does things of its own."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        return connection, ("somebody", address[1] * 0)


@same_on_both
def test_methods_of_a_listening_socket_of_the_users_are_called(aio: ModuleType, see: Witness) -> None:
    def look(protocol: Heard) -> None:
        see(protocol.transport.get_extra_info("peername"))

    async def main() -> None:
        listener = OwnSocket()
        listener.bind((LOCAL, 0))
        async with serving(lambda: Heard(see, made=look), host=None, port=None, sock=listener) as (
            _,
            address,
        ):
            with dial(address):
                await settle(aio)
            await settle(aio)

    see.run(main())


@same_on_both
def test_context_variables_reach_the_factory_and_the_protocol(aio: ModuleType, see: Witness) -> None:
    def factory() -> Any:
        see("factory", VARIABLE.get())
        VARIABLE.set("factory")
        return Heard(see, made=made, data=lambda *_: see("data", VARIABLE.get()))

    def made(protocol: Heard) -> None:
        see("made", VARIABLE.get())
        VARIABLE.set("made")

    async def main() -> None:
        VARIABLE.set("server")
        async with serving(factory) as (_, address):
            VARIABLE.set("client")
            for _ in range(2):
                with dial(address) as near:
                    near.send(b"data")
                    await settle(aio)
                await settle(aio)

    see.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_a_factory_that_fails_is_reported_in_debug_mode(aio: ModuleType, see: Witness, debug: bool) -> None:
    failures: list[type[BaseException]] = [ValueError, asyncio.CancelledError, GeneratorExit]

    def factory() -> Any:
        raise failures[0]("no protocol today")

    async def main() -> None:
        async with serving(factory) as (_, address):
            while failures:
                with dial(address) as near:
                    await settle(aio)
                    gc.collect()
                    await settle(aio)
                    see(near.recv(10))
                failures.pop(0)

    see.run(main(), debug=debug)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("make_loop", [asyncio.SelectorEventLoop, roundelay.EventLoop])
def test_a_factory_can_end_the_program(make_loop: Any, error: type[BaseException]) -> None:
    def factory() -> Any:
        raise error("stop")

    async def main() -> None:
        async with serving(factory) as (_, address):
            with dial(address):
                await asyncio.sleep(10)

    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: None)
    task = loop.create_task(main())
    with pytest.raises(error, match="stop"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    gc.collect()
    loop.close()


@pytest.mark.parametrize("turn", range(5))
@same_on_both
def test_whoever_cancels_all_tasks_ends_connections_in_the_making(
    aio: ModuleType, see: Witness, turn: int
) -> None:
    async def main() -> None:
        own = aio.current_task()
        async with serving(lambda: Heard(see)) as (_, address):
            await settle(aio)
            with dial(address) as near:
                for _ in range(turn):
                    await aio.sleep(0)
                others = [task for task in aio.all_tasks() if task is not own]
                for other in others:
                    other.cancel()
                other = None
                see(len(others))
                await settle(aio)
                cancelled = [task.cancelled() for task in others]
                others.clear()
                gc.collect()
                await settle(aio)
                try:
                    see(cancelled, near.recv(10))
                except BlockingIOError:
                    see(cancelled, "open")
            await settle(aio)

    see.run(main())


@same_on_both
def test_a_task_factory_is_asked_for_the_tasks(aio: ModuleType, see: Witness) -> None:
    def task_factory(loop: Any, coro: Any, **options: Any) -> Any:
        see("task", coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **options)

    async def main() -> None:
        async with serving(lambda: Heard(see)) as (_, address):
            aio.get_running_loop().set_task_factory(task_factory)
            with dial(address):
                await settle(aio)
            await settle(aio)

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
@same_on_both
def test_an_eager_task_factory_calls_the_factory_at_once(aio: ModuleType, see: Witness) -> None:
    def factory() -> Any:
        see("factory")
        return Heard(see)

    async def main() -> None:
        async with serving(factory) as (_, address):
            aio.get_running_loop().set_task_factory(aio.eager_task_factory)
            await settle(aio)
            with dial(address):
                for turn in range(5):
                    see(turn)
                    await aio.sleep(0)
            await settle(aio)

    see.run(main())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_factory_can_close_the_server() -> None:
    # Too late for those who are accepted already: their transports cannot belong to a server that is closed.
    unraisable: list[Any] = []

    async def main() -> None:
        servers: list[Any] = []

        def factory() -> Any:
            servers[0].close()
            return asyncio.Protocol()

        async with serving(factory) as (server, address):
            servers.append(server)
            with dial(address) as one, dial(address) as other:
                await settle(roundelay)
                gc.collect()
                assert not server.is_serving()
                assert server.sockets == ()
                assert one.recv(1) == other.recv(1) == b""

    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        roundelay.run(main())
    finally:
        sys.unraisablehook = hook
    # asyncio's __del__ of such a transport has the server wake those who wait for it once more.
    kinds = {type(item.exc_value) for item in unraisable}
    unraisable.clear()
    assert kinds <= {TypeError}


@same_on_both
def test_hooks_of_a_subclass_are_called(aio: ModuleType, see: Witness) -> None:
    plain = type(see.new_loop())

    def hooked(name: str) -> Any:
        def hook(self: Any, *args: Any, **kwargs: Any) -> Any:
            see(name, len(args), sorted(kwargs))
            return getattr(plain, name)(self, *args, **kwargs)

        return hook

    async def main() -> None:
        async with serving(lambda: Heard(see)) as (_, address):
            with dial(address):
                await settle(aio)
            await settle(aio)

    for name in ("_start_serving", "_accept_connection", "_accept_connection2", "_make_socket_transport"):
        loop = type("Own", (plain,), {name: hooked(name)})()
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()


@same_on_both
def test_an_unusable_listener_is_reported(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async with serving(asyncio.Protocol) as (server, address):
            await settle(aio)
            with dial(address):
                # The descriptor becomes that of a socket that does not listen.
                with socket.socketpair()[0] as other:
                    os.dup2(other.fileno(), server._sockets[0].fileno())
                    other.close()
                    aio.get_running_loop().call_soon(server._loop._remove_reader, server._sockets[0].fileno())
                    handler = server._loop._selector.get_map()[server._sockets[0].fileno()].data[0]
                    handler._run()
                    await settle(aio)

    see.run(main())


class LimitedDescriptors:
    """Leaves the process as many descriptors as it has open, and one more for each that is given back."""

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.taken = [os.dup(0)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.taken[0] + 3, self.before[1]))
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(os.dup(0))

    def give_back(self) -> None:
        for fd in self.taken:
            os.close(fd)
        self.taken.clear()

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, self.before)
        self.give_back()


def test_a_server_without_descriptors_reports_once_and_recovers() -> None:
    reports: list[dict[str, Any]] = []
    made: list[Any] = []

    class Noted(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            made.append(transport)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reports.append(context))
        async with serving(Noted) as (server, address):
            fd = server.sockets[0].fileno()
            # Accepting takes a descriptor before it looks whether anybody is there.
            clients = [dial(address) for _ in range(2)]
            limited = LimitedDescriptors()
            with limited:
                await settle(roundelay)
                assert [report["message"] for report in reports] == ["socket.accept() out of system resource"]
                assert reports[0]["exception"].errno == errno.EMFILE
                assert reports[0]["socket"].fileno() == fd
                assert not made
                # It does not listen for a second, so that the loop does not turn in vain.
                assert fd not in loop._selector.get_map()
                before = loop.time()
                await roundelay.sleep(1.5)
                assert loop.time() - before == 1.5
                assert len(reports) == 2, "one report for each second"
                limited.give_back()
                await roundelay.sleep(1)
                assert len(reports) == 2
                assert len(made) == 2
            assert fd in loop._selector.get_map()
            for client in clients:
                client.close()
            await settle(roundelay)
        reports.clear()

    with roundelay.Runner(loop_factory=lambda: roundelay.EventLoop(clock="virtual")) as runner:
        runner.run(main())


def test_a_server_that_is_closed_meanwhile_stays_closed() -> None:
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reports.append(context))
        async with serving(asyncio.Protocol) as (server, address):
            with dial(address):
                with LimitedDescriptors():
                    await settle(roundelay)
                    assert len(reports) == 1
                    reports.clear()
                server.close()
                await roundelay.sleep(2)
                assert reports == []

    with roundelay.Runner(loop_factory=lambda: roundelay.EventLoop(clock="virtual")) as runner:
        runner.run(main())


def test_connecting_and_closing_at_once_ten_thousand_times() -> None:
    lost = 0

    class Counted(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            nonlocal lost
            lost += 1

    async def main() -> None:
        async with serving(Counted) as (_, address):
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(500):
                for _ in range(20):
                    dial(address).close()
                await roundelay.sleep(0)
            for _ in range(100):
                if lost == 10_000:
                    break
                await roundelay.sleep(0.01)
            assert lost == 10_000
            await settle(roundelay)
            assert len(os.listdir("/proc/self/fd")) == before

    roundelay.run(main())
