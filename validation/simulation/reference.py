"""Agreement of ``caloforge simulate`` with an independent Geant4 program.

    python validation/simulation/reference.py --workers 2              # 25 CPU minutes
    python validation/simulation/reference.py --workers 2 --repeats 5  # an hour

The reference (``zn-test``, and ``zp-test.npz`` of the project's production) was made by other
code around Geant4, described in the data card: five showers of each of 440 and 120 particles.
The same particles are simulated here with the same physics, EM option1 and a cut of 0.7 mm.
Repeat k is a file of its own with the seed ``--seed`` + k, so that more repeats go on where
fewer ended. Analysis: `agreement.py`; what may cause differences: `steps.py`. Writes
``validation/results/simulation-reference.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from agreement import compare
from common import ROOT, arguments, save, showers, with_efficiency

from caloforge.data import (
    PARTICLE_COLUMNS,
    Particles,
    ShowerSample,
    load_sample,
    write_particles,
)
from caloforge.geometry import load_geometry

if TYPE_CHECKING:
    import argparse

EFFICIENCY = 0.147  # that of the reference
SETTINGS = {"physics": "FTFP_BERT", "em": "option1", "cut_mm": 0.7}


def reference(detector: str, zp: Path) -> ShowerSample | None:
    """Showers of the other program; None if they are not here."""
    if detector == "zn":
        return load_sample("zn-test")
    if not zp.exists():
        return None
    with np.load(zp) as arrays:
        conditions = arrays["conditions"]
        columns = {name: conditions[:, k] for k, name in enumerate(list(PARTICLE_COLUMNS)[1:])}
        return ShowerSample(
            particles=Particles({"pdg": arrays["pdg"], **columns}, arrays["incident"]),
            showers=arrays["response"].reshape(len(conditions), -1),
            geometry=load_geometry("zp"),
            cpu_seconds=arrays["cpu_seconds"],
            provenance={},
            source=str(zp),
        )


def ours(
    options: argparse.Namespace, detector: str, theirs: ShowerSample, repeats: int
) -> list[ShowerSample]:
    """Showers of the same particles, one sample a repeat, in the order of the reference."""
    _, first = np.unique(theirs.particles.incident, return_index=True)
    options.work.mkdir(parents=True, exist_ok=True)
    table = options.work / f"reference-{detector}.parquet"
    built = with_efficiency(options, detector, EFFICIENCY)
    write_particles(table, theirs.particles.select(np.sort(first)), force=True)
    return [
        showers(
            options, f"reference-{detector}-{k}", built, particles=table, **SETTINGS,
            seed=options.seed + k,
        )
        for k in range(repeats)
    ]  # fmt: skip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="showers a ZN particle")
    parser.add_argument("--zp-repeats", type=int, default=2, help="showers a ZP particle")
    parser.add_argument(
        "--zp", type=Path, default=ROOT.parent / "shared" / "data" / "zp-test.npz"
    )
    options = parser.parse_args()
    result: dict[str, Any] = {"settings": {**SETTINGS, "efficiency": EFFICIENCY}}
    sample = None
    for detector, repeats in (("zn", options.repeats), ("zp", options.zp_repeats)):
        theirs = reference(detector, options.zp) if repeats else None
        if theirs is None:
            continue
        made = ours(options, detector, theirs, repeats)
        sample = made[0]
        result[detector] = compare(theirs, made, seed=options.seed)
        save("reference", result, sample)


if __name__ == "__main__":
    main()
