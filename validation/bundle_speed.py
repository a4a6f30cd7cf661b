"""Showers a second of one core."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caloforge.data import Particles
    from caloforge.generation import FastSimulation

_BATCHES = (1024, 4096)


def rates(
    simulation: FastSimulation, particles: Particles, seconds: float = 1.0
) -> dict[str, float]:
    """Showers a second of CPU time of one core: one by one, 256 at a time, and at best."""
    from caloforge.generation import FastSimulation

    alone = FastSimulation(simulation.bundle, one_by_one=True)
    found = {1: rate(alone, particles, 1, seconds)}
    found[256] = rate(simulation, particles, 256, seconds)
    if found[256] * seconds >= _BATCHES[-1] / 4:  # else a call would take too long
        found |= {size: rate(simulation, particles, size, seconds) for size in _BATCHES}
    best = max(found, key=lambda size: found[size])
    return {"1": found[1], "256": found[256], "best": found[best], "best_batch": best}


def rate(simulation: FastSimulation, particles: Particles, size: int, seconds: float) -> float:
    """Showers a second of calls that ask for ``size`` showers of as many particles."""
    import numpy as np

    def call(number: int) -> None:
        rows = (number * size + np.arange(size)) % len(particles)
        simulation.showers(particles.select(rows), seed=1, first=number * size)

    # The first calls set up, and let the processor find its way.
    warm = time.process_time()
    for number in range(3):
        call(number)
        if time.process_time() - warm > seconds:
            break
    made, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds or not made:
        made += 1
        call(made)
    return round(made * size / max(spent, 1e-9), 1)


def machine() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
