"""What a process holds on to, and whether that grows from one checkpoint to the next."""

import asyncio
import ctypes
import gc
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """One process at a moment when nothing is under way."""

    memory: float
    """Resident, in MiB."""
    objects: int
    """That the garbage collector tracks, after a collection."""
    descriptors: int
    tasks: int
    threads: int

    as_dict = asdict


@dataclass(frozen=True)
class Bounds:
    """How much more there may be at the end than after the warm-up. Descriptors, tasks, threads: nothing."""

    memory: float = 4.0
    """MiB. Allocators keep what they have, in pieces that do not always fit."""
    objects: int = 400
    """Caches of the interpreter and its library still fill."""


def measure() -> Figures:
    """Take the figures of this process; call it on the loop's thread."""
    gc.collect()
    gc.collect()
    _give_back_memory()
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return Figures(
        memory=round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 2),
        objects=len(gc.get_objects()),
        # Less the one of the listing itself.
        descriptors=len(os.listdir("/proc/self/fd")) - 1,
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
    )


def _give_back_memory() -> None:
    """Have the C library return what is free, so that what stays is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def growth(values: Sequence[float]) -> float:
    """How much more the least of the last quarter is than the least of the first."""
    quarter = max(1, len(values) // 4)
    return min(values[-quarter:]) - min(values[:quarter])


def complaints(name: str, after_warm_up: Sequence[Figures], bounds: Bounds) -> list[str]:
    """What grew beyond its bound in the process of this name."""
    limits: dict[str, float] = {
        "memory": bounds.memory,
        "objects": bounds.objects,
        "descriptors": 0,
        "tasks": 0,
        "threads": 0,
    }
    found = []
    for what, limit in limits.items():
        values: list[Any] = [getattr(figures, what) for figures in after_warm_up]
        if (more := growth(values)) > limit:
            unit = " MiB" if what == "memory" else ""
            found.append(f"{name}: {more:g}{unit} more {what} than after the warm-up, {limit:g} allowed")
    return found
