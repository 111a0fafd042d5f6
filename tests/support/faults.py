"""Tells `injected_faults.c`, which must be loaded, what is to go wrong."""

import ctypes
import errno
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# The kinds of descriptors, as the library numbers them.
KINDS = {"nothing": 1, "listener": 2, "stream": 4, "datagrams": 8, "pipe": 16, "anonymous": 32, "other": 64}
ALWAYS = 2**32 - 1
MOST_RULES = 128


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in some calls of one system call."""

    # Which system call.
    call: str
    # The errno that is answered, by its name; without one the call moves at most `most` bytes (or events).
    error: str = ""
    most: int = 0
    # Of which calls: those on such descriptors, after the first `spared`, `times` of them at most, and so
    # many of a thousand of these.
    kinds: tuple[str, ...] = tuple(KINDS)
    spared: int = 0
    times: int = 1
    per_mille: int = 1000

    def __str__(self) -> str:
        which = f"number {self.spared + 1}" if self.times == 1 else f"{self.per_mille} of 1000"
        return f"{self.call} {self.error or f'of {self.most}'}, {which}"

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


class _Rule(ctypes.Structure):
    _fields_ = (
        ("call", ctypes.c_int32),
        ("kinds", ctypes.c_uint32),
        ("spared", ctypes.c_uint32),
        ("times", ctypes.c_uint32),
        ("per_mille", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("most", ctypes.c_uint32),
        ("seen", ctypes.c_uint32),
        ("answered", ctypes.c_uint32),
    )


class Injection:
    """The library, which is loaded already."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        names = iter((ctypes.c_char_p * 1024).in_dll(library, "faults_names"))
        self.calls: list[str] = []
        while name := next(names):
            self.calls.append(name.decode())
        self._rules = (_Rule * MOST_RULES).in_dll(library, "faults_rules")
        self._rule_count = ctypes.c_int32.in_dll(library, "faults_rule_count")
        self._thread = ctypes.c_int32.in_dll(library, "faults_thread")
        self._seed = ctypes.c_uint32.in_dll(library, "faults_seed")
        self._native = [ctypes.c_size_t.in_dll(library, f"faults_native_{end}") for end in ("from", "to")]
        table = ctypes.c_uint64 * len(self.calls) * 2
        self._made = table.in_dll(library, "faults_made")
        self._met = table.in_dll(library, "faults_met")

    def know_native_code(self, module: Path) -> None:
        """From now on the calls that are made by the code in this file are counted apart."""
        places = []
        for line in Path("/proc/self/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5] == str(module) and "x" in fields[1]:
                places.append([int(end, 16) for end in fields[0].split("-")])
        self._native[0].value = min(start for start, _ in places)
        self._native[1].value = max(end for _, end in places)

    @contextmanager
    def active(self, *faults: Fault, seed: int = 0) -> Iterator[None]:
        """Calls of this thread are counted from zero, and these faults happen to them."""
        ctypes.memset(self._made, 0, ctypes.sizeof(self._made))
        ctypes.memset(self._met, 0, ctypes.sizeof(self._met))
        assert len(faults) <= MOST_RULES
        for rule, fault in zip(self._rules, faults, strict=False):
            rule.call = self.calls.index(fault.call)
            rule.kinds = sum(KINDS[kind] for kind in fault.kinds)
            rule.spared, rule.times, rule.per_mille = fault.spared, fault.times, fault.per_mille
            rule.error = getattr(errno, fault.error) if fault.error else 0
            rule.most = fault.most
            rule.seen = rule.answered = 0
        self._rule_count.value = len(faults)
        self._seed.value = seed
        self._thread.value = threading.get_native_id()
        try:
            yield
        finally:
            self._thread.value = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What the test does for itself is neither counted nor disturbed."""
        thread, self._thread.value = self._thread.value, 0
        try:
            yield
        finally:
            self._thread.value = thread

    def answered(self) -> list[int]:
        """How often each of the faults that were active last has happened."""
        return [rule.answered for rule in self._rules[: self._rule_count.value]]

    def made(self, *, native: bool) -> Counter[str]:
        """The calls that were made: by native code or by everybody else."""
        return +Counter(dict(zip(self.calls, self._made[native], strict=True)))

    def met(self, *, native: bool) -> Counter[str]:
        """Those of them that met a fault."""
        return +Counter(dict(zip(self.calls, self._met[native], strict=True)))
