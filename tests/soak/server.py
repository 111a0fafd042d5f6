"""The servers that the soak's clients talk to, in a process of their own.

It prints its addresses as JSON. `check` on its standard input has it wait until nobody is connected and
print its figures; the end of its input ends it.
"""

import asyncio
import json
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

from figures import measure
from watch import Watch

CERTIFICATE = Path(__file__).parents[2] / "benches" / "certificate.pem"
SECONDS = 15.0
"""How long connections may take to end once their clients are gone."""


class Connections:
    """How many connections there are."""

    def __init__(self) -> None:
        self.count = 0


class Echo(asyncio.Protocol):
    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connections.count += 1
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.count -= 1


class BufferedEcho(Echo, asyncio.BufferedProtocol):
    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.buffer = bytearray(64 * 1024)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))


class Resetting(Echo):
    """Answers the first bytes by a reset."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"x" * 1_000_000)
        self.transport.abort()


class Silent(Echo):
    """Takes everything and answers nothing."""

    def data_received(self, data: bytes) -> None:
        pass


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.transport.sendto(data, address)


class Servers:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.connections = Connections()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(CERTIFICATE)
        self.open: list[Any] = []

    async def streams(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends everything back, in pieces of any size; a line `TLS` upgrades the connection first."""
        self.connections.count += 1
        try:
            while data := await reader.read(50_000):
                if data == b"TLS\n":
                    writer.write(b"go\n")
                    await writer.start_tls(self.context)
                    continue
                writer.write(data)
                await writer.drain()
            writer.write_eof() if writer.can_write_eof() else None
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.connections.count -= 1

    async def start(self) -> dict[str, Any]:
        """Start them all; their addresses by name."""
        loop = asyncio.get_running_loop()
        home = ("127.0.0.1", 0)
        protocols = {"protocol": Echo, "buffered": BufferedEcho, "reset": Resetting, "silent": Silent}
        found = {
            name: await loop.create_server(lambda kind=kind: kind(self.connections), *home)
            for name, kind in protocols.items()
        }
        found["streams"] = await asyncio.start_server(self.streams, *home)
        found["tls"] = await asyncio.start_server(self.streams, *home, ssl=self.context)
        found["tls_protocol"] = await loop.create_server(
            lambda: Echo(self.connections), *home, ssl=self.context
        )
        found["unix"] = await asyncio.start_unix_server(self.streams, f"{self.folder}/unix")
        self.open = list(found.values())
        addresses = {name: server.sockets[0].getsockname() for name, server in found.items()}
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=home)
        self.open.append(transport)
        return {**addresses, "udp": transport.get_extra_info("sockname")}

    async def quiet(self) -> None:
        """Wait until nobody is connected."""
        async with asyncio.timeout(SECONDS):
            while self.connections.count:
                await asyncio.sleep(0.005)
        # Their transports are closed in the next turn.
        await asyncio.sleep(0.01)


async def main(watch: Watch) -> None:
    loop = asyncio.get_running_loop()
    watch.attach(loop)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with tempfile.TemporaryDirectory(prefix="roundelay-soak-") as folder:
        servers = Servers(folder)
        print(json.dumps(await servers.start()), flush=True)
        while await reader.readline():
            try:
                await servers.quiet()
            except TimeoutError:
                watch.complain(f"{servers.connections.count} connections outlived their clients")
            print(json.dumps({"figures": measure().as_dict(), "complaints": watch.taken()}), flush=True)
        for server in servers.open:
            server.close()


if __name__ == "__main__":
    with Watch() as watch:
        watch.run(main(watch), sys.argv[1])
