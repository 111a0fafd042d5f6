"""Each system call of the loop fails, once at each of its first places and all of them again and again."""

import re
import shutil
import subprocess
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
    ("*", "epoll_ctl", "*"): "a connection that the system does not watch is deaf for ever, as on asyncio",
}


# Where ours does not do what asyncio does.
NOT_COMPARED = {
    (
        "*",
        "close",
        "*",
    ): "asyncio's loop raises it where it was the self-pipe's, and can never be closed then",
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
