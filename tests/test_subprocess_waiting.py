"""Who waits for child processes: each loop for its own, in any thread. Nothing of a child is left behind."""

import asyncio
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest
import roundelay
from roundelay import _core, subprocesses
from support.both import Witness, same_on_both
from support.connections import turns

PIPE = subprocess.PIPE


def is_gone(pid: int) -> bool:
    """Whether neither a process nor what it left behind has the number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def run_some(count: int) -> list[int]:
    """Run processes at the same time that end in all kinds of ways; return their numbers."""

    async def run_one(number: int) -> int:
        script = f"echo {number}; exit {number % 7}"
        process = await asyncio.create_subprocess_shell(script, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert await process.communicate() == (b"%d\n" % number, b"")
        assert process.returncode == number % 7
        return process.pid

    return await asyncio.gather(*(run_one(number) for number in range(count)))


def test_no_watcher_is_asked_and_no_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("nobody has to be asked")

    for owner in (asyncio.events, asyncio):
        if hasattr(owner, "get_child_watcher"):
            monkeypatch.setattr(owner, "get_child_watcher", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    pids = roundelay.run(run_some(10))
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    assert all(map(is_gone, pids))


def test_many_loops_in_many_threads() -> None:
    failures: list[BaseException] = []
    pids: list[int] = []

    def work() -> None:
        try:
            for _ in range(2):
                pids.extend(roundelay.run(run_some(6)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert not failures
    assert len(pids) == 72
    assert all(map(is_gone, pids))


def test_the_transport_is_native_and_one_of_asyncios() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        transport: Any = process._transport  # type: ignore[attr-defined]
        assert type(transport) is _core.SubprocessTransport
        assert isinstance(transport, asyncio.unix_events._UnixSubprocessTransport)
        assert type(transport.get_pipe_transport(0)) is _core.WritePipeTransport
        assert type(transport.get_pipe_transport(1)) is _core.ReadPipeTransport
        assert type(transport.get_pipe_transport(1).get_protocol()) is _core.ReadSubprocessPipeProto
        await process.communicate(b"")

    roundelay.run(main())


@pytest.mark.parametrize("way", ["roundelay", "installed", "asyncio"])
def test_streams_are_native_where_roundelay_stands_for_asyncio(way: str) -> None:
    aio: Any = roundelay if way == "roundelay" else asyncio

    async def main() -> None:
        process = await aio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        native = way != "asyncio"
        assert (type(process.stdin) is _core.StreamWriter) is native
        assert (type(process.stdout) is _core.StreamReader) is native
        assert (type(process.stderr) is _core.StreamReader) is native
        assert (type(process._protocol) is _core.SubprocessStreamProtocol) is native
        process.stdin.write(b"data")
        assert await process.communicate(b"") == (b"data", b"")

    if way == "installed":
        roundelay.install()
    try:
        roundelay.run(main())
    finally:
        roundelay.uninstall()
    assert asyncio.subprocess.SubprocessStreamProtocol is not _core.SubprocessStreamProtocol


def test_a_thread_waits_where_processes_have_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses._core, "_watch_child", lambda transport: False)
    names: set[str] = set()
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        names.add(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", started)

    async def main() -> None:
        pids = await run_some(5)
        process = await asyncio.create_subprocess_exec("sleep", "60")
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        assert all(map(is_gone, [*pids, process.pid]))

    roundelay.run(main())
    assert len(names) == 6
    assert all(re.match(r"(asyncio-)?waitpid-\d+", name) for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has descriptors of processes")
def test_a_thread_waits_when_there_are_no_descriptors_left() -> None:
    program = """
import asyncio, os, resource, roundelay

async def main():
    loop = asyncio.get_running_loop()
    # As many as the process takes to start, and none more.
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0
    loop._watch_child_by_thread = lambda transport, stock=loop._watch_child_by_thread: (
        print("by a thread"), stock(transport)
    )
    popen, asyncio.unix_events.subprocess.Popen = asyncio.unix_events.subprocess.Popen, None

    def spawn(*args, **kwargs):
        process = popen(*args, **kwargs)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        return process

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    asyncio.unix_events.subprocess.Popen = spawn
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
    print(await process.wait())

roundelay.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("by a thread\n3\n", "")


def test_a_loop_that_is_closed_with_a_child_running_keeps_no_descriptor() -> None:
    # asyncio keeps the descriptor of the process.
    before = len(os.listdir("/proc/self/fd"))
    process = None

    async def main() -> None:
        nonlocal process
        made = await asyncio.create_subprocess_exec("sleep", "60")
        process = made._transport.get_extra_info("subprocess")  # type: ignore[attr-defined]
        made._transport._closed = True  # type: ignore[attr-defined] # or its end would be reported

    roundelay.run(main())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert process is not None
    process.kill()
    assert process.wait() == -signal.SIGKILL


# Up to 3.11 asyncio waits in threads, which may come first or last.
waits_in_threads = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="asyncio's own course is not certain"
)


