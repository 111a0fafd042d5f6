"""Which faults are tried on a program, and what must be true of it then."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from support.faults import ALWAYS, Fault

# Tried on every call.
EVERYWHERE = ("EAGAIN", "EINTR", "ECONNRESET", "EPIPE")

# Tried on some besides, or in their place.
OUT_OF_DESCRIPTORS = ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")
MORE = {
    "accept": (*OUT_OF_DESCRIPTORS, "ECONNABORTED"),
    "accept4": (*OUT_OF_DESCRIPTORS, "ECONNABORTED"),
    "connect": ("ECONNREFUSED", "ETIMEDOUT"),
    "socket": ("EMFILE",),
    "socketpair": ("EMFILE",),
    "pipe2": ("EMFILE",),
    "eventfd": ("EMFILE",),
    "epoll_create1": ("EMFILE",),
}
INSTEAD = {
    # Any other answer is a mistake of the caller's.
    "epoll_ctl": ("ENOMEM", "ENOSPC", "EPERM"),
    "epoll_wait": ("EINTR",),
    "epoll_pwait2": ("EINTR",),
    "poll": ("EINTR",),
    "ppoll": ("EINTR",),
    "close": ("EINTR", "EIO"),
    "waitpid": ("EINTR",),
    "waitid": ("EINTR",),
}

READING = ("recv", "recvfrom", "recvmsg", "read", "readv")
WRITING = ("send", "sendto", "sendmsg", "write", "writev", "sendfile", "splice")
WAITING = ("epoll_wait", "epoll_pwait2")
# Tried at each place, not at the first three alone.
THROUGHOUT = ("close", "epoll_ctl")
BYTES = ("stream", "pipe")


def each_once(calls: Mapping[str, int]) -> Iterator[Fault]:
    """One fault after the other: each call that a program makes, each error, at the first three times.

    What is closed or watched differs from time to time, so each of those calls has its turn.
    """
    for call, count in sorted(calls.items()):
        for spared in range(count if call in THROUGHOUT else min(count, 3)):
            for error in INSTEAD.get(call, EVERYWHERE + MORE.get(call, ())):
                yield Fault(call, error, spared=spared)
            if call in READING + WRITING:
                yield Fault(call, most=1, kinds=BYTES, spared=spared)
            if call in WAITING:
                yield Fault(call, most=1, spared=spared)


def passes(fault: Fault) -> bool:
    """Whether it must make no difference to anybody: the same call can be made again."""
    if not fault.error:
        return True
    if fault.call in (*READING, *WRITING):
        return fault.error in ("EAGAIN", "EINTR")
    if fault.call.startswith("accept"):
        return fault.error in ("EAGAIN", "EINTR")
    return fault.error == "EINTR" and fault.call != "close" and fault.call in (*INSTEAD, "connect")


def storm() -> list[Fault]:
    """Everything that passes, at once and again and again."""
    faults = []
    for call in READING + WRITING:
        faults += [
            Fault(call, "EAGAIN", times=ALWAYS, per_mille=200, kinds=(*BYTES, "datagrams")),
            Fault(call, "EINTR", times=ALWAYS, per_mille=200, kinds=(*BYTES, "datagrams")),
            Fault(call, most=1000, times=ALWAYS, per_mille=300, kinds=BYTES),
            Fault(call, most=1, times=10, per_mille=200, kinds=BYTES),
        ]
    for call in ("accept", "accept4"):
        faults += [
            Fault(call, error, times=3, per_mille=300, kinds=("listener",)) for error in ("EAGAIN", "EINTR")
        ]
    for call in WAITING:
        faults += [
            Fault(call, "EINTR", times=ALWAYS, per_mille=200),
            Fault(call, most=1, times=ALWAYS, per_mille=300),
        ]
    for call in ("poll", "ppoll", "waitpid", "waitid"):
        faults.append(Fault(call, "EINTR", times=ALWAYS, per_mille=200))
    faults.append(Fault("connect", "EINTR", times=ALWAYS, per_mille=300))
    return faults


# What a program or its peers say of something that must never happen.
NEVER = ("HANGS", "LEFT OPEN", "SOMETHING ELSE", "TWICE", "DIED")


def complaints(told: Mapping[str, list[str]]) -> list[str]:
    """What must not be, whatever went wrong in the system."""
    found = [
        f"{who}: {what}" for who, said in told.items() for what in said if any(word in what for word in NEVER)
    ]
    if "made" in told.get("protocol", ()) and mentions(told.values(), "a part"):
        reports = [said for who, said in told.items() if who != "peer"]
        if not mentions(reports, "Error"):
            found.append("bytes are lost, and nobody is told of an error")
    return found


def mentions(all_said: Iterable[list[str]], words: str) -> bool:
    return any(words in what for said in all_said for what in said)


def comparable(told: Mapping[str, list[str]]) -> dict[str, Any]:
    """What two loops must agree about. How far a connection that broke had come is a matter of timing, and
    unclosed objects of a program that failed are reported when they are found."""
    return {who: said for who, said in told.items() if who not in ("peer", "warnings", "descriptors")}
