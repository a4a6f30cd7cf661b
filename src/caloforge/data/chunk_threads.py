"""Threads that expand and compress chunks."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

# More would wait for the one thread that feeds them.
_MOST = 8


def default_threads() -> int:
    """Return how many threads to take: the cores that this process may use, at most 8."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows know no such restriction
        cores = os.cpu_count() or 1
    return max(1, min(cores, _MOST))


class Threads:
    """A few threads, started at the first use; one of them means none but the caller's.

    Arguments:
        number: How many, by default `default_threads`.

    Raises:
        ConfigError: If it is below 1.
    """

    def __init__(self, number: int | None = None) -> None:
        if number is not None and number < 1:
            msg = f"threads: found {number}, expected 1 or more; leave it out for all cores"
            raise ConfigError(msg)
        self.number = number or default_threads()
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:  # noqa: ANN401
        """Do some work soon, or at once if there is one thread."""
        if self.number == 1:
            done: Future[Any] = Future()
            try:
                done.set_result(work(*arguments))
            except Exception as error:  # noqa: BLE001 - it is raised where the result is wanted
                done.set_exception(error)
            return done
        # A process that was forked inherits the object, but none of the threads.
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self.number, thread_name_prefix="chunk")
            self._process = os.getpid()
        return self._pool.submit(work, *arguments)

    def close(self) -> None:
        """Wait for what is being done, and drop what is not begun."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(cancel_futures=True)
        self._pool = None


class Queue:
    """Work in order, of which only a few pieces are under way, to bound the memory.

    Arguments:
        threads: Who works.
        done: What takes each result, in the order of `add`, in the thread of the caller.
    """

    def __init__(self, threads: Threads, done: Callable[[Any], None]) -> None:
        self._threads = threads
        self._done = done
        self._waiting: deque[Future[Any]] = deque()
        self._most = 2 * threads.number

    def add(self, work: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
        """Hand in a piece; first take results, if too many wait."""
        while len(self._waiting) >= self._most:
            self._done(self._waiting.popleft().result())
        self._waiting.append(self._threads.submit(work, *arguments))

    def finish(self) -> None:
        """Take all results."""
        while self._waiting:
            self._done(self._waiting.popleft().result())