@waits_in_threads
@pytest.mark.leaks(reason="asyncio never closes the descriptor of a process whose loop is closed before")
@pytest.mark.parametrize("stream", [None, PIPE])
@same_on_both
def test_a_loop_that_is_closed_with_a_child_running(aio: ModuleType, see: Witness, stream: Any) -> None:
    loop = see.new_loop()
    process = loop.run_until_complete(aio.create_subprocess_exec("sleep", "60", stdin=stream, stdout=stream))
    inner = process._transport.get_extra_info("subprocess")
    loop.close()
    del process
    gc.collect()
    inner.kill()
    see(inner.wait())


@pytest.mark.parametrize("name", ["close", "kill"])
@same_on_both
def test_a_transport_is_closed_while_its_process_runs(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "60", stderr=None)
        waiting = loop.create_task(transport._wait())
        getattr(transport, name)()
        transport.close()
        # On Pythons whose close() asks for the status itself, asyncio's watcher may come too late for it.
        possible = {-9, 255} if aio is asyncio else {-9}
        see({await waiting, transport.get_returncode()} <= possible, transport.is_closing())
        see(is_gone(transport.get_pid()))
        await turns(aio)

    see.run(main())
    see.records = [record for record in see.records if record[0] != "log"]


@waits_in_threads
@same_on_both
def test_somebody_else_waits_for_the_child(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("sleep", "60")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED)
        see(await process.wait())

    see.run(main())
    # Who waits has words of its own for it.
    see.records = [record[:2] if record[0] == "log" else record for record in see.records]


def test_how_a_process_ended_is_known_to_those_who_asked_first() -> None:
    # asyncio reports 255 then.
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport: Any
        transport, _ = await loop.subprocess_exec(
            asyncio.SubprocessProtocol, "sleep", "60", stdin=None, stdout=None, stderr=None
        )
        os.kill(transport.get_pid(), signal.SIGTERM)
        os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)
        transport.close()
        assert await transport._wait() == -signal.SIGTERM

    roundelay.run(main())


@same_on_both
def test_ended_children_that_the_system_forgets(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_exec("sleep", "0.05")
        see(await process.wait())

    previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        see.run(main())
    finally:
        signal.signal(signal.SIGCHLD, previous)
    see.records = [record[:2] if record[0] == "log" else record for record in see.records]


def test_a_signal_during_the_wait() -> None:
    seen = []

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "0.2")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "by the loop")
        previous = signal.signal(signal.SIGUSR2, lambda *_: seen.append("by Python"))
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
        assert await process.wait() == 0
        loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGUSR2, previous)

    roundelay.run(main())
    assert sorted(seen) == ["by Python", "by the loop"]


def test_a_keyboard_interrupt_during_the_wait() -> None:
    pid = 0

    async def main() -> None:
        nonlocal pid
        process = await asyncio.create_subprocess_exec("sleep", "60")
        pid = process.pid
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            await process.wait()
        finally:
            process.kill()
            await process.wait()

    with pytest.raises(KeyboardInterrupt):
        roundelay.run(main())
    assert is_gone(pid)


@same_on_both
def test_starting_is_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for steps in range(4):
            made = loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "60")
            task = loop.create_task(made)
            await turns(aio, steps)
            task.cancel()
            outcome = await aio.gather(task, return_exceptions=True)
            see(steps, type(outcome[0]))
            if isinstance(outcome[0], tuple):
                outcome[0][0].close()
                await outcome[0][0]._wait()
            await aio.sleep(0.01)

    see.run(main())


def test_nothing_is_left_of_a_start_that_was_cancelled() -> None:
    pids = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        class Protocol(asyncio.SubprocessProtocol):
            pass

        for steps in range(6):
            task = loop.create_task(loop.subprocess_exec(Protocol, "sleep", "60"))
            await turns(roundelay, steps)
            pids.extend(children())
            task.cancel()
            outcome = await asyncio.gather(task, return_exceptions=True)
            if isinstance(outcome[0], tuple):
                outcome[0][0].close()
                await outcome[0][0]._wait()
        await asyncio.sleep(0.05)

    roundelay.run(main())
    assert pids
    assert all(map(is_gone, pids))


def children() -> list[int]:
    """The processes that this one has started and not waited for."""
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def test_time_that_is_virtual_waits_for_a_process() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "0.05")
        assert await process.wait() == 0
        assert asyncio.get_running_loop().time() == 0.0

    started = time.monotonic()
    with roundelay.Runner(loop_factory=lambda: roundelay.EventLoop(clock="virtual")) as runner:
        runner.run(main())
    assert time.monotonic() - started >= 0.05


def test_two_hundred_processes_at_a_time() -> None:
    async def main() -> None:
        processes = [await asyncio.create_subprocess_exec("sleep", "60") for _ in range(200)]
        waiting = [asyncio.ensure_future(process.wait()) for process in processes]
        for process in processes:
            process.kill()
        assert await asyncio.gather(*waiting) == [-signal.SIGKILL] * 200
        assert all(is_gone(process.pid) for process in processes)

    roundelay.run(main())
