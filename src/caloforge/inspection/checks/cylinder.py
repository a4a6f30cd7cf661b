"""Order of cells in a cylinder, by its symmetry, its depth, and slanted particles."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import CylinderLayout
from caloforge.inspection.finding import Finding, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

_SHOWERS = 30
# Variance of the mean response from sector to sector over its square, weighted by the latter:
# 0.002 in 600 showers of electrons. Another order of cells must be better by ten.
_UNEVEN = 0.05
_BETTER = 10.0
# Mean layer against log energy: deeper for every kind of shower.
_SIGMAS = 5.0
_ENERGY_RANGE = 2.0
_MUONS = (13, -13)
# Directions that differ, and correlation of direction and shower.
_DIRECTIONS = 4
_DIPOLE = 0.2


def judge_cylinder(evidence: Evidence) -> Iterator[Finding]:
    """Judge what a detector without impact points lets one see."""
    layout, sample = evidence.geometry.layout, evidence.sample
    assert isinstance(layout, CylinderLayout)
    lit = int(np.count_nonzero(sample.sums > 0))
    if lit < _SHOWERS:
        text = f"{lit} showers with a response, {_SHOWERS} are needed"
        yield Finding("not judged", text)
        return
    bad = False
    for finding in (
        *_order(evidence, layout),
        *_depth(evidence),
        *_start_angle(evidence, layout),
    ):
        bad |= finding.severity != "ok"
        yield finding
    if not bad:
        yield Finding("ok", "no sign of another order of layers, angles or rings")


def unevenness(mean: NDArray[np.float64]) -> float:
    """Variance from sector to sector over the squared mean, of ``(layer, angle, ring)``."""
    over = mean.mean(axis=1)
    total = float((over**2).sum())
    return float(mean.var(axis=1).sum()) / total if total > 0 else 0.0


def roughness(mean: NDArray[np.float64]) -> float:
    """Bends of the profiles along layers and rings, of ``(layer, angle, ring)``."""
    profiles = mean.sum(axis=1)
    return float(sum(np.abs(np.diff(profiles, 2, axis=axis)).sum() for axis in (0, 1)))


def _order(evidence: Evidence, layout: CylinderLayout) -> Iterator[Finding]:
    """Find another nesting of layers, angles and rings: the right one is even in the angle."""
    shapes = {layer.shape for layer in layout.layers if layer.n_cells}
    if len(shapes) != 1 or _tilt(evidence).any():
        return
    angles, rings = shapes.pop()
    if angles < 4 or rings < 2:
        return
    sums = evidence.cells.sums
    sizes = {"layer": len(sums) // (angles * rings), "angle": angles, "ring": rings}
    uneven, rough = {}, {}
    for order in permutations(sizes):
        cells = sums.reshape([sizes[name] for name in order])
        mean = cells.transpose([order.index(name) for name in sizes])
        uneven[order], rough[order] = unevenness(mean), roughness(mean)
    own = uneven["layer", "angle", "ring"]
    least = min(uneven.values())
    # Where only layers and rings change places, sectors are as even: profiles tell.
    best = min((o for o in uneven if uneven[o] <= least * 1.001), key=lambda o: rough[o])
    if own > _UNEVEN and own > _BETTER * uneven[best]:
        text = (
            f"cells are stored with {best[2]}s fastest, then {best[1]}s, then {best[0]}s: so "
            f"read, sectors differ by {percent(np.sqrt(uneven[best]))}, as stored by "
            f"{percent(np.sqrt(own))}"
        )
        cure = "store rings fastest, then angles, then layers"
        yield Finding("error", text, evidence.n_showers, 0, cure)


def _depth(evidence: Evidence) -> Iterator[Finding]:
    """Find layers stored from back to front: showers get deeper with log energy."""
    sample = evidence.sample
    energy, kinds = sample.columns["energy_gev"], sample.columns["pdg"]
    usable = (sample.sums > 0) & (energy > 0) & np.isfinite(energy)
    for kind in np.unique(kinds[usable]).tolist():
        own = usable & (kinds == kind)
        e = energy[own]
        distinct = len(np.unique(e))
        if kind in _MUONS or own.sum() < _SHOWERS or e.max() < _ENERGY_RANGE * e.min():
            continue
        depth = sample.depth[own]
        if depth.std() == 0 or distinct < 2:
            continue
        found = float(np.corrcoef(np.log(e), depth)[0, 1])
        if found < -_SIGMAS / np.sqrt(own.sum() / max(evidence.repeats, 1.0)):
            text = (
                f"showers are less deep at higher energy (correlation {found:.2f}): layers lie "
                "from back to front"
            )
            number, first = int(own.sum()), int(sample.number[own][0])
            yield Finding("error", text, number, first, "reverse the order of the layers")
            return


def _start_angle(evidence: Evidence, layout: CylinderLayout) -> Iterator[Finding]:
    """Compare the azimuth of slanted or displaced particles with that of their showers."""
    tilt = _tilt(evidence)
    centroid = evidence.sample.centroid
    away = centroid[:, 0] + 1j * centroid[:, 1]
    usable = np.isfinite(away) & (np.abs(tilt) > 0)
    if usable.sum() < _SHOWERS or len(np.unique(tilt[usable])) < _DIRECTIONS:
        return
    away, tilt = away[usable], tilt[usable]
    scale = np.sqrt(np.sum(np.abs(away) ** 2) * np.sum(np.abs(tilt) ** 2))
    if scale == 0:  # one cell a layer has no direction
        return
    turned = complex(np.sum(away * np.conj(tilt)) / scale)
    mirrored = complex(np.sum(away * tilt) / scale)
    n, first = len(away), int(evidence.sample.number[usable][0])
    if abs(mirrored) > abs(turned) + _DIPOLE:
        text = (
            f"sectors run against the angle: mirrored, direction and shower have a correlation "
            f"of {abs(mirrored):.2f}, as stored {abs(turned):.2f}"
        )
        yield Finding("error", text, n, first, "reverse the order of the angles")
        return
    sector = 2 * np.pi / max(layer.n_angles for layer in layout.layers if layer.n_cells)
    angle = float(np.angle(turned))
    if abs(turned) > _DIPOLE and abs(angle) > max(sector, 5 / np.sqrt(n)):
        text = f"showers are turned by {np.degrees(angle):.0f} degrees against their particles"
        cure = f"shift the sectors by {round(-angle / sector)}: the first starts at the x axis"
        yield Finding("error", text, n, first, cure)


def _tilt(evidence: Evidence) -> NDArray[np.complex128]:
    """Where particles are off the axis or slanted: a vector across it, 0 if they are not."""
    columns = evidence.sample.columns
    place = np.nan_to_num(columns["x_cm"] + 1j * columns["y_cm"])
    if np.abs(place).max() > 0:
        return np.asarray(place)
    pz = np.abs(np.where(columns["pz_gev"] == 0, np.inf, columns["pz_gev"]))
    with np.errstate(invalid="ignore"):
        slope = np.nan_to_num((columns["px_gev"] + 1j * columns["py_gev"]) / pz)
    # The shower goes on along the particle's direction.
    return np.asarray(np.where(np.abs(slope) > 1e-4, slope, 0))
