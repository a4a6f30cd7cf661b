"""What a Dask worker does: it keeps one Geant4 process a thread and hands it chunks.

A process that dies is started again and goes on with the shower that it died of, so that a
kill, a full memory or a crash of Geant4 costs one shower. The functions here are called by Dask
by their name: scheduler and workers need caloforge installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from caloforge import __version__, errors
from caloforge.child_process import start_child
from caloforge.errors import CaloforgeError, SimulationError
from caloforge.simulation.frames import Frame, receive, send, unpack
from caloforge.simulation.journal import Sparse, pack_chunk

if TYPE_CHECKING:
    from collections.abc import Mapping

# How often the same shower may kill a process.
_TRIES = 3
# Of what Geant4 printed, so much is kept, and so much told when it dies.
_LOG_BYTES, _TAIL_CHARACTERS = 2**20, 300
_GRACE_SECONDS = 5.0
_KINDS: Mapping[str, type[CaloforgeError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CaloforgeError)
}

_lock = threading.Lock()
_children: dict[int, Child] = {}  # by thread
_stopped: dict[str, None] = {}  # runs that have ended, in order


class ChildDiedError(Exception):
    """A Geant4 process has ended without being told to."""


class Child:
    """A Geant4 process, seen from its parent.

    Arguments:
        setting: Engine, setup and cells: what it is started with.
        run: The run that it works for.

    Attributes:
        setting: As given.
        run: As given.
        description: What the engine says of itself.

    Raises:
        CaloforgeError: What the engine refused.
        ChildDiedError: If it died while starting.
    """

    def __init__(self, setting: dict[str, Any], run: str) -> None:
        self.setting, self.run = setting, run
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed in `close`
        self._process = start_child("caloforge.simulation.child", self._log)
        self.description: dict[str, Any] = {}

    def start(self) -> None:
        """Wait until the engine is ready."""
        self.ask({"do": "start", **self.setting})
        self.description = self.answer().header["description"]

    def ask(self, header: dict[str, Any], frame: Frame | None = None, first: int = 0) -> None:
        """Send a request.

        Arguments:
            header: What to do.
            frame: Particles and showers.
            first: The first of these showers to be made.

        Raises:
            ChildDiedError: If it has died.
        """
        arrays = dict(frame.arrays) if frame else {}
        arrays.pop("number", None)  # for our messages only
        for name in ("row", "seed", "miss"):
            if name in arrays:
                arrays[name] = arrays[name][first:]
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, header, arrays)
        except (OSError, ValueError) as error:
            raise ChildDiedError from error

    def answer(self) -> Frame:
        """Wait for the next message.

        Raises:
            CaloforgeError: What the engine refused.
            ChildDiedError: If it has died.
        """
        assert self._process.stdout is not None
        try:
            frame = receive(self._process.stdout)
        except (OSError, ValueError) as error:
            raise ChildDiedError from error
        if frame is None:
            raise ChildDiedError
        if frame.header["is"] == "error":
            raise _KINDS.get(frame.header["kind"], SimulationError)(frame.header["text"])
        return frame

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def shorten_log(self) -> None:
        """Forget what it printed, if that is much."""
        if os.fstat(self._log.fileno()).st_size > _LOG_BYTES:
            os.ftruncate(self._log.fileno(), 0)

    def last_words(self) -> str:
        """Say how it ended, with the end of what it printed."""
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe, or sent nonsense, and lives on
            self._process.kill()
            self._process.wait()
        code = self._process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")
        return f"{how}: {gist(tail)}" if tail.strip() else how

    def kill(self) -> None:
        """End it, from any thread; the thread that waits for its answer learns of it."""
        self._process.kill()

    def close(self) -> None:
        """End it and wait for its end."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # a request that it did not read
                pipe.close()
        self._log.close()


def gist(printed: str) -> str:
    """Return, in one line, what matters of the last that Geant4 printed.

    Example:
        >>> gist("*** G4Exception : em0003 issued by : X data file not found *** Fatal ***")
        'Geant4 says em0003 issued by : X data file not found'
    """
    printed = " ".join(printed.split())
    # What it could not handle begins so; a lot that says nothing follows.
    _, found, reason = printed.rpartition("*** G4Exception : ")
    if found:
        return f"Geant4 says {reason.split(' *** ')[0][:_TAIL_CHARACTERS]}"
    return f"...{printed[-_TAIL_CHARACTERS:]}"


# One process has one core; libraries that start threads at import only take memory.


