"""Make the showers that come with caloforge from the project's own Geant4 production.

Usage: ``python validation/embedded_sample.py FOLDER``; FOLDER holds ``zn-{train,test}.npz``.
Writes ``src/caloforge/data/samples/zn-{train,test}.h5``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from caloforge.data import PARTICLE_COLUMNS, Particles, ShowerSample, ShowerWriter, read_showers
from caloforge.geometry import load_geometry

SAMPLES = Path(__file__).parents[1] / "src" / "caloforge" / "data" / "samples"
PROVENANCE = {
    "simulation": "Geant4 11.4.1 through geant4-pybind 0.1.3",
    "physics": "FTFP_BERT with EM option 1, G4EmExtra, decays, elastic, stopping, ions",
    "production_cut_mm": 0.7,
    "run_data": "low-energy run data substituted, not the official data sets",
    "light": "Cherenkov photons in 365 um quartz fibres, n = 1.458, aperture 0.37, 0.147 pe",
    "made_for": "caloforge; see the data card samples/README.md",
}


def converted(path: Path) -> ShowerSample:
    """Read one file of the production; nothing but names and shapes changes."""
    with np.load(path) as arrays:
        conditions = arrays["conditions"]
        columns = {name: conditions[:, k] for k, name in enumerate(list(PARTICLE_COLUMNS)[1:])}
        return ShowerSample(
            particles=Particles({"pdg": arrays["pdg"], **columns}, arrays["incident"]),
            showers=arrays["response"].reshape(len(conditions), -1),
            geometry=load_geometry("zn"),
            cpu_seconds=arrays["cpu_seconds"],
            provenance=PROVENANCE | {"origin": path.name},
            source=str(path),
        )


def main(folder: Path) -> None:
    samples = {name: converted(folder / f"{name}.npz") for name in ("zn-train", "zn-test")}

    # A particle of the test that was seen in training would make every figure too good.
    train, test = (sample.particles.identity() for sample in samples.values())
    shared = np.intersect1d(train, test)
    if shared.size:
        sys.exit(f"{shared.size} incident particles are in train and test alike")

    for name, sample in samples.items():
        particles = sample.particles
        if len(np.unique(particles.identity())) != len(np.unique(particles.incident)):
            sys.exit(f"{name}: 'incident' does not number the distinct particles")
        path = SAMPLES / f"{name}.h5"
        with ShowerWriter(
            path, sample.geometry, provenance=sample.provenance, force=True
        ) as writer:
            writer.append(particles, sample.showers, sample.cpu_seconds)
        assert np.array_equal(read_showers(path).showers, sample.showers)
        size = path.stat().st_size / 1e6
        print(f"{path.name}: {len(sample)} showers, {size:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
