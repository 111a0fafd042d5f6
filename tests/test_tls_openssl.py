"""TLS by OpenSSL's own functions: where they are called, where not, and what Python code may do meanwhile."""

import asyncio
import errno
import ssl
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, ToldByBuffer, turns
from support.preloaded import SUPPORT, build
from support.tls import client_context, connect, renegotiate, server_context, tell_facts, version_1_2

PROTOCOLS = [Told, ToldByBuffer]

# An echo over TLS in a process of its own: what drives OpenSSL is found out once in each.
PROGRAM = """
import asyncio, ctypes, sys, _hashlib, _ssl
import roundelay
from support.tls import client_context, server_context

exec(sys.argv[1])

async def main():
    async def echo(reader, writer):
        drivers.add(writer.transport._ssl_protocol._driven_by)
        while data := await reader.read(100_000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
    address = server.sockets[0].getsockname()
    options = {"ssl": client_context(), "server_hostname": "localhost"}
    reader, writer = await asyncio.open_connection(*address, **options)
    drivers.add(writer.transport._ssl_protocol._driven_by)
    data = bytes(range(256)) * 1000
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

drivers = set()
roundelay.run(main())
print(*drivers)
"""

# Pythons that are put together in another way.
OTHERS = {
    "the module is built in": "del _ssl.__file__",
    "the module is elsewhere": "_ssl.__file__ = '/nowhere'",
    "the module's name is no path": "_ssl.__file__ = 'null\\0byte'",
    "the module has no such library": "_ssl.__file__ = _hashlib.__file__",
    "the library is AWS-LC": "_ssl.OPENSSL_VERSION = 'OpenSSL 1.1.1 (compatible; AWS-LC 1.36.0)'",
    "the library is LibreSSL": "_ssl.OPENSSL_VERSION = 'LibreSSL 3.9.2'",
    "the library is another one": "_ssl.OPENSSL_VERSION = 'OpenSSL 3.999.0 1 Apr 2099'",
    "there is no version": "del _ssl.OPENSSL_VERSION",
    "a context cannot be made": "del _ssl._SSLContext",
    "BIOs are other objects": "_ssl.MemoryBIO = object",
    "SSL objects are inside of others": """
class Context:
    def __new__(cls, protocol, real=_ssl._SSLContext):
        self = object.__new__(cls)
        self.real = real(protocol)
        return self
    def _wrap_bio(self, *args, **options):
        return [self.real._wrap_bio(*args, **options)]
_ssl._SSLContext = Context
""",
    "several SSL objects are made": """
class Context:
    def __new__(cls, protocol, real=_ssl._SSLContext):
        self = object.__new__(cls)
        self.real = real(protocol)
        return self
    def _wrap_bio(self, *args, **options):
        self.real._wrap_bio(*args, **options)
        return self.real._wrap_bio(*args, **options)
_ssl._SSLContext = Context
""",
    "SSL objects have other BIOs": """
class Context:
    def __new__(cls, protocol, real=_ssl._SSLContext):
        self = object.__new__(cls)
        self.real = real(protocol)
        return self
    def _wrap_bio(self, incoming, outgoing, **options):
        return self.real._wrap_bio(outgoing, incoming, **options)
_ssl._SSLContext = Context
""",
}


