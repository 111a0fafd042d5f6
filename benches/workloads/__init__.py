"""What `make bench` measures: asyncio programs, each the same for every loop.

A program takes what it uses from `asyncio` by name when it runs, as users' programs do. With roundelay
installed, those names are the native ones; on the other loops they are asyncio's own.
"""

from fnmatch import fnmatchcase  # noqa: I001

# Imported in the order of the table.
from . import scheduling, coordination, uncontended, streams, transports, network, parked, async_tree
from .registry import PROCESSOR, WORKLOADS, Workload

__all__ = ["DEFAULT", "GROUPS", "MEAN", "PROCESSOR", "WORKLOADS", "Workload", "select"]

GROUPS = {
    "scheduling": scheduling,
    "coordination": coordination,
    "uncontended": uncontended,
    "streams": streams,
    "transports": transports,
    "network": network,
    "parked": parked,
    "async_tree": async_tree,
}
"""The groups of workloads, each the module of that name."""

OPTIONAL = {"uncontended", "transports"}
"""Groups that are measured with `--all`, or when they are named."""

MEAN = "async_tree_mean"
"""The row that sums up a group: the geometric mean of the rows of `async_tree`."""


def select(names: list[str]) -> list[Workload]:
    """The workloads with these names or in these groups, in the order of the table. KeyError for others.

    A name may be a pattern, as of files: `net_*_1k_10`.
    """
    known = [*WORKLOADS, *GROUPS]
    unknown = [name for name in names if not any(fnmatchcase(one, name) for one in known)]
    if unknown:
        raise KeyError(f"no such workload or group: {', '.join(sorted(unknown))}")
    return [
        w for w in WORKLOADS.values() if any(fnmatchcase(one, n) for n in names for one in (w.name, w.group))
    ]


DEFAULT = [group for group in GROUPS if group not in OPTIONAL]
