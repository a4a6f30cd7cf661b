"""Pools of showers that were read from a file, and the shelf that keeps a few of them."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.data.feeding.ahead import Background
    from caloforge.data.feeding.dataset import ShowerDataset

Key = tuple[int, int]


class Pool(NamedTuple):
    """Showers of a pool in memory, in the order of the file.

    Attributes:
        showers: The showers.
        row: Row of each place of the pool, ``(places,)``; undefined for places of other
            processes, which are not in memory.
    """

    showers: ShowerDataset
    row: NDArray[np.int64]

    def taken(self, places: NDArray[np.int64]) -> ShowerDataset:
        """Copy the showers of some places."""
        sample = self.showers.sample.select(self.row[places])
        return replace(self.showers, sample=sample)


class PoolShelf:
    """Keeps pools by epoch and number, also from one round of training to the next."""

    def __init__(self) -> None:
        self._held: dict[Key, Future[Pool]] = {}
        self._purpose: tuple[float, ...] = ()
        self._lock = Lock()

    def use_for(self, purpose: tuple[float, ...]) -> None:
        """Say whose pools are meant: pools of another seed or process are forgotten."""
        with self._lock:
            if purpose != self._purpose:
                self._held.clear()
            self._purpose = purpose

    def get(self, key: Key, load: Callable[[], Pool], reader: Background) -> Future[Pool]:
        """Return a pool, which the reader loads if it is not there."""
        with self._lock:
            if key not in self._held:
                self._held[key] = reader.submit(load)
            return self._held[key]

    def forget_before(self, key: Key) -> None:
        """Drop pools of earlier epochs and numbers; who still uses one keeps it."""
        with self._lock:
            self._held = {k: pool for k, pool in self._held.items() if k >= key}

    def tidy(self) -> None:
        """Drop what was cancelled or failed."""
        with self._lock:
            self._held = {
                key: pool
                for key, pool in self._held.items()
                if pool.done() and not pool.cancelled() and pool.exception() is None
            }

    def __len__(self) -> int:
        """Return how many pools are kept."""
        return len(self._held)
