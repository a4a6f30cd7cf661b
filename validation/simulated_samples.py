"""Make the showers of `caloforge simulate` that come with caloforge.

Usage: ``python validation/simulated_samples.py FOLDER [NAME ...]``

Runs the commands below where FOLDER does not hold their result yet (hours on two cores in all;
interrupted, it goes on where it was), then writes ``src/caloforge/data/samples/NAME.h5``: the
same showers, compressed harder. Energies (MeV) are rounded to 11 significant binary digits, a
relative error below 2^-11 = 0.05 %, so that a cell takes two bytes; counts stay as they are.

``zn-neutron-option1`` has the physics of ``zn-train``: its detector is the ZN with the
efficiency of the program that made that, and its gun is in ``validation/samples``.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from caloforge.data import ShowerWriter, read_showers

PACKAGE = Path(__file__).parents[1] / "src" / "caloforge"
SAMPLES = PACKAGE / "data" / "samples"
GUN = Path(__file__).parent / "samples" / "neutron-100-spot.toml"
EFFICIENCY = 0.147  # photo-electrons a photon in `zn-train` (its data card)
COMMANDS = {
    "zp-train": "simulate zp -n 1200 --seed 1",
    "zp-test": "simulate zp -n 120 --repeats 5 --seed 2",
    "cylinder-train": "simulate cylinder -n 3000 --seed 1",
    "cylinder-test": "simulate cylinder -n 120 --repeats 5 --seed 2",
    "zn-neutron-100": "simulate zn --gun neutron-100 -n 1000 --seed 1",
    "zn-neutron-option1": (
        f"simulate zn-147.toml --gun {GUN.name} -n 250 --repeats 4 --em option1 --cut 0.7mm "
        "--seed 3"
    ),
}
DIGITS = 11
# Numbers of incident particles in test samples start here, apart from those in training.
FIRST_OF_TEST = 1_000_000


def rounded(cells: np.ndarray) -> np.ndarray:
    """Round float32 to `DIGITS` significant binary digits, to nearest, ties away from zero."""
    drop = 24 - DIGITS
    bits = cells.astype(np.float32).view(np.uint32).astype(np.uint64)
    return (((bits + (1 << (drop - 1))) >> drop) << drop).astype(np.uint32).view(np.float32)


def inputs(folder: Path) -> None:
    """Put the detector and the gun of ``zn-neutron-option1`` where its command runs."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (PACKAGE / "geometry" / "detectors" / "zn.toml").read_text()
    text, n = re.subn(r"(?m)^efficiency = [0-9.]+.*$", f"efficiency = {EFFICIENCY}", text)
    assert n == 1
    (folder / "zn-147.toml").write_text(text)
    shutil.copy(GUN, folder)


def simulated(name: str, folder: Path) -> Path:
    """Return the file that a command makes; run the command if it is not there."""
    path = folder / f"{name}.h5"
    if not path.is_file():
        inputs(folder)
        words = [*shlex.split(COMMANDS[name]), "--resume", "-o", path.name]
        command = "import sys; from caloforge.cli import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", command, *words], check=True, cwd=folder)
    return path


def pack(name: str, path: Path) -> None:
    """Write the sample."""
    sample = read_showers(path)
    particles = sample.particles
    if name.endswith("-test"):
        particles = type(particles)(particles.columns, particles.incident + FIRST_OF_TEST)
    showers, provenance = sample.showers, {"command": f"caloforge {COMMANDS[name]}"}
    provenance |= sample.provenance
    if not sample.geometry.counts:
        provenance["rounded"] = f"cells to {DIGITS} significant binary digits"
        showers = rounded(showers)
    with ShowerWriter(
        SAMPLES / f"{name}.h5",
        sample.geometry,
        provenance=provenance,
        compression=9,
        force=True,
    ) as writer:
        writer.append(particles, showers, sample.cpu_seconds)
    size = (SAMPLES / f"{name}.h5").stat().st_size / 1e6
    print(f"{name}: {len(showers)} showers, {size:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the simulated files lie")
    parser.add_argument("names", nargs="*", default=list(COMMANDS), help="samples to make")
    arguments = parser.parse_args()
    for name in arguments.names:
        pack(name, simulated(name, arguments.folder))
    for train in SAMPLES.glob("*-train.h5"):
        test = train.with_name(train.name.replace("-train", "-test"))
        found = [read_showers(path).particles.identity() for path in (train, test)]
        if test.is_file() and np.intersect1d(*found).size:
            sys.exit(f"{train.stem} and {test.stem} share incident particles")


if __name__ == "__main__":
    main()
