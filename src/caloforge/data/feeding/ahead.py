"""Work that is done ahead by a few threads, with results in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def ahead(jobs: Iterator[Callable[[], T]], workers: int) -> Iterator[T]:
    """Do jobs in threads, a few ahead of what is asked for.

    Threads, not processes: the hours go into NumPy, PyTorch and zlib, which let others run
    meanwhile, and nothing has to be copied between processes.

    Arguments:
        jobs: What to do; taken one by one in the thread of the caller, as few as needed.
        workers: Number of threads; 0 does each job when its result is asked for.

    Yields:
        Results in the order of the jobs, whatever the number of threads. An exception of a job
        is raised where its result would be.
    """
    if workers == 0:
        for job in jobs:
            yield job()
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="batch")
    waiting: deque[Future[T]] = deque()
    try:
        for job in jobs:
            waiting.append(executor.submit(job))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


class Background:
    """One thread that does work in the background, or none.

    Arguments:
        wanted: Whether there is a thread; without one work is done at once, by the caller.
    """

    def __init__(self, wanted: bool) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="reader") if wanted else None

    @property
    def is_thread(self) -> bool:
        """Whether work is done in the background."""
        return self._executor is not None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do some work soon."""
        if self._executor is not None:
            return self._executor.submit(work)
        done: Future[T] = Future()
        done.set_result(work())
        return done

    def close(self) -> None:
        """Wait for what is being done, and drop what is not begun."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
