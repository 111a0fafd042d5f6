"""`create_datagram_endpoint` with all that it takes, and what goes wrong on the way."""

import asyncio
import errno
import os
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import turns
from support.datagrams import ToldOfDatagrams, abstract_name, bound, endpoint


@pytest.mark.parametrize("family", [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6])
@same_on_both
def test_a_server_and_its_client(aio: ModuleType, see: Witness, family: int) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        server, _ = await loop.create_datagram_endpoint(
            lambda: ToldOfDatagrams(
                see, datagram_received=lambda own, data, addr: own.transport.sendto(b"back " + data, addr)
            ),
            local_addr=(host, 0),
            family=family,
        )
        address = server.get_extra_info("sockname")
        client, _ = await loop.create_datagram_endpoint(
            lambda: ToldOfDatagrams(see), remote_addr=address[:2], family=family
        )
        see(client.get_extra_info("peername") == address, server.get_extra_info("peername"))
        for number in range(3):
            client.sendto(b"%d" % number)
        await turns(aio, 8)
        client.close()
        server.close()
        await turns(aio)

    see.run(main(), debug=True)


@same_on_both
def test_unix_endpoints(aio: ModuleType, see: Witness, tmp_path: Path) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        near, far = str(tmp_path / "near"), str(tmp_path / "far")
        for names in ((near, far), (abstract_name(), abstract_name())):
            server, _ = await loop.create_datagram_endpoint(
                lambda: ToldOfDatagrams(see), family=socket.AF_UNIX, local_addr=names[0]
            )
            client, _ = await loop.create_datagram_endpoint(
                lambda: ToldOfDatagrams(see),
                family=socket.AF_UNIX,
                local_addr=names[1],
                remote_addr=names[0],
            )
            client.sendto(b"there")
            await turns(aio)
            server.sendto(b"and back", names[1])
            await turns(aio)
            server.close()
            client.close()
            await turns(aio)
        # A socket that somebody left behind makes way for the new one, any other file does not.
        see(sorted(os.listdir(tmp_path)))
        again, _ = await loop.create_datagram_endpoint(
            lambda: ToldOfDatagrams(see), family=socket.AF_UNIX, local_addr=near
        )
        again.close()
        await turns(aio)
        os.unlink(near)
        os.unlink(far)
        (tmp_path / "near").write_text("a file")
        await see.attempt_await(
            loop.create_datagram_endpoint(asyncio.DatagramProtocol, family=socket.AF_UNIX, local_addr=near)
        )
        os.unlink(near)

    see.run(main())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"family": socket.AF_INET},
        {"family": 9999},
        {"local_addr": "text"},
        {"local_addr": ("127.0.0.1",)},
        {"local_addr": ("127.0.0.1", 0, 0)},
        {"local_addr": ("192.0.2.1", 0)},
        {"local_addr": ("::1", 0), "remote_addr": ("127.0.0.1", 9)},
        {"local_addr": ("127.0.0.1", 0), "family": socket.AF_INET6},
        {"local_addr": 5, "family": socket.AF_UNIX},
        {"local_addr": "/no/such/folder/socket", "family": socket.AF_UNIX},
        {"remote_addr": "/no/such/socket", "family": socket.AF_UNIX},
        {"remote_addr": ("255.255.255.255", 9)},
        {"remote_addr": ("127.0.0.1", 9), "proto": 6},
        {"unknown": 1},
    ],
)
@same_on_both
def test_arguments_that_lead_to_no_endpoint(aio: ModuleType, see: Witness, arguments: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        made = see.attempt(loop.create_datagram_endpoint, lambda: ToldOfDatagrams(see), **arguments)
        if asyncio.iscoroutine(made):
            outcome = await see.attempt_await(made)
            if isinstance(outcome, tuple):
                outcome[0].close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_a_socket_that_brings_everything(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for modifier in (
            {"local_addr": ("127.0.0.1", 0)},
            {"remote_addr": ("127.0.0.1", 9)},
            {"family": socket.AF_INET},
            {"proto": 17},
            {"flags": 1},
            {"reuse_port": True},
            {"allow_broadcast": True},
        ):
            sock = bound(socket.AF_INET)
            await see.attempt_await(
                loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock, **modifier)
            )
            sock.close()
        with socket.socket() as stream:
            try:
                await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=stream)
            except ValueError as error:
                see(str(error).partition(", got")[0])
        if sys.version_info < (3, 12):
            return
        # A socket has one transport at a time, where asyncio looks.
        near = await endpoint(ToldOfDatagrams(see))
        try:
            await loop.create_datagram_endpoint(lambda: ToldOfDatagrams(see), sock=near.transport._sock)
        except RuntimeError as error:
            see(str(error).partition(", laddr")[0])
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_options_reach_the_socket(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        first, _ = await loop.create_datagram_endpoint(
            lambda: ToldOfDatagrams(see),
            local_addr=("127.0.0.1", 0),
            reuse_port=True,
            allow_broadcast=True,
            proto=socket.IPPROTO_UDP,
        )
        sock = first.get_extra_info("socket")
        see(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
        see(sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST))
        second, _ = await loop.create_datagram_endpoint(
            lambda: ToldOfDatagrams(see), local_addr=sock.getsockname(), reuse_port=True
        )
        await see.attempt_await(
            loop.create_datagram_endpoint(
                lambda: ToldOfDatagrams(see), local_addr=("127.0.0.1", 0), remote_addr=("192.0.2.1", 9)
            )
        )
        first.close()
        second.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_making_one_is_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for steps in range(5):
            task = loop.create_task(
                loop.create_datagram_endpoint(lambda: ToldOfDatagrams(see), local_addr=("127.0.0.1", 0))
            )
            await turns(aio, steps)
            see(steps, task.cancel())
            outcome = await see.attempt_await(aio.gather(task, return_exceptions=True))
            if isinstance(outcome[0], tuple):
                outcome[0][0].close()
            await turns(aio)

    see.run(main())


@same_on_both
def test_nobody_listens(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        near.peer.close()
        near.transport.sendto(b"one")
        await turns(aio)
        near.transport.sendto(b"two")
        near.transport.sendto(b"three")
        await turns(aio)
        see(repr(near.transport))
        near.transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_one_that_is_too_long(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see))
        near.transport.sendto(bytes(70_000))
        near.transport.sendto(bytes(65_507))
        see([len(data) for data in near.received()], near.transport._buffer)
        near.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_an_error_comes_when_something_waits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        near = await endpoint(ToldOfDatagrams(see), family=socket.AF_UNIX)
        while not near.transport._buffer:
            near.transport.sendto(b"filling")
        for number in range(3):
            near.transport.sendto(b"%d" % number)
        near.peer.close()
        for _ in range(6):
            await aio.sleep(0)
            see(len(near.transport._buffer), near.transport.is_closing())
        near.transport.close()
        await turns(aio)

    see.run(main())


def test_the_socket_is_closed_behind_the_transports_back() -> None:
    async def main() -> None:
        see = Witness(roundelay)
        near = await endpoint(ToldOfDatagrams(see))
        near.transport._sock.close()
        # Whoever has the number now is left alone.
        other = bound(socket.AF_INET)
        near.transport.sendto(b"data")
        assert [record for record in see.records if record[0] == "error"] == [
            ("error", ("OSError", f"[Errno {errno.EBADF}] Bad file descriptor", {}, []))
        ]
        near.close()
        await turns(roundelay)
        assert other.fileno() >= 0
        other.sendto(b"still mine", other.getsockname())
        assert other.recv(100) == b"still mine"
        other.close()

    roundelay.run(main())


def test_many_endpoints_at_a_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        received: list[bytes] = []
        done = loop.create_future()

        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                self.transport.sendto(data, addr)

        class Client(Echo):
            count = 0

            def datagram_received(self, data: bytes, addr: Any) -> None:
                received.append(data)
                self.count += 1
                if self.count < 100:
                    self.transport.sendto(b"%d %d" % (self.count, id(self)))
                elif len(received) == 2000:
                    done.set_result(None)

        server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        address = server.get_extra_info("sockname")
        clients = [await loop.create_datagram_endpoint(Client, remote_addr=address) for _ in range(20)]
        for transport, protocol in clients:
            transport.sendto(b"0 %d" % id(protocol))
        await asyncio.wait_for(done, 20)
        assert sorted(received) == sorted(b"%d %d" % (n, id(p)) for n in range(100) for _, p in clients)
        for transport, _ in [*clients, (server, None)]:
            transport.close()

    roundelay.run(main())
