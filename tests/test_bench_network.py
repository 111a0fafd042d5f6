"""The network workloads of `make bench`: every server answers the load, and who fails ends soon.

Nothing is measured here in earnest.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

BENCHES = Path(__file__).parents[1] / "benches"
PROGRAM = "ROUNDELAY_BENCH_PROGRAM"

needs_load = pytest.mark.skipif(
    PROGRAM not in os.environ and not (BENCHES.parent / "target/release/roundelay-bench").exists(),
    reason="cargo build --release --package roundelay-bench was not run (make test-python builds it)",
)


def python(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=50, env=os.environ | env
    )


def measure(loop: str, workload: str, passes: int = 1) -> dict[str, list[float]]:
    words = [loop, workload, "--passes", str(passes), "--scale", "0.001"]
    done = python(str(BENCHES / "child.py"), *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    samples: dict[str, list[float]] = json.loads(done.stdout)
    return samples


BUSY = """
import threading, time
print("begin", flush=True)
input()
before = time.process_time()
def work():
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(time.process_time() - before, flush=True)
input()
"""


@needs_load
@pytest.mark.parametrize("loop", ["asyncio", "roundelay"])
@pytest.mark.parametrize("style", ["protocol", "buffered", "read", "readline", "sock", "tls", "udp"])
def test_every_echo_server_answers(loop: str, style: str) -> None:
    name = f"net_{style}_1k_10"
    samples = measure(loop, name, passes=2)
    expected = {name, f"{name}.processor"} if sys.platform == "linux" else {name}
    assert samples.keys() == expected
    assert all(len(values) == 2 for values in samples.values())
    assert min(samples[name]) > 0
    # So few requests may all be answered between two ticks of the server's clock.
    assert min(min(values) for values in samples.values()) >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells the time of another process")
def test_the_time_of_the_server_is_that_of_all_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    from processes import Process

    with Process("it", [sys.executable, "-c", BUSY], None) as busy:
        assert busy.hear(20) == "begin"
        before = busy.processor_time()
        busy.say("go")
        spent = float(busy.hear(20))
        after = busy.processor_time()
    assert before is not None
    assert after is not None
    assert spent >= 0.2
    # A tick of the clock is 10 ms at most, and what it does to hear and say something takes less than that.
    assert spent - 0.02 <= after - before <= spent + 0.1


@needs_load
@pytest.mark.parametrize("workload", ["net_protocol_1m_10", "net_tls_64k_1", "net_read_64k_1000"])
def test_large_requests_and_many_connections(workload: str) -> None:
    measure("roundelay", workload)


@needs_load
@pytest.mark.parametrize("style", ["protocol", "udp"])
def test_the_limit_is_an_echo_server_too(style: str) -> None:
    measure("limit", f"net_{style}_1k_10")


@pytest.mark.parametrize("connections", [10, 1000])
@pytest.mark.parametrize("style", ["uvicorn", "aiohttp"])
@pytest.mark.parametrize("loop", ["asyncio", "roundelay"])
def test_web_servers_answer_wrk(loop: str, style: str, connections: int) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("no wrk on PATH")
    if importlib.util.find_spec(style) is None:
        pytest.skip(f"no {style} in this environment")
    measure(loop, f"net_{style}_{connections}")


def test_what_is_missing_is_said() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import workloads as w; "
    code += "print(w.WORKLOADS['net_read_1k_1'].missing()); print(w.WORKLOADS['net_uvicorn_10'].missing())"
    done = python("-c", code, str(BENCHES), PATH="/nowhere", **{PROGRAM: "/nowhere/program"})
    assert done.stdout.splitlines() == [
        "no /nowhere/program: cargo build --release --package roundelay-bench",
        "no wrk on PATH; Debian has it in a package of that name",
    ], done.stderr


SILENT = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
connection = listening.accept()[0]
if sys.argv[1] == "wrong":
    connection.sendall(connection.recv(10)[::-1])
sys.stdin.read()
"""


@needs_load
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("silent", "0 of 10 replies, and no more after 4s"),
        ("wrong", "the reply is not what was sent"),
    ],
)
def test_a_server_that_does_not_echo_costs_seconds(
    monkeypatch: pytest.MonkeyPatch, behaviour: str, message: str
) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    import load
    from processes import Process, ProcessFailed

    start = time.monotonic()
    command: list[Any] = [sys.executable, "-c", SILENT, behaviour]
    with Process("the server", command, None) as server:
        port = server.hear(10)
        with Process("the load", [str(load.PROGRAM), "load", port, "--size", "10"], None) as client:
            assert client.hear(10) == "ready"
            client.say("check 10")
            with pytest.raises(ProcessFailed, match=message):
                client.hear(20)
    assert time.monotonic() - start < 15


def test_a_process_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    from processes import Process, ProcessFailed

    with Process("it", [sys.executable, "-c", "input()"], None) as silent:
        with pytest.raises(ProcessFailed, match="it said nothing for 0 s"):
            silent.hear(0.01)
    with Process("it", [sys.executable, "-c", "1/0"], None) as broken:
        with pytest.raises(ProcessFailed, match="it ended: ZeroDivisionError: division by zero"):
            broken.hear(10)


def test_server_and_load_get_processors_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    import cores

    def choose(allowed: set[int], threads: dict[int, set[int]]) -> tuple[int | None, int | None]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
        monkeypatch.setattr(cores, "siblings", lambda cpu: threads.get(cpu, {cpu}))
        chosen = cores.choose()
        return chosen.server, chosen.load

    assert choose({0, 1}, {}) == (1, 0)
    # Two threads of one core are no two cores, if there is another.
    assert choose({0, 1, 2, 3}, {3: {2, 3}}) == (3, 1)
    assert choose({2, 3}, {3: {2, 3}}) == (3, 2)
    assert choose({5}, {}) == (None, None)