def drivers_after(change: str) -> str:
    """What drove the two ends of a connection in a process that made a change first."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, change]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=SUPPORT.parent, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_openssl_is_driven_where_nothing_is_changed() -> None:
    assert drivers_after("") == "openssl"


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_pythons_fall_back_to_methods(change: str) -> None:
    assert drivers_after(change) == "ssl"


def test_functions_of_two_libraries_are_not_mixed(tmp_path: Path) -> None:
    other = build("other_openssl", tmp_path)
    assert drivers_after(f"ctypes.CDLL({str(other)!r}, mode=ctypes.RTLD_GLOBAL)") == "ssl"


def driven_by(secure: Any) -> str:
    driver: str = secure.transport._ssl_protocol._driven_by
    return driver


def test_keys_that_are_logged_are_logged_by_python(tmp_path: Path) -> None:
    """Also where the file is named later, or in the context that a callback has chosen."""
    log = tmp_path / "keys"

    async def main() -> None:
        server, chosen = server_context(), server_context()

        def choose(ssl_object: Any, name: str | None, context: ssl.SSLContext) -> None:
            ssl_object.context = chosen

        server.sni_callback = choose
        chosen.keylog_filename = str(log)
        secure = await connect(roundelay, asyncio.Protocol(), contexts=(server, client_context()))
        assert "SERVER_HANDSHAKE_TRAFFIC_SECRET" in log.read_text()
        assert driven_by(secure) == "ssl"
        chosen.keylog_filename = None  # type: ignore[assignment]
        assert driven_by(secure) == "openssl"
        chosen.keylog_filename = str(log)
        assert driven_by(secure) == "ssl"
        secure.peer.write(b"data")
        await turns(roundelay)
        chosen.keylog_filename = None  # type: ignore[assignment]
        assert driven_by(secure) == "openssl"
        secure.transport.abort()
        secure.peer.close()
        await turns(roundelay)

    roundelay.run(main())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file that is always full")
@pytest.mark.parametrize("server_side", [True, False])
@same_on_both
def test_keys_cannot_be_logged(aio: ModuleType, see: Witness, server_side: bool) -> None:
    async def main() -> None:
        server, client = server_context(), client_context()
        (server if server_side else client).keylog_filename = "/dev/full"
        try:
            secure = await connect(aio, Told(see), server_side=server_side, contexts=(server, client))
        except OSError as error:
            see("failed", error, error.errno == errno.ENOSPC)
            await turns(aio)
            return
        see("connected")
        secure.peer.write(b"data")
        await turns(aio)
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)

    see.run(main())


@pytest.mark.leaks(
    reason="CPython never lets go of what its callback raised, and the frames of that have the loop"
)
@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("direction", ["read", "write"])
@same_on_both
def test_a_message_callback_raises(aio: ModuleType, see: Witness, kind: Any, direction: str) -> None:
    failing = False

    def heard(connection: Any, way: str, version: Any, content: Any, message: Any, data: bytes) -> None:
        if failing and way == direction:
            raise ZeroDivisionError(way, str(content))

    async def main() -> None:
        nonlocal failing
        server = server_context()
        server._msg_callback = heard  # type: ignore[attr-defined]
        secure = await connect(aio, kind(see), contexts=(server, client_context()))
        secure.transport.write(b"before")
        secure.peer.write(b"before")
        await turns(aio)
        see(secure.peer.read())
        failing = True
        secure.peer.write(b"while it fails")
        see.attempt(secure.transport.write, b"while it fails")
        await turns(aio)
        failing = False
        see(secure.transport.is_closing())
        # What was raised and nobody was told of would wait for the next call.
        see.attempt(secure.transport.get_extra_info("ssl_object").write, b"after")
        secure.transport.abort()
        secure.peer.close()
        await turns(aio)
        # The garbage collector does not see what a connection has in its context.
        server._msg_callback = None  # type: ignore[attr-defined]

    see.run(main())


@pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="keys that are known before: since 3.13")
@pytest.mark.parametrize("raising", [None, "server", "client"])
@same_on_both
def test_keys_that_are_known_before(aio: ModuleType, see: Witness, raising: str | None) -> None:
    def known_to_server(identity: str | None) -> bytes:
        see("server", identity)
        if raising == "server":
            raise ZeroDivisionError("server")
        return b"a key"

    def known_to_client(hint: str | None) -> tuple[str | None, bytes]:
        see("client", hint)
        if raising == "client":
            raise ZeroDivisionError("client")
        return "somebody", b"a key"

    async def main() -> None:
        loop = aio.get_running_loop()
        server: Any = version_1_2(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        client: Any = version_1_2(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        for context in (server, client):
            context.set_ciphers("PSK")
        server.set_psk_server_callback(known_to_server, "whoever")
        client.set_psk_client_callback(known_to_client)
        listener = await loop.create_server(
            lambda: Told(see, data_received=lambda told, data: told.transport.write(data)),
            "127.0.0.1",
            0,
            ssl=server,
        )
        address = listener.sockets[0].getsockname()
        made = await see.attempt_await(
            loop.create_connection(lambda: Told(see), *address, ssl=client, server_hostname="localhost")
        )
        if isinstance(made, tuple):
            tell_facts(see, made[0])
            made[0].write(b"there and back")
            await aio.sleep(0.01)
            made[0].abort()
        await aio.sleep(0.01)
        listener.close()
        await listener.wait_closed()

    see.run(main())


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("kind", PROTOCOLS)
@same_on_both
def test_a_program_reads_from_the_ssl_object_itself(aio: ModuleType, see: Witness, kind: Any) -> None:
    """Python's objects have everything that was neither read nor sent yet."""

    async def main() -> None:
        secure = await connect(aio, kind(see))
        transport, peer = secure.transport, secure.peer
        ssl_object = transport.get_extra_info("ssl_object")
        peer.write(b"x" * 50_000)
        await turns(aio, 4)
        transport.pause_reading()
        peer.write(b"y" * 50_000)
        await turns(aio, 4)
        see(transport._ssl_protocol._incoming.pending, ssl_object.pending())
        see(ssl_object.read(10), ssl_object.pending())
        ssl_object.write(b"between")
        see(transport._ssl_protocol._outgoing.pending > 0)
        transport.write(b"z" * 50_000)
        got = peer.read()
        see(got[:10], len(got))
        transport.resume_reading()
        await turns(aio, 8)
        see(ssl_object.pending(), transport._ssl_protocol._incoming.pending, ssl_object.version())
        see(ssl_object.getpeercert(), ssl_object.shared_ciphers() is not None, ssl_object.session_reused)
        transport.abort()
        peer.close()
        await turns(aio)

    see.run(main())


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("action", ["look", "write", "read", "abort", "grow"])
@pytest.mark.parametrize("size", [10, 50_000])
@same_on_both
def test_another_handshake_calls_python_code(aio: ModuleType, see: Witness, action: str, size: int) -> None:
    """OpenSSL calls it in the middle of a read, while what is read may be in memory of ours."""
    data = bytearray(b"d" * size)

    async def main() -> None:
        secure: Any = None

        def named(ssl_object: Any, name: str | None, context: ssl.SSLContext) -> None:
            see("named", name)
            if secure is None:
                return
            transport = secure.transport
            see(transport.get_write_buffer_size(), ssl_object.version())
            match action:
                case "write":
                    transport.write(b"w" * size)
                case "read":
                    see.attempt(ssl_object.read, 10)
                case "abort":
                    transport.abort()
                case "grow":
                    data.extend(b"more")

        server = version_1_2(server_context())
        server.options |= 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION
        server.sni_callback = named
        secure = await connect(aio, Told(see), contexts=(server, client_context()))
        transport, peer = secure.transport, secure.peer
        transport.write(b"before")
        see(peer.read())
        # Comes in together with the beginning of the handshake.
        peer.object.write(b"p" * size)
        if not renegotiate(peer):
            pytest.skip("OpenSSL's own function cannot be found")
        for _ in range(6):
            see.attempt(peer.step, peer.object.do_handshake)
            await turns(aio)
        see.attempt(transport.write, data)
        see.attempt(lambda: len(peer.read()))
        transport.abort()
        peer.close()
        await turns(aio)
        server.sni_callback = None

    see.run(main())
