"""What `make bench` measures: asyncio programs, each the same for every loop.

A program takes what it uses from `asyncio` by name when it runs, as users' programs do. With roundelay
installed, those names are the native ones; on the other loops they are asyncio's own.
"""

# Imported in the order of the table.
from . import scheduling, coordination, uncontended, streams, network, parked, async_tree  # noqa: I001
from .registry import WORKLOADS, Workload

__all__ = ["DEFAULT", "GROUPS", "MEAN", "WORKLOADS", "Workload", "select"]

GROUPS = {
    "scheduling": scheduling,
    "coordination": coordination,
    "uncontended": uncontended,
    "streams": streams,
    "network": network,
    "parked": parked,
    "async_tree": async_tree,
}
"""The groups of workloads, each the module of that name."""

OPTIONAL = {"uncontended"}
"""Groups that are measured with `--all`, or when they are named."""

MEAN = "async_tree_mean"
"""The row that sums up a group: the geometric mean of the rows of `async_tree`."""


def select(names: list[str]) -> list[Workload]:
    """The workloads with these names or in these groups, in the order of the table. KeyError for others."""
    unknown = set(names) - WORKLOADS.keys() - GROUPS.keys()
    if unknown:
        raise KeyError(f"no such workload or group: {', '.join(sorted(unknown))}")
    return [w for w in WORKLOADS.values() if w.name in names or w.group in names]


DEFAULT = [group for group in GROUPS if group not in OPTIONAL]
