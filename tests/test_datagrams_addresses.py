"""Addresses of every kind, in both directions: what asyncio's transport makes of them by way of `socket`."""

import asyncio
import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import turns
from support.datagrams import ToldOfDatagrams, abstract_name, bound

LIBC = ctypes.CDLL(None)


class Senders(ToldOfDatagrams):
    """Tells who sent a datagram, with the types of all that says so."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        parts = [type(part) for part in addr] if isinstance(addr, tuple) else type(addr)
        self.see(data, type(addr), parts)
        self.senders = [*getattr(self, "senders", []), addr]


@contextlib.contextmanager
def sockets(*family: int) -> Iterator[list[socket.socket]]:
    made = [bound(one) for one in family]
    try:
        yield made
    finally:
        for sock in made:
            sock.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@same_on_both
def test_an_address_comes_as_the_socket_has_it(aio: ModuleType, see: Witness, family: int) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(lambda: Senders(see), sock=bound(family))
        address = transport.get_extra_info("sockname")
        with sockets(family, family) as peers:
            for peer in peers:
                peer.sendto(b"data", address)
                await turns(aio)
            see(protocol.senders == [peer.getsockname() for peer in peers])
            for peer, sender in zip(peers, protocol.senders, strict=True):
                transport.sendto(b"answer", sender)
                see(peer.recvfrom(100) == (b"answer", address))
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_paths_of_unix_sockets(aio: ModuleType, see: Witness, tmp_path: Path) -> None:
    folder = Path(os.path.relpath(tmp_path)) if len(str(tmp_path)) > 60 else tmp_path
    longest = "l" * (107 - len(str(folder)) - 1)
    names: list[Any] = [
        str(folder / "plain"),
        str(folder / "späße ☃"),
        os.fsencode(folder / "bytes"),
        os.fsencode(folder) + b"/not\xffutf-8",
        os.fsdecode(os.fsencode(folder) + b"/\xfe\xffneither"),
        str(folder / longest),
        abstract_name(),
        abstract_name().encode() + b"\xff\x00 \x00",
    ]

    async def main() -> None:
        loop = aio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: Senders(see), sock=bound(socket.AF_UNIX)
        )
        for name in names:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
                peer.setblocking(False)
                peer.bind(name)
                peer.sendto(b"data", transport.get_extra_info("sockname"))
                await turns(aio)
                sender = protocol.senders[-1]
                see(sender == peer.getsockname())
                for address in (sender, name):
                    transport.sendto(b"answer", address)
                    see(peer.recv(100))
            if name[0] not in (0, "\0"):
                os.unlink(name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
            nameless.sendto(b"nobody", transport.get_extra_info("sockname"))
            await turns(aio)
            see(protocol.senders[-1])
        transport.close()
        await turns(aio)

    see.run(main())


def test_a_path_that_fills_its_place_to_the_last_byte(tmp_path: Path) -> None:
    # Python's socket refuses to bind to one, and says where it comes from; other programs can.
    folder = str(Path(os.path.relpath(tmp_path)) if len(str(tmp_path)) > 60 else tmp_path)
    path = f"{folder}/{'x' * (108 - len(folder) - 1)}"
    address = socket.AF_UNIX.to_bytes(2, "little") + path.encode()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        received = loop.create_future()

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                received.set_result((data, addr))

        transport, _ = await loop.create_datagram_endpoint(Protocol, sock=bound(socket.AF_UNIX))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            assert LIBC.bind(peer.fileno(), address, len(address)) == 0
            peer.sendto(b"data", transport.get_extra_info("sockname"))
            assert await received == (b"data", path)
        transport.close()
        await turns(roundelay)

    roundelay.run(main())


class Port(int):
    pass


class Pair(tuple):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, ("127.0.0.1", "PORT")),
        (socket.AF_INET, ["127.0.0.1", "PORT"]),
        (socket.AF_INET, Pair(("127.0.0.1", "PORT"))),
        (socket.AF_INET, ("localhost", "PORT")),
        (socket.AF_INET, (b"127.0.0.1", "PORT")),
        (socket.AF_INET, (bytearray(b"127.0.0.1"), "PORT")),
        (socket.AF_INET, ("127.1", "PORT")),
        (socket.AF_INET, ("0x7f.0.0.1", "PORT")),
        (socket.AF_INET, ("127.0.0.1", "PORT", 0)),
        (socket.AF_INET, ("127.0.0.1",)),
        (socket.AF_INET, ("127.0.0.1", 65536)),
        (socket.AF_INET, ("127.0.0.1", -1)),
        (socket.AF_INET, ("127.0.0.1", 1 << 70)),
        (socket.AF_INET, ("127.0.0.1", 9.0)),
        (socket.AF_INET, ("127.0.0.1", Port(9))),
        (socket.AF_INET, ("127.0.0.1", True)),
        (socket.AF_INET, ("127.0.0.1", None)),
        (socket.AF_INET, ("127.0.0.1\0", "PORT")),
        (socket.AF_INET, ("\ud800", "PORT")),
        (socket.AF_INET, ("::1", "PORT")),
        (socket.AF_INET, (5, "PORT")),
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, None),
        (socket.AF_INET, ()),
        (socket.AF_INET, ("<broadcast>", "PORT")),
        (socket.AF_INET6, ("::1", "PORT")),
        (socket.AF_INET6, ("::1", "PORT", 0)),
        (socket.AF_INET6, ("::1", "PORT", 0, 0)),
        (socket.AF_INET6, ("0:0:0:0:0:0:0:1", "PORT", 0xFFFFF, 0)),
        (socket.AF_INET6, ("::1", "PORT", 0x100000, 0)),
        (socket.AF_INET6, ("::1", "PORT", -1, 0)),
        (socket.AF_INET6, ("::1", "PORT", 0, 1 << 32)),
        (socket.AF_INET6, ("::1", "PORT", 0, 4_000_000)),
        (socket.AF_INET6, ("::1%lo", "PORT")),
        (socket.AF_INET6, ("::ffff:127.0.0.1", "PORT")),
        (socket.AF_INET6, ("127.0.0.1", "PORT")),
        (socket.AF_INET6, ("::1", "PORT", 0, 0, 0)),
        (socket.AF_UNIX, "/no/such/socket"),
        (socket.AF_UNIX, b"/no/such/socket"),
        (socket.AF_UNIX, ""),
        (socket.AF_UNIX, b""),
        (socket.AF_UNIX, "\0no such name of roundelay's tests"),
        (socket.AF_UNIX, "/with\0zero"),
        (socket.AF_UNIX, "x" * 107),
        (socket.AF_UNIX, "x" * 108),
        (socket.AF_UNIX, "x" * 109),
        (socket.AF_UNIX, "\0" + "x" * 107),
        (socket.AF_UNIX, "\0" + "x" * 108),
        (socket.AF_UNIX, "ü" * 60),
        (socket.AF_UNIX, Path("/no/such/socket")),
        (socket.AF_UNIX, 5),
    ],
)
@same_on_both
def test_sending_to_every_kind_of_address(aio: ModuleType, see: Witness, family: int, address: Any) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        protocol = ToldOfDatagrams(see)
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, sock=bound(family))
        with sockets(family) as [peer]:
            given = address
            if family != socket.AF_UNIX and isinstance(given, list | tuple):
                port = peer.getsockname()[1]
                given = type(given)(port if part == "PORT" else part for part in given)
            see.attempt(transport.sendto, b"data", given)
            await turns(aio)
            see.attempt(peer.recv, 100)
            see(transport.is_closing())
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_an_ipv4_address_on_an_ipv6_socket(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        near = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        near.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        near.bind(("::", 0))
        transport, protocol = await loop.create_datagram_endpoint(lambda: Senders(see), sock=near)
        with sockets(socket.AF_INET) as [peer]:
            peer.sendto(b"data", ("127.0.0.1", near.getsockname()[1]))
            await turns(aio)
            host, port, flow, scope = protocol.senders[0]
            see(host, port == peer.getsockname()[1], flow, scope)
            transport.sendto(b"answer", protocol.senders[0])
            see(peer.recv(100))
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_an_endpoint_for_one_address(aio: ModuleType, see: Witness) -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    async def main() -> None:
        loop = aio.get_running_loop()
        with sockets(socket.AF_INET) as [peer]:
            host, port = peer.getsockname()
            for broadcast in (None, True):
                # With broadcasts allowed the socket is not connected, and every datagram has the address.
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: ToldOfDatagrams(see), remote_addr=(host, port), allow_broadcast=broadcast
                )
                see(transport.get_extra_info("peername") == (host, port), transport._address == (host, port))
                for address in (None, (host, port), (host, int(str(port))), Equal()):
                    transport.sendto(b"data", address)
                    see(peer.recv(100))
                for address in ((host, 9), ("localhost", port), [host, port], "text"):
                    try:
                        transport.sendto(b"data", address)
                    except ValueError as error:
                        see(str(error).replace(str(port), "PORT"))
                transport.close()
                await turns(aio)

    see.run(main())


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="netlink is Linux's")
@same_on_both
def test_a_family_that_is_nobodys(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        sock.bind((0, 0))
        transport, protocol = await loop.create_datagram_endpoint(lambda: Senders(see), sock=sock)
        # An empty message of the kind that every protocol answers with an error or not at all.
        transport.sendto(bytes.fromhex("10000000 0300 0500 00000000 00000000"), (0, 0))
        await turns(aio, 5)
        see(getattr(protocol, "senders", []))
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_more_senders_than_anybody_remembers(aio: ModuleType, see: Witness) -> None:
    # Each is answered twice: by the address that came, and by another tuple that says the same.
    async def main() -> None:
        loop = aio.get_running_loop()
        came: list[tuple[bytes, Any]] = []

        class Keeping(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                came.append((data, addr))

        transport, _ = await loop.create_datagram_endpoint(Keeping, sock=bound(socket.AF_INET))
        address = transport.get_extra_info("sockname")
        for _ in range(3):
            with sockets(*[socket.AF_INET] * 300) as peers:
                names = [peer.getsockname() for peer in peers]
                for number, peer in enumerate(peers):
                    peer.sendto(b"%d" % number, address)
                    await turns(aio, 1)
                await turns(aio)
                see(came == [(b"%d" % number, name) for number, name in enumerate(names)])
                for data, (host, port) in came:
                    transport.sendto(data, (host, port))
                for data, sender in came:
                    transport.sendto(data, sender)
                for number, peer in enumerate(peers):
                    assert [peer.recv(100), peer.recv(100)] == [b"%d" % number] * 2
                came.clear()
        transport.close()
        await turns(aio)

    see.run(main())


@same_on_both
def test_one_tuple_for_sockets_of_two_families(aio: ModuleType, see: Witness) -> None:
    # What is known of the tuple from one of them says nothing to the other.
    async def main() -> None:
        loop = aio.get_running_loop()
        for first, second in [(socket.AF_INET, socket.AF_INET6), (socket.AF_INET6, socket.AF_INET)]:
            transports = []
            for family in (first, second):
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: ToldOfDatagrams(see), sock=bound(family)
                )
                transports.append(transport)
            with sockets(first) as peers:
                address = peers[0].getsockname()[:2]
                for transport in [*transports, *transports]:
                    see.attempt(transport.sendto, b"data", address)
                    await turns(aio)
                see(peers[0].recv(100), peers[0].recv(100))
            for transport in transports:
                transport.close()
            await turns(aio)

    see.run(main())
