"""One Geant4 process: ``python -m caloforge.simulation.child``.

Geant4 keeps its state in globals, starts once a process, and ends the process when it meets
what it cannot handle; so it never runs in the process of the user. A child talks with its
parent in frames over stdin and stdout: first ``start``, then any ``check`` and ``showers``.
Each shower is sent as it is finished, so that none is lost when the next one kills the child.

What Geant4 prints goes to stderr. A child ends when its stdin does, when nothing was asked for
`IDLE_SECONDS`, and on Linux also at the moment in which its parent dies.
"""

from __future__ import annotations

import contextlib
import select
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.child_process import die_with_parent, own_pipes
from caloforge.data.particles import Particles
from caloforge.errors import CaloforgeError, SimulationError
from caloforge.simulation.frames import Frame, receive, send
from caloforge.simulation.setup import Setup

if TYPE_CHECKING:
    from typing import BinaryIO, Protocol

    from numpy.typing import NDArray

    class Engine(Protocol):
        """What makes showers: `caloforge.simulation.engine.Engine`, or a stand-in."""

        def check(self, particles: Particles) -> None:
            """Refuse particles that cannot be simulated."""

        def shower(self, particles: Particles, row: int, seed: int) -> NDArray[Any]:
            """Return the cells of one shower, ``(cell,)``."""

        def description(self) -> dict[str, Any]:
            """Say how showers are made."""


# A cluster's worker keeps its child for the next chunk; a forgotten one shall not keep memory.
IDLE_SECONDS = 300.0


def main() -> None:
    """Serve one parent until it has gone."""
    die_with_parent()
    requests, replies = own_pipes()
    # The parent may go while we write to it: no reason for a traceback.
    with contextlib.suppress(BrokenPipeError):
        _serve(requests, replies)


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more."""
    engine: Engine | None = None
    n_cells = 0
    while (request := _next(requests)) is not None:
        try:
            task = request.header["do"]
            if task == "start":
                engine = _engine(request.header)
                n_cells = int(request.header["n_cells"])
                send(replies, {"is": "started", "description": _description(engine)})
            elif engine is None:
                msg = f"child: found '{task}', expected 'start' first"
                raise SimulationError(msg)  # noqa: TRY301 - told to the parent like all others
            elif task == "check":
                engine.check(_particles(request))
                send(replies, {"is": "checked"})
            else:
                _make(engine, n_cells, request, replies)
                send(replies, {"is": "done"})
        except CaloforgeError as error:
            send(replies, {"is": "error", "kind": type(error).__name__, "text": str(error)})
        except MemoryError:
            raise  # as good as killed: the parent tries again
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to know
            text = f"{type(error).__name__}: {error}"
            send(replies, {"is": "error", "kind": "SimulationError", "text": text})


def _make(engine: Engine, n_cells: int, request: Frame, replies: BinaryIO) -> None:
    """Make showers and send each of them."""
    particles = _particles(request)
    rows, seeds, misses = (request.arrays[name] for name in ("row", "seed", "miss"))
    for place, (row, seed, miss) in enumerate(zip(rows, seeds, misses, strict=True)):
        before = time.process_time()
        if miss:  # flies past: nothing to simulate
            cells = values = np.zeros(0, dtype=np.uint32)
        else:
            cells, values = _sparse(engine.shower(particles, int(row), int(seed)), n_cells)
        seconds = time.process_time() - before
        send(
            replies,
            {"is": "shower", "place": place, "cpu": seconds},
            {"cells": cells, "values": values},
        )


def _sparse(shower: NDArray[Any], n_cells: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the cells that are not zero, ``(lit,)`` uint32, and what they hold.

    Raises:
        SimulationError: If it is no shower of this detector; better now than after the run.
    """
    shower = np.asarray(shower)
    if shower.shape != (n_cells,):
        msg = f"the engine made a shower of shape {shower.shape}, expected ({n_cells},)"
        raise SimulationError(msg)
    if not np.isfinite(shower).all() or (shower < 0).any():
        msg = "the engine made a shower with a cell that is negative or not finite"
        raise SimulationError(msg)
    (cells,) = np.nonzero(shower)
    return cells.astype(np.uint32), shower[cells]


def _engine(header: dict[str, Any]) -> Engine:
    """Load and start an engine, named ``"package.module:Class"``."""
    module, _, name = str(header["engine"]).partition(":")
    engine: Engine = vars(import_module(module))[name](Setup.from_dict(header["setup"]))
    return engine


def _description(engine: Engine) -> dict[str, Any]:
    """Say what a shower depends on besides its particle and seed."""
    return {**engine.description(), "numpy": np.__version__}


def _particles(request: Frame) -> Particles:
    columns = dict(request.arrays)
    for name in ("row", "seed", "miss"):
        columns.pop(name, None)
    incident = columns.pop("incident")
    return Particles(columns, incident)


def _next(requests: BinaryIO) -> Frame | None:
    """Wait for a request; None if there will be none."""
    if sys.platform != "win32" and not select.select([requests], [], [], IDLE_SECONDS)[0]:
        return None
    return receive(_Whole(requests))


class _Whole:
    """Reads from a pipe as many bytes as are asked for: an unbuffered one may give fewer."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (part := self._raw.read(min(size, 2**20))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


if __name__ == "__main__":
    main()
