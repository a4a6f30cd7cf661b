"""Draw docs/figures/full_simulation.png: what `caloforge simulate` makes, from the samples.

python docs/figures/full_simulation.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import caloforge


def grid_shower(figure: Figure, ax, name: str, kind: str, gev: float) -> None:
    """Draw the shower of the named kind that is nearest in energy, seen from the front."""
    sample = caloforge.load_sample(name)
    particles, layout = sample.particles, sample.geometry.layout
    distance = np.abs(np.log(particles["energy_gev"] / gev))
    row = int(np.argmin(np.where(particles.kinds() == kind, distance, np.inf)))
    cells = layout.shaped(sample.showers[row : row + 1])[0].T
    x, y = layout.half_width_cm
    image = ax.imshow(
        np.where(cells > 0, cells, np.nan),
        origin="lower",
        extent=[-x, x, -y, y],
        norm=LogNorm(1, 100),
        cmap="viridis",
        interpolation="nearest",
    )
    ax.plot(particles["x_cm"][row], particles["y_cm"][row], "r+", ms=8, mew=0.8)
    energy = particles["energy_gev"][row]
    ax.set(title=f"{name.split('-')[0].upper()}: {kind}, {energy:.0f} GeV", xlabel="x [cm]")
    ax.set_ylabel("y [cm]")
    figure.colorbar(image, ax=ax, label="photons a fibre", shrink=0.6)


def cylinder_shower(figure: Figure, ax, gev: float) -> None:
    """Draw an electron's energy by layer and ring, all angles added."""
    sample = caloforge.load_sample("cylinder-train")
    row = int(np.argmin(np.abs(sample.particles["energy_gev"] - gev)))
    cells = sample.showers[row].reshape(45, 16, 9).sum(axis=1).T
    outer = sample.geometry.layout.layers[0].r_edges_mm[-1]
    image = ax.imshow(
        np.where(cells > 0, cells, np.nan),
        origin="lower",
        extent=[-0.5, 44.5, 0, outer],
        aspect="auto",
        norm=LogNorm(1e-3, 100),
        cmap="viridis",
        interpolation="nearest",
    )
    energy = sample.particles["energy_gev"][row]
    ax.set(title=f"cylinder: e-, {energy:.0f} GeV", xlabel="layer", ylabel="radius [mm]")
    figure.colorbar(image, ax=ax, label="MeV in a ring", shrink=0.6)


def main() -> None:
    """Draw a neutron, a proton and an electron."""
    figure = Figure(figsize=(12.5, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, width_ratios=(1, 1.5, 1.2))
    grid_shower(figure, axes[0], "zn-neutron-100", "n", 100)
    grid_shower(figure, axes[1], "zp-test", "p", 400)
    cylinder_shower(figure, axes[2], 40)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
