"""Features that are computed from the columns of incident particles and the detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry


@dataclass(frozen=True)
class Derived:
    """A feature computed from columns and geometry.

    Attributes:
        description: What it is.
        unit: Unit of each of its numbers.
        parts: Suffixes of its numbers; one empty suffix for a single number.
        compute: Particles and geometry to ``(n, len(parts))``.
        needs_grid: Whether it is defined by a grid of cells.
        ranged: Whether a value outside the trained range is worth a warning.
        one_hot: Whether its numbers are 0 or 1, and are left so.
    """

    description: str
    unit: str
    parts: tuple[str, ...]
    compute: Callable[[Particles, DetectorGeometry], NDArray[np.float64]]
    needs_grid: bool = False
    ranged: bool = True
    one_hot: bool = False


def impact_cm(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    """Impact point on the front face, ``(n, 2)``: x and y in cm.

    As `front_face_point`: without a front face in the geometry, all are taken to be on it.
    """
    return particles.front_face(geometry.front_face_z_cm)


def impact_in_cells(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    """Impact point on the front face in cells from the grid's low corner, ``(n, 2)``."""
    layout = _grid(geometry)

    def compute() -> NDArray[np.float64]:
        position = impact_cm(particles, geometry)
        impact: NDArray[np.float64] = (position + layout.half_width_cm) / layout.pitch_cm
        return impact

    return particles.remembered(
        ("cells", geometry.front_face_z_cm, layout.cells, layout.pitch_cm), compute
    )


def _grid(geometry: DetectorGeometry) -> GridLayout:
    if not isinstance(geometry.layout, GridLayout):  # unreachable: checked by ConditionSet
        raise TypeError
    return geometry.layout


def _log_energy(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    log_energy: NDArray[np.float64] = np.log(particles["energy_gev"])[:, None]
    return log_energy


def _impact(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    return 2 * impact_in_cells(particles, geometry) / _grid(geometry).cells - 1


def _cell_offset(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    impact = impact_in_cells(particles, geometry)
    offset: NDArray[np.float64] = impact - np.floor(impact) - 0.5
    return offset


def _edges(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    low = impact_in_cells(particles, geometry)
    distance = np.concatenate((low, np.asarray(_grid(geometry).cells) - low), axis=1)
    near: NDArray[np.float64] = np.exp(-np.maximum(distance, 0.0) / 3)
    return near


def _slope(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    across = np.stack((particles["px_gev"], particles["py_gev"]), axis=1)
    along = np.maximum(np.abs(particles["pz_gev"]), 1e-9)
    slope: NDArray[np.float64] = 1000 * across / along[:, None]
    return slope


def _theta(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    across = np.hypot(particles["px_gev"], particles["py_gev"])
    theta: NDArray[np.float64] = 1000 * np.arctan2(across, np.abs(particles["pz_gev"]))
    return theta[:, None]


def _phi(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    momentum = np.stack((particles["px_gev"], particles["py_gev"]), axis=1)
    across = np.hypot(momentum[:, :1], momentum[:, 1:])
    direction = np.zeros_like(momentum)
    np.divide(momentum, across, out=direction, where=across > 0)
    return direction


FAMILIES = (
    "photon",
    "electron",
    "muon",
    "charged_hadron",
    "neutral_hadron",
    "nucleus",
    "other",
)


def family(pdg: int) -> str:
    """Return the family of a particle kind, one of `FAMILIES`.

    Example:
        >>> family(2112), family(-211), family(22), family(1000020040)
        ('neutral_hadron', 'charged_hadron', 'photon', 'nucleus')
    """
    # Imported here: the table of all particles takes a while to load.
    from particle import PDGID

    number = PDGID(pdg)
    leptons = {11: "electron", 13: "muon", 22: "photon"}
    if abs(pdg) in leptons:
        return leptons[abs(pdg)]
    if number.is_nucleus and abs(pdg) > 10**9:
        return "nucleus"
    if number.is_hadron:
        return "charged_hadron" if number.charge else "neutral_hadron"
    return "other"


def _family(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    codes, where = np.unique(particles["pdg"], return_inverse=True)
    names = np.array([family(int(code)) for code in codes], dtype=np.str_)
    one_hot: NDArray[np.float64] = (names[where][:, None] == np.array(FAMILIES)).astype(float)
    return one_hot


DERIVED: Mapping[str, Derived] = {
    "log_energy": Derived("logarithm of the energy in GeV", "", ("",), _log_energy),
    "impact": Derived(
        "impact point on the front face over the half width", "", ("_x", "_y"), _impact, True
    ),
    "impact_cm": Derived("impact point on the front face", "cm", ("_x", "_y"), impact_cm),
    "cell_offset": Derived(
        "impact point within its cell, from the cell's centre",
        "cells",
        ("_x", "_y"),
        _cell_offset,
        needs_grid=True,
        ranged=False,
    ),
    "edges": Derived(
        "nearness of the four edges, exp(-distance / 3 cells)",
        "",
        ("_low_x", "_low_y", "_high_x", "_high_y"),
        _edges,
        needs_grid=True,
        ranged=False,
    ),
    "slope": Derived(
        "direction, transverse over longitudinal momentum", "mrad", ("_x", "_y"), _slope
    ),
    "theta": Derived("angle between momentum and beam axis", "mrad", ("",), _theta),
    "phi": Derived(
        "azimuth of the momentum as cosine and sine; both 0 along the beam",
        "",
        ("_cos", "_sin"),
        _phi,
        ranged=False,
    ),
    "family": Derived(
        "1 for its family of particle kinds",
        "",
        tuple(f"_{name}" for name in FAMILIES),
        _family,
        one_hot=True,
    ),
}
