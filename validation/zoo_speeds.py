"""Showers a second of one core, of every system of the zoo in one go.

Speeds of different hours cannot be compared: the machine is shared. All bundles are timed in
turn, several rounds long, and the median of the rounds counts.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle_speed import machine, rate, rates
from result_files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.generation import FastSimulation

RESULT = Path(__file__).parent / "results" / "zoo-speeds.json"
DETECTORS = ("zn", "zp", "cylinder")
ROUNDS = 3
SECONDS = 0.3  # of each measurement


def measure(work: Path, only: Sequence[str] = ()) -> None:
    """Time the bundles of seed 0 that are there, and write `RESULT`.

    Arguments:
        work: Folder of the trainings.
        only: Beginnings of names; speeds of others stay, with the date of their own. Only what
            was timed in one go can be compared.
    """
    import torch

    from caloforge.data import load_sample
    from caloforge.generation.simulation import load
    from caloforge.training.provenance import provenance

    torch.set_num_threads(1)
    found: dict[str, list[dict[str, Any]]] = {}
    for round_ in range(ROUNDS):
        for detector in DETECTORS:
            particles = load_sample(f"{detector}-test").particles
            for folder in sorted((work / detector).glob("*-0")):
                if not (folder / "bundle").is_dir():
                    continue
                name = f"{detector}/{folder.name}"
                if only and not name.startswith(tuple(only)):
                    continue
                simulation = load(folder / "bundle")
                once = rates(simulation, particles, SECONDS)
                if draws_hits(simulation):
                    once["256 without numba"] = rate(plain(simulation), particles, 256, SECONDS)
                found.setdefault(name, []).append(once)
                print(round_, name, once, flush=True)
    if not found:
        msg = f"{work}: found no bundle of seed 0, expected what zoo.py trained; train first"
        raise SystemExit(msg)
    date = provenance()["date"]
    speeds = {name: {**_median(rounds), "date": date} for name, rounds in found.items()}
    write_json(
        RESULT,
        {
            "speeds": {**(measured() if only else {}), **speeds},
            "rounds": ROUNDS,
            "machine": machine(),
            "provenance": provenance(),
        },
    )


def draws_hits(simulation: FastSimulation) -> bool:
    """Whether a model of shapes draws hits: numba then matters."""
    shapes = getattr(simulation.bundle.generator, "shapes", None)
    return simulation.geometry.counts and shapes is not None and shapes() is not None


def plain(simulation: FastSimulation) -> FastSimulation:
    """The same without numba."""
    from caloforge.generation import FastSimulation

    return FastSimulation(simulation.bundle, compiled=False)


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Median of each rate, and the spread of the rounds at 256."""
    best = max(rounds, key=lambda one: one["best"])["best_batch"]
    keys = [key for key in rounds[0] if key != "best_batch"]
    medians = {key: statistics.median(one[key] for one in rounds) for key in keys}
    at_256 = [one["256"] for one in rounds]
    return {**medians, "best_batch": best, "256 from to": [min(at_256), max(at_256)]}


def measured() -> dict[str, dict[str, Any]]:
    """Speeds by ``"zn/vae-tuned-0"``; empty before they were measured."""
    return read_json(RESULT)["speeds"] if RESULT.is_file() else {}
