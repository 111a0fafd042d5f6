"""Servers that do not get as far as serving: no socket of the loop's stays open."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import roundelay
from support.servers import LOCAL, unix_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


def listens(address: Any) -> bool:
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0


async def cancelled_once_it_listens(make: Coroutine[Any, Any, Any], address: Any) -> None:
    """Cancel the making of a server in the turn that it waits for behind its first listen()."""
    task = asyncio.get_running_loop().create_task(make)
    for _ in range(20):
        if listens(address):
            break
        await roundelay.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_server_that_is_cancelled_while_it_begins_is_closed() -> None:
    async def main() -> None:
        address = (LOCAL, free_port())
        make = asyncio.get_running_loop().create_server(asyncio.Protocol, *address)
        await cancelled_once_it_listens(make, address)
        assert not listens(address)

    roundelay.run(main())


def test_a_unix_server_that_is_cancelled_while_it_begins_is_closed() -> None:
    async def main(path: str) -> None:
        make = asyncio.get_running_loop().create_unix_server(asyncio.Protocol, path)
        await cancelled_once_it_listens(make, path)
        assert not listens(path)

    with unix_path() as path:
        roundelay.run(main(path))


def test_a_socket_that_was_given_stays_its_owners() -> None:
    async def main() -> None:
        with socket.socket() as own:
            own.bind((LOCAL, 0))
            address = own.getsockname()
            make = asyncio.get_running_loop().create_server(asyncio.Protocol, sock=own)
            await cancelled_once_it_listens(make, address)
            assert own.fileno() >= 0
            assert own.getsockname() == address
            asyncio.get_running_loop()._remove_reader(own)  # type: ignore[attr-defined]

    roundelay.run(main())


@pytest.mark.parametrize("serves", [False, True])
def test_listening_that_fails_closes_what_was_made(serves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[Any] = []

    def refuse(server: Any) -> None:
        refused.append(server)
        if serves:
            begin(server)
        raise OSError("refused")

    begin: Callable[[Any], None] = asyncio.base_events.Server._start_serving  # type: ignore[attr-defined]
    monkeypatch.setattr(asyncio.base_events.Server, "_start_serving", refuse)

    async def main(path: str) -> None:
        loop = asyncio.get_running_loop()
        address = (LOCAL, free_port())
        for make in (
            loop.create_server(asyncio.Protocol, *address),
            loop.create_unix_server(asyncio.Protocol, path),
        ):
            with pytest.raises(OSError, match="refused"):
                await make
            assert refused.pop().sockets == ()
        assert not listens(address)
        assert not listens(path)

    with unix_path() as path:
        roundelay.run(main(path))


def test_a_unix_server_ends_although_its_path_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    class Nameless(socket.socket):
        def getsockname(self) -> Any:
            if self.nameless:
                raise OSError("no name")
            return super().getsockname()

        nameless = False

    async def main(path: str) -> None:
        own = Nameless(socket.AF_UNIX)
        own.bind(path)
        server = await asyncio.get_running_loop().create_unix_server(asyncio.Protocol, sock=own)
        own.nameless = True
        server.close()
        await server.wait_closed()
        assert own.fileno() == -1
        assert not listens(path)

    with unix_path() as path:
        roundelay.run(main(path))
    reports = [record.getMessage() for record in caplog.records]
    caplog.clear()  # the records know the error, and that the loop
    # Up to 3.12 nobody asks for the name.
    assert all("Unable to clean up listening UNIX socket" in report for report in reports)
    assert len(reports) <= 1
