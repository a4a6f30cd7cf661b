"""The workers of a run: processes on this machine, or those of a Dask cluster."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import tempfile
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.errors import CaloforgeError, ConfigError, MissingExtraError, SimulationError
from caloforge.simulation import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    # Dask has no types.
    _Client: TypeAlias = Any
    _Future: TypeAlias = Any

_CONNECT_SECONDS = 10
# Chunks that are sent for each worker: enough that none waits for the next one, and that an
# adaptive cluster sees there is more to do.
_AHEAD = 2
_FEWEST_IN_FLIGHT = 8
# Dask gives up a chunk whose workers died four times. It is rarely to blame: batch systems take
# nodes away. So it is sent again, this often.
_RESUBMISSIONS = 2
_SIZE_SECONDS = 5.0
_LOST_SECONDS = 60.0
_RELEASE_SECONDS = 5.0
_LOGGERS = ("distributed", "tornado", "asyncio")


def default_workers() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def local_workers(n: int) -> Iterator[Workers]:
    """Start workers in threads of this process; each has a Geant4 process of its own.

    Arguments:
        n: How many.

    Raises:
        MissingExtraError: If Dask is not installed.
    """
    distributed = _distributed()
    run = secrets.token_hex(8)
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.callback(worker.close, run)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="caloforge-"))
        # No network: scheduler and workers talk in memory, so that no other user of the machine
        # can reach them; their HTTP servers, which Dask always starts, know no page.
        stack.enter_context(
            import_module("dask.config").set(
                {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
            )
        )
        shared = {
            "protocol": "inproc://",
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
        }
        options = {**shared, "nthreads": 1, "memory_limit": 0, "local_directory": folder}
        cluster = stack.enter_context(
            distributed.SpecCluster(
                scheduler={"cls": distributed.Scheduler, "options": shared},
                workers={k: {"cls": distributed.Worker, "options": options} for k in range(n)},
                silence_logs=False,
            )
        )
        client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
        workers = Workers(client, "this machine", run, local=n)
        # Before Dask is closed, which waits for tasks that wait for these processes.
        stack.callback(worker.stop, run)
        yield workers


@contextmanager
def cluster_workers(address: str) -> Iterator[Workers]:
    """Use the workers of a Dask cluster.

    Arguments:
        address: Of the scheduler, e.g. ``"tcp://10.0.0.1:8786"``, or the path of its file.

    Raises:
        MissingExtraError: If Dask is not installed.
        ConfigError: If no scheduler answers.
    """
    distributed = _distributed()
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        where: dict[str, Any] = (
            {"scheduler_file": address} if Path(address).is_file() else {"address": address}
        )
        try:
            client = distributed.Client(**where, timeout=_CONNECT_SECONDS, set_as_default=False)
        # Dask asserts that a scheduler file has an address.
        except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
            reason = " ".join(str(error).split())[:200] or "not its file"
            msg = (
                f"--cluster {address}: no Dask scheduler answers ({reason}); start one with "
                "`dask scheduler`, or leave --cluster out to use this machine"
            )
            raise ConfigError(msg) from error
        stack.enter_context(client)
        workers = Workers(client, address, secrets.token_hex(8), local=0)
        stack.callback(workers.release)
        yield workers


class Workers:
    """Workers that make chunks; given by `local_workers` or `cluster_workers`.

    Arguments:
        client: Of the Dask cluster.
        address: Its name, for messages.
        run: Mark of this run, for the workers to know whom they work for.
        local: How many workers there are in this process; 0 for a cluster.

    Attributes:
        address: As given.
        run: As given.
    """

    def __init__(self, client: _Client, address: str, run: str, *, local: int) -> None:
        self.address = address
        self.run = run
        self._client = client
        self._local = local
        self._done: queue.SimpleQueue[tuple[int, _Future]] = queue.SimpleQueue()
        self._size = local
        self._asked = self._alive = time.monotonic()
        self._ready: list[_Future] = []

    def ask(
        self,
        function: Callable[[bytes], str],
        task: bytes,
        ready: bytes,
        wait: Callable[[], None],
    ) -> str:
        """Let one worker answer a question.

        Arguments:
            function: A function of `caloforge.simulation.worker`.
            task: Its argument.
            ready: Its argument for all other local workers, to get ready meanwhile.
            wait: Called every second or so until there is an answer.

        Raises:
            CaloforgeError: What went wrong.
        """
        asked = self._submit(0, function, task)
        others = [self._submit(0, function, ready) for _ in range(1, self._local)]
        while (found := self._next()) is None or found[1] is not asked:
            wait()
        answer: str = self._result(asked)
        self._ready = others  # forgotten, Dask would give them up
        return answer

    def make(self, tasks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes] | None]:
        """Let the workers make chunks, as many at a time as they can.

        Arguments:
            tasks: Number and frame of each chunk; taken when a worker is near to free.

        Yields:
            Number and record of a finished chunk, in any order; None every second or so.

        Raises:
            CaloforgeError: What went wrong.
        """
        waiting = iter(tasks)
        flying: dict[int, tuple[bytes, int, _Future]] = {}
        more = True
        while more or flying:
            while more and len(flying) < self._room():
                number, task = next(waiting, (-1, b""))
                more = number >= 0
                if more:
                    flying[number] = (
                        task,
                        0,
                        self._submit(number, worker.simulate_chunk, task),
                    )
            found = self._next()
            if found is None:
                yield None
                continue
            number, future = found
            if number not in flying or flying[number][2] is not future:
                continue  # a second answer to `ask`
            task, deaths, _ = flying.pop(number)
            if deaths < _RESUBMISSIONS and _was_killed(future):
                again = self._submit(number, worker.simulate_chunk, task)
                flying[number] = (task, deaths + 1, again)
                continue
            yield number, self._result(future)

    def count(self) -> int:
        """Return how many workers there are now; asks a cluster at most every 5 s."""
        now = time.monotonic()
        if not self._local and (self._size == 0 or now - self._asked > _SIZE_SECONDS):
            self._asked = now
            self._size = sum(self._client.nthreads().values())
        return self._size

    def release(self) -> None:
        """End the Geant4 processes of this run on a cluster; never mind if that fails."""
        if self._client.status != "running":
            return

        def tell() -> None:
            with suppress(OSError, RuntimeError, ValueError):
                self._client.run(worker.stop, self.run, on_error="ignore")

        # A worker that has just gone is waited for half a minute: not by our user.
        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        thread.join(_RELEASE_SECONDS)

    def _room(self) -> int:
        return max(_FEWEST_IN_FLIGHT, _AHEAD * self.count() + 1)

    def _submit(self, number: int, function: Callable[[bytes], Any], task: bytes) -> _Future:
        key = f"caloforge-{self.run}-{secrets.token_hex(4)}"
        future = self._client.submit(function, task, key=key, pure=False)
        future.add_done_callback(lambda done: self._done.put((number, done)))
        return future

    def _next(self) -> tuple[int, _Future] | None:
        """Wait a second for the next future that is done."""
        try:
            found = self._done.get(timeout=1.0)
        except queue.Empty:
            found = None
        # A scheduler that has gone cannot say so.
        now = time.monotonic()
        if self._client.status == "running":
            self._alive = now
        elif now - self._alive > _LOST_SECONDS:
            raise SimulationError(self._lost())
        return found

    def _result(self, future: _Future) -> Any:  # noqa: ANN401 - of any function
        """Return a task's result, or say in one line why there is none."""
        cancelled = _distributed().CancelledError
        try:
            return future.result()
        except CaloforgeError:
            raise
        except cancelled as error:
            raise SimulationError(self._lost()) from error
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            if isinstance(error, (ImportError, AttributeError)) or "deserializ" in text:
                msg = (
                    f"{self.address}: the scheduler or a worker cannot load caloforge "
                    f"({text}); install the same caloforge[sim] in all of them"
                )
            else:
                msg = f"{self.address}: a worker failed ({type(error).__name__}: {text})"
            raise SimulationError(msg) from error

    def _lost(self) -> str:
        return f"{self.address}: the Dask scheduler has gone; start it again, then go on"


def _was_killed(future: _Future) -> bool:
    """Whether the workers that made a chunk died of something else than the chunk's error."""
    killed = _distributed().KilledWorker
    return future.status == "error" and isinstance(future.exception(), killed)


def _distributed() -> Any:  # noqa: ANN401 - a module, and one without types
    """Import Dask.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        with _quiet():
            return import_module("distributed")
    except ImportError as error:
        msg = "dask[distributed] is not installed; pip install 'caloforge[sim]'"
        raise MissingExtraError(msg) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs and warns from the user, who can act on none of it."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in _LOGGERS]
    loggers = [logging.getLogger(name) for name in {*names, *_LOGGERS}]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
