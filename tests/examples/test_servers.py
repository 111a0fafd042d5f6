"""The programs of examples/servers do what they say, on Python alone and on roundelay."""

import asyncio
import contextlib
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.programs import BIN, SERVERS, WAYS, free_port, run, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

pytestmark = pytest.mark.timeout(120)
each_way = pytest.mark.parametrize("way", WAYS)


def command(way: str, program: str, *args: str) -> list[str]:
    return [*WAYS[way], str(SERVERS / program), *args]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def request(address: str, data: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Ask a web server: the status, and the JSON or the address that it answers."""
    asked = urllib.request.Request(
        address, data, {key.replace("_", "-"): value for key, value in headers.items()}
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(asked, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("location") or error.read().decode()


@each_way
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_echo_server_sends_back_what_many_clients_send(way: str, end: int) -> None:
    with serving(command(way, "echo_server.py", "0"), r"listening on 127.0.0.1:(\d+)\n", end=end) as found:
        address = ("127.0.0.1", int(found[1]))
        clients = [socket.create_connection(address, timeout=30) for _ in range(20)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number * 10_000)
            client.shutdown(socket.SHUT_WR)
        for number, client in enumerate(clients):
            with client, client.makefile("rb") as file:
                assert file.read() == b"%d" % number * 10_000
        # One that resets, and one that is still there at the end.
        client = socket.create_connection(address, timeout=30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        left = socket.create_connection(address, timeout=30)
        left.sendall(b"x")
        assert left.recv(1) == b"x"
    with left:
        assert left.recv(1) == b""


# As README.md and the first lines of the program say, but for the port; and stock asyncio beside it.
OURS = ["--loop", "roundelay:new_event_loop"]
UVICORNS = {
    "stock": [str(BIN / "uvicorn"), "--loop", "asyncio"],
    "our loop": [str(BIN / "uvicorn"), *OURS],
    "all of ours": [*WAYS["roundelay"], "-m", "uvicorn", *OURS],
}
each_uvicorn = pytest.mark.parametrize("uvicorn", UVICORNS)
APP = ["--app-dir", "examples/servers", "fastapi_links:app"]


def loop_of(uvicorn: str) -> str:
    stock = "asyncio.unix_events._UnixSelectorEventLoop"
    return stock if uvicorn == "stock" else "roundelay.loop.EventLoop"


@each_uvicorn
def test_fastapi_under_uvicorn_makes_follows_and_forgets_links(uvicorn: str) -> None:
    words = [*UVICORNS[uvicorn], *APP, "--port", "0"]
    with serving(words, r"running on (http://127.0.0.1:\d+)") as found:
        base = found[1]
        assert request(f"{base}/loop") == (200, {"loop": loop_of(uvicorn)})

        def make(**link: Any) -> str:
            status, answer = request(
                f"{base}/links", json.dumps(link).encode(), content_type="application/json"
            )
            assert status == 201
            return str(answer["code"])

        code = make(url="https://www.python.org/")
        assert request(f"{base}/{code}") == (307, "https://www.python.org/")
        assert request(f"{base}/links/{code}") == (200, {"url": "https://www.python.org/", "visits": 1})
        gone = make(url="https://www.python.org/", seconds=0)
        kept = make(url="https://www.python.org/", seconds=3600)
        assert request(f"{base}/{gone}")[0] == 404
        assert request(f"{base}/{kept}")[0] == 307
        assert request(f"{base}/links", b"{}", content_type="application/json")[0] == 422


@each_uvicorn
def test_a_uvicorn_worker_process_takes_our_loop_too(uvicorn: str) -> None:
    words = [*UVICORNS[uvicorn], *APP, "--workers", "2", "--port", str(free_port())]
    with serving(words, r"running on (http://127.0.0.1:\d+)") as found:
        # The parent says so before its workers listen.
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError):
                request(found[1] + "/loop")
                break
            time.sleep(0.05)
        assert request(f"{found[1]}/loop") == (200, {"loop": loop_of(uvicorn)})


@each_way
def test_the_aiohttp_client_counts_words_with_the_aiohttp_server(way: str, tmp_path: Any) -> None:
    port = free_port()
    files = []
    for number in range(30):
        files.append(tmp_path / f"{number}.txt")
        # Some are longer than a chunk, and have letters of several bytes.
        files[-1].write_text("naïve über " * (number * 1000) + "ende\n", encoding="utf-8")
    with serving(
        command(way, "aiohttp_word_count.py", str(port)), r"Running on (http://127.0.0.1:\d+)"
    ) as found:
        printed = run(way, "aiohttp_client.py", found[1], *map(str, files)).splitlines()
        assert printed[:-2] == [f"{number * 2000 + 1:8} {file}" for number, file in enumerate(files)]
        total = sum(range(30)) * 1000
        assert printed[-2:] == [
            f"{2 * total + 30:8} total",
            f"most frequent: naïve ({total}), über ({total}), ende (30)",
        ]
        assert request(f"{found[1]}/most?n=many") == (400, "n must be a number")


@each_way
def test_in_the_chat_everybody_in_a_room_hears_the_others(way: str) -> None:
    async def talk(base: str) -> None:
        async with connect(f"{base}/kitchen/ann") as ann, connect(f"{base}/cellar/eve") as eve:
            assert await ann.recv() == "* here: nobody"
            assert await eve.recv() == "* here: nobody"
            async with connect(f"{base}/kitchen/bob") as bob:
                assert await bob.recv() == "* here: ann"
                assert await ann.recv() == "* bob comes in"
                for number in range(100):
                    await bob.send(f"number {number}")
                assert [await ann.recv() for _ in range(100)] == [
                    f"bob: number {number}" for number in range(100)
                ]
                await ann.send("enough")
                assert await bob.recv() == "ann: enough"
                async with connect(f"{base}/kitchen/bob") as second:
                    with pytest.raises(ConnectionClosedError, match="bob is here already"):
                        await second.recv()
            assert await ann.recv() == "* bob leaves"
            async with connect(f"{base}/nowhere") as lost:
                with pytest.raises(ConnectionClosedError, match="connect to /ROOM/NAME"):
                    await lost.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(eve.recv(), 0.05)

    with serving(command(way, "websocket_chat.py", "0"), r"listening on (ws://127.0.0.1:\d+)\n") as found:
        asyncio.run(asyncio.wait_for(talk(found[1]), 60))


@each_way
def test_the_scraper_reads_every_page_once_and_finds_the_broken_links(way: str) -> None:
    *broken, summary = run(way, "scrape_site.py").splitlines()
    assert summary.startswith("510 pages in ")
    assert summary.endswith(" s, 10 of them broken")
    assert len(broken) == 10
    assert all("404: " in line and "/lost-" in line and "linked from http" in line for line in broken)
    # 500 pages that take 10 ms each, twenty at a time: not one after the other.
    assert float(summary.split()[3]) < 4


def test_every_program_is_tested_here() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    programs = {path.stem for path in SERVERS.glob("*.py")}
    assert programs
    assert {name for name in programs if name not in tests} == set()
