"""Run in a process of its own: simulate what standard input asks for, print it as JSON.

Geant4 starts once a process, so every detector needs its own.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np

from caloforge.data import Particles
from caloforge.errors import CaloforgeError
from caloforge.simulation.engine import Engine
from caloforge.simulation.setup import Setup


def table(rows: list[dict[str, float]]) -> Particles:
    names = [name for name in rows[0] if name != "incident"]
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    return Particles(columns, np.arange(len(rows)))


def main() -> None:
    answers = os.dup(1)
    os.dup2(2, 1)  # Geant4 prints to standard output
    asked = json.load(sys.stdin)
    engine = Engine(Setup.from_dict(asked["setup"]))
    particles = table(asked["particles"])
    result: dict[str, object] = {"description": engine.description(), "showers": []}
    if asked.get("check"):
        try:
            engine.check(particles)
            result["refused"] = None
        except CaloforgeError as error:
            result["refused"] = f"{type(error).__name__}: {error}"
    for row, seed in asked["showers"]:
        cells = engine.shower(particles, row, seed)
        lit = np.flatnonzero(cells)
        result["showers"].append([str(cells.dtype), lit.tolist(), cells[lit].tolist()])
    with os.fdopen(answers, "w") as file:
        json.dump(result, file)
    sys.stdout.flush()
    os._exit(0)  # Geant4's objects are not worth taking apart


if __name__ == "__main__":
    main()
