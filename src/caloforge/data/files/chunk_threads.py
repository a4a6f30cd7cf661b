"""Threads that expand and compress chunks."""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

# More would wait for the one thread that feeds them.
_MOST = 8


def default_threads() -> int:
    """Return how many threads to take: the cores that this process may use, at most 8.

    The variable ``CALOFORGE_THREADS`` of the environment overrides it.

    Raises:
        ConfigError: If the variable is not an integer above 0.
    """
    wish = os.environ.get("CALOFORGE_THREADS", "").strip()
    if wish:
        if not wish.isdecimal() or int(wish) < 1:
            msg = (
                f"environment variable CALOFORGE_THREADS: found '{wish}', expected an integer "
                "above 0; correct or unset it"
            )
            raise ConfigError(msg)
        return int(wish)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows know no such restriction
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota(), _MOST))


def _quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that a container may use, from the file of its control group; else very many."""
    try:
        limit, period = path.read_text().split()
        return max(1, int(limit) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # none, "max", or another system
        return sys.maxsize


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
        most: Pieces that may wait, if there are several threads; at least two a thread.
    """

    def __init__(self, threads: Threads, done: Callable[[Any], None], most: int = 0) -> None:
        self._threads = threads
        self._done = done
        self._waiting: deque[Future[Any]] = deque()
        self._most = 1 if threads.number == 1 else max(most, 2 * threads.number)

    def add(self, work: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
        """Hand in a piece; first take results that are there, or if too many wait."""
        while self._waiting and (len(self._waiting) >= self._most or self._waiting[0].done()):
            self._done(self._waiting.popleft().result())
        self._waiting.append(self._threads.submit(work, *arguments))

    def finish(self) -> None:
        """Take all results."""
        while self._waiting:
            self._done(self._waiting.popleft().result())
