"""Draw docs/figures/showers.png: Geant4 and generated responses of the same test particles.

python docs/figures/showers.py BUNDLE
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import caloforge


def main() -> None:
    """Choose six bright particles of different kinds and energies, and draw."""
    test = caloforge.load_sample("zn-test")
    made = caloforge.load(sys.argv[1]).generate(test.particles, seed=1)
    particles, grid = test.particles, test.geometry.layout
    kinds, energy = particles.kinds(), particles["energy_gev"]
    first = np.unique(particles.incident, return_index=True)[1]
    wanted = (("n", 900), ("n", 200), ("gamma", 150), ("pi+", 150), ("p", 300), ("Lambda", 250))
    chosen = [
        min(first[kinds[first] == kind], key=lambda row: abs(np.log(energy[row] / gev)))
        for kind, gev in wanted
        if (kinds[first] == kind).any()
    ]
    figure = Figure(figsize=(1.75 * len(chosen), 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, len(chosen))
    extent = [-grid.half_width_cm[0], grid.half_width_cm[0]] * 2
    for column, row in enumerate(chosen):
        for line, (sample, shift, label) in enumerate(
            (
                (test, 0, "Geant4"),
                (test, 1, "Geant4"),
                (made, 0, "e2e SAE"),
                (made, 1, "e2e SAE"),
            )
        ):
            ax = axes[line, column]
            cells = grid.shaped(sample.showers[row + shift : row + shift + 1])[0].T
            image = ax.imshow(
                np.where(cells > 0, cells, np.nan),
                origin="lower",
                extent=extent,
                norm=LogNorm(1, 200),
                cmap="viridis",
                interpolation="nearest",
            )
            ax.plot(particles["x_cm"][row], particles["y_cm"][row], "r+", ms=7, mew=0.8)
            ax.set(xticks=[], yticks=[])
            ax.text(
                0.03, 0.97, f"{int(cells.sum())}", transform=ax.transAxes, va="top", fontsize=8
            )
            if column == 0:
                ax.set_ylabel(label)
            if line == 0:
                ax.set_title(f"{kinds[row]}, {energy[row]:.0f} GeV", fontsize=10)
    figure.colorbar(image, ax=axes, label="photons a fibre", shrink=0.5)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