def check(task: bytes) -> str:
    """Start a process and let it look at particles.

    Arguments:
        task: Frame with engine, setup, and the particles to check; without, it only starts.

    Returns:
        JSON: what the engine says of itself.

    Raises:
        CaloforgeError: If the engine cannot start, or cannot simulate these particles.
    """
    frame = unpack(task)
    for attempt in range(1, _TRIES + 1):
        child = None
        try:
            child = _child(frame.header)
            if frame.arrays:
                child.ask({"do": "check"}, frame)
                child.answer()
        except ChildDiedError as error:
            words = _drop()
            _check_goes_on(frame.header)
            if attempt == _TRIES:
                msg = f"the Geant4 process died while starting ({words})"
                raise SimulationError(msg) from error
        else:
            return json.dumps(child.description)
    raise AssertionError


def simulate_chunk(task: bytes) -> bytes:
    """Make the showers of a chunk.

    Arguments:
        task: Frame with engine, setup, description that the engine must have, place of the
            first shower, and arrays: the columns of the particles, and for each shower its row,
            seed, number, and whether it misses the detector.

    Returns:
        Record for the journal.

    Raises:
        CaloforgeError: If the engine cannot make a shower, or another engine is installed here.
    """
    frame = unpack(task)
    header, n = frame.header, len(frame.arrays["seed"])
    made: list[Sparse] = []
    deaths = 0  # of the shower that is in work
    while len(made) < n:
        before = len(made)
        try:
            child = _child(header)
            child.ask({"do": "showers"}, frame, before)
            while (reply := child.answer()).header["is"] == "shower":
                arrays = reply.arrays
                made.append(Sparse(arrays["cells"], arrays["values"], reply.header["cpu"]))
            child.shorten_log()
        except ChildDiedError as error:
            words = _drop()
            _check_goes_on(header)
            deaths = deaths + 1 if len(made) == before else 1
            if deaths == _TRIES:
                msg = (
                    f"{_name(frame, len(made))} killed its process {_TRIES} times ({words}); "
                    f"to see it alone: --only {frame.arrays['number'][len(made)]}"
                )
                raise SimulationError(msg) from error
        except SimulationError as error:
            msg = f"{_name(frame, len(made))}: {error}"
            raise SimulationError(msg) from error
    return pack_chunk(header["start"], header["setting"]["n_cells"], made)


def stop(run: str) -> None:
    """End the processes that work for a run; its chunks that still come are refused."""
    with _lock:
        _stopped[run] = None
        if len(_stopped) > 1000:
            del _stopped[next(iter(_stopped))]
        for child in _children.values():
            if child.run == run:
                child.kill()


def close(run: str) -> None:
    """Part with the processes of a run; only when none of its chunks is in work."""
    with _lock:
        for thread, child in list(_children.items()):
            if child.run == run:
                _children.pop(thread).close()


def _child(header: dict[str, Any]) -> Child:
    """Return this thread's process, started as a task wants it."""
    if header["caloforge"] != __version__:
        msg = (
            f"worker {platform.node()}: found caloforge {__version__}, expected "
            f"{header['caloforge']} as in the process that asks; install it everywhere"
        )
        raise SimulationError(msg)
    _check_goes_on(header)
    thread = threading.get_ident()
    child = _children.get(thread)
    if child is not None and (child.setting != header["setting"] or not child.alive()):
        child.kill()
        _drop()
        child = None
    if child is None:
        child = Child(header["setting"], header["run"])
        with _lock:
            _children[thread] = child
        try:
            child.start()
        except CaloforgeError:
            child.kill()
            _drop()
            raise
    child.run = header["run"]
    _check_goes_on(header)
    expected = header.get("description")
    if expected is not None and child.description != expected:
        names = [k for k in expected if child.description.get(k) != expected[k]]
        names += [k for k in child.description if k not in expected]
        key = names[0]
        msg = (
            f"worker {platform.node()}: found {key} {child.description.get(key)}, "
            f"expected {expected.get(key)} as where the run began; install the same"
        )
        raise SimulationError(msg)
    return child


def _drop() -> str:
    """Part with this thread's process; return its last words."""
    with _lock:
        child = _children.pop(threading.get_ident(), None)
    if child is None:
        return ""
    words = child.last_words()
    child.close()
    return words


def _check_goes_on(header: dict[str, Any]) -> None:
    """Refuse to work for a run that has ended."""
    if header["run"] in _stopped:
        msg = "the run has been stopped"
        raise SimulationError(msg)


def _name(frame: Frame, place: int) -> str:
    """Say which shower it is."""
    from caloforge.data.particles import kind_name

    row = int(frame.arrays["row"][place])
    kind = kind_name(int(frame.arrays["pdg"][row]))
    energy = float(frame.arrays["energy_gev"][row])
    return f"shower {frame.arrays['number'][place]} ({kind}, {energy:.4g} GeV)"
