"""What the loop makes of subprocesses: each child is waited for by the loop that started it."""

from __future__ import annotations

from typing import Any

from . import _core, compat


class Subprocesses:
    """Part of `EventLoop`: the methods in which asyncio's coroutines about subprocesses end.

    asyncio's loops up to 3.13 ask a watcher that is the same for the whole process. Ours never do.
    """

    # Waits by threads, where the system has no descriptors for processes. Made when it is needed.
    _thread_watcher: Any = None

    async def _make_subprocess_transport(
        self: Any,
        protocol: Any,
        args: Any,
        shell: Any,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: Any,
        extra: Any = None,
        **kwargs: Any,
    ) -> Any:
        waiter = self.create_future()
        transport = _core.SubprocessTransport(
            self, protocol, args, shell, stdin, stdout, stderr, bufsize, waiter=waiter, extra=extra, **kwargs
        )
        if compat.waits_in_threads(self) or not _core._watch_child(transport):
            self._watch_child_by_thread(transport)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await compat.until_exit(transport)
            raise
        return transport

    def _watch_child_by_thread(self: Any, transport: Any) -> None:
        if self._thread_watcher is None:
            self._thread_watcher = compat.thread_watcher(self)
        self._thread_watcher.add_child_handler(transport.get_pid(), self._child_watcher_callback, transport)
