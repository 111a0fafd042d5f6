"""Each system call of the loop fails, once at each of its first places and all of them again and again."""

import errno
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from roundelay import _core
from support import fault_connections, fault_descriptors, preloaded  # noqa: F401  # they enter their programs
from support.fault_plans import comparable, complaints, each_once, passes, storm
from support.fault_registry import PROGRAMS
from support.fault_runs import Worker, calls_of, described
from support.faults import Fault

# How often a program is run again to see whether asyncio can do the same.
ATTEMPTS = 6

STORMS = 10

each_program = pytest.mark.parametrize("program", PROGRAMS)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloaded.build("injected_faults", tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def ours(library: Path) -> Iterator[Worker]:
    with Worker("roundelay", library, seconds=5.0) as worker:
        yield worker


@pytest.fixture(scope="module")
def asyncios(library: Path) -> Iterator[Worker]:
    # What takes longer is taken for something that hangs, and is not compared.
    with Worker("asyncio", library, seconds=0.5) as worker:
        yield worker


# Programs, faults and why they are not tried.
NOT_TRIED = {
    ("threads and signals", "write", "*"): "the interpreter's signal handler does not expect it",
    ("process", "close", "*"): "subprocess.Popen does not expect it, and waits for itself",
}


# Where ours does not do what asyncio does.
NOT_COMPARED = {
    (
        "*",
        "close",
        "*",
    ): "asyncio's loop raises it where it was the self-pipe's, and can never be closed then",
    (
        "*",
        "epoll_ctl",
        "*",
    ): "asyncio's transport is deaf then, and its selector forgets what the system does not",
    ("server over unix", "getsockname", "*"): "asyncio's server raises it in close()",
}


def listed(program: str, fault: Fault, table: dict[tuple[str, str, str], str]) -> bool:
    return any(
        fnmatchcase(program, programs) and fault.call == call and fnmatchcase(fault.error, errors)
        for programs, call, errors in table
    )


def asyncio_differs(program: str, fault: Fault, found: Any, ours: Worker, asyncios: Worker) -> str:
    """What differs, if asyncio shows in no attempt what ours does in one."""
    shown: list[Any] = []
    for _ in range(ATTEMPTS):
        stock = asyncios.run(program, fault)
        if complaints(stock["told"]) or stock["answered"] != found["answered"]:
            return ""  # not comparable: it does not survive, or makes other calls
        shown.append(comparable(stock["told"]))
        if comparable(found["told"]) in shown:
            return ""
        found = ours.run(program, fault)
    return f"asyncio: {shown[-1]}\n   ours:    {comparable(found['told'])}"


@each_program
def test_each_call_fails_once(program: str, ours: Worker, asyncios: Worker) -> None:
    ours.run(program)  # what is made once is made
    normal = ours.run(program)
    assert not complaints(normal["told"])
    assert comparable(normal["told"]) == comparable(asyncios.run(program)["told"])
    bad = []
    met: Counter[str] = Counter()
    for fault in each_once(calls_of(normal)):
        if listed(program, fault, NOT_TRIED):
            continue
        found = ours.run(program, fault)
        met.update(found["native met"])
        wrong = complaints(found["told"])
        if passes(fault) and comparable(found["told"]) != comparable(normal["told"]):
            wrong.append(f"it makes a difference: {comparable(found['told'])}")
        compared = not wrong and not listed(program, fault, NOT_COMPARED)
        if compared and (difference := asyncio_differs(program, fault, found, ours, asyncios)):
            wrong.append(difference)
        bad += [f"{described(program, [fault])}\n   {what}" for what in wrong]
    assert not bad, "\n".join(["", *bad])
    # That each place was hit, and not merely meant; where the interpreter makes the same call, it may be hit.
    tried = {call for call in normal["native"] if not listed(program, Fault(call), NOT_TRIED)}
    if program != "sleep":
        tried.discard("ppoll")  # which is made when there is time to sleep
    assert tried - set(normal["others"]) <= set(met)


@each_program
def test_what_passes_makes_no_difference_in_a_storm(program: str, ours: Worker) -> None:
    normal = ours.run(program)
    faults = [fault for fault in storm() if not listed(program, fault, NOT_TRIED)]
    hit = 0
    for seed in range(1, STORMS + 1):
        found = ours.run(program, *faults, seed=seed)
        assert found["told"] == normal["told"], f"seed {seed}"
        hit += sum(found["answered"])
    assert hit


# Who hears that the system watches no more, where it is a method of the loop's that was called. (Whether
# sock_accept() has to wait is up to the peer.)
@pytest.mark.parametrize(
    "program",
    [
        "server",
        "server over unix",
        "stream server",
        "sock_connect, sock_sendall, sock_recv",
        "readers and writers",
    ],
)
@pytest.mark.parametrize("error", ["ENOMEM", "ENOSPC", "EPERM"])
def test_a_method_raises_that_a_descriptor_is_not_watched(
    program: str, error: str, ours: Worker, asyncios: Worker
) -> None:
    found, stock = (worker.run(program, Fault("epoll_ctl", error)) for worker in (ours, asyncios))
    assert found["answered"] == stock["answered"] == [1]
    assert not complaints(found["told"])
    assert comparable(found["told"]) == comparable(stock["told"])
    assert f"Error [{getattr(errno, error)}]" in found["told"]["run"][0]


@pytest.mark.parametrize("program", ["reader that was removed", "reader that was removed from a writer"])
def test_a_removal_that_fails_does_not_keep_the_loop_awake(program: str, ours: Worker) -> None:
    place = ours.run(program)["native"]["epoll_ctl"] - ("writer" in program) - 1
    found = ours.run(program, Fault("epoll_ctl", "ENOMEM", spared=place))
    assert found["answered"] == [1]
    assert found["told"]["reader"] == ["removed: True"]
    assert found["native"]["epoll_wait"] < 10


def test_a_server_that_is_not_watched_again_tries_once_more(ours: Worker) -> None:
    # It accepts nobody for a while because descriptors are lacking, and then there is no room to watch it.
    for refused in (1, 3):
        found = ours.run(
            "server", Fault("accept4", "EMFILE"), Fault("epoll_ctl", "ENOSPC", spared=2, times=refused)
        )
        assert found["answered"] == [1, refused]
        assert not complaints(found["told"])
        assert found["told"]["peer"] == ["received everything"]
        assert found["told"]["exception handler"] == [
            "socket.accept() out of system resource: OSError [24]",
            "a listening socket is not watched: out of system resource: OSError [28]",
        ]


@pytest.mark.parametrize("error", ["ENOMEM", "ENOSPC"])
def test_a_pipe_whose_other_end_is_not_watched_is_written_to(error: str, ours: Worker) -> None:
    for program in ("pipes", "process", "pipe that nobody reads"):
        normal = ours.run(program)
        places = normal["native"]["epoll_ctl"]
        runs = [ours.run(program, Fault("epoll_ctl", error, spared=place)) for place in range(places)]
        what = "the other end of a pipe is not watched: out of system resource"
        found = [run["told"] for run in runs if what in str(run["told"].get("exception handler"))]
        assert found
        for told in found:
            del told["exception handler"]
            assert comparable(told) == comparable(normal["told"])


FORKED = """
import os, socket, roundelay
from support.faults import Fault, Injection
loop = roundelay.new_event_loop()
one, two = socket.socketpair()
loop.add_reader(one, loop.stop)
two.send(b"x")
child = os.fork()
if child == 0:
    with Injection().active(Fault("epoll_ctl", "ENOSPC", spared=1)):
        try:
            loop.run_forever()
        except OSError as error:
            print("refused", error.errno, flush=True)
        loop.run_forever()
        print("readable", flush=True)
    os._exit(0)
os.waitpid(child, 0)
loop.run_forever()
loop.close()
one.close(), two.close()
"""


def test_a_forked_loop_that_cannot_watch_what_it_did_says_so(library: Path) -> None:
    command = [sys.executable, "-c", FORKED]
    said = subprocess.run(
        command, env=preloaded.environment(library), capture_output=True, text=True, timeout=20, check=True
    )
    assert said.stdout == f"refused {errno.ENOSPC}\nreadable\n"
    assert not said.stderr


# Calls of the C library that do input and output, or wait.
CALLS = re.compile(
    r"(recv|send|accept|epoll|p?poll|eventfd)\w*|p?(read|write)v?(2|64)?|connect|splice|sendfile(64)?"
    r"|wait(p?id|[34])?"
)

# What Rust's standard library brings along and nothing of ours calls.
BROUGHT_ALONG = {"poll", "writev"}


def test_no_call_of_native_code_is_unknown(library: Path, ours: Worker) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("there is no nm to ask for the extension's imports")

    def symbols(kind: str, file: Path) -> set[str]:
        listing = subprocess.run([nm, "-D", kind, file], capture_output=True, text=True, check=True).stdout
        return {line.split()[-1].partition("@")[0] for line in listing.splitlines()}

    imported = {name for name in symbols("--undefined-only", Path(_core.__file__)) if CALLS.fullmatch(name)}
    assert imported <= symbols("--defined-only", library)
    made: set[str] = set()
    for program in PROGRAMS:
        made |= set(ours.run(program, *storm(), seed=1)["native"])
    # Were a call made past the C library, it would be missing here.
    assert imported - made <= BROUGHT_ALONG
    assert made >= {"recv", "send", "sendmsg", "epoll_wait", "epoll_ctl"}
